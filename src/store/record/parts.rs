//! Parts of an object read from its bytes: its metadata as they stand, or the tree without members
//! that nobody will look at. It knows no more of an object than that it is JSON.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The length of what stands inside an object's braces, up to the one that closes it; `inside` begins
/// behind the one that opens it.
pub(super) fn inner_length(inside: &[u8]) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (1_usize, false, false);
    for (at, byte) in inside.iter().enumerate() {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Reads a tree without the members of these names, at whatever depth they stand.
pub(super) fn read_without(bytes: &[u8], names: &[&str]) -> serde_json::Result<Value> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Without(names).deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Without<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for Without<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Without<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key_seed(Name)? {
            if self.0.contains(&name.as_ref()) {
                members.next_value::<IgnoredAny>()?;
            } else {
                map.insert(name.into_owned(), members.next_value_seed(self)?);
            }
        }
        Ok(Value::Object(map))
    }
}

/// The name of a member, from the bytes themselves where no escape is in it.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_left_out_at_every_depth() {
        let text =
            r#"{"a":[{"env":[1,{"b":2}],"c":-1.5}],"env":null,"d":{"\u0065nv":"x","e":true,"f":18446744073709551615}}"#;
        let expected = json!({"a": [{"c": -1.5}], "d": {"e": true, "f": u64::MAX}});
        assert_eq!(read_without(text.as_bytes(), &["env"]).unwrap(), expected);
        assert_eq!(read_without(text.as_bytes(), &[]).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        assert!(read_without(b"{} x", &[]).is_err());
    }

    #[test]
    fn braces_in_texts_do_not_count() {
        for inside in [r#""a":"}\"}","b":{"c":"\\"}"#, "", r#""x":{}"#] {
            let text = format!("{inside}}},\"d\":{{}}}}");
            assert_eq!(inner_length(text.as_bytes()), Some(inside.len()));
        }
        assert_eq!(inner_length(br#""a":"}"#), None);
    }
}
