//! The entries of `metadata.managedFields`: reading and writing them, and telling them apart.
//!
//! An entry belongs to a manager, an operation, a subresource and, for updates, an API version.
//! What a request does to the entries is decided in [`super::apply`] and [`super::update`].

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::fields::Set;
use crate::schema::object::Object;

/// How a manager came by its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By a create, an update or any other patch.
    Update,
}

impl Operation {
    /// The operation as it stands in an entry.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// One entry: a manager and the fields that it manages.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Name of the manager.
    pub manager: Cow<'a, str>,
    /// How it came by the fields.
    pub operation: Operation,
    /// API version in which the fields are named.
    pub api_version: Cow<'a, str>,
    /// Subresource that was written; empty for the object itself.
    pub subresource: Cow<'a, str>,
    /// When the entry last changed, RFC 3339.
    pub time: Option<Cow<'a, str>>,
    /// The fields.
    pub fields: Set<'a>,
}

impl Entry<'_> {
    /// Whether both are the same entry at two times. The API version does not count for appliers.
    #[must_use]
    pub fn is_same(&self, other: &Entry<'_>) -> bool {
        self.manager == other.manager
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    /// The manager as conflicts name it: `"a" with subresource "status" using apps/v1`.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut text = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }

    /// The order in which conflicts list their managers.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        let key = |entry: &Self| {
            let version = if entry.operation == Operation::Apply { "" } else { entry.api_version.as_ref() };
            format!("{:?}{:?}{version:?}{:?}", entry.manager, entry.operation, entry.subresource)
        };
        key(self).cmp(&key(other))
    }

    fn to_value(&self) -> Value {
        let mut entry = json!({
            "manager": self.manager,
            "operation": self.operation.as_str(),
            "apiVersion": self.api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields.to_value(),
        });
        if let (Some(time), Some(map)) = (&self.time, entry.as_object_mut()) {
            map.insert("time".to_owned(), time.as_ref().into());
        }
        if let (false, Some(map)) = (self.subresource.is_empty(), entry.as_object_mut()) {
            map.insert("subresource".to_owned(), self.subresource.as_ref().into());
        }
        entry
    }
}

/// Reads a list of entries; an absent list is an empty one.
///
/// # Errors
/// What is wrong with the first bad entry.
pub fn decode(list: Option<&Value>) -> Result<Vec<Entry<'_>>, String> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut places = BTreeMap::new();
    for (index, value) in list.and_then(Value::as_array).into_iter().flatten().enumerate() {
        let operation = match value.text("/operation") {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return Err("operation must be `Apply` or `Update`".to_owned()),
        };
        if value.text("/apiVersion").is_empty() {
            return Err("apiVersion must not be empty".to_owned());
        }
        match value.text("/fieldsType") {
            "FieldsV1" => {}
            "" => return Err(format!("missing fieldsType in managed fields entry {index}")),
            other => return Err(format!("invalid fieldsType {other:?} in managed fields entry {index}")),
        }
        let fields = value.get("fieldsV1").map_or_else(|| Ok(Set::new()), Set::from_value)?;
        let entry = Entry {
            manager: Cow::Borrowed(value.text("/manager")),
            operation,
            api_version: Cow::Borrowed(value.text("/apiVersion")),
            subresource: Cow::Borrowed(value.text("/subresource")),
            time: value.get("time").and_then(Value::as_str).map(Cow::Borrowed),
            fields,
        };
        let version = if operation == Operation::Apply { "" } else { value.text("/apiVersion") };
        let place = *places
            .entry((value.text("/manager"), operation, version, value.text("/subresource")))
            .or_insert(entries.len());
        match entries.get_mut(place) {
            Some(own) => *own = entry,
            None => entries.push(entry),
        }
    }
    Ok(entries)
}

/// The entries as a list, by operation, time, manager, version and subresource; `None` for no
/// entries.
#[must_use]
pub fn encode(mut entries: Vec<Entry<'_>>) -> Option<Value> {
    if entries.is_empty() {
        return None;
    }
    entries.sort_by(|a, b| {
        (a.operation, &a.time, &a.manager, &a.api_version, &a.subresource).cmp(&(
            b.operation,
            &b.time,
            &b.manager,
            &b.api_version,
            &b.subresource,
        ))
    });
    Some(entries.iter().map(Entry::to_value).collect())
}

/// `metadata.managedFields` of an object.
#[must_use]
pub fn of(object: &Value) -> Option<&Value> {
    object.pointer("/metadata/managedFields").filter(|list| !list.is_null())
}

/// Takes `metadata.managedFields` out of an object.
pub fn take(object: &mut Value) -> Option<Value> {
    let list = object.get_mut("metadata")?.as_object_mut()?.remove("managedFields")?;
    Some(list).filter(|list| !list.is_null())
}

/// Puts `metadata.managedFields` into an object, or removes it.
pub fn put(object: &mut Value, list: Option<Value>) {
    match list {
        Some(list) => {
            object.metadata_mut().insert("managedFields".to_owned(), list);
        }
        None => drop(take(object)),
    }
}

/// Whether a list asks to forget all managers: it is there and empty, or has one empty entry.
#[must_use]
pub fn is_reset(list: Option<&Value>) -> bool {
    let blank = |entry: &Value| entry.as_object().is_some_and(|map| map.values().all(is_blank));
    match list.and_then(Value::as_array).map(Vec::as_slice) {
        Some([]) => true,
        Some([one]) => blank(one),
        _ => false,
    }
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value == ""
}

/// Undoes a change of times alone: where `new` differs from `live` in nothing else, the entries of
/// `live` are put back, so that nothing needs to be written.
pub fn settle(live: &Value, new: &mut Value) {
    let (Some(old), Some(own)) = (of(live), of(new)) else { return };
    if old != own && timeless(old) == timeless(own) && same_otherwise(live, new) {
        let old = old.clone();
        put(new, Some(old));
    }
}

fn timeless(list: &Value) -> Vec<String> {
    let without = |entry: &Value| {
        let mut map = entry.as_object().cloned().unwrap_or_default();
        map.remove("time");
        Value::Object(map).to_string()
    };
    let mut entries: Vec<String> = list.as_array().into_iter().flatten().map(without).collect();
    entries.sort_unstable();
    entries
}

fn same_otherwise(live: &Value, new: &Value) -> bool {
    let (Some(live), Some(new)) = (live.as_object(), new.as_object()) else { return false };
    let parts = |map: &Map<String, Value>| map.iter().filter(|(key, _)| *key != "metadata").count();
    let unversioned = |map: &Map<String, Value>| {
        let metadata = map.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
        metadata
            .into_iter()
            .filter(|(key, _)| key != "managedFields" && key != "resourceVersion")
            .collect::<Map<String, Value>>()
    };
    parts(live) == parts(new)
        && live.iter().all(|(key, value)| key == "metadata" || new.get(key) == Some(value))
        && unversioned(live) == unversioned(new)
}
