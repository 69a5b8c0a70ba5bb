//! The generic registry: reads, writes and watches objects of every kind by the same rules, with the
//! particulars of a kind from its strategy. It does not know HTTP and nothing of who asks but a name.
//!
//! ```text
//! create  meta, default, own fields, admit, prepare, validate, canonical, store
//! update  get, change, default, own fields, admit, prepare, validate, canonical, store; again on a race
//! delete  get, preconditions, grace and finalizers, store
//! list    pages at one revision, filtered
//! watch   the store's history, filtered
//! ```
//!
//! Kinds that definitions make come and go (`definitions`); their objects are shown in the version asked
//! for and kept in the one that the definition says (`custom`).

mod admission;
mod bootstrap;
pub mod catalog;
pub mod containers;
mod create;
mod custom;
mod definitions;
pub mod delete;
mod effect;
pub mod events;
pub mod evict;
pub mod fields;
pub mod filter;
pub mod list;
mod meta;
pub mod queue;
pub mod quota;
pub mod rbac;
mod services;
pub mod tokens;
mod update;
pub mod versions;
pub mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch as watch_value;

use crate::kinds::Kind;
use crate::schema::status::Status;
use crate::store::{self, Key, Record, Store};

pub use admission::label;
pub use catalog::Catalog;
pub use update::{Change, Changed, Part};

/// Who makes a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Name, such as `admin` or `system:serviceaccount:ns:name`.
    pub name: String,
    /// Identity that outlives the name; mostly empty.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// What the authenticator adds.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// How a write is to be done.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// Who writes.
    pub user: Arc<User>,
    /// The name in `metadata.managedFields`.
    pub manager: String,
    /// Everything but the storing.
    pub dry_run: bool,
}

impl WriteOptions {
    /// The options of a part of k2d that writes under a name of its own.
    #[must_use]
    pub fn internal(manager: &str) -> Self {
        let user = User {
            name: format!("system:{manager}"),
            groups: vec!["system:masters".into(), "system:authenticated".into()],
            ..User::default()
        };
        Self { user: Arc::new(user), manager: manager.into(), dry_run: false }
    }
}

/// An object of a kind by its place.
#[derive(Clone)]
pub struct Target {
    /// The kind, in the version that the caller speaks.
    pub kind: Arc<Kind>,
    /// Empty for an object of the cluster.
    pub namespace: String,
    /// Empty while a name is still to be generated.
    pub name: String,
}

impl Target {
    /// A target of that kind.
    #[must_use]
    pub fn new(kind: &Arc<Kind>, namespace: &str, name: &str) -> Self {
        Self { kind: Arc::clone(kind), namespace: namespace.into(), name: name.into() }
    }

    /// Where the store keeps it.
    #[must_use]
    pub fn key(&self) -> Key {
        Key::new(catalog::storage_name(&self.kind), &self.namespace, &self.name)
    }

    fn not_found(&self) -> Status {
        Status::not_found(self.kind.home_group(), &self.kind.plural, &self.name)
    }
}

/// What a write came to.
#[derive(Clone, Debug)]
pub struct Written {
    /// The object in the form in which it is stored, with its resourceVersion.
    pub object: Value,
    /// Sentences for `Warning:` headers.
    pub warnings: Vec<String>,
    /// Whether it was not there before.
    pub created: bool,
}

/// What the registry must know of the cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The service range, such as `10.43.0.0/16`.
    pub service_network: String,
    /// First and last node port.
    pub node_ports: (u16, u16),
    /// Whether controllers run, so that objects are expected to have an effect.
    pub acts: bool,
}

/// The registry; cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    store: Store,
    catalog: watch_value::Sender<Arc<Catalog>>,
    settings: Settings,
    /// Held while addresses and ports are chosen and the service is stored.
    services: tokio::sync::Mutex<()>,
    /// Held while quotas are looked at and the object that they are charged with is stored.
    quotas: tokio::sync::Mutex<()>,
    index: admission::Index,
    rbac: rbac::Rbac,
    definitions: definitions::Definitions,
}

impl Registry {
    /// A registry over `store` that serves the kinds of `catalog`.
    #[must_use]
    pub fn new(store: Store, catalog: Catalog, settings: Settings) -> Self {
        Self(Arc::new(Inner {
            store,
            catalog: watch_value::Sender::new(Arc::new(catalog)),
            settings,
            services: tokio::sync::Mutex::new(()),
            quotas: tokio::sync::Mutex::new(()),
            index: admission::Index::default(),
            rbac: rbac::Rbac::default(),
            definitions: definitions::Definitions::default(),
        }))
    }

