//! The pods behind a service, and the services before a pod.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::{Map, Value, json};

use crate::controllers::cluster::{Cluster, Head};
use crate::controllers::{ObjectKey, Source, pods};
use crate::registry::queue::Queue;
use crate::schema::object::Object;
use crate::schema::selector::Selector;
use crate::schema::status::Status;

/// Begins the key of a pod; no name begins so.
const POD: &str = "/pod/";
/// Begins the key of a node.
const NODE: &str = "/node/";

/// The key of a node, which concerns every service.
pub fn node_key(node: &Value) -> ObjectKey {
    ObjectKey::new("", format!("{NODE}{}", node.name()))
}

/// Finds pods of services and services of pods.
pub struct Behind {
    cluster: Cluster,
    queue: OnceLock<Arc<Queue<ObjectKey>>>,
    /// The zone of each node, to see whether it has changed.
    zones: Mutex<HashMap<String, Option<String>>>,
}

impl Behind {
    /// With that access to the cluster.
    pub fn new(cluster: &Cluster) -> Self {
        Self { cluster: cluster.clone(), queue: OnceLock::new(), zones: Mutex::default() }
    }

    /// Takes the queue of services.
    pub fn attach(&self, queue: &Arc<Queue<ObjectKey>>) {
        // Attached once, by the loop that runs the controller.
        let _ = self.queue.set(Arc::clone(queue));
    }

    /// Pods with an address, as keys that [`Behind::offer`] understands. A pod's labels are part of its
    /// key, so that the services of its old ones are told too.
    pub fn pod_source(&self) -> Source {
        Source::new("", "pods", |pod| {
            let labels = pod.map("/metadata/labels").cloned().unwrap_or_default();
            let concerned = !labels.is_empty() && !pod.text("/status/podIP").is_empty();
            let key = || ObjectKey::new(pod.namespace(), format!("{POD}{}", Value::Object(labels.clone())));
            concerned.then(key).into_iter().collect()
        })
    }

    /// Where a key is that of a pod or node, puts the services it concerns into the queue and says so.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn offer(&self, key: &ObjectKey) -> Result<bool, Status> {
        let labels = match (key.name.strip_prefix(POD), key.name.strip_prefix(NODE)) {
            (Some(text), _) => Some(serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default()),
            (None, Some(node)) => {
                if !self.zone_changed(node).await? {
                    return Ok(true);
                }
                None
            }
            (None, None) => return Ok(false),
        };
        let Some(queue) = self.queue.get() else { return Ok(true) };
        let namespace = labels.as_ref().map(|_| key.namespace.as_str());
        for service in self.cluster.all("", "services", namespace).await? {
            let Some(selector) = selector(&service) else { continue };
            if labels.as_ref().is_none_or(|labels| selector.matches(Some(labels))) {
                queue.add(ObjectKey::of(&service));
            }
        }
        Ok(true)
    }

    /// Whether a node has come, gone or moved since it was last looked at.
    async fn zone_changed(&self, name: &str) -> Result<bool, Status> {
        let node = self.cluster.get("", "nodes", ("", name)).await?;
        let zone = node.map(|node| node.label(super::ZONE).map(ToOwned::to_owned));
        let mut zones = self.zones.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match zone {
            Some(zone) => zones.insert(name.to_owned(), zone.clone()) != Some(zone),
            None => zones.remove(name).is_some(),
        })
    }

    /// The pods that a service selects and that have an address, those on their way out among them.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn pods(&self, service: &Value) -> Result<Vec<Value>, Status> {
        let Some(selector) = selector(service) else { return Ok(Vec::new()) };
        let matches = |head: &Head| selector.matches(Some(&head.metadata.labels));
        let mut pods = self.cluster.those("", "pods", Some(service.namespace()), matches).await?;
        pods.retain(|pod| !pods::is_finished(pod) && !pod.text("/status/podIP").is_empty());
        Ok(pods)
    }
}

/// The selector of a service, where it has one.
pub fn selector(service: &Value) -> Option<Selector> {
    service.map("/spec/selector").filter(|labels| !labels.is_empty()).map(Selector::from_labels)
}

/// Whether pods count as ready that are not.
pub fn publishes_not_ready(service: &Value) -> bool {
    service["spec"]["publishNotReadyAddresses"] == true
}

/// The addresses of a pod of one family (`IPv4` or `IPv6`).
pub fn addresses(pod: &Value, family: &str) -> Vec<String> {
    let listed: HashSet<&str> = pod.list("/status/podIPs").iter().map(|entry| entry.text("/ip")).collect();
    let mut all: Vec<&str> = pod.list("/status/podIPs").iter().map(|entry| entry.text("/ip")).collect();
    let one = pod.text("/status/podIP");
    if !listed.contains(one) {
        all.insert(0, one);
    }
    let six = family == "IPv6";
    all.retain(|ip| !ip.is_empty() && ip.contains(':') == six);
    all.into_iter().map(ToOwned::to_owned).collect()
}

/// The reference to a pod in an endpoint.
pub fn target_reference(pod: &Value) -> Value {
    json!({"kind": "Pod", "namespace": pod.namespace(), "name": pod.name(), "uid": pod.uid()})
}

/// The name of a pod under its headless service.
pub fn hostname<'a>(service: &Value, pod: &'a Value) -> Option<&'a str> {
    let name = pod.text("/spec/hostname");
    (!name.is_empty() && pod.text("/spec/subdomain") == service.name()).then_some(name)
}

/// The port of a pod to which a port of a service leads; nothing where the pod has none of that name.
pub fn target_port(pod: &Value, port: &Value) -> Option<i64> {
    let target = &port["targetPort"];
    let Some(name) = target.as_str() else {
        return target.as_i64().filter(|number| *number != 0).or_else(|| port["port"].as_i64());
    };
    let restarts = |container: &&Value| container["restartPolicy"] == "Always";
    let sidecars = pod.list("/spec/initContainers").iter().filter(restarts);
    let containers = pod.list("/spec/containers").iter().chain(sidecars);
    containers
        .flat_map(|container| container.list("/ports"))
        .find(|found| found["name"] == name && found["protocol"] == port["protocol"])
        .and_then(|found| found["containerPort"].as_i64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_found_by_name_and_protocol() {
        let pod = json!({"spec": {
            "initContainers": [{"restartPolicy": "Always", "ports": [
                {"name": "metrics", "containerPort": 9, "protocol": "TCP"}]}],
            "containers": [{"ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}]}]}});
        let port = |target: Value| json!({"port": 80, "protocol": "TCP", "targetPort": target});
        assert_eq!(target_port(&pod, &port(json!("metrics"))), Some(9));
        assert_eq!(target_port(&pod, &port(json!("dns"))), None);
        assert_eq!(target_port(&pod, &port(json!(8080))), Some(8080));
    }
}
