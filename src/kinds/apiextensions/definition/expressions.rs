//! Rules in the common expression language as they stand in a schema: complete, and such that they
//! compile.

use serde_json::Value;

use crate::schema::cel::{self, Want};
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;

const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// Checks all rules below the schema of a resource.
pub(super) fn check(schema: &Value, at: &Path, errors: &mut Errors) {
    walk(schema, true, None, at, errors);
}

/// `uncorrelated` is the list above, if any, whose items cannot be told to be those of before.
fn walk(schema: &Value, root: bool, uncorrelated: Option<&Path>, at: &Path, errors: &mut Errors) {
    for (index, rule) in schema.list("/x-kubernetes-validations").iter().enumerate() {
        let place = at.child("x-kubernetes-validations").index(index);
        let before = errors.len();
        texts(rule, &place, errors);
        if errors.len() == before {
            compiles(rule, (schema, root), uncorrelated, &place, errors);
        }
    }
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        walk(property, false, uncorrelated, &at.child("properties").key(name), errors);
    }
    let list = schema["x-kubernetes-list-type"] == "map";
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(key).filter(|inner| inner.is_object()) {
            let lost = uncorrelated.or((key == "items" && !list).then_some(at));
            walk(inner, false, lost, &at.child(key), errors);
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

fn compiles(rule: &Value, (schema, root): (&Value, bool), uncorrelated: Option<&Path>, at: &Path, errors: &mut Errors) {
    let optional = rule["optionalOldSelf"] == true;
    match cel::check(rule.text("/rule"), schema, root, Want::Bool, optional) {
        Err(fault) => {
            let detail = if fault.starts_with("ERROR") { format!("compilation failed: {fault}") } else { fault };
            errors.invalid_raw(&at.child("rule"), &shown(rule), &detail);
        }
        Ok(true) => {
            if let Some(list) = uncorrelated.filter(|_| !optional) {
                let detail =
                    format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {list}");
                errors.invalid_text(&at.child("rule"), rule.text("/rule"), &detail);
            }
        }
        Ok(false) if rule.get("optionalOldSelf").is_some_and(|flag| !flag.is_null()) => {
            let place = at.child("optionalOldSelf");
            errors.invalid(&place, &rule["optionalOldSelf"], "may not be set if oldSelf is not used in rule");
        }
        Ok(false) => {}
    }
    let expression = rule.text("/messageExpression");
    if !expression.is_empty()
        && let Err(fault) = cel::check(expression, schema, root, Want::Text, optional)
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
