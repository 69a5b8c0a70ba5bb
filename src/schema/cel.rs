//! Rules in the common expression language (`x-kubernetes-validations`): reading, checking and applying
//! them to an object, within a budget.
//!
//! Expressions are read by the `cel` crate; they are evaluated here, over the object where it lies, so that
//! each step can be counted and values have the types of their schema. Source: KEP-2876 and the
//! documentation of validation rules.

mod ast;
mod check;
mod eval;
mod functions;
mod net;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

use serde_json::Value;

pub use check::{Want, check};

use super::field::{Errors, Path, Reason};
use super::object::Object;
use super::structural::counterpart;
use ast::Node;
use eval::Scope;
use value::{Fault, Val};

/// What all rules of one object may cost together.
const BUDGET: u64 = 10_000_000;
/// Longest message that an expression makes, in bytes.
const MESSAGE_MAX: usize = 5 * 1024;

/// The rules of a schema, with those of its parts.
#[derive(Default)]
pub struct Rules {
    own: Vec<Rule>,
    properties: Vec<(String, Rules)>,
    items: Option<Box<Rules>>,
    additional: Option<Box<Rules>>,
}

struct Rule {
    program: Result<Node, String>,
    text: String,
    message: String,
    expression: Option<Node>,
    reason: Reason,
    /// Below the value that the rule is about.
    place: String,
    uses_old: bool,
    optional_old: bool,
}

/// Where the walk over an object is.
struct Walk<'e> {
    left: u64,
    /// This part of the object, or what it is in, is as it was before.
    unchanged: bool,
    errors: &'e mut Errors,
}

/// Nothing more is to be looked at: the budget is used up.
struct Spent;

