//! Rules of one field and default values, as data by path, with the walkers that apply them.
//!
//! A rule list is read from top to bottom, so the order of a list is the order in which mistakes
//! are shown; paths grow while the walker descends, so a list that is mounted below another one
//! tells its mistakes at the right place. A rule knows one value and nothing around it; what looks
//! at two fields is code and hangs in as [`Rule::Check`]. Which kind the rules belong to is not
//! known here.

use serde_json::{Map, Value};

use super::field::{Errors, Path};
use super::names::Faults;

/// One rule about a value. A field that is absent reads as null.
#[derive(Clone, Copy)]
pub enum Rule {
    /// Rules for the field of that name.
    At(&'static str, &'static [Rule]),
    /// Rules for each element of a list.
    Each(&'static [Rule]),
    /// Rules for each value of a map.
    Entries(&'static [Rule]),
    /// Rules that hold only where the value is there.
    Given(&'static [Rule]),
    /// Rules that hold only where the value is neither absent nor empty (`""`, 0, false, no entry).
    Filled(&'static [Rule]),
    /// Must be neither absent nor empty; what follows in the list is left out otherwise. The text is
    /// the detail of the message.
    Required(&'static str),
    /// Must be one of these; they are shown in this order.
    OneOf(&'static [&'static str]),
    /// A whole number that is 0 or more; absent counts as 0.
    NotNegative,
    /// A whole number above 0; absent counts as 0.
    Positive,
    /// A whole number between these, both included; absent counts as 0.
    Between(i64, i64),
    /// A text of some format; absent counts as empty.
    Format(fn(&str) -> Faults),
    /// Must be absent or empty. The text is the detail of the message.
    Forbidden(&'static str),
    /// Rules in code.
    Check(fn(&Value, &Path, &mut Errors)),
}

static NULL: Value = Value::Null;

/// Applies `rules` to `value`, which stands at `path`.
pub fn check(rules: &[Rule], value: &Value, path: &Path, errors: &mut Errors) {
    for rule in rules {
        match rule {
            Rule::At(name, rules) => {
                let field = value.get(name).unwrap_or(&NULL);
                check(rules, field, &path.child(name), errors);
            }
            Rule::Each(rules) => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(rules, item, &path.index(index), errors);
                }
            }
            Rule::Entries(rules) => {
                for (key, item) in value.as_object().into_iter().flatten() {
                    check(rules, item, &path.key(key), errors);
                }
            }
            Rule::Given(rules) => {
                if !value.is_null() {
                    check(rules, value, path, errors);
                }
            }
            Rule::Filled(rules) => {
                if !is_empty(value) {
                    check(rules, value, path, errors);
                }
            }
            Rule::Required(detail) => {
                if is_empty(value) {
                    errors.required(path, detail);
                    return;
                }
            }
            Rule::OneOf(set) => one_of(value, set, path, errors),
            Rule::NotNegative => not_negative(value, path, errors),
            Rule::Positive => {
                if number(value) <= 0 {
                    errors.invalid(path, &Value::from(number(value)), "must be greater than 0");
                }
            }
            Rule::Between(min, max) => between(value, *min, *max, path, errors),
            Rule::Format(format) => formatted(text(value), *format, path, errors),
            Rule::Forbidden(detail) => {
                if !is_empty(value) {
                    errors.forbidden(path, detail);
                }
            }
            Rule::Check(code) => code(value, path, errors),
        }
    }
}

/// `must be greater than or equal to 0`, where it is not; absent counts as 0.
pub fn not_negative(value: &Value, path: &Path, errors: &mut Errors) {
    if number(value) < 0 {
        errors.invalid(path, &Value::from(number(value)), "must be greater than or equal to 0");
    }
}

/// `must be between MIN and MAX, inclusive`, where it is not; absent counts as 0.
pub fn between(value: &Value, min: i64, max: i64, path: &Path, errors: &mut Errors) {
    let n = number(value);
    if n < min || n > max {
        errors.invalid(path, &Value::from(n), &format!("must be between {min} and {max}, inclusive"));
    }
}

/// `Unsupported value`, where the text is none of `set`; absent counts as empty.
pub fn one_of(value: &Value, set: &[&str], path: &Path, errors: &mut Errors) {
    if !set.contains(&text(value)) {
        errors.not_supported(path, &Value::from(text(value)), set);
    }
}

/// One `Invalid value` for each fault that `format` finds in `text`.
pub fn formatted(text: &str, format: fn(&str) -> Faults, path: &Path, errors: &mut Errors) {
    for fault in format(text) {
        errors.invalid_text(path, text, &fault);
    }
}

/// The value as text; empty where it is none.
#[must_use]
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The value as a whole number; 0 where it is none.
#[must_use]
pub fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// The elements of a list; none where it is no list.
#[must_use]
pub fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The entries of a map; none where it is no map.
pub fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Whether a value is absent or what Go calls zero: `""`, 0, false, no element, no entry.
#[must_use]
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// A default value. Upstream tells apart fields whose empty value counts as not given and fields
/// (pointers) where only an absent one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// A text; an empty one counts as not given.
    Text(&'static str),
    /// A text; only an absent one counts as not given.
    TextPointer(&'static str),
    /// A number; 0 counts as not given.
    Number(i64),
    /// A number; only an absent one counts as not given.
    NumberPointer(i64),
    /// A flag; only an absent one counts as not given.
    Flag(bool),
    /// A map without entries.
    Map,
}

impl Fill {
    /// Puts the default at `key` where nothing is given.
    pub fn apply(self, map: &mut Map<String, Value>, key: &str) {
        let given = map.get(key).unwrap_or(&NULL);
        let keep = match self {
            Self::Text(_) | Self::Number(_) => !is_empty(given),
            _ => !given.is_null(),
        };
        if !keep {
            map.insert(key.to_owned(), self.value());
        }
    }

    fn value(self) -> Value {
        match self {
            Self::Text(text) | Self::TextPointer(text) => text.into(),
            Self::Number(number) | Self::NumberPointer(number) => number.into(),
            Self::Flag(flag) => flag.into(),
            Self::Map => Value::Object(Map::new()),
        }
    }
}

/// Default values for the maps found at a path. The path is dotted and begins at the value that is
/// filled; `*` stands for each element of a list; an empty path is the value itself. A map that is
/// not there is not made.
pub type Fills = &'static [(&'static str, &'static [(&'static str, Fill)])];

