//! Garbage: objects whose owners are gone go too; owners wait for what blocks them, or leave their
//! dependents behind. Upstream: garbage collector controller.
//!
//! ```text
//! index    which object names which owner: identities and places, no objects
//! decide   what becomes of one object, from what is known of its owners (pure)
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::task::JoinSet;
use tracing::debug;

use super::cluster::{Cluster, Head, Owner};
use super::namespace::NamespaceController;
use super::quota::QuotaController;
use super::{Controller, ObjectKey, Source};
use crate::kinds::{Kind, Propagation, Verbs};
use crate::registry::delete::{FOREGROUND, ORPHAN};
use crate::registry::events::EventType;
use crate::registry::filter::Filter;
use crate::registry::list::ListOptions;
use crate::registry::queue::Queue;
use crate::registry::{Registry, Target};
use crate::schema::object::Object;
use crate::schema::status::Status;
use crate::store::EventKind;

mod decide;
mod index;

use decide::{Found, Verdict, decide};
use index::{Index, Place, Uid};

/// Identities of objects that went lately, so that their dependents are not told of a wrong namespace.
const REMEMBERED: usize = 512;

/// The collector. Its keys are identities of objects.
pub struct GarbageCollector {
    cluster: Cluster,
    index: Mutex<Index>,
    gone: Mutex<VecDeque<Uid>>,
    queue: std::sync::OnceLock<Arc<Queue<ObjectKey>>>,
    namespaces: Arc<NamespaceController>,
    quotas: Arc<QuotaController>,
}

impl GarbageCollector {
    /// A collector that tells `namespaces` and `quotas` of what goes.
    #[must_use]
    pub fn new(registry: &Registry, namespaces: &Arc<NamespaceController>, quotas: &Arc<QuotaController>) -> Self {
        Self {
            cluster: Cluster::new(registry, "garbage-collector-controller"),
            index: Mutex::default(),
            gone: Mutex::default(),
            queue: std::sync::OnceLock::new(),
            namespaces: Arc::clone(namespaces),
            quotas: Arc::clone(quotas),
        }
    }

