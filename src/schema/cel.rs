//! Rules in the common expression language (`x-kubernetes-validations`).

use serde_json::Value;

use super::field::Errors;

/// The rules of a schema.
pub struct Rules;

impl Rules {
    /// The rules of a schema.
    #[must_use]
    pub fn of(_schema: &Value) -> Self {
        Self
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Checks an object.
    pub fn check(&self, _object: &Value, _old: Option<&Value>, _schema: &Value, _errors: &mut Errors) {}
}

/// Whether an expression compiles.
///
/// # Errors
/// Why it does not.
pub fn check(_expression: &str, _schema: &Value, _old: bool) -> Result<(), String> {
    Ok(())
}

/// Whether a path names a field of the schema.
///
/// # Errors
/// Why it does not.
pub fn field_path(_path: &str, _schema: &Value) -> Result<(), String> {
    Ok(())
}
