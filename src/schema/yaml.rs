//! YAML to JSON values, by the rules of YAML 1.1 that Kubernetes keeps: `yes` and `n` are booleans,
//! `0777` is octal, keys become text, `<<` merges, and only the first document counts.

use std::collections::{BTreeSet, HashMap};

use granit_parser::{Event, Parser, ScalarStyle, StrInput, Tag};
use serde_json::{Map, Number, Value};

use super::decode::Decoded;
use super::json::go_quote;

/// Nesting beyond which a document is refused.
const MAX_DEPTH: usize = 120;
/// Values that aliases may bring in all together.
const MAX_ALIASED: usize = 100_000;

impl Decoded {
    fn double(&mut self, line: usize, key: &str) {
        let text = format!("\n  line {line}: key {key} already set in map");
        match self.strict.first_mut() {
            Some(first) => first.push_str(&text),
            None => self.strict.push(format!("yaml: unmarshal errors:{text}")),
        }
    }
}

/// Reads the first document of a YAML text. What strict validation has against it (keys that are
/// there twice) is at most one message of several lines.
///
/// # Errors
/// A message that begins with `yaml:`, for a text that is no YAML or cannot be JSON.
pub fn read(text: &[u8]) -> Result<Decoded, String> {
    let text = std::str::from_utf8(text).map_err(|_| "yaml: invalid leading UTF-8 octet".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader =
        Reader { parser: Parser::new_from_str(text), anchors: HashMap::new(), aliased: 0, result: Decoded::default() };
    let value = loop {
        match reader.next()?.0 {
            Event::StreamEnd => break Value::Null,
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            event => break reader.node(event, 0)?,
        }
    };
    // A document that goes wrong further down is wrong as a whole.
    while !matches!(reader.next()?.0, Event::DocumentEnd | Event::StreamEnd) {}
    let mut result = reader.result;
    result.value = value;
    Ok(result)
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Value>,
    aliased: usize,
    result: Decoded,
}

impl<'a> Reader<'a> {
    /// The next event that is no comment, with its line.
    fn next(&mut self) -> Result<(Event<'a>, usize), String> {
        loop {
            match self.parser.next_event() {
                None => return Ok((Event::StreamEnd, 0)),
                Some(Err(error)) => return Err(format!("yaml: line {}: {}", error.marker().line(), error.info())),
                Some(Ok((
                    event @ (Event::StreamStart
                    | Event::StreamEnd
                    | Event::DocumentStart(..)
                    | Event::DocumentEnd
                    | Event::Alias(..)
                    | Event::Scalar(..)
                    | Event::SequenceStart(..)
                    | Event::SequenceEnd
                    | Event::MappingStart(..)
                    | Event::MappingEnd),
                    span,
                ))) => return Ok((event, span.start.line())),
                Some(Ok(_)) => {}
            }
        }
    }

    /// The value that begins with this event.
    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err("yaml: exceeded max depth".to_owned());
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (scalar(&text, style, tag.as_deref())?, anchor),
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()?.0 {
                        Event::SequenceEnd | Event::StreamEnd => break,
                        event => items.push(self.node(event, depth + 1)?),
                    }
                }
                (Value::Array(items), anchor)
            }
            Event::MappingStart(_, anchor, _) => (self.mapping(depth)?, anchor),
            Event::Alias(id) => {
                let value = self.anchors.get(&id).ok_or("yaml: anchor value contains itself")?;
                self.aliased += size(value);
                if self.aliased > MAX_ALIASED {
                    return Err("yaml: document contains excessive aliasing".to_owned());
                }
                return Ok(value.clone());
            }
            _ => (Value::Null, 0),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, String> {
        let mut map = Map::new();
        let mut merged = Map::new();
        let mut seen = BTreeSet::new();
        loop {
            let (event, line) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                break;
            }
            let merges = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, depth + 1)?;
            let event = self.next()?.0;
            let value = self.node(event, depth + 1)?;
            if merges {
                merge(&mut merged, value)?;
                continue;
            }
            let (key, shown) = match key {
                Value::String(text) => (text.clone(), go_quote(&text)),
                Value::Bool(_) | Value::Number(_) => (key.to_string(), key.to_string()),
                Value::Null => ("null".to_owned(), "<nil>".to_owned()),
                Value::Array(_) | Value::Object(_) => return Err("yaml: invalid map key".to_owned()),
            };
            if !seen.insert(key.clone()) {
                self.result.double(line, &shown);
            }
            map.insert(key, value);
        }
        for (key, value) in merged {
            map.entry(key).or_insert(value);
        }
        Ok(Value::Object(map))
    }
}

/// Takes in the value of a `<<` key: a map or a list of maps, of which the first wins.
fn merge(merged: &mut Map<String, Value>, value: Value) -> Result<(), String> {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                merged.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::Array(items) => items.into_iter().try_for_each(|item| match item {
            Value::Object(_) => merge(merged, item),
            _ => Err("yaml: map merge requires map or sequence of maps as the value".to_owned()),
        }),
        _ => Err("yaml: map merge requires map or sequence of maps as the value".to_owned()),
    }
}

