//! What makes a schema structural: every field has a type where it is declared, and conditions add no
//! fields of their own.

use serde_json::Value;

use crate::schema::field::{Errors, FieldError, Path};
use crate::schema::object::Object;

/// Nesting of schemas beyond which nothing is looked at: the decoder refuses such documents before.
const MAX_DEPTH: usize = 128;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Checks a schema, in the order of the texts of the mistakes as upstream sorts them; whether there are any.
pub(super) fn check(schema: &Value, at: &Path, errors: &mut Errors) -> bool {
    let mut found = Errors::new();
    invariants(schema, Level::Root, at, &mut found, 0);
    complete(schema, schema, at, at, &mut found, 0);
    let any = !found.is_empty();
    let mut list: Vec<FieldError> = found.iter().cloned().collect();
    list.sort_by_key(ToString::to_string);
    list.into_iter().for_each(|error| errors.push(error.reason, &error.field, error.message));
    any
}

fn flag(schema: &Value, key: &str) -> bool {
    schema.get(key) == Some(&Value::Bool(true))
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

fn invariants(schema: &Value, level: Level, at: &Path, errors: &mut Errors, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    let kind = schema.text("/type");
    if kind == "array" && schema.get("items").is_none() {
        errors.required(&at.child("items"), "must be specified");
    }
    if let Some(items) = schema.get("items") {
        invariants(items, Level::Item, &at.child("items"), errors, depth + 1);
    }
    for (name, property) in properties(schema) {
        invariants(property, Level::Field, &at.child("properties").key(name), errors, depth + 1);
    }
    if let Some(additional) = schema.get("additionalProperties").filter(|value| !value.is_null()) {
        if level == Level::Root {
            errors.forbidden(&at.child("additionalProperties"), "must not be used at the root");
        }
        if additional.is_object() {
            invariants(additional, Level::Field, &at.child("additionalProperties"), errors, depth + 1);
        }
    }
    let either = flag(schema, "x-kubernetes-int-or-string");
    let embedded = flag(schema, "x-kubernetes-embedded-resource");
    let preserves = flag(schema, "x-kubernetes-preserve-unknown-fields");
    for (key, set) in
        [("x-kubernetes-preserve-unknown-fields", preserves), ("x-kubernetes-embedded-resource", embedded)]
    {
        if either && set {
            errors.invalid(&at.child(key), &true.into(), "must be false if x-kubernetes-int-or-string is true");
        }
    }
    conditions(schema, either && is_either(schema.get("anyOf")), first_is_either(schema), at, errors, depth);
    if embedded && kind != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        if kind.is_empty() {
            errors.required(&at.child("type"), detail);
        } else {
            errors.invalid_text(&at.child("type"), kind, detail);
        }
    } else if kind.is_empty() && !either && !preserves {
        let detail = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.required(&at.child("type"), detail);
    } else if either && !kind.is_empty() {
        errors.invalid_text(&at.child("type"), kind, "must be empty if x-kubernetes-int-or-string is true");
    }
    if embedded && schema.get("additionalProperties").is_some() {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        errors.forbidden(&at.child("additionalProperties"), detail);
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        errors.invalid_text(&at.child("type"), kind, "must be object at the root");
    }
    meta(schema, level == Level::Root || embedded, level, at, errors);
    if embedded && !preserves && properties(schema).next().is_none() {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without \
                      x-kubernetes-preserve-unknown-fields";
        errors.required(&at.child("properties"), detail);
    }
}

/// What a schema may say of the fields that every object has.
fn meta(schema: &Value, checked: bool, level: Level, at: &Path, errors: &mut Errors) {
    for name in ["kind", "apiVersion"] {
        if let Some(property) = schema.get("properties").and_then(|properties| properties.get(name))
            && checked
            && property.text("/type") != "string"
        {
            let place = at.child("properties").key(name).child("type");
            errors.invalid_text(&place, property.text("/type"), "must be string");
        }
    }
    let Some(metadata) = schema.get("properties").and_then(|properties| properties.get("metadata")) else { return };
    let place = at.child("properties").key("metadata");
    if checked && metadata.text("/type") != "object" {
        errors.invalid_text(&place.child("type"), metadata.text("/type"), "must be object");
    }
    let allowed = |key: &str, value: &Value| match key {
        "type" | "default" | "description" => true,
        "properties" => {
            value.as_object().is_none_or(|map| map.keys().all(|name| name == "name" || name == "generateName"))
        }
        _ => crate::schema::rules::is_empty(value),
    };
    let fits = metadata.as_object().is_none_or(|map| map.iter().all(|(key, value)| allowed(key, value)));
    if level == Level::Root && !fits {
        let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.forbidden(&place, detail);
    }
}

