//! The set of fields that an object mentions, and how sets follow the schema.

use serde_json::Value;

use super::{Element, Entry, Form, Typing, element, entries, form, is_whole, items, named};
use crate::schema::merge::fields::{Node, Set};
use crate::schema::table::{ListTopology, Shape, Type};

/// The leaves and items that `value` mentions. A field of a struct is a member only as a leaf; a
/// key that users chose and the item of a list always are.
#[must_use]
pub fn field_set<'a>(value: &'a Value, typing: Typing<'a>) -> Set<'a> {
    below(value, typing).children
}

fn leaf<'a>() -> Node<'a> {
    Node { member: true, children: Set::new() }
}

fn below<'a>(value: &'a Value, typing: Typing<'a>) -> Node<'a> {
    let mut node = Node::default();
    match form(typing, Some(value)) {
        Form::Scalar(_) | Form::Map { atomic: true, .. } => return leaf(),
        Form::List { topology: ListTopology::Atomic, .. } => return leaf(),
        Form::Map { fields, .. } => {
            for (key, value) in entries(Some(value)).into_iter().flatten() {
                let (typing, free) = match fields.entry(key) {
                    Entry::Named(typing) => (typing, false),
                    Entry::Free(typing) => (typing, true),
                    Entry::Unknown => (None, true),
                };
                let mut child = below(value, typing);
                child.member |= free || value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
                node.children.add(named(key), child);
            }
        }
        Form::List { item, topology } => list(&mut node, item, topology, items(Some(value))),
    }
    node
}

/// Items by their keys. Of items with the same key just the key is a member.
fn list<'a>(node: &mut Node<'a>, item: Typing<'a>, topology: ListTopology<'a>, list: &'a [Value]) {
    let mut found: Vec<(Element<'a>, &'a Value)> =
        list.iter().filter_map(|value| Some((element(item, topology, value).ok()?, value))).collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut found = found.into_iter().peekable();
    while let Some((element, value)) = found.next() {
        let mut child = leaf();
        let mut double = false;
        while found.next_if(|(next, _)| *next == element).is_some() {
            double = true;
        }
        if !double {
            child.children = below(value, item).children;
        }
        node.children.add(element, child);
    }
}

/// The set with every field of a struct on the way to a member made a member itself.
#[must_use]
pub fn with_named_fields<'a>(set: Set<'a>, typing: Typing<'_>) -> Set<'a> {
    let form = typing.map(|typing| form(Some(typing), None));
    set.map_nodes(|element, node| {
        if node.children.is_empty() {
            return node;
        }
        let (named, typing) = match (&form, element) {
            (Some(Form::Map { fields, .. }), Element::Field(key)) => match fields.entry(key) {
                Entry::Named(typing) => (true, typing),
                Entry::Free(typing) => (false, typing),
                Entry::Unknown => (false, None),
            },
            (Some(Form::List { item, .. }), Element::Key(_)) => (false, *item),
            _ => (false, None),
        };
        Node { member: node.member || named, children: with_named_fields(node.children, typing) }
    })
}

/// The set as it must be now that a map or a list, whose parts were owned one by one, is owned as a
/// whole.
#[must_use]
pub fn reconcile<'a>(set: Set<'a>, typing: Typing<'_>) -> Set<'a> {
    let Some(typing) = typing else { return set };
    set.map_nodes(|element, node| {
        if node.children.is_empty() {
            return node;
        }
        let child = match (form(Some(typing), None), element) {
            (Form::Map { fields, .. }, Element::Field(key)) => fields.typing(key),
            (Form::List { item, .. }, Element::Key(_)) => item,
            _ => None,
        };
        if child.is_some_and(is_atomic) {
            return leaf();
        }
        Node { member: node.member, children: reconcile(node.children, child) }
    })
}

fn is_atomic(typing: Type<'_>) -> bool {
    match typing.shape() {
        Shape::Struct(fields) => fields.is_atomic(),
        Shape::Map { atomic, .. } => atomic,
        Shape::List { topology, .. } => matches!(topology, ListTopology::Atomic),
        Shape::Any => is_whole(typing),
        Shape::Scalar(_) => false,
    }
}
