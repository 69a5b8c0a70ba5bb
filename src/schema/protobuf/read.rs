//! Protobuf to objects. What is zero and no pointer comes out as absent, since that is what it means
//! in Go; scalars come out in canonical form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

use super::ProtobufError;
use crate::schema::duration;
use crate::schema::quantity::Quantity;
use crate::schema::table::{Any, Field, Scalar, Shape, Struct, Type};
use crate::schema::time::Instant;

/// Nesting beyond which a message is refused; a JSON object of that nesting can still be read.
const MAX_DEPTH: usize = 100;

/// Reads the message of a struct type. `apiVersion` and `kind` stand in the envelope.
///
/// # Errors
/// The bytes are no message of that type.
pub fn decode(bytes: &[u8], ty: Type<'_>) -> Result<Value, ProtobufError> {
    let mut map = Map::new();
    if let Shape::Struct(found) = ty.shape() {
        message(bytes, found, &mut map, 0)?;
    }
    Ok(Value::Object(map))
}

/// A place in a message.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Number and wire type of the next field.
    pub(super) fn tag(&mut self) -> Result<Option<(u64, u8)>, ProtobufError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let wire = (tag & 7).to_le_bytes()[0];
        if tag >> 3 == 0 || wire == 4 {
            return Err(ProtobufError::Tag(tag >> 3));
        }
        Ok(Some((tag >> 3, wire)))
    }

    pub(super) fn varint(&mut self) -> Result<u64, ProtobufError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(ProtobufError::End)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ProtobufError::Overflow)
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], ProtobufError> {
        let length = usize::try_from(self.varint()?).map_err(|_| ProtobufError::End)?;
        self.take(length)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ProtobufError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(ProtobufError::End)?;
        self.rest = rest;
        Ok(taken)
    }

    fn fixed(&mut self) -> Result<u64, ProtobufError> {
        let bytes = self.take(8)?;
        Ok(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    /// Passes over a field of that wire type, groups included.
    pub(super) fn skip(&mut self, wire: u8) -> Result<(), ProtobufError> {
        let mut groups = 0usize;
        let mut wire = wire;
        loop {
            match wire {
                0 => drop(self.varint()?),
                1 => drop(self.take(8)?),
                2 => drop(self.bytes()?),
                3 => groups += 1,
                4 => groups = groups.checked_sub(1).ok_or(ProtobufError::Tag(4))?,
                5 => drop(self.take(4)?),
                other => return Err(ProtobufError::Tag(u64::from(other))),
            }
            if groups == 0 {
                return Ok(());
            }
            wire = (self.varint()? & 7).to_le_bytes()[0];
        }
    }
}

fn message(bytes: &[u8], ty: Struct<'_>, map: &mut Map<String, Value>, depth: usize) -> Result<(), ProtobufError> {
    if depth > MAX_DEPTH {
        return Err(ProtobufError::Depth);
    }
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.tag()? {
        let Some(field) = ty.field_numbered(number) else {
            reader.skip(wire)?;
            continue;
        };
        if field.is_inline() {
            expect(wire, 2, field)?;
            if let Some(inner) = field.ty().as_struct() {
                message(reader.bytes()?, inner, map, depth + 1)?;
            }
            continue;
        }
        read_field(&mut reader, wire, field, map, depth)?;
    }
    Ok(())
}

fn read_field(
    reader: &mut Reader<'_>,
    wire: u8,
    field: Field<'_>,
    map: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), ProtobufError> {
    let ty = field.ty();
    match ty.shape() {
        Shape::List { item, .. } if !ty.is_wrapped() => {
            let items = map.entry(field.name()).or_insert_with(|| Value::Array(Vec::new()));
            let Value::Array(items) = items else { return Ok(()) };
            let packed = wire == 2 && matches!(item.shape(), Shape::Scalar(scalar) if wire_of(scalar) != 2);
            if packed {
                let mut inner = Reader::new(reader.bytes()?);
                while !inner.rest.is_empty() {
                    let wire =
                        if matches!(item.shape(), Shape::Scalar(scalar) if wire_of(scalar) == 1) { 1 } else { 0 };
                    items.push(single(&mut inner, wire, item, field, depth)?);
                }
            } else {
                items.push(single(reader, wire, item, field, depth)?);
            }
        }
        Shape::Map { value: inner, .. } => {
            expect(wire, 2, field)?;
            let mut entry = Reader::new(reader.bytes()?);
            let (mut key, mut value) = (String::new(), None);
            while let Some((number, wire)) = entry.tag()? {
                match number {
                    1 if wire == 2 => key = text(entry.bytes()?),
                    2 => value = Some(single(&mut entry, wire, inner, field, depth)?),
                    _ => entry.skip(wire)?,
                }
            }
            let value = match (value, inner.shape()) {
                (Some(value), _) => value,
                (None, Shape::Scalar(Scalar::Bytes)) => Value::from(""),
                (None, _) => crate::schema::canonical::zero(inner),
            };
            if let Value::Object(entries) = map.entry(field.name()).or_insert_with(|| Value::Object(Map::new())) {
                entries.insert(key, value);
            }
        }
        _ => {
            let value = match (ty.shape(), map.remove(field.name())) {
                // A message that comes in two parts is one message.
                (Shape::Struct(found), Some(Value::Object(mut old))) => {
                    expect(wire, 2, field)?;
                    message(reader.bytes()?, found, &mut old, depth + 1)?;
                    Value::Object(old)
                }
                _ => single(reader, wire, ty, field, depth)?,
            };
            if field.is_pointer() || !means_nothing(&value, ty) {
                map.insert(field.name().to_owned(), value);
            }
        }
    }
    Ok(())
}

/// Whether a value that is no pointer is the zero value of its type.
fn means_nothing(value: &Value, ty: Type<'_>) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on && !matches!(ty.shape(), Shape::Any),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => match ty.shape() {
            Shape::Scalar(Scalar::Quantity) => text == "0",
            Shape::Scalar(Scalar::Duration) => text == "0s",
            Shape::Scalar(Scalar::Bytes) => false,
            _ => text.is_empty(),
        },
        Value::Object(map) => map.is_empty() && matches!(ty.shape(), Shape::Struct(_)),
        Value::Array(_) => false,
    }
}

