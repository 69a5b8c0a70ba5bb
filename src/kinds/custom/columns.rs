//! The columns of the Table form that a definition asks for (`additionalPrinterColumns`).

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::Column;
use crate::kinds::parts::table::{self, AGE, NAME};
use crate::schema::age;
use crate::schema::json_path::JsonPath;
use crate::schema::object::Object;

/// The columns behind the name.
pub(super) struct Columns(Vec<(Column, Option<JsonPath>)>);

impl Columns {
    /// The columns that a version of a definition names; without any it is the age.
    pub(super) fn of(version: &Value) -> Self {
        let list = version.list("/additionalPrinterColumns");
        let mut columns: Vec<(Column, Option<JsonPath>)> = list
            .iter()
            .map(|one| {
                let path = one.text("/jsonPath");
                let described = one.text("/description");
                let description = if described.is_empty() {
                    format!("Custom resource definition column (in JSONPath format): {path}")
                } else {
                    described.to_owned()
                };
                let column = Column {
                    name: one.text("/name").to_owned().into(),
                    kind: one.text("/type").to_owned().into(),
                    format: one.text("/format").to_owned().into(),
                    description: description.into(),
                    priority: one.int("/priority").and_then(|n| i32::try_from(n).ok()).unwrap_or(0),
                };
                (column, JsonPath::parse(path))
            })
            .collect();
        if columns.is_empty() {
            let age = table::columns(&[AGE]).pop().map(|column| Column { kind: "date".into(), ..column });
            columns.extend(age.map(|column| (column, JsonPath::parse(".metadata.creationTimestamp"))));
        }
        Self(columns)
    }

    pub(super) fn head(&self) -> Vec<Column> {
        let mut head = table::columns(&[NAME]);
        head.extend(self.0.iter().map(|(column, _)| column.clone()));
        head
    }

    pub(super) fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let mut cells = vec![Value::from(object.name())];
        cells.extend(self.0.iter().map(|(column, path)| {
            let found = path.as_ref().and_then(|path| path.first(object));
            found.map_or(Value::Null, |value| cell(&column.kind, value, now))
        }));
        cells
    }
}

/// A value as a cell of a column of some type; null where it has another.
fn cell(kind: &str, value: &Value, now: Timestamp) -> Value {
    match (kind, value) {
        (_, Value::Null) if kind != "string" => Value::Null,
        ("string", Value::String(text)) => text.as_str().into(),
        ("string", Value::Null) => "<nil>".into(),
        ("string", other) => other.to_string().into(),
        ("integer", Value::Number(number)) => match number.as_i64() {
            Some(whole) => whole.into(),
            #[allow(clippy::cast_possible_truncation, reason = "Go cuts the fraction off too")]
            None => number.as_f64().map(|number| number as i64).into(),
        },
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(text)) => match text.parse::<Timestamp>() {
            Ok(_) => age::since(text, now).into(),
            Err(_) => "<invalid>".into(),
        },
        _ => Value::Null,
    }
}
