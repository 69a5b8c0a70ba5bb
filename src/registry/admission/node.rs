//! TaintNodesByCondition: a new node takes no pods until somebody has found it ready. PodTopologyLabels:
//! a pod has the zone and region of its node (KEP-4742).

use serde_json::{Map, Value, json};

use super::super::Registry;
use crate::schema::object::Object;
use crate::schema::status::Status;

const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// Adds the taint of a node that is not ready.
pub fn taint(node: &mut Value) {
    let taints = node.section_mut("spec").entry("taints").or_insert_with(|| json!([]));
    if !taints.is_array() {
        *taints = json!([]);
    }
    if let Some(list) = taints.as_array_mut()
        && !list.iter().any(|taint| taint["key"] == NOT_READY && taint["effect"] == "NoSchedule")
    {
        list.push(json!({"key": NOT_READY, "effect": "NoSchedule"}));
    }
}

/// Labels of a node that its pods have too.
const TOPOLOGY: [&str; 2] = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"];

/// Gives a pod the topology labels of the node that it is (or is to be) on; a node that is not there
/// gives none.
pub async fn topology(registry: &Registry, node: &str) -> Result<Map<String, Value>, Status> {
    if node.is_empty() {
        return Ok(Map::new());
    }
    let node = registry.read(&registry.target("", "nodes", "", node)?).await?;
    let labels = node.and_then(|node| node.map("/metadata/labels").cloned()).unwrap_or_default();
    Ok(labels.into_iter().filter(|(key, _)| TOPOLOGY.contains(&key.as_str())).collect())
}

/// Sets labels of an object over those that it has.
pub fn label(object: &mut Value, labels: &Map<String, Value>) {
    if labels.is_empty() {
        return;
    }
    let own = object.metadata_mut().entry("labels").or_insert_with(|| json!({}));
    if let Some(own) = own.as_object_mut() {
        own.extend(labels.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_labels_of_the_node_win() {
        let mut pod = json!({"metadata": {"labels": {TOPOLOGY[1]: "mine", "app": "gw"}}});
        let zone = json!({TOPOLOGY[1]: "z"});
        label(&mut pod, zone.as_object().expect("a map"));
        assert_eq!(pod["metadata"]["labels"], json!({TOPOLOGY[1]: "z", "app": "gw"}));
    }

    #[test]
    fn a_node_is_tainted_once() {
        let mut node = json!({"spec": {"taints": [{"key": "a", "effect": "NoExecute"}]}});
        taint(&mut node);
        taint(&mut node);
        assert_eq!(
            node["spec"]["taints"],
            json!([
            {"key": "a", "effect": "NoExecute"}, {"key": NOT_READY, "effect": "NoSchedule"}])
        );
    }
}
