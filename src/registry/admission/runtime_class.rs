//! RuntimeClass: what the class of a pod says of overhead and of nodes becomes part of the pod.

use serde_json::{Map, Value};

use super::super::{Registry, Target};
use super::refuse_pod;
use crate::kinds::parts::amount;
use crate::schema::object::Object;
use crate::schema::rules::{entries, items, text};
use crate::schema::status::Status;

async fn class_of(registry: &Registry, pod: &Value) -> Result<Option<Value>, Status> {
    let name = pod.text("/spec/runtimeClassName");
    if name.is_empty() {
        return Ok(None);
    }
    let kind = registry.kind("node.k8s.io", "runtimeclasses")?;
    match registry.read(&Target::new(&kind, "", name)).await? {
        Some(class) => Ok(Some(class)),
        None => Err(refuse_pod(pod, &format!("pod rejected: RuntimeClass \"{name}\" not found"))),
    }
}

/// Fills in overhead, node selector and tolerations.
pub async fn fill(registry: &Registry, pod: &mut Value) -> Result<(), Status> {
    let Some(class) = class_of(registry, pod).await? else { return Ok(()) };
    apply(&class, pod)
}

/// Refuses an overhead that no class gives.
pub async fn validate(registry: &Registry, pod: &Value) -> Result<(), Status> {
    let own = &pod["spec"]["overhead"];
    if entries(own).next().is_none() && pod.text("/spec/runtimeClassName").is_empty() {
        return Ok(());
    }
    let class = class_of(registry, pod).await?;
    match class.as_ref().map(|class| &class["overhead"]).filter(|overhead| overhead.is_object()) {
        Some(overhead) if same(&overhead["podFixed"], own) => Ok(()),
        Some(_) => Err(mismatch(pod)),
        None if entries(own).next().is_none() => Ok(()),
        None => {
            Err(refuse_pod(pod, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"))
        }
    }
}

fn mismatch(pod: &Value) -> Status {
    refuse_pod(pod, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
}

fn same(left: &Value, right: &Value) -> bool {
    let one = |(name, value): (&String, &Value)| right.get(name).is_some_and(|other| amount::same(value, other));
    entries(left).count() == entries(right).count() && entries(left).all(one)
}

fn apply(class: &Value, pod: &mut Value) -> Result<(), Status> {
    if class["overhead"].is_object() {
        let fixed = &class["overhead"]["podFixed"];
        let own = &pod["spec"]["overhead"];
        if entries(own).next().is_some() && !same(fixed, own) {
            return Err(mismatch(pod));
        }
        if fixed.is_object() {
            pod.section_mut("spec").insert("overhead".into(), fixed.clone());
        }
    }
    let scheduling = &class["scheduling"];
    let mut selector = pod.map("/spec/nodeSelector").cloned().unwrap_or_else(Map::new);
    for (key, value) in entries(&scheduling["nodeSelector"]) {
        if let Some(own) = selector.get(key).filter(|own| *own != value) {
            let detail = format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {}; pod.spec.nodeSelector[{key}] = {}",
                text(value),
                text(own)
            );
            return Err(refuse_pod(pod, &detail));
        }
        selector.insert(key.clone(), value.clone());
    }
    if !selector.is_empty() {
        pod.section_mut("spec").insert("nodeSelector".into(), selector.into());
    }
    if scheduling.is_object() {
        let merged = merge(pod.list("/spec/tolerations"), items(&scheduling["tolerations"]));
        if !merged.is_empty() {
            pod.section_mut("spec").insert("tolerations".into(), merged.into());
        }
    }
    Ok(())
}

/// Both lists without what another toleration of them covers.
fn merge(own: &[Value], more: &[Value]) -> Vec<Value> {
    let all: Vec<&Value> = own.iter().chain(more).collect();
    let mut merged: Vec<&Value> = Vec::with_capacity(all.len());
    for (index, one) in all.iter().enumerate() {
        let covered = merged.iter().any(|other| covers(other, one));
        let later = all.iter().skip(index + 1).any(|other| other != one && covers(other, one));
        if !covered && !later {
            merged.push(one);
        }
    }
    merged.into_iter().cloned().collect()
}

/// Whether `wide` tolerates all that `one` does.
fn covers(wide: &Value, one: &Value) -> bool {
    if wide == one {
        return true;
    }
    let (key, operator, effect) = (text(&wide["key"]), text(&wide["operator"]), text(&wide["effect"]));
    if text(&one["key"]) != key && !(key.is_empty() && operator == "Exists") {
        return false;
    }
    if text(&one["effect"]) != effect && !effect.is_empty() {
        return false;
    }
    if effect == "NoExecute"
        && let Some(seconds) = wide["tolerationSeconds"].as_i64()
        && one["tolerationSeconds"].as_i64().is_none_or(|own| own > seconds)
    {
        return false;
    }
    match operator {
        "Exists" => true,
        "" | "Equal" => text(&one["operator"]) == "Equal" && one["value"] == wide["value"],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_class_adds_to_the_pod() {
        let class = json!({"overhead": {"podFixed": {"cpu": "100m"}}, "scheduling": {
            "nodeSelector": {"vm": "yes"}, "tolerations": [{"key": "vm", "operator": "Exists"}]}});
        let mut pod = json!({"spec": {"nodeSelector": {"disk": "fast"}, "overhead": {"cpu": "0.1"},
            "tolerations": [{"key": "vm", "operator": "Equal", "value": "x", "effect": "NoSchedule"}]}});
        assert!(apply(&class, &mut pod).is_ok());
        assert_eq!(pod["spec"]["nodeSelector"], json!({"disk": "fast", "vm": "yes"}));
        assert_eq!(pod["spec"]["tolerations"], json!([{"key": "vm", "operator": "Exists"}]));
        assert_eq!(pod["spec"]["overhead"], json!({"cpu": "100m"}));
    }

    #[test]
    fn another_node_or_overhead_is_a_conflict() {
        let class = json!({"scheduling": {"nodeSelector": {"vm": "yes"}}});
        let mut pod = json!({"metadata": {"name": "p"}, "spec": {"nodeSelector": {"vm": "no"}}});
        let status = apply(&class, &mut pod).expect_err("a conflict");
        assert_eq!(
            status.message,
            "pods \"p\" is forbidden: conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; \
             pod.spec.nodeSelector[vm] = no"
        );
        let class = json!({"overhead": {"podFixed": {"cpu": "100m"}}});
        assert!(apply(&class, &mut json!({"spec": {"overhead": {"cpu": "1"}}})).is_err());
    }
}
