//! Taking fields out of an object.

use serde_json::Value;

use super::{Form, Typing, element, form, named};
use crate::schema::merge::fields::Set;
use crate::schema::table::ListTopology;

/// `value` without the members of `fields`. A map or a list of which nothing is left becomes
/// `null`, and so does a leaf of which a part is to go.
#[must_use]
pub fn remove(value: Value, fields: &Set<'_>, typing: Typing<'_>) -> Value {
    let found = form(typing, Some(&value));
    match (found, value) {
        (Form::Map { fields: types, atomic: false }, Value::Object(mut map)) => {
            map.retain(|key, value| match fields.get(&named(key)) {
                None => true,
                Some(node) if node.member => false,
                Some(node) => {
                    *value = remove(std::mem::take(value), &node.children, types.typing(key));
                    true
                }
            });
            if map.is_empty() { Value::Null } else { Value::Object(map) }
        }
        (Form::List { item, topology }, Value::Array(list)) if !matches!(topology, ListTopology::Atomic) => {
            let kept: Vec<Value> = list
                .into_iter()
                .filter_map(|value| {
                    let node = element(item, topology, &value).ok().and_then(|element| fields.get(&element));
                    match node {
                        None => Some(value),
                        Some(node) if node.member => None,
                        Some(node) => Some(remove(value, &node.children, item)),
                    }
                })
                .collect();
            if kept.is_empty() { Value::Null } else { Value::Array(kept) }
        }
        (Form::Scalar(_), value) => value,
        _ => Value::Null,
    }
}
