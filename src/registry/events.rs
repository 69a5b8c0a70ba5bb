//! Events: what parts of k2d tell people about an object. The same event again counts up instead of
//! standing there twice, and one source cannot flood an object. It does not know what is told.
//!
//! Source of the rules: client-go's event correlator (a repeated event is counted, more than ten
//! different messages of one reason within ten minutes are combined, a source has 25 events for an
//! object and gets one more each five minutes).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Change, Changed, Part, Registry, Target, WriteOptions, now};
use crate::schema::object::Object;
use crate::schema::status::Status;

/// How many recent events are remembered, for counting them up.
const REMEMBERED: usize = 256;
/// Events of one source about one object that may come at once.
const BURST: f64 = 25.0;
/// Seconds until one more is let through.
const REFILL_SECONDS: f64 = 300.0;
/// Different messages of one reason about one object before they are combined.
const SIMILAR: usize = 10;
/// Seconds after which a reason is counted anew.
const SIMILAR_SECONDS: i64 = 600;

/// Whether an event tells of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// All is as it should be.
    Normal,
    /// Something is wrong.
    Warning,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// The object that an event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Involved {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// Namespace; empty for an object of the cluster.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// A part of it, such as `spec.containers{broker}`.
    pub field_path: String,
}

impl Involved {
    /// An object as it stands in the store.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        Self {
            api_version: object.text("/apiVersion").into(),
            kind: object.text("/kind").into(),
            namespace: object.namespace().into(),
            name: object.name().into(),
            uid: object.uid().into(),
            resource_version: object.resource_version().into(),
            field_path: String::new(),
        }
    }

    /// The same object, at that part.
    #[must_use]
    pub fn at(mut self, field_path: impl Into<String>) -> Self {
        self.field_path = field_path.into();
        self
    }

    fn to_value(&self) -> Value {
        let mut value = json!({"kind": self.kind, "name": self.name});
        let rest = [
            ("apiVersion", &self.api_version),
            ("namespace", &self.namespace),
            ("uid", &self.uid),
            ("resourceVersion", &self.resource_version),
            ("fieldPath", &self.field_path),
        ];
        for (key, text) in rest.into_iter().filter(|(_, text)| !text.is_empty()) {
            value[key] = text.as_str().into();
        }
        value
    }

    /// What tells it from others, whatever its version.
    fn identity(&self) -> String {
        [&self.kind, &self.namespace, &self.name, &self.uid, &self.api_version].map(String::as_str).join("\n")
    }
}

/// Records events of one component; cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    registry: Registry,
    component: Arc<str>,
    host: Arc<str>,
    options: WriteOptions,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    recent: VecDeque<Recent>,
    reasons: VecDeque<Reason>,
    sources: VecDeque<Source>,
}

/// An event that may be counted up.
struct Recent {
    identity: String,
    name: String,
    count: i64,
}

/// Messages seen of one reason about one object.
struct Reason {
    identity: String,
    messages: Vec<String>,
    last: i64,
}

/// What is left of the budget of an object.
struct Source {
    identity: String,
    tokens: f64,
    at: Timestamp,
}

impl Recorder {
    /// A recorder for `component` (as `source.component`), which writes as `manager`. `host` is empty
    /// for what runs on no node.
    #[must_use]
    pub fn new(registry: &Registry, component: &str, host: &str, manager: &str) -> Self {
        Self {
            registry: registry.clone(),
            component: component.into(),
            host: host.into(),
            options: WriteOptions::internal(manager),
            state: Arc::default(),
        }
    }

    /// Tells something about an object. What cannot be stored is logged and forgotten: events are
    /// news, not state.
    pub async fn record(&self, involved: &Involved, kind: EventType, reason: &str, message: &str) {
        let event = self.event(involved, kind, reason, message);
        let Some((event, known)) = event else { return };
        let outcome = match known {
            Some(name) => self.count_up(involved, &name, &event).await,
            None => self.create(involved, event).await,
        };
        if let Err(status) = outcome {
            let forgotten = status
                .details
                .as_ref()
                .is_some_and(|details| details.causes.iter().any(|cause| cause.reason == "NamespaceTerminating"));
            if !forgotten {
                tracing::debug!(object = involved.name, reason, error = %status, "event is lost");
            }
        }
    }

    /// The event to store, and the name of the one that it counts up.
    fn event(
        &self,
        involved: &Involved,
        kind: EventType,
        reason: &str,
        message: &str,
    ) -> Option<(Value, Option<String>)> {
        let at = now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let object = involved.identity();
        let message = state.combined(&format!("{object}\n{}\n{reason}", kind.as_str()), message, at.as_second());
        let identity = format!("{object}\n{}\n{}\n{reason}\n{message}", involved.field_path, kind.as_str());
        if !state.allowed(&object, at) {
            return None;
        }
        let name = format!("{}.{:x}", involved.name, Timestamp::now().as_nanosecond());
        let (count, known) = state.seen(identity, &name);
        let mut source = json!({"component": &*self.component});
        if !self.host.is_empty() {
            source["host"] = (&*self.host).into();
        }
        let namespace = if involved.namespace.is_empty() { "default" } else { &involved.namespace };
        let event = json!({
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": involved.to_value(),
            "type": kind.as_str(),
            "reason": reason,
            "message": message,
            "source": source,
            "firstTimestamp": at.to_string(),
            "lastTimestamp": at.to_string(),
            "count": count,
            "eventTime": null,
            "reportingComponent": &*self.component,
            "reportingInstance": &*self.host,
        });
        Some((event, known))
    }

