//! What may stand in a schema at all, before it is asked whether the schema is structural.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;

/// Fields of a schema that are not supported.
const UNSUPPORTED: [(&str, &str); 6] = [
    ("id", "id is not supported"),
    ("additionalItems", "additionalItems is not supported"),
    ("patternProperties", "patternProperties is not supported"),
    ("definitions", "definitions is not supported"),
    ("dependencies", "dependencies is not supported"),
    ("$ref", "$ref is not supported"),
];
/// The types that values may have.
const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
/// What may stand at the root of a schema where the status has an address of its own, as Go names it.
const ROOT: [(&str, &str); 9] = [
    ("$schema", ""),
    ("description", "Description"),
    ("type", "Type"),
    ("format", "Format"),
    ("title", "Title"),
    ("maximum", "Maximum"),
    ("exclusiveMaximum", "ExclusiveMaximum"),
    ("minimum", "Minimum"),
    ("exclusiveMinimum", "ExclusiveMinimum"),
];
const ROOT_TOO: [&str; 16] = [
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "multipleOf",
    "required",
    "enum",
    "items",
    "properties",
    "externalDocs",
    "example",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
    "id",
];
const ROOT_SHOWN: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength \
                          MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties \
                          ExternalDocs Example XPreserveUnknownFields XValidations]";

/// Checks a schema; `has_status` says whether the status has an address of its own.
pub(super) fn check(schema: &Value, has_status: bool, at: &Path, errors: &mut Errors) {
    if has_status {
        root(schema, at, errors);
    }
    if schema["nullable"] == true {
        errors.forbidden(&at.child("nullable"), "nullable cannot be true at the root");
    }
    walk(schema, at, errors);
}

fn root(schema: &Value, at: &Path, errors: &mut Errors) {
    for (key, value) in schema.as_object().into_iter().flatten() {
        if crate::schema::rules::is_empty(value) {
            continue;
        }
        if key == "type" {
            if value != "object" {
                let detail = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
                errors.invalid(&at.child("type"), value, detail);
                return;
            }
            continue;
        }
        if !ROOT.iter().any(|(name, _)| name == key) && !ROOT_TOO.contains(&key.as_str()) {
            let detail = format!(
                "only {ROOT_SHOWN} fields are allowed at the root of the schema if the status subresource is enabled"
            );
            errors.invalid(at, schema, &detail);
            return;
        }
    }
}

fn walk(schema: &Value, at: &Path, errors: &mut Errors) {
    let Some(map) = schema.as_object() else { return };
    for (key, detail) in UNSUPPORTED {
        if map.get(key).is_some_and(|value| !crate::schema::rules::is_empty(value)) {
            errors.forbidden(&at.child(key), detail);
        }
    }
    let kind = schema.text("/type");
    if kind == "null" {
        errors.forbidden(&at.child("type"), "type cannot be set to null, use nullable as an alternative");
    } else if !kind.is_empty() && !TYPES.contains(&kind) {
        errors.not_supported(&at.child("type"), &kind.into(), &TYPES);
    }
    if map.get("items").is_some_and(Value::is_array) {
        errors.forbidden(&at.child("items"), "items must be a schema object and not an array");
    }
    if schema["uniqueItems"] == true {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.forbidden(&at.child("uniqueItems"), detail);
    }
    let properties = map.get("properties").and_then(Value::as_object).filter(|properties| !properties.is_empty());
    if let Some(additional) = map.get("additionalProperties").filter(|value| !value.is_null()) {
        if properties.is_some() && (additional.is_object() || *additional == false) {
            let detail = "additionalProperties and properties are mutual exclusive";
            errors.forbidden(&at.child("additionalProperties"), detail);
        }
        walk(additional, &at.child("additionalProperties"), errors);
    }
    for (name, property) in properties.into_iter().flatten() {
        walk(property, &at.child("properties").key(name), errors);
    }
    for key in ["allOf", "oneOf", "anyOf"] {
        for (index, one) in schema.list(&format!("/{key}")).iter().enumerate() {
            walk(one, &at.child(key).index(index), errors);
        }
    }
    if let Some(inner) = map.get("not") {
        walk(inner, &at.child("not"), errors);
    }
    if let Some(items) = map.get("items") {
        walk(items, &at.child("items"), errors);
    }
    if schema["x-kubernetes-preserve-unknown-fields"] == false {
        let place = at.child("x-kubernetes-preserve-unknown-fields");
        errors.invalid(&place, &false.into(), "must be true or undefined");
    }
    topology(schema, map, at, errors);
}

