//! Reading JSON text the way Go's `encoding/json` does: the same things are valid, with the same
//! words for what is not, and broken Unicode is replaced rather than refused.
//!
//! [`check`] looks at a whole text; [`Cursor`] then walks through a text that passed. Neither knows
//! a schema.

use std::borrow::Cow;

mod check;

pub use check::check;

/// Nesting beyond which Go refuses to read.
pub const MAX_DEPTH: usize = 10_000;

/// What a value begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `"`
    String,
    /// `t` or `f`
    Bool,
    /// `n`
    Null,
    /// A digit or a minus sign.
    Number,
}

impl Token {
    /// The word for it in Go's messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Bool => "bool",
            Self::Null => "null",
            Self::Number => "number",
        }
    }
}

/// A place in a JSON text that [`check`] accepted. On other text it returns nonsense, but it always
/// ends and never fails.
#[derive(Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The begin of the text.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// What comes next, without taking it.
    pub fn peek(&mut self) -> Token {
        self.space();
        match self.byte() {
            b'{' => Token::Object,
            b'[' => Token::Array,
            b'"' => Token::String,
            b't' | b'f' => Token::Bool,
            b'n' => Token::Null,
            _ => Token::Number,
        }
    }

    /// Goes into the object or list that comes next.
    pub fn enter(&mut self) {
        self.space();
        self.at += 1;
    }

    /// Whether another member follows; takes the comma or the closing bracket.
    pub fn more(&mut self) -> bool {
        self.space();
        match self.byte() {
            b',' => {
                self.at += 1;
                true
            }
            b'}' | b']' => {
                self.at += 1;
                false
            }
            _ => self.at < self.bytes.len(),
        }
    }

    /// The key of the next member of an object, with its colon.
    pub fn key(&mut self) -> Cow<'a, str> {
        let key = self.string();
        self.space();
        self.at += 1;
        key
    }

    /// The text that comes next, without escapes.
    pub fn string(&mut self) -> Cow<'a, str> {
        let raw = self.raw();
        unquote(raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default())
    }

    /// The bytes of the value that comes next, as they stand.
    pub fn raw(&mut self) -> &'a [u8] {
        self.space();
        let begin = self.at;
        self.skip();
        self.bytes.get(begin..self.at).unwrap_or_default()
    }

    /// Passes over the value that comes next.
    pub fn skip(&mut self) {
        self.space();
        let mut depth = 0usize;
        while self.at < self.bytes.len() {
            match self.byte() {
                b'"' => self.skip_string(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                _ => {
                    while !matches!(self.byte(), 0 | b',' | b':' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r') {
                        self.at += 1;
                    }
                    if self.byte() == 0 {
                        self.at += 1;
                    }
                }
            }
            if depth == 0 {
                break;
            }
        }
        self.at = self.at.min(self.bytes.len());
    }

    fn skip_string(&mut self) {
        self.at += 1;
        while self.at < self.bytes.len() {
            match self.byte() {
                b'\\' => self.at += 2,
                b'"' => {
                    self.at += 1;
                    return;
                }
                _ => self.at += 1,
            }
        }
    }

    fn space(&mut self) {
        while matches!(self.byte(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// The byte here; 0 at the end.
    fn byte(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }
}

/// The inside of a JSON string without its escapes; what is no Unicode becomes U+FFFD.
fn unquote(inside: &[u8]) -> Cow<'_, str> {
    if !inside.contains(&b'\\') {
        return String::from_utf8_lossy(inside);
    }
    let mut out: Vec<u8> = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some((&escape, tail)) = rest.split_first() else { break };
        rest = tail;
        match escape {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let first = hex(rest);
                rest = rest.get(4..).unwrap_or_default();
                let mut code = first;
                if (0xd800..0xdc00).contains(&first) && rest.starts_with(b"\\u") {
                    let second = hex(rest.get(2..).unwrap_or_default());
                    if (0xdc00..0xe000).contains(&second) {
                        code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                        rest = rest.get(6..).unwrap_or_default();
                    }
                }
                let char = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend(char.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => out.push(other),
        }
    }
    Cow::Owned(match String::from_utf8(out) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

fn hex(digits: &[u8]) -> u32 {
    digits.iter().take(4).fold(0, |sum, digit| sum * 16 + char::from(*digit).to_digit(16).unwrap_or(0))
}

/// Text between double quotes as Go's `%q` writes it.
#[must_use]
pub fn go_quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() || c == '\u{feff}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_with_go_s_leniency() {
        let text = |json: &str| Cursor::new(json.as_bytes()).string().into_owned();
        assert_eq!(text(r#""a\n\u00e9\ud83d\ude00""#), "a\né😀");
        assert_eq!(text(r#""\ud83d x""#), "\u{fffd} x");
        assert_eq!(Cursor::new(b"\"a\xff\"").string(), "a\u{fffd}");
    }

    #[test]
    fn a_value_is_passed_over_whole() {
        let mut cursor = Cursor::new(br#"{"a": {"x": "}]\"", "y": [1, {}]}, "b": -1.5e3, "c": true}"#);
        cursor.enter();
        let mut seen = Vec::new();
        while cursor.more() {
            let key = cursor.key();
            seen.push((key.into_owned(), String::from_utf8_lossy(cursor.raw()).into_owned()));
        }
        let shown: Vec<(&str, &str)> = seen.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(shown, [("a", r#"{"x": "}]\"", "y": [1, {}]}"#), ("b", "-1.5e3"), ("c", "true")]);
    }
}
