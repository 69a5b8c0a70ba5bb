//! Whether an object fits its type, said in the words of structured-merge-diff, which clients see
//! when they apply something that does not fit.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use super::{Entry, Fields, Form, Typing, element, form};
use crate::schema::merge::go::{go_syntax, go_text, go_type};
use crate::schema::table::{ListTopology, Scalar};

/// Checks `value`; items of a list with the same key are let through where `duplicates` is set.
///
/// # Errors
/// All that does not fit: one sentence, or `errors:` with a line for each.
pub fn validate(value: &Value, typing: Typing<'_>, duplicates: bool) -> Result<(), String> {
    let mut walk = Walk { path: String::new(), errors: Vec::new(), duplicates };
    walk.value(value, typing);
    match walk.errors.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => Err(format!("errors:\n  {}", many.join("\n  "))),
    }
}

struct Walk {
    path: String,
    errors: Vec<String>,
    duplicates: bool,
}

impl Walk {
    fn fail(&mut self, words: &str) {
        let colon = if self.path.is_empty() { "" } else { ": " };
        self.errors.push(format!("{}{colon}{words}", self.path));
    }

    fn value(&mut self, value: &Value, typing: Typing<'_>) {
        if value.is_null() {
            return;
        }
        match (form(typing, Some(value)), value) {
            (Form::Map { fields, .. }, Value::Object(map)) => {
                for (key, value) in map {
                    if !self.entry(fields, key, value) {
                        return;
                    }
                }
            }
            (Form::Map { .. }, other) => self.fail(&format!("expected map, got {}", shown(other))),
            (Form::List { item, topology }, Value::Array(list)) => self.list(item, topology, list),
            (Form::List { .. }, other) => self.fail(&format!("expected list, got {}", shown(other))),
            (Form::Scalar(scalar), value) => self.scalar(scalar, value),
        }
    }

    /// Whether to go on with the other entries.
    fn entry(&mut self, fields: Fields<'_>, key: &str, value: &Value) -> bool {
        let length = self.path.len();
        self.path.push('.');
        self.path.push_str(key);
        let known = match fields.entry(key) {
            Entry::Named(typing) | Entry::Free(typing) => {
                self.value(value, typing);
                true
            }
            Entry::Unknown => {
                self.fail("field not declared in schema");
                false
            }
        };
        self.path.truncate(length);
        known
    }

    fn list(&mut self, item: Typing<'_>, topology: ListTopology<'_>, list: &[Value]) {
        let mut seen = BTreeSet::new();
        for (index, value) in list.iter().enumerate() {
            let length = self.path.len();
            if let ListTopology::Atomic = topology {
                let _ = write!(self.path, "[{index}]");
            } else {
                match element(item, topology, value) {
                    Err(words) => return self.fail(&format!("element {index}: {words}")),
                    Ok(element) => {
                        let shown = element.to_string();
                        if !seen.insert(element) && !self.duplicates {
                            self.fail(&format!("duplicate entries for key {shown}"));
                        }
                        self.path.push_str(&shown);
                    }
                }
            }
            self.value(value, item);
            self.path.truncate(length);
        }
    }

    fn scalar(&mut self, scalar: Option<Scalar>, value: &Value) {
        let fits = match scalar {
            Some(Scalar::Int32 | Scalar::Int64 | Scalar::Float) => value.is_number(),
            Some(Scalar::Bool) => value.is_boolean(),
            Some(Scalar::String | Scalar::Bytes | Scalar::Duration) => value.is_string(),
            Some(Scalar::Quantity | Scalar::IntOrString | Scalar::Time | Scalar::MicroTime) | None => {
                !value.is_object() && !value.is_array()
            }
        };
        if fits {
            return;
        }
        match scalar {
            Some(Scalar::Int32 | Scalar::Int64 | Scalar::Float) => {
                self.fail(&format!("expected numeric (int or float), got {}", go_type(value)));
            }
            Some(Scalar::Bool) => self.fail(&format!("expected boolean, got {}", shown(value))),
            Some(Scalar::String | Scalar::Bytes | Scalar::Duration) => {
                self.fail(&format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(value)));
            }
            _ => self.fail(&format!("expected any scalar, got {}", shown(value))),
        }
    }
}

/// A value inside the wrapper that upstream prints.
fn shown(value: &Value) -> String {
    format!("&{{{}}}", go_text(value))
}
