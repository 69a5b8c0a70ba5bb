//! The way from client-side apply to server-side apply: the annotation in which kubectl keeps what
//! it applied last. Only the manager `kubectl` has to do with it.

use serde_json::Value;

use super::fields::Set;
use super::typed::{compare, field_set, validate};
use super::update::Subject;
use crate::schema::object::Object;

/// The manager that takes over from client-side apply.
pub(super) const MANAGER: &str = "kubectl";
/// The annotation of client-side apply.
pub const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Most bytes of annotations in an object, keys and values together.
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// The fields that were applied by the client and are still as it applied them; `None` where the
/// annotation is absent, cannot be read or is of another version.
pub(super) fn owned(subject: Subject<'_>, live: &Value) -> Option<Set<'static>> {
    let applied: Value = serde_json::from_str(live.annotation(ANNOTATION)?).ok()?;
    if applied.text("/apiVersion") != subject.api_version || validate(&applied, subject.typing, false).is_err() {
        return None;
    }
    let change = compare(&applied, live, subject.typing);
    let set = field_set(&applied, subject.typing);
    Some(set.difference(&change.modified).difference(&change.added).difference(&change.removed).into_owned())
}

/// Brings the annotation of `object`, where it has one, up to what has just been applied.
pub(super) fn refresh(object: &mut Value, patch: &Value) {
    if object.annotation(ANNOTATION).is_none_or(str::is_empty) {
        return;
    }
    let mut applied = patch.clone();
    let inner = applied.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
    if let Some(annotations) = inner {
        annotations.remove(ANNOTATION);
    }
    let text = format!("{}\n", escaped(&applied.to_string()));
    let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) else { return };
    annotations.insert(ANNOTATION.to_owned(), text.into());
    let size = |(key, value): (&String, &Value)| key.len() + value.as_str().map_or(0, str::len);
    if annotations.iter().map(size).sum::<usize>() > MAX_ANNOTATIONS {
        annotations.remove(ANNOTATION);
    }
}

/// JSON as Go writes it, with the signs that matter in HTML escaped.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            other => text.push(other),
        }
    }
    text
}
