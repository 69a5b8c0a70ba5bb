//! Resource quotas: `status.hard` follows the specification, and `status.used` is counted anew when
//! something goes or ends. What comes is counted by admission. Upstream: resourcequota controller.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::cluster::Cluster;
use super::{Controller, ObjectKey, Source, pods};
use crate::kinds::Verbs;
use crate::registry::queue::Queue;
use crate::registry::{Registry, quota};
use crate::schema::object::Object;
use crate::schema::status::Status;

/// The controller.
pub struct QuotaController {
    cluster: Cluster,
    queue: OnceLock<Arc<Queue<ObjectKey>>>,
    /// Namespaces that have a quota.
    bounded: Mutex<HashSet<String>>,
}

impl QuotaController {
    /// The controller.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let cluster = Cluster::new(registry, "resourcequota-controller");
        Self { cluster, queue: OnceLock::new(), bounded: Mutex::default() }
    }

    /// An object in `namespace` is gone.
    pub fn removed(&self, namespace: &str) {
        let bounded = self.bounded.lock().unwrap_or_else(PoisonError::into_inner).contains(namespace);
        if bounded && let Some(queue) = self.queue.get() {
            queue.add(ObjectKey::new(namespace, ""));
        }
    }

    fn bound(&self, namespace: &str, bounded: bool) {
        let mut all = self.bounded.lock().unwrap_or_else(PoisonError::into_inner);
        if bounded {
            all.insert(namespace.to_owned());
        } else {
            all.remove(namespace);
        }
    }

    /// Counts all quotas of a namespace.
    async fn sync_all(&self, namespace: &str) -> Result<(), Status> {
        let names = self.cluster.registry.quota_names(namespace).await?;
        self.bound(namespace, !names.is_empty());
        for name in names {
            self.sync(namespace, &name).await?;
        }
        Ok(())
    }

    async fn sync(&self, namespace: &str, name: &str) -> Result<(), Status> {
        let Some(quota) = self.cluster.get("", "resourcequotas", (namespace, name)).await? else {
            let left = self.cluster.registry.quota_names(namespace).await?;
            self.bound(namespace, !left.is_empty());
            return Ok(());
        };
        self.bound(namespace, true);
        let used = self.count(&quota).await?;
        let mut shown = quota.clone();
        let status = shown.section_mut("status");
        status.clear();
        if let Some(hard) = quota.pointer("/spec/hard") {
            status.insert("hard".into(), hard.clone());
            status.insert("used".into(), used.into());
        }
        if shown["status"] != quota["status"] {
            match self.cluster.update_status("", "resourcequotas", &shown).await {
                Err(status) if status.code == 404 => {}
                other => drop(other?),
            }
        }
        Ok(())
    }

    /// What is used of each resource that the quota bounds. What nothing here counts stays as it was.
    async fn count(&self, quota: &Value) -> Result<Map<String, Value>, Status> {
        let now = Timestamp::now();
        let mut used: Map<String, Value> = quota.map("/status/used").cloned().unwrap_or_default();
        used.retain(|name, _| quota::hard(quota).any(|hard| hard == name));
        let catalog = self.cluster.registry.catalog();
        for kind in catalog.iter() {
            // A resource is counted once, in whichever versions it is served.
            let first = catalog.by_resource(&kind.group, &kind.plural).is_some_and(|first| Arc::ptr_eq(first, kind));
            let stored = matches!(kind.verbs, Verbs::All | Verbs::NoDeleteCollection);
            let counted = quota::Counted::of(kind);
            if !first || !kind.is_namespaced() || !stored || quota::resources(&counted, quota::hard(quota)).is_empty() {
                continue;
            }
            let objects = self.cluster.all(&kind.group, &kind.plural, Some(quota.namespace())).await?;
            let sum = quota::sum(quota, kind, objects.iter(), now);
            used.extend(sum.into_iter().map(|(name, amount)| (name, amount.to_string().into())));
        }
        Ok(used)
    }
}

impl Controller for QuotaController {
    fn name(&self) -> &'static str {
        "resourcequota-controller"
    }

    fn sources(&self) -> Vec<Source> {
        vec![
            Source::own("", "resourcequotas"),
            Source::new("", "pods", |pod| {
                // A pod that has ended uses nothing any more.
                pods::is_finished(pod).then(|| ObjectKey::new(pod.namespace(), "")).into_iter().collect()
            }),
        ]
    }

    fn attach(&self, queue: &Arc<Queue<ObjectKey>>) {
        // Attached once, by the loop that runs it.
        let _ = self.queue.set(Arc::clone(queue));
    }

    fn reconcile<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>> {
        Box::pin(async move {
            match key.name.as_str() {
                "" => self.sync_all(&key.namespace).await?,
                name => self.sync(&key.namespace, name).await?,
            }
            Ok(None)
        })
    }
}
