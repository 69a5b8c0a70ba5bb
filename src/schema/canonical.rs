//! The form in which Go would encode an object: what is empty and may be left out is left out, what
//! Go always writes is there.
//!
//! An absent struct that is no pointer shows as `{}` with its own zero values (`status: {}`,
//! `resources: {}`), a number or text without `omitempty` as `0` or `""`, a list without it as
//! `null`, a time as `null`. Scalars are already canonical, see [`super::decode`]. The form is what
//! clients see; it is stable under itself.

use serde_json::{Map, Value};

use super::table::{Any, Field, Scalar, Shape, Struct, Type};

/// Brings an object of a type to canonical form. Fields that the type does not know stay as they are.
pub fn canonical(value: &mut Value, ty: Type<'_>) {
    match ty.shape() {
        Shape::Struct(found) => {
            if let Value::Object(map) = value {
                structure(map, found);
            }
        }
        Shape::Map { value: inner, .. } => {
            for entry in value.as_object_mut().into_iter().flat_map(|map| map.values_mut()) {
                canonical(entry, inner);
            }
        }
        Shape::List { item, .. } => {
            for entry in value.as_array_mut().into_iter().flatten() {
                canonical(entry, item);
            }
        }
        Shape::Any | Shape::Scalar(_) => {}
    }
}

/// Makes of a canonical object what a protobuf store gives back: no list or map there is empty, so
/// those that are always written show as `null`.
pub fn stored(value: &mut Value, ty: Type<'_>) {
    match ty.shape() {
        Shape::Struct(found) => {
            let Some(map) = value.as_object_mut() else { return };
            for field in found.fields() {
                let Some(inner) = map.get_mut(field.name()) else { continue };
                let list = matches!(field.ty().shape(), Shape::List { .. } | Shape::Map { .. });
                let empty = inner.as_array().is_some_and(Vec::is_empty) || inner.as_object().is_some_and(Map::is_empty);
                if list && empty && !field.is_pointer() {
                    *inner = Value::Null;
                } else {
                    stored(inner, field.ty());
                }
            }
        }
        Shape::Map { value: inner, .. } => {
            for entry in value.as_object_mut().into_iter().flat_map(|map| map.values_mut()) {
                stored(entry, inner);
            }
        }
        Shape::List { item, .. } => {
            for entry in value.as_array_mut().into_iter().flatten() {
                stored(entry, item);
            }
        }
        Shape::Any | Shape::Scalar(_) => {}
    }
}

/// What Go encodes for the zero value of a type that is no pointer.
#[must_use]
pub fn zero(ty: Type<'_>) -> Value {
    match ty.shape() {
        Shape::Struct(found) => {
            let mut map = Map::new();
            structure(&mut map, found);
            Value::Object(map)
        }
        Shape::Scalar(scalar) => match scalar {
            Scalar::String => Value::from(""),
            Scalar::Bool => Value::Bool(false),
            Scalar::Int32 | Scalar::Int64 | Scalar::Float | Scalar::IntOrString => Value::from(0),
            Scalar::Quantity => Value::from("0"),
            Scalar::Duration => Value::from("0s"),
            Scalar::Bytes | Scalar::Time | Scalar::MicroTime => Value::Null,
        },
        Shape::Map { .. } | Shape::List { .. } => Value::Null,
        Shape::Any => match ty.any() {
            Any::SchemaOrBool => Value::Bool(false),
            _ => Value::Null,
        },
    }
}

fn structure(map: &mut Map<String, Value>, ty: Struct<'_>) {
    for field in ty.fields() {
        let name = field.name();
        match map.get_mut(name) {
            None | Some(Value::Null) => match absent(field) {
                None => {
                    map.remove(name);
                }
                Some(value) => {
                    map.insert(name.to_owned(), value);
                }
            },
            Some(value) => {
                canonical(value, field.ty());
                if is_left_out(value, field) {
                    map.remove(name);
                }
            }
        }
    }
}

