//! Field paths and the errors that validation collects, in the words of a Kubernetes API server.
//!
//! Source of the wording: the API conventions ("Types of errors") and the answers of a
//! kube-apiserver 1.37. The order in which errors are pushed is the order in which they are shown.

use std::fmt;

use serde_json::Value;

/// A path to a field, as shown in error messages: `spec.containers[0].ports[1].name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(String);

impl Path {
    /// The path of the object itself, shown as nothing.
    #[must_use]
    pub fn root() -> Self {
        Self(String::new())
    }

    /// A path that begins with the field `name`; dots in it are taken as they are.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The path of the field `name` below this one.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        if self.0.is_empty() {
            return Self(name.to_owned());
        }
        Self(format!("{}.{name}", self.0))
    }

    /// The path of the element `index` of this list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// The path of the entry `key` of this map.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        Self(format!("{}[{key}]", self.0))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The kind of a field error; its text is the `reason` of a `StatusCause`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A value that must be given is missing.
    Required,
    /// A value that may not be what it is.
    Invalid,
    /// A value of the wrong type.
    TypeInvalid,
    /// A value outside a fixed set.
    NotSupported,
    /// A value that must be unique is there twice.
    Duplicate,
    /// A value that may not be given here.
    Forbidden,
    /// A reference to something that is not there.
    NotFound,
    /// Text that is too long.
    TooLong,
    /// A list that is too long.
    TooMany,
    /// A failure that is not the client's.
    Internal,
}

impl Reason {
    /// The reason as it stands in a `StatusCause`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden => "FieldValueForbidden",
            Self::NotFound => "FieldValueNotFound",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::Internal => "InternalError",
        }
    }
}

/// One mistake: where it is and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// What sort of mistake it is.
    pub reason: Reason,
    /// Where it is.
    pub field: Path,
    /// The message without the path, such as `Required value: name is required`.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.as_str().is_empty() {
            return write!(f, "<nil>: {}", self.message);
        }
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// The mistakes found in one object, in the order in which they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors(Vec<FieldError>);

impl Errors {
    /// No mistakes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many mistakes were found.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The mistakes in order.
    pub fn iter(&self) -> impl Iterator<Item = &FieldError> {
        self.0.iter()
    }

    /// Takes over the mistakes of `other`, behind the ones that are here.
    pub fn append(&mut self, other: Errors) {
        self.0.extend(other.0);
    }

    /// Adds a mistake whose message is complete but for the path. One that is there already is not
    /// added again (as long as there are few, so that hostile objects cost no more than they should).
    pub fn push(&mut self, reason: Reason, field: &Path, message: impl Into<String>) {
        let error = FieldError { reason, field: field.clone(), message: message.into() };
        if self.0.len() > 200 || !self.0.contains(&error) {
            self.0.push(error);
        }
    }

    /// `Required value`, with `detail` behind it where there is one.
    pub fn required(&mut self, field: &Path, detail: &str) {
        self.push(Reason::Required, field, with_detail("Required value".to_owned(), detail));
    }

    /// `Invalid value: <value>: detail`; the value is shown as compact JSON.
    pub fn invalid(&mut self, field: &Path, value: &Value, detail: &str) {
        self.push(Reason::Invalid, field, with_detail(format!("Invalid value: {}", show(value)), detail));
    }

    /// `Invalid value: …` for a value that is text.
    pub fn invalid_text(&mut self, field: &Path, value: &str, detail: &str) {
        self.push(Reason::Invalid, field, with_detail(format!("Invalid value: {}", quote(value)), detail));
    }

    /// `Invalid value: …` with the value already in the notation that is to be shown.
    pub fn invalid_raw(&mut self, field: &Path, shown: &str, detail: &str) {
        self.push(Reason::Invalid, field, with_detail(format!("Invalid value: {shown}"), detail));
    }

    /// `Unsupported value: <value>: supported values: …`, in the order given.
    pub fn not_supported(&mut self, field: &Path, value: &Value, supported: &[&str]) {
        let quoted: Vec<String> = supported.iter().map(|s| quote(s)).collect();
        let detail = if quoted.is_empty() { String::new() } else { format!("supported values: {}", quoted.join(", ")) };
        self.push(Reason::NotSupported, field, with_detail(format!("Unsupported value: {}", show(value)), &detail));
    }

    /// `Duplicate value: <value>`.
    pub fn duplicate(&mut self, field: &Path, value: &Value) {
        self.push(Reason::Duplicate, field, format!("Duplicate value: {}", show(value)));
    }

    /// `Forbidden: detail`.
    pub fn forbidden(&mut self, field: &Path, detail: &str) {
        self.push(Reason::Forbidden, field, with_detail("Forbidden".to_owned(), detail));
    }

    /// `Not found: <value>`.
    pub fn not_found(&mut self, field: &Path, value: &Value) {
        self.push(Reason::NotFound, field, format!("Not found: {}", show(value)));
    }

    /// `Too long: may not be more than N bytes`.
    pub fn too_long(&mut self, field: &Path, max: usize) {
        self.push(Reason::TooLong, field, format!("Too long: may not be more than {max} bytes"));
    }

    /// `Too many: N: must have at most M items`.
    pub fn too_many(&mut self, field: &Path, actual: usize, max: usize) {
        self.push(Reason::TooMany, field, format!("Too many: {actual}: must have at most {max} items"));
    }

    /// `Internal error: detail`.
    pub fn internal(&mut self, field: &Path, detail: &str) {
        self.push(Reason::Internal, field, format!("Internal error: {detail}"));
    }
}

fn with_detail(head: String, detail: &str) -> String {
    if detail.is_empty() { head } else { format!("{head}: {detail}") }
}

/// A value in the notation of error messages: compact JSON.
#[must_use]
pub fn show(value: &Value) -> String {
    value.to_string()
}

/// Text between double quotes, escaped as Go's `%q` and JSON both do for what occurs in names.
#[must_use]
pub fn quote(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_and_messages_read_as_upstream() {
        let ports = Path::new("spec").child("containers").index(0).child("ports");
        let mut errors = Errors::new();
        errors.required(&ports.index(1).child("containerPort"), "");
        errors.not_supported(&ports.index(0).child("protocol"), &json!("X"), &["TCP", "UDP"]);
        errors.invalid(&Path::new("data").key("a b"), &json!("a b"), "no");
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "spec.containers[0].ports[1].containerPort: Required value",
                "spec.containers[0].ports[0].protocol: Unsupported value: \"X\": supported values: \"TCP\", \"UDP\"",
                "data[a b]: Invalid value: \"a b\": no",
            ]
        );
    }
}
