//! Whether a pod can be on this node: a check, not a search. The words are the scheduler's, and the kubelet's for
//! pods that were given to the node by others.

mod affinity;
mod bind;
mod preempt;

use std::collections::BTreeMap;

use serde_json::Value;

use super::translate::container::is_sidecar;
use super::translate::container::ports;
use crate::schema::object::Object;
use crate::schema::quantity::Quantity;
use crate::schema::selector::Selector;

/// What a node has for pods: thousandths of processors, bytes, and by name everything else.
pub(super) type Amounts = BTreeMap<String, i64>;

/// What a pod is checked against.
#[derive(Clone, Copy)]
pub(super) struct Cluster<'a> {
    pub(super) node: &'a Value,
    /// The pods that hold room on the node.
    pub(super) others: &'a [&'a Value],
    /// All namespaces, where a selector of them is to be read.
    pub(super) namespaces: &'a [Value],
}

/// Why a pod is not on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    reasons: Vec<String>,
    /// Whether removing other pods could help.
    crowded: bool,
}

impl Unfit {
    fn new(reason: &str, crowded: bool) -> Self {
        Self { reasons: vec![reason.to_owned()], crowded }
    }

    fn counted(&self) -> String {
        let reasons: Vec<String> = self.reasons.iter().map(|reason| format!("1 {reason}")).collect();
        reasons.join(", ")
    }

    /// The message of the event and of the condition; `after` tells what became of preemption.
    pub(super) fn message(&self, after: &str) -> String {
        let space = if after.is_empty() { "" } else { " " };
        format!("0/1 nodes are available: {}.{space}{after}", self.counted())
    }
}

/// The outcome of a preemption that there is none of, for that reason.
fn no_preemption(reason: &str) -> String {
    format!("preemption: 0/1 nodes are available: {reason}.")
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

/// Checks a pod against the node and the pods that are on it, in the scheduler's order.
pub(super) fn check(pod: &Value, cluster: &Cluster<'_>) -> Result<(), Unfit> {
    let node = cluster.node;
    let tolerates = |taint: &Value| pod.list("/spec/tolerations").iter().any(|one| is_tolerated(taint, one));
    if node["spec"]["unschedulable"] == true {
        let taint = serde_json::json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
        if !tolerates(&taint) {
            return Err(Unfit::new("node(s) were unschedulable", false));
        }
    }
    if let Some(reason) = tainted(pod, node) {
        return Err(Unfit::new(reason, false));
    }
    if !selects(pod, node) {
        return Err(Unfit::new("node(s) didn't match Pod's node affinity/selector", false));
    }
    if ports_clash(pod, cluster.others) {
        return Err(Unfit::new("node(s) didn't have free ports for the requested pod ports", true));
    }
    let reasons: Vec<String> = lacks(pod, node, cluster.others).into_iter().map(|lack| lack.reason()).collect();
    if !reasons.is_empty() {
        return Err(Unfit { reasons, crowded: true });
    }
    affinity::spread(pod, cluster)?;
    affinity::check(pod, cluster)
}

/// Why the kubelet rejects a pod that was given to the node without the scheduler: reason and message.
pub(super) fn admission(pod: &Value, node: &Value, others: &[Value]) -> Option<(String, String)> {
    let others: Vec<&Value> = others.iter().filter(|other| counts(other)).collect();
    if let Some(lack) = lacks(pod, node, &others).into_iter().next() {
        return Some((format!("OutOf{}", lack.name), lack.message()));
    }
    let failed = |name: &str, why: &str| Some((name.to_owned(), format!("Predicate {name} failed: {why}")));
    if !selects(pod, node) {
        return failed("NodeAffinity", "node(s) didn't match Pod's node affinity/selector");
    }
    if ports_clash(pod, &others) {
        return failed("NodePorts", "node(s) didn't have free ports for the requested pod ports");
    }
    let executes = |taint: &&Value| taint["effect"] == "NoExecute";
    let tolerates = |taint: &Value| pod.list("/spec/tolerations").iter().any(|one| is_tolerated(taint, one));
    if node.list("/spec/taints").iter().filter(executes).any(|taint| !tolerates(taint)) {
        return failed("TaintToleration", "node(s) had untolerated taint(s)");
    }
    None
}

fn tainted(pod: &Value, node: &Value) -> Option<&'static str> {
    let tolerates = |taint: &Value| pod.list("/spec/tolerations").iter().any(|one| is_tolerated(taint, one));
    let hard = node.list("/spec/taints").iter().filter(|taint| taint["effect"] != "PreferNoSchedule");
    let mut others = hard.filter(|taint| taint["key"] != "node.kubernetes.io/unschedulable");
    others.any(|taint| !tolerates(taint)).then_some("node(s) had untolerated taint(s)")
}

