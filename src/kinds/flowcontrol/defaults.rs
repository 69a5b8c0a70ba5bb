//! The flow schemas and priority levels that every cluster has. Source: the API reference and the
//! bootstrap configuration of API priority and fairness in Kubernetes 1.37.

use serde_json::{Value, json};

use crate::schema::object::Object;

/// The annotation by which a server keeps the spec of such an object up to date.
const AUTO_UPDATE: &str = "apf.kubernetes.io/autoupdate-spec";

/// A level: name, shares, percent that may be lent, and queues, hand and length where it queues.
type Level = (&'static str, i64, i64, Option<(i64, i64, i64)>);

const LEVELS: &[Level] = &[
    ("catch-all", 5, 0, None),
    ("global-default", 20, 50, Some((128, 6, 50))),
    ("leader-election", 10, 0, Some((16, 4, 50))),
    ("node-high", 40, 25, Some((64, 6, 50))),
    ("system", 30, 33, Some((64, 6, 50))),
    ("workload-high", 40, 50, Some((128, 6, 50))),
    ("workload-low", 100, 90, Some((128, 6, 50))),
];

/// The priority levels.
#[must_use]
pub fn levels() -> Vec<Value> {
    let limited = |(name, shares, lendable, queuing): &Level| {
        let response = match queuing {
            None => json!({"type": "Reject"}),
            Some((queues, hand, length)) => json!({
                "type": "Queue", "queuing": {"queues": queues, "handSize": hand, "queueLengthLimit": length},
            }),
        };
        let level = json!({
            "nominalConcurrencyShares": shares, "lendablePercent": lendable, "limitResponse": response,
        });
        object(name, &json!({"type": "Limited", "limited": level}))
    };
    let exempt = json!({"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}});
    LEVELS.iter().map(limited).chain([object("exempt", &exempt)]).collect()
}

/// The flow schemas, with the status that says that their levels are there.
#[must_use]
pub fn flow_schemas() -> Vec<Value> {
    let everyone = || groups(&["system:unauthenticated", "system:authenticated"]);
    let manager = "system:kube-controller-manager";
    let with = |mut subjects: Vec<Value>, more: Vec<Value>| {
        subjects.extend(more);
        subjects
    };
    let used = ["get", "create", "update"];
    let leases = || resources(&used, "coordination.k8s.io", &["leases"], false);
    let probes = json!([{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}]);
    vec![
        schema("catch-all", "catch-all", 10_000, "ByUser", &everything(&everyone())),
        schema(
            "endpoint-controller",
            "workload-high",
            150,
            "ByUser",
            &json!([{
                "subjects": with(users(&[manager]), accounts(&["endpoint-controller", "endpointslicemirroring-controller"])),
                "resourceRules": [resources(&used, "", &["endpoints"], false)],
            }]),
        ),
        schema("exempt", "exempt", 1, "", &everything(&groups(&["system:masters"]))),
        schema("global-default", "global-default", 9900, "ByUser", &everything(&everyone())),
        schema("kube-controller-manager", "workload-high", 800, "ByNamespace", &everything(&users(&[manager]))),
        schema("kube-scheduler", "workload-high", 800, "ByNamespace", &everything(&users(&["system:kube-scheduler"]))),
        schema("kube-system-service-accounts", "workload-high", 900, "ByNamespace", &everything(&accounts(&["*"]))),
        schema("probes", "exempt", 2, "", &json!([{"subjects": everyone(), "nonResourceRules": probes}])),
        schema("service-accounts", "workload-low", 9000, "ByUser", &everything(&groups(&["system:serviceaccounts"]))),
        schema(
            "system-leader-election",
            "leader-election",
            100,
            "ByUser",
            &json!([{
                "subjects": with(users(&[manager, "system:kube-scheduler"]), accounts(&["*"])),
                "resourceRules": [leases()],
            }]),
        ),
        schema(
            "system-node-high",
            "node-high",
            400,
            "ByUser",
            &json!([{
                "subjects": groups(&["system:nodes"]),
                "resourceRules": [
                    resources(&["*"], "", &["nodes", "nodes/status"], true),
                    resources(&["*"], "coordination.k8s.io", &["leases"], false),
                ],
            }]),
        ),
        schema("system-nodes", "system", 500, "ByUser", &everything(&groups(&["system:nodes"]))),
        schema(
            "workload-leader-election",
            "leader-election",
            200,
            "ByUser",
            &json!([{
                "subjects": accounts(&["*"]),
                "resourceRules": [resources(&used, "", &["endpoints", "configmaps"], false), leases()],
            }]),
        ),
    ]
}

/// A flow schema that a cluster cannot be without.
#[must_use]
pub fn mandatory_flow_schema(name: &str) -> Option<Value> {
    let mandatory = matches!(name, "exempt" | "catch-all");
    if mandatory { flow_schemas().into_iter().find(|schema| schema.name() == name) } else { None }
}

/// A priority level that a cluster cannot be without.
#[must_use]
pub fn mandatory_level(name: &str) -> Option<Value> {
    let mandatory = matches!(name, "exempt" | "catch-all");
    if mandatory { levels().into_iter().find(|level| level.name() == name) } else { None }
}

fn object(name: &str, spec: &Value) -> Value {
    json!({"metadata": {"name": name, "annotations": {AUTO_UPDATE: "true"}}, "spec": spec, "status": {}})
}

fn schema(name: &str, level: &str, precedence: i64, method: &str, rules: &Value) -> Value {
    let mut spec = json!({
        "priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence, "rules": rules,
    });
    if !method.is_empty() {
        spec["distinguisherMethod"] = json!({"type": method});
    }
    let mut schema = object(name, &spec);
    let message =
        format!("This FlowSchema references the PriorityLevelConfiguration object named {level:?} and it exists");
    schema["status"] = json!({
        "conditions": [{"type": "Dangling", "status": "False", "reason": "Found", "message": message}],
    });
    schema
}

/// Every request of these subjects.
fn everything(subjects: &[Value]) -> Value {
    json!([{
        "subjects": subjects,
        "resourceRules": [resources(&["*"], "*", &["*"], true)],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    }])
}

fn resources(verbs: &[&str], group: &str, resources: &[&str], cluster: bool) -> Value {
    let mut rule = json!({"verbs": verbs, "apiGroups": [group], "resources": resources, "namespaces": ["*"]});
    if cluster {
        rule["clusterScope"] = true.into();
    }
    rule
}

fn groups(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"kind": "Group", "group": {"name": name}})).collect()
}

fn users(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"kind": "User", "user": {"name": name}})).collect()
}

fn accounts(names: &[&str]) -> Vec<Value> {
    let account = |name: &&str| json!({"name": name, "namespace": "kube-system"});
    names.iter().map(|name| json!({"kind": "ServiceAccount", "serviceAccount": account(name)})).collect()
}
