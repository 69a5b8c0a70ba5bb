use serde_json::json;

use super::*;
use crate::schema::table::Type;

fn patched(document: Value, patch: Value) -> Result<Value, Status> {
    let mut document = document;
    apply(&mut document, patch, Type::builtin("apps", "v1", "Deployment")).map(|()| document)
}

/// A Deployment whose pod spec is this.
fn pod(spec: Value) -> Value {
    json!({"spec": {"template": {"spec": spec}}})
}

fn pod_after(spec: Value, patch: Value) -> Value {
    patched(pod(spec), pod(patch)).unwrap()["spec"]["template"]["spec"].clone()
}

#[test]
fn lists_merge_by_their_key() {
    let containers =
        json!({"containers": [{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}]});
    for (patch, expected) in [
        (
            json!([{"name": "a", "image": "2"}]),
            json!([{"name": "a", "image": "2", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}]),
        ),
        (
            json!([{"name": "a", "env": [{"name": "Y"}, {"name": "X", "value": "2"}]}]),
            json!([{"name": "a", "image": "1", "env": [{"name": "Y"}, {"name": "X", "value": "2"}]}, {"name": "b"}]),
        ),
        (
            json!([{"name": "c"}]),
            json!([{"name": "c"}, {"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}]),
        ),
        (json!([{"name": "a", "$patch": "delete"}]), json!([{"name": "b"}])),
        (json!([{"$patch": "replace"}, {"name": "z"}]), json!([{"name": "z"}])),
        (json!([{"name": "a", "$patch": "replace", "image": "9"}]), json!([])),
        (
            json!([{"name": "b", "stdin": null, "args": ["x"], "new": {"n": null, "$patch": "replace", "m": 1}}]),
            json!([{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "args": ["x"], "new": {"m": 1}}]),
        ),
    ] {
        let after = pod_after(containers.clone(), json!({"containers": patch}));
        assert_eq!(after["containers"], expected, "{patch}");
    }
}

#[test]
fn maps_and_other_lists() {
    for (document, patch, expected) in [
        (
            json!({"nodeSelector": {"a": "b"}}),
            json!({"nodeSelector": {"c": "d"}}),
            json!({"nodeSelector": {"a": "b", "c": "d"}}),
        ),
        (
            json!({"nodeSelector": {"a": "b"}}),
            json!({"nodeSelector": {"$patch": "replace", "c": "d"}}),
            json!({"nodeSelector": {"c": "d"}}),
        ),
        (
            json!({"nodeSelector": {"a": "b"}}),
            json!({"nodeSelector": {"$patch": "delete"}}),
            json!({"nodeSelector": {}}),
        ),
        (json!({"nodeSelector": {"a": "b"}}), json!({"nodeSelector": null}), json!({})),
        (
            json!({"tolerations": [{"key": "a"}]}),
            json!({"tolerations": [{"key": "b"}]}),
            json!({"tolerations": [{"key": "b"}]}),
        ),
        (json!({"hostNetwork": true}), json!({"hostNetwork": false}), json!({"hostNetwork": false})),
    ] {
        assert_eq!(pod_after(document.clone(), patch.clone()), expected, "{document} {patch}");
    }
    let volumes = json!({"volumes": [{"name": "w", "configMap": {"name": "c"}}]});
    let patch = json!({"volumes": [{"name": "w", "$retainKeys": ["name", "secret"], "secret": {"secretName": "s"}}]});
    assert_eq!(pod_after(volumes, patch), json!({"volumes": [{"name": "w", "secret": {"secretName": "s"}}]}));
}

#[test]
fn sets_of_scalars_and_orders() {
    let after =
        |list: Value, patch: Value| patched(json!({"metadata": {"finalizers": list}}), json!({"metadata": patch}));
    let list = |result: Result<Value, Status>| result.unwrap()["metadata"]["finalizers"].clone();
    assert_eq!(list(after(json!(["a", "b"]), json!({"finalizers": ["c", "a"]}))), json!(["c", "a", "b"]));
    assert_eq!(
        list(after(json!(["a", "b"]), json!({"$deleteFromPrimitiveList/finalizers": ["a", "x"]}))),
        json!(["b"])
    );
    assert_eq!(list(after(json!(["a", "b"]), json!({"$setElementOrder/finalizers": ["b", "a"]}))), json!(["b", "a"]));
    let both = json!({"$setElementOrder/finalizers": ["d", "b", "a"], "finalizers": ["d"]});
    assert_eq!(list(after(json!(["a", "b", "s"]), both)), json!(["d", "b", "a", "s"]));
    let wrong = json!({"$setElementOrder/finalizers": ["q"], "finalizers": ["z"]});
    let status = after(json!(["a"]), wrong).unwrap_err();
    assert_eq!(status.code, 500);
    assert_eq!(status.message, "The order in patch list:\n[z]\n doesn't match $setElementOrder list:\n[q]\n");
    let orders = pod_after(
        json!({"containers": [{"name": "x"}, {"name": "y"}, {"name": "only"}]}),
        json!({"$setElementOrder/containers": [{"name": "y"}, {"name": "x"}], "containers": [{"name": "y", "image": "y"}]}),
    );
    let names: Vec<&str> =
        orders["containers"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["y", "x", "only"]);
}

#[test]
fn refused_in_the_words_of_upstream() {
    for (patch, code, words) in [
        (
            pod(json!({"containers": [{"image": "x"}]})),
            500,
            "map: map[image:x] does not contain declared merge key: name",
        ),
        (
            pod(json!({"containers": [{"name": "a", "$patch": "odd"}]})),
            500,
            "unknown patch type: 'odd' in map: map[$patch:odd name:a]",
        ),
        (pod(json!({"$patch": "merge"})), 500, "unknown patch type: 'merge' in map: map[$patch:merge]"),
        (pod(json!({"containers": [{"$patch": "merge"}]})), 500, "merging lists cannot yet be specified in the patch"),
        (pod(json!({"containers": ["x"]})), 500, "list element types are not identical: [[map[name:a]] [x]]"),
        (pod(json!({"$retainKeys": "x"})), 400, "invalid patch format of retainKeys"),
        (pod(json!({"$retainKeys": ["a"], "b": 1})), 400, "invalid patch format of retainKeys"),
        (pod(json!({"$deleteFromPrimitiveListfoo": []})), 400, "invalid patch format of primitive list"),
        (json!([]), 400, "json: cannot unmarshal array into Go value of type map[string]interface {}"),
    ] {
        let status = patched(pod(json!({"containers": [{"name": "a"}]})), patch.clone()).unwrap_err();
        assert_eq!((status.code, status.message.as_str()), (code, words), "{patch}");
    }
    assert_eq!(patched(json!({"a": 1}), Value::Null).unwrap(), json!({"a": 1}));
}
