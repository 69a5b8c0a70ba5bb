//! Merging of lists in a strategic merge patch: by a key, or as sets of scalars, and the order that
//! comes out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{DIRECTIVE, Failure, Strategy, bad_directive, go_text, merge as merge_maps, taken};

/// What a list is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Maps,
    Scalars,
}

/// What two lists are made of; all their items must be of one type.
pub(super) fn kind(left: &[Value], right: &[Value]) -> Result<Kind, Failure> {
    let mut items = left.iter().chain(right);
    let Some(first) = items.next() else {
        return Err(Failure::Other("no elements in any of the given slices".to_owned()));
    };
    if first.is_array() {
        return Err(Failure::ListOfLists);
    }
    if items.any(|item| sort(item) != sort(first)) {
        let shown: Vec<String> = [left, right].iter().map(|list| go_text(&Value::Array(list.to_vec()))).collect();
        return Err(Failure::Other(format!("list element types are not identical: [{}]", shown.join(" "))));
    }
    Ok(if first.is_object() { Kind::Maps } else { Kind::Scalars })
}

fn sort(value: &Value) -> &'static str {
    super::go_type(value)
}

/// Merges `patch` into `original`, or takes the items of `patch` from it.
pub(super) fn merge(
    original: Vec<Value>,
    patch: Vec<Value>,
    strategy: &Strategy<'_>,
    deleting: bool,
) -> Result<Vec<Value>, Failure> {
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    let kind = kind(&original, &patch)?;
    if kind == Kind::Scalars {
        if deleting {
            let gone: BTreeSet<String> = patch.iter().map(Value::to_string).collect();
            return Ok(original.into_iter().filter(|item| !gone.contains(&item.to_string())).collect());
        }
        let mut seen = BTreeSet::new();
        let both = original.iter().chain(&patch).filter(|item| seen.insert(item.to_string())).cloned().collect();
        return ordered(both, &patch, &original, "", kind);
    }
    let key = strategy.key;
    if key.is_empty() {
        let name = strategy.typing.and_then(|typing| typing.as_struct()).map(|found| found.name()).unwrap_or_default();
        return Err(Failure::Other(format!("cannot merge lists without merge key for {name}")));
    }
    let (original, patch) = special(original, patch, key)?;
    let mut merged = original.clone();
    let mut places = places(&merged, key);
    for item in &patch {
        let name = key_of(item, key)?.to_string();
        let end = merged.len();
        match (places.get(&name).and_then(|at| merged.get_mut(*at)), item) {
            (Some(Value::Object(own)), Value::Object(item)) => merge_maps(own, item.clone(), strategy.typing)?,
            _ => {
                places.insert(name, end);
                merged.extend(taken(item.clone()));
            }
        }
    }
    ordered(merged, &patch, &original, key, kind)
}

/// Does what items with `$patch` say, and returns both lists without them.
fn special(mut original: Vec<Value>, patch: Vec<Value>, key: &str) -> Result<(Vec<Value>, Vec<Value>), Failure> {
    let mut plain = Vec::with_capacity(patch.len());
    let mut replace = false;
    let mut gone = BTreeSet::new();
    for item in patch {
        let Some(directive) = item.get(DIRECTIVE) else {
            plain.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                gone.insert(key_of(&item, key)?.to_string());
            }
            Some("replace") => replace = true,
            Some("merge") => {
                return Err(Failure::Other("merging lists cannot yet be specified in the patch".to_owned()));
            }
            _ => return Err(bad_directive(directive, &item)),
        }
    }
    original.retain(|item| gone.is_empty() || !item.get(key).is_some_and(|value| gone.contains(&value.to_string())));
    Ok(if replace { (plain, Vec::new()) } else { (original, plain) })
}

fn key_of<'a>(item: &'a Value, key: &str) -> Result<&'a Value, Failure> {
    let Value::Object(map) = item else { return Err(Failure::type_of("map[string]interface {}", item)) };
    map.get(key).ok_or_else(|| Failure::no_merge_key(item, key))
}

/// What tells an item from others: the value of its key, or itself where there is no key.
fn identity(item: &Value, key: &str) -> Option<String> {
    if key.is_empty() { Some(item.to_string()) } else { item.get(key).map(Value::to_string) }
}

/// Where each identity stands first.
fn places(list: &[Value], key: &str) -> BTreeMap<String, usize> {
    let mut places = BTreeMap::new();
    for (index, item) in list.iter().enumerate() {
        if let Some(identity) = identity(item, key) {
            places.entry(identity).or_insert(index);
        }
    }
    places
}

/// Whether the items of a patch stand in the order that goes with it.
pub(super) fn check_order(patch: &[Value], order: &[Value], key: &str) -> Result<(), Failure> {
    if order.is_empty() || patch.is_empty() {
        return Ok(());
    }
    let mut rest = order.iter();
    for item in patch.iter().filter(|item| key.is_empty() || item.get(DIRECTIVE).is_none()) {
        let found = if key.is_empty() {
            rest.any(|other| other == item)
        } else {
            let value = key_of(item, key)?;
            let mut found = false;
            for other in rest.by_ref() {
                if key_of(other, key)? == value {
                    found = true;
                    break;
                }
            }
            found
        };
        if !found {
            let shown = |list: &[Value]| go_text(&Value::Array(list.to_vec()));
            return Err(Failure::Other(format!(
                "The order in patch list:\n{}\n doesn't match {} list:\n{}\n",
                shown(patch),
                super::ORDER,
                shown(order)
            )));
        }
    }
    Ok(())
}

/// Items that the patch names in the order of the patch, and between them the others, which keep
/// the place that they had before `live` where that can be.
pub(super) fn ordered(
    merged: Vec<Value>,
    order: &[Value],
    live: &[Value],
    key: &str,
    kind: Kind,
) -> Result<Vec<Value>, Failure> {
    let key = if kind == Kind::Maps { key } else { "" };
    if !key.is_empty() {
        for item in merged.iter().chain(order).chain(live) {
            key_of(item, key)?;
        }
    }
    let (wanted, before) = (places(order, key), places(live, key));
    let mut theirs = Vec::new();
    let mut ours = Vec::new();
    for item in merged {
        let identity = identity(&item, key).unwrap_or_default();
        let live = before.get(&identity).copied();
        match wanted.get(&identity) {
            Some(place) => theirs.push((*place, live, item)),
            None => ours.push((live, item)),
        }
    }
    theirs.sort_by_key(|(place, _, _)| *place);
    ours.sort_by_key(|(live, _)| *live);
    let mut out = Vec::with_capacity(theirs.len() + ours.len());
    let mut ours = ours.into_iter().peekable();
    for (_, live, item) in theirs {
        let earlier = |own: &(Option<usize>, Value)| matches!((own.0, live), (Some(own), Some(item)) if own < item);
        while let Some((_, own)) = ours.next_if(earlier) {
            out.push(own);
        }
        out.push(item);
    }
    out.extend(ours.map(|(_, item)| item));
    Ok(out)
}
