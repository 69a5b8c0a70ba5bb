//! Laying a partial object over a whole one: the merge of server-side apply, which takes nothing
//! away.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Element, Fields, Form, Typing, element, entries, form, is_leaf, items};
use crate::schema::table::ListTopology;

/// `old` with all that `patch` says laid over it. Lists with keys keep the order of `old` where
/// `patch` does not ask for another one.
///
/// # Errors
/// Text that says which list cannot be merged, with its path.
pub fn combine(old: &Value, patch: &Value, typing: Typing<'_>) -> Result<Value, String> {
    Ok(both(Some(old), Some(patch), typing)?.unwrap_or_default())
}

fn both(old: Option<&Value>, new: Option<&Value>, typing: Typing<'_>) -> Result<Option<Value>, String> {
    let Some(patch) = new else { return Ok(old.cloned()) };
    if old.is_none() && !patch.is_object() && !patch.is_array() {
        return Ok(Some(patch.clone()));
    }
    match form(typing, new) {
        Form::Map { fields, atomic: false } if entries(old).is_some() || entries(new).is_some() => {
            maps(entries(old), entries(new), fields).map(Some)
        }
        Form::List { item, topology } if !is_leaf(topology, old, new) => {
            lists(items(old), items(new), item, topology).map(Some)
        }
        _ => Ok(Some(patch.clone())),
    }
}

fn at(path: &dyn std::fmt::Display, words: String) -> String {
    let between = if words.starts_with(['.', '[']) { "" } else { ": " };
    format!("{path}{between}{words}")
}

fn maps(
    old: Option<&Map<String, Value>>,
    new: Option<&Map<String, Value>>,
    fields: Fields<'_>,
) -> Result<Value, String> {
    let mut out = Map::new();
    for (key, value) in old.into_iter().flatten() {
        let patch = new.and_then(|map| map.get(key));
        let merged = both(Some(value), patch, fields.typing(key)).map_err(|words| at(&format!(".{key}"), words))?;
        out.extend(merged.map(|merged| (key.clone(), merged)));
    }
    for (key, value) in new.into_iter().flatten() {
        if !old.is_some_and(|map| map.contains_key(key)) {
            let merged = both(None, Some(value), fields.typing(key)).map_err(|words| at(&format!(".{key}"), words))?;
            out.extend(merged.map(|merged| (key.clone(), merged)));
        }
    }
    Ok(Value::Object(out))
}

struct Indexed<'a> {
    order: Vec<Element<'a>>,
    values: BTreeMap<Element<'a>, &'a Value>,
}

const NULL: &Value = &Value::Null;

fn index<'a>(
    list: &'a [Value],
    item: Typing<'a>,
    topology: ListTopology<'a>,
    doubles: bool,
) -> Result<Indexed<'a>, String> {
    let mut found = Indexed { order: Vec::with_capacity(list.len()), values: BTreeMap::new() };
    for (place, value) in list.iter().enumerate() {
        let element = element(item, topology, value).map_err(|words| format!("element {place}: {words}"))?;
        if !found.values.contains_key(&element) {
            found.values.insert(element.clone(), value);
        } else if doubles {
            // Doubled items are not merged with a new one.
            found.values.insert(element.clone(), NULL);
        } else {
            return Err(format!("duplicate entries for key {element}"));
        }
        found.order.push(element);
    }
    Ok(found)
}

fn lists(old: &[Value], new: &[Value], item: Typing<'_>, topology: ListTopology<'_>) -> Result<Value, String> {
    let right = index(new, item, topology, false)?;
    let left = index(old, item, topology, true)?;
    let mut shared = right.order.iter().filter(|element| left.values.contains_key(element));
    let mut next = shared.next();
    let mut out = Vec::with_capacity(old.len().max(new.len()));
    let mut merged: BTreeSet<&Element<'_>> = BTreeSet::new();
    let put = |out: &mut Vec<Value>, element: &Element<'_>, old: Option<&Value>, new: Option<&Value>| {
        let value = both(old, new, item).map_err(|words| at(element, words))?;
        out.extend(value);
        Ok::<(), String>(())
    };
    let (mut l, mut r) = (0, 0);
    while l < left.order.len() || r < right.order.len() {
        if let (Some(ours), Some(theirs)) = (left.order.get(l), right.order.get(r)) {
            if ours == theirs {
                merged.insert(theirs);
                let (old, new) = (left.values.get(ours).copied(), right.values.get(ours).copied());
                put(&mut out, ours, old, new)?;
                l += 1;
                r += 1;
                next = shared.next();
                continue;
            }
            // Also in the patch, but not the one whose turn it is.
            if right.values.contains_key(ours) && next.is_some_and(|next| next != ours) {
                l += 1;
                continue;
            }
        }
        if let Some(ours) = left.order.get(l) {
            if !right.values.contains_key(ours) {
                put(&mut out, ours, old.get(l), None)?;
                l += 1;
                continue;
            }
            if merged.contains(ours) {
                l += 1;
            }
        }
        if let Some(theirs) = right.order.get(r) {
            merged.insert(theirs);
            let (old, new) = (left.values.get(theirs).copied(), right.values.get(theirs).copied());
            put(&mut out, theirs, old, new)?;
            r += 1;
            if next == Some(theirs) {
                next = shared.next();
            }
        }
    }
    Ok(Value::Array(out))
}