    /// The kinds that are served now.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.0.catalog.borrow())
    }

    /// Tells when the kinds that are served change.
    #[must_use]
    pub fn changes(&self) -> watch_value::Receiver<Arc<Catalog>> {
        self.0.catalog.subscribe()
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The settings it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    fn quotas(&self) -> &tokio::sync::Mutex<()> {
        &self.0.quotas
    }

    /// The zone and the region of a node as labels, which the pods on it have too.
    ///
    /// # Errors
    /// 500 where the store fails.
    pub async fn topology_of(&self, node: &str) -> Result<serde_json::Map<String, Value>, Status> {
        admission::topology(self, node).await
    }

    /// The names of the resource quotas of a namespace.
    ///
    /// # Errors
    /// 500 where the store fails.
    pub async fn quota_names(&self, namespace: &str) -> Result<Vec<String>, Status> {
        self.marked(admission::Mark::Quota, namespace).await
    }

    /// The names of the disruption budgets of a namespace.
    ///
    /// # Errors
    /// 500 where the store fails.
    pub async fn budget_names(&self, namespace: &str) -> Result<Vec<String>, Status> {
        self.marked(admission::Mark::Budget, namespace).await
    }

    /// The names of what is so marked in a namespace (empty: the cluster).
    async fn marked(&self, mark: admission::Mark, namespace: &str) -> Result<Vec<String>, Status> {
        self.0.index.look(&self.0.store, |facts| facts.marked(mark, namespace)).await
    }

    /// A namespace, as the index knows it.
    async fn namespace_facts(&self, name: &str) -> Result<Option<admission::Namespace>, Status> {
        self.0.index.look(&self.0.store, |facts| facts.namespace(name)).await
    }

    /// A built-in kind by group and resource name; a fault of the program where it is not served.
    ///
    /// # Errors
    /// 404 where the kind is not served.
    pub fn kind(&self, group: &str, plural: &str) -> Result<Arc<Kind>, Status> {
        self.catalog().by_resource(group, plural).cloned().ok_or_else(Status::unknown_resource)
    }

    /// A target of a built-in kind, for parts of k2d.
    ///
    /// # Errors
    /// 404 where the kind is not served.
    pub fn target(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Result<Target, Status> {
        Ok(Target::new(&self.kind(group, plural)?, namespace, name))
    }

    /// The stored object.
    ///
    /// # Errors
    /// 404 where it is not there; 500 where the store fails.
    pub async fn get(&self, target: &Target) -> Result<Record, Status> {
        self.find(target).await?.ok_or_else(|| target.not_found())
    }

    /// The stored object, if it is there.
    ///
    /// # Errors
    /// 500 where the store fails.
    pub async fn find(&self, target: &Target) -> Result<Option<Record>, Status> {
        Ok(self.raw(target).await?.map(|record| custom::shown(&target.kind, record)))
    }

    /// The object as it lies in the store, which for a custom kind may be another version of it.
    async fn raw(&self, target: &Target) -> Result<Option<Record>, Status> {
        self.0.store.get(&target.key()).await.map_err(|error| failed(&error))
    }

    /// The stored object as a tree, if it is there.
    ///
    /// # Errors
    /// 500 where the store fails.
    pub async fn read(&self, target: &Target) -> Result<Option<Value>, Status> {
        Ok(self.find(target).await?.map(|record| record.to_value()))
    }

    /// Every object of a kind in a namespace (or in all), as trees.
    ///
    /// # Errors
    /// 500 where the store fails.
    pub async fn all(&self, kind: &Kind, namespace: Option<&str>) -> Result<Vec<Value>, Status> {
        let listing = self
            .0
            .store
            .list(&catalog::storage_name(kind), namespace, store::ListRange::default())
            .await
            .map_err(|error| failed(&error))?;
        Ok(listing.records.into_iter().map(|record| custom::shown(kind, record).to_value()).collect())
    }
}

/// The time of a write, to the second.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// The time of a write as it stands in objects.
#[must_use]
pub fn timestamp() -> String {
    now().to_string()
}

/// A failure of the store as the API shows it.
pub(crate) fn failed(error: &store::Error) -> Status {
    match error {
        store::Error::Full => Status::new(507, "InternalError", "the disk below the state directory is full"),
        other => Status::internal(other),
    }
}
