//! What most writes ask of other objects, kept in memory in a compact form: which namespaces there
//! are, what their labels say of pod security, and which namespaces have a limit range, a quota or a
//! disruption budget at all. So a write where there is none reads nothing.
//!
//! As [`super::super::rbac`] it is brought up to date from the history of the store when it is used.

use std::collections::{BTreeSet, HashMap};

use super::pod_security::policy::Policy;
use crate::registry::failed;
use crate::schema::object::Object;
use crate::schema::status::Status;
use crate::store::{EventKind, ListRange, Record, Store, Watch};

const NAMESPACES: &str = "namespaces";

/// A class with this annotation is for claims that name none.
pub const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
/// The older spelling of [`DEFAULT_CLASS`].
pub const DEFAULT_CLASS_BETA: &str = "storageclass.beta.kubernetes.io/is-default-class";
/// A class with this annotation is for ingresses that name none.
pub const DEFAULT_INGRESS_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";

/// What is marked: that an object of a kind is there, or that one is the default of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// A limit range.
    LimitRange,
    /// A resource quota.
    Quota,
    /// A pod disruption budget.
    Budget,
    /// A priority class for pods that name none.
    DefaultPriority,
    /// A storage class for claims that name none.
    DefaultStorage,
    /// An ingress class for ingresses that name none.
    DefaultIngress,
}

/// The resources that are marked, as the store calls them.
const MARKED: [(Mark, &str); 6] = [
    (Mark::LimitRange, "limitranges"),
    (Mark::Quota, "resourcequotas"),
    (Mark::Budget, "poddisruptionbudgets.policy"),
    (Mark::DefaultPriority, "priorityclasses.scheduling.k8s.io"),
    (Mark::DefaultStorage, "storageclasses.storage.k8s.io"),
    (Mark::DefaultIngress, "ingressclasses.networking.k8s.io"),
];

impl Mark {
    /// Whether an object has the mark.
    fn applies(self, record: &Record) -> bool {
        let annotated = |keys: &[&str]| {
            let object = record.to_value();
            keys.iter().any(|key| object.annotation(key) == Some("true"))
        };
        match self {
            Self::LimitRange | Self::Quota | Self::Budget => true,
            Self::DefaultPriority => record.to_value()["globalDefault"] == true,
            Self::DefaultStorage => annotated(&[DEFAULT_CLASS, DEFAULT_CLASS_BETA]),
            Self::DefaultIngress => annotated(&[DEFAULT_INGRESS_CLASS]),
        }
    }
}

/// What is known of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Whether it is on its way out.
    pub deleting: bool,
    /// What its labels say of pod security.
    pub security: Policy,
}

impl Namespace {
    fn read(record: &Record) -> Self {
        let object = record.to_value();
        Self { deleting: object.is_deleting(), security: Policy::of(object.map("/metadata/labels")).0 }
    }
}

/// The facts.
pub struct Facts {
    watches: Vec<Watch>,
    namespaces: HashMap<Box<str>, Namespace>,
    marks: BTreeSet<(Mark, Box<str>, Box<str>)>,
}

impl Facts {
    async fn load(store: &Store) -> Result<Self, Status> {
        // The watches begin before the lists are read, so that nothing falls between.
        let resources = std::iter::once(NAMESPACES).chain(MARKED.iter().map(|(_, resource)| *resource));
        let watch = |resource: &str| store.watch(resource, None).map_err(|error| failed(&error));
        let watches = resources.map(watch).collect::<Result<_, _>>()?;
        let mut facts = Self { watches, namespaces: HashMap::new(), marks: BTreeSet::new() };
        let list = async |resource| {
            let listing = store.list(resource, None, ListRange::default()).await;
            listing.map(|listing| listing.records).map_err(|error| failed(&error))
        };
        for record in list(NAMESPACES).await? {
            facts.namespaces.insert(record.key.name.as_str().into(), Namespace::read(&record));
        }
        for (mark, resource) in MARKED {
            for record in list(resource).await? {
                facts.take(mark, &record, false);
            }
        }
        Ok(facts)
    }

