//! Values without a type, and the places where a schema may stand beside something simpler.

use serde_json::{Map, Value};

use super::{Decoder, scalar};
use crate::schema::json::Token;
use crate::schema::table::{Any, BUILTIN, Shape, Type};

impl Decoder<'_, '_> {
    pub(super) fn any(&mut self, any: Any) -> Result<Value, String> {
        let token = self.cursor.peek();
        let schema = match (any, token) {
            (Any::SchemaOrArray | Any::SchemaOrBool | Any::SchemaOrStrings, Token::Object) => schema_type(),
            (Any::SchemaOrArray, Token::Array) => schema_type(),
            (Any::SchemaOrStrings, Token::Array) | (Any::SchemaOrBool, Token::Bool) => None,
            (Any::SchemaOrBool, _) => return Err("boolean or JSON schema expected".to_owned()),
            (Any::SchemaOrArray | Any::SchemaOrStrings, _) => {
                self.cursor.skip();
                return Ok(Value::Null);
            }
            _ => None,
        };
        let Some(schema) = schema else {
            let collect = std::mem::replace(&mut self.collect, false);
            let value = self.untyped(false);
            self.collect = collect;
            return value;
        };
        // Upstream reads these by themselves: nothing unknown is told, and paths begin anew.
        let mut inner = Decoder::new(self.cursor.raw(), false);
        inner.depth = self.depth;
        if token == Token::Object {
            return inner.whole(schema);
        }
        let mut value = Value::Null;
        inner.nested(|this| this.list(schema, &mut value))?;
        inner.saved.take().map_or(Ok(value), Err)
    }

    /// Any value; with `whole`, numbers without a fraction become whole ones.
    pub(super) fn untyped(&mut self, whole: bool) -> Result<Value, String> {
        match self.cursor.peek() {
            Token::Object => self.nested(|this| {
                let mut map = Map::new();
                this.cursor.enter();
                while this.cursor.more() {
                    let key = this.cursor.key();
                    if map.contains_key(key.as_ref()) {
                        this.tell("duplicate", &key);
                    }
                    let value = this.at_key(&key, |this| this.untyped(whole))?;
                    map.insert(key.into_owned(), value);
                }
                Ok(Value::Object(map))
            }),
            Token::Array => self.nested(|this| {
                let mut items = Vec::new();
                this.cursor.enter();
                while this.cursor.more() {
                    let length = this.path.len();
                    this.path.push_str(&format!("[{}]", items.len()));
                    items.push(this.untyped(whole)?);
                    this.path.truncate(length);
                }
                Ok(Value::Array(items))
            }),
            Token::String => Ok(Value::String(self.cursor.string().into_owned())),
            Token::Number => {
                let raw = self.cursor.raw();
                Ok(scalar::number(raw, whole).unwrap_or_else(|| {
                    let text = String::from_utf8_lossy(raw);
                    self.wrong(&format!("number {text}"), "float64");
                    Value::Null
                }))
            }
            Token::Bool => Ok(Value::Bool(self.cursor.raw().starts_with(b"t"))),
            Token::Null => {
                self.cursor.skip();
                Ok(Value::Null)
            }
        }
    }
}

/// The type of a JSON schema inside a CustomResourceDefinition.
pub(crate) fn schema_type() -> Option<Type<'static>> {
    let found = BUILTIN.find("apiextensions.k8s.io", "v1", "CustomResourceDefinition")?;
    let mut ty = found;
    for name in ["spec", "versions", "schema", "openAPIV3Schema"] {
        if let Shape::List { item, .. } = ty.shape() {
            ty = item;
        }
        ty = ty.as_struct()?.field(name)?.ty();
    }
    Some(ty)
}
