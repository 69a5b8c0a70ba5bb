use serde_json::json;

use super::*;
use crate::schema::merge::fields::Set;

fn pod() -> Typing<'static> {
    Type::builtin("", "v1", "Pod")
}

fn pod_with(containers: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": containers}})
}

fn words(object: &Value, typing: Typing<'_>) -> String {
    validate(object, typing, false).err().unwrap_or_default()
}

#[test]
fn misfits_are_told_as_upstream_does() {
    let map = Type::builtin("", "v1", "ConfigMap");
    for (object, expected) in [
        (json!({"data": {"n": 5}}), ".data.n: expected string, got &value.valueUnstructured{Value:5}"),
        (json!({"data": ["x"]}), ".data: expected map, got &{[x]}"),
        (json!({"unknown": "x"}), ".unknown: field not declared in schema"),
        (
            json!({"data": {"a": true, "b": {"c": [1]}}}),
            "errors:\n  .data.a: expected string, got &value.valueUnstructured{Value:true}\n  .data.b: expected string, \
             got &value.valueUnstructured{Value:map[string]interface {}{\"c\":[]interface {}{1}}}",
        ),
        (json!({"immutable": "yes"}), ".immutable: expected boolean, got &{yes}"),
        (json!({"metadata": {"finalizers": "x"}}), ".metadata.finalizers: expected list, got &{x}"),
        (json!({"metadata": {"generation": "x"}}), ".metadata.generation: expected numeric (int or float), got string"),
        (json!({"metadata": {"finalizers": ["a", "a"]}}), ".metadata.finalizers: duplicate entries for key [=\"a\"]"),
        (json!({"data": null, "metadata": {"labels": null}}), ""),
    ] {
        assert_eq!(words(&object, map), expected, "{object}");
    }
    let doubled = pod_with(json!([{"name": "a"}, {"name": "a"}]));
    assert_eq!(words(&doubled, pod()), ".spec.containers: duplicate entries for key [name=\"a\"]");
    assert!(validate(&doubled, pod(), true).is_ok());
    assert_eq!(words(&pod_with(json!([{"image": "a"}])), pod()), "", "what Go always writes need not be said");
    assert_eq!(
        words(
            &json!({"status": {"conditions": [{}]}}),
            Type::builtin("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema")
        ),
        ".status.conditions: element 0: associative list with keys has an element that omits key field \"type\" (and doesn't have default value)"
    );
    assert_eq!(
        words(&pod_with(json!([null])), pod()),
        ".spec.containers: element 0: associative list with keys may not have a null element"
    );
    let port = pod_with(json!([{"name": "a", "ports": [{"containerPort": "x"}]}]));
    assert_eq!(
        words(&port, pod()),
        ".spec.containers[name=\"a\"].ports[containerPort=\"x\",protocol=\"TCP\"].containerPort: expected numeric (int or float), got string"
    );
}

#[test]
fn an_object_mentions_leaves_and_items() {
    let object = pod_with(json!([{"name": "a", "env": [], "resources": {}, "securityContext": null,
        "ports": [{"containerPort": 80}], "args": ["x"]}]));
    assert_eq!(
        field_set(&object, pod()).to_value(),
        json!({"f:apiVersion": {}, "f:kind": {}, "f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:args": {},
            "f:name": {}, "f:resources": {}, "f:securityContext": {},
            "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}}})
    );
    let meta = json!({"metadata": {"labels": {"a": "b"}, "finalizers": ["x"], "ownerReferences": [{"uid": "u", "name": "n"}]}});
    assert_eq!(
        field_set(&meta, pod()).to_value(),
        json!({"f:metadata": {"f:labels": {"f:a": {}}, "f:finalizers": {"v:\"x\"": {}},
            "f:ownerReferences": {"k:{\"uid\":\"u\"}": {}}}})
    );
    let free = json!({"spec": {"a": {"b": 1}, "l": [{"x": 1}], "e": {}}});
    let expected = json!({"f:spec": {".": {}, "f:a": {".": {}, "f:b": {}}, "f:e": {}, "f:l": {}}});
    assert_eq!(field_set(&free, None).to_value(), expected);
}

#[test]
fn items_with_the_same_key_stand_as_one() {
    let object = pod_with(json!([{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "X", "value": "2"}]}]));
    let set = field_set(&object, pod()).to_value();
    assert_eq!(set["f:spec"]["f:containers"]["k:{\"name\":\"a\"}"]["f:env"], json!({"k:{\"name\":\"X\"}": {}}));
    let other = pod_with(json!([{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "X", "value": "3"}]}]));
    let change = compare(&object, &other, pod());
    assert_eq!(change.modified.paths(), [".spec.containers[name=\"a\"].env[name=\"X\"]"]);
    let one = pod_with(json!([{"name": "a", "env": [{"name": "X", "value": "1"}]}]));
    let change = compare(&object, &one, pod());
    assert_eq!(change.removed.paths(), [".spec.containers[name=\"a\"].env[name=\"X\"]"]);
    assert_eq!(change.added.paths().len(), 3);
}

