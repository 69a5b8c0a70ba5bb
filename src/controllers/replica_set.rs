//! ReplicaSet: as many pods of a template as asked for. Upstream: replicaset controller.
//!
//! ```text
//! claim     which pods are its own: adopted by their labels, let go when they no longer match
//! rank      which of them go first
//! status    what it shows of them
//! ```

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::cluster::{Cluster, namespace_is_going};
use super::{Controller, ObjectKey, Source, pods};
use crate::registry::Registry;
use crate::registry::delete::Deleted;
use crate::registry::events::EventType;
use crate::registry::queue::Queue;
use crate::schema::object::Object;
use crate::schema::selector::Selector;
use crate::schema::status::Status;

mod rank;
mod status;

/// Pods that are made or deleted in one go at the most.
const BURST: usize = 500;

/// The controller.
pub struct ReplicaSetController {
    cluster: Cluster,
    queue: std::sync::OnceLock<Arc<Queue<ObjectKey>>>,
}

impl ReplicaSetController {
    /// The controller.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let cluster = Cluster::new(registry, "replicaset-controller");
        Self { cluster, queue: std::sync::OnceLock::new() }
    }

    async fn sync(&self, key: &ObjectKey) -> Result<Option<Duration>, Status> {
        let found = self.cluster.get("apps", "replicasets", (&key.namespace, &key.name)).await?;
        let Some(set) = found else { return Ok(None) };
        let selector = Selector::from_object(&set["spec"]["selector"]).map_err(Status::internal)?;
        let own = self.claim(&set, &selector).await?;
        let (mut active, ending): (Vec<Value>, Vec<Value>) =
            own.into_iter().filter(|pod| !pods::is_finished(pod)).partition(|pod| !pod.is_deleting());
        let mut terminating = ending.len();
        let outcome = if set.is_deleting() { Ok(()) } else { self.manage(&set, &mut active, &mut terminating).await };
        let failure = outcome.as_ref().err().map(|status: &Status| status.message.clone());
        let now = Timestamp::now();
        let seen = status::Seen { set: &set, active: &active, terminating, failure };
        if let Some(status) = status::next(&seen, now) {
            let mut shown = set.clone();
            shown["status"] = status;
            match self.cluster.update_status("apps", "replicasets", &shown).await {
                Err(status) if status.code == 404 => return Ok(None),
                other => drop(other?),
            }
        }
        outcome?;
        let min_ready = set.int("/spec/minReadySeconds").unwrap_or(0);
        let waits = active.iter().filter_map(|pod| pods::until_available(pod, min_ready, now));
        let next = waits.filter(|left| !left.is_zero()).min();
        Ok(next.and_then(|left| Duration::try_from(left).ok()).map(|left| left + Duration::from_millis(100)))
    }

    /// The pods that are its own.
    async fn claim(&self, set: &Value, selector: &Selector) -> Result<Vec<Value>, Status> {
        let wanted = |head: &super::cluster::Head| match head.controller() {
            Some(owner) => owner == set.uid(),
            None => selector.matches(Some(&head.metadata.labels)),
        };
        let found = self.cluster.those("", "pods", Some(set.namespace()), wanted).await?;
        let mut own = Vec::with_capacity(found.len());
        for mut pod in found {
            let target = self.cluster.registry.target("", "pods", pod.namespace(), pod.name())?;
            let matches = selector.matches(pods::labels(&pod));
            if pod.controller().is_some() {
                if matches || set.is_deleting() {
                    own.push(pod);
                    continue;
                }
                self.cluster.change(&target, pod.uid(), |pod| pods::release(pod, set.uid())).await?;
            } else if !set.is_deleting() && pods::is_active(&pod) {
                let reference = pods::controller_reference(set, "apps/v1", "ReplicaSet");
                self.cluster.change(&target, pod.uid(), |pod| pods::adopt(pod, reference.clone())).await?;
                pods::adopt(&mut pod, reference);
                own.push(pod);
            }
        }
        Ok(own)
    }

    /// Makes what is missing and deletes what is too much; the lists are then as they have become.
    async fn manage(&self, set: &Value, active: &mut Vec<Value>, terminating: &mut usize) -> Result<(), Status> {
        let wanted = usize::try_from(set.int("/spec/replicas").unwrap_or(1)).unwrap_or(0);
        if active.len() < wanted {
            let missing = (wanted - active.len()).min(BURST);
            return self.create(set, missing, active).await;
        }
        if active.len() > wanted {
            let count = (active.len() - wanted).min(BURST);
            return self.delete(set, count, active, terminating).await;
        }
        Ok(())
    }

    /// Makes pods until one is refused: the next would be too.
    async fn create(&self, set: &Value, count: usize, active: &mut Vec<Value>) -> Result<(), Status> {
        for _ in 0..count {
            match self.cluster.create("", "pods", pod_of(set)).await {
                Ok(pod) => {
                    let message = format!("Created pod: {}", pod.name());
                    self.cluster.tell(set, EventType::Normal, "SuccessfulCreate", &message).await;
                    active.push(pod);
                }
                Err(status) if namespace_is_going(&status) => return Ok(()),
                Err(status) => {
                    let message = format!("Error creating: {status}");
                    self.cluster.tell(set, EventType::Warning, "FailedCreate", &message).await;
                    return Err(status);
                }
            }
        }
        Ok(())
    }

    async fn delete(
        &self,
        set: &Value,
        count: usize,
        active: &mut Vec<Value>,
        terminating: &mut usize,
    ) -> Result<(), Status> {
        let related = self.related(set).await?;
        let doomed = rank::first_to_go(active, &related, count, Timestamp::now());
        let doomed: Vec<Value> = doomed.into_iter().cloned().collect();
        for pod in &doomed {
            let target = self.cluster.registry.target("", "pods", pod.namespace(), pod.name())?;
            match self.cluster.delete(&target, pod.uid(), None).await {
                Ok(None) => active.retain(|other| other.uid() != pod.uid()),
                Ok(Some(deleted)) => {
                    active.retain(|other| other.uid() != pod.uid());
                    *terminating += usize::from(matches!(deleted, Deleted::Waiting(_)));
                    let message = format!("Deleted pod: {}", pod.name());
                    self.cluster.tell(set, EventType::Normal, "SuccessfulDelete", &message).await;
                }
                Err(status) => {
                    let message = format!("Error deleting: {status}");
                    self.cluster.tell(set, EventType::Warning, "FailedDelete", &message).await;
                    return Err(status);
                }
            }
        }
        Ok(())
    }

    /// The pods of all sets that the same object controls.
    async fn related(&self, set: &Value) -> Result<Vec<Value>, Status> {
        let owner = set.controller().map(|owner| owner.text("/uid").to_owned());
        let namespace = Some(set.namespace());
        let sets = match owner {
            None => Vec::new(),
            Some(owner) => {
                let of = |head: &super::cluster::Head| head.controller() == Some(owner.as_str());
                self.cluster.those("apps", "replicasets", namespace, of).await?
            }
        };
        let mut uids: Vec<&str> = sets.iter().map(Object::uid).collect();
        uids.push(set.uid());
        let of = |head: &super::cluster::Head| head.controller().is_some_and(|uid| uids.contains(&uid));
        self.cluster.those("", "pods", namespace, of).await
    }

    /// The sets that may want to adopt a pod that nobody controls.
    async fn offer(&self, pod: &Value) -> Result<(), Status> {
        let Some(queue) = self.queue.get() else { return Ok(()) };
        for set in self.cluster.all("apps", "replicasets", Some(pod.namespace())).await? {
            let selector = Selector::from_object(&set["spec"]["selector"]).unwrap_or_else(|_| Selector::nothing());
            if selector.matches(pods::labels(pod)) {
                queue.add(ObjectKey::of(&set));
            }
        }
        Ok(())
    }
}

