//! Which object names which owner, in few bytes: identities, places and whether one blocks. Objects
//! without owners that do not wait for their dependents are not in it. Pure.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::controllers::cluster::Head;
use crate::registry::delete::{FOREGROUND, ORPHAN};

/// An identity: a UUID, or the hash of a text that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(u128);

impl Uid {
    /// Reads `metadata.uid`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(uuid::Uuid::parse_str(text).map_or(0, |uuid| uuid.as_u128()))
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_u128(self.0).fmt(f)
    }
}

/// Where an object is: number of its kind in the catalog, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the kind.
    pub kind: u16,
    /// `namespace/name`; no namespace has a slash.
    path: Box<str>,
}

impl Place {
    /// A place.
    #[must_use]
    pub fn new(kind: u16, namespace: &str, name: &str) -> Self {
        Self { kind, path: format!("{namespace}/{name}").into() }
    }

    /// Its namespace; empty for an object of the cluster.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.path.split_once('/').map_or("", |(namespace, _)| namespace)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.split_once('/').map_or("", |(_, name)| name)
    }
}

struct Node {
    place: Place,
    /// Owners, and whether each waits for it.
    owners: Box<[(Uid, bool)]>,
    /// It waits for its dependents, or is to leave them behind.
    held: bool,
}

/// The index.
#[derive(Default)]
pub struct Index {
    nodes: HashMap<Uid, Node>,
    dependents: HashMap<Uid, Vec<Uid>>,
    /// Of kinds that are being listed, what was known before and has not been seen yet.
    unseen: HashMap<u16, HashSet<Uid>>,
}

impl Index {
    /// A list of a kind begins.
    pub fn begin(&mut self, kind: u16) {
        let known = self.nodes.iter().filter(|(_, node)| node.place.kind == kind).map(|(uid, _)| *uid);
        let known = known.collect();
        self.unseen.insert(kind, known);
    }

    /// A list of a kind is complete: what it did not show is gone.
    pub fn end(&mut self, kind: u16) -> Vec<Uid> {
        self.unseen.remove(&kind).into_iter().flatten().collect()
    }

    /// Takes note of an object as it is now; says which objects to look after.
    pub fn observe(&mut self, place: Place, head: &Head) -> Vec<Uid> {
        let meta = &head.metadata;
        let uid = Uid::of(&meta.uid);
        if let Some(unseen) = self.unseen.get_mut(&place.kind) {
            unseen.remove(&uid);
        }
        let deleting = meta.deletion_timestamp.is_some();
        let held = deleting && meta.finalizers.iter().any(|one| one == FOREGROUND || one == ORPHAN);
        let owners: Box<[(Uid, bool)]> =
            meta.owner_references.iter().map(|owner| (Uid::of(&owner.uid), owner.block_owner_deletion)).collect();
        let before = self.nodes.get(&uid).map(|node| node.owners.clone()).unwrap_or_default();
        for (owner, _) in before.iter().filter(|(owner, _)| !owners.iter().any(|(kept, _)| kept == owner)) {
            self.unlink(*owner, uid);
        }
        for (owner, _) in &owners {
            let dependents = self.dependents.entry(*owner).or_default();
            if !dependents.contains(&uid) {
                dependents.push(uid);
            }
        }
        let mut todo = Vec::new();
        // Those that waited for it may have to look again: it is no longer theirs, or no longer blocks.
        let blocked = before.iter().filter(|(owner, blocks)| *blocks && !owners.contains(&(*owner, true)));
        todo.extend(blocked.map(|(owner, _)| *owner).filter(|owner| self.holds(*owner)));
        if held || (!owners.is_empty() && before != owners) {
            todo.push(uid);
        }
        if owners.is_empty() && !held {
            self.nodes.remove(&uid);
        } else {
            // A new dependent of an owner that is being left, or waits, concerns that owner.
            todo.extend(owners.iter().map(|(owner, _)| *owner).filter(|owner| self.holds(*owner)));
            self.nodes.insert(uid, Node { place, owners, held });
        }
        todo
    }

