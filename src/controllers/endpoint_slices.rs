//! EndpointSlices: what is behind a Service, from its selector; copies of Endpoints that people write
//! for Services without one; and the API's own. Upstream: endpointslice and endpointslicemirroring
//! controllers, and the reconciler of `default/kubernetes`.
//!
//! ```text
//! behind    the pods behind a service, and what of them is shown
//! trigger   when the last change began
//! plan      which slices to make, change and delete
//! mirror    slices of Endpoints
//! api       the endpoints of the API itself
//! ```

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::cluster::{Cluster, namespace_is_going};
use super::{Controller, ObjectKey, Source, pods};
use crate::registry::Registry;
use crate::registry::queue::Queue;
use crate::schema::object::Object;
use crate::schema::status::Status;

pub mod api;
pub mod behind;
pub mod mirror;
mod plan;
pub mod trigger;

use behind::Behind;
use plan::{Plan, Wanted};
use trigger::Triggers;

/// Group of EndpointSlice.
pub const GROUP: &str = "discovery.k8s.io";
/// The label with the name of the service.
pub const SERVICE: &str = "kubernetes.io/service-name";
/// The label with the controller that wrote a slice.
pub const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const CONTROLLER: &str = "endpointslice-controller.k8s.io";
const HEADLESS: &str = "service.kubernetes.io/headless";
const ZONE: &str = "topology.kubernetes.io/zone";

/// The controller; its keys are services.
pub struct EndpointSliceController {
    cluster: Cluster,
    behind: Behind,
    triggers: Triggers,
}

impl EndpointSliceController {
    /// The controller.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let cluster = Cluster::new(registry, "endpoint-slice-controller");
        Self { behind: Behind::new(&cluster), cluster, triggers: Triggers::default() }
    }

    async fn sync(&self, key: &ObjectKey) -> Result<Option<Duration>, Status> {
        let Some(service) = self.cluster.get("", "services", (&key.namespace, &key.name)).await? else {
            // The slices go with their owner.
            self.triggers.forget(&key.namespace, &key.name);
            return Ok(None);
        };
        if service.text("/spec/type") == "ExternalName" || behind::selector(&service).is_none() {
            return Ok(None);
        }
        let pods = self.behind.pods(&service).await?;
        let trigger = self.triggers.changed(&service, &pods);
        let of = |head: &super::cluster::Head| {
            let label = |key: &str| head.metadata.labels.get(key).and_then(Value::as_str);
            label(SERVICE) == Some(key.name.as_str()) && label(MANAGED_BY) == Some(CONTROLLER)
        };
        let existing = self.cluster.those(GROUP, "endpointslices", Some(&key.namespace), of).await?;
        let nodes = self.cluster.all("", "nodes", None).await?;
        let families: Vec<&str> = service.list("/spec/ipFamilies").iter().filter_map(Value::as_str).collect();
        let families = if families.is_empty() { vec!["IPv4"] } else { families };
        let (known, strange): (Vec<Value>, Vec<Value>) =
            existing.into_iter().partition(|slice| families.contains(&slice.text("/addressType")));
        let mut plan = Plan { delete: strange, ..Plan::default() };
        for family in families {
            let mut wanted: Vec<Wanted> = Vec::new();
            for pod in &pods {
                if let Some((ports, endpoint)) = endpoint(&service, pod, &nodes, family) {
                    match wanted.iter_mut().find(|known| known.ports == ports) {
                        Some(known) => known.endpoints.push(endpoint),
                        None => wanted.push(Wanted { ports, endpoints: vec![endpoint] }),
                    }
                }
            }
            let existing: Vec<Value> =
                known.iter().filter(|slice| slice.text("/addressType") == family).cloned().collect();
            plan.add(&slice(&service, family), wanted, existing, trigger.as_deref());
        }
        match self.apply(plan).await {
            Err(status) if !namespace_is_going(&status) => Err(status),
            _ => Ok(None),
        }
    }

    async fn apply(&self, plan: Plan) -> Result<(), Status> {
        plan.apply(&self.cluster).await
    }
}

/// A slice of a service without endpoints.
fn slice(service: &Value, family: &str) -> Value {
    let mut labels = service.map("/metadata/labels").cloned().unwrap_or_default();
    labels.retain(|key, _| key != HEADLESS && key != SERVICE && key != MANAGED_BY);
    if service.text("/spec/clusterIP") == "None" {
        labels.insert(HEADLESS.into(), "".into());
    }
    labels.insert(SERVICE.into(), service.name().into());
    labels.insert(MANAGED_BY.into(), CONTROLLER.into());
    json!({
        "metadata": {
            "generateName": format!("{}-", service.name()),
            "namespace": service.namespace(),
            "labels": labels,
            "ownerReferences": [pods::controller_reference(service, "v1", "Service")],
        },
        "addressType": family,
    })
}

/// The ports and the endpoint of a pod; nothing where it has no address, or its node is not there.
fn endpoint(service: &Value, pod: &Value, nodes: &[Value], family: &str) -> Option<(Vec<Value>, Value)> {
    let addresses = behind::addresses(pod, family);
    if addresses.is_empty() {
        return None;
    }
    let name = pod.text("/spec/nodeName");
    let node = nodes.iter().find(|node| node.name() == name);
    let publish = behind::publishes_not_ready(service);
    if node.is_none() && !publish {
        return None;
    }
    let (serving, terminating) = (pods::is_ready(pod), pod.is_deleting());
    let mut endpoint = json!({
        "addresses": addresses,
        "conditions": {
            "ready": publish || (serving && !terminating), "serving": serving, "terminating": terminating,
        },
        "targetRef": behind::target_reference(pod),
    });
    if !name.is_empty() {
        endpoint["nodeName"] = name.into();
    }
    if let Some(zone) = node.and_then(|node| node.label(ZONE)) {
        endpoint["zone"] = zone.into();
    }
    if let Some(hostname) = behind::hostname(service, pod) {
        endpoint["hostname"] = hostname.into();
    }
    let port = |port: &Value| {
        let number = behind::target_port(pod, port)?;
        let mut entry = json!({"name": port.text("/name"), "port": number, "protocol": port["protocol"]});
        if let Some(protocol) = port.get("appProtocol") {
            entry["appProtocol"] = protocol.clone();
        }
        Some(entry)
    };
    Some((service.list("/spec/ports").iter().filter_map(port).collect(), endpoint))
}

impl Controller for EndpointSliceController {
    fn name(&self) -> &'static str {
        "endpointslice-controller"
    }

    fn sources(&self) -> Vec<Source> {
        let slices = Source::new(GROUP, "endpointslices", |slice| {
            let own = slice.label(MANAGED_BY) == Some(CONTROLLER);
            let service = slice.label(SERVICE).filter(|_| own);
            service.map(|service| ObjectKey::new(slice.namespace(), service)).into_iter().collect()
        });
        let nodes = Source::new("", "nodes", |node| vec![behind::node_key(node)]);
        vec![Source::own("", "services"), self.behind.pod_source(), slices, nodes]
    }

    fn attach(&self, queue: &Arc<Queue<ObjectKey>>) {
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
