//! Defaults of a schema must be valid by the schema themselves, and name nothing that it does not know.

use serde_json::{Value, json};

use crate::schema::field::{Errors, Path};
use crate::schema::structural;

/// Checks all defaults below a schema.
pub(super) fn check(schema: &Value, at: &Path, errors: &mut Errors) {
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        let place = at.child("default");
        // Pruning begins at an object, and the default may be anything.
        let mut held = json!({ "default": default });
        let holder = json!({"type": "object", "properties": {"default": schema}});
        if structural::prune(&mut held, &holder).is_empty() {
            structural::validate(default, None, schema, &place, errors);
            structural::validate_embedded(default, schema, &place, errors);
            structural::validate_lists(default, schema, &place, errors);
        } else {
            errors.invalid(&place, default, "must not have unknown fields");
        }
    }
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        check(property, &at.child("properties").key(name), errors);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(key).filter(|inner| inner.is_object()) {
            check(inner, &at.child(key), errors);
        }
    }
}
