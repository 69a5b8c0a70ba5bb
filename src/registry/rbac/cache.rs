//! Who is bound to which role, and the rules of the roles that were asked for, kept in memory in a
//! compact form. It is brought up to date when it is used, from the history of the store: no task
//! waits for changes, and an answer takes into account every write that was acknowledged before.

use std::collections::HashMap;
use std::sync::Arc;

use super::rules::Rules;
use crate::registry::{User, failed};
use crate::schema::object::Object;
use crate::schema::rules::{items, text};
use crate::schema::status::Status;
use crate::store::{EventKind, Key, ListRange, Record, Store, Watch};

/// The resources that are looked at, as the store calls them: the two of bindings first.
const RESOURCES: [&str; 4] = [
    "clusterrolebindings.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
];
const BINDINGS: usize = 2;

/// A role by its place; the namespace of a ClusterRole is empty.
type Place = (Box<str>, Box<str>);

/// Whose a binding is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// `User`, `Group` or `ServiceAccount`.
    pub kind: Box<str>,
    /// Namespace of a service account; empty for that of the binding.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
}

/// A RoleBinding or (without a namespace) ClusterRoleBinding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Namespace; empty for the cluster.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
    /// `Role` or `ClusterRole`.
    pub role_kind: Box<str>,
    /// Name of the role.
    pub role: Box<str>,
    /// Who has the role.
    pub subjects: Box<[Subject]>,
}

impl Binding {
    fn read(record: &Record) -> Self {
        let object = record.to_value();
        let subject = |subject: &serde_json::Value| Subject {
            kind: text(&subject["kind"]).into(),
            namespace: text(&subject["namespace"]).into(),
            name: text(&subject["name"]).into(),
        };
        Self {
            namespace: record.key.namespace.as_str().into(),
            name: record.key.name.as_str().into(),
            role_kind: object.text("/roleRef/kind").into(),
            role: object.text("/roleRef/name").into(),
            subjects: items(&object["subjects"]).iter().map(subject).collect(),
        }
    }

    fn place(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }

    /// The subject by which a user has the role.
    #[must_use]
    pub fn applies_to(&self, user: &User) -> Option<&Subject> {
        self.subjects.iter().find(|subject| match &*subject.kind {
            "User" => *user.name == *subject.name,
            "Group" => user.groups.iter().any(|group| **group == *subject.name),
            "ServiceAccount" => {
                let namespace = if subject.namespace.is_empty() { &self.namespace } else { &subject.namespace };
                !namespace.is_empty()
                    && user.name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'))
                        == Some((namespace, &subject.name))
            }
            _ => false,
        })
    }

    /// Where its role is.
    #[must_use]
    pub fn role_place(&self) -> (&str, &str) {
        (if *self.role_kind == *"Role" { &self.namespace } else { "" }, &self.role)
    }
}

/// What is kept.
pub struct Cache {
    watches: Vec<Watch>,
    /// Sorted by namespace and name.
    bindings: Vec<Arc<Binding>>,
    /// `None`: there is no such role.
    roles: HashMap<Place, Option<Arc<Rules>>>,
}

impl Cache {
    /// Reads the bindings.
    pub async fn load(store: &Store) -> Result<Self, Status> {
        // The watches begin before the lists are read, so that nothing falls between.
        let watch = |resource: &&str| store.watch(resource, None).map_err(|error| failed(&error));
        let watches = RESOURCES.iter().map(watch).collect::<Result<_, _>>()?;
        let mut bindings = Vec::new();
        for resource in RESOURCES.iter().take(BINDINGS) {
            let listing = store.list(resource, None, ListRange::default()).await.map_err(|error| failed(&error))?;
            bindings.extend(listing.records.iter().map(Binding::read).map(Arc::new));
        }
        bindings.sort_by(|a, b| a.place().cmp(&b.place()));
        Ok(Self { watches, bindings, roles: HashMap::new() })
    }

    /// Takes in what has changed; false where the history no longer tells.
    pub fn refresh(&mut self) -> bool {
        for (index, watch) in self.watches.iter_mut().enumerate() {
            while let Some(event) = watch.try_next() {
                let Ok(event) = event else { return false };
                let key = &event.record.key;
                if index >= BINDINGS {
                    self.roles.remove(&(key.namespace.as_str().into(), key.name.as_str().into()));
                    continue;
                }
                let wanted = (key.namespace.as_str(), key.name.as_str());
                let place = self.bindings.binary_search_by(|one| one.place().cmp(&wanted));
                let binding = (event.kind != EventKind::Deleted).then(|| Arc::new(Binding::read(&event.record)));
                match (place, binding) {
                    (Ok(at), Some(binding)) => {
                        if let Some(slot) = self.bindings.get_mut(at) {
                            *slot = binding;
                        }
                    }
                    (Err(at), Some(binding)) => self.bindings.insert(at, binding),
                    (Ok(at), None) => drop(self.bindings.remove(at)),
                    (Err(_), None) => {}
                }
            }
        }
        true
    }

    /// The bindings of the cluster and of that namespace (if it is one) by which the user has roles.
    pub fn of(&self, user: &User, namespace: &str) -> Vec<Arc<Binding>> {
        let here = |place: &str| place.is_empty() || place == namespace;
        let mine = |one: &&Arc<Binding>| here(&one.namespace) && one.applies_to(user).is_some();
        self.bindings.iter().filter(mine).cloned().collect()
    }

    /// The rules of a role; `None` where it is not there.
    pub async fn role(&mut self, store: &Store, place: (&str, &str)) -> Result<Option<Arc<Rules>>, Status> {
        let place: Place = (place.0.into(), place.1.into());
        if let Some(known) = self.roles.get(&place) {
            return Ok(known.clone());
        }
        let resource = RESOURCES[if place.0.is_empty() { 2 } else { 3 }];
        let record = store.get(&Key::new(resource, &*place.0, &*place.1)).await.map_err(|error| failed(&error))?;
        let rules = record.map(|record| Arc::new(Rules::read(&record.to_value()["rules"])));
        self.roles.insert(place, rules.clone());
        Ok(rules)
    }
}