/// How lists and maps merge.
fn topology(schema: &Value, map: &Map<String, Value>, at: &Path, errors: &mut Errors) {
    let kind = schema.text("/type");
    let typed = |wanted: &str, by: &str, errors: &mut Errors| {
        if kind != wanted {
            let detail = format!("must be {wanted} if {by} is specified");
            if kind.is_empty() {
                errors.required(&at.child("type"), &detail);
            } else {
                errors.invalid_text(&at.child("type"), kind, &detail);
            }
        }
    };
    if let Some(merge) = map.get("x-kubernetes-map-type") {
        typed("object", "x-kubernetes-map-type", errors);
        if merge != "atomic" && merge != "granular" {
            errors.not_supported(&at.child("x-kubernetes-map-type"), merge, &["atomic", "granular"]);
        }
    }
    let keys: Vec<&str> = schema.list("/x-kubernetes-list-map-keys").iter().filter_map(Value::as_str).collect();
    let keys_at = at.child("x-kubernetes-list-map-keys");
    let Some(list) = map.get("x-kubernetes-list-type") else {
        if !keys.is_empty() {
            let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
            errors.required(&at.child("x-kubernetes-list-type"), detail);
        }
        return;
    };
    let item = map.get("items").filter(|items| items.is_object());
    let items_at = at.child("items");
    if kind != "array" {
        typed("array", "x-kubernetes-list-type", errors);
    } else if list == "set"
        && let Some(item) = item
    {
        let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
        let (key, wrong) = match item.text("/type") {
            "array" => ("x-kubernetes-list-type", item.get("x-kubernetes-list-type").is_some_and(|ty| ty != "atomic")),
            "object" => ("x-kubernetes-map-type", item.get("x-kubernetes-map-type").is_none_or(|ty| ty != "atomic")),
            _ => ("", false),
        };
        if wrong {
            errors.invalid(&items_at.child(key), item.get(key).unwrap_or(&Value::Null), detail);
        }
    }
    if list != "atomic" && list != "set" && list != "map" {
        errors.not_supported(&at.child("x-kubernetes-list-type"), list, &["atomic", "map", "set"]);
    }
    if !keys.is_empty() && list != "map" {
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        errors.invalid(&at.child("x-kubernetes-list-type"), list, detail);
    }
    if list == "map" {
        map_keys(schema, item, &keys, at, errors);
    }
    if (list == "set" || list == "map")
        && let Some(item) = item
    {
        if item["nullable"] == true {
            let detail =
                format!("cannot be nullable when x-kubernetes-list-type is {}", list.as_str().unwrap_or_default());
            errors.forbidden(&items_at.child("nullable"), &detail);
        }
        if list == "map" {
            given_keys(item, &keys, &items_at, errors);
        }
    }
    let _ = keys_at;
}

fn map_keys(schema: &Value, item: Option<&Value>, keys: &[&str], at: &Path, errors: &mut Errors) {
    let keys_at = at.child("x-kubernetes-list-map-keys");
    let items_at = at.child("items");
    if keys.is_empty() {
        errors.required(&keys_at, "must not be empty if x-kubernetes-list-type is map");
    }
    let Some(item) = item else {
        if schema.get("items").is_none() {
            errors.required(&items_at, "must have a schema if x-kubernetes-list-type is map");
        }
        return;
    };
    if item.text("/type") != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        errors.invalid_text(&items_at.child("type"), item.text("/type"), detail);
        return;
    }
    let shown = Value::from(keys.to_vec());
    let mut seen = BTreeSet::new();
    for key in keys {
        match item.get("properties").and_then(|properties| properties.get(*key)) {
            Some(property) if matches!(property.text("/type"), "array" | "object") => {
                let place = items_at.child("properties").key(key).child("type");
                let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                errors.invalid_text(&place, item.text("/type"), detail);
            }
            Some(_) => {}
            None => errors.invalid(&keys_at, &shown, "entries must all be names of item properties"),
        }
        if !seen.insert(key) {
            errors.invalid(&keys_at, &shown, "must not contain duplicate entries");
        }
    }
}

/// Keys of a list are always there.
fn given_keys(item: &Value, keys: &[&str], items_at: &Path, errors: &mut Errors) {
    for key in keys {
        let Some(property) = item.get("properties").and_then(|properties| properties.get(*key)) else { continue };
        let required = item.list("/required").iter().any(|name| name == key);
        let place = items_at.child("properties").key(key);
        if !required && property.get("default").is_none_or(Value::is_null) {
            let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required \
                          property";
            errors.required(&place.child("default"), detail);
        }
        if property["nullable"] == true {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.forbidden(&place.child("nullable"), detail);
        }
    }
}
