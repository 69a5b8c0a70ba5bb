use futures_util::future::join_all;
use serde_json::{Value, json};

use super::super::delete::DeleteOptions;
use super::super::evict::Evicted;
use super::super::{Catalog, Changed, Settings, WriteOptions, Written};
use super::*;
use crate::kinds;
use crate::store::Store;

const NS: &str = "plant";

async fn registry(labels: Value) -> Registry {
    let settings = Settings { service_network: "10.43.0.0/16".into(), node_ports: (30000, 32767), acts: false };
    let registry = Registry::new(Store::in_memory().expect("a store"), Catalog::new(kinds::all()), settings);
    put(&registry, "", "namespaces", json!({"metadata": {"name": NS, "labels": labels}})).await.expect("a namespace");
    put(&registry, "", "serviceaccounts", json!({"metadata": {"name": "default"}})).await.expect("an account");
    registry
}

fn options() -> WriteOptions {
    WriteOptions::internal("test")
}

async fn put(registry: &Registry, group: &str, plural: &str, object: Value) -> Result<Written, Status> {
    put_with(registry, group, plural, object, &options()).await
}

async fn put_with(
    registry: &Registry,
    group: &str,
    plural: &str,
    object: Value,
    options: &WriteOptions,
) -> Result<Written, Status> {
    let kind = registry.kind(group, plural)?;
    let namespace = if kind.is_namespaced() { NS } else { "" };
    registry.create(&Target::new(&kind, namespace, ""), object, options).await
}

async fn set_status(registry: &Registry, group: &str, plural: &str, name: &str, status: Value) {
    let target = registry.target(group, plural, NS, name).expect("a kind");
    let mut change = |old: &Value| {
        let mut next = old.clone();
        next["status"] = status.clone();
        Ok(Changed::new(next))
    };
    registry.update(&target, Part::Status, &mut change, &options()).await.expect("a status");
}

fn pod(name: &str, cpu: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"app": "gw"}}, "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "image": "c", "resources": {"requests": {"cpu": cpu}}}]}})
}

async fn quota(registry: &Registry, hard: Value, used: Value) {
    let object = json!({"metadata": {"name": "q"}, "spec": {"hard": hard}});
    put(registry, "", "resourcequotas", object).await.expect("a quota");
    set_status(registry, "", "resourcequotas", "q", json!({"hard": hard, "used": used})).await;
}

async fn used(registry: &Registry) -> Value {
    let target = registry.target("", "resourcequotas", NS, "q").expect("a kind");
    registry.get(&target).await.expect("the quota").to_value()["status"]["used"].clone()
}

#[tokio::test]
async fn of_many_at_once_only_as_many_as_the_quota_allows_are_made() {
    let registry = registry(json!({})).await;
    quota(&registry, json!({"pods": "3", "requests.cpu": "1"}), json!({"pods": "0", "requests.cpu": "0"})).await;
    let creates = (0..8).map(|number| put(&registry, "", "pods", pod(&format!("p{number}"), "100m")));
    let outcomes = join_all(creates).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3);
    let refused = outcomes.into_iter().find_map(Result::err).expect("a refusal");
    assert!(
        refused.message.ends_with("exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3"),
        "{refused}"
    );
    assert_eq!(used(&registry).await, json!({"pods": "3", "requests.cpu": "300m"}));
}

#[tokio::test]
async fn what_is_not_stored_is_not_charged() {
    let registry = registry(json!({})).await;
    quota(&registry, json!({"secrets": "5"}), json!({"secrets": "0"})).await;
    let secret = json!({"metadata": {"name": "s"}});
    let dry_run = WriteOptions { dry_run: true, ..options() };
    put_with(&registry, "", "secrets", secret.clone(), &dry_run).await.expect("a dry run");
    assert_eq!(used(&registry).await, json!({"secrets": "0"}));
    put(&registry, "", "secrets", secret.clone()).await.expect("a secret");
    assert_eq!(put(&registry, "", "secrets", secret).await.expect_err("taken").reason, "AlreadyExists");
    assert_eq!(used(&registry).await, json!({"secrets": "1"}));
}

#[tokio::test]
async fn a_quota_that_has_not_been_counted_refuses() {
    let registry = registry(json!({})).await;
    quota(&registry, json!({"pods": "3"}), json!({})).await;
    let status = put(&registry, "", "pods", pod("p", "1")).await.expect_err("unknown");
    assert_eq!(status.message, "pods \"p\" is forbidden: status unknown for quota: q, resources: pods");
}