/// A new pod of the template of a set.
fn pod_of(set: &Value) -> Value {
    let template = &set["spec"]["template"];
    let mut meta = serde_json::Map::new();
    for key in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template.pointer("/metadata").and_then(|meta| meta.get(key)) {
            meta.insert(key.into(), value.clone());
        }
    }
    meta.insert("generateName".into(), format!("{}-", set.name()).into());
    meta.insert("namespace".into(), set.namespace().into());
    meta.insert("ownerReferences".into(), json!([pods::controller_reference(set, "apps/v1", "ReplicaSet")]));
    json!({"metadata": meta, "spec": template["spec"]})
}

impl Controller for ReplicaSetController {
    fn name(&self) -> &'static str {
        "replicaset-controller"
    }

    fn sources(&self) -> Vec<Source> {
        let pods = Source::new("", "pods", |pod| match pod.controller() {
            Some(owner) if owner["kind"] == "ReplicaSet" => {
                vec![ObjectKey::new(pod.namespace(), owner.text("/name"))]
            }
            Some(_) => Vec::new(),
            // A stray pod is a key of its own: see `reconcile`.
            None => vec![ObjectKey::new(pod.namespace(), format!("{STRAY}{}", pod.name()))],
        });
        vec![Source::own("apps", "replicasets"), pods]
    }

    fn attach(&self, queue: &Arc<Queue<ObjectKey>>) {
        // Attached once, by the loop that runs it.
        let _ = self.queue.set(Arc::clone(queue));
    }

    fn reconcile<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>> {
        Box::pin(async move {
            let Some(name) = key.name.strip_prefix(STRAY) else { return self.sync(key).await };
            match self.cluster.get("", "pods", (&key.namespace, name)).await? {
                Some(pod) if pod.controller().is_none() && !pod.is_deleting() => self.offer(&pod).await?,
                _ => {}
            }
            Ok(None)
        })
    }
}

/// Marks the key of a pod that nobody controls; no name begins so.
const STRAY: char = '/';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_made_of_the_template() {
        let set = json!({
            "metadata": {"name": "r", "namespace": "n", "uid": "u"},
            "spec": {"template": {"metadata": {"labels": {"a": "b"}, "name": "x"}, "spec": {"containers": []}}},
        });
        let pod = pod_of(&set);
        assert_eq!(pod["metadata"]["generateName"], "r-");
        assert_eq!(pod["metadata"]["labels"], json!({"a": "b"}));
        assert_eq!(pod["metadata"]["name"], Value::Null);
        assert_eq!(pod["metadata"]["ownerReferences"][0]["uid"], "u");
        assert_eq!(pod["spec"], json!({"containers": []}));
    }
}