    /// Takes in what has changed; false where the history no longer tells.
    fn refresh(&mut self) -> bool {
        for index in 0..self.watches.len() {
            while let Some(event) = self.watches.get_mut(index).and_then(Watch::try_next) {
                let Ok(event) = event else { return false };
                let (record, gone) = (&event.record, event.kind == EventKind::Deleted);
                match index.checked_sub(1).and_then(|index| MARKED.get(index)) {
                    Some((mark, _)) => self.take(*mark, record, gone),
                    None if gone => drop(self.namespaces.remove(record.key.name.as_str())),
                    None => drop(self.namespaces.insert(record.key.name.as_str().into(), Namespace::read(record))),
                }
            }
        }
        true
    }

    fn take(&mut self, mark: Mark, record: &Record, gone: bool) {
        let place = (mark, record.key.namespace.as_str().into(), record.key.name.as_str().into());
        if !gone && mark.applies(record) {
            self.marks.insert(place);
        } else {
            self.marks.remove(&place);
        }
    }

    /// A namespace; `None` where it is not there.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Namespace> {
        self.namespaces.get(name).copied()
    }

    /// The names of what is so marked in a namespace (empty: the cluster), in order.
    pub fn marked(&self, mark: Mark, namespace: &str) -> Vec<String> {
        let from = (mark, Box::from(namespace), Box::from(""));
        let here = self.marks.range(from..).take_while(|(own, place, _)| *own == mark && **place == *namespace);
        here.map(|(_, _, name)| name.to_string()).collect()
    }
}

/// The index; empty until it is asked.
#[derive(Default)]
pub struct Index(tokio::sync::Mutex<Option<Facts>>);

impl Index {
    /// Looks at the facts as they are after every write that was acknowledged before.
    ///
    /// # Errors
    /// 500 where the store fails.
    pub async fn look<R>(&self, store: &Store, view: impl FnOnce(&Facts) -> R) -> Result<R, Status> {
        let mut guard = self.0.lock().await;
        if guard.as_mut().is_none_or(|facts| !facts.refresh()) {
            *guard = None;
            *guard = Some(Facts::load(store).await?);
        }
        match guard.as_ref() {
            Some(facts) => Ok(view(facts)),
            None => Err(Status::internal("the index of namespaces is empty")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::store::{Key, Write};

    async fn put(store: &Store, resource: &str, namespace: &str, name: &str, object: Value) {
        let record = Record::from_value(Key::new(resource, namespace, name), &object);
        store.commit(vec![Write::Create { record }]).await.expect("stored");
    }

    #[tokio::test]
    async fn what_comes_and_goes_is_seen_at_once() {
        let store = Store::in_memory().expect("a store");
        let index = Index::default();
        put(&store, NAMESPACES, "", "a", json!({"metadata": {"name": "a"}})).await;
        assert!(index.look(&store, |facts| facts.namespace("a").is_some()).await.expect("facts"));
        assert!(index.look(&store, |facts| facts.marked(Mark::Quota, "a").is_empty()).await.expect("facts"));
        put(&store, "resourcequotas", "a", "q", json!({})).await;
        put(&store, "resourcequotas", "aa", "other", json!({})).await;
        assert_eq!(index.look(&store, |facts| facts.marked(Mark::Quota, "a")).await.expect("facts"), ["q"]);
        let delete = Write::Delete { key: Key::new("resourcequotas", "a", "q"), expect: None, last: None };
        store.commit(vec![delete]).await.expect("deleted");
        assert!(index.look(&store, |facts| facts.marked(Mark::Quota, "a").is_empty()).await.expect("facts"));
    }

    #[tokio::test]
    async fn only_what_is_marked_as_default_is_one() {
        let store = Store::in_memory().expect("a store");
        let classes = "priorityclasses.scheduling.k8s.io";
        put(&store, classes, "", "low", json!({"value": 1})).await;
        put(&store, classes, "", "usual", json!({"value": 2, "globalDefault": true})).await;
        let names = Index::default().look(&store, |facts| facts.marked(Mark::DefaultPriority, "")).await;
        assert_eq!(names.expect("facts"), ["usual"]);
    }
}