/// Fills in default values.
pub fn fill(value: &mut Value, fills: Fills) {
    for (path, fields) in fills {
        each_map(value, path, &mut |map| {
            for (key, fill) in *fields {
                fill.apply(map, key);
            }
        });
    }
}

/// Calls `code` with each map found at a path as in [`Fills`].
pub fn each_map(value: &mut Value, path: &str, code: &mut dyn FnMut(&mut Map<String, Value>)) {
    if path.is_empty() {
        if let Value::Object(map) = value {
            code(map);
        }
        return;
    }
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    if step == "*" {
        for item in value.as_array_mut().into_iter().flatten() {
            each_map(item, rest, code);
        }
    } else if let Some(next) = value.get_mut(step) {
        each_map(next, rest, code);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PORT: &[Rule] = &[
        Rule::At("port", &[Rule::Required(""), Rule::Between(1, 65535)]),
        Rule::At("protocol", &[Rule::Required(""), Rule::OneOf(&["SCTP", "TCP", "UDP"])]),
    ];
    const SPEC: &[Rule] = &[Rule::At("ports", &[Rule::Each(PORT)]), Rule::At("replicas", &[Rule::NotNegative])];

    #[test]
    fn mistakes_come_in_the_order_of_the_rules() {
        let mut errors = Errors::new();
        let spec = json!({"ports": [{"port": 70000, "protocol": "X"}, {"protocol": "TCP"}], "replicas": -1});
        check(SPEC, &spec, &Path::new("spec"), &mut errors);
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive",
                "spec.ports[0].protocol: Unsupported value: \"X\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
                "spec.ports[1].port: Required value",
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
            ]
        );
    }

    #[test]
    fn zero_is_a_value_only_for_a_pointer() {
        const FILLS: Fills =
            &[("list.*", &[("a", Fill::Number(3)), ("b", Fill::NumberPointer(3)), ("c", Fill::Flag(true))])];
        let mut value = json!({"list": [{"a": 0, "b": 0}, {}]});
        fill(&mut value, FILLS);
        assert_eq!(value, json!({"list": [{"a": 3, "b": 0, "c": true}, {"a": 3, "b": 3, "c": true}]}));
    }
}
