//! Deleting an object: preconditions, grace, finalizers and what becomes of its dependents.
//!
//! Source of the rules: the API reference of `DeleteOptions` and the behaviour of the generic
//! registry of kube-apiserver.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Registry, Target, WriteOptions, admission, meta, now};
use crate::kinds::{Kind, Propagation};
use crate::schema::object::Object;
use crate::schema::status::{Details, Status, success};
use crate::store::{Record, Write};

/// The finalizer that keeps an object until its dependents are let go.
pub const ORPHAN: &str = "orphan";
/// The finalizer that keeps an object until its dependents are gone.
pub const FOREGROUND: &str = "foregroundDeletion";

const TRIES: usize = 10;

/// `DeleteOptions`, validated.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Seconds until a graceful end is forced; negative counts as one.
    pub grace_period_seconds: Option<i64>,
    /// What becomes of dependents.
    pub propagation: Option<Propagation>,
    /// The uid that the object must have.
    pub uid: Option<String>,
    /// The resourceVersion that the object must have.
    pub resource_version: Option<String>,
}

/// What a delete leaves.
#[derive(Clone, Debug)]
pub enum Deleted {
    /// Nothing: the object as it was last.
    Gone(Value),
    /// The object, which now waits for grace or finalizers.
    Waiting(Value),
}

impl Deleted {
    /// The answer to the client.
    #[must_use]
    pub fn answer(self, kind: &Kind) -> Value {
        match self {
            Self::Waiting(object) => object,
            Self::Gone(object) if kind.strategy.returns_deleted() => object,
            Self::Gone(object) => success(&Details {
                name: object.name().into(),
                group: kind.home_group().to_owned(),
                kind: kind.plural.to_string(),
                uid: object.uid().into(),
                ..Details::default()
            }),
        }
    }
}

impl Registry {
    /// Deletes an object or begins to.
    ///
    /// # Errors
    /// 404 where it is not there, 409 where a precondition fails, 403 by admission.
    pub async fn delete(
        &self,
        target: &Target,
        delete: &DeleteOptions,
        options: &WriteOptions,
    ) -> Result<Deleted, Status> {
        admission::delete(target)?;
        for _ in 0..TRIES {
            let record = self.get(target).await?;
            let old = record.to_value();
            preconditions(target, delete, &old)?;
            let (object, gone) = match decide(&target.kind, &old, delete, now()) {
                Decision::AsItIs => return Ok(Deleted::Waiting(old)),
                Decision::Now(object) => (object, true),
                Decision::Wait(object) => (object, false),
            };
            if options.dry_run {
                return Ok(if gone { Deleted::Gone(object) } else { Deleted::Waiting(object) });
            }
            let next = Record::from_value(record.key.clone(), &object);
            let writes = match (gone, object == old) {
                (false, _) => vec![Write::Update { record: next, expect: record.revision }],
                (true, true) => {
                    vec![Write::Delete { key: next.key.clone(), expect: Some(record.revision), last: None }]
                }
                // Watchers see the end of the grace before the end.
                (true, false) => vec![
                    Write::Update { record: next.clone(), expect: record.revision },
                    Write::Delete { key: next.key.clone(), expect: None, last: Some(next) },
                ],
            };
            match self.commit_all(&target.kind, &target.name, writes).await {
                Ok(stored) => {
                    let mut object = object;
                    object.metadata_mut().insert("resourceVersion".into(), stored.revision.to_string().into());
                    return Ok(if gone { Deleted::Gone(object) } else { Deleted::Waiting(object) });
                }
                Err(status) if status.code == 409 => {}
                Err(status) => return Err(status),
            }
        }
        Err(Status::modified(target.kind.home_group(), &target.kind.plural, &target.name))
    }
}

/// Identity and version, where the client named them.
pub(super) fn preconditions(target: &Target, delete: &DeleteOptions, old: &Value) -> Result<(), Status> {
    let kind = &target.kind;
    let refuse = |detail: String| Err(Status::conflict(kind.home_group(), &kind.kind, &target.name, &detail));
    if let Some(uid) = &delete.uid
        && uid != old.uid()
    {
        return refuse(format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been \
             deleted and then recreated",
            old.uid()
        ));
    }
    if let Some(version) = &delete.resource_version
        && version != old.resource_version()
    {
        return refuse(format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). \
             The object might have been modified",
            old.resource_version()
        ));
    }
    Ok(())
}

