//! The version 2 document as the protobuf message `openapi.v2.Document` of gnostic. Models and paths
//! come as JSON and are turned into messages one by one; field numbers are those of OpenAPIv2.proto.

use std::io::{self, Write};

use serde_json::{Map, Value};

use super::{Edition, Resource, models, paths};

pub(super) fn document(resources: &[Resource<'_>], out: &mut dyn Write) -> io::Result<()> {
    let mut head = Vec::new();
    text(1, "2.0", &mut head);
    message(2, &mut head, |info| {
        text(1, "Kubernetes", info);
        text(2, "v1.37.0", info);
    });
    out.write_all(&head)?;
    // The length of what holds all paths, and of what holds all models, comes before them: they are
    // made twice rather than kept.
    let mut each_path = |visit: &mut dyn FnMut(&[u8]) -> io::Result<()>| {
        paths::each(Edition::V2, resources, &mut |name, item| {
            let mut entry = Vec::new();
            message(2, &mut entry, |named| {
                text(1, name, named);
                message(2, named, |value| path_item(item, value));
            });
            visit(&entry)
        })
    };
    write_all(8, &mut each_path, out)?;
    let mut each_model = |visit: &mut dyn FnMut(&[u8]) -> io::Result<()>| {
        models::each(Edition::V2, resources, &mut |name, model| {
            let mut entry = Vec::new();
            message(1, &mut entry, |named| {
                text(1, name, named);
                message(2, named, |value| schema(model, value));
            });
            visit(&entry)
        })
    };
    write_all(9, &mut each_model, out)
}

/// Calls back with one entry after the other.
type Entries<'a> = dyn FnMut(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> + 'a;

fn write_all(number: u64, entries: &mut Entries<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut length = 0u64;
    entries(&mut |entry| {
        length += entry.len() as u64;
        Ok(())
    })?;
    let mut head = Vec::new();
    varint(number << 3 | 2, &mut head);
    varint(length, &mut head);
    out.write_all(&head)?;
    entries(&mut |entry| out.write_all(entry))
}

fn path_item(item: &Value, out: &mut Vec<u8>) {
    for (number, method) in [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (8, "patch")] {
        if let Some(found) = item.get(method) {
            message(number, out, |out| operation(found, out));
        }
    }
    parameters(9, item, out);
}

fn operation(item: &Value, out: &mut Vec<u8>) {
    strings(1, item.get("tags"), out);
    optional(3, item.get("description"), out);
    optional(5, item.get("operationId"), out);
    strings(6, item.get("produces"), out);
    strings(7, item.get("consumes"), out);
    parameters(8, item, out);
    message(9, out, |out| {
        for (code, response) in item.get("responses").and_then(Value::as_object).into_iter().flatten() {
            message(1, out, |named| {
                text(1, code, named);
                message(2, named, |value| {
                    message(1, value, |out| {
                        optional(1, response.get("description"), out);
                        if let Some(found) = response.get("schema") {
                            message(2, out, |item| message(1, item, |out| schema(found, out)));
                        }
                    });
                });
            });
        }
    });
    strings(10, item.get("schemes"), out);
    extensions(13, item.as_object(), out);
}

fn parameters(number: u64, item: &Value, out: &mut Vec<u8>) {
    for found in item.get("parameters").and_then(Value::as_array).into_iter().flatten() {
        message(number, out, |item| message(1, item, |out| parameter(found, out)));
    }
}

fn parameter(found: &Value, out: &mut Vec<u8>) {
    let required = found.get("required") == Some(&Value::Bool(true));
    match found.get("in").and_then(Value::as_str) {
        Some("body") => message(1, out, |body| {
            optional(2, found.get("name"), body);
            text(3, "body", body);
            flag(4, required, body);
            if let Some(found) = found.get("schema") {
                message(5, body, |out| schema(found, out));
            }
        }),
        place => message(2, out, |other| {
            // Query and path parameters differ in the numbers behind the name.
            let (variant, ty, unique) = if place == Some("path") { (4, 5, 18) } else { (3, 6, 20) };
            message(variant, other, |out| {
                flag(1, required, out);
                optional(2, found.get("in"), out);
                optional(3, found.get("description"), out);
                optional(4, found.get("name"), out);
                optional(ty, found.get("type"), out);
                flag(unique, found.get("uniqueItems") == Some(&Value::Bool(true)), out);
            });
        }),
    }
}

fn schema(found: &Value, out: &mut Vec<u8>) {
    optional(1, found.get("$ref"), out);
    optional(2, found.get("format"), out);
    optional(3, found.get("title"), out);
    optional(4, found.get("description"), out);
    for (number, name) in [(7, "maximum"), (9, "minimum")] {
        if let Some(value) = found.get(name).and_then(Value::as_f64) {
            varint(number << 3 | 1, out);
            out.extend(value.to_le_bytes());
        }
    }
    flag(8, found.get("exclusiveMaximum") == Some(&Value::Bool(true)), out);
    flag(10, found.get("exclusiveMinimum") == Some(&Value::Bool(true)), out);
    for (number, name) in [(11, "maxLength"), (12, "minLength")] {
        whole(number, found.get(name), out);
    }
    optional(13, found.get("pattern"), out);
    for (number, name) in [(14, "maxItems"), (15, "minItems")] {
        whole(number, found.get(name), out);
    }
    for (number, name) in [(17, "maxProperties"), (18, "minProperties")] {
        whole(number, found.get(name), out);
    }
    strings(19, found.get("required"), out);
    for value in found.get("enum").and_then(Value::as_array).into_iter().flatten() {
        message(20, out, |any| text(2, &value.to_string(), any));
    }
    match found.get("additionalProperties") {
        None => {}
        Some(Value::Bool(on)) => message(21, out, |item| {
            varint(2 << 3, item);
            varint(u64::from(*on), item);
        }),
        Some(inner) => message(21, out, |item| message(1, item, |out| schema(inner, out))),
    }
    if let Some(ty) = found.get("type").and_then(Value::as_str) {
        message(22, out, |item| text(1, ty, item));
    }
    if let Some(items) = found.get("items") {
        message(23, out, |item| message(1, item, |out| schema(items, out)));
    }
    if let Some(properties) = found.get("properties").and_then(Value::as_object) {
        message(25, out, |out| {
            for (name, property) in properties {
                message(1, out, |named| {
                    text(1, name, named);
                    message(2, named, |out| schema(property, out));
                });
            }
        });
    }
    extensions(31, found.as_object(), out);
}

/// What begins with `x-`, each as a piece of YAML.
fn extensions(number: u64, found: Option<&Map<String, Value>>, out: &mut Vec<u8>) {
    for (name, value) in found.into_iter().flatten().filter(|(name, _)| name.starts_with("x-")) {
        message(number, out, |named| {
            text(1, name, named);
            message(2, named, |any| text(2, &value.to_string(), any));
        });
    }
}

fn optional(number: u64, value: Option<&Value>, out: &mut Vec<u8>) {
    if let Some(value) = value.and_then(Value::as_str) {
        text(number, value, out);
    }
}

fn strings(number: u64, value: Option<&Value>, out: &mut Vec<u8>) {
    for value in value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        text(number, value, out);
    }
}

fn whole(number: u64, value: Option<&Value>, out: &mut Vec<u8>) {
    if let Some(value) = value.and_then(Value::as_u64) {
        varint(number << 3, out);
        varint(value, out);
    }
}

fn flag(number: u64, on: bool, out: &mut Vec<u8>) {
    if on {
        varint(number << 3, out);
        out.push(1);
    }
}

fn text(number: u64, value: &str, out: &mut Vec<u8>) {
    varint(number << 3 | 2, out);
    varint(value.len() as u64, out);
    out.extend(value.as_bytes());
}

fn message(number: u64, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    write(&mut inner);
    varint(number << 3 | 2, out);
    varint(inner.len() as u64, out);
    out.extend(inner);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f).to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}
