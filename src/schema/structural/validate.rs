//! Whether a custom resource is what its schema says, in the words of a kube-apiserver.
//!
//! Upstream visits properties in no order; here it is that of their names.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::{Map, Value};

use super::formats;
use super::{additional, is, properties};
use crate::schema::field::{Errors, Path, Reason};

/// Checks a value against a schema. `base` is the path of the value; messages name what is below it.
/// With the value that was there before, parts that have not changed are not looked at again (KEP-4008).
pub fn validate(value: &Value, old: Option<&Value>, schema: &Value, base: &Path, errors: &mut Errors) {
    Validator { base, errors, patterns: BTreeMap::new() }.value(value, old, schema, "");
}

/// The item of the list before that an item of a list with keys continues.
#[must_use]
pub fn counterpart<'a>(item: &Value, old: Option<&'a Value>, schema: &Value) -> Option<&'a Value> {
    if schema.get("x-kubernetes-list-type").and_then(Value::as_str) != Some("map") {
        return None;
    }
    let keys: Vec<&str> = schema
        .get("x-kubernetes-list-map-keys")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if keys.is_empty() {
        return None;
    }
    old?.as_array()?.iter().find(|before| keys.iter().all(|key| before.get(*key) == item.get(*key)))
}

/// Checks that lists that are sets or maps hold nothing twice.
pub fn validate_lists(value: &Value, schema: &Value, path: &Path, errors: &mut Errors) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if let Some(property) = super::property(schema, name) {
                    validate_lists(value, property, &path.child(name), errors);
                } else if let Some(Some(found)) = additional(schema) {
                    validate_lists(value, found, &path.key(name), errors);
                }
            }
        }
        Value::Array(items) => {
            list(items, schema, path, errors);
            if let Some(found) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    validate_lists(item, found, &path.index(index), errors);
                }
            }
        }
        _ => {}
    }
}

/// Checks that embedded objects say what they are.
pub fn validate_embedded(value: &Value, schema: &Value, path: &Path, errors: &mut Errors) {
    match value {
        Value::Object(map) => {
            if is(schema, "x-kubernetes-embedded-resource") {
                for name in ["apiVersion", "kind"] {
                    if !map.contains_key(name) {
                        errors.required(&path.child(name), "");
                    }
                }
                for name in ["apiVersion", "kind"] {
                    match map.get(name) {
                        Some(Value::String(text)) if text.is_empty() => {
                            errors.invalid_text(&path.child(name), text, "must not be empty");
                        }
                        Some(value) if !value.is_string() => {
                            errors.invalid(&path.child(name), value, "must be a string");
                        }
                        _ => {}
                    }
                }
            }
            for (name, value) in map {
                if let Some(property) = super::property(schema, name) {
                    validate_embedded(value, property, &path.child(name), errors);
                } else if let Some(Some(found)) = additional(schema) {
                    validate_embedded(value, found, &path.key(name), errors);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if let Some(found) = schema.get("items") {
                    validate_embedded(item, found, &path.index(index), errors);
                }
            }
        }
        _ => {}
    }
}

/// Duplicates in one list, each told once.
fn list(items: &[Value], schema: &Value, path: &Path, errors: &mut Errors) {
    let keys: Vec<&str> = match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => Vec::new(),
        Some("map") => {
            let wrong = items.iter().position(|item| !item.is_object() && !item.is_null());
            if let Some(index) = wrong {
                let item = items.get(index).unwrap_or(&Value::Null);
                errors.invalid(&path.index(index), item, "must be an object for an array of list-type map");
                return;
            }
            let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            keys.into_iter().flatten().filter_map(Value::as_str).collect()
        }
        _ => return,
    };
    let identity = |item: &Value| match keys.as_slice() {
        [] => item.clone(),
        keys => {
            let parts = keys.iter().filter_map(|key| Some(((*key).to_owned(), item.get(*key)?.clone())));
            Value::Object(parts.collect::<Map<String, Value>>())
        }
    };
    let mut seen = std::collections::BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        let identity = identity(item);
        let times = seen.entry(identity.to_string()).or_insert(0);
        *times += 1;
        if *times == 2 {
            errors.duplicate(&path.index(index), &identity);
        }
    }
}

struct Validator<'a, 's> {
    base: &'a Path,
    errors: &'a mut Errors,
    /// Patterns that were compiled; `None` for one that this engine does not know.
    patterns: BTreeMap<&'s str, Option<Regex>>,
}

