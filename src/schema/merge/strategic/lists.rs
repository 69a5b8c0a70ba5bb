//! Merging of lists in a strategic merge patch: by a key, or as sets of scalars, and the order that
//! comes out.

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
            return Ok(original.into_iter().filter(|item| !patch.contains(item)).collect());
        }
        let mut both: Vec<Value> = Vec::with_capacity(original.len() + patch.len());
        for item in original.iter().chain(&patch) {
            if !both.contains(item) {
                both.push(item.clone());
            }
        }
        return ordered(both, &patch, &original, "", kind);
    }
    let key = strategy.key;
    if key.is_empty() {
        let name = strategy.typing.and_then(|typing| typing.as_struct()).map(|found| found.name()).unwrap_or_default();
        return Err(Failure::Other(format!("cannot merge lists without merge key for {name}")));
    }
    let (original, patch) = special(original, patch, key)?;
    let mut merged = original.clone();
    for item in &patch {
        let value = key_of(item, key)?;
        match find(&merged, key, value)? {
            Some(at) => {
                if let (Some(Value::Object(own)), Value::Object(item)) = (merged.get_mut(at), item) {
                    merge_maps(own, item.clone(), strategy.typing)?;
                }
            }
            None => merged.extend(taken(item.clone())),
        }
    }
    ordered(merged, &patch, &original, key, kind)
}

/// Does what items with `$patch` say, and returns both lists without them.
fn special(mut original: Vec<Value>, patch: Vec<Value>, key: &str) -> Result<(Vec<Value>, Vec<Value>), Failure> {
    let mut plain = Vec::with_capacity(patch.len());
    let mut replace = false;
    for item in patch {
        let Some(directive) = item.get(DIRECTIVE) else {
            plain.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let value = key_of(&item, key)?;
                while let Some(at) = find(&original, key, value)? {
                    original.remove(at);
                }
            }
            Some("replace") => replace = true,
            Some("merge") => {
                return Err(Failure::Other("merging lists cannot yet be specified in the patch".to_owned()));
            }
            _ => return Err(bad_directive(directive, &item)),
        }
    }
    Ok(if replace { (plain, Vec::new()) } else { (original, plain) })
}

fn key_of<'a>(item: &'a Value, key: &str) -> Result<&'a Value, Failure> {
    let Value::Object(map) = item else { return Err(Failure::type_of("map[string]interface {}", item)) };
    map.get(key).ok_or_else(|| Failure::no_merge_key(item, key))
}

fn find(list: &[Value], key: &str, value: &Value) -> Result<Option<usize>, Failure> {
    for (index, item) in list.iter().enumerate() {
        let Value::Object(map) = item else {
            return Err(Failure::Other(format!("value for key {index} is not a map.")));
        };
        if map.get(key) == Some(value) {
            return Ok(Some(index));
        }
    }
    Ok(None)
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
    let by_key = kind == Kind::Maps && !key.is_empty();
    if by_key {
        for item in merged.iter().chain(order).chain(live) {
            key_of(item, key)?;
        }
    }
    let place = |list: &[Value], item: &Value| {
        let same = |other: &Value| if by_key { other.get(key) == item.get(key) } else { other == item };
        list.iter().position(same)
    };
    let (mut theirs, mut ours): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|item| place(order, item).is_some());
    theirs.sort_by_key(|item| place(order, item));
    ours.sort_by_key(|item| place(live, item));
    let mut out = Vec::with_capacity(theirs.len() + ours.len());
    let mut ours = ours.into_iter().peekable();
    for item in theirs {
        let before = place(live, &item);
        while let Some(own) = ours.next_if(|own| match (place(live, own), before) {
            (Some(own), Some(item)) => own < item,
            _ => false,
        }) {
            out.push(own);
        }
        out.push(item);
    }
    out.extend(ours);
    Ok(out)
}
