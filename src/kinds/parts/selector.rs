//! The `LabelSelector` object: its rules and its notation in messages and tables.

use serde_json::Value;

use crate::schema::field::{Errors, Path, quote};
use crate::schema::meta;
use crate::schema::names;
use crate::schema::rules::{entries, formatted, items, text};
use crate::schema::selector::Selector;

/// The rules of a label selector; an absent one is right.
pub fn validate(selector: &Value, path: &Path, errors: &mut Errors) {
    meta::labels(&selector["matchLabels"], &path.child("matchLabels"), errors);
    for (index, requirement) in items(&selector["matchExpressions"]).iter().enumerate() {
        let at = path.child("matchExpressions").index(index);
        let values = items(&requirement["values"]);
        match text(&requirement["operator"]) {
            "In" | "NotIn" => {
                if values.is_empty() {
                    errors.required(&at.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
                }
            }
            "Exists" | "DoesNotExist" => {
                if !values.is_empty() {
                    errors.forbidden(
                        &at.child("values"),
                        "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                    );
                }
            }
            other => errors.invalid_text(&at.child("operator"), other, "not a valid selector operator"),
        }
        formatted(text(&requirement["key"]), names::qualified_name, &at.child("key"), errors);
        for (index, value) in values.iter().enumerate() {
            formatted(text(value), names::label_value, &at.child("values").index(index), errors);
        }
    }
}

/// Whether a selector selects everything because nothing is asked for.
#[must_use]
pub fn is_empty(selector: &Value) -> bool {
    entries(&selector["matchLabels"]).next().is_none() && items(&selector["matchExpressions"]).is_empty()
}

/// A selector in the notation of messages: JSON in the order of its Go struct.
#[must_use]
pub fn show(selector: &Value) -> String {
    let Some(map) = selector.as_object() else { return "null".to_owned() };
    let mut parts = Vec::new();
    if let Some(labels) = map.get("matchLabels").filter(|labels| labels.as_object().is_some_and(|map| !map.is_empty()))
    {
        parts.push(format!("\"matchLabels\":{labels}"));
    }
    let expressions: Vec<String> = items(&selector["matchExpressions"])
        .iter()
        .map(|one| {
            let values = &one["values"];
            let values = if items(values).is_empty() { String::new() } else { format!(",\"values\":{values}") };
            format!("{{\"key\":{},\"operator\":{}{values}}}", quote(text(&one["key"])), quote(text(&one["operator"])))
        })
        .collect();
    if !expressions.is_empty() {
        parts.push(format!("\"matchExpressions\":[{}]", expressions.join(",")));
    }
    format!("{{{}}}", parts.join(","))
}

/// A selector as a cell of a table.
#[must_use]
pub fn cell(selector: &Value) -> String {
    if selector.is_null() {
        return "<none>".to_owned();
    }
    match Selector::from_object(selector) {
        Ok(selector) if selector.is_everything() => "<none>".to_owned(),
        Ok(selector) => selector.to_string(),
        Err(_) => "<error>".to_owned(),
    }
}

/// A map of labels as a cell of a table: `a=b,c=d`.
#[must_use]
pub fn labels_cell(labels: &Value) -> String {
    let parts: Vec<String> = entries(labels).map(|(key, value)| format!("{key}={}", text(value))).collect();
    if parts.is_empty() { "<none>".to_owned() } else { parts.join(",") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_is_shown_with_its_labels_first() {
        let selector = json!({"matchExpressions": [{"key": "a", "operator": "Exists"}], "matchLabels": {"b": "c"}});
        assert_eq!(
            show(&selector),
            r#"{"matchLabels":{"b":"c"},"matchExpressions":[{"key":"a","operator":"Exists"}]}"#
        );
    }

    #[test]
    fn an_operator_that_needs_values_says_so() {
        let mut errors = Errors::new();
        validate(&json!({"matchExpressions": [{"key": "a", "operator": "In"}]}), &Path::new("s"), &mut errors);
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            ["s.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"]
        );
    }
}
