//! Whether a text is JSON, in the words of Go's scanner where it is not.

use super::MAX_DEPTH;

/// What the scanner expects next inside a container.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Object,
    Array,
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Checks that the bytes are one JSON value with nothing behind it.
///
/// # Errors
/// Go's message: `unexpected end of JSON input`, `invalid character '}' looking for …`.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    let mut scanner = Scanner { bytes, at: 0 };
    scanner.value()?;
    scanner.space();
    match scanner.next() {
        None => Ok(()),
        Some(byte) => Err(invalid(byte, "after top-level value")),
    }
}

impl Scanner<'_> {
    /// One value of any depth, without recursion.
    fn value(&mut self) -> Result<(), String> {
        let mut stack: Vec<Inside> = Vec::new();
        loop {
            self.space();
            match self.need()? {
                b'{' => {
                    push(&mut stack, Inside::Object)?;
                    self.space();
                    match self.need()? {
                        b'}' => {
                            stack.pop();
                        }
                        b'"' => {
                            self.key()?;
                            continue;
                        }
                        other => return Err(invalid(other, "looking for beginning of object key string")),
                    }
                }
                b'[' => {
                    push(&mut stack, Inside::Array)?;
                    self.space();
                    if self.peek() == Some(b']') {
                        self.at += 1;
                        stack.pop();
                    } else {
                        continue;
                    }
                }
                b'"' => self.string()?,
                b't' => self.literal("true", b"rue")?,
                b'f' => self.literal("false", b"alse")?,
                b'n' => self.literal("null", b"ull")?,
                b'-' => {
                    let digit = self.need()?;
                    if !digit.is_ascii_digit() {
                        return Err(invalid(digit, "in numeric literal"));
                    }
                    self.number(digit)?;
                }
                digit @ b'0'..=b'9' => self.number(digit)?,
                other => return Err(invalid(other, "looking for beginning of value")),
            }
            // A value is complete: close what closes with it.
            loop {
                let Some(inside) = stack.last().copied() else { return Ok(()) };
                self.space();
                match (inside, self.need()?) {
                    (Inside::Array, b',') => break,
                    (Inside::Array, b']') | (Inside::Object, b'}') => {
                        stack.pop();
                    }
                    (Inside::Object, b',') => {
                        self.space();
                        match self.need()? {
                            b'"' => self.key()?,
                            other => return Err(invalid(other, "looking for beginning of object key string")),
                        }
                        break;
                    }
                    (Inside::Array, other) => return Err(invalid(other, "after array element")),
                    (Inside::Object, other) => return Err(invalid(other, "after object key:value pair")),
                }
            }
        }
    }

    /// A key whose first quote is taken, and its colon.
    fn key(&mut self) -> Result<(), String> {
        self.string()?;
        self.space();
        match self.need()? {
            b':' => Ok(()),
            other => Err(invalid(other, "after object key")),
        }
    }

    /// A string whose first quote is taken.
    fn string(&mut self) -> Result<(), String> {
        loop {
            match self.need()? {
                b'"' => return Ok(()),
                b'\\' => match self.need()? {
                    b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let digit = self.need()?;
                            if !digit.is_ascii_hexdigit() {
                                return Err(invalid(digit, "in \\u hexadecimal character escape"));
                            }
                        }
                    }
                    other => return Err(invalid(other, "in string escape code")),
                },
                byte if byte < 0x20 => return Err(invalid(byte, "in string literal")),
                _ => {}
            }
        }
    }

    fn literal(&mut self, name: &str, rest: &[u8]) -> Result<(), String> {
        for wanted in rest {
            let byte = self.need()?;
            if byte != *wanted {
                let context = format!("in literal {name} (expecting {})", quote(*wanted));
                return Err(invalid(byte, &context));
            }
        }
        Ok(())
    }

    /// A number whose first digit is taken.
    fn number(&mut self, first: u8) -> Result<(), String> {
        if first != b'0' {
            self.digits();
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            let digit = self.need()?;
            if !digit.is_ascii_digit() {
                return Err(invalid(digit, "after decimal point in numeric literal"));
            }
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            let mut digit = self.need()?;
            if matches!(digit, b'+' | b'-') {
                digit = self.need()?;
            }
            if !digit.is_ascii_digit() {
                return Err(invalid(digit, "in exponent of numeric literal"));
            }
            self.digits();
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn need(&mut self) -> Result<u8, String> {
        self.next().ok_or_else(|| "unexpected end of JSON input".to_owned())
    }
}

fn push(stack: &mut Vec<Inside>, inside: Inside) -> Result<(), String> {
    if stack.len() >= MAX_DEPTH {
        return Err("exceeded max depth".to_owned());
    }
    stack.push(inside);
    Ok(())
}

fn invalid(byte: u8, context: &str) -> String {
    format!("invalid character {} {context}", quote(byte))
}

fn quote(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        _ => {
            let quoted = super::go_quote(&char::from(byte).to_string());
            format!("'{}'", quoted.trim_matches('"'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_told_as_go_tells_it() {
        for (text, message) in [
            ("", "unexpected end of JSON input"),
            ("{", "unexpected end of JSON input"),
            ("{'a':1}", "invalid character '\\'' looking for beginning of object key string"),
            ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"),
            ("[1 2]", "invalid character '2' after array element"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("{} x", "invalid character 'x' after top-level value"),
            ("trye", "invalid character 'y' in literal true (expecting 'u')"),
            ("01", "invalid character '1' after top-level value"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("-x", "invalid character 'x' in numeric literal"),
            ("1e+", "unexpected end of JSON input"),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            ("\"\\q\"", "invalid character 'q' in string escape code"),
            ("\u{feff}{}", "invalid character 'ï' looking for beginning of value"),
        ] {
            assert_eq!(check(text.as_bytes()), Err(message.to_owned()), "{text}");
        }
        for text in ["null", " {\"a\": [1, -0.5e+10, {}, []], \"b\": \"\\u00e9\\\"\"} \n", "[[[]]]", "0"] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded_and_needs_no_stack() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(check(nested(10_000).as_bytes()), Ok(()));
        assert_eq!(check(nested(10_001).as_bytes()), Err("exceeded max depth".to_owned()));
    }
}