fn single(
    reader: &mut Reader<'_>,
    wire: u8,
    ty: Type<'_>,
    field: Field<'_>,
    depth: usize,
) -> Result<Value, ProtobufError> {
    let scalar = match ty.shape() {
        Shape::Scalar(scalar) => scalar,
        Shape::Struct(found) => {
            expect(wire, 2, field)?;
            let mut map = Map::new();
            message(reader.bytes()?, found, &mut map, depth + 1)?;
            return Ok(Value::Object(map));
        }
        Shape::List { item, .. } => {
            expect(wire, 2, field)?;
            let mut inner = Reader::new(reader.bytes()?);
            let mut items = Vec::new();
            while let Some((number, wire)) = inner.tag()? {
                if number == 1 {
                    items.push(single(&mut inner, wire, item, field, depth)?)
                } else {
                    inner.skip(wire)?
                }
            }
            return Ok(Value::Array(items));
        }
        Shape::Any => {
            expect(wire, 2, field)?;
            return any(reader.bytes()?, ty.any(), depth);
        }
        Shape::Map { .. } => {
            reader.skip(wire)?;
            return Ok(Value::Null);
        }
    };
    expect(wire, wire_of(scalar), field)?;
    Ok(match scalar {
        Scalar::String => Value::String(text(reader.bytes()?)),
        Scalar::Bool => Value::Bool(reader.varint()? != 0),
        Scalar::Int32 => Value::from(low_32(reader.varint()?)),
        Scalar::Int64 => Value::from(reader.varint()?.cast_signed()),
        Scalar::Float => Number::from_f64(f64::from_bits(reader.fixed()?)).map_or(Value::Null, Value::Number),
        Scalar::Bytes => Value::String(STANDARD.encode(reader.bytes()?)),
        _ => special(reader.bytes()?, scalar)?,
    })
}