    /// An object is gone; says which objects to look after.
    pub fn remove(&mut self, uid: Uid) -> Vec<Uid> {
        let mut todo = self.dependents.remove(&uid).unwrap_or_default();
        let owners = self.nodes.remove(&uid).map(|node| node.owners).unwrap_or_default();
        for (owner, _) in owners {
            self.unlink(owner, uid);
            if self.holds(owner) {
                todo.push(owner);
            }
        }
        todo
    }

    /// Where an object is, if it is in the index.
    #[must_use]
    pub fn place(&self, uid: Uid) -> Option<Place> {
        self.nodes.get(&uid).map(|node| node.place.clone())
    }

    /// The objects that name `uid` as an owner, and whether it has to wait for each.
    #[must_use]
    pub fn dependents(&self, uid: Uid) -> Vec<(Uid, Place, bool)> {
        let list = self.dependents.get(&uid).map(Vec::as_slice).unwrap_or_default();
        list.iter()
            .filter_map(|dependent| {
                let node = self.nodes.get(dependent)?;
                let blocks = node.owners.iter().any(|(owner, blocks)| *owner == uid && *blocks);
                Some((*dependent, node.place.clone(), blocks))
            })
            .collect()
    }

    fn holds(&self, uid: Uid) -> bool {
        self.nodes.get(&uid).is_some_and(|node| node.held)
    }

    fn unlink(&mut self, owner: Uid, dependent: Uid) {
        if let Some(list) = self.dependents.get_mut(&owner) {
            list.retain(|other| *other != dependent);
            if list.is_empty() {
                self.dependents.remove(&owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn uid(n: u8) -> String {
        format!("00000000-0000-4000-8000-0000000000{n:02x}")
    }

    fn head(n: u8, owners: &[(u8, bool)], finalizers: &[&str]) -> Head {
        let owners: Vec<_> =
            owners.iter().map(|(n, blocks)| json!({"uid": uid(*n), "blockOwnerDeletion": blocks})).collect();
        let deleted = (!finalizers.is_empty()).then_some("2026-01-01T00:00:00Z");
        let head = json!({"metadata": {"uid": uid(n), "ownerReferences": owners, "finalizers": finalizers,
            "deletionTimestamp": deleted}});
        serde_json::from_value(head).expect("a head")
    }

    fn place(n: u8) -> Place {
        Place::new(1, "ns", &n.to_string())
    }

    #[test]
    fn dependents_are_looked_after_when_their_owner_goes() {
        let mut index = Index::default();
        assert!(index.observe(place(1), &head(1, &[], &[])).is_empty());
        assert_eq!(index.observe(place(2), &head(2, &[(1, true)], &[])), [Uid::of(&uid(2))]);
        assert!(index.observe(place(2), &head(2, &[(1, true)], &[])).is_empty());
        assert_eq!(index.remove(Uid::of(&uid(1))), [Uid::of(&uid(2))]);
        assert_eq!(index.place(Uid::of(&uid(2))).map(|place| place.name().to_owned()), Some("2".into()));
    }

    #[test]
    fn an_owner_that_waits_is_looked_after_when_the_last_dependent_goes() {
        let mut index = Index::default();
        index.observe(place(2), &head(2, &[(1, true)], &[]));
        assert_eq!(index.observe(place(1), &head(1, &[], &["foregroundDeletion"])), [Uid::of(&uid(1))]);
        assert_eq!(index.dependents(Uid::of(&uid(1))).len(), 1);
        assert_eq!(index.remove(Uid::of(&uid(2))), [Uid::of(&uid(1))]);
        assert!(index.dependents(Uid::of(&uid(1))).is_empty());
    }

    #[test]
    fn what_a_new_list_does_not_show_is_gone() {
        let mut index = Index::default();
        index.observe(place(2), &head(2, &[(1, true)], &[]));
        index.observe(place(3), &head(3, &[(1, true)], &[]));
        index.begin(1);
        index.observe(place(3), &head(3, &[(1, true)], &[]));
        assert_eq!(index.end(1), [Uid::of(&uid(2))]);
    }
}
