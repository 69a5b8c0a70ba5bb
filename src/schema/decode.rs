//! JSON to [`Value`] by a schema type, as strict and as lenient as Go's decoder is upstream.
//!
//! Unknown fields are dropped and told, doubled ones are told and the last wins, `null` is absence,
//! and what has the wrong type is refused in Go's words. Scalars with a form of their own
//! (quantities, times, base64) come out in canonical form. Nothing is defaulted or validated here.
//! What a request body as a whole means (kind, version, YAML) is the work of [`body`].

use std::collections::BTreeSet;

use serde_json::{Map, Value};

pub mod body;
mod loose;
mod removed;
mod scalar;
#[cfg(test)]
mod tests;

use super::json::{Cursor, Token, check, go_quote};
pub(crate) use loose::schema_type;

use super::table::{Field, Scalar, Shape, Struct, Type};

/// Nesting of objects and lists beyond which an object is refused, so that it can be read again.
const MAX_DEPTH: usize = 120;
/// Upstream stops to collect strict errors there.
const MAX_STRICT: usize = 100;

/// An object that was read, and what strict validation says against it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// The object.
    pub value: Value,
    /// Unknown and doubled fields in the order in which they stand in the text.
    pub strict: Vec<String>,
}

impl Decoded {
    /// What was found as the sentences of `Warning:` headers.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for error in &self.strict {
            let text = error.strip_prefix("yaml: unmarshal errors:\n").or_else(|| error.strip_prefix("yaml: "));
            match text {
                None => warnings.push(error.clone()),
                Some(lines) => warnings.extend(lines.split('\n').map(|line| line.trim().to_owned())),
            }
        }
        warnings
    }

    /// What was found as the message of one error; `None` if there is nothing.
    #[must_use]
    pub fn strict_error(&self) -> Option<String> {
        (!self.strict.is_empty()).then(|| format!("strict decoding error: {}", self.strict.join(", ")))
    }
}

/// Reads a JSON text as a value of a type.
///
/// # Errors
/// Go's message for text that is no JSON or has values of the wrong type.
pub fn typed(bytes: &[u8], ty: Type<'_>) -> Result<Decoded, String> {
    check(bytes)?;
    let mut decoder = Decoder::new(bytes, true);
    let value = decoder.whole(ty)?;
    Ok(Decoded { value, strict: decoder.strict })
}

/// Reads a value again by a type, as it must be done after a patch.
///
/// # Errors
/// As [`typed`].
pub fn retyped(value: &Value, ty: Type<'_>) -> Result<Decoded, String> {
    let bytes = serde_json::to_vec(value).map_err(|error| error.to_string())?;
    typed(&bytes, ty)
}

/// Reads a JSON object without a type, as a custom resource is: only doubled fields are told, whole
/// numbers stay whole.
///
/// # Errors
/// Go's message for text that is no JSON or no object.
pub fn untyped(bytes: &[u8]) -> Result<Decoded, String> {
    check(bytes)?;
    let mut decoder = Decoder::new(bytes, true);
    match decoder.cursor.peek() {
        Token::Object => {}
        Token::Null => return Ok(Decoded { value: Value::Object(Map::new()), strict: Vec::new() }),
        other => {
            return Err(format!(
                "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                other.word()
            ));
        }
    }
    let value = decoder.untyped(true)?;
    Ok(Decoded { value, strict: decoder.strict })
}

/// The type of `metadata` that all objects share.
#[must_use]
pub fn metadata_type() -> Option<Type<'static>> {
    let object = Type::builtin("meta.k8s.io", "v1", "PartialObjectMetadata")?.as_struct()?;
    Some(object.field("metadata")?.ty())
}

struct Decoder<'a, 't> {
    cursor: Cursor<'a>,
    /// Whether unknown and doubled fields are collected.
    collect: bool,
    strict: Vec<String>,
    seen: BTreeSet<String>,
    /// Where we are, in the notation of strict errors.
    path: String,
    /// The fields that lead here, each with its struct, for type errors.
    fields: Vec<(Struct<'t>, Field<'t>)>,
    /// The first error after which Go reads on.
    saved: Option<String>,
    depth: usize,
}

impl<'a, 't> Decoder<'a, 't> {
    fn new(bytes: &'a [u8], collect: bool) -> Self {
        Self {
            cursor: Cursor::new(bytes),
            collect,
            strict: Vec::new(),
            seen: BTreeSet::new(),
            path: String::new(),
            fields: Vec::new(),
            saved: None,
            depth: 0,
        }
    }

    /// The whole text as one value.
    fn whole(&mut self, ty: Type<'t>) -> Result<Value, String> {
        let mut value = Value::Null;
        self.value(ty, false, &mut value)?;
        if let Some(error) = self.saved.take() {
            return Err(error);
        }
        Ok(if value.is_null() { zero(ty) } else { value })
    }

    /// Reads the next value into `slot`, which holds what a doubled field had before; `null` is what
    /// is absent. An `Err` ends the reading as an error of an unmarshaller does in Go.
    fn value(&mut self, ty: Type<'t>, pointer: bool, slot: &mut Value) -> Result<(), String> {
        let token = self.cursor.peek();
        if token == Token::Null && pointer {
            self.cursor.skip();
            *slot = Value::Null;
            return Ok(());
        }
        match (ty.shape(), token) {
            (Shape::Scalar(scalar), _) => self.scalar(ty, scalar, token, slot),
            (Shape::Any, _) => {
                *slot = self.any(ty.any())?;
                Ok(())
            }
            (Shape::Struct(_), Token::Null) => {
                self.cursor.skip();
                Ok(())
            }
            (_, Token::Null) => {
                self.cursor.skip();
                *slot = Value::Null;
                Ok(())
            }
            (Shape::Struct(found), Token::Object) => self.nested(|this| this.structure(found, slot)),
            (Shape::Map { value, .. }, Token::Object) => self.nested(|this| this.map(value, slot)),
            (Shape::List { item, .. }, Token::Array) => self.nested(|this| this.list(item, slot)),
            _ => {
                self.cursor.skip();
                self.wrong(token.word(), &ty.go_name());
                Ok(())
            }
        }
    }

