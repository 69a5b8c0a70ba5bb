//! Events about pods as the kubelet and the scheduler write them. What repeats is counted in one event.

use std::collections::HashMap;
use std::sync::Mutex;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Inner, lock};
use crate::registry::{Changed, Part, Registry, WriteOptions};
use crate::schema::object::Object;
use crate::schema::status::Status;

/// How many events are remembered to be counted again.
const REMEMBERED: usize = 512;

/// Collects events; they are written by a task of their own.
pub(super) struct Recorder {
    registry: Registry,
    host: String,
    send: mpsc::UnboundedSender<Said>,
    receive: Mutex<Option<mpsc::UnboundedReceiver<Said>>>,
}

struct Said {
    component: &'static str,
    about: Value,
    kind: &'static str,
    reason: String,
    message: String,
    at: Timestamp,
}

/// How loud an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Normal,
    Warning,
}

impl Recorder {
    pub(super) fn new(registry: Registry, host: &str) -> Self {
        let (send, receive) = mpsc::unbounded_channel();
        Self { registry, host: host.to_owned(), send, receive: Mutex::new(Some(receive)) }
    }

    /// Tells something of a pod, or of a container in it (`field`, such as `spec.containers{name}`).
    pub(super) fn pod(&self, pod: &Value, field: Option<&str>, level: Level, reason: &str, message: String) {
        self.say("kubelet", pod, field, level, reason, message);
    }

    /// Tells what the scheduler says of a pod.
    pub(super) fn scheduler(&self, pod: &Value, level: Level, reason: &str, message: String) {
        self.say("default-scheduler", pod, None, level, reason, message);
    }

    fn say(
        &self,
        component: &'static str,
        pod: &Value,
        field: Option<&str>,
        level: Level,
        reason: &str,
        message: String,
    ) {
        let mut about = json!({
            "kind": "Pod", "apiVersion": "v1", "namespace": pod.namespace(), "name": pod.name(), "uid": pod.uid(),
            "resourceVersion": pod.resource_version(),
        });
        if let Some(field) = field {
            about["fieldPath"] = field.into();
        }
        let kind = if level == Level::Warning { "Warning" } else { "Normal" };
        // Nobody receives any more when the node ends.
        let _ =
            self.send.send(Said { component, about, kind, reason: reason.to_owned(), message, at: Timestamp::now() });
    }
}

impl Inner {
    /// Writes events as they come.
    pub(super) async fn record(self: std::sync::Arc<Self>) {
        let Some(mut receive) = lock(&self.recorder.receive).take() else { return };
        let mut known: HashMap<String, (String, u64)> = HashMap::new();
        while let Some(said) = receive.recv().await {
            if let Err(error) = self.recorder.write(&said, &mut known).await {
                tracing::debug!(%error, reason = said.reason, "cannot write an event");
            }
        }
    }
}

impl Recorder {
    async fn write(&self, said: &Said, known: &mut HashMap<String, (String, u64)>) -> Result<(), Status> {
        let field = said.about.text("/fieldPath");
        let identity = format!("{}\n{field}\n{}\n{}", said.about.text("/uid"), said.reason, said.message);
        let options = WriteOptions::internal(said.component);
        let at = said.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let namespace = said.about.text("/namespace");
        if let Some((name, count)) = known.get_mut(&identity) {
            *count += 1;
            let (count, at) = (*count, at.clone());
            let target = self.registry.target("", "events", namespace, name)?;
            let mut change = |old: &Value| {
                let mut object = old.clone();
                object["count"] = count.into();
                object["lastTimestamp"] = at.as_str().into();
                Ok(Changed { object, managed: false, uid: None })
            };
            match self.registry.update(&target, Part::Main, &mut change, &options).await {
                Err(status) if status.code == 404 => {}
                other => return other.map(drop),
            }
        }
        let name = format!("{}.{:x}", said.about.text("/name"), said.at.as_nanosecond());
        let target = self.registry.target("", "events", namespace, &name)?;
        let event = json!({
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": said.about,
            "reason": said.reason,
            "message": said.message,
            "source": {"component": said.component, "host": if said.component == "kubelet" { &self.host } else { "" }},
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
            "type": said.kind,
            "eventTime": null,
            "reportingComponent": said.component,
            "reportingInstance": if said.component == "kubelet" { &self.host } else { "" },
        });
        self.registry.create(&target, event, &options).await?;
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(identity, (name, 1));
        Ok(())
    }
}
