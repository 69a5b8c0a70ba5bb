//! Whether a pod can be on this node: a check, not a search. The words are the scheduler's.

use std::collections::BTreeMap;

use serde_json::Value;

use super::translate::container::is_sidecar;
use super::translate::container::ports;
use crate::schema::object::Object;
use crate::schema::quantity::Quantity;
use crate::schema::selector::Selector;

/// What a node has for pods: thousandths of processors, bytes, and by name everything else.
pub(super) type Amounts = BTreeMap<String, i64>;

/// Why a pod is not on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    reasons: Vec<String>,
    /// Whether removing other pods would help.
    crowded: bool,
}

impl Unfit {
    /// The message of the event and of the condition.
    pub(super) fn message(&self) -> String {
        let reasons: Vec<String> = self.reasons.iter().map(|reason| format!("1 {reason}")).collect();
        let help = match self.crowded {
            true => "No preemption victims found for incoming pod",
            false => "Preemption is not helpful for scheduling",
        };
        let reasons = reasons.join(", ");
        format!("0/1 nodes are available: {reasons}. preemption: 0/1 nodes are available: 1 {help}.")
    }
}

/// What a pod asks for: the sum of its containers with sidecars, or the largest init container if that is more,
/// and its overhead (KEP-753).
pub(super) fn requests(pod: &Value) -> Amounts {
    let of = |container: &Value| amounts(&container["resources"]["requests"]);
    let mut sum = Amounts::new();
    for container in pod.list("/spec/containers") {
        add(&mut sum, &of(container));
    }
    let (mut beside, mut largest) = (Amounts::new(), Amounts::new());
    for container in pod.list("/spec/initContainers") {
        let mut one = of(container);
        if is_sidecar(container) {
            add(&mut beside, &one);
            continue;
        }
        add(&mut one, &beside);
        raise(&mut largest, &one);
    }
    add(&mut sum, &beside);
    raise(&mut sum, &largest);
    let whole = amounts(&pod["spec"]["resources"]["requests"]);
    for (name, amount) in whole {
        sum.insert(name, amount);
    }
    add(&mut sum, &amounts(&pod["spec"]["overhead"]));
    sum
}

/// A resource list in numbers.
pub(super) fn amounts(list: &Value) -> Amounts {
    let numbers = list.as_object().into_iter().flatten().filter_map(|(name, value)| {
        let amount = Quantity::of(value).ok()?;
        Some((name.clone(), if name == "cpu" { amount.milli_value() } else { amount.value() }))
    });
    numbers.collect()
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let entry = sum.entry(name.clone()).or_insert(0);
        *entry = entry.saturating_add(*amount);
    }
}

fn raise(sum: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let entry = sum.entry(name.clone()).or_insert(0);
        *entry = (*entry).max(*amount);
    }
}

/// Whether a pod holds room on the node.
pub(super) fn counts(pod: &Value) -> bool {
    !pod.text("/spec/nodeName").is_empty() && !matches!(pod.text("/status/phase"), "Succeeded" | "Failed")
}

/// Checks a pod against the node and the pods that are on it.
pub(super) fn check(pod: &Value, node: &Value, others: &[Value]) -> Result<(), Unfit> {
    let refuse = |reason: &str, crowded| Err(Unfit { reasons: vec![reason.to_owned()], crowded });
    let tolerates = |taint: &Value| pod.list("/spec/tolerations").iter().any(|one| is_tolerated(taint, one));
    if node["spec"]["unschedulable"] == true {
        let taint = serde_json::json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
        if !tolerates(&taint) {
            return refuse("node(s) were unschedulable", false);
        }
    }
    if !selects(pod, node) {
        return refuse("node(s) didn't match Pod's node affinity/selector", false);
    }
    let hard = node.list("/spec/taints").iter().filter(|taint| taint["effect"] != "PreferNoSchedule");
    if hard.filter(|taint| taint["key"] != "node.kubernetes.io/unschedulable").any(|taint| !tolerates(taint)) {
        return refuse("node(s) had untolerated taint(s)", false);
    }
    let mine = ports(pod);
    let clash = others.iter().filter(|other| counts(other)).flat_map(ports).any(|theirs| {
        mine.iter().any(|port| {
            let overlap = port.host_ip.is_none_or(|ip| ip.is_unspecified())
                || theirs.host_ip.is_none_or(|ip| ip.is_unspecified())
                || port.host_ip == theirs.host_ip;
            port.host_port == theirs.host_port && port.protocol == theirs.protocol && overlap
        })
    });
    if clash {
        return refuse("node(s) didn't have free ports for the requested pod ports", true);
    }
    room(pod, node, others)
}

fn room(pod: &Value, node: &Value, others: &[Value]) -> Result<(), Unfit> {
    let allocatable = amounts(&node["status"]["allocatable"]);
    let mut used = Amounts::new();
    let on_node = others.iter().filter(|other| counts(other));
    let mut number = 0;
    for other in on_node {
        number += 1;
        add(&mut used, &requests(other));
    }
    let mut reasons = Vec::new();
    if allocatable.get("pods").is_some_and(|most| number >= *most) {
        reasons.push("Too many pods".to_owned());
    }
    for (name, wanted) in requests(pod) {
        let have = allocatable.get(&name).copied().unwrap_or(0);
        let taken = used.get(&name).copied().unwrap_or(0);
        if wanted > 0 && wanted > have.saturating_sub(taken) {
            reasons.push(format!("Insufficient {name}"));
        }
    }
    if reasons.is_empty() { Ok(()) } else { Err(Unfit { reasons, crowded: true }) }
}

