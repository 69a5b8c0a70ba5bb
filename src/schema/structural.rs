//! Structural schemas of custom resources (`openAPIV3Schema`): what is pruned, what is defaulted, what is
//! refused, and the schema table by which server-side apply merges.
//!
//! Works on the schema as JSON, as it stands in a CustomResourceDefinition that was accepted. Rules in
//! the common expression language are not its work. Source: the documentation of CustomResourceDefinitions (pruning, defaulting,
//! nullable, embedded resources) and the behaviour of apiextensions-apiserver.

mod formats;
mod table;
#[cfg(test)]
mod tests;
mod validate;

use serde_json::{Map, Value};

pub use table::table;
pub use validate::{counterpart, validate, validate_embedded, validate_lists};

use super::canonical::canonical;
use super::decode::{metadata_type, retyped};

/// Fields that every object has, and that a schema need not name.
const META: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// A schema; `None` allows nothing.
type Schema<'a> = Option<&'a Value>;

/// Longest text, in bytes, that is matched with a pattern. With [`PATTERN_BYTES`] it bounds what a match costs.
pub const MATCHED_MAX: usize = 64 * 1024;

/// Bytes that a pattern may take when it is compiled.
const PATTERN_BYTES: usize = 256 * 1024;

/// Compiles a pattern; matching takes linear time.
///
/// # Errors
/// What is wrong with it.
pub fn regex(pattern: &str) -> Result<regex_lite::Regex, String> {
    let builder = regex_lite::RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).build();
    builder.map_err(|error| error.to_string())
}

/// Whether a pattern compiles. One that uses classes which this engine leaves out (`\p{…}`) is taken, and
/// matches everything.
///
/// # Errors
/// What is wrong with it.
pub fn pattern(text: &str) -> Result<(), String> {
    match regex(text) {
        Err(error) if !text.contains("\\p") && !text.contains("\\P") && !text.contains("[[:") => Err(error),
        _ => Ok(()),
    }
}

/// Brings a custom resource that was just read to the form of its schema: `metadata` read by its type,
/// unknown fields and senseless nulls gone. Returns the strict errors in upstream's order.
///
/// # Errors
/// What in `metadata`, of the object or of one that is embedded in it, has the wrong type.
pub fn coerce(object: &mut Value, schema: &Value) -> Result<Vec<String>, String> {
    let mut unknown = Vec::new();
    let mut metadata = match object.get("metadata") {
        None => None,
        Some(metadata) => Some(read_metadata(metadata, "metadata", &mut unknown)?),
    };
    unknown.extend(prune(object, schema));
    drop_nulls(object, Some(schema));
    let mut embedded = Vec::new();
    coerce_embedded(object, Some(schema), &mut String::new(), &mut embedded)?;
    embedded.sort();
    unknown.extend(embedded);
    if let (Some(metadata), Some(map)) = (metadata.take(), object.as_object_mut()) {
        map.insert("metadata".to_owned(), metadata);
    }
    Ok(unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect())
}

/// Takes away the fields of an object that its schema does not know, and returns their paths, sorted.
pub fn prune(object: &mut Value, schema: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    walk(object, Some(schema), true, &mut String::new(), &mut unknown);
    unknown.sort();
    unknown
}

