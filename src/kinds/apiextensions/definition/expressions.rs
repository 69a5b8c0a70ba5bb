//! Rules in the common expression language as they stand in a schema: complete, and such that they
//! compile.

use serde_json::Value;

use crate::schema::cel;
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;

const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// Checks all rules below a schema.
pub(super) fn check(schema: &Value, at: &Path, errors: &mut Errors) {
    for (index, rule) in schema.list("/x-kubernetes-validations").iter().enumerate() {
        let place = at.child("x-kubernetes-validations").index(index);
        let before = errors.len();
        texts(rule, &place, errors);
        if errors.len() == before {
            compiles(rule, schema, &place, errors);
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

fn texts(rule: &Value, at: &Path, errors: &mut Errors) {
    let broken = |text: &str| text.trim().contains(['\n', '\r']);
    let (text, message) = (rule.text("/rule"), rule.text("/message"));
    if text.trim().is_empty() {
        errors.required(&at.child("rule"), "rule is not specified");
    } else if !message.is_empty() && message.trim().is_empty() {
        errors.invalid_text(&at.child("message"), message, "message must be non-empty if specified");
    } else if broken(message) {
        errors.invalid_text(&at.child("message"), message, "message must not contain line breaks");
    } else if broken(text) && message.trim().is_empty() {
        errors.required(&at.child("message"), "message must be specified if rule contains line breaks");
    }
    let expression = rule.text("/messageExpression");
    if !expression.is_empty() && expression.trim().is_empty() {
        errors.required(&at.child("messageExpression"), "messageExpression must be non-empty if specified");
    }
    if let Some(reason) = rule["reason"].as_str()
        && !REASONS.contains(&reason)
    {
        errors.not_supported(&at.child("reason"), &reason.into(), &REASONS);
    }
    let path = rule.text("/fieldPath");
    if !path.is_empty() && path.trim().is_empty() {
        errors.invalid_text(&at.child("fieldPath"), path, "fieldPath must be non-empty if specified");
    } else if broken(path) {
        errors.invalid_text(&at.child("fieldPath"), path, "fieldPath must not contain line breaks");
    }
}

fn compiles(rule: &Value, schema: &Value, at: &Path, errors: &mut Errors) {
    if let Err(fault) = cel::check(rule.text("/rule"), schema, true) {
        let detail = format!("compilation failed: {fault}");
        errors.invalid_raw(&at.child("rule"), &shown(rule), &detail);
    }
    let expression = rule.text("/messageExpression");
    if !expression.is_empty()
        && let Err(fault) = cel::check(expression, schema, true)
    {
        let detail = format!("messageExpression compilation failed: {fault}");
        errors.invalid_raw(&at.child("messageExpression"), &shown(rule), &detail);
    }
    let path = rule.text("/fieldPath");
    if !path.is_empty()
        && let Err(fault) = cel::field_path(path, schema)
    {
        errors.invalid_text(&at.child("fieldPath"), path, &format!("fieldPath must be a valid path: {fault}"));
    }
}

/// A rule as the message shows it: its fields as Go names them.
fn shown(rule: &Value) -> String {
    let text = |key: &str| Value::from(rule.text(&format!("/{key}")));
    let reason = rule.get("reason").cloned().unwrap_or(Value::Null);
    let optional = rule.get("optionalOldSelf").cloned().unwrap_or(Value::Null);
    format!(
        "{{\"Rule\":{},\"Message\":{},\"MessageExpression\":{},\"Reason\":{reason},\"FieldPath\":{},\
         \"OptionalOldSelf\":{optional}}}",
        text("rule"),
        text("message"),
        text("messageExpression"),
        text("fieldPath"),
    )
}