/// How many values a value is made of.
fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    if let Some(tag) = tag {
        return match tag.core_suffix() {
            Some("int" | "float" | "bool" | "null") => plain(text),
            Some("binary") => binary(text),
            _ => Ok(Value::from(text)),
        };
    }
    if style == ScalarStyle::Plain { plain(text) } else { Ok(Value::from(text)) }
}

fn binary(text: &str) -> Result<Value, String> {
    use base64::Engine as _;
    let clean: String = text.split_whitespace().collect();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(clean)
        .map_err(|_| "yaml: !!binary value contains invalid base64 data".to_owned())?;
    Ok(Value::from(String::from_utf8_lossy(&bytes)))
}

/// What a scalar without quotes means.
fn plain(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Ok(Value::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Ok(Value::Bool(false));
        }
        ".nan" | ".NaN" | ".NAN" => return Err("json: unsupported value: NaN".to_owned()),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Err("json: unsupported value: +Inf".to_owned());
        }
        "-.inf" | "-.Inf" | "-.INF" => return Err("json: unsupported value: -Inf".to_owned()),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Ok(Value::from(text));
    }
    Ok(number(&text.replace('_', "")).unwrap_or_else(|| Value::from(text)))
}

/// A number in the notations of YAML 1.1.
fn number(text: &str) -> Option<Value> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1i128, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, rest) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, lower.get(1..)?)
    } else {
        (10, lower.as_str())
    };
    if rest.starts_with(|c: char| c.is_ascii_alphanumeric())
        && let Ok(whole) = i128::from_str_radix(rest, base)
    {
        let whole = sign * whole;
        if let Ok(whole) = i64::try_from(whole) {
            return Some(Value::from(whole));
        }
        if let Ok(whole) = u64::try_from(whole) {
            return Some(Value::from(whole));
        }
    }
    if !is_float(digits) {
        return None;
    }
    let float: f64 = text.parse().ok().filter(|float: &f64| float.is_finite())?;
    if float.fract() == 0.0 && float.abs() < 9.0e15 {
        // The range was checked; there is no fraction to lose.
        #[allow(clippy::cast_possible_truncation)]
        return Some(Value::from(float as i64));
    }
    Number::from_f64(float).map(Value::Number)
}

/// `.5`, `1`, `1.`, `1.5`, each with an exponent or none.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        None => (text, None),
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.is_none_or(|text| {
        let text = text.strip_prefix(['+', '-']).unwrap_or(text);
        !text.is_empty() && digits(text)
    });
    !(whole.is_empty() && fraction.is_empty()) && digits(whole) && digits(fraction) && exponent
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> Value {
        read(text.as_bytes()).map_or_else(Value::from, |read| read.value)
    }

    #[test]
    fn plain_scalars_mean_what_yaml_1_1_says() {
        assert_eq!(
            value("[y, 'y', off, 0777, 0x1f, 0b11, 1_000, 1.0, 1e3, .5, 1.5, 08, 2024-01-01, 1:20, ~, 1.2.3, -3, +4]"),
            json!([
                true,
                "y",
                false,
                511,
                31,
                3,
                1000,
                1,
                1000,
                0.5,
                1.5,
                8,
                "2024-01-01",
                "1:20",
                null,
                "1.2.3",
                -3,
                4
            ])
        );
        assert_eq!(value("{n: 1, 2: x, 'a': !!str 5}"), json!({"false": 1, "2": "x", "a": "5"}));
    }

    #[test]
    fn anchors_and_merges_are_resolved_within_bounds() {
        assert_eq!(
            value("base: &b {x: 1, z: '2'}\nmore:\n  <<: *b\n  x: 3\n"),
            json!({"base": {"x": 1, "z": "2"}, "more": {"x": 3, "z": "2"}})
        );
        let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (from, to) in ["a", "b", "c", "d", "e", "f", "g"].iter().zip(["b", "c", "d", "e", "f", "g", "h"]) {
            bomb.push_str(&format!("{to}: &{to} [{}]\n", [format!("*{from}").as_str(); 10].join(",")));
        }
        assert_eq!(value(&bomb), "yaml: document contains excessive aliasing");
    }

    #[test]
    fn keys_that_are_there_twice_are_told_with_their_lines() {
        let read = read(b"a: 1\nb:\n  c: 1\n  c: 2\na: 3\n---\nother: 1\n").expect("YAML");
        assert_eq!(read.value, json!({"a": 3, "b": {"c": 2}}));
        assert_eq!(
            read.strict,
            ["yaml: unmarshal errors:\n  line 4: key \"c\" already set in map\n  line 5: key \"a\" already set in map"]
        );
        assert_eq!(read.warnings(), ["line 4: key \"c\" already set in map", "line 5: key \"a\" already set in map"]);
    }

    #[test]
    fn what_is_no_yaml_is_refused() {
        assert!(value("a: b: c").as_str().is_some_and(|error| error.starts_with("yaml: line 1: ")));
        assert_eq!(value(""), Value::Null);
        assert_eq!(value(".nan"), "json: unsupported value: NaN");
    }
}
