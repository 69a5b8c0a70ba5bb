//! The endpoints of the Service `default/kubernetes`: the API itself. Upstream: kube-apiserver's own
//! reconciler.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{GROUP, SERVICE};
use crate::controllers::{Controller, ObjectKey, Source};
use crate::registry::{Change, Changed, Part, Registry, WriteOptions};
use crate::schema::object::Object;
use crate::schema::status::Status;

const NAMESPACE: &str = "default";
const NAME: &str = "kubernetes";

/// Keeps them right.
pub struct ApiEndpoints {
    registry: Registry,
    options: WriteOptions,
    address: IpAddr,
    port: u16,
}

impl ApiEndpoints {
    /// For an API that pods reach at `address` and `port`.
    #[must_use]
    pub fn new(registry: &Registry, address: IpAddr, port: u16) -> Self {
        Self { registry: registry.clone(), options: WriteOptions::internal("kube-apiserver"), address, port }
    }

    async fn sync(&self) -> Result<Option<Duration>, Status> {
        let ports = json!([{"name": "https", "port": self.port, "protocol": "TCP"}]);
        let address = self.address.to_string();
        self.put(
            "",
            "endpoints",
            json!({
                "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {
                    "endpointslice.kubernetes.io/skip-mirror": "true"}},
                "subsets": [{"addresses": [{"ip": address}], "ports": ports}],
            }),
        )
        .await?;
        let family = if self.address.is_ipv6() { "IPv6" } else { "IPv4" };
        self.put(
            GROUP,
            "endpointslices",
            json!({
                "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {SERVICE: NAME}},
                "addressType": family,
                "endpoints": [{"addresses": [address], "conditions": {"ready": true}}],
                "ports": ports,
            }),
        )
        .await?;
        Ok(None)
    }

    /// Makes an object or gives it these fields.
    async fn put(&self, group: &str, plural: &str, wanted: Value) -> Result<(), Status> {
        let target = self.registry.target(group, plural, NAMESPACE, NAME)?;
        let change: &mut Change<'_> = &mut |old| {
            let mut object = old.clone();
            for (key, value) in wanted.as_object().into_iter().flatten().filter(|(key, _)| *key != "metadata") {
                object[key] = value.clone();
            }
            object.metadata_mut().insert("labels".into(), wanted["metadata"]["labels"].clone());
            Ok(Changed::new(object))
        };
        let outcome = self.registry.update(&target, Part::Main, change, &self.options).await;
        let gone = outcome.as_ref().is_err_and(|status| status.code == 404);
        if gone { self.registry.create(&target, wanted, &self.options).await.map(drop) } else { outcome.map(drop) }
    }
}

impl Controller for ApiEndpoints {
    fn name(&self) -> &'static str {
        "kubernetes-endpoints"
    }

    fn sources(&self) -> Vec<Source> {
        let own = |object: &Value| {
            let own = object.namespace() == NAMESPACE && object.name() == NAME;
            own.then(ObjectKey::default).into_iter().collect()
        };
        vec![
            Source::new("", "services", own),
            Source::new("", "endpoints", own),
            Source::new(GROUP, "endpointslices", own),
        ]
    }

    fn reconcile<'a>(&'a self, _key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>> {
        Box::pin(self.sync())
    }
}