    fn target(&self, involved: &Involved, name: &str) -> Result<Target, Status> {
        let namespace = if involved.namespace.is_empty() { "default" } else { &involved.namespace };
        self.registry.target("", "events", namespace, name)
    }

    async fn create(&self, involved: &Involved, event: Value) -> Result<(), Status> {
        let target = self.target(involved, "")?;
        self.registry.create(&target, event, &self.options).await.map(drop)
    }

    async fn count_up(&self, involved: &Involved, name: &str, event: &Value) -> Result<(), Status> {
        let target = self.target(involved, name)?;
        let change: &mut Change<'_> = &mut |old| {
            let mut object = old.clone();
            for key in ["count", "lastTimestamp", "message"] {
                object[key] = event[key].clone();
            }
            Ok(Changed::new(object))
        };
        match self.registry.update(&target, Part::Main, change, &self.options).await {
            // It has expired meanwhile.
            Err(status) if status.code == 404 => self.create(involved, event.clone()).await,
            other => other.map(drop),
        }
    }
}

impl State {
    /// The message, or the one under which many similar ones go on.
    fn combined(&mut self, identity: &str, message: &str, second: i64) -> String {
        self.reasons.retain(|reason| second - reason.last <= SIMILAR_SECONDS);
        let at = self.reasons.iter().position(|reason| reason.identity == identity);
        let mut reason = at.and_then(|at| self.reasons.remove(at)).unwrap_or_else(|| Reason {
            identity: identity.to_owned(),
            messages: Vec::new(),
            last: second,
        });
        reason.last = second;
        let known = reason.messages.iter().any(|seen| seen == message);
        let full = reason.messages.len() >= SIMILAR;
        if !known && !full {
            reason.messages.push(message.to_owned());
        }
        push(&mut self.reasons, reason);
        if full && !known { format!("(combined from similar events): {message}") } else { message.to_owned() }
    }

    /// Whether the object has room for one more event.
    fn allowed(&mut self, identity: &str, at: Timestamp) -> bool {
        let found = self.sources.iter().position(|source| source.identity == identity);
        let mut source = found.and_then(|at| self.sources.remove(at)).unwrap_or_else(|| Source {
            identity: identity.to_owned(),
            tokens: BURST,
            at,
        });
        let passed = at.duration_since(source.at).as_secs_f64();
        source.tokens = (source.tokens + passed / REFILL_SECONDS).min(BURST);
        source.at = at;
        let allowed = source.tokens >= 1.0;
        if allowed {
            source.tokens -= 1.0;
        }
        push(&mut self.sources, source);
        allowed
    }

    /// How often the event has come, and the name of the one that stands for it.
    fn seen(&mut self, identity: String, name: &str) -> (i64, Option<String>) {
        let Some(at) = self.recent.iter().position(|recent| recent.identity == identity) else {
            push(&mut self.recent, Recent { identity, name: name.to_owned(), count: 1 });
            return (1, None);
        };
        let Some(mut recent) = self.recent.remove(at) else { return (1, None) };
        recent.count += 1;
        let answer = (recent.count, Some(recent.name.clone()));
        push(&mut self.recent, recent);
        answer
    }
}

/// Adds the youngest entry and lets the oldest go.
fn push<T>(list: &mut VecDeque<T>, entry: T) {
    if list.len() >= REMEMBERED {
        list.pop_front();
    }
    list.push_back(entry);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_event_is_counted_and_another_is_not() {
        let mut state = State::default();
        assert_eq!(state.seen("a".into(), "a.1"), (1, None));
        assert_eq!(state.seen("a".into(), "a.2"), (2, Some("a.1".into())));
        assert_eq!(state.seen("b".into(), "b.1"), (1, None));
    }

    #[test]
    fn many_messages_of_one_reason_become_one() {
        let mut state = State::default();
        for number in 0..10 {
            assert_eq!(state.combined("pod", &format!("m{number}"), 0), format!("m{number}"));
        }
        assert_eq!(state.combined("pod", "m10", 1), "(combined from similar events): m10");
        assert_eq!(state.combined("pod", "m3", 1), "m3");
        assert_eq!(state.combined("pod", "m10", 1000), "m10");
    }

    #[test]
    fn an_object_is_not_flooded() {
        let mut state = State::default();
        let at = Timestamp::UNIX_EPOCH;
        assert_eq!((0..40).filter(|_| state.allowed("pod", at)).count(), 25);
        let later = Timestamp::from_second(301).expect("a time");
        assert_eq!((0..40).filter(|_| state.allowed("pod", later)).count(), 1);
    }
}