    /// Follows all kinds until it is dropped.
    pub async fn follow(self: Arc<Self>) {
        let catalog = self.cluster.registry.catalog();
        let mut tasks = JoinSet::new();
        for (number, kind) in catalog.iter().enumerate() {
            let stored = matches!(kind.verbs, Verbs::All | Verbs::NoDeleteCollection);
            if stored && kind.conversion.is_none() {
                tasks.spawn(Arc::clone(&self).follow_kind(Arc::clone(kind), u16::try_from(number).unwrap_or(u16::MAX)));
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn follow_kind(self: Arc<Self>, kind: Arc<Kind>, number: u16) {
        loop {
            if let Err(status) = self.watch(&kind, number).await {
                debug!(resource = &*kind.plural, error = %status, "watch begins anew");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    async fn watch(&self, kind: &Arc<Kind>, number: u16) -> Result<(), Status> {
        let registry = &self.cluster.registry;
        let mut list = registry.list(kind, Filter::everything(None), ListOptions::default()).await?;
        self.index().begin(number);
        while let Some(record) = list.next().await? {
            self.seen(number, &record.key.namespace, &record.key.name, &Head::of(&record));
        }
        let lost = self.index().end(number);
        for uid in lost {
            self.lost(uid);
        }
        let mut watcher = registry.watch(kind, Filter::everything(None), Some(list.revision()))?;
        while let Some(event) = watcher.next().await {
            let event = event?;
            let (namespace, name) = (&event.record.key.namespace, &event.record.key.name);
            let head = Head::of(&event.record);
            if event.kind == EventKind::Deleted {
                self.lost(Uid::of(&head.metadata.uid));
                self.namespaces.removed(namespace);
                self.quotas.removed(namespace);
            } else {
                self.seen(number, namespace, name, &head);
            }
        }
        std::future::pending::<()>().await;
        Ok(())
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self, kind: u16, namespace: &str, name: &str, head: &Head) {
        let todo = self.index().observe(Place::new(kind, namespace, name), head);
        self.enqueue(todo);
    }

    fn lost(&self, uid: Uid) {
        {
            let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
            if gone.len() >= REMEMBERED {
                gone.pop_front();
            }
            gone.push_back(uid);
        }
        let todo = self.index().remove(uid);
        self.enqueue(todo);
    }

    fn enqueue(&self, list: Vec<Uid>) {
        if let Some(queue) = self.queue.get() {
            list.into_iter().for_each(|uid| queue.add(ObjectKey::new("", uid.to_string())));
        }
    }

    fn target(&self, place: &Place) -> Option<Target> {
        let catalog = self.cluster.registry.catalog();
        let kind = catalog.iter().nth(usize::from(place.kind))?;
        Some(Target::new(kind, place.namespace(), place.name()))
    }

    async fn sync(&self, uid: Uid) -> Result<Option<Duration>, Status> {
        let Some(place) = self.index().place(uid) else { return Ok(None) };
        let Some(target) = self.target(&place) else { return Ok(None) };
        let Some(record) = self.cluster.registry.find(&target).await? else { return Ok(None) };
        let head = Head::of(&record);
        if Uid::of(&head.metadata.uid) != uid {
            return Ok(None);
        }
        let deleting = head.metadata.deletion_timestamp.is_some();
        let has = |finalizer: &str| deleting && head.metadata.finalizers.iter().any(|one| one == finalizer);
        if has(ORPHAN) {
            return self.let_go(uid, &target, &head).await;
        }
        if has(FOREGROUND) {
            return self.wait_for_dependents(uid, &target, &head).await;
        }
        if deleting || head.metadata.owner_references.is_empty() {
            return Ok(None);
        }
        self.look_after(uid, &target, &head).await
    }

    /// Takes the owner out of its dependents, then lets it go.
    async fn let_go(&self, uid: Uid, target: &Target, head: &Head) -> Result<Option<Duration>, Status> {
        let dependents = self.index().dependents(uid);
        for (dependent, place, _) in dependents {
            if let Some(at) = self.target(&place) {
                let owner = head.metadata.uid.clone();
                self.cluster.change(&at, &dependent.to_string(), |object| super::pods::release(object, &owner)).await?;
            }
        }
        self.drop_finalizer(target, &head.metadata.uid, ORPHAN).await
    }

    /// Deletes what blocks an owner; when nothing does any more, lets it go.
    async fn wait_for_dependents(&self, uid: Uid, target: &Target, head: &Head) -> Result<Option<Duration>, Status> {
        let dependents = self.index().dependents(uid);
        let blocking: Vec<Uid> =
            dependents.iter().filter(|(.., blocks)| *blocks).map(|(dependent, ..)| *dependent).collect();
        if blocking.is_empty() {
            return self.drop_finalizer(target, &head.metadata.uid, FOREGROUND).await;
        }
        self.enqueue(dependents.into_iter().map(|(dependent, ..)| dependent).collect());
        Ok(None)
    }

    async fn drop_finalizer(&self, target: &Target, uid: &str, name: &str) -> Result<Option<Duration>, Status> {
        let edit = |object: &mut Value| {
            let meta = object.metadata_mut();
            if let Some(list) = meta.get_mut("finalizers").and_then(Value::as_array_mut) {
                list.retain(|finalizer| finalizer != name);
                if list.is_empty() {
                    meta.remove("finalizers");
                }
            }
        };
        self.cluster.change(target, uid, edit).await?;
        Ok(None)
    }

    /// Decides by its owners what becomes of an object.
    async fn look_after(&self, uid: Uid, target: &Target, head: &Head) -> Result<Option<Duration>, Status> {
        let mut owners = Vec::with_capacity(head.metadata.owner_references.len());
        for owner in &head.metadata.owner_references {
            owners.push((owner.uid.clone(), self.find(owner, target).await?));
        }
        let dependents = self.index().dependents(uid);
        let blocking = dependents.iter().any(|(.., blocks)| *blocks);
        let verdict = decide(&owners, blocking, &head.metadata.finalizers);
        match verdict {
            Verdict::Stay => {}
            Verdict::Release(uids) => {
                let edit = |object: &mut Value| uids.iter().for_each(|uid| super::pods::release(object, uid));
                self.cluster.change(target, &head.metadata.uid, edit).await?;
            }
            Verdict::Delete(propagation) => {
                let waited_for =
                    propagation == Propagation::Foreground && owners.iter().any(|(_, found)| *found == Found::Waiting);
                if waited_for && self.any_waits(dependents.iter().map(|(_, place, _)| place)).await? {
                    self.cluster.change(target, &head.metadata.uid, unblock_owners).await?;
                }
                self.cluster.delete(target, &head.metadata.uid, Some(propagation)).await?;
            }
        }
        Ok(None)
    }

    /// Whether one of these waits for its own dependents.
    async fn any_waits(&self, places: impl Iterator<Item = &Place>) -> Result<bool, Status> {
        for target in places.filter_map(|place| self.target(place)) {
            if self.cluster.registry.find(&target).await?.is_some_and(|record| Head::of(&record).waits()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What there is of an owner.
    async fn find(&self, owner: &Owner, dependent: &Target) -> Result<Found, Status> {
        let catalog = self.cluster.registry.catalog();
        let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
        let kind = catalog.iter().find(|kind| kind.group == group && kind.kind == owner.kind);
        // Of a kind that is not served nothing is known; so nothing is deleted.
        let Some(kind) = kind else { return Ok(Found::Unknown) };
        if kind.is_namespaced() && dependent.namespace.is_empty() {
            self.tell_of_namespace(owner, dependent).await?;
            return Ok(Found::Unknown);
        }
        let namespace = if kind.is_namespaced() { dependent.namespace.as_str() } else { "" };
        let target = Target::new(kind, namespace, &owner.name);
        let found = self.cluster.registry.find(&target).await?.map(|record| Head::of(&record));
        let Some(found) = found.filter(|found| found.metadata.uid == owner.uid) else {
            if kind.is_namespaced() && self.lives_elsewhere(kind, owner).await? {
                self.tell_of_namespace(owner, dependent).await?;
            }
            return Ok(Found::Gone);
        };
        Ok(if found.waits() { Found::Waiting } else { Found::Solid })
    }

    /// Whether an owner is there, but in another namespace.
    async fn lives_elsewhere(&self, kind: &Arc<Kind>, owner: &Owner) -> Result<bool, Status> {
        let uid = Uid::of(&owner.uid);
        if self.gone.lock().unwrap_or_else(PoisonError::into_inner).contains(&uid) {
            return Ok(false);
        }
        let mut list = self.cluster.registry.list(kind, Filter::everything(None), ListOptions::default()).await?;
        while let Some(record) = list.next().await? {
            if record.key.name == owner.name && Head::of(&record).metadata.uid == owner.uid {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn tell_of_namespace(&self, owner: &Owner, dependent: &Target) -> Result<(), Status> {
        let Some(object) = self.cluster.registry.read(dependent).await? else { return Ok(()) };
        let namespace = &dependent.namespace;
        let message = format!(
            "ownerRef [{}/{}, namespace: {namespace}, name: {}, uid: {}] does not exist in namespace {namespace:?}",
            owner.api_version, owner.kind, owner.name, owner.uid
        );
        self.cluster.tell(&object, EventType::Warning, "OwnerRefInvalidNamespace", &message).await;
        Ok(())
    }
}

/// Owners in a circle, each waiting for the next, would wait for ever: this one no longer holds up its own.
fn unblock_owners(object: &mut Value) {
    let list = object.metadata_mut().get_mut("ownerReferences").and_then(Value::as_array_mut);
    for owner in list.into_iter().flatten() {
        if owner["blockOwnerDeletion"] == true {
            owner["blockOwnerDeletion"] = false.into();
        }
    }
}

impl Controller for GarbageCollector {
    fn name(&self) -> &'static str {
        "garbage-collector"
    }

    fn sources(&self) -> Vec<Source> {
        // It follows every kind by itself: see `follow`.
        Vec::new()
    }

    fn attach(&self, queue: &Arc<Queue<ObjectKey>>) {
        // Attached once, by the loop that runs it.
        let _ = self.queue.set(Arc::clone(queue));
    }

    fn reconcile<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>> {
        Box::pin(self.sync(Uid::of(&key.name)))
    }
}
