//! Writing YAML as `sigs.k8s.io/yaml` writes it: block style, keys in order, lists not indented below
//! their key, text quoted only where it would be read as something else.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// An object as a YAML document.
#[must_use]
pub fn yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => mapping(map, 0, &mut out),
        Value::Array(list) if !list.is_empty() => sequence(list, 0, &mut out),
        other => {
            scalar(other, 0, &mut out);
            out.push('\n');
        }
    }
    out
}

fn mapping(map: &Map<String, Value>, indent: usize, out: &mut String) {
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 {
            pad(indent, out);
        }
        text(key, indent, out);
        out.push(':');
        entry(value, indent, out);
    }
}

/// What stands behind a key.
fn entry(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            pad(indent + 2, out);
            mapping(map, indent + 2, out);
        }
        Value::Array(list) if !list.is_empty() => {
            out.push('\n');
            pad(indent, out);
            sequence(list, indent, out);
        }
        other => {
            out.push(' ');
            scalar(other, indent, out);
            out.push('\n');
        }
    }
}

fn sequence(list: &[Value], indent: usize, out: &mut String) {
    for (index, value) in list.iter().enumerate() {
        if index > 0 {
            pad(indent, out);
        }
        out.push_str("- ");
        match value {
            Value::Object(map) if !map.is_empty() => mapping(map, indent + 2, out),
            Value::Array(inner) if !inner.is_empty() => sequence(inner, indent + 2, out),
            other => {
                scalar(other, indent, out);
                out.push('\n');
            }
        }
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn scalar(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(string) => text(string, indent, out),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

fn text(string: &str, indent: usize, out: &mut String) {
    if string.contains('\n') && is_block(string) {
        return block(string, indent, out);
    }
    if is_odd(string) {
        let _ = write!(out, "{}", Value::from(string));
    } else if is_quoted(string) {
        // Go writes what would be read as another type in double quotes, and other text in single ones.
        if is_other_type(string) {
            let _ = write!(out, "\"{string}\"");
        } else {
            let _ = write!(out, "'{}'", string.replace('\'', "''"));
        }
    } else {
        out.push_str(string);
    }
}

/// Whether text of several lines can stand in a literal block.
fn is_block(string: &str) -> bool {
    !string.starts_with([' ', '\n', '\t'])
        && !string.chars().any(|c| (c.is_control() && c != '\n' && c != '\t') || c == '\u{feff}')
        && !string.contains(" \n")
}

fn block(string: &str, indent: usize, out: &mut String) {
    let body = string.trim_end_matches('\n');
    let ends = string.len() - body.len();
    out.push_str(match ends {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    let mut lines: Vec<&str> = body.split('\n').collect();
    lines.extend(std::iter::repeat_n("", ends.saturating_sub(1)));
    for line in lines {
        out.push('\n');
        if !line.is_empty() {
            pad(indent + 2, out);
            out.push_str(line);
        }
    }
}

/// Text that only double quotes with escapes can hold.
fn is_odd(string: &str) -> bool {
    string.chars().any(|c| c.is_control() || c == '\u{feff}')
}

fn is_quoted(string: &str) -> bool {
    let Some(first) = string.chars().next() else { return true };
    let second = string.chars().nth(1);
    is_other_type(string)
        || "!&*|>%@`\"'#,[]{}".contains(first)
        || (matches!(first, '-' | '?' | ':') && second.is_none_or(char::is_whitespace))
        || string.starts_with("---")
        || string.starts_with("...")
        || string.starts_with(' ')
        || string.ends_with(' ')
        || string.ends_with(':')
        || string.contains(": ")
        || string.contains(" #")
}

/// Whether a YAML 1.1 reader takes the bare text for something else than text.
fn is_other_type(string: &str) -> bool {
    if string.is_empty() {
        return true;
    }
    let words =
        ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", ".nan", ".inf", "-.inf", "+.inf", "<<", "="];
    if words.contains(&string.to_lowercase().as_str()) {
        return true;
    }
    let digits = string.trim_start_matches(['+', '-']);
    let bare = digits.replace('_', "");
    let number = bare.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && (bare.parse::<f64>().is_ok()
            || bare
                .strip_prefix("0x")
                .is_some_and(|hex| !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()))
            || bare.strip_prefix("0o").is_some_and(|octal| octal.bytes().all(|b| (b'0'..=b'7').contains(&b)))
            || bare.strip_prefix("0b").is_some_and(|binary| binary.bytes().all(|b| b == b'0' || b == b'1')));
    number || is_time(string) || is_sexagesimal(digits)
}

/// A date, with or without a time.
fn is_time(string: &str) -> bool {
    let bytes = string.as_bytes();
    bytes.len() >= 8
        && bytes.iter().take(4).all(u8::is_ascii_digit)
        && bytes.get(4) == Some(&b'-')
        && bytes.iter().all(|b| b.is_ascii_digit() || b"-:.TtZz+ ".contains(b))
}

/// Numbers of base 60, such as `1:30`.
fn is_sexagesimal(digits: &str) -> bool {
    digits.contains(':')
        && digits.split(':').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_written_in_block_style() {
        let value = json!({"a": {"b": ["x", {"c": 1, "d": []}]}, "e": {}, "f": "1", "g": "a: b", "h": "l\nm\n"});
        let want = "a:\n  b:\n  - x\n  - c: 1\n    d: []\ne: {}\nf: \"1\"\ng: 'a: b'\nh: |\n  l\n  m\n";
        assert_eq!(yaml(&value), want);
    }

    #[test]
    fn what_another_reader_could_mistake_is_quoted() {
        for text in ["true", "null", "on", "0x1f", "1e3", "2024-01-01T00:00:00Z", "1:30", "", "-", "# x", "a #b"] {
            let written = yaml(&json!({"k": text}));
            assert!(written.contains('"') || written.contains('\''), "{written}");
        }
        for text in ["v1.2.3", "a-b", "a:b", "10.43.0.1", "x#y"] {
            assert_eq!(yaml(&json!({"k": text})), format!("k: {text}\n"));
        }
    }
}