/// `anyOf` a whole number or a text: the one condition that may name types.
fn is_either(any: Option<&Value>) -> bool {
    let list = any.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let only = |schema: &Value, kind: &str| {
        schema.as_object().is_some_and(|map| map.len() == 1) && schema.text("/type") == kind
    };
    matches!(list, [a, b] if only(a, "integer") && only(b, "string"))
}

fn first_is_either(schema: &Value) -> bool {
    flag(schema, "x-kubernetes-int-or-string")
        && schema.list("/allOf").first().is_some_and(|first| is_either(first.get("anyOf")))
}

/// The conditions of a schema. `skip_any` leaves out `anyOf`, `skip_first` that of the first `allOf`.
fn conditions(schema: &Value, skip_any: bool, skip_first: bool, at: &Path, errors: &mut Errors, depth: usize) {
    if !skip_any {
        for (index, one) in schema.list("/anyOf").iter().enumerate() {
            nested(one, false, &at.child("anyOf").index(index), errors, depth + 1);
        }
    }
    for (index, one) in schema.list("/allOf").iter().enumerate() {
        nested(one, skip_first && index == 0, &at.child("allOf").index(index), errors, depth + 1);
    }
    for (index, one) in schema.list("/oneOf").iter().enumerate() {
        nested(one, false, &at.child("oneOf").index(index), errors, depth + 1);
    }
    if let Some(inner) = schema.get("not") {
        nested(inner, false, &at.child("not"), errors, depth + 1);
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && let Err(fault) = crate::schema::structural::pattern(pattern)
    {
        let detail = format!("must be a valid regular expression, but isn't: {fault}");
        errors.invalid_text(&at.child("pattern"), pattern, &detail);
    }
}

/// A schema inside a condition may only say what is valid.
fn nested(schema: &Value, skip_any: bool, at: &Path, errors: &mut Errors, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    conditions(schema, skip_any, false, at, errors, depth);
    if let Some(items) = schema.get("items") {
        nested(items, false, &at.child("items"), errors, depth + 1);
    }
    for (name, property) in properties(schema) {
        nested(property, false, &at.child("properties").key(name), errors, depth + 1);
    }
    for (key, detail) in [
        ("type", "must be empty to be structural"),
        ("additionalProperties", "must be undefined to be structural"),
        ("default", "must be undefined to be structural"),
        ("title", "must be empty to be structural"),
        ("description", "must be empty to be structural"),
        ("nullable", "must be false to be structural"),
        ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
        ("x-kubernetes-embedded-resource", "must be false to be structural"),
        ("x-kubernetes-int-or-string", "must be false to be structural"),
        ("x-kubernetes-list-map-keys", "must be empty to be structural"),
        ("x-kubernetes-list-type", "must be undefined to be structural"),
        ("x-kubernetes-map-type", "must be undefined to be structural"),
        ("x-kubernetes-validations", "must be empty to be structural"),
    ] {
        if schema.get(key).is_some_and(|value| !crate::schema::rules::is_empty(value)) {
            errors.forbidden(&at.child(key), detail);
        }
    }
    if schema.get("properties").and_then(|properties| properties.get("metadata")).is_some() {
        errors.forbidden(&at.child("properties").key("metadata"), "must not be specified in a nested context");
    }
}

/// Every field that a condition names must be declared outside of it.
fn complete(schema: &Value, conditions: &Value, at: &Path, found: &Path, errors: &mut Errors, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        for (index, one) in conditions.list(&format!("/{key}")).iter().enumerate() {
            declared(schema, one, at, &found.child(key).index(index), errors, depth + 1);
        }
    }
    if let Some(inner) = conditions.get("not") {
        declared(schema, inner, at, &found.child("not"), errors, depth + 1);
    }
    if std::ptr::eq(schema, conditions) {
        for (name, property) in properties(schema) {
            let place = at.child("properties").key(name);
            complete(property, property, &place, &place, errors, depth + 1);
        }
        for key in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get(key).filter(|inner| inner.is_object()) {
                let place = at.child(key);
                complete(inner, inner, &place, &place, errors, depth + 1);
            }
        }
    }
}

fn declared(schema: &Value, inner: &Value, at: &Path, found: &Path, errors: &mut Errors, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    let because = |place: &Path| format!("because it is defined in {place}");
    complete(schema, inner, at, found, errors, depth);
    if let Some(items) = inner.get("items") {
        let (place, source) = (at.child("items"), found.child("items"));
        match schema.get("items") {
            Some(outer) => declared(outer, items, &place, &source, errors, depth + 1),
            None => errors.required(&place, &because(&source)),
        }
    }
    for (name, property) in properties(inner) {
        let (place, source) = (at.child("properties").key(name), found.child("properties").key(name));
        match schema.get("properties").and_then(|properties| properties.get(name)) {
            Some(outer) => declared(outer, property, &place, &source, errors, depth + 1),
            None => errors.required(&place, &because(&source)),
        }
    }
}