enum Decision {
    /// It is on its way out already and nothing changes.
    AsItIs,
    /// It goes now, and looks so.
    Now(Value),
    /// It stays for the time being, and looks so.
    Wait(Value),
}

fn decide(kind: &Kind, old: &Value, delete: &DeleteOptions, now: Timestamp) -> Decision {
    if kind.group.is_empty() && kind.plural == "namespaces" {
        return decide_namespace(old, delete, now);
    }
    let mut object = old.clone();
    let graceful = kind.strategy.grace(old, None).is_some();
    let mut grace = None;
    if graceful {
        match shorten(&mut object, old, delete) {
            Shortened::Pending => return Decision::AsItIs,
            Shortened::To(seconds) => grace = Some(seconds),
            Shortened::NotDeleting => {
                let requested = delete.grace_period_seconds;
                if let Some(seconds) = kind.strategy.grace(old, requested) {
                    let seconds = if seconds < 0 { 1 } else { seconds };
                    mark(&mut object, now, seconds);
                    meta::count_generation(&mut object);
                    grace = Some(seconds);
                }
            }
            Shortened::Forced => {}
        }
    }
    set_finalizers(kind, &mut object, delete);
    let pending = !object.finalizers().is_empty();
    match grace {
        Some(_) if pending => Decision::Wait(object),
        Some(seconds) if seconds > 0 => Decision::Wait(object),
        Some(_) => Decision::Now(object),
        None if pending => {
            if !old.is_deleting() {
                meta::count_generation(&mut object);
            }
            mark_deleting(&mut object, now);
            if object == *old { Decision::AsItIs } else { Decision::Wait(object) }
        }
        None => Decision::Now(object),
    }
}

/// A namespace goes in two steps: its contents first, then (its `spec.finalizers` empty) itself.
fn decide_namespace(old: &Value, delete: &DeleteOptions, now: Timestamp) -> Decision {
    let mut object = old.clone();
    if !old.is_deleting() {
        object.metadata_mut().insert("deletionTimestamp".into(), now.to_string().into());
        object.section_mut("status").insert("phase".into(), "Terminating".into());
        if let Some(policy) = delete.propagation {
            finalize_with(&mut object, policy);
        }
        if old.list("/spec/finalizers").is_empty() && object.finalizers().is_empty() {
            return Decision::Now(object);
        }
        return Decision::Wait(object);
    }
    if !old.list("/spec/finalizers").is_empty() || !old.finalizers().is_empty() {
        return Decision::AsItIs;
    }
    Decision::Now(object)
}

enum Shortened {
    NotDeleting,
    Pending,
    To(i64),
    Forced,
}

/// A second delete may only shorten the time that is left.
fn shorten(object: &mut Value, old: &Value, delete: &DeleteOptions) -> Shortened {
    if !old.is_deleting() {
        return Shortened::NotDeleting;
    }
    let Some(current) = old.int("/metadata/deletionGracePeriodSeconds") else { return Shortened::Forced };
    let Some(requested) = delete.grace_period_seconds.map(|seconds| if seconds < 0 { 1 } else { seconds }) else {
        return Shortened::Pending;
    };
    if requested >= current {
        return Shortened::Pending;
    }
    let end = old.text("/metadata/deletionTimestamp").parse::<Timestamp>().unwrap_or(Timestamp::UNIX_EPOCH);
    let end = end.saturating_add(SignedDuration::from_secs(requested - current)).unwrap_or(end);
    let meta = object.metadata_mut();
    meta.insert("deletionTimestamp".into(), end.to_string().into());
    meta.insert("deletionGracePeriodSeconds".into(), json!(requested));
    Shortened::To(requested)
}

