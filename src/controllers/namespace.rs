//! The end of a namespace: everything in it goes, pods first, and its conditions say what is left.
//!
//! Upstream: the namespace controller of kube-controller-manager (`deletion`). What is deleted in the
//! namespace brings its key back through [`NamespaceController::removed`], so nothing polls.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::{Controller, ObjectKey, Source};
use crate::kinds::{Kind, Propagation};
use crate::registry::queue::Queue;
use crate::registry::{Part, Registry, Target};
use crate::schema::object::Object;
use crate::schema::status::Status;

/// The finalizer of `spec.finalizers` that this controller takes away.
const KUBERNETES: &str = "kubernetes";

/// The controller.
pub struct NamespaceController {
    cluster: Cluster,
    queue: OnceLock<Arc<Queue<ObjectKey>>>,
    /// Namespaces that wait for the last of their objects.
    waiting: Mutex<HashSet<String>>,
}

/// What is still there.
#[derive(Debug, Default, PartialEq, Eq)]
struct Remaining {
    /// Number of objects by `resource.group`.
    resources: BTreeMap<String, usize>,
    /// Number of objects by finalizer.
    finalizers: BTreeMap<String, usize>,
    /// What could not be deleted.
    failures: Vec<String>,
}

impl Remaining {
    fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.failures.is_empty()
    }

    fn count(&mut self, kind: &Kind, object: &Value) {
        *self.resources.entry(format!("{}.{}", kind.plural, kind.group)).or_default() += 1;
        for finalizer in object.finalizers() {
            *self.finalizers.entry(finalizer.to_owned()).or_default() += 1;
        }
    }
}

impl NamespaceController {
    /// The controller.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let cluster = Cluster::new(registry, "namespace-controller");
        Self { cluster, queue: OnceLock::new(), waiting: Mutex::default() }
    }

    /// An object in `namespace` is gone.
    pub fn removed(&self, namespace: &str) {
        let waits = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).contains(namespace);
        if waits && let Some(queue) = self.queue.get() {
            queue.add(ObjectKey::new("", namespace));
        }
    }

    async fn sync(&self, name: &str) -> Result<Option<Duration>, Status> {
        let namespace = self.cluster.get("", "namespaces", ("", name)).await?;
        let Some(namespace) = namespace.filter(Object::is_deleting) else {
            self.wait(name, false);
            return Ok(None);
        };
        if !namespace.list("/spec/finalizers").iter().any(|one| one == KUBERNETES) {
            self.wait(name, false);
            return Ok(None);
        }
        // Before the first look, so that nothing that goes meanwhile is missed.
        self.wait(name, true);
        let remaining = self.empty(name).await?;
        let mut shown = namespace.clone();
        set_conditions(&mut shown, &remaining, jiff::Timestamp::now());
        if shown["status"] != namespace["status"] {
            shown = self.cluster.update_status("", "namespaces", &shown).await?;
        }
        if !remaining.is_empty() {
            return Ok((!remaining.failures.is_empty()).then_some(Duration::from_secs(5)));
        }
        self.wait(name, false);
        let finalizers: Vec<&Value> = shown.list("/spec/finalizers").iter().filter(|one| **one != KUBERNETES).collect();
        let finalizers = json!(finalizers);
        shown.section_mut("spec").insert("finalizers".into(), finalizers);
        self.cluster.write("", "namespaces", Part::Sub("finalize"), &shown).await?;
        Ok(None)
    }

    fn wait(&self, name: &str, waits: bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waits {
            waiting.insert(name.to_owned());
        } else {
            waiting.remove(name);
        }
    }

    /// Deletes what is in a namespace; nothing else goes while there are pods.
    async fn empty(&self, name: &str) -> Result<Remaining, Status> {
        let catalog = self.cluster.registry.catalog();
        let mut remaining = Remaining::default();
        if let Some(pods) = catalog.by_resource("", "pods") {
            self.empty_of(pods, name, &mut remaining).await?;
            if !remaining.is_empty() {
                return Ok(remaining);
            }
        }
        let mut seen: HashSet<(&str, &str)> = HashSet::new();
        for kind in catalog.iter() {
            let stored = kind.verbs.store();
            // What stands in several versions is stored once.
            let other = kind.conversion.is_some() || kind.plural == "pods";
            if kind.is_namespaced() && stored && !other && seen.insert((&kind.group, &kind.plural)) {
                self.empty_of(kind, name, &mut remaining).await?;
            }
        }
        Ok(remaining)
    }

    async fn empty_of(&self, kind: &Arc<Kind>, namespace: &str, remaining: &mut Remaining) -> Result<(), Status> {
        for object in self.cluster.registry.all(kind, Some(namespace)).await? {
            let target = Target::new(kind, namespace, object.name());
            if object.is_deleting() {
                remaining.count(kind, &object);
                continue;
            }
            match self.cluster.delete(&target, object.uid(), Some(Propagation::Background)).await {
                Ok(Some(crate::registry::delete::Deleted::Waiting(object))) => remaining.count(kind, &object),
                Ok(_) => {}
                Err(status) => {
                    remaining.count(kind, &object);
                    remaining.failures.push(status.message);
                }
            }
        }
        Ok(())
    }
}

