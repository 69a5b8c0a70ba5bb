//! Endpoints, the old form of what is behind a Service, for those who still read it. Upstream: endpoint
//! controller; the order of ports and subsets is by hash there, so it is here.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::cluster::{Cluster, namespace_is_going};
use super::endpoint_slices::behind::{self, Behind};
use super::endpoint_slices::trigger::Triggers;
use super::{Controller, ObjectKey, Source};
use crate::registry::Registry;
use crate::schema::object::Object;
use crate::schema::status::Status;

pub mod subsets;

const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const HEADLESS: &str = "service.kubernetes.io/headless";
const TRIGGER: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// Marks the key of Endpoints that changed; no name begins so.
const CHANGED: char = '/';

/// The controller.
pub struct EndpointsController {
    cluster: Cluster,
    behind: Behind,
    triggers: Triggers,
}

impl EndpointsController {
    /// The controller.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let cluster = Cluster::new(registry, "endpoint-controller");
        Self { behind: Behind::new(&cluster), cluster, triggers: Triggers::default() }
    }

    async fn sync(&self, key: &ObjectKey) -> Result<Option<Duration>, Status> {
        let at = (key.namespace.as_str(), key.name.trim_start_matches(CHANGED));
        let Some(service) = self.cluster.get("", "services", at).await? else {
            if !key.name.starts_with(CHANGED) {
                self.triggers.forget(&key.namespace, &key.name);
                let target = self.cluster.registry.target("", "endpoints", at.0, at.1)?;
                self.cluster.delete(&target, "", None).await?;
            }
            return Ok(None);
        };
        if service.text("/spec/type") == "ExternalName" || behind::selector(&service).is_none() {
            return Ok(None);
        }
        let pods = self.behind.pods(&service).await?;
        let trigger = self.triggers.changed(&service, &pods);
        let current = self.cluster.get("", "endpoints", at).await?;
        let mut wanted = current.clone().unwrap_or_else(|| {
            json!({"metadata": {"name": service.name(), "namespace": service.namespace(),
                "labels": service["metadata"].get("labels").cloned().unwrap_or(Value::Null)}})
        });
        let subsets = subsets::of(&service, &pods);
        let labels = labels(&service);
        let same = current.as_ref().is_some_and(|current| {
            current.list("/subsets") == subsets.as_slice() && current.map("/metadata/labels") == Some(&labels)
        });
        if same {
            return Ok(None);
        }
        wanted["subsets"] = subsets.into();
        let meta = wanted.metadata_mut();
        meta.insert("labels".into(), labels.into());
        let annotations = meta.entry("annotations").or_insert_with(|| json!({}));
        match (annotations.as_object_mut(), trigger) {
            (Some(annotations), Some(trigger)) => drop(annotations.insert(TRIGGER.into(), trigger.into())),
            (Some(annotations), None) => drop(annotations.remove(TRIGGER)),
            _ => {}
        }
        let outcome = match current {
            None => self.cluster.create("", "endpoints", wanted).await,
            Some(_) => self.cluster.update("", "endpoints", &wanted).await,
        };
        match outcome {
            Err(status) if !namespace_is_going(&status) => Err(status),
            _ => Ok(None),
        }
    }
}

/// The labels of the Endpoints of a service.
fn labels(service: &Value) -> Map<String, Value> {
    let mut labels = service.map("/metadata/labels").cloned().unwrap_or_default();
    if service.text("/spec/clusterIP") == "None" {
        labels.insert(HEADLESS.into(), "".into());
    } else {
        labels.remove(HEADLESS);
    }
    labels.insert(MANAGED_BY.into(), "endpoint-controller".into());
    labels
}

impl Controller for EndpointsController {
    fn name(&self) -> &'static str {
        "endpoint-controller"
    }

    fn sources(&self) -> Vec<Source> {
        let changed = Source::new("", "endpoints", |endpoints| {
            let own = endpoints.label(MANAGED_BY).is_some();
            own.then(|| ObjectKey::new(endpoints.namespace(), format!("{CHANGED}{}", endpoints.name())))
                .into_iter()
                .collect()
        });
        vec![Source::own("", "services"), self.behind.pod_source(), changed]
    }

    fn attach(&self, queue: &std::sync::Arc<crate::registry::queue::Queue<ObjectKey>>) {
        self.behind.attach(queue);
    }

    fn reconcile<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>> {
        Box::pin(async move {
            if self.behind.offer(key).await? {
                return Ok(None);
            }
            self.sync(key).await
        })
    }
}
