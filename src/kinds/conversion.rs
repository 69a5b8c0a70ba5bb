//! Versions of one kind: how an object goes from the version that a client speaks to the one in
//! which it is stored, and back. A conversion knows the two shapes and nothing else; setting
//! `apiVersion` and bringing the outcome into canonical form is the registry's work.

use serde_json::{Map, Value};

/// The way between a served version and the stored one. Neither way may fail: what the other shape
/// has no place for is carried in annotations or, where upstream loses it, lost.
pub trait Conversion: Send + Sync {
    /// Group of the stored kind; empty for the core group.
    fn group(&self) -> &'static str;

    /// Version of the stored kind.
    fn version(&self) -> &'static str;

    /// Gives an object of the served version the stored shape.
    fn store(&self, object: &mut Value);

    /// Gives a stored object the shape of the served version.
    fn show(&self, object: &mut Value);
}

/// Gives fields other names; a field that is absent stays so.
pub fn rename<'n>(map: &mut Map<String, Value>, names: impl Iterator<Item = (&'n str, &'n str)>) {
    let moved: Vec<(&str, Option<Value>)> = names.map(|(from, to)| (to, map.remove(from))).collect();
    for (name, value) in moved {
        if let Some(value) = value {
            map.insert(name.to_owned(), value);
        }
    }
}
