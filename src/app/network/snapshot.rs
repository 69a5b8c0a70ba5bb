//! What the network needs to know: services with their endpoints and pods with their addresses, as one
//! snapshot whenever something of it changed. It knows no packet rules.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::watch;

use crate::controllers::cluster::{Cluster, Head};
use crate::controllers::{Controller, ObjectKey, Source};
use crate::network::model::{
    Endpoint, EndpointGroup, LoadBalancer, PodRecord, Protocol, ServiceModel, ServicePort, Snapshot, TargetPort,
    TrafficPolicy,
};
use crate::registry::Registry;
use crate::schema::object::Object;
use crate::schema::status::Status;

/// Group of EndpointSlice.
const GROUP: &str = "discovery.k8s.io";
/// The label of a slice with the name of its service.
const SERVICE: &str = "kubernetes.io/service-name";

/// Makes snapshots of the whole cluster.
pub struct NetworkController {
    cluster: Cluster,
    node: String,
    snapshots: watch::Sender<Snapshot>,
}

impl NetworkController {
    /// The controller of the node of that name, and where its snapshots come out.
    #[must_use]
    pub fn new(registry: &Registry, node: &str) -> (Self, watch::Receiver<Snapshot>) {
        let (snapshots, receiver) = watch::channel(Snapshot::default());
        (Self { cluster: Cluster::new(registry, "network"), node: node.to_owned(), snapshots }, receiver)
    }

    async fn sync(&self) -> Result<Option<Duration>, Status> {
        let mut groups: HashMap<(String, String), Vec<EndpointGroup>> = HashMap::new();
        let of_service = |head: &Head| head.metadata.labels.contains_key(SERVICE);
        for slice in self.cluster.those(GROUP, "endpointslices", None, of_service).await? {
            let service = slice.label(SERVICE).unwrap_or_default().to_owned();
            groups.entry((slice.namespace().to_owned(), service)).or_default().push(group(&slice, &self.node));
        }
        let mut services = Vec::new();
        for service in self.cluster.all("", "services", None).await? {
            let key = (service.namespace().to_owned(), service.name().to_owned());
            services.push(model(&service, groups.remove(&key).unwrap_or_default()));
        }
        let mut pods = Vec::new();
        let kind = self.cluster.registry.kind("", "pods")?;
        let filter = crate::registry::filter::Filter::everything(None);
        let mut list = self.cluster.registry.list(&kind, filter, crate::registry::list::ListOptions::default()).await?;
        while let Some(record) = list.next().await? {
            pods.extend(pod(&record.to_value()));
        }
        let snapshot = Snapshot { services, pods };
        self.snapshots.send_if_modified(|current| {
            let changed = *current != snapshot;
            if changed {
                *current = snapshot;
            }
            changed
        });
        Ok(None)
    }
}

fn pod(pod: &Value) -> Option<PodRecord> {
    if pod["spec"]["hostNetwork"] == true || matches!(pod.text("/status/phase"), "Succeeded" | "Failed") {
        return None;
    }
    let address = pod.text("/status/podIP").parse().ok()?;
    Some(PodRecord { namespace: pod.namespace().to_owned(), address })
}

fn addresses(list: &[Value]) -> Vec<IpAddr> {
    list.iter().filter_map(|text| text.as_str()?.parse().ok()).collect()
}

fn protocol(value: &Value) -> Protocol {
    match value.as_str() {
        Some("UDP") => Protocol::Udp,
        Some("SCTP") => Protocol::Sctp,
        _ => Protocol::Tcp,
    }
}

fn number(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|number| u16::try_from(number).ok()).filter(|number| *number != 0)
}

fn policy(value: &str) -> TrafficPolicy {
    if value == "Local" { TrafficPolicy::Local } else { TrafficPolicy::Cluster }
}