/// What stands for a field that is absent; `None` leaves it out.
fn absent(field: Field<'_>) -> Option<Value> {
    if field.is_pointer() {
        return (!field.omits_empty() && !field.omits_zero()).then_some(Value::Null);
    }
    if field.omits_zero() {
        return None;
    }
    // `omitempty` means nothing for a struct in Go, and these are structs there.
    let is_struct = match field.ty().shape() {
        Shape::Struct(_) | Shape::Any => true,
        Shape::Scalar(scalar) => is_struct(scalar),
        Shape::Map { .. } | Shape::List { .. } => false,
    };
    (is_struct || !field.omits_empty()).then(|| zero(field.ty()))
}

/// Whether Go leaves out a field that has this value.
fn is_left_out(value: &Value, field: Field<'_>) -> bool {
    if field.is_pointer() {
        return false;
    }
    if field.omits_zero() && *value == zero(field.ty()) {
        return true;
    }
    if !field.omits_empty() {
        return false;
    }
    match field.ty().shape() {
        Shape::Struct(_) | Shape::Any => return false,
        Shape::Scalar(scalar) if is_struct(scalar) => return false,
        _ => {}
    }
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// Whether a scalar is a struct in Go.
fn is_struct(scalar: Scalar) -> bool {
    matches!(scalar, Scalar::Quantity | Scalar::IntOrString | Scalar::Time | Scalar::MicroTime | Scalar::Duration)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(group: &str, version: &str, kind: &str, mut value: Value) -> Value {
        let ty = Type::builtin(group, version, kind).expect(kind);
        canonical(&mut value, ty);
        let once = value.clone();
        canonical(&mut value, ty);
        assert_eq!(value, once, "canonical form is stable");
        value
    }

    #[test]
    fn structs_are_there_and_empty_things_are_not() {
        assert_eq!(
            shown(
                "apps",
                "v1",
                "Deployment",
                json!({"metadata": {"name": "a", "labels": {}, "generation": 0}, "spec": {"template": {"spec":
                    {"containers": [{"name": "c", "args": [], "stdin": false, "livenessProbe": {}}]}}}})
            ),
            json!({
                "metadata": {"name": "a"},
                "spec": {
                    "selector": null,
                    "strategy": {},
                    "template": {"metadata": {}, "spec": {"containers": [
                        {"name": "c", "resources": {}, "livenessProbe": {}}]}},
                },
                "status": {},
            })
        );
    }

    #[test]
    fn what_go_always_writes_shows_as_zero() {
        let event = shown("", "v1", "Event", json!({"metadata": {"name": "e"}}));
        assert_eq!(
            event,
            json!({
                "metadata": {"name": "e"}, "involvedObject": {}, "source": {}, "firstTimestamp": null,
                "lastTimestamp": null, "eventTime": null, "reportingComponent": "", "reportingInstance": "",
            })
        );
        let service = shown("", "v1", "Service", json!({"spec": {"ports": [{"port": 80}]}}));
        assert_eq!(service["spec"]["ports"], json!([{"port": 80, "targetPort": 0}]));
        assert_eq!(service["status"], json!({"loadBalancer": {}}));
        let role = shown("rbac.authorization.k8s.io", "v1", "Role", json!({}));
        assert_eq!(role, json!({"metadata": {}, "rules": null}));
        let binding = shown("rbac.authorization.k8s.io", "v1", "RoleBinding", json!({}));
        assert_eq!(binding["roleRef"], json!({"apiGroup": "", "kind": "", "name": ""}));
    }

    #[test]
    fn no_list_is_stored_empty() {
        let ty = Type::builtin("rbac.authorization.k8s.io", "v1", "ClusterRole").expect("a type");
        let mut role = json!({"rules": [], "aggregationRule": {"clusterRoleSelectors": [{}]}});
        stored(&mut role, ty);
        assert_eq!(role, json!({"rules": null, "aggregationRule": {"clusterRoleSelectors": [{}]}}));
    }

    #[test]
    fn a_pointer_to_something_empty_stays() {
        let policy = shown(
            "networking.k8s.io",
            "v1",
            "NetworkPolicy",
            json!({"spec": {"ingress": [
            {"from": [{"podSelector": {"matchLabels": {}}}]}]}}),
        );
        assert_eq!(policy["spec"], json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]}));
        let deployment = shown("apps", "v1", "Deployment", json!({"spec": {"replicas": 0}}));
        assert_eq!(deployment["spec"]["replicas"], 0);
    }
}