    fn structure(&mut self, ty: Struct<'t>, slot: &mut Value) -> Result<(), String> {
        let mut map = take_map(slot);
        let mut seen: Vec<&str> = Vec::new();
        self.cursor.enter();
        while self.cursor.more() {
            let key = self.cursor.key();
            let Some(field) = ty.field(&key) else {
                if ty.preserves_unknown() {
                    let value = self.at_key(&key, |this| this.untyped(true))?;
                    map.insert(key.into_owned(), value);
                } else {
                    self.tell("unknown", &key);
                    self.cursor.skip();
                }
                continue;
            };
            if seen.contains(&field.name()) {
                self.tell("duplicate", &key);
            } else {
                seen.push(field.name());
            }
            let mut inner = map.remove(field.name()).unwrap_or(Value::Null);
            self.fields.push((ty, field));
            self.at_key(&key, |this| this.value(field.ty(), field.is_pointer(), &mut inner))?;
            self.fields.pop();
            if !inner.is_null() {
                map.insert(key.into_owned(), inner);
            }
        }
        *slot = Value::Object(map);
        Ok(())
    }

    fn map(&mut self, ty: Type<'t>, slot: &mut Value) -> Result<(), String> {
        let mut map = take_map(slot);
        let mut seen = BTreeSet::new();
        self.cursor.enter();
        while self.cursor.more() {
            let key = self.cursor.key();
            if !seen.insert(key.clone()) {
                self.tell("duplicate", &key);
            }
            let mut inner = Value::Null;
            self.at_key(&key, |this| this.value(ty, false, &mut inner))?;
            if inner.is_null() {
                inner = zero(ty);
            }
            map.insert(key.into_owned(), inner);
        }
        *slot = Value::Object(map);
        Ok(())
    }

    fn list(&mut self, ty: Type<'t>, slot: &mut Value) -> Result<(), String> {
        let mut items = match slot.take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        };
        let mut count = 0;
        self.cursor.enter();
        while self.cursor.more() {
            if count == items.len() {
                items.push(Value::Null);
            }
            let length = self.path.len();
            self.path.push_str(&format!("[{count}]"));
            if let Some(item) = items.get_mut(count) {
                self.value(ty, false, item)?;
                if item.is_null() {
                    *item = zero(ty);
                }
            }
            self.path.truncate(length);
            count += 1;
        }
        items.truncate(count);
        *slot = Value::Array(items);
        Ok(())
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        if self.depth >= MAX_DEPTH {
            return Err("exceeded max depth".to_owned());
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn at_key<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        if self.collect {
            if length > 0 {
                self.path.push('.');
            }
            self.path.push_str(key);
        }
        let result = read(self);
        self.path.truncate(length);
        result
    }

    /// Collects a strict error about the field `key` of the object that is being read.
    fn tell(&mut self, what: &str, key: &str) {
        if !self.collect || self.strict.len() >= MAX_STRICT {
            return;
        }
        let dot = if self.path.is_empty() { "" } else { "." };
        let message = format!("{what} field {}", go_quote(&format!("{}{dot}{key}", self.path)));
        if self.seen.insert(message.clone()) {
            self.strict.push(message);
        }
    }

    /// Saves the error that a value of the kind `found` cannot be a `wanted`, with Go's context.
    fn wrong(&mut self, found: &str, wanted: &str) {
        if self.saved.is_some() {
            return;
        }
        let Some((structure, _)) = self.fields.last() else {
            self.saved = Some(format!("json: cannot unmarshal {found} into Go value of type {wanted}"));
            return;
        };
        let mut names: Vec<&str> = Vec::new();
        for (structure, field) in &self.fields {
            embedding(*structure, field.name(), &mut names);
            names.push(field.name());
        }
        self.saved = Some(format!(
            "json: cannot unmarshal {found} into Go struct field {}.{} of type {wanted}",
            structure.name(),
            names.join(".")
        ));
    }
}

/// The names of the embedded structs through which a struct has a field.
fn embedding<'t>(structure: Struct<'t>, name: &str, names: &mut Vec<&'t str>) {
    for field in structure.own_fields() {
        if field.is_inline()
            && let Some(inner) = field.ty().as_struct()
            && inner.field(name).is_some()
        {
            names.push(inner.name());
            embedding(inner, name, names);
            return;
        }
    }
}

/// What Go has where nothing was said, for an item of a list or map.
fn zero(ty: Type<'_>) -> Value {
    match ty.shape() {
        Shape::Struct(_) => Value::Object(Map::new()),
        Shape::Scalar(scalar) => match scalar {
            Scalar::String | Scalar::Duration => Value::String(String::new()),
            Scalar::Quantity => Value::String("0".to_owned()),
            Scalar::Bool => Value::Bool(false),
            Scalar::Int32 | Scalar::Int64 | Scalar::Float | Scalar::IntOrString => Value::from(0),
            Scalar::Bytes | Scalar::Time | Scalar::MicroTime => Value::Null,
        },
        Shape::Map { .. } | Shape::List { .. } | Shape::Any => Value::Null,
    }
}

fn take_map(slot: &mut Value) -> Map<String, Value> {
    match slot.take() {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
