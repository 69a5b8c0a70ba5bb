use serde_json::json;

use super::*;
use crate::kinds::Stored;

fn kind(group: &'static str, plural: &'static str) -> Kind {
    Kind::new(group, "v1", "Any", plural, Stored)
}

fn usage(plural: &'static str, object: &Value) -> Vec<String> {
    let usage = Counted::of(&kind("", plural)).usage(object, Timestamp::UNIX_EPOCH);
    usage.into_iter().map(|(name, amount)| format!("{name}={amount}")).collect()
}

#[test]
fn a_pod_counts_for_itself_and_what_it_asks_for() {
    let mut pod = json!({"spec": {"containers": [{"name": "a", "resources": {
        "requests": {"cpu": "500m", "example.com/gpu": "1"}, "limits": {"memory": "1Gi", "example.com/gpu": "1"}}}]}});
    assert_eq!(
        usage("pods", &pod),
        ["count/pods=1", "cpu=500m", "limits.memory=1Gi", "pods=1", "requests.cpu=500m", "requests.example.com/gpu=1",]
    );
    pod["status"] = json!({"phase": "Succeeded"});
    assert_eq!(usage("pods", &pod), ["count/pods=1"]);
}

#[test]
fn services_count_their_ports_and_claims_their_class() {
    let service = json!({"spec": {"type": "LoadBalancer", "ports": [{"nodePort": 30000}, {}]}});
    assert_eq!(
        usage("services", &service),
        ["count/services=1", "services=1", "services.loadbalancers=1", "services.nodeports=2"]
    );
    let claim = json!({"spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}}});
    assert!(
        usage("persistentvolumeclaims", &claim)
            .contains(&"fast.storageclass.storage.k8s.io/requests.storage=1Gi".into())
    );
    assert_eq!(usage("secrets", &json!({})), ["count/secrets=1", "secrets=1"]);
    let counted = Counted::of(&kind("apps", "deployments"));
    assert!(counted.matches("count/deployments.apps") && !counted.matches("deployments"));
}

#[test]
fn a_charge_adds_up_or_says_what_is_too_much() {
    let quota = json!({"metadata": {"name": "q"}, "status": {
        "hard": {"pods": "2", "requests.cpu": "1"}, "used": {"pods": "1", "requests.cpu": "500m"}}});
    let delta = |cpu: &str| amounts(&json!({"pods": "1", "requests.cpu": cpu, "memory": "1Gi"}));
    let charged = charge(&quota, &delta("500m")).expect("room").expect("a change");
    assert_eq!(Value::Object(charged.used), json!({"pods": "2", "requests.cpu": "1"}));
    assert_eq!(
        charge(&quota, &delta("600m")).err().as_deref(),
        Some("exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=500m, limited: requests.cpu=1")
    );
    assert!(charge(&quota, &amounts(&json!({"secrets": "1"}))).is_ok_and(|charge| charge.is_none()));
}

#[test]
fn containers_must_say_what_is_bounded() {
    let pod = json!({"spec": {"containers": [
        {"name": "b"}, {"name": "a", "resources": {"requests": {"cpu": "1"}}}]}});
    let names = ["limits.memory", "pods", "requests.cpu"].map(str::to_owned);
    assert_eq!(unsaid(&names, &pod).as_deref(), Some("must specify limits.memory for: a,b; requests.cpu for: b"));
    let whole = json!({"spec": {"resources": {"requests": {"cpu": "1"}}, "containers": [{"name": "b"}]}});
    assert_eq!(unsaid(&names, &whole), None);
}

#[test]
fn scopes_pick_pods() {
    let counted = Counted::of(&kind("", "pods"));
    let covered = |scope: Value, pod: Value| covers(&json!({"spec": scope}), &counted, &pod);
    assert!(covered(json!({"scopes": ["BestEffort", "NotTerminating"]}), json!({"spec": {"containers": [{}]}})));
    assert!(!covered(json!({"scopes": ["Terminating"]}), json!({"spec": {}})));
    let selector = |operator: &str, values: Value| {
        json!({"scopeSelector": {"matchExpressions": [
            {"scopeName": "PriorityClass", "operator": operator, "values": values}]}})
    };
    let high = json!({"spec": {"priorityClassName": "high"}});
    assert!(covered(selector("In", json!(["high"])), high.clone()));
    assert!(!covered(selector("NotIn", json!(["high"])), high.clone()));
    assert!(covered(selector("NotIn", json!(["high"])), json!({"spec": {}})));
    assert!(covered(selector("DoesNotExist", json!([])), json!({"spec": {}})));
    assert!(covered(selector("Exists", json!([])), high));
    let services = Counted::of(&kind("", "services"));
    assert!(!covers(&json!({"spec": {"scopes": ["NotTerminating"]}}), &services, &json!({})));
}

#[test]
fn a_sum_shows_zero_for_what_nobody_uses() {
    let quota = json!({"spec": {"hard": {"pods": "2", "requests.cpu": "1", "secrets": "1"}}});
    let total = sum(&quota, &kind("", "pods"), [].into_iter(), Timestamp::UNIX_EPOCH);
    assert_eq!(total.keys().collect::<Vec<_>>(), ["pods", "requests.cpu"]);
    assert!(total.values().all(Quantity::is_zero));
}
