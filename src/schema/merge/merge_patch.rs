//! Merge patch (RFC 7386) as a kube-apiserver applies it: `null` removes, maps merge, all else
//! replaces.

use serde_json::{Map, Value};

use super::json_patch::go_type;
use crate::schema::status::Status;

/// Merges `patch` into `document`.
///
/// # Errors
/// 400 for a patch that is no map.
pub fn apply(document: &mut Value, patch: Value) -> Result<(), Status> {
    match patch {
        Value::Object(patch) => {
            merge(document, patch);
            Ok(())
        }
        Value::Null => Err(Status::bad_request("Invalid JSON Patch")),
        other => Err(Status::bad_request(format!(
            "error decoding patch: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            go_type(&other)
        ))),
    }
}

fn merge(document: &mut Value, patch: Map<String, Value>) {
    let Value::Object(map) = document else {
        let mut patch = Value::Object(patch);
        prune(&mut patch);
        *document = patch;
        return;
    };
    for (key, value) in patch {
        match (map.get_mut(&key), value) {
            (_, Value::Null) => {
                map.remove(&key);
            }
            (Some(current), Value::Object(patch)) => merge(current, patch),
            (current, mut value) => {
                // A list or a scalar that replaces a map is taken as it is.
                if !current.as_ref().is_some_and(|current| current.is_object()) {
                    prune(&mut value);
                }
                map.insert(key, value);
            }
        }
    }
}

/// Takes the members that are `null` out of a value that comes in whole.
fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(prune);
        }
        Value::Array(list) => list.iter_mut().for_each(prune),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn maps_merge_and_the_rest_replaces() {
        for (document, patch, expected) in [
            (json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": null, "d": 3}}), json!({"a": {"c": 2, "d": 3}})),
            (json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
            (json!({"a": 1}), json!({"a": {"x": null, "y": {"z": null}}}), json!({"a": {"y": {}}})),
            (json!({}), json!({"a": {"x": null, "l": [{"n": null, "m": 1}]}}), json!({"a": {"l": [{"m": 1}]}})),
            (json!({"a": 1, "b": 2}), json!({"a": null}), json!({"b": 2})),
            (json!({"a": {"b": 1}}), json!({"a": "x"}), json!({"a": "x"})),
            (json!({"a": null}), json!({"a": {"b": null}}), json!({"a": {}})),
        ] {
            let mut merged = document.clone();
            apply(&mut merged, patch.clone()).unwrap();
            assert_eq!(merged, expected, "{document} {patch}");
        }
    }

    #[test]
    fn only_a_map_is_a_patch() {
        for patch in [json!([]), json!("x"), Value::Null, json!(5)] {
            assert_eq!(apply(&mut json!({}), patch).unwrap_err().code, 400);
        }
    }
}
