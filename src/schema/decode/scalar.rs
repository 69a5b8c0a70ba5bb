//! Single values: how Go takes each scalar type from JSON, and its words when it does not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Number, Value};

use super::Decoder;
use crate::schema::duration;
use crate::schema::json::{Cursor, Token};
use crate::schema::quantity::Quantity;
use crate::schema::table::{Scalar, Type};
use crate::schema::time::{parse_micro_time, parse_time};

impl<'t> Decoder<'_, 't> {
    /// Reads the next value as a scalar into `slot`.
    pub(super) fn scalar(
        &mut self,
        ty: Type<'t>,
        scalar: Scalar,
        token: Token,
        slot: &mut Value,
    ) -> Result<(), String> {
        let raw = self.cursor.raw();
        match (scalar, token) {
            (Scalar::Quantity | Scalar::IntOrString | Scalar::Time | Scalar::MicroTime | Scalar::Duration, _) => {
                *slot = special(scalar, token, raw)?;
            }
            (Scalar::Bytes, Token::Null) => *slot = Value::Null,
            (_, Token::Null) => {}
            (Scalar::String, Token::String) => *slot = Value::String(Cursor::new(raw).string().into_owned()),
            (Scalar::Bool, Token::Bool) => *slot = Value::Bool(raw.starts_with(b"t")),
            (Scalar::Int32 | Scalar::Int64 | Scalar::Float, Token::Number) => {
                let text = String::from_utf8_lossy(raw);
                let read = match scalar {
                    Scalar::Int32 => text.parse::<i32>().ok().map(Value::from),
                    Scalar::Int64 => text.parse::<i64>().ok().map(Value::from),
                    _ => number(raw, true),
                };
                match read {
                    Some(value) => *slot = value,
                    None => self.wrong(&format!("number {text}"), &ty.go_name()),
                }
            }
            (Scalar::Bytes, Token::String) => match base64_of(&Cursor::new(raw).string()) {
                Ok(text) => *slot = Value::String(text),
                Err(at) => {
                    self.saved.get_or_insert_with(|| format!("illegal base64 data at input byte {at}"));
                }
            },
            _ => self.wrong(token.word(), &ty.go_name()),
        }
        Ok(())
    }
}

/// The types that read themselves; what they refuse ends the reading.
fn special(scalar: Scalar, token: Token, raw: &[u8]) -> Result<Value, String> {
    if token == Token::Null {
        return Ok(match scalar {
            Scalar::Quantity => Value::from("0"),
            Scalar::IntOrString => Value::from(0),
            Scalar::Duration => Value::from("0s"),
            _ => Value::Null,
        });
    }
    let text = String::from_utf8_lossy(raw);
    let goes_into = |wanted: &str, number: bool| {
        let found = if number { format!("number {text}") } else { token.word().to_owned() };
        format!("json: cannot unmarshal {found} into Go value of type {wanted}")
    };
    match scalar {
        Scalar::Quantity => {
            let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(&text);
            let quantity = Quantity::parse(inside.trim()).map_err(|error| error.to_string())?;
            Ok(Value::from(quantity.to_string()))
        }
        Scalar::IntOrString => match token {
            Token::String => Ok(Value::String(Cursor::new(raw).string().into_owned())),
            Token::Number => text.parse::<i32>().map(Value::from).map_err(|_| goes_into("int32", true)),
            _ => Err(goes_into("int32", false)),
        },
        _ if token != Token::String => Err(goes_into("string", false)),
        Scalar::Duration => {
            let nanos = duration::parse(&Cursor::new(raw).string())?;
            Ok(Value::from(duration::show(nanos)))
        }
        Scalar::MicroTime => {
            let time = parse_micro_time(&Cursor::new(raw).string())?;
            Ok(if time.is_zero() { Value::Null } else { Value::from(time.to_micros()) })
        }
        _ => {
            let time = parse_time(&Cursor::new(raw).string())?;
            Ok(if time.is_zero() { Value::Null } else { Value::from(time.to_seconds()) })
        }
    }
}

/// A JSON number; with `whole`, one without a fraction is a whole one however it was written. `None`
/// where it is too large.
pub(super) fn number(raw: &[u8], whole: bool) -> Option<Value> {
    let text = std::str::from_utf8(raw).ok()?;
    if let Ok(number) = text.parse::<i64>() {
        return Some(Value::from(number));
    }
    let float: f64 = text.parse().ok()?;
    if whole && float.fract() == 0.0 && float.abs() < 9.0e15 {
        // The range was checked; there is no fraction to lose.
        #[allow(clippy::cast_possible_truncation)]
        return Some(Value::from(float as i64));
    }
    Number::from_f64(float).map(Value::Number)
}

/// Base64 in canonical form, or the place of the first byte that is wrong, as Go counts it.
fn base64_of(text: &str) -> Result<String, usize> {
    let bytes = text.as_bytes();
    let newline = |at: usize| matches!(bytes.get(at), Some(b'\r' | b'\n'));
    let symbol = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let mut clean = Vec::with_capacity(bytes.len());
    let mut at = 0;
    'read: loop {
        let mut filled = 0;
        while filled < 4 {
            let Some(&byte) = bytes.get(at) else {
                if filled == 0 {
                    break 'read;
                }
                return Err(at - filled);
            };
            at += 1;
            match byte {
                b'\r' | b'\n' => {}
                byte if symbol(byte) => {
                    clean.push(byte);
                    filled += 1;
                }
                b'=' if filled >= 2 => {
                    if filled == 2 {
                        while newline(at) {
                            at += 1;
                        }
                        match bytes.get(at) {
                            None => return Err(bytes.len()),
                            Some(b'=') => at += 1,
                            Some(_) => return Err(at - 1),
                        }
                    }
                    while newline(at) {
                        at += 1;
                    }
                    if at < bytes.len() {
                        return Err(at);
                    }
                    clean.resize(clean.len() + 4 - filled, b'=');
                    break 'read;
                }
                _ => return Err(at - 1),
            }
        }
    }
    match STANDARD.decode(&clean) {
        Ok(_) => String::from_utf8(clean).map_err(|_| 0),
        // Bits beyond the last byte: Go drops them.
        Err(_) => {
            let lenient = base64::engine::GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
            let engine = base64::engine::GeneralPurpose::new(&base64::alphabet::STANDARD, lenient);
            engine.decode(&clean).map(|bytes| STANDARD.encode(bytes)).map_err(|_| bytes.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_go_reads_it() {
        for (text, wanted) in [
            ("dg==", Ok("dg==")),
            ("dm\n Y=".trim(), Err(3)),
            ("dm\nY=", Ok("dmY=")),
            ("dn==", Ok("dg==")),
            ("", Ok("")),
            ("a", Err(0)),
            ("abc", Err(0)),
            ("abcde", Err(4)),
            ("ab=", Err(3)),
            ("ab=c", Err(2)),
            ("ab==c", Err(4)),
            ("not base64!", Err(3)),
        ] {
            assert_eq!(base64_of(text), wanted.map(str::to_owned), "{text:?}");
        }
    }
}
