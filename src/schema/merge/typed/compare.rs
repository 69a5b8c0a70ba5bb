//! What differs between two objects, as sets of fields.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Element, Fields, Form, Typing, element, entries, form, is_leaf, items, named};
use crate::schema::merge::fields::{Node, Set};
use crate::schema::table::ListTopology;

/// The fields in which a new object differs from an old one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison<'a> {
    /// Only in the new one.
    pub added: Set<'a>,
    /// In both, with another value.
    pub modified: Set<'a>,
    /// Only in the old one.
    pub removed: Set<'a>,
}

impl Comparison<'_> {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }
}

/// Compares two objects of one type.
#[must_use]
pub fn compare<'a>(old: &'a Value, new: &'a Value, typing: Typing<'a>) -> Comparison<'a> {
    let change = both(Some(old), Some(new), typing);
    Comparison { added: change.added.children, modified: change.modified.children, removed: change.removed.children }
}

#[derive(Default)]
struct Change<'a> {
    added: Node<'a>,
    modified: Node<'a>,
    removed: Node<'a>,
}

impl<'a> Change<'a> {
    fn put(&mut self, element: Element<'a>, below: Change<'a>) {
        let Change { added, modified, removed } = below;
        for (own, node) in [(&mut self.added, added), (&mut self.modified, modified), (&mut self.removed, removed)] {
            if node.member || !node.children.is_empty() {
                own.children.add(element.clone(), node);
            }
        }
    }

    fn join(self, other: Self) -> Self {
        let join =
            |a: Node<'a>, b: Node<'a>| Node { member: a.member || b.member, children: a.children.union(b.children) };
        Self {
            added: join(self.added, other.added),
            modified: join(self.modified, other.modified),
            removed: join(self.removed, other.removed),
        }
    }
}

fn both<'a>(old: Option<&'a Value>, new: Option<&'a Value>, typing: Typing<'a>) -> Change<'a> {
    let newer = form(typing, new);
    let (Some(left), Some(right)) = (old, new) else {
        return one_form(old, new, if new.is_some() { newer } else { form(typing, old) });
    };
    // Quick way out for what is the same, which is most of an object.
    if left == right {
        return Change::default();
    }
    let older = form(typing, old);
    if std::mem::discriminant(&older) == std::mem::discriminant(&newer) {
        return one_form(old, new, newer);
    }
    // A value without a schema that changed its form counts under both.
    one_form(old, new, older).join(one_form(old, new, newer))
}

fn one_form<'a>(old: Option<&'a Value>, new: Option<&'a Value>, form: Form<'a>) -> Change<'a> {
    let mut change = Change::default();
    match form {
        Form::Map { fields, atomic: false } if entries(old).is_some() || entries(new).is_some() => {
            maps(&mut change, old, new, fields);
        }
        Form::List { item, topology } if !is_leaf(topology, old, new) => {
            lists(&mut change, items(old), items(new), item, topology);
        }
        _ => change.modified.member = matches!((old, new), (Some(old), Some(new)) if !is_equal(old, new)),
    }
    change.added.member = old.is_none();
    change.removed.member = new.is_none();
    change
}

/// Whether two values are the same; `1` and `1.0` are.
fn is_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a == b || (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_equal(a, b)))
        }
        _ => left == right,
    }
}

fn maps<'a>(change: &mut Change<'a>, old: Option<&'a Value>, new: Option<&'a Value>, fields: Fields<'a>) {
    let mut before = entries(old).into_iter().flatten().peekable();
    let mut after = entries(new).into_iter().flatten().peekable();
    // Both maps are sorted, and so are the sets that grow here.
    while let Some(key) = first(before.peek().map(|(key, _)| *key), after.peek().map(|(key, _)| *key)) {
        let left = before.next_if(|(own, _)| *own == key).map(|(_, value)| value);
        let right = after.next_if(|(own, _)| *own == key).map(|(_, value)| value);
        if left != right {
            change.put(named(key), both(left, right, fields.typing(key)));
        }
    }
}

fn first<'a>(left: Option<&'a String>, right: Option<&'a String>) -> Option<&'a String> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

fn lists<'a>(
    change: &mut Change<'a>,
    old: &'a [Value],
    new: &'a [Value],
    item: Typing<'a>,
    topology: ListTopology<'a>,
) {
    let mut all: BTreeMap<Element<'a>, (Vec<&'a Value>, Vec<&'a Value>)> = BTreeMap::new();
    for value in old {
        if let Ok(element) = element(item, topology, value) {
            all.entry(element).or_default().0.push(value);
        }
    }
    for value in new {
        if let Ok(element) = element(item, topology, value) {
            all.entry(element).or_default().1.push(value);
        }
    }
    for (element, found) in all {
        let below = match (found.0.as_slice(), found.1.as_slice()) {
            ([], []) => continue,
            ([], [value]) => both(None, Some(value), item),
            ([value], []) => both(Some(value), None, item),
            ([left], [right]) => both(Some(left), Some(right), item),
            // Items with the same key are compared as a whole; the key stands for all of them.
            ([_, _, ..], [_, _, ..]) => {
                let mut change = Change::default();
                change.modified.member = found.0 != found.1;
                change
            }
            ([_, _, ..], rest) => {
                let mut change = rest.first().map_or_else(Change::default, |value| both(None, Some(value), item));
                change.removed.member = true;
                change
            }
            (rest, [_, _, ..]) => {
                let mut change = rest.first().map_or_else(Change::default, |value| both(Some(value), None, item));
                change.added.member = true;
                change
            }
        };
        change.put(element, below);
    }
}
