//! TaintNodesByCondition: a new node takes no pods until somebody has found it ready.

use serde_json::{Value, json};

use crate::schema::object::Object;

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

#[cfg(test)]
mod tests {
    use super::*;

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
