//! Controllers: each brings what is nearer to what is asked for, one key at a time, from the state
//! alone (level-triggered). They write through the registry and never call an HTTP handler.
//!
//! ```text
//! watch of a kind ──map──→ queue of keys ──→ reconcile(key) ──→ registry
//!                             ↑ later, or after a failure ┘
//! ```

pub mod cluster;
mod cluster_role;
mod deployment;
mod disruption;
mod endpoint_slices;
mod endpoints;
mod event_expiry;
mod garbage;
mod namespace;
mod pods;
mod quota;
mod replica_set;
mod root_ca;
mod service_account;
mod signing;
mod template_hash;
mod token_secret;
mod volumes;

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

pub use signing::CertificateSigner;
pub use token_secret::SignClaims;
pub use volumes::provision::{LocalVolumes, default_class};

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

/// The rule by which an object brings keys.
pub type Keys = Box<dyn Fn(&Value) -> Vec<ObjectKey> + Send + Sync>;

/// What a kind's changes mean for a controller.
pub struct Source {
    /// Group of the watched kind.
    pub group: &'static str,
    /// Its resource name.
    pub plural: &'static str,
    /// The keys that an object (as it is, or as it was last) concerns.
    pub keys: Keys,
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

    /// Told once of its queue, for keys that no source brings.
    fn attach(&self, _queue: &Arc<Queue<ObjectKey>>) {}

    /// Brings what belongs to `key` nearer to what is asked for. `Some(pause)` asks to be called
    /// again after that; an error is tried again after a growing pause.
    fn reconcile<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>>;
}

/// What the controllers of a cluster need to be told.
pub struct Setup {
    /// Certificates by which pods know the API, as PEM.
    pub authority: String,
    /// Where pods reach the API.
    pub api: (std::net::IpAddr, u16),
    /// How long events stay.
    pub event_ttl: Duration,
    /// Signs the certificates of clients.
    pub signer: Arc<dyn CertificateSigner>,
    /// Signs the tokens that are kept in Secrets.
    pub tokens: SignClaims,
    /// Makes volumes of the engine, where there is one.
    pub volumes: Option<Arc<dyn LocalVolumes>>,
}

/// The controllers of a cluster.
pub struct Controllers {
    list: Vec<Arc<dyn Controller>>,
    garbage: Arc<garbage::GarbageCollector>,
}

impl Controllers {
    /// All of them.
    #[must_use]
    pub fn new(registry: &Registry, setup: Setup) -> Self {
        let namespaces = Arc::new(namespace::NamespaceController::new(registry));
        let quotas = Arc::new(quota::QuotaController::new(registry));
        let garbage = Arc::new(garbage::GarbageCollector::new(registry, &namespaces, &quotas));
        let (address, port) = setup.api;
        let list: Vec<Arc<dyn Controller>> = vec![
            namespaces,
            Arc::clone(&garbage) as Arc<dyn Controller>,
            quotas,
            Arc::new(disruption::DisruptionController::new(registry)),
            Arc::new(service_account::ServiceAccountController::new(registry)),
            Arc::new(token_secret::TokenSecretController::new(registry, &setup.authority, setup.tokens)),
            Arc::new(signing::SigningController::new(registry, setup.signer)),
            Arc::new(cluster_role::ClusterRoleController::new(registry)),
            Arc::new(root_ca::RootCaController::new(registry, &setup.authority)),
            Arc::new(deployment::DeploymentController::new(registry)),
            Arc::new(replica_set::ReplicaSetController::new(registry)),
            Arc::new(endpoints::EndpointsController::new(registry)),
            Arc::new(endpoint_slices::EndpointSliceController::new(registry)),
            Arc::new(endpoint_slices::mirror::MirrorController::new(registry)),
            Arc::new(endpoint_slices::api::ApiEndpoints::new(registry, address, port)),
            Arc::new(volumes::VolumeController::new(registry, setup.volumes)),
            Arc::new(volumes::protection::ProtectionController::new(registry)),
            Arc::new(event_expiry::EventExpiry::new(registry, setup.event_ttl)),
        ];
        Self { list, garbage }
    }

    /// With one more.
    #[must_use]
    pub fn with(mut self, controller: Arc<dyn Controller>) -> Self {
        self.list.push(controller);
        self
    }

    /// Runs them until it is dropped.
    pub async fn run(self, registry: &Registry) {
        tokio::join!(run(registry, self.list), self.garbage.follow());
    }
}

/// Runs controllers until it is dropped.
pub async fn run(registry: &Registry, controllers: Vec<Arc<dyn Controller>>) {
    let mut tasks = JoinSet::new();
    for controller in controllers {
        let queue = Arc::new(Queue::new());
        controller.attach(&queue);
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
            Err(status) if status.code == 409 || is_gone(&status) => {
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

/// Whether an object that was there a moment ago is there no more.
fn is_gone(status: &Status) -> bool {
    status.code == 404 && status.details.as_ref().is_some_and(|details| !details.name.is_empty())
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

/// A time as the API shows it, to the second.
fn time(at: jiff::Timestamp) -> String {
    jiff::Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}
