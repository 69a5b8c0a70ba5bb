//! The `default` ServiceAccount, which every namespace has. Upstream: serviceaccounts controller.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;

use super::cluster::{Cluster, namespace_is_going};
use super::{Controller, ObjectKey, Source};
use crate::registry::Registry;
use crate::schema::object::Object;
use crate::schema::status::Status;

/// The controller; its keys are namespaces.
pub struct ServiceAccountController(Cluster);

impl ServiceAccountController {
    /// The controller.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self(Cluster::new(registry, "serviceaccount-controller"))
    }

    async fn sync(&self, namespace: &str) -> Result<Option<Duration>, Status> {
        let found = self.0.get("", "namespaces", ("", namespace)).await?;
        let active = found.is_some_and(|found| found["status"]["phase"] == "Active");
        if !active || self.0.get("", "serviceaccounts", (namespace, "default")).await?.is_some() {
            return Ok(None);
        }
        let account = json!({"metadata": {"name": "default", "namespace": namespace}});
        match self.0.create("", "serviceaccounts", account).await {
            Err(status) if status.reason != "AlreadyExists" && !namespace_is_going(&status) => Err(status),
            _ => Ok(None),
        }
    }
}

impl Controller for ServiceAccountController {
    fn name(&self) -> &'static str {
        "serviceaccount-controller"
    }

    fn sources(&self) -> Vec<Source> {
        let accounts = Source::new("", "serviceaccounts", |account| {
            let concerned = account.name() == "default";
            concerned.then(|| ObjectKey::new("", account.namespace())).into_iter().collect()
        });
        vec![Source::own("", "namespaces"), accounts]
    }

    fn reconcile<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>> {
        Box::pin(self.sync(&key.name))
    }
}