impl Controller for NamespaceController {
    fn name(&self) -> &'static str {
        "namespace-controller"
    }

    fn sources(&self) -> Vec<Source> {
        vec![Source::own("", "namespaces")]
    }

    fn attach(&self, queue: &Arc<Queue<ObjectKey>>) {
        // Attached once, by the loop that runs it.
        let _ = self.queue.set(Arc::clone(queue));
    }

    fn reconcile<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>> {
        Box::pin(self.sync(&key.name))
    }
}

/// Sets the conditions of a namespace that is going.
fn set_conditions(namespace: &mut Value, remaining: &Remaining, now: jiff::Timestamp) {
    let joined = |counts: &BTreeMap<String, usize>, word: &str| {
        let parts: Vec<String> =
            counts.iter().map(|(name, count)| format!("{name} {word} {count} resource instances")).collect();
        parts.join(", ")
    };
    let content = if remaining.failures.is_empty() {
        ("False", "ContentDeleted", "All content successfully deleted, may be waiting on finalization".to_owned())
    } else {
        let failures = &remaining.failures;
        let list = match failures.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("Failed to delete all resource types, {} remaining: {list}", failures.len());
        ("True", "ContentDeletionFailed", message)
    };
    let resources = if remaining.resources.is_empty() {
        ("False", "ContentRemoved", "All content successfully removed".to_owned())
    } else {
        let list = joined(&remaining.resources, "has");
        ("True", "SomeResourcesRemain", format!("Some resources are remaining: {list}"))
    };
    let finalizers = if remaining.finalizers.is_empty() {
        ("False", "ContentHasNoFinalizers", "All content-preserving finalizers finished".to_owned())
    } else {
        let list = joined(&remaining.finalizers, "in");
        let message = format!("Some content in the namespace has finalizers remaining: {list}");
        ("True", "SomeFinalizersRemain", message)
    };
    let discovered = ("False", "ResourcesDiscovered", "All resources successfully discovered".to_owned());
    let parsed = ("False", "ParsedGroupVersions", "All legacy kube types successfully parsed".to_owned());
    let wanted = [
        ("NamespaceDeletionDiscoveryFailure", discovered),
        ("NamespaceDeletionGroupVersionParsingFailure", parsed),
        ("NamespaceDeletionContentFailure", content),
        ("NamespaceContentRemaining", resources),
        ("NamespaceFinalizersRemaining", finalizers),
    ];
    let status = namespace.section_mut("status");
    let mut conditions = status.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    for (kind, (value, reason, message)) in wanted {
        let old = conditions.iter().position(|condition| condition["type"] == kind);
        let since = old.and_then(|at| conditions.get(at)).filter(|condition| condition["status"] == value);
        let since = since.map_or_else(|| super::time(now).into(), |condition| condition["lastTransitionTime"].clone());
        let condition = json!({
            "type": kind, "status": value, "lastTransitionTime": since, "reason": reason, "message": message,
        });
        match old.and_then(|at| conditions.get_mut(at)) {
            Some(place) => *place = condition,
            None => conditions.push(condition),
        }
    }
    status.insert("conditions".into(), conditions.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn conditions_say_what_is_left_and_keep_their_time() {
        let mut remaining = Remaining::default();
        let kind = Kind::new("", "v1", "ConfigMap", "configmaps", crate::kinds::Stored);
        remaining.count(&kind, &json!({"metadata": {"finalizers": ["a.b/hold"]}}));
        let mut namespace = json!({"status": {"phase": "Terminating"}});
        set_conditions(&mut namespace, &remaining, Timestamp::UNIX_EPOCH);
        let shown = namespace.list("/status/conditions");
        assert_eq!(shown[3]["message"], "Some resources are remaining: configmaps. has 1 resource instances");
        assert_eq!(
            shown[4]["message"],
            "Some content in the namespace has finalizers remaining: a.b/hold in 1 resource instances"
        );
        let before = namespace.clone();
        set_conditions(&mut namespace, &remaining, Timestamp::from_second(60).expect("a time"));
        assert_eq!(namespace, before);
        set_conditions(&mut namespace, &Remaining::default(), Timestamp::from_second(60).expect("a time"));
        let shown = namespace.list("/status/conditions");
        assert_eq!(shown[3]["reason"], "ContentRemoved");
        assert_eq!(shown[3]["lastTransitionTime"], "1970-01-01T00:01:00Z");
        assert_eq!(shown[0]["lastTransitionTime"], "1970-01-01T00:00:00Z");
    }
}