impl<'s> Validator<'_, 's> {
    /// Checks one value; `name` is its path below the base.
    fn value(&mut self, value: &Value, old: Option<&Value>, schema: &'s Value, name: &str) {
        if old == Some(value) {
            return;
        }
        if !self.type_of(value, schema, name) && value.is_null() {
            return;
        }
        if !value.is_null() {
            self.composites(value, schema, name);
        }
        match value {
            Value::String(text) => self.text(text, schema, name),
            Value::Number(_) => self.number(value, schema, name),
            Value::Array(items) => self.array(items, old, schema, name),
            _ => {}
        }
        self.one_of_values(value, schema, name);
        if let Value::Object(map) = value {
            self.object(map, old, schema, name);
        }
    }

    fn type_of(&mut self, value: &Value, schema: &Value, name: &str) -> bool {
        let wanted: Vec<&str> = match schema.get("type").and_then(Value::as_str) {
            Some(ty) => vec![ty],
            None if is(schema, "x-kubernetes-int-or-string") => vec!["integer", "string"],
            None => return true,
        };
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let fits = wanted.contains(&found)
            || (found == "integer" && wanted.contains(&"number"))
            || (found == "null" && is(schema, "nullable"));
        // A text with a format is judged by the format.
        let is_number = wanted.iter().any(|ty| matches!(*ty, "integer" | "number"));
        let by_format = found == "string" && formats::is_known(format(schema)) && !is_number;
        if !fits && !by_format {
            let message = format!("{name} in body must be of type {}: \"{found}\"", wanted.join(","));
            self.push(Reason::TypeInvalid, name, &format!("Invalid value: \"{found}\": {message}"));
        }
        fits
    }

    fn composites(&mut self, value: &Value, schema: &'s Value, name: &str) {
        let alternatives = |key: &str| schema.get(key).and_then(Value::as_array).filter(|list| !list.is_empty());
        if let Some(list) = alternatives("anyOf") {
            let failures: Vec<Errors> = list.iter().map(|inner| self.inside(value, inner, name)).collect();
            if failures.iter().all(|failure| !failure.is_empty()) {
                self.general(&format!("\"{name}\" must validate at least one schema (anyOf)"));
                self.errors.append(failures.into_iter().next().unwrap_or_default());
            }
        }
        if let Some(list) = alternatives("oneOf") {
            let failures: Vec<Errors> = list.iter().map(|inner| self.inside(value, inner, name)).collect();
            let valid = failures.iter().filter(|failure| failure.is_empty()).count();
            if valid != 1 {
                let found = if valid == 0 {
                    "Found none valid".to_owned()
                } else {
                    format!("Found {valid} valid alternatives")
                };
                self.general(&format!("\"{name}\" must validate one and only one schema (oneOf). {found}"));
                if valid == 0 {
                    self.errors.append(failures.into_iter().next().unwrap_or_default());
                }
            }
        }
        if let Some(list) = alternatives("allOf") {
            let failures: Vec<Errors> = list.iter().map(|inner| self.inside(value, inner, name)).collect();
            let valid = failures.iter().filter(|failure| failure.is_empty()).count();
            failures.into_iter().for_each(|failure| self.errors.append(failure));
            if valid != list.len() {
                let none = if valid == 0 { ". None validated" } else { "" };
                self.general(&format!("\"{name}\" must validate all the schemas (allOf){none}"));
            }
        }
        if let Some(inner) = schema.get("not")
            && self.inside(value, inner, name).is_empty()
        {
            self.general(&format!("\"{name}\" must not validate the schema (not)"));
        }
    }

    /// What another schema has against the value.
    fn inside(&mut self, value: &Value, schema: &'s Value, name: &str) -> Errors {
        let mut errors = Errors::new();
        let patterns = std::mem::take(&mut self.patterns);
        let mut inner = Validator { base: self.base, errors: &mut errors, patterns };
        inner.value(value, None, schema, name);
        self.patterns = inner.patterns;
        errors
    }

    fn text(&mut self, text: &str, schema: &'s Value, name: &str) {
        self.length_and_pattern(text, schema, name);
        let wanted = format(schema);
        if formats::is_known(wanted) && !formats::fits(wanted, text) {
            let quoted = crate::schema::json::go_quote(text);
            let message = format!("Invalid value: {quoted}: {name} in body must be of type {wanted}: {quoted}");
            self.push(Reason::TypeInvalid, name, &message);
        }
    }

    /// Of these only the first failure is told.
    fn length_and_pattern(&mut self, text: &str, schema: &'s Value, name: &str) {
        let length = text.chars().count();
        if let Some(max) = limit(schema, "maxLength")
            && length > max
        {
            return self.errors.too_long(&self.path(name), max);
        }
        if let Some(min) = limit(schema, "minLength")
            && length < min
        {
            return self.invalid(name, &Value::from(text), &format!("should be at least {min} chars long"));
        }
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
            && self
                .patterns
                .entry(pattern)
                .or_insert_with(|| super::regex(pattern).ok())
                .as_ref()
                .is_some_and(|regex| text.len() > super::MATCHED_MAX || !regex.is_match(text))
        {
            self.invalid(name, &Value::from(text), &format!("should match '{pattern}'"));
        }
    }

    fn number(&mut self, value: &Value, schema: &Value, name: &str) {
        if schema.get("type").and_then(Value::as_str) == Some("integer") {
            let whole = value.as_i64();
            let format = format(schema);
            let fits =
                if format == "int32" { whole.is_some_and(|n| i32::try_from(n).is_ok()) } else { whole.is_some() };
            if !fits {
                let format = if matches!(format, "int32" | "int64") {
                    format!("with format {format}")
                } else {
                    "(default format)".to_owned()
                };
                self.general(&format!("Checked value must be of type integer {format} in {name}"));
            }
        }
        let (Some(number), whole) = (value.as_f64(), value.as_i64().is_some()) else { return };
        if let Some(factor) = schema.get("multipleOf").and_then(Value::as_f64)
            && factor > 0.0
        {
            let times = if factor < 1.0 { 1.0 / factor * number } else { number / factor };
            if times.fract().abs() > 1e-9 && (1.0 - times.fract().abs()).abs() > 1e-9 {
                self.invalid(name, value, &format!("should be a multiple of {}", shown(factor, whole)));
            }
        }
        for (key, exclusive, below) in [("maximum", "exclusiveMaximum", false), ("minimum", "exclusiveMinimum", true)] {
            let Some(bound) = schema.get(key).and_then(Value::as_f64) else { continue };
            let strict = is(schema, exclusive);
            let wrong = match (below, strict) {
                (false, false) => number > bound,
                (false, true) => number >= bound,
                (true, false) => number < bound,
                (true, true) => number <= bound,
            };
            if wrong {
                let than = if below { "greater than" } else { "less than" };
                let or = if strict { "" } else { " or equal to" };
                self.invalid(name, value, &format!("should be {than}{or} {}", shown(bound, whole)));
            }
        }
    }

    fn array(&mut self, items: &[Value], old: Option<&Value>, schema: &'s Value, name: &str) {
        if let Some(found) = schema.get("items") {
            for (index, item) in items.iter().enumerate() {
                self.value(item, counterpart(item, old, schema), found, &format!("{name}[{index}]"));
            }
        }
        if let Some(min) = limit(schema, "minItems")
            && items.len() < min
        {
            self.invalid(name, &Value::from(items.len()), &format!("should have at least {min} items"));
        }
        if let Some(max) = limit(schema, "maxItems")
            && items.len() > max
        {
            self.errors.too_many(&self.path(name), items.len(), max);
        }
    }

    fn one_of_values(&mut self, value: &Value, schema: &Value, name: &str) {
        let Some(values) = schema.get("enum").and_then(Value::as_array).filter(|values| !values.is_empty()) else {
            return;
        };
        if values.contains(value) {
            return;
        }
        let texts: Vec<String> =
            values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        self.errors.not_supported(&self.path(name), value, &texts);
    }

    fn object(&mut self, map: &Map<String, Value>, old: Option<&Value>, schema: &'s Value, name: &str) {
        let before = |key: &str| old.and_then(|old| old.get(key));
        if let Some(min) = limit(schema, "minProperties")
            && map.len() < min
        {
            self.invalid(name, &Value::from(map.len()), &format!("should have at least {min} properties"));
        }
        if let Some(max) = limit(schema, "maxProperties")
            && map.len() > max
        {
            self.errors.too_many(&self.path(name), map.len(), max);
        }
        if let Some(Some(found)) = additional(schema) {
            for (key, value) in map.iter().filter(|(key, _)| super::property(schema, key).is_none()) {
                self.value(value, before(key), found, &format!("{name}.{key}"));
            }
        }
        for (key, property) in properties(schema) {
            if let Some(value) = map.get(key) {
                let below = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                self.value(value, before(key), property, &below);
            }
        }
        for key in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !map.contains_key(key) {
                self.errors.required(&self.path(&format!("{name}.{key}")), "");
            }
        }
    }

    fn invalid(&mut self, name: &str, value: &Value, message: &str) {
        self.push(Reason::Invalid, name, &format!("Invalid value: {value}: {name} in body {message}"));
    }

    /// A failure that names its place in the message alone.
    fn general(&mut self, message: &str) {
        self.errors.push(Reason::Invalid, self.base, format!("Invalid value: \"\": {message}"));
    }

    fn push(&mut self, reason: Reason, name: &str, message: &str) {
        self.errors.push(reason, &self.path(name), message);
    }

    fn path(&self, name: &str) -> Path {
        let name = name.strip_prefix('.').unwrap_or(name);
        if name.is_empty() { self.base.clone() } else { self.base.child(name) }
    }
}

fn format(schema: &Value) -> &str {
    schema.get("format").and_then(Value::as_str).unwrap_or_default()
}

fn limit(schema: &Value, key: &str) -> Option<usize> {
    usize::try_from(schema.get(key)?.as_u64()?).ok()
}

/// A bound as Go's `%v` shows it: as a whole number beside one, else as `%g`.
fn shown(bound: f64, whole: bool) -> String {
    if whole {
        return format!("{:.0}", bound.trunc());
    }
    let text = format!("{bound:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..21).contains(&exponent) && bound.abs() < 1e6 || bound == 0.0 {
        return bound.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}
