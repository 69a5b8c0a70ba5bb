//! The `LabelSelector` object (`matchLabels`, `matchExpressions`): reading it, checking it and
//! showing it in a column.
//!
//! The checks are those of apimachinery's `ValidateLabelSelector`; it knows no kind.

use serde_json::{Map, Value};

use super::{Operator, Selector, SelectorError, parse};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::object::Object;

/// Reads the object; `null` is the selector of nothing.
pub(super) fn read(selector: &Value) -> Result<Selector, SelectorError> {
    if selector.is_null() {
        return Ok(Selector::nothing());
    }
    let mut found = Vec::new();
    for (key, value) in selector.map("/matchLabels").into_iter().flatten() {
        let values = vec![value.as_str().unwrap_or_default().to_owned()];
        found.push(parse::requirement(key, Operator::Equals, values, &Path::root())?);
    }
    for expression in selector.list("/matchExpressions") {
        let operator = match expression.text("/operator") {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => return Err(SelectorError(format!("{other:?} is not a valid label selector operator"))),
        };
        let texts = expression.list("/values").iter().filter_map(Value::as_str);
        let values = texts.map(str::to_owned).collect();
        found.push(parse::requirement(expression.text("/key"), operator, values, &Path::root())?);
    }
    Ok(Selector::sorted(found))
}

/// Checks a `LabelSelector` at `path`; nothing is wrong with an absent one.
pub fn validate(selector: &Value, path: &Path, errors: &mut Errors) {
    if let Some(labels) = selector.map("/matchLabels") {
        validate_labels(labels, &path.child("matchLabels"), errors);
    }
    let place = path.child("matchExpressions");
    for (index, expression) in selector.list("/matchExpressions").iter().enumerate() {
        validate_expression(expression, &place.index(index), errors);
    }
}

fn validate_expression(expression: &Value, path: &Path, errors: &mut Errors) {
    let values = expression.list("/values");
    let place = path.child("values");
    match expression.text("/operator") {
        "In" | "NotIn" => {
            if values.is_empty() {
                errors.required(&place, "must be specified when `operator` is 'In' or 'NotIn'");
            }
        }
        "Exists" | "DoesNotExist" => {
            if !values.is_empty() {
                errors.forbidden(&place, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
        }
        other => errors.invalid_text(&path.child("operator"), other, "not a valid selector operator"),
    }
    let key = expression.text("/key");
    for fault in names::qualified_name(key) {
        errors.invalid_text(&path.child("key"), key, &fault);
    }
    for (index, value) in values.iter().enumerate() {
        let text = value.as_str().unwrap_or_default();
        for fault in names::label_value(text) {
            errors.invalid_text(&place.index(index), text, &fault);
        }
    }
}

/// Checks a map of labels at `path`: each key, then its value. All errors are at the map's own
/// path, as upstream has them.
pub fn validate_labels(labels: &Map<String, Value>, path: &Path, errors: &mut Errors) {
    for (key, value) in labels {
        for fault in names::qualified_name(key) {
            errors.invalid_text(path, key, &fault);
        }
        let text = value.as_str().unwrap_or_default();
        for fault in names::label_value(text) {
            errors.invalid_text(path, text, &fault);
        }
    }
}

/// A `LabelSelector` as columns show it: `<none>` for one that is absent or empty.
#[must_use]
pub fn format_object(selector: &Value) -> String {
    let text = match read(selector) {
        Ok(selector) => selector.to_string(),
        Err(_) => return "<error>".to_owned(),
    };
    if text.is_empty() { "<none>".to_owned() } else { text }
}

/// A map of labels as columns show it: `a=b,c=d`, or `<none>`.
#[must_use]
pub fn format_labels(labels: Option<&Map<String, Value>>) -> String {
    let pair = |(key, value): (&String, &Value)| format!("{key}={}", value.as_str().unwrap_or_default());
    let pairs: Vec<String> = labels.into_iter().flatten().map(pair).collect();
    if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") }
}
