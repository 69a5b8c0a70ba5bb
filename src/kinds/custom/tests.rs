use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::kinds::{Kind, Verbs};

fn definition() -> Value {
    json!({
        "metadata": {"name": "probes.plant.example", "uid": "u", "generation": 1},
        "spec": {"group": "plant.example", "scope": "Namespaced",
            "names": {"plural": "probes", "singular": "probe", "kind": "Probe", "listKind": "ProbeList"},
            "versions": [
                {"name": "v1beta1", "served": true, "storage": false, "deprecated": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}},
                {"name": "v1", "served": true, "storage": true,
                    "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}},
                    "schema": {"openAPIV3Schema": {"type": "object", "description": "A probe.", "properties": {
                        "description": {"type": "string"},
                        "spec": {"type": "object", "properties": {"size": {"type": "integer", "default": 2}}},
                        "status": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}},
                {"name": "v1alpha1", "served": false, "storage": false},
            ]},
        "status": {"acceptedNames": {"plural": "probes", "singular": "probe", "kind": "Probe", "listKind": "ProbeList"},
            "conditions": [{"type": "Established", "status": "True"}]},
    })
}

fn served() -> Vec<Kind> {
    kinds(&definition(), &Arc::default())
}

#[test]
fn served_versions_come_in_the_order_of_preference() {
    let served = served();
    let names: Vec<&str> = served.iter().map(|kind| kind.version.as_ref()).collect();
    assert_eq!(names, ["v1", "v1beta1"]);
    assert!(served[0].has_status() && !served[1].has_status());
    assert_eq!(served[1].deprecated, "plant.example/v1beta1 Probe is deprecated; use plant.example/v1 Probe");
    assert!(order("v10") > order("v2") && order("v1") > order("v2beta1") && order("v1alpha2") > order("v1alpha1"));
    assert!(order("v1alpha1") > order("foo1") && order("bar") > order("foo"));
}

#[test]
fn objects_are_kept_in_one_version_and_shown_in_another() {
    let served = served();
    let custom = served[1].custom().expect("a custom kind");
    let object = json!({"apiVersion": "plant.example/v1beta1", "kind": "Probe", "metadata": {"name": "a"}, "x": 1});
    let mut stored = custom.stored(&object).expect("another version");
    assert_eq!(stored["apiVersion"], "plant.example/v1");
    custom.show(&mut stored);
    assert_eq!(stored, object);
    served[0].custom().expect("a custom kind").show(&mut stored);
    assert_eq!(stored.get("x"), None, "the other version does not know the field");
}

#[test]
fn a_definition_that_goes_takes_nothing_new() {
    let mut definition = definition();
    definition["metadata"]["deletionTimestamp"] = json!("2024-01-01T00:00:00Z");
    let kinds = kinds(&definition, &Arc::default());
    assert!(kinds[0].custom().is_some_and(Custom::is_ending));
    assert_eq!(kinds[0].verbs, Verbs::CustomEnding);
    definition["status"]["conditions"] = json!([]);
    assert!(super::kinds(&definition, &Arc::default()).is_empty());
}

#[test]
fn the_scale_is_checked_where_the_definition_says_that_it_is() {
    let served = served();
    let mut errors = crate::schema::field::Errors::new();
    for size in [json!(-1), json!("x"), json!(5_000_000_000_i64)] {
        let object = json!({"metadata": {"name": "a"}, "spec": {"size": size}});
        served[0].strategy.validate(&object, &mut errors);
    }
    let found: Vec<String> = errors.iter().map(ToString::to_string).filter(|text| text.starts_with(".spec")).collect();
    assert_eq!(
        found,
        [
            ".spec.size: Invalid value: -1: should be a non-negative integer",
            ".spec.size: Invalid value: 0: .spec.size accessor error: x is of the type string, expected int64",
            ".spec.size: Invalid value: 5000000000: should be less than or equal to 2147483647",
        ]
    );
}

#[test]
fn schemas_that_are_not_in_use_are_kept_small() {
    let cache: Arc<Cache> = Arc::default();
    let mut definition = definition();
    let text = "x".repeat(300 * 1024);
    definition["spec"]["versions"][1]["schema"]["openAPIV3Schema"]["properties"]["spec"]["enum"] = json!([text]);
    let first = kinds(&definition, &cache);
    let second = kinds(&definition, &cache);
    let one = first[0].custom().expect("a custom kind");
    let before = one.compiled();
    assert!(Arc::ptr_eq(&before, &one.compiled()));
    let _ = second[0].custom().expect("a custom kind").compiled();
    assert!(!Arc::ptr_eq(&before, &one.compiled()), "two large schemas are not kept at once");
    assert_eq!(before.schema(), one.compiled().schema());
    let schema = before.schema();
    assert!(schema["properties"].get("description").is_some() && schema.get("description").is_none());
    assert_eq!(Source::schema(one)["description"], "A probe.");
}