#[tokio::test]
async fn an_update_is_charged_by_the_difference() {
    let registry = registry(json!({})).await;
    let hard = json!({"services": "1", "services.nodeports": "1"});
    quota(&registry, hard, json!({"services": "0", "services.nodeports": "0"})).await;
    let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"name": "a", "port": 1}]}});
    put(&registry, "", "services", service).await.expect("a service");
    let target = registry.target("", "services", NS, "s").expect("a kind");
    let update = async |ports: Value| {
        let mut change = |old: &Value| {
            let mut next = old.clone();
            next["spec"]["type"] = "NodePort".into();
            next["spec"]["ports"] = ports.clone();
            Ok(Changed::new(next))
        };
        registry.update(&target, Part::Main, &mut change, &options()).await
    };
    update(json!([{"name": "a", "port": 1}])).await.expect("one port");
    assert_eq!(used(&registry).await, json!({"services": "1", "services.nodeports": "1"}));
    let status = update(json!([{"name": "a", "port": 1}, {"name": "b", "port": 2}])).await.expect_err("two ports");
    assert!(status.message.contains("requested: services.nodeports=1, used: services.nodeports=1"), "{status}");
}

#[tokio::test]
async fn pod_security_refuses_pods_and_warns_of_workloads() {
    let registry = registry(json!({
        "pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted"}))
    .await;
    let written = put(&registry, "", "pods", pod("p", "1")).await.expect("a pod");
    assert!(written.warnings.iter().any(|one| one.starts_with("would violate PodSecurity \"restricted:latest\": ")));
    let mut bad = pod("bad", "1");
    bad["spec"]["hostPID"] = true.into();
    let status = put(&registry, "", "pods", bad.clone()).await.expect_err("refused");
    assert_eq!(
        status.message,
        "pods \"bad\" is forbidden: violates PodSecurity \"baseline:latest\": host namespaces (hostPID=true)"
    );
    let deployment = json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"app": "gw"}},
        "template": {"metadata": bad["metadata"], "spec": {"hostPID": true, "containers": bad["spec"]["containers"]}}}});
    let written = put(&registry, "apps", "deployments", deployment).await.expect("a deployment");
    assert!(written.warnings.iter().any(|one| one.contains("host namespaces (hostPID=true)")));
}

#[tokio::test]
async fn a_namespace_that_becomes_stricter_tells_of_its_pods() {
    let registry = registry(json!({})).await;
    put(&registry, "", "pods", pod("p", "1")).await.expect("a pod");
    let target = registry.target("", "namespaces", "", NS).expect("a kind");
    let label = async |value: &str| {
        let mut change = |old: &Value| {
            let mut next = old.clone();
            next["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = value.into();
            Ok(Changed::new(next))
        };
        registry.update(&target, Part::Main, &mut change, &options()).await
    };
    let warnings = label("restricted").await.expect("a label").warnings;
    assert_eq!(
        warnings,
        [
            "existing pods in namespace \"plant\" violate the new PodSecurity enforce level \"restricted:latest\"",
            "p: allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile",
        ]
    );
    assert!(label("baseline").await.expect("a label").warnings.is_empty());
    assert_eq!(label("none").await.expect_err("no level").code, 422);
}

#[tokio::test]
async fn an_eviction_asks_its_budget() {
    let registry = registry(json!({})).await;
    for name in ["a", "b"] {
        put(&registry, "", "pods", pod(name, "1")).await.expect("a pod");
        let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
        set_status(&registry, "", "pods", name, ready).await;
    }
    let budget = |name: &str| json!({"metadata": {"name": name}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "gw"}}}});
    put(&registry, "policy", "poddisruptionbudgets", budget("pd")).await.expect("a budget");
    let evict = async |name: &str, dry_run: bool| {
        let target = registry.target("", "pods", NS, name).expect("a kind");
        registry.evict(&target, &DeleteOptions::default(), &WriteOptions { dry_run, ..options() }).await
    };
    assert_eq!(evict("a", false).await.expect_err("not counted yet").code, 429);
    let counted = json!({"observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1});
    set_status(&registry, "policy", "poddisruptionbudgets", "pd", counted).await;
    assert_eq!(evict("a", true).await, Ok(Evicted::Done));
    assert_eq!(evict("a", false).await, Ok(Evicted::Done));
    assert_eq!(evict("a", false).await.expect_err("gone").code, 404);
    let status = evict("b", false).await.expect_err("the last one");
    assert_eq!(
        (status.code, status.message.as_str()),
        (429, "Cannot evict pod as it would violate the pod's disruption budget.")
    );
    put(&registry, "policy", "poddisruptionbudgets", budget("pe")).await.expect("a budget");
    assert_eq!(evict("b", false).await, Ok(Evicted::Ambiguous));
}

#[tokio::test]
async fn limits_are_filled_in_before_quotas_count() {
    let registry = registry(json!({})).await;
    let range = json!({"metadata": {"name": "l"}, "spec": {"limits": [
        {"type": "Container", "default": {"memory": "64Mi"}}]}});
    put(&registry, "", "limitranges", range).await.expect("a limit range");
    quota(&registry, json!({"limits.memory": "100Mi"}), json!({"limits.memory": "0"})).await;
    put(&registry, "", "pods", pod("a", "1")).await.expect("a pod");
    assert_eq!(used(&registry).await, json!({"limits.memory": "64Mi"}));
    assert_eq!(put(&registry, "", "pods", pod("b", "1")).await.expect_err("too much").code, 403);
}
