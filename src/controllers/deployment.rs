//! Deployment: a ReplicaSet for each template it had, the newest with the pods, the others on their way
//! to none. Upstream: deployment controller.
//!
//! ```text
//! amounts     how many more and how many fewer the strategy allows
//! sets        replica sets: which is the new one, revisions, annotations, order
//! scale       sizes after a change of `replicas`
//! conditions  the list of conditions
//! status      the status of all that
//! rollout     the steps of the strategies, in order
//! ```

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::cluster::{Cluster, Head};
use super::{Controller, ObjectKey, Source, pods};
use crate::registry::Registry;
use crate::registry::events::EventType;
use crate::registry::queue::Queue;
use crate::schema::object::Object;
use crate::schema::selector::Selector;
use crate::schema::status::Status;

mod amounts;
mod conditions;
mod rollout;
mod scale;
mod sets;
mod status;

#[cfg(test)]
mod tests;

use rollout::Round;

/// The controller.
pub struct DeploymentController {
    cluster: Cluster,
    queue: OnceLock<Arc<Queue<ObjectKey>>>,
}

impl DeploymentController {
    /// The controller.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self { cluster: Cluster::new(registry, "deployment-controller"), queue: OnceLock::new() }
    }

    async fn sync(&self, key: &ObjectKey) -> Result<Option<Duration>, Status> {
        let found = self.cluster.get("apps", "deployments", (&key.namespace, &key.name)).await?;
        let Some(mut deployment) = found else { return Ok(None) };
        let selector = &deployment["spec"]["selector"];
        if selector.as_object().is_none_or(serde_json::Map::is_empty) {
            let message = "This deployment is selecting all pods. A non-empty selector is required.";
            self.cluster.tell(&deployment, EventType::Warning, "SelectingAll", message).await;
            if deployment.int("/status/observedGeneration").unwrap_or(0) < deployment.generation() {
                let generation = deployment.generation();
                deployment.section_mut("status").insert("observedGeneration".into(), generation.into());
                self.cluster.update_status("apps", "deployments", &deployment).await?;
            }
            return Ok(None);
        }
        let selector = Selector::from_object(selector).map_err(Status::internal)?;
        let sets = self.claim(&deployment, &selector).await?;
        Round::new(&self.cluster, deployment, sets).run().await
    }

    /// The replica sets that are its own.
    async fn claim(&self, deployment: &Value, selector: &Selector) -> Result<Vec<Value>, Status> {
        let uid = deployment.uid();
        let wanted = |head: &Head| match head.controller() {
            Some(owner) => owner == uid,
            None => selector.matches(Some(&head.metadata.labels)),
        };
        let found = self.cluster.those("apps", "replicasets", Some(deployment.namespace()), wanted).await?;
        let mut own = Vec::with_capacity(found.len());
        for set in found {
            let target = self.cluster.registry.target("apps", "replicasets", set.namespace(), set.name())?;
            let matches = selector.matches(pods::labels(&set));
            if set.controller().is_some() {
                if matches || deployment.is_deleting() {
                    own.push(set);
                } else {
                    self.cluster.change(&target, set.uid(), |set| pods::release(set, uid)).await?;
                }
            } else if !deployment.is_deleting() && !set.is_deleting() {
                let reference = pods::controller_reference(deployment, "apps/v1", "Deployment");
                self.cluster.change(&target, set.uid(), |set| pods::adopt(set, reference.clone())).await?;
                own.extend(self.cluster.registry.read(&target).await?);
            }
        }
        Ok(own)
    }

    /// The deployments that may want to adopt a replica set that nobody controls.
    async fn offer(&self, set: &Value) -> Result<(), Status> {
        let Some(queue) = self.queue.get() else { return Ok(()) };
        for deployment in self.cluster.all("apps", "deployments", Some(set.namespace())).await? {
            let selector = Selector::from_object(&deployment["spec"]["selector"]);
            if selector.is_ok_and(|selector| !selector.is_everything() && selector.matches(pods::labels(set))) {
                queue.add(ObjectKey::of(&deployment));
            }
        }
        Ok(())
    }
}

/// Marks the key of a replica set that nobody controls; no name begins so.
const STRAY: char = '/';

impl Controller for DeploymentController {
    fn name(&self) -> &'static str {
        "deployment-controller"
    }

    fn sources(&self) -> Vec<Source> {
        let sets = Source::new("apps", "replicasets", |set| match set.controller() {
            Some(owner) if owner["kind"] == "Deployment" => {
                vec![ObjectKey::new(set.namespace(), owner.text("/name"))]
            }
            Some(_) => Vec::new(),
            None => vec![ObjectKey::new(set.namespace(), format!("{STRAY}{}", set.name()))],
        });
        vec![Source::own("apps", "deployments"), sets]
    }

    fn attach(&self, queue: &Arc<Queue<ObjectKey>>) {
        // Attached once, by the loop that runs it.
        let _ = self.queue.set(Arc::clone(queue));
    }

    fn reconcile<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>> {
        Box::pin(async move {
            let Some(name) = key.name.strip_prefix(STRAY) else { return self.sync(key).await };
            match self.cluster.get("apps", "replicasets", (&key.namespace, name)).await? {
                Some(set) if set.controller().is_none() && !set.is_deleting() => self.offer(&set).await?,
                _ => {}
            }
            Ok(None)
        })
    }
}
