use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::kinds;
use crate::registry::delete::{DeleteOptions, Deleted};
use crate::registry::filter::Filter;
use crate::registry::{Catalog, Changed, Settings};
use crate::store::Store;

async fn registry() -> Registry {
    let settings = Settings { service_network: "10.43.0.0/16".into(), node_ports: (30000, 32767), acts: false };
    let registry = Registry::new(Store::in_memory().expect("a store"), Catalog::new(kinds::all()), settings);
    registry.bootstrap(IpAddr::V4(Ipv4Addr::new(10, 43, 0, 1)), 6443).await.expect("a cluster");
    registry
}

fn options() -> WriteOptions {
    WriteOptions::internal("test")
}

fn definition(plural: &str, kind: &str) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "size": {"type": "integer", "default": 2, "maximum": 9}}}}}});
    let open = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    json!({
        "metadata": {"name": format!("{plural}.plant.example")},
        "spec": {"group": "plant.example", "scope": "Cluster", "names": {"plural": plural, "kind": kind}, "versions": [
            {"name": "v1", "served": true, "storage": true, "schema": schema},
            {"name": "v1beta1", "served": true, "storage": false, "schema": open},
        ]},
    })
}

async fn define(registry: &Registry, plural: &str, kind: &str) {
    let target = registry.target("apiextensions.k8s.io", "customresourcedefinitions", "", "").expect("a kind");
    registry.create(&target, definition(plural, kind), &options()).await.expect("a definition");
}

fn at(registry: &Registry, version: &str, name: &str) -> Target {
    let catalog = registry.catalog();
    Target::new(catalog.resource("plant.example", version, "pumps").expect("a served kind"), "", name)
}

#[tokio::test]
async fn a_definition_is_served_at_once_and_its_objects_in_every_version() {
    let registry = registry().await;
    define(&registry, "pumps", "Pump").await;
    let pump = json!({"apiVersion": "plant.example/v1beta1", "kind": "Pump", "metadata": {"name": "a"}, "spec": {}});
    registry.create(&at(&registry, "v1beta1", ""), pump, &options()).await.expect("an object");
    let shown = registry.read(&at(&registry, "v1", "a")).await.expect("a store").expect("an object");
    assert_eq!((shown["apiVersion"].as_str(), &shown["spec"]["size"]), (Some("plant.example/v1"), &json!(2)));
    let stored = registry.raw(&at(&registry, "v1beta1", "a")).await.expect("a store").expect("an object").to_value();
    assert_eq!(stored["apiVersion"], "plant.example/v1", "it is kept in the version for storage");
    let mut change = |old: &Value| {
        let mut object = old.clone();
        object["spec"]["size"] = json!(10);
        Ok(Changed::new(object))
    };
    let refused = registry.update(&at(&registry, "v1", "a"), Part::Main, &mut change, &options()).await;
    let message = refused.expect_err("too large").message;
    assert!(message.ends_with("spec.size in body should be less than or equal to 9"), "{message}");
    let services = registry.kind("apiregistration.k8s.io", "apiservices").expect("a kind");
    let names = registry.all(&services, None).await.expect("a store");
    assert!(names.iter().any(|one| one.name() == "v1beta1.plant.example"));
}

#[tokio::test]
async fn names_that_are_taken_wait_until_they_are_free() {
    let registry = registry().await;
    define(&registry, "pumps", "Pump").await;
    define(&registry, "others", "Pump").await;
    let waits = |registry: &Registry| registry.catalog().resource("plant.example", "v1", "others").is_none();
    assert!(waits(&registry));
    let mut changes = registry.changes();
    let target = registry.target("apiextensions.k8s.io", "customresourcedefinitions", "", "pumps.plant.example");
    let target = target.expect("a kind");
    registry.delete(&target, &DeleteOptions::default(), &options()).await.expect("a definition");
    let freed = changes.wait_for(|catalog| catalog.resource("plant.example", "v1", "others").is_some());
    assert!(tokio::time::timeout(Duration::from_secs(10), freed).await.is_ok());
}

#[tokio::test]
async fn a_definition_takes_its_objects_with_it_and_ends_their_watches() {
    let registry = registry().await;
    define(&registry, "pumps", "Pump").await;
    let pump = json!({"apiVersion": "plant.example/v1", "kind": "Pump", "metadata": {"name": "a"}});
    registry.create(&at(&registry, "v1", ""), pump.clone(), &options()).await.expect("an object");
    let kind = at(&registry, "v1", "").kind;
    let from = registry.store().revision();
    let mut watcher = registry.watch(&kind, Filter::everything(None), Some(from)).expect("a watch");
    let target = registry.target("apiextensions.k8s.io", "customresourcedefinitions", "", "pumps.plant.example");
    let target = target.expect("a kind");
    let deleted = registry.delete(&target, &DeleteOptions::default(), &options()).await.expect("a definition");
    assert!(matches!(&deleted, Deleted::Waiting(object) if status::holds(object, "Terminating")));
    let refused = registry.create(&at(&registry, "v1", ""), pump, &options()).await.expect_err("no more");
    assert_eq!(refused.code, 405);
    let mut changes = registry.changes();
    let gone = changes.wait_for(|catalog| catalog.by_resource("plant.example", "pumps").is_none());
    assert!(tokio::time::timeout(Duration::from_secs(10), gone).await.is_ok());
    assert!(registry.find(&target).await.expect("a store").is_none());
    assert!(registry.all(&kind, None).await.expect("a store").is_empty());
    let end = async { while watcher.next().await.is_some() {} };
    assert!(tokio::time::timeout(Duration::from_secs(10), end).await.is_ok(), "the watch ends");
}