fn is_tolerated(taint: &Value, toleration: &Value) -> bool {
    let (key, effect) = (toleration.text("/key"), toleration.text("/effect"));
    let fits = (key.is_empty() && toleration["operator"] == "Exists") || key == taint.text("/key");
    let value = toleration["operator"] == "Exists" || toleration.text("/value") == taint.text("/value");
    (effect.is_empty() || effect == taint.text("/effect")) && fits && value
}

/// `nodeSelector` and the required part of the node affinity.
fn selects(pod: &Value, node: &Value) -> bool {
    let labels = node.map("/metadata/labels");
    if let Some(wanted) = pod.map("/spec/nodeSelector")
        && !Selector::from_labels(wanted).matches(labels)
    {
        return false;
    }
    let required = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    let terms = pod.list(required);
    pod.pointer(required).is_none()
        || terms.iter().any(|term| {
            let labels_fit = term.list("/matchExpressions").iter().all(|one| {
                let have = labels.and_then(|labels| labels.get(one.text("/key"))).and_then(Value::as_str);
                requirement(one, have)
            });
            let fields_fit = term.list("/matchFields").iter().all(|one| requirement(one, Some(node.name())));
            let empty = term.list("/matchExpressions").is_empty() && term.list("/matchFields").is_empty();
            labels_fit && fields_fit && !empty
        })
}

fn requirement(one: &Value, have: Option<&str>) -> bool {
    let values: Vec<&str> = one.list("/values").iter().filter_map(Value::as_str).collect();
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
    let first = number(values.first().copied());
    match one.text("/operator") {
        "In" => have.is_some_and(|have| values.contains(&have)),
        "NotIn" => have.is_none_or(|have| !values.contains(&have)),
        "Exists" => have.is_some(),
        "DoesNotExist" => have.is_none(),
        "Gt" => matches!((number(have), first), (Some(have), Some(than)) if have > than),
        "Lt" => matches!((number(have), first), (Some(have), Some(than)) if have < than),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node() -> Value {
        json!({
            "metadata": {"name": "n", "labels": {"disk": "ssd", "size": "5"}},
            "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "3"}},
        })
    }

    fn pod(spec: Value) -> Value {
        json!({ "spec": spec })
    }

    fn asks(cpu: &str) -> Value {
        pod(json!({"nodeName": "n", "containers": [{"resources": {"requests": {"cpu": cpu}}}]}))
    }

    fn why(pod: &Value, node: &Value, others: &[Value]) -> String {
        check(pod, node, others).expect_err("it does not fit").message()
    }

    #[test]
    fn room_is_counted() {
        assert_eq!(check(&asks("1500m"), &node(), &[asks("500m")]), Ok(()));
        assert_eq!(
            why(&asks("1600m"), &node(), &[asks("500m")]),
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption \
             victims found for incoming pod."
        );
        let three = [asks("0"), asks("0"), asks("0")];
        assert!(why(&asks("0"), &node(), &three).contains("1 Too many pods."));
    }

    #[test]
    fn selectors_affinity_and_taints_bind() {
        let away = pod(json!({"nodeSelector": {"disk": "hdd"}}));
        assert_eq!(
            why(&away, &node(), &[]),
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are \
             available: 1 Preemption is not helpful for scheduling."
        );
        let affine = |expression: Value| {
            pod(json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [expression]}]}}}}))
        };
        assert!(check(&affine(json!({"key": "size", "operator": "Gt", "values": ["4"]})), &node(), &[]).is_ok());
        assert!(check(&affine(json!({"key": "size", "operator": "Lt", "values": ["4"]})), &node(), &[]).is_err());
        let mut tainted = node();
        tainted["spec"] = json!({"taints": [{"key": "a", "value": "b", "effect": "NoSchedule"}]});
        assert!(why(&pod(json!({})), &tainted, &[]).contains("untolerated taint"));
        let tolerant = pod(json!({"tolerations": [{"key": "a", "operator": "Equal", "value": "b"}]}));
        assert!(check(&tolerant, &tainted, &[]).is_ok());
        let mut cordoned = node();
        cordoned["spec"] = json!({"unschedulable": true});
        assert!(why(&pod(json!({})), &cordoned, &[]).contains("node(s) were unschedulable"));
    }

    #[test]
    fn host_ports_clash() {
        let with = |port: u16| {
            pod(json!({"nodeName": "n", "containers": [{"ports": [
                {"containerPort": 80, "hostPort": port, "protocol": "TCP"}]}]}))
        };
        assert!(why(&with(80), &node(), &[with(80)]).contains("didn't have free ports"));
        assert!(check(&with(81), &node(), &[with(80)]).is_ok());
    }

    #[test]
    fn init_containers_count_by_the_largest() {
        let both = pod(json!({
            "containers": [{"resources": {"requests": {"cpu": "1"}}}],
            "initContainers": [
                {"restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}},
                {"resources": {"requests": {"cpu": "3"}}},
            ],
        }));
        assert_eq!(requests(&both)["cpu"], 3100);
    }
}
