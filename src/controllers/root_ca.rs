//! The ConfigMap `kube-root-ca.crt`, by which pods know the API, in every namespace. Upstream: root CA
//! certificate publisher.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::cluster::{Cluster, namespace_is_going};
use super::{Controller, ObjectKey, Source};
use crate::registry::Registry;
use crate::schema::object::Object;
use crate::schema::status::Status;

const NAME: &str = "kube-root-ca.crt";
const DESCRIPTION: &str = "kubernetes.io/description";
const WORDS: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal \
     endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across \
     distributions of Kubernetes clusters.";

/// The controller; its keys are namespaces.
pub struct RootCaController {
    cluster: Cluster,
    bundle: String,
}

impl RootCaController {
    /// Publishes `bundle`, certificates as PEM.
    #[must_use]
    pub fn new(registry: &Registry, bundle: &str) -> Self {
        let cluster = Cluster::new(registry, "root-ca-certificate-publisher");
        Self { cluster, bundle: bundle.to_owned() }
    }

    async fn sync(&self, namespace: &str) -> Result<Option<Duration>, Status> {
        let found = self.cluster.get("", "namespaces", ("", namespace)).await?;
        if found.is_none_or(|found| found["status"]["phase"] != "Active") {
            return Ok(None);
        }
        let outcome = match self.cluster.get("", "configmaps", (namespace, NAME)).await? {
            None => {
                let object = json!({
                    "metadata": {"name": NAME, "namespace": namespace, "annotations": {DESCRIPTION: WORDS}},
                    "data": {"ca.crt": self.bundle},
                });
                self.cluster.create("", "configmaps", object).await
            }
            Some(mut object) => {
                if !mend(&mut object, &self.bundle) {
                    return Ok(None);
                }
                self.cluster.update("", "configmaps", &object).await
            }
        };
        match outcome {
            Err(status) if status.reason != "AlreadyExists" && !namespace_is_going(&status) => Err(status),
            _ => Ok(None),
        }
    }
}

/// Puts right what has been changed; whether there was something.
fn mend(object: &mut Value, bundle: &str) -> bool {
    let data = json!({"ca.crt": bundle});
    if object["data"] == data && object.annotation(DESCRIPTION).is_some_and(|words| !words.is_empty()) {
        return false;
    }
    object["data"] = data;
    let annotations = object.metadata_mut().entry("annotations").or_insert_with(|| json!({}));
    annotations[DESCRIPTION] = WORDS.into();
    true
}

impl Controller for RootCaController {
    fn name(&self) -> &'static str {
        "root-ca-certificate-publisher"
    }

    fn sources(&self) -> Vec<Source> {
        let maps = Source::new("", "configmaps", |map| {
            (map.name() == NAME).then(|| ObjectKey::new("", map.namespace())).into_iter().collect()
        });
        vec![Source::own("", "namespaces"), maps]
    }

    fn reconcile<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>> {
        Box::pin(self.sync(&key.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_bundle_is_restored() {
        let mut object = json!({"metadata": {"name": NAME}, "data": {"ca.crt": "x", "more": "y"}});
        assert!(mend(&mut object, "pem"));
        assert_eq!(object["data"], json!({"ca.crt": "pem"}));
        assert!(!mend(&mut object, "pem"));
    }
}