fn ports_clash(pod: &Value, others: &[&Value]) -> bool {
    let mine = ports(pod);
    others.iter().flat_map(|other| ports(other)).any(|theirs| {
        mine.iter().any(|port| {
            let overlap = port.host_ip.is_none_or(|ip| ip.is_unspecified())
                || theirs.host_ip.is_none_or(|ip| ip.is_unspecified())
                || port.host_ip == theirs.host_ip;
            port.host_port == theirs.host_port && port.protocol == theirs.protocol && overlap
        })
    })
}

/// Something that there is too little of on the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lack {
    name: String,
    wanted: i64,
    used: i64,
    capacity: i64,
}

impl Lack {
    fn reason(&self) -> String {
        if self.name == "pods" { "Too many pods".to_owned() } else { format!("Insufficient {}", self.name) }
    }

    /// As the kubelet says it.
    pub(super) fn message(&self) -> String {
        let Self { name, wanted, used, capacity } = self;
        format!("Node didn't have enough resource: {name}, requested: {wanted}, used: {used}, capacity: {capacity}")
    }

    /// Whether the node has it at all.
    pub(super) fn is_lasting(&self) -> bool {
        self.wanted > self.capacity
    }

    /// As a resize that never fits is told.
    pub(super) fn lasting_message(&self) -> String {
        let Self { name, wanted, capacity, .. } = self;
        format!("Node didn't have enough capacity: {name}, requested: {wanted}, capacity: {capacity}")
    }
}

/// What the node has too little of for a pod beside others.
pub(super) fn lacks(pod: &Value, node: &Value, others: &[&Value]) -> Vec<Lack> {
    let allocatable = amounts(&node["status"]["allocatable"]);
    let mut used = Amounts::new();
    others.iter().for_each(|other| add(&mut used, &requests(other)));
    let number = i64::try_from(others.len()).unwrap_or(i64::MAX);
    let mut lacks = Vec::new();
    if let Some(most) = allocatable.get("pods").filter(|most| number >= **most) {
        lacks.push(Lack { name: "pods".to_owned(), wanted: 1, used: number, capacity: *most });
    }
    for (name, wanted) in requests(pod) {
        let capacity = allocatable.get(&name).copied().unwrap_or(0);
        let used = used.get(&name).copied().unwrap_or(0);
        if wanted > 0 && wanted > capacity.saturating_sub(used) {
            lacks.push(Lack { name, wanted, used, capacity });
        }
    }
    lacks
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

    fn fits(pod: &Value, node: &Value, others: &[Value]) -> Result<(), Unfit> {
        let others: Vec<&Value> = others.iter().collect();
        check(pod, &Cluster { node, others: &others, namespaces: &[] })
    }

    fn why(pod: &Value, node: &Value, others: &[Value]) -> String {
        fits(pod, node, others).expect_err("it does not fit").message("")
    }

    #[test]
    fn room_is_counted() {
        assert_eq!(fits(&asks("1500m"), &node(), &[asks("500m")]), Ok(()));
        assert_eq!(why(&asks("1600m"), &node(), &[asks("500m")]), "0/1 nodes are available: 1 Insufficient cpu.");
        let three = [asks("0"), asks("0"), asks("0")];
        assert!(why(&asks("0"), &node(), &three).contains("1 Too many pods."));
    }

    #[test]
    fn selectors_affinity_and_taints_bind() {
        let away = pod(json!({"nodeSelector": {"disk": "hdd"}}));
        assert_eq!(
            why(&away, &node(), &[]),
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
        );
        let affine = |expression: Value| {
            pod(json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [expression]}]}}}}))
        };
        assert!(fits(&affine(json!({"key": "size", "operator": "Gt", "values": ["4"]})), &node(), &[]).is_ok());
        assert!(fits(&affine(json!({"key": "size", "operator": "Lt", "values": ["4"]})), &node(), &[]).is_err());
        let mut tainted = node();
        tainted["spec"] = json!({"taints": [{"key": "a", "value": "b", "effect": "NoSchedule"}]});
        assert!(why(&pod(json!({})), &tainted, &[]).contains("untolerated taint"));
        let tolerant = pod(json!({"tolerations": [{"key": "a", "operator": "Equal", "value": "b"}]}));
        assert!(fits(&tolerant, &tainted, &[]).is_ok());
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
        assert!(fits(&with(81), &node(), &[with(80)]).is_ok());
    }

    #[test]
    fn the_kubelet_says_what_is_missing() {
        let told = admission(&asks("3"), &node(), &[asks("500m")]);
        let message = "Node didn't have enough resource: cpu, requested: 3000, used: 500, capacity: 2000";
        assert_eq!(told, Some(("OutOfcpu".into(), message.into())));
        let away = pod(json!({"nodeSelector": {"disk": "hdd"}}));
        assert_eq!(admission(&away, &node(), &[]).map(|(reason, _)| reason), Some("NodeAffinity".into()));
        assert_eq!(admission(&asks("1"), &node(), &[]), None);
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
