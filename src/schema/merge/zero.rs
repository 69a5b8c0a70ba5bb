//! The object that an API server starts a create from: what Go's zero value of a type looks like in
//! JSON. Parts that are in it count as there before the create, so that nobody manages them.

use serde_json::{Map, Value};

use super::typed::Typing;
use crate::schema::table::{Field, Scalar, Shape, Struct};

/// The zero object of a type; an empty map for a custom resource, or without a type.
#[must_use]
pub fn zero(typing: Typing<'_>) -> Value {
    match typing.and_then(|typing| typing.as_struct()).filter(|found| !found.name().is_empty()) {
        Some(found) => of_struct(found),
        None => Value::Object(Map::new()),
    }
}

fn of_struct(found: Struct<'_>) -> Value {
    found.fields().filter_map(|field| Some((field.name().to_owned(), of_field(field)?))).collect()
}

/// The value that Go writes for a field that is not set; `None` where it writes nothing.
fn of_field(field: Field<'_>) -> Option<Value> {
    let empty = field.omits_empty();
    if field.omits_zero() {
        return None;
    }
    if field.is_pointer() {
        return (!empty).then_some(Value::Null);
    }
    let scalar = |value: Value| (!empty).then_some(value);
    match field.ty().shape() {
        Shape::Struct(found) => Some(of_struct(found)),
        Shape::Map { .. } | Shape::List { .. } => scalar(Value::Null),
        Shape::Any => Some(Value::Null),
        Shape::Scalar(kind) => match kind {
            Scalar::String => scalar("".into()),
            Scalar::Bool => scalar(false.into()),
            Scalar::Int32 | Scalar::Int64 | Scalar::Float => scalar(0.into()),
            Scalar::Bytes => scalar(Value::Null),
            // These are structs in Go, which are never empty.
            Scalar::Quantity => Some("0".into()),
            Scalar::IntOrString => Some(0.into()),
            Scalar::Time | Scalar::MicroTime => Some(Value::Null),
            Scalar::Duration => Some("0s".into()),
        },
    }
}
