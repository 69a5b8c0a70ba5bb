//! Columns and cells of the Table form that kinds share.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::Column;
use crate::schema::age;
use crate::schema::object::Object;
use crate::schema::openapi;
use crate::schema::rules::{items, text};

/// The description of a column: a sentence of its own, or the text of a field in the API reference.
#[derive(Clone, Copy, Debug)]
pub enum About {
    /// A sentence.
    Text(&'static str),
    /// The description of a field of a struct (below `io.k8s.`, such as `api.core.v1.PodStatus`).
    Field(&'static str, &'static str),
}

/// A column as data: heading, type, format, priority, description.
pub type Row = (&'static str, &'static str, &'static str, i32, About);

/// The column that names the object.
pub const NAME: Row = ("Name", "string", "name", 0, About::Field("apimachinery.pkg.apis.meta.v1.ObjectMeta", "name"));
/// The column of the age.
pub const AGE: Row =
    ("Age", "string", "", 0, About::Field("apimachinery.pkg.apis.meta.v1.ObjectMeta", "creationTimestamp"));
/// The column of the creation time, where a kind has no columns of its own.
pub const CREATED: Row =
    ("Created At", "date", "", 0, About::Field("apimachinery.pkg.apis.meta.v1.ObjectMeta", "creationTimestamp"));

/// What the column of container names shows.
pub const CONTAINERS: &str = "Names of each container in the template.";
/// What the column of images shows.
pub const IMAGES: &str = "Images referenced by each container in the template.";

/// A column of text that is always shown.
#[must_use]
pub const fn text_column(name: &'static str, about: About) -> Row {
    (name, "string", "", 0, about)
}

/// A column of text that is shown with `-o wide`.
#[must_use]
pub const fn wide(name: &'static str, about: About) -> Row {
    (name, "string", "", 1, about)
}

/// A column of whole numbers that is always shown.
#[must_use]
pub const fn whole(name: &'static str, about: About) -> Row {
    (name, "integer", "", 0, about)
}

/// The columns of a kind.
#[must_use]
pub fn columns(rows: &[Row]) -> Vec<Column> {
    rows.iter()
        .map(|(name, kind, format, priority, about)| Column {
            name: (*name).into(),
            kind: (*kind).into(),
            format: (*format).into(),
            description: describe(*about).into(),
            priority: *priority,
        })
        .collect()
}

fn describe(about: About) -> String {
    match about {
        About::Text(text) => text.to_owned(),
        About::Field(of, field) => field_description(of, field),
    }
}

/// The text of a field in the API reference; empty where it is not known. The few that columns need
/// are looked up once.
fn field_description(of: &'static str, field: &'static str) -> String {
    static KNOWN: Mutex<BTreeMap<(&str, &str), String>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.entry((of, field)).or_insert_with(|| openapi::field_description(&format!("io.k8s.{of}"), field)).clone()
}

/// Names and images of the containers of a pod template, as two cells.
#[must_use]
pub fn containers(template: &Value) -> (Value, Value) {
    let join = |field: &str| -> Value {
        let all: Vec<&str> = items(&template["spec"]["containers"]).iter().map(|one| text(&one[field])).collect();
        all.join(",").into()
    };
    (join("name"), join("image"))
}

/// The age of an object.
#[must_use]
pub fn age(object: &Value, now: Timestamp) -> Value {
    since(object.text("/metadata/creationTimestamp"), now)
}

/// The time since some moment; `<unknown>` where there is none.
#[must_use]
pub fn since(time: &str, now: Timestamp) -> Value {
    if time.is_empty() { "<unknown>".into() } else { age::since(time, now).into() }
}

/// A number, 0 where it is absent.
#[must_use]
pub fn number(value: &Value) -> Value {
    value.as_i64().unwrap_or(0).into()
}

/// A text, empty where it is absent.
#[must_use]
pub fn string(value: &Value) -> Value {
    text(value).into()
}

/// A text, or what stands for none.
#[must_use]
pub fn or(given: &Value, none: &str) -> Value {
    match text(given) {
        "" => none.into(),
        given => given.into(),
    }
}

/// At most `max` of the parts, and how many more there are.
#[must_use]
pub fn some_of(parts: &[String], max: usize) -> String {
    if parts.len() <= max {
        return parts.join(",");
    }
    let shown: Vec<&str> = parts.iter().take(max).map(String::as_str).collect();
    format!("{} + {} more...", shown.join(","), parts.len() - max)
}