/// Fills in the defaults of a schema, where a field is absent, or null and may not be so.
pub fn default(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(map) => {
            for (name, property) in properties(schema) {
                if let Some(default) = property.get("default").filter(|default| !default.is_null())
                    && map.get(name).is_none_or(|value| is_senseless_null(value, Some(property)))
                {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in map.iter_mut() {
                if let Some(found) = property(schema, name).or_else(|| additional(schema).flatten()) {
                    default_item(value, found);
                }
            }
        }
        Value::Array(items) => {
            if let Some(found) = schema.get("items") {
                items.iter_mut().for_each(|item| default_item(item, found));
            }
        }
        _ => {}
    }
}

fn default_item(value: &mut Value, schema: &Value) {
    if is_senseless_null(value, Some(schema)) {
        *value = schema.get("default").cloned().unwrap_or(Value::Null);
    }
    default(value, schema);
}

/// Prunes a value; `root` is an object whose meta fields stay, as those of an embedded one do.
fn walk(value: &mut Value, schema: Schema<'_>, root: bool, path: &mut String, unknown: &mut Vec<String>) {
    let embedded = root || schema.is_some_and(|schema| is(schema, "x-kubernetes-embedded-resource"));
    let keeps = schema.is_some_and(|schema| is(schema, "x-kubernetes-preserve-unknown-fields"));
    match value {
        Value::Object(map) => {
            let at_root = path.is_empty();
            map.retain(|name, value| {
                if embedded && META.contains(&name.as_str()) {
                    return true;
                }
                let length = path.len();
                if !at_root {
                    path.push('.');
                }
                path.push_str(name);
                let found = schema.and_then(|schema| property(schema, name).map(Some).or_else(|| additional(schema)));
                let stays = found.is_some() || keeps;
                match found {
                    Some(found) => walk(value, found, false, path, unknown),
                    None if keeps => {}
                    None => unknown.push(path.clone()),
                }
                path.truncate(length);
                stays
            });
        }
        Value::Array(items) => {
            let found = schema.and_then(|schema| schema.get("items"));
            if keeps && found.is_none() {
                return;
            }
            for (index, item) in items.iter_mut().enumerate() {
                let length = path.len();
                path.push_str(&format!("[{index}]"));
                walk(item, found, false, path, unknown);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

/// Takes away fields that are null, may not be null and have no default.
fn drop_nulls(value: &mut Value, schema: Schema<'_>) {
    match value {
        Value::Object(map) => map.retain(|name, value| {
            let found = schema.and_then(|schema| property(schema, name).or_else(|| additional(schema).flatten()));
            if is_senseless_null(value, found) && found.and_then(|found| found.get("default")).is_none() {
                return false;
            }
            drop_nulls(value, found);
            true
        }),
        Value::Array(items) => {
            let found = schema.and_then(|schema| schema.get("items"));
            items.iter_mut().for_each(|item| drop_nulls(item, found));
        }
        _ => {}
    }
}

/// Reads the meta fields of objects that are embedded in this one.
fn coerce_embedded(
    value: &mut Value,
    schema: Schema<'_>,
    path: &mut String,
    unknown: &mut Vec<String>,
) -> Result<(), String> {
    let Some(schema) = schema else { return Ok(()) };
    match value {
        Value::Object(map) => {
            let embedded = is(schema, "x-kubernetes-embedded-resource");
            for (name, value) in map.iter_mut() {
                let length = path.len();
                if length > 0 {
                    path.push('.');
                }
                path.push_str(name);
                match name.as_str() {
                    "apiVersion" | "kind" if embedded && !value.is_string() => {
                        return Err(format!("{path}: Invalid value: {value}: must be a string"));
                    }
                    "metadata" if embedded => {
                        let shown = value.to_string();
                        *value = read_metadata(value, path, unknown)
                            .map_err(|error| format!("{path}: Invalid value: {shown}: {error}"))?;
                        if let Some(map) = value.as_object_mut()
                            && map.get("creationTimestamp").is_some_and(Value::is_null)
                        {
                            map.remove("creationTimestamp");
                        }
                    }
                    _ => {}
                }
                if let Some(found) = property(schema, name).or_else(|| additional(schema).flatten()) {
                    coerce_embedded(value, Some(found), path, unknown)?;
                }
                path.truncate(length);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                let length = path.len();
                path.push_str(&format!("[{index}]"));
                coerce_embedded(item, schema.get("items"), path, unknown)?;
                path.truncate(length);
            }
        }
        _ => {}
    }
    Ok(())
}

/// `metadata` as its type has it; what is unknown in it is told with its path.
fn read_metadata(metadata: &Value, path: &str, unknown: &mut Vec<String>) -> Result<Value, String> {
    let Some(ty) = metadata_type() else { return Ok(metadata.clone()) };
    let mut read = retyped(metadata, ty)?;
    for error in &read.strict {
        // The path stands between quotes, as Go quotes it.
        let inside = error.split_once('"').and_then(|(_, rest)| rest.strip_suffix('"')).unwrap_or(error);
        unknown.push(format!("{path}.{inside}"));
    }
    canonical(&mut read.value, ty);
    Ok(read.value)
}

fn is_senseless_null(value: &Value, schema: Schema<'_>) -> bool {
    value.is_null() && schema.is_some_and(|schema| !is(schema, "nullable"))
}

fn is(schema: &Value, flag: &str) -> bool {
    schema.get(flag) == Some(&Value::Bool(true))
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn property<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema.get("properties")?.get(name)
}

/// The schema of fields without a name of their own: the outer `None` where there are none, the inner
/// one where they are allowed but nothing is said of them.
fn additional(schema: &Value) -> Option<Schema<'_>> {
    match schema.get("additionalProperties")? {
        Value::Object(_) => Some(schema.get("additionalProperties")),
        _ => Some(None),
    }
}