fn mark(object: &mut Value, now: Timestamp, seconds: i64) {
    let end = now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now);
    let meta = object.metadata_mut();
    meta.insert("deletionTimestamp".into(), end.to_string().into());
    meta.insert("deletionGracePeriodSeconds".into(), json!(seconds));
}

fn mark_deleting(object: &mut Value, now: Timestamp) {
    let at = object.text("/metadata/deletionTimestamp").parse::<Timestamp>().ok();
    let meta = object.metadata_mut();
    if at.is_none_or(|at| at > now) {
        meta.insert("deletionTimestamp".into(), now.to_string().into());
    }
    meta.insert("deletionGracePeriodSeconds".into(), json!(0));
}

/// Sets or takes away the finalizers that say what becomes of the dependents.
fn set_finalizers(kind: &Kind, object: &mut Value, delete: &DeleteOptions) {
    let policy = delete.propagation.unwrap_or_else(|| {
        let present = object.finalizers();
        if present.contains(&ORPHAN) {
            Propagation::Orphan
        } else if present.contains(&FOREGROUND) {
            Propagation::Foreground
        } else {
            kind.strategy.default_propagation()
        }
    });
    finalize_with(object, policy);
}

fn finalize_with(object: &mut Value, policy: Propagation) {
    let mut list: Vec<Value> = object
        .finalizers()
        .into_iter()
        .filter(|name| *name != ORPHAN && *name != FOREGROUND)
        .map(Value::from)
        .collect();
    match policy {
        Propagation::Background => {}
        Propagation::Foreground => list.push(FOREGROUND.into()),
        Propagation::Orphan => list.push(ORPHAN.into()),
    }
    let meta = object.metadata_mut();
    if list.is_empty() {
        meta.remove("finalizers");
    } else {
        meta.insert("finalizers".into(), list.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{Stored, Strategy};

    struct Graceful;

    impl Strategy for Graceful {
        fn grace(&self, _object: &Value, requested: Option<i64>) -> Option<i64> {
            Some(requested.unwrap_or(30))
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn a_kind_without_grace_goes_at_once() {
        let kind = Kind::new("", "v1", "ConfigMap", "configmaps", Stored);
        let old = json!({"metadata": {"name": "a"}});
        assert!(matches!(decide(&kind, &old, &DeleteOptions::default(), at(0)), Decision::Now(_)));
    }

    #[test]
    fn finalizers_keep_it_and_a_second_delete_changes_nothing() {
        let kind = Kind::new("", "v1", "ConfigMap", "configmaps", Stored);
        let old = json!({"metadata": {"name": "a", "finalizers": ["a.b/c"]}});
        let Decision::Wait(first) = decide(&kind, &old, &DeleteOptions::default(), at(10)) else {
            panic!("it must stay");
        };
        assert_eq!(first.text("/metadata/deletionTimestamp"), "1970-01-01T00:00:10Z");
        assert!(matches!(decide(&kind, &first, &DeleteOptions::default(), at(20)), Decision::AsItIs));
    }

    #[test]
    fn grace_may_be_shortened_but_not_lengthened() {
        let kind = Kind::new("", "v1", "Pod", "pods", Graceful);
        let old = json!({"metadata": {"name": "a", "generation": 1}});
        let Decision::Wait(first) = decide(&kind, &old, &DeleteOptions::default(), at(0)) else {
            panic!("it must wait");
        };
        assert_eq!(first.generation(), 2);
        let longer = DeleteOptions { grace_period_seconds: Some(50), ..DeleteOptions::default() };
        assert!(matches!(decide(&kind, &first, &longer, at(1)), Decision::AsItIs));
        let shorter = DeleteOptions { grace_period_seconds: Some(5), ..DeleteOptions::default() };
        let Decision::Wait(second) = decide(&kind, &first, &shorter, at(1)) else {
            panic!("it must wait less");
        };
        assert_eq!(second.text("/metadata/deletionTimestamp"), "1970-01-01T00:00:05Z");
        let none = DeleteOptions { grace_period_seconds: Some(0), ..DeleteOptions::default() };
        assert!(matches!(decide(&kind, &second, &none, at(1)), Decision::Now(_)));
    }
}