#[test]
fn differences_are_found_by_key() {
    let old = pod_with(json!([{"name": "a", "image": "1", "args": ["x"]}, {"name": "b", "image": "1"}]));
    let new = pod_with(json!([{"name": "c", "image": "1"}, {"name": "a", "image": "2", "args": ["y"], "stdin": true}]));
    let change = compare(&old, &new, pod());
    let at = |set: &Set<'_>| set.to_value()["f:spec"]["f:containers"].clone();
    assert_eq!(at(&change.modified), json!({"k:{\"name\":\"a\"}": {"f:args": {}, "f:image": {}}}));
    assert_eq!(
        at(&change.added),
        json!({"k:{\"name\":\"a\"}": {"f:stdin": {}}, "k:{\"name\":\"c\"}": {".": {}, "f:image": {}, "f:name": {}}})
    );
    assert_eq!(at(&change.removed), json!({"k:{\"name\":\"b\"}": {".": {}, "f:image": {}, "f:name": {}}}));
    assert!(compare(&old, &old, pod()).is_empty());
    let moved = pod_with(json!([{"name": "b", "image": "1"}, {"name": "a", "image": "1", "args": ["x"]}]));
    assert!(compare(&old, &moved, pod()).is_empty());

    let (old, new) = (json!({"a": 1, "b": {"c": 1}, "d": {}}), json!({"a": {"x": 1}, "b": 2, "d": null}));
    let change = compare(&old, &new, None);
    assert_eq!(change.modified.paths(), [".a", ".b", ".d"]);
    assert_eq!(change.added.paths(), [".a.x"]);
    assert_eq!(change.removed.paths(), [".b.c"]);
}

#[test]
fn a_part_is_laid_over_a_whole() {
    let combined = |old: Value, patch: Value| {
        let whole = combine(&pod_with(old), &pod_with(patch), pod()).unwrap();
        whole["spec"]["containers"].clone()
    };
    let named = |names: &[&str]| Value::from_iter(names.iter().map(|name| json!({"name": name})));
    for (old, patch, expected) in [
        (&["a", "b", "c"][..], &["c", "a"][..], &["b", "c", "a"][..]),
        (&["a", "b", "c"], &["d"], &["a", "b", "c", "d"]),
        (&["a", "b", "c"], &["b", "d", "c"], &["a", "b", "d", "c"]),
        (&["a", "b", "c", "d"], &["d", "x", "b"], &["a", "c", "d", "x", "b"]),
        (&[], &["a"], &["a"]),
        (&["a"], &[], &["a"]),
    ] {
        assert_eq!(combined(named(old), named(patch)), named(expected), "{old:?} {patch:?}");
    }
    assert_eq!(
        combined(
            json!([{"name": "a", "image": "1", "args": ["x", "y"], "env": [{"name": "X", "value": "1"}]}]),
            json!([{"name": "a", "image": null, "args": ["z"], "env": [{"name": "Y"}]}])
        ),
        json!([{"name": "a", "image": null, "args": ["z"], "env": [{"name": "X", "value": "1"}, {"name": "Y"}]}])
    );
    let free =
        combine(&json!({"a": {"b": 1}, "l": [1], "s": 1}), &json!({"a": {"c": 2}, "l": [2], "s": {"x": 1}}), None);
    assert_eq!(free.unwrap(), json!({"a": {"b": 1, "c": 2}, "l": [2], "s": {"x": 1}}));
    let words = combine(&pod_with(json!([])), &pod_with(json!([null])), pod()).unwrap_err();
    assert!(words.starts_with(".spec.containers: element 0: associative list"), "{words}");
}

#[test]
fn fields_are_taken_out() {
    let object = pod_with(json!([{"name": "a", "image": "1", "args": ["x"]}, {"name": "b"}]));
    let gone = json!({"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {"f:image": {}}, "k:{\"name\":\"b\"}": {}}}});
    let left = remove(object, &Set::from_value(&gone).unwrap(), pod());
    assert_eq!(left, pod_with(json!([{"name": "a", "args": ["x"]}])));
    let gone = json!({"f:data": {"f:x": {}}, "f:metadata": {"f:labels": {}}});
    let left = remove(
        json!({"data": {"x": "1"}, "metadata": {"labels": {"a": "b"}, "name": "n"}}),
        &Set::from_value(&gone).unwrap(),
        Type::builtin("", "v1", "ConfigMap"),
    );
    assert_eq!(left, json!({"data": null, "metadata": {"name": "n"}}));
}

#[test]
fn sets_follow_the_schema() {
    let fields = json!({"f:spec": {"f:nodeSelector": {".": {}, "f:a": {}}, "f:containers": {"k:{\"name\":\"a\"}":
        {"f:args": {"i:0": {}}, "f:image": {}}}}});
    let set = Set::from_value(&fields).unwrap();
    assert_eq!(
        reconcile(set.clone(), pod()).to_value(),
        json!({"f:spec": {"f:nodeSelector": {}, "f:containers": {"k:{\"name\":\"a\"}": {"f:args": {}, "f:image": {}}}}})
    );
    assert_eq!(reconcile(set.clone(), None), set);
    let fields = json!({"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {"f:image": {}}}}});
    assert_eq!(
        with_named_fields(Set::from_value(&fields).unwrap(), pod()).to_value(),
        json!({"f:metadata": {".": {}, "f:labels": {".": {}, "f:a": {}}},
            "f:spec": {".": {}, "f:containers": {".": {}, "k:{\"name\":\"a\"}": {"f:image": {}}}}})
    );
}

#[test]
fn an_embedded_object_is_one_field() {
    let revision = Type::builtin("apps", "v1", "ControllerRevision");
    let (old, new) = (json!({"data": {"a": {"b": 1}}}), json!({"data": {"a": {"b": 2}}}));
    assert_eq!(field_set(&old, revision).paths(), [".data"]);
    assert_eq!(compare(&old, &new, revision).modified.paths(), [".data"]);
}
