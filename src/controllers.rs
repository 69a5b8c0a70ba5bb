//! Controllers: each brings what is nearer to what is asked for, one key at a time, from the state
//! alone (level-triggered). They write through the registry and never call an HTTP handler.
//!
//! ```text
//! watch of a kind ──map──→ queue of keys ──→ reconcile(key) ──→ registry
//!                             ↑ later, or after a failure ┘
//! ```

mod template_hash;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::registry::Registry;
use crate::registry::filter::Filter;
use crate::registry::list::ListOptions;
use crate::schema::object::Object;
use crate::schema::status::Status;

use crate::registry::queue::Queue;

/// The key of an object: namespace (empty for the cluster) and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Namespace; empty for an object of the cluster.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ObjectKey {
    /// A key.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        Self::new(object.namespace(), object.name())
    }
}

/// What a kind's changes mean for a controller.
pub struct Source {
    /// Group of the watched kind.
    pub group: &'static str,
    /// Its resource name.
    pub plural: &'static str,
    /// The keys that an object (as it is, or as it was last) concerns.
    pub keys: Box<dyn Fn(&Value) -> Vec<ObjectKey> + Send + Sync>,
}

impl Source {
    /// A source whose objects are themselves the keys.
    #[must_use]
    pub fn own(group: &'static str, plural: &'static str) -> Self {
        Self::new(group, plural, |object| vec![ObjectKey::of(object)])
    }

    /// A source with its own rule.
    #[must_use]
    pub fn new(
        group: &'static str,
        plural: &'static str,
        keys: impl Fn(&Value) -> Vec<ObjectKey> + Send + Sync + 'static,
    ) -> Self {
        Self { group, plural, keys: Box::new(keys) }
    }

    /// A source whose objects concern the controller of that kind that owns them.
    #[must_use]
    pub fn owned(group: &'static str, plural: &'static str, owner: &'static str) -> Self {
        Self::new(group, plural, move |object| {
            let owner = object.controller().filter(|reference| reference["kind"] == owner);
            owner.map(|reference| ObjectKey::new(object.namespace(), reference.text("/name"))).into_iter().collect()
        })
    }
}

/// One control loop.
pub trait Controller: Send + Sync + 'static {
    /// Its name, as it stands in `managedFields` and events of upstream.
    fn name(&self) -> &'static str;

    /// What it watches.
    fn sources(&self) -> Vec<Source>;

    /// Brings what belongs to `key` nearer to what is asked for. `Some(pause)` asks to be called
    /// again after that; an error is tried again after a growing pause.
    fn reconcile<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>>;
}

/// Runs controllers until it is dropped.
pub async fn run(registry: &Registry, controllers: Vec<Arc<dyn Controller>>) {
    let mut tasks = JoinSet::new();
    for controller in controllers {
        let queue = Arc::new(Queue::new());
        for source in controller.sources() {
            tasks.spawn(feed(registry.clone(), source, Arc::clone(&queue)));
        }
        tasks.spawn(work(controller, queue));
    }
    while tasks.join_next().await.is_some() {}
}

async fn work(controller: Arc<dyn Controller>, queue: Arc<Queue<ObjectKey>>) {
    loop {
        let key = queue.next().await;
        match controller.reconcile(&key).await {
            Ok(again) => {
                queue.forget(&key);
                if let Some(pause) = again {
                    queue.add_after(key, pause);
                }
            }
            // Somebody else was quicker: what they wrote brings the key back, but maybe before the
            // state that was read here.
            Err(status) if status.code == 409 => {
                queue.retry(key);
            }
            Err(status) => {
                let pause = queue.retry(key.clone());
                let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
                warn!(controller = controller.name(), namespace, name, ?pause, error = %status, "cannot reconcile");
            }
        }
    }
}

/// Puts the keys of all that is there, and of all that changes, into a queue.
async fn feed(registry: Registry, source: Source, queue: Arc<Queue<ObjectKey>>) {
    loop {
        if let Err(status) = follow(&registry, &source, &queue).await {
            debug!(resource = source.plural, error = %status, "watch begins anew");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn follow(registry: &Registry, source: &Source, queue: &Queue<ObjectKey>) -> Result<(), Status> {
    let kind = registry.kind(source.group, source.plural)?;
    let mut lister = registry.list(&kind, Filter::everything(None), ListOptions::default()).await?;
    while let Some(record) = lister.next().await? {
        (source.keys)(&record.to_value()).into_iter().for_each(|key| queue.add(key));
    }
    let mut watcher = registry.watch(&kind, Filter::everything(None), Some(lister.revision()))?;
    while let Some(event) = watcher.next().await {
        let event = event?;
        (source.keys)(&event.record.to_value()).into_iter().for_each(|key| queue.add(key));
        if let Some(previous) = event.previous {
            (source.keys)(&previous.to_value()).into_iter().for_each(|key| queue.add(key));
        }
    }
    // The store is closed: nothing will come any more.
    std::future::pending::<()>().await;
    Ok(())
}
