//! Objects to protobuf, as gogo's generated code does it: fields in the order of their numbers, what
//! is no pointer is always written, maps sorted by key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::schema::duration;
use crate::schema::table::{Any, Field, Scalar, Shape, Struct, Type};
use crate::schema::time::{Instant, parse_micro_time, parse_time};

/// Appends the message of a value of a struct type; of other types nothing.
pub fn encode(value: &Value, ty: Type<'_>, out: &mut Vec<u8>) {
    if let Shape::Struct(found) = ty.shape() {
        message(value, found, out);
    }
}

fn message(value: &Value, ty: Struct<'_>, out: &mut Vec<u8>) {
    for field in ty.fields_by_number() {
        if field.number() == 0 {
            continue;
        }
        if field.is_inline() {
            // The fields of an inlined struct stand in the same object, but in a message of their own.
            nested(field.number(), out, |out| encode(value, field.ty(), out));
            continue;
        }
        write_field(value.get(field.name()).filter(|value| !value.is_null()), field, out);
    }
}

fn write_field(value: Option<&Value>, field: Field<'_>, out: &mut Vec<u8>) {
    let number = field.number();
    let ty = field.ty();
    match (ty.shape(), value) {
        (_, None) if field.is_pointer() => {}
        (Shape::List { item, .. }, Some(Value::Array(items))) => {
            if ty.is_wrapped() {
                single(number, Some(field_value(value)), ty, out);
            } else {
                for entry in items {
                    single(number, Some(entry), item, out);
                }
            }
        }
        (Shape::Map { value: inner, .. }, Some(Value::Object(map))) => {
            for (name, entry) in map {
                nested(number, out, |out| {
                    bytes_field(1, name.as_bytes(), out);
                    single(2, Some(entry), inner, out);
                });
            }
        }
        (Shape::List { .. } | Shape::Map { .. }, _) => {}
        (Shape::Scalar(Scalar::Bytes), None) => {}
        _ => single(number, value, ty, out),
    }
}

fn field_value(value: Option<&Value>) -> &Value {
    value.unwrap_or(&Value::Null)
}

/// One value with its tag; `None` is the zero value.
fn single(number: u16, value: Option<&Value>, ty: Type<'_>, out: &mut Vec<u8>) {
    let none = Value::Null;
    let value = value.unwrap_or(&none);
    match ty.shape() {
        Shape::Struct(found) => nested(number, out, |out| message(value, found, out)),
        Shape::Any => nested(number, out, |out| any(value, ty, out)),
        Shape::List { item, .. } => nested(number, out, |out| {
            for entry in value.as_array().into_iter().flatten() {
                single(1, Some(entry), item, out);
            }
        }),
        // A map in a map or list has no form in protobuf, and there is none.
        Shape::Map { .. } => {}
        Shape::Scalar(scalar) => match scalar {
            Scalar::String => bytes_field(number, value.as_str().unwrap_or_default().as_bytes(), out),
            Scalar::Bool => varint_field(number, u64::from(value.as_bool() == Some(true)), out),
            Scalar::Int32 | Scalar::Int64 => varint_field(number, value.as_i64().unwrap_or(0).cast_unsigned(), out),
            Scalar::Float => {
                key(number, 1, out);
                out.extend(value.as_f64().unwrap_or(0.0).to_le_bytes());
            }
            Scalar::Bytes => {
                let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default();
                bytes_field(number, &bytes, out);
            }
            Scalar::Quantity => {
                let text = value.as_str().unwrap_or("0").as_bytes();
                nested(number, out, |out| bytes_field(1, text, out));
            }
            Scalar::IntOrString => nested(number, out, |out| {
                let text = value.as_str();
                varint_field(1, u64::from(text.is_some()), out);
                varint_field(2, value.as_i64().unwrap_or(0).cast_unsigned(), out);
                bytes_field(3, text.unwrap_or_default().as_bytes(), out);
            }),
            Scalar::Time => timestamp(number, value.as_str().and_then(|text| parse_time(text).ok()), out),
            Scalar::MicroTime => timestamp(number, value.as_str().and_then(|text| parse_micro_time(text).ok()), out),
            Scalar::Duration => {
                let nanos = value.as_str().and_then(|text| duration::parse(text).ok()).unwrap_or(0);
                nested(number, out, |out| varint_field(1, nanos.cast_unsigned(), out));
            }
        },
    }
}

fn timestamp(number: u16, time: Option<Instant>, out: &mut Vec<u8>) {
    nested(number, out, |out| {
        if let Some(time) = time {
            varint_field(1, time.seconds.cast_unsigned(), out);
            varint_field(2, u64::from(time.nanos), out);
        }
    });
}

fn any(value: &Value, ty: Type<'_>, out: &mut Vec<u8>) {
    let schema = crate::schema::decode::schema_type();
    match (ty.any(), value, schema) {
        (Any::SchemaOrBool, Value::Object(_), Some(schema)) => {
            varint_field(1, 1, out);
            single(2, Some(value), schema, out);
        }
        (Any::SchemaOrBool, ..) => varint_field(1, u64::from(value.as_bool() == Some(true)), out),
        (Any::SchemaOrArray | Any::SchemaOrStrings, Value::Object(_), Some(schema)) => {
            single(1, Some(value), schema, out);
        }
        (Any::SchemaOrArray, Value::Array(items), Some(schema)) => {
            for item in items {
                single(2, Some(item), schema, out);
            }
        }
        (Any::SchemaOrStrings, Value::Array(items), _) => {
            for item in items {
                bytes_field(2, item.as_str().unwrap_or_default().as_bytes(), out);
            }
        }
        (Any::Json | Any::Raw | Any::Fields, value, _) if !value.is_null() => {
            bytes_field(1, value.to_string().as_bytes(), out);
        }
        _ => {}
    }
}

/// A message in a field: written in place, with its length put before it afterwards.
fn nested(number: u16, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    key(number, 2, out);
    let begin = out.len();
    // Most messages are shorter than 128 bytes, whose length is one byte.
    out.push(0);
    write(out);
    let length = out.len() - begin - 1;
    let mut prefix = Vec::with_capacity(10);
    varint(length as u64, &mut prefix);
    out.splice(begin..=begin, prefix);
}

pub(super) fn bytes_field(number: u16, bytes: &[u8], out: &mut Vec<u8>) {
    key(number, 2, out);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn varint_field(number: u16, value: u64, out: &mut Vec<u8>) {
    key(number, 0, out);
    varint(value, out);
}

pub(super) fn key(number: u16, wire: u8, out: &mut Vec<u8>) {
    varint(u64::from(number) << 3 | u64::from(wire), out);
}

pub(super) fn varint(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let byte = (value & 0x7f).to_le_bytes()[0];
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}
