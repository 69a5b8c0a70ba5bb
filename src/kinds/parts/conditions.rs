//! The `conditions` list that newer kinds share (`metav1.Condition`), and references by kind and name.

use serde_json::Value;

use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::rules::{formatted, items, number, text};

const REASON_MAX: usize = 1024;
const MESSAGE_MAX: usize = 32 * 1024;
const REASON: &str = "a condition reason must start with alphabetic character, optionally followed by a string of \
                      alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. \
                      'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used \
                      for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";

/// The rules of a list of conditions.
pub fn conditions(list: &Value, path: &Path, errors: &mut Errors) {
    let list = items(list);
    for (index, one) in list.iter().enumerate() {
        let at = path.index(index);
        let kind = text(&one["type"]);
        if list.iter().take(index).any(|other| text(&other["type"]) == kind) {
            errors.duplicate(&at.child("type"), &one["type"]);
        }
        if kind.is_empty() {
            errors.required(&at.child("type"), "must be set");
        } else {
            formatted(kind, names::qualified_name, &at.child("type"), errors);
        }
        if !matches!(text(&one["status"]), "True" | "False" | "Unknown") {
            errors.not_supported(&at.child("status"), &text(&one["status"]).into(), &["False", "True", "Unknown"]);
        }
        if number(&one["observedGeneration"]) < 0 {
            let detail = "must be greater than or equal to zero";
            errors.invalid(&at.child("observedGeneration"), &one["observedGeneration"], detail);
        }
        if one["lastTransitionTime"].is_null() {
            errors.required(&at.child("lastTransitionTime"), "must be set");
        }
        match text(&one["reason"]) {
            "" => errors.required(&at.child("reason"), "must be set"),
            reason => {
                if !is_reason(reason) {
                    errors.invalid_text(&at.child("reason"), reason, REASON);
                }
                if reason.len() > REASON_MAX {
                    errors.too_long(&at.child("reason"), REASON_MAX);
                }
            }
        }
        if text(&one["message"]).len() > MESSAGE_MAX {
            errors.too_long(&at.child("message"), MESSAGE_MAX);
        }
    }
}

fn is_reason(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.ends_with(|last: char| last.is_ascii_alphanumeric() || last == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_,:".contains(&byte))
}

/// A reference by API group, kind and name to something whose kind is not known.
pub fn typed_reference(reference: &Value, path: &Path, errors: &mut Errors) {
    if let Some(group) = reference["apiGroup"].as_str() {
        formatted(group, names::dns1123_subdomain, &path.child("apiGroup"), errors);
    }
    for field in ["kind", "name"] {
        match text(&reference[field]) {
            "" => errors.required(&path.child(field), &format!("{field} is required")),
            given => formatted(given, names::path_segment, &path.child(field), errors),
        }
    }
}
