//! The hash of a pod template, as it stands in `pod-template-hash` and in the names of replica sets.
//!
//! Upstream hashes (FNV-1a, 32 bits) what Go's spew prints of a `v1.PodTemplateSpec` with `%#v`: every
//! field, the unset ones too, with its Go name and type, in the order of the struct. Replica sets of a
//! cluster keep their names only where this is the same to the letter. It knows no controllers.

use serde_json::Value;

use crate::schema::object::Object;
use crate::schema::table::{Scalar, Shape, Struct, Type};

mod names;
mod quantity;

use names::go_field;

/// The hash of a template; `collisions` is `status.collisionCount` of its owner.
#[must_use]
pub fn template_hash(template: &Value, collisions: Option<i64>) -> String {
    let mut hasher = Fnv::new();
    if let Some(ty) = template_type() {
        dump(&mut hasher, ty, template);
    }
    if let Some(count) = collisions {
        let low = u32::try_from(count).unwrap_or_default().to_le_bytes();
        hasher.bytes(&low);
        hasher.bytes(&[0; 4]);
    }
    safe(&hasher.0.to_string())
}

/// The type of `spec.template` of a Deployment.
fn template_type() -> Option<Struct<'static>> {
    let spec = Type::builtin("apps", "v1", "Deployment")?.as_struct()?.field("spec")?;
    spec.ty().as_struct()?.field("template")?.ty().as_struct()
}

/// FNV-1a with 32 bits, fed with text.
struct Fnv(u32);

impl Fnv {
    fn new() -> Self {
        Self(0x811c_9dc5)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }
}

impl std::fmt::Write for Fnv {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

/// Maps digits to letters that form no words, as generated names have them.
fn safe(digits: &str) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    digits.bytes().filter_map(|byte| LETTERS.get(usize::from(byte) % LETTERS.len())).map(|b| char::from(*b)).collect()
}

/// Prints a struct with its type, as spew does with `%#v`.
pub fn dump(out: &mut impl std::fmt::Write, ty: Struct<'_>, value: &Value) {
    // Writing to a hasher or a text does not fail; neither do the writes below.
    let _ = write!(out, "({})", ty.go_name());
    fields(out, ty, value);
}

fn fields(out: &mut impl std::fmt::Write, ty: Struct<'_>, value: &Value) {
    let _ = out.write_char('{');
    for (index, field) in ty.own_fields().enumerate() {
        if index > 0 {
            let _ = out.write_char(' ');
        }
        let inner = field.ty();
        if field.is_inline() {
            // An embedded struct has the name of its type.
            let name = inner.as_struct().map_or("", Struct::name);
            let _ = write!(out, "{name}:({})", inner.go_name());
            content(out, inner, value);
            continue;
        }
        let _ = write!(out, "{}:", go_field(ty.name(), field.name()));
        let found = value.get(field.name()).filter(|found| !found.is_null());
        match found {
            // A pointer to nothing shows its star; one to something does not, by a habit of spew.
            None if field.is_pointer() => {
                let _ = write!(out, "(*{})<nil>", inner.go_name());
            }
            Some(found) if field.is_pointer() => {
                let _ = write!(out, "(*{})", inner.go_name());
                content(out, inner, found);
            }
            found => {
                let _ = write!(out, "({})", inner.go_name());
                content(out, inner, found.unwrap_or(&Value::Null));
            }
        }
    }
    let _ = out.write_char('}');
}

/// Prints a value without its type. `null` is the zero value.
fn content(out: &mut impl std::fmt::Write, ty: Type<'_>, value: &Value) {
    let _ = match ty.shape() {
        Shape::Struct(inner) => {
            fields(out, inner, value);
            Ok(())
        }
        Shape::List { item, .. } => {
            list(out, item, value.list(""));
            Ok(())
        }
        Shape::Map { value: inner, .. } => {
            map(out, inner, value);
            Ok(())
        }
        Shape::Scalar(kind) => scalar(out, kind, value),
        Shape::Any => out.write_str("{Raw:([]uint8)<nil>}"),
    };
}

fn list(out: &mut impl std::fmt::Write, item: Type<'_>, items: &[Value]) {
    if items.is_empty() {
        let _ = out.write_str("<nil>");
        return;
    }
    let _ = out.write_char('[');
    for (index, value) in items.iter().enumerate() {
        if index > 0 {
            let _ = out.write_char(' ');
        }
        content(out, item, value);
    }
    let _ = out.write_char(']');
}

fn map(out: &mut impl std::fmt::Write, inner: Type<'_>, value: &Value) {
    let Some(entries) = value.as_object().filter(|entries| !entries.is_empty()) else {
        let _ = out.write_str("<nil>");
        return;
    };
    let _ = out.write_str("map[");
    for (index, (key, value)) in entries.iter().enumerate() {
        if index > 0 {
            let _ = out.write_char(' ');
        }
        let _ = write!(out, "{key}:");
        content(out, inner, value);
    }
    let _ = out.write_char(']');
}

fn scalar(out: &mut impl std::fmt::Write, kind: Scalar, value: &Value) -> std::fmt::Result {
    match kind {
        Scalar::String => out.write_str(value.as_str().unwrap_or_default()),
        Scalar::Bool => write!(out, "{}", value.as_bool().unwrap_or_default()),
        Scalar::Int32 | Scalar::Int64 => write!(out, "{}", value.as_i64().unwrap_or_default()),
        Scalar::Float => write!(out, "{}", value.as_f64().unwrap_or_default()),
        Scalar::Bytes => out.write_str("<nil>"),
        Scalar::Quantity => quantity::dump(out, value.as_str().unwrap_or_default()),
        Scalar::IntOrString => {
            let (kind, text) = (i32::from(value.is_string()), value.as_str().unwrap_or_default());
            let number = value.as_i64().unwrap_or_default();
            write!(out, "{{Type:(intstr.Type){kind} IntVal:(int32){number} StrVal:(string){text}}}")
        }
        // No template has a time but those that the server clears.
        Scalar::Time | Scalar::MicroTime => {
            out.write_str("{Time:(time.Time){wall:(uint64)0 ext:(int64)0 loc:(*time.Location)<nil>}}")
        }
        Scalar::Duration => out.write_str("{Duration:(time.Duration)0}"),
    }
}

#[cfg(test)]
mod tests;