/// The types that are messages in protobuf and single values in JSON.
fn special(bytes: &[u8], scalar: Scalar) -> Result<Value, ProtobufError> {
    let (mut numbers, mut string) = ([0u64; 4], None);
    let empty = bytes.is_empty();
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.tag()? {
        let slot = usize::try_from(number).ok().and_then(|number| numbers.get_mut(number));
        match (wire, slot) {
            (0, Some(slot)) => *slot = reader.varint()?,
            (2, _) => string = Some(text(reader.bytes()?)),
            _ => reader.skip(wire)?,
        }
    }
    let [_, first, second, _] = numbers;
    Ok(match scalar {
        Scalar::Quantity => {
            let text = string.unwrap_or_default();
            let quantity = if text.is_empty() { Ok(Quantity::default()) } else { Quantity::parse(&text) };
            Value::from(quantity.map_err(|error| ProtobufError::Value(error.to_string()))?.to_string())
        }
        Scalar::IntOrString if first == 1 => Value::from(string.unwrap_or_default()),
        Scalar::IntOrString => Value::from(low_32(second)),
        Scalar::Duration => Value::from(duration::show(first.cast_signed())),
        _ if empty => Value::Null,
        _ => {
            let nanos = if scalar == Scalar::MicroTime { low_32(second).clamp(0, 999_999_999) } else { 0 };
            let seconds = first.cast_signed();
            // Years that RFC 3339 cannot show.
            if !(-62_135_596_800..=253_402_300_799).contains(&seconds) {
                return Err(ProtobufError::Value("Time.MarshalJSON: year outside of range [0,9999]".to_owned()));
            }
            let time = Instant { seconds, nanos: nanos.unsigned_abs() };
            match scalar {
                _ if time.is_zero() => Value::Null,
                Scalar::MicroTime => Value::from(time.to_micros()),
                _ => Value::from(time.to_seconds()),
            }
        }
    })
}

fn any(bytes: &[u8], any: Any, depth: usize) -> Result<Value, ProtobufError> {
    let schema = crate::schema::decode::schema_type().and_then(Type::as_struct);
    let mut reader = Reader::new(bytes);
    let mut value = if any == Any::SchemaOrBool { Value::Bool(false) } else { Value::Null };
    let mut items = Vec::new();
    while let Some((number, wire)) = reader.tag()? {
        let is_schema =
            matches!((any, number), (Any::SchemaOrBool, 2) | (Any::SchemaOrArray, 1 | 2) | (Any::SchemaOrStrings, 1));
        match (any, number, wire, schema) {
            (_, _, 2, Some(schema)) if is_schema => {
                let mut map = Map::new();
                message(reader.bytes()?, schema, &mut map, depth + 1)?;
                if any == Any::SchemaOrArray && number == 2 {
                    items.push(Value::Object(map));
                } else {
                    value = Value::Object(map);
                }
            }
            (Any::SchemaOrBool, 1, 0, _) => {
                let allows = reader.varint()? != 0;
                if !value.is_object() {
                    value = Value::Bool(allows);
                }
            }
            (Any::SchemaOrStrings, 2, 2, _) => items.push(Value::String(text(reader.bytes()?))),
            (Any::Json | Any::Raw | Any::Fields, 1, 2, _) => value = raw(reader.bytes()?)?,
            _ => reader.skip(wire)?,
        }
    }
    Ok(if items.is_empty() { value } else { Value::Array(items) })
}

/// JSON in bytes, or an object in an envelope.
fn raw(bytes: &[u8]) -> Result<Value, ProtobufError> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    if !bytes.starts_with(super::PREFIX) {
        return serde_json::from_slice(bytes).map_err(|error| ProtobufError::Value(error.to_string()));
    }
    let envelope = super::open(bytes)?;
    let (group, version) = envelope.api_version.split_once('/').unwrap_or(("", &envelope.api_version));
    let Some(ty) = Type::builtin(group, version, &envelope.kind) else {
        let message = format!("no kind {:?} is registered for version {:?}", envelope.kind, envelope.api_version);
        return Err(ProtobufError::Value(message));
    };
    let mut value = decode(envelope.raw, ty)?;
    if let Some(map) = value.as_object_mut() {
        map.insert("apiVersion".to_owned(), envelope.api_version.into());
        map.insert("kind".to_owned(), envelope.kind.into());
    }
    Ok(value)
}

fn wire_of(scalar: Scalar) -> u8 {
    match scalar {
        Scalar::Bool | Scalar::Int32 | Scalar::Int64 => 0,
        Scalar::Float => 1,
        _ => 2,
    }
}

fn expect(wire: u8, wanted: u8, field: Field<'_>) -> Result<(), ProtobufError> {
    if wire == wanted { Ok(()) } else { Err(ProtobufError::WireType { wire, field: field.name().to_owned() }) }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The low half of a number, as Go's conversion to `int32` takes it.
fn low_32(value: u64) -> i32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}
