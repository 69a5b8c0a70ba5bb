//! Slices of Endpoints that people write for a Service without selector.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::plan::{Plan, Wanted};
use super::{GROUP, MANAGED_BY, SERVICE, behind};
use crate::controllers::cluster::{Cluster, Head, namespace_is_going};
use crate::controllers::{Controller, ObjectKey, Source, pods};
use crate::registry::Registry;
use crate::schema::object::Object;
use crate::schema::status::Status;

const CONTROLLER: &str = "endpointslicemirroring-controller.k8s.io";
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
const TRIGGER: &str = "endpoints.kubernetes.io/last-change-trigger-time";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The controller; its keys are Endpoints.
pub struct MirrorController(Cluster);

impl MirrorController {
    /// The controller.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self(Cluster::new(registry, "endpoint-slice-mirroring-controller"))
    }

    async fn sync(&self, key: &ObjectKey) -> Result<Option<Duration>, Status> {
        let at = (key.namespace.as_str(), key.name.as_str());
        let of = |head: &Head| {
            let label = |key: &str| head.metadata.labels.get(key).and_then(Value::as_str);
            label(SERVICE) == Some(at.1) && label(MANAGED_BY) == Some(CONTROLLER)
        };
        let existing = self.0.those(GROUP, "endpointslices", Some(at.0), of).await?;
        let endpoints = self.0.get("", "endpoints", at).await?.filter(is_mirrored);
        let service = self.0.get("", "services", at).await?;
        let service = service.filter(|service| behind::selector(service).is_none());
        let plan = match (endpoints, service) {
            (Some(endpoints), Some(_)) => plan(&endpoints, existing),
            // Without its owner a slice goes anyhow; this is for a service that got a selector.
            _ => Plan { delete: existing, ..Plan::default() },
        };
        match plan.apply(&self.0).await {
            Err(status) if !namespace_is_going(&status) => Err(status),
            _ => Ok(None),
        }
    }
}

fn is_mirrored(endpoints: &Value) -> bool {
    endpoints.label(SKIP) != Some("true") && endpoints.annotation(LEADER).is_none()
}

fn plan(endpoints: &Value, existing: Vec<Value>) -> Plan {
    let mut plan = Plan::default();
    let mut existing = existing;
    for family in ["IPv4", "IPv6"] {
        let mut wanted: Vec<Wanted> = Vec::new();
        for subset in endpoints.list("/subsets") {
            let of = |key: &str, ready: bool| -> Vec<Value> {
                let list = subset[key].as_array().map(Vec::as_slice).unwrap_or_default();
                let six = family == "IPv6";
                let list = list.iter().filter(|address| address.text("/ip").contains(':') == six);
                list.map(|address| endpoint(address, ready)).collect()
            };
            let mut list = of("addresses", true);
            list.extend(of("notReadyAddresses", false));
            if !list.is_empty() {
                wanted.push(Wanted { ports: subset.list("/ports").iter().map(port).collect(), endpoints: list });
            }
        }
        let (mine, others) = existing.into_iter().partition(|slice: &Value| slice.text("/addressType") == family);
        existing = others;
        if wanted.is_empty() {
            plan.delete.extend(mine);
        } else {
            plan.add(&slice(endpoints, family), wanted, mine, None);
        }
    }
    plan.delete.extend(existing);
    plan
}

fn endpoint(address: &Value, ready: bool) -> Value {
    let mut endpoint = json!({"addresses": [address["ip"]], "conditions": {"ready": ready}});
    for key in ["hostname", "nodeName", "targetRef"] {
        if let Some(value) = address.get(key).filter(|value| !value.is_null() && **value != "") {
            endpoint[key] = value.clone();
        }
    }
    endpoint
}

fn port(port: &Value) -> Value {
    let mut entry = json!({"name": port.text("/name"), "port": port["port"], "protocol": port["protocol"]});
    if let Some(protocol) = port.get("appProtocol") {
        entry["appProtocol"] = protocol.clone();
    }
    entry
}

fn slice(endpoints: &Value, family: &str) -> Value {
    let mut labels = endpoints.map("/metadata/labels").cloned().unwrap_or_default();
    labels.insert(SERVICE.into(), endpoints.name().into());
    labels.insert(MANAGED_BY.into(), CONTROLLER.into());
    let mut annotations = endpoints.map("/metadata/annotations").cloned().unwrap_or_default();
    annotations.retain(|key, _| key != TRIGGER && key != LAST_APPLIED);
    let mut slice = json!({
        "metadata": {
            "generateName": format!("{}-", endpoints.name()),
            "namespace": endpoints.namespace(),
            "labels": labels,
            "ownerReferences": [pods::controller_reference(endpoints, "v1", "Endpoints")],
        },
        "addressType": family,
    });
    if !annotations.is_empty() {
        slice["metadata"]["annotations"] = annotations.into();
    }
    slice
}

impl Controller for MirrorController {
    fn name(&self) -> &'static str {
        "endpointslicemirroring-controller"
    }

    fn sources(&self) -> Vec<Source> {
        let slices = Source::new(GROUP, "endpointslices", |slice| {
            let own = slice.label(MANAGED_BY) == Some(CONTROLLER);
            let name = slice.label(SERVICE).filter(|_| own);
            name.map(|name| ObjectKey::new(slice.namespace(), name)).into_iter().collect()
        });
        vec![Source::own("", "endpoints"), Source::own("", "services"), slices]
    }

    fn reconcile<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>> {
        Box::pin(self.sync(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_endpoints() {
        let endpoints = json!({
            "metadata": {"name": "plc", "namespace": "n", "uid": "u"},
            "subsets": [{"addresses": [{"ip": "198.51.100.9"}], "ports": [{"port": 502, "protocol": "TCP"}]}],
        });
        let made = plan(&endpoints, Vec::new());
        assert_eq!(made.create.len(), 1);
        assert_eq!(made.create[0]["ports"], json!([{"name": "", "port": 502, "protocol": "TCP"}]));
        assert_eq!(made.create[0]["endpoints"][0]["conditions"], json!({"ready": true}));
        assert_eq!(made.create[0]["metadata"]["ownerReferences"][0]["kind"], "Endpoints");
    }
}
