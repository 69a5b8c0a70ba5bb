//! Managed fields of the `scale` subresource: of the entries of an object, those that have its
//! number of replicas show in its Scale, and what a writer of the Scale takes over goes back.

use std::borrow::Cow;

use serde_json::Value;

use super::fields::Set;
use super::managed::{self, Entry, Operation};

/// API version of Scale.
const VERSION: &str = "autoscaling/v1";
const REPLICAS: [&str; 2] = ["spec", "replicas"];

/// Where an object of some API version keeps its number of replicas.
#[derive(Clone, Copy, Debug)]
pub struct Replicas<'a> {
    /// API version of the object.
    pub api_version: &'a str,
    /// Names of the fields, such as `spec`, `replicas`; empty where that version has no scale.
    pub path: &'a [&'a str],
}

fn place<'a>(places: &[Replicas<'a>], version: &str) -> Option<&'a [&'a str]> {
    places.iter().find(|place| place.api_version == version).map(|place| place.path)
}

/// `managedFields` of the Scale of an object with these entries.
///
/// # Errors
/// What is wrong with the first bad entry.
pub fn to_scale(parent: Option<&Value>, places: &[Replicas<'_>]) -> Result<Option<Value>, String> {
    let mut entries = managed::decode(parent)?;
    entries.retain(|entry| {
        place(places, &entry.api_version).is_some_and(|path| !path.is_empty() && entry.fields.has_path(path))
    });
    for entry in &mut entries {
        entry.api_version = Cow::Borrowed(VERSION);
        entry.fields = Set::of_path(&REPLICAS);
    }
    Ok(managed::encode(entries))
}

/// `managedFields` of an object after its Scale has been written. `scale` are the entries of the
/// Scale, `api_version` that of the object.
///
/// # Errors
/// What is wrong with the first bad entry.
pub fn to_parent(
    parent: Option<&Value>,
    scale: Option<&Value>,
    api_version: &str,
    places: &[Replicas<'_>],
) -> Result<Option<Value>, String> {
    let mut written = managed::decode(scale)?;
    let before = managed::decode(parent)?;
    let mut entries: Vec<Entry<'_>> = Vec::with_capacity(before.len() + written.len());
    for mut entry in before.iter().cloned() {
        let Some(path) = place(places, &entry.api_version) else { continue };
        if path.is_empty() || !entry.fields.has_path(path) {
            entries.push(entry);
            continue;
        }
        if let Some(at) = written.iter().position(|own| own.is_same(&entry)) {
            // Still the same applier's.
            written.remove(at);
        } else {
            entry.fields = entry.fields.difference(&Set::of_path(path));
        }
        if !entry.fields.is_empty() {
            entries.push(entry);
        }
    }
    let path = place(places, api_version).unwrap_or_default();
    for entry in written.into_iter().filter(|entry| entry.fields.has_path(&REPLICAS)) {
        let time = before.iter().find(|own| own.is_same(&entry)).and_then(|own| own.time.clone());
        let same = |own: &&mut Entry<'_>| own.operation == Operation::Apply && own.is_same(&entry);
        let fields = Set::of_path(path);
        match entries.iter_mut().find(same) {
            Some(own) => *own = Entry { time, fields, ..own.clone() },
            None => entries.push(Entry { api_version: Cow::Borrowed(api_version), time, fields, ..entry }),
        }
    }
    Ok(managed::encode(entries))
}

#[cfg(test)]
mod tests;
