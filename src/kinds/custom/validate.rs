//! What the definition of a custom kind has against an object, in upstream's order: the schema, the
//! scale, embedded objects, lists without doubles, rules of the common expression language.

use serde_json::Value;

use super::scale::{Field, field, go};
use super::{Compiled, Custom, Scale};
use crate::schema::field::{Errors, Path, Reason};
use crate::schema::structural::{self, validate_embedded, validate_lists};

/// All rules of a new object.
pub(super) fn create(custom: &Custom, object: &Value, errors: &mut Errors) {
    let compiled = custom.compiled();
    structural::validate(object, None, compiled.schema(), &Path::root(), errors);
    if let Some(scale) = custom.scale() {
        scale_spec(scale, object, errors);
        scale_status(scale, object, errors);
    }
    validate_embedded(object, compiled.schema(), &Path::root(), errors);
    validate_lists(object, compiled.schema(), &Path::root(), errors);
    rules(&compiled, object, None, errors);
}

/// All rules of an object that takes the place of `old`; what has not changed is not looked at again.
pub(super) fn update(custom: &Custom, object: &Value, old: &Value, errors: &mut Errors) {
    let compiled = custom.compiled();
    structural::validate(object, Some(old), compiled.schema(), &Path::root(), errors);
    if let Some(scale) = custom.scale() {
        scale_spec(scale, object, errors);
        scale_status(scale, object, errors);
    }
    validate_embedded(object, compiled.schema(), &Path::root(), errors);
    lists_anew(&compiled, object, old, errors);
    rules(&compiled, object, Some(old), errors);
}

/// The rules of an update of the status.
pub(super) fn status(custom: &Custom, object: &Value, old: &Value, errors: &mut Errors) {
    let compiled = custom.compiled();
    if let (Some(status), Some(schema)) = (object.get("status"), compiled.schema().pointer("/properties/status")) {
        structural::validate(status, old.get("status"), schema, &Path::new("status"), errors);
    }
    if let Some(scale) = custom.scale() {
        scale_status(scale, object, errors);
    }
    lists_anew(&compiled, object, old, errors);
    rules(&compiled, object, Some(old), errors);
}

/// Doubles in lists count only where the old object had none.
fn lists_anew(compiled: &Compiled, object: &Value, old: &Value, errors: &mut Errors) {
    let mut found = Errors::new();
    validate_lists(object, compiled.schema(), &Path::root(), &mut found);
    if found.is_empty() {
        return;
    }
    let mut before = Errors::new();
    validate_lists(old, compiled.schema(), &Path::root(), &mut before);
    if before.is_empty() {
        errors.append(found);
    }
}

fn rules(compiled: &Compiled, object: &Value, old: Option<&Value>, errors: &mut Errors) {
    if compiled.rules().is_empty() {
        return;
    }
    let blocking = [Reason::Required, Reason::TooLong, Reason::TooMany, Reason::TypeInvalid];
    if errors.iter().any(|error| blocking.contains(&error.reason)) {
        let detail = "some validation rules were not checked because the object was invalid; correct the existing \
                      errors to complete validation";
        errors.invalid_text(&Path::root(), "null", detail);
        return;
    }
    compiled.rules().check(object, old, compiled.schema(), errors);
}

fn scale_spec(scale: &Scale, object: &Value, errors: &mut Errors) {
    number(&scale.spec, object, errors);
}

fn scale_status(scale: &Scale, object: &Value, errors: &mut Errors) {
    number(&scale.status, object, errors);
    if scale.selector.is_empty() {
        return;
    }
    let path = Path::new(&scale.selector);
    match field(object, &scale.selector) {
        Field::Blocked(words) => errors.invalid_text(&path, "", &words),
        Field::Found(value) if !value.is_string() => {
            errors.invalid_text(&path, "", &wrong(&scale.selector, value, "string"))
        }
        _ => {}
    }
}

fn number(at: &str, object: &Value, errors: &mut Errors) {
    let path = Path::new(at);
    match field(object, at) {
        Field::Absent => {}
        Field::Blocked(words) => errors.invalid(&path, &0.into(), &words),
        Field::Found(value) => match value.as_i64() {
            None => errors.invalid(&path, &0.into(), &wrong(at, value, "int64")),
            Some(count) if count < 0 => errors.invalid(&path, value, "should be a non-negative integer"),
            Some(count) if count > i64::from(i32::MAX) => {
                errors.invalid(&path, value, &format!("should be less than or equal to {}", i32::MAX));
            }
            Some(_) => {}
        },
    }
}

fn wrong(at: &str, value: &Value, wanted: &str) -> String {
    let (shown, found) = go(value);
    format!("{at} accessor error: {shown} is of the type {found}, expected {wanted}")
}
