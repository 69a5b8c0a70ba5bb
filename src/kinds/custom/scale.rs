//! Where a custom kind keeps what its `scale` subresource shows.

use serde_json::Value;

use crate::schema::object::Object;

/// The paths of a scale, as a definition names them (`.spec.replicas`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scale {
    /// The number that is asked for.
    pub spec: String,
    /// The number that there is.
    pub status: String,
    /// The text of the label selector; empty where there is none.
    pub selector: String,
}

/// What is at a path of fields.
pub enum Field<'a> {
    /// A value.
    Found(&'a Value),
    /// Nothing.
    Absent,
    /// A field on the way is no object: the complaint of Go about it.
    Blocked(String),
}

impl Scale {
    pub(super) fn of(version: &Value) -> Option<Self> {
        version.map("/subresources/scale")?;
        let text = |name: &str| version.text(&format!("/subresources/scale/{name}")).to_owned();
        Some(Self {
            spec: text("specReplicasPath"),
            status: text("statusReplicasPath"),
            selector: text("labelSelectorPath"),
        })
    }

    /// The names of the fields of the number that is asked for.
    pub fn spec_path(&self) -> Vec<&str> {
        names(&self.spec)
    }
}

fn names(path: &str) -> Vec<&str> {
    path.trim_start_matches('.').split('.').collect()
}

/// The value at a path such as `.spec.replicas`.
#[must_use]
pub fn field<'a>(object: &'a Value, path: &str) -> Field<'a> {
    let mut value = object;
    let mut walked = String::new();
    for name in names(path) {
        walked.push('.');
        walked.push_str(name);
        match value {
            Value::Object(map) => match map.get(name) {
                Some(found) => value = found,
                None => return Field::Absent,
            },
            Value::Null => return Field::Absent,
            other => {
                let (shown, found) = go(other);
                return Field::Blocked(format!(
                    "{walked} accessor error: {shown} is of the type {found}, expected map[string]interface{{}}"
                ));
            }
        }
    }
    if value.is_null() { Field::Absent } else { Field::Found(value) }
}

/// A value and its type as Go's `%v` and `%T` show them.
pub(super) fn go(value: &Value) -> (String, &'static str) {
    match value {
        Value::Null => ("<nil>".into(), "<nil>"),
        Value::Bool(flag) => (flag.to_string(), "bool"),
        Value::Number(number) if number.is_f64() => (number.to_string(), "float64"),
        Value::Number(number) => (number.to_string(), "int64"),
        Value::String(text) => (text.clone(), "string"),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| go(item).0).collect();
            (format!("[{}]", items.join(" ")), "[]interface {}")
        }
        Value::Object(map) => {
            let items: Vec<String> = map.iter().map(|(key, item)| format!("{key}:{}", go(item).0)).collect();
            (format!("map[{}]", items.join(" ")), "map[string]interface {}")
        }
    }
}
