//! Sets of fields, and their JSON form `FieldsV1` in `metadata.managedFields`.
//!
//! A set is a tree of path elements. An element may itself be a member (shown as `.` where it has
//! children too) or only lead to members below. The names, keys and values are borrowed from the
//! objects and entries they come from, so that a set costs little more than its nodes. Semantics
//! are those of structured-merge-diff's `fieldpath.Set` (KEP-555). Types are not known here.

mod element;

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Value};

pub use element::{Datum, Element};

/// A node of a set: whether it is a member, and what lies below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node<'a> {
    /// Whether the path to here is in the set.
    pub member: bool,
    /// The members below.
    pub children: Set<'a>,
}

/// A set of fields below some place: sorted elements, none of which is without a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set<'a> {
    nodes: Vec<(Element<'a>, Node<'a>)>,
}

impl Node<'_> {
    fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }
}

impl<'a> Set<'a> {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { nodes: Vec::new() }
    }

    /// Whether nothing is a member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The elements and what lies at each, in order.
    #[must_use]
    pub fn nodes(&self) -> &[(Element<'a>, Node<'a>)] {
        &self.nodes
    }

    /// Adds what lies at `element`; a node without members is left out. Cheap when elements come in
    /// order.
    pub fn add(&mut self, element: Element<'a>, node: Node<'a>) {
        if node.is_empty() {
            return;
        }
        if self.nodes.last().is_none_or(|(last, _)| *last < element) {
            self.nodes.push((element, node));
            return;
        }
        match self.nodes.binary_search_by(|(own, _)| own.cmp(&element)) {
            Ok(at) => {
                if let Some((_, own)) = self.nodes.get_mut(at) {
                    own.member |= node.member;
                    own.children = std::mem::take(&mut own.children).union(node.children);
                }
            }
            Err(at) => self.nodes.insert(at, (element, node)),
        }
    }

    /// The set with just the path of these field names.
    #[must_use]
    pub fn of_path(names: &[&'a str]) -> Self {
        let mut set = Self::new();
        for (depth, name) in names.iter().rev().enumerate() {
            let children = std::mem::take(&mut set);
            set.add(Element::Field(Cow::Borrowed(name)), Node { member: depth == 0, children });
        }
        set
    }

    /// What lies at `element`.
    #[must_use]
    pub fn get(&self, element: &Element<'_>) -> Option<&Node<'a>> {
        let at = self.nodes.binary_search_by(|(own, _)| own.cmp(element)).ok()?;
        self.nodes.get(at).map(|(_, node)| node)
    }

    /// Whether the path of these field names is a member.
    #[must_use]
    pub fn has_path(&self, names: &[&str]) -> bool {
        let Some((last, parents)) = names.split_last() else { return false };
        let mut set = self;
        for name in parents {
            match set.get(&Element::Field(Cow::Borrowed(name))) {
                Some(node) => set = &node.children,
                None => return false,
            }
        }
        set.get(&Element::Field(Cow::Borrowed(last))).is_some_and(|node| node.member)
    }

    /// What is in either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let mut out = Vec::with_capacity(self.nodes.len().max(other.nodes.len()));
        let (mut left, mut right) = (self.nodes.into_iter().peekable(), other.nodes.into_iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some((a, _)), Some((b, _))) => a.cmp(b),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return Self { nodes: out },
            };
            match order {
                Ordering::Less => out.extend(left.next()),
                Ordering::Greater => out.extend(right.next()),
                Ordering::Equal => {
                    if let (Some((element, a)), Some((_, b))) = (left.next(), right.next()) {
                        let node = Node { member: a.member || b.member, children: a.children.union(b.children) };
                        out.push((element, node));
                    }
                }
            }
        }
    }

    /// What is in any of the sets; pairs of sets are joined, so that many are no trouble.
    #[must_use]
    pub fn union_all(mut sets: Vec<Self>) -> Self {
        while sets.len() > 1 {
            let mut rest = sets.into_iter();
            let mut joined = Vec::with_capacity(rest.len().div_ceil(2));
            while let Some(set) = rest.next() {
                joined.push(set.union(rest.next().unwrap_or_default()));
            }
            sets = joined;
        }
        sets.pop().unwrap_or_default()
    }

    /// What is in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Set<'_>) -> Self {
        self.filter(other, |own, theirs| {
            let theirs = theirs?;
            Some(Node { member: own.member && theirs.member, children: own.children.intersection(&theirs.children) })
        })
    }

    /// What is in this set and not in the other; members below a member of the other stay.
    #[must_use]
    pub fn difference(self, other: &Set<'_>) -> Self {
        self.without(other, |own, theirs| Node {
            member: own.member && !theirs.member,
            children: own.children.difference(&theirs.children),
        })
    }

    /// What is in this set and neither in the other nor below one of its members.
    #[must_use]
    pub fn recursive_difference(self, other: &Set<'_>) -> Self {
        self.without(other, |own, theirs| {
            if theirs.member {
                return Node::default();
            }
            Node { member: own.member, children: own.children.recursive_difference(&theirs.children) }
        })
    }

    /// The members that have no member below them.
    #[must_use]
    pub fn leaves(&self) -> Self {
        let leaf = |(element, node): &(Element<'a>, Node<'a>)| {
            let member = node.member && node.children.is_empty();
            (element.clone(), Node { member, children: node.children.leaves() })
        };
        Self { nodes: self.nodes.iter().map(leaf).collect() }
    }

    fn filter(&self, other: &Set<'_>, keep: impl Fn(&Node<'a>, Option<&Node<'_>>) -> Option<Node<'a>>) -> Self {
        let mut theirs = other.nodes.iter().peekable();
        let mut nodes = Vec::new();
        for (element, own) in &self.nodes {
            while theirs.next_if(|(their, _)| their < element).is_some() {}
            let found = theirs.next_if(|(their, _)| their == element).map(|(_, node)| node);
            if let Some(node) = keep(own, found).filter(|node| !node.is_empty()) {
                nodes.push((element.clone(), node));
            }
        }
        Self { nodes }
    }

    fn without(self, other: &Set<'_>, take: impl Fn(Node<'a>, &Node<'_>) -> Node<'a>) -> Self {
        if other.is_empty() {
            return self;
        }
        let mut theirs = other.nodes.iter().peekable();
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for (element, own) in self.nodes {
            while theirs.next_if(|(their, _)| *their < element).is_some() {}
            let node = match theirs.next_if(|(their, _)| *their == element) {
                Some((_, their)) => take(own, their),
                None => own,
            };
            if !node.is_empty() {
                nodes.push((element, node));
            }
        }
        Self { nodes }
    }

    /// Rebuilds the set node by node; nodes that come out empty are left out.
    #[must_use]
    pub fn map_nodes(self, mut change: impl FnMut(&Element<'a>, Node<'a>) -> Node<'a>) -> Self {
        let mut nodes = self.nodes;
        for (element, node) in &mut nodes {
            *node = change(element, std::mem::take(node));
        }
        nodes.retain(|(_, node)| !node.is_empty());
        Self { nodes }
    }

    /// The same set with no borrowed part.
    #[must_use]
    pub fn into_owned<'b>(self) -> Set<'b> {
        let own = |(element, node): (Element<'a>, Node<'a>)| {
            (element.into_owned(), Node { member: node.member, children: node.children.into_owned() })
        };
        Set { nodes: self.nodes.into_iter().map(own).collect() }
    }

    /// The paths of all members as text, the members of a level before those below them.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect("", &mut paths);
        paths
    }

    fn collect(&self, prefix: &str, paths: &mut Vec<String>) {
        for (element, _) in self.nodes.iter().filter(|(_, node)| node.member) {
            paths.push(format!("{prefix}{element}"));
        }
        for (element, node) in self.nodes.iter().filter(|(_, node)| !node.children.is_empty()) {
            node.children.collect(&format!("{prefix}{element}"), paths);
        }
    }

    /// The set as `FieldsV1`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Object(self.to_map())
    }

    fn to_map(&self) -> Map<String, Value> {
        let entry = |(element, node): &(Element<'_>, Node<'_>)| {
            let mut map = node.children.to_map();
            if node.member && !map.is_empty() {
                map.insert(".".to_owned(), Value::Object(Map::new()));
            }
            (element.key(), Value::Object(map))
        };
        self.nodes.iter().map(entry).collect()
    }

    /// Reads `FieldsV1`. Elements of an unknown sort are left out.
    ///
    /// # Errors
    /// Text that says which element cannot be read.
    pub fn from_value(fields: &'a Value) -> Result<Self, String> {
        let mut set = Self::new();
        for (key, below) in fields.as_object().into_iter().flatten() {
            if key == "." {
                continue;
            }
            let Some(element) = Element::from_key(key)? else { continue };
            let children = Self::from_value(below)?;
            let member = children.is_empty() || below.get(".").is_some();
            set.add(element, Node { member, children });
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests;