fn model(service: &Value, endpoints: Vec<EndpointGroup>) -> ServiceModel {
    let kind = service.text("/spec/type");
    let external = kind == "ExternalName";
    let port = |port: &Value| {
        Some(ServicePort {
            name: port.text("/name").to_owned(),
            protocol: protocol(&port["protocol"]),
            port: number(&port["port"])?,
            node_port: number(&port["nodePort"]),
        })
    };
    let affinity = || {
        let seconds = service.int("/spec/sessionAffinityConfig/clientIP/timeoutSeconds").unwrap_or(10_800);
        Duration::from_secs(u64::try_from(seconds).unwrap_or(10_800))
    };
    let ingress = service.list("/status/loadBalancer/ingress").iter();
    let balancer = || LoadBalancer {
        addresses: ingress.filter_map(|entry| entry.text("/ip").parse().ok()).collect(),
        source_ranges: service
            .list("/spec/loadBalancerSourceRanges")
            .iter()
            .filter_map(|text| text.as_str()?.trim().parse().ok())
            .collect(),
    };
    ServiceModel {
        namespace: service.namespace().to_owned(),
        name: service.name().to_owned(),
        cluster_ips: if external { Vec::new() } else { addresses(service.list("/spec/clusterIPs")) },
        headless: service.text("/spec/clusterIP") == "None",
        external_name: external.then(|| service.text("/spec/externalName").to_owned()),
        ports: service.list("/spec/ports").iter().filter_map(port).collect(),
        endpoints,
        external_ips: addresses(service.list("/spec/externalIPs")),
        load_balancer: (kind == "LoadBalancer").then(balancer),
        session_affinity: (service.text("/spec/sessionAffinity") == "ClientIP").then(affinity),
        internal_policy: policy(service.text("/spec/internalTrafficPolicy")),
        external_policy: policy(service.text("/spec/externalTrafficPolicy")),
        publish_not_ready: service["spec"]["publishNotReadyAddresses"] == true,
    }
}

fn group(slice: &Value, node: &str) -> EndpointGroup {
    let port = |port: &Value| {
        let name = port.text("/name").to_owned();
        Some(TargetPort { name, protocol: protocol(&port["protocol"]), port: number(&port["port"])? })
    };
    let endpoint = |endpoint: &Value| {
        // Upstream's proxies use the first address alone.
        let address = endpoint.text("/addresses/0").parse().ok()?;
        let condition = |name: &str| endpoint["conditions"][name].as_bool();
        let ready = condition("ready").unwrap_or(true);
        let at = endpoint.text("/nodeName");
        Some(Endpoint {
            address,
            hostname: endpoint.get("hostname").and_then(Value::as_str).map(ToOwned::to_owned),
            ready,
            serving: condition("serving").unwrap_or(ready),
            terminating: condition("terminating").unwrap_or(false),
            local: at.is_empty() || at == node,
        })
    };
    EndpointGroup {
        ports: slice.list("/ports").iter().filter_map(port).collect(),
        endpoints: slice.list("/endpoints").iter().filter_map(endpoint).collect(),
    }
}

impl Controller for NetworkController {
    fn name(&self) -> &'static str {
        "network"
    }

    fn sources(&self) -> Vec<Source> {
        let any = |_: &Value| vec![ObjectKey::default()];
        let pods = Source::new("", "pods", |pod| {
            let concerned = !pod.text("/status/podIP").is_empty();
            concerned.then(ObjectKey::default).into_iter().collect()
        });
        vec![Source::new("", "services", any), Source::new(GROUP, "endpointslices", any), pods]
    }

    fn reconcile<'a>(&'a self, _key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>> {
        Box::pin(self.sync())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_service_with_its_slice() {
        let service = json!({
            "metadata": {"name": "mqtt", "namespace": "plant"},
            "spec": {"type": "NodePort", "clusterIP": "10.43.0.9", "clusterIPs": ["10.43.0.9"],
                "ports": [{"name": "mqtt", "port": 1883, "protocol": "TCP", "nodePort": 31883}],
                "sessionAffinity": "ClientIP", "externalTrafficPolicy": "Local"},
        });
        let slice = json!({
            "ports": [{"name": "mqtt", "port": 1884, "protocol": "TCP"}],
            "endpoints": [
                {"addresses": ["10.42.0.3"], "conditions": {"ready": true}, "nodeName": "edge", "hostname": "a"},
                {"addresses": ["10.42.0.4"], "conditions": {"ready": false, "serving": true, "terminating": true},
                    "nodeName": "other"}],
        });
        let model = model(&service, vec![group(&slice, "edge")]);
        assert_eq!(model.ports[0].node_port, Some(31883));
        assert_eq!(model.session_affinity, Some(Duration::from_secs(10_800)));
        assert_eq!((model.internal_policy, model.external_policy), (TrafficPolicy::Cluster, TrafficPolicy::Local));
        let endpoints = &model.endpoints[0].endpoints;
        assert!(endpoints[0].ready && endpoints[0].local);
        assert!(!endpoints[1].ready && endpoints[1].serving && endpoints[1].terminating && !endpoints[1].local);
        assert_eq!(model.endpoints[0].ports[0].port, 1884);
    }
}