impl Rules {
    /// Reads the rules of a schema.
    #[must_use]
    pub fn of(schema: &Value) -> Self {
        let inner = |key: &str| {
            let found = schema.get(key).filter(|inner| inner.is_object()).map(Self::of);
            found.filter(|rules| !rules.is_empty()).map(Box::new)
        };
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        Self {
            own: schema.list("/x-kubernetes-validations").iter().map(Rule::of).collect(),
            properties: properties
                .map(|(name, property)| (name.clone(), Self::of(property)))
                .filter(|(_, rules)| !rules.is_empty())
                .collect(),
            items: inner("items"),
            additional: inner("additionalProperties"),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.properties.is_empty() && self.items.is_none() && self.additional.is_none()
    }

    /// Applies the rules to an object that takes the place of `old`.
    pub fn check(&self, object: &Value, old: Option<&Value>, schema: &Value, errors: &mut Errors) {
        let mut walk = Walk { left: BUDGET, unchanged: false, errors };
        // A budget that is used up has been told.
        let _ = self.walk(object, old, schema, &Path::root(), &mut walk);
    }

    fn walk(
        &self,
        value: &Value,
        old: Option<&Value>,
        schema: &Value,
        path: &Path,
        walk: &mut Walk<'_>,
    ) -> Result<(), Spent> {
        if value.is_null() {
            return Ok(());
        }
        let above = walk.unchanged;
        walk.unchanged = above || old == Some(value);
        let done = self.below(value, old, schema, path, walk);
        walk.unchanged = above;
        done
    }

    /// The rules of a value that is there, and those of its parts.
    fn below(
        &self,
        value: &Value,
        old: Option<&Value>,
        schema: &Value,
        path: &Path,
        walk: &mut Walk<'_>,
    ) -> Result<(), Spent> {
        for rule in &self.own {
            rule.apply(value, old, schema, path, walk)?;
        }
        match value {
            Value::Array(items) => {
                if let (Some(rules), Some(inner)) = (&self.items, schema.get("items")) {
                    for (index, item) in items.iter().enumerate() {
                        rules.walk(item, counterpart(item, old, schema), inner, &path.index(index), walk)?;
                    }
                }
            }
            Value::Object(map) => {
                if let (Some(rules), Some(inner)) = (&self.additional, schema.get("additionalProperties")) {
                    for (key, item) in map {
                        rules.walk(item, old.and_then(|old| old.get(key)), inner, &path.key(key), walk)?;
                    }
                }
                for (name, rules) in &self.properties {
                    let property = schema.get("properties").and_then(|properties| properties.get(name));
                    if let (Some(item), Some(inner)) = (map.get(name), property) {
                        rules.walk(item, old.and_then(|old| old.get(name)), inner, &path.child(name), walk)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Rule {
    fn of(rule: &Value) -> Self {
        let text = rule.text("/rule").to_owned();
        let program = ast::parse(&text);
        let uses_old = program.as_ref().is_ok_and(check::uses_old);
        let expression = rule.text("/messageExpression");
        Self {
            program,
            text,
            message: rule.text("/message").trim().to_owned(),
            expression: if expression.is_empty() { None } else { ast::parse(expression).ok() },
            reason: match rule.text("/reason") {
                "FieldValueForbidden" => Reason::Forbidden,
                "FieldValueRequired" => Reason::Required,
                "FieldValueDuplicate" => Reason::Duplicate,
                _ => Reason::Invalid,
            },
            place: place(rule.text("/fieldPath")),
            uses_old,
            optional_old: rule["optionalOldSelf"] == true,
        }
    }

    /// The message, or the rule where there is none.
    fn shown(&self) -> &str {
        if self.message.is_empty() { self.text.trim() } else { &self.message }
    }

    fn apply(
        &self,
        value: &Value,
        old: Option<&Value>,
        schema: &Value,
        path: &Path,
        walk: &mut Walk<'_>,
    ) -> Result<(), Spent> {
        let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
        let program = match &self.program {
            Ok(program) => program,
            Err(fault) => {
                walk.errors.invalid_text(path, kind, &format!("rule compile error: {fault}"));
                return Ok(());
            }
        };
        if self.uses_old && old.is_none() && !self.optional_old {
            return Ok(());
        }
        // What has not changed is not held against an update, unless the rule is about the change.
        if !self.uses_old && walk.unchanged {
            return Ok(());
        }
        let names = || {
            let before = old.map(|old| Val::of(old, schema));
            let before = if self.optional_old { Some(Val::Maybe(before.map(Arc::new))) } else { before };
            let mut names = vec![("self", Val::of(value, schema))];
            names.extend(before.map(|before| ("oldSelf", before)));
            names
        };
        let mut scope = Scope::new(names(), walk.left);
        let outcome = scope.eval(program);
        walk.left = walk.left.saturating_sub(scope.spent());
        match outcome {
            Ok(Val::Bool(true)) => Ok(()),
            Err(Fault(fault)) => self.failed(&fault, kind, path, walk),
            Ok(_) => {
                let message = self.expression.as_ref().and_then(|expression| {
                    let mut scope = Scope::new(names(), walk.left);
                    let text = scope.eval(expression);
                    walk.left = walk.left.saturating_sub(scope.spent());
                    match text {
                        Ok(Val::Text(text)) => Some(text.trim().to_owned()),
                        _ => None,
                    }
                });
                let fits = |text: &String| !text.is_empty() && !text.contains('\n') && text.len() <= MESSAGE_MAX;
                let detail = message.filter(fits).unwrap_or_else(|| {
                    if self.message.is_empty() {
                        format!("failed rule: {}", self.text.trim())
                    } else {
                        self.message.clone()
                    }
                });
                self.refuse(value, &detail, path, walk.errors);
                Ok(())
            }
        }
    }

    fn failed(&self, fault: &str, kind: &str, path: &Path, walk: &mut Walk<'_>) -> Result<(), Spent> {
        if fault == eval::EXCEEDED {
            if walk.left == 0 {
                let detail =
                    "validation failed due to running out of cost budget, no further validation rules will be run";
                walk.errors.invalid_text(path, kind, detail);
            } else {
                let detail = format!(
                    "'{fault}': no further validation rules will be run due to call cost exceeds limit for rule: {}",
                    self.shown()
                );
                walk.errors.invalid_text(path, kind, &detail);
            }
            return Err(Spent);
        }
        let detail = if fault.starts_with("no such overload") {
            format!(
                "'{fault}': call arguments did not match a supported operator, function or macro signature for rule: {}",
                self.shown()
            )
        } else {
            format!("{fault} evaluating rule: {}", self.shown())
        };
        walk.errors.invalid_text(path, kind, &detail);
        Ok(())
    }

    /// The mistake, with the value where it is no object and no list.
    fn refuse(&self, value: &Value, detail: &str, path: &Path, errors: &mut Errors) {
        let path = if self.place.is_empty() { path.clone() } else { path.child(&self.place) };
        let whole = value.is_object() || value.is_array();
        match self.reason {
            Reason::Forbidden => errors.forbidden(&path, detail),
            Reason::Required => errors.required(&path, detail),
            Reason::Duplicate if whole => errors.push(Reason::Duplicate, &path, "Duplicate value"),
            Reason::Duplicate => errors.duplicate(&path, value),
            _ if whole => errors.push(Reason::Invalid, &path, format!("Invalid value: {detail}")),
            _ => errors.invalid(&path, value, detail),
        }
    }
}

/// A `fieldPath` as it stands behind the path of the value: `.a.b` as `a.b`, `['a b']` as `[a b]`.
fn place(path: &str) -> String {
    path.trim().trim_start_matches('.').replace("['", "[").replace("']", "]")
}

/// Whether a `fieldPath` names a field of the schema.
///
/// # Errors
/// Why it does not.
pub fn field_path(path: &str, schema: &Value) -> Result<(), String> {
    let mut at = schema;
    let mut rest = path.trim();
    while !rest.is_empty() {
        let (name, after) = if let Some(inside) = rest.strip_prefix("['") {
            inside.split_once("']").ok_or_else(|| "unterminated map key".to_owned())?
        } else if let Some(inside) = rest.strip_prefix('.') {
            inside.split_at(inside.find(['.', '[']).unwrap_or(inside.len()))
        } else {
            return Err("expected [ or . but got: ".to_owned() + rest.get(..1).unwrap_or_default());
        };
        let property = at.get("properties").and_then(|properties| properties.get(name));
        let additional = at.get("additionalProperties").filter(|inner| inner.is_object());
        at = property.or(additional).ok_or_else(|| format!("does not refer to a valid field: {name:?}"))?;
        rest = after;
    }
    Ok(())
}
