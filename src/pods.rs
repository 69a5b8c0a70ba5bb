//! The node's part: pods become containers, and what the engine tells becomes statuses. One task a pod
//! at a time, from what is there (level-triggered): the store's watches and the engine's events say
//! which pod to look at, never what to do. It does not know HTTP and not who asks.
//!
//! ```text
//! watches of the store ─┐                     ┌→ volumes → files under <data>/volumes/<uid>
//! events of the engine ─┼→ queue of pods → sync → engine
//! probes, timers ───────┘                     └→ status in memory
//! ```

mod backoff;
mod devices;
mod events;
#[cfg(test)]
mod fake;
mod feed;
mod foreign;
mod images;
mod memory;
mod node;
mod pause;
mod probes;
mod schedule;
pub mod streams;
mod sync;
#[cfg(test)]
mod tests;
pub mod translate;
pub mod usage;
mod volumes;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::config::Device;
use crate::engine::{self, Engine};
use crate::host::token::TokenKey;
use crate::network::addresses::{AddressPool, Network};
use crate::registry::queue::Queue;
use crate::registry::{Registry, Target, WriteOptions};
use crate::schema::status::Status;

use events::Recorder;
use memory::PodMemory;
use translate::names::Owner;

/// The key of a pod: namespace and name.
pub type PodKey = (String, String);

/// What the node must know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names the engine network and a label on all that is made.
    pub instance: String,
    /// Name of the Node.
    pub node: String,
    /// Pods that may be bound to it.
    pub max_pods: u32,
    /// State of k2d; projected files go below `volumes`.
    pub data_dir: PathBuf,
    /// The pod network, IPv4.
    pub pods: Network,
    /// Name of its bridge on the host.
    pub bridge: String,
    /// Whether k2d answers DNS on the gateway of the pod network.
    pub dns: bool,
    /// The namespace in which containers that k2d did not make are pods.
    pub foreign: String,
    /// Such as `cluster.local`.
    pub domain: String,
    /// The host's addresses, the first one first.
    pub addresses: Vec<IpAddr>,
    /// Issuer of the tokens of service accounts.
    pub issuer: String,
    /// A present image is used while the registry cannot be reached, although `Always` is asked for.
    pub use_present: bool,
    /// A pull that brings nothing for this long is given up.
    pub pull_stall: Duration,
    /// Sysctls that a pod may set besides the safe ones; `*` at the end stands for anything.
    pub unsafe_sysctls: Vec<String>,
    /// Devices that pods may ask for.
    pub devices: Vec<Device>,
    /// Processes and threads that each container may have.
    pub pids_limit: Option<i64>,
}

impl Settings {
    /// Those of a node on that pod network, with what a small machine usually has.
    #[must_use]
    pub fn new(pods: Network) -> Self {
        Self {
            instance: "k2d".into(),
            node: "localhost".into(),
            max_pods: 110,
            data_dir: PathBuf::from("/var/lib/k2d"),
            pods,
            bridge: bridge_name("k2d"),
            dns: false,
            foreign: "docker".into(),
            domain: "cluster.local".into(),
            addresses: Vec::new(),
            issuer: String::new(),
            use_present: false,
            pull_stall: Duration::from_secs(120),
            unsafe_sysctls: Vec::new(),
            devices: Vec::new(),
            pids_limit: None,
        }
    }
}

/// Why a pod could not be brought nearer to what is asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error("{0}")]
    Api(#[from] Status),
    #[error("{0}")]
    Store(#[from] crate::store::Error),
    #[error("{what}: {source}")]
    File { what: String, source: std::io::Error },
}

/// The node; cheap to clone.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

pub(crate) struct Inner {
    settings: Settings,
    registry: Registry,
    engine: Engine,
    key: Arc<TokenKey>,
    owner: OnceLock<Owner>,
    queue: Queue<PodKey>,
    connected: AtomicBool,
    /// How often the engine went away.
    losses: AtomicU32,
    recorder: Recorder,
    memory: Mutex<HashMap<PodKey, PodMemory>>,
    addresses: Mutex<AddressPool>,
    pulls: images::Pulls,
    probes: probes::Probes,
    devices: devices::Devices,
    usages: usage::Usages,
    /// Ids of containers that k2d itself removes.
    removing: Mutex<HashSet<String>>,
    tasks: Mutex<JoinSet<()>>,
    /// Held while a pod is checked and bound.
    scheduling: tokio::sync::Mutex<()>,
    facts: node::Capacity,
}

/// Ends what a node has begun when its `run` is dropped.
struct Tasks(Arc<Inner>);

impl Drop for Tasks {
    fn drop(&mut self) {
        lock(&self.0.tasks).abort_all();
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Node {
    /// A node that does nothing yet.
    #[must_use]
    pub fn new(settings: Settings, registry: Registry, engine: Engine, key: Arc<TokenKey>) -> Self {
        let pool = AddressPool::pods(settings.pods, seed());
        let recorder = Recorder::new(registry.clone(), &settings.node);
        Self(Arc::new(Inner {
            facts: node::Capacity::read(settings.max_pods, &settings.data_dir),
            devices: devices::Devices::new(settings.devices.clone()),
            settings,
            registry,
            engine,
            key,
            owner: OnceLock::new(),
            queue: Queue::new(),
            scheduling: tokio::sync::Mutex::default(),
            connected: AtomicBool::new(false),
            losses: AtomicU32::new(0),
            recorder,
            memory: Mutex::default(),
            addresses: Mutex::new(pool),
            pulls: images::Pulls::default(),
            probes: probes::Probes::default(),
            usages: usage::Usages::default(),
            removing: Mutex::default(),
            tasks: Mutex::default(),
        }))
    }

    /// Whether the engine can be reached, and how often it went away.
    #[must_use]
    pub fn engine(&self) -> (bool, u32) {
        (self.0.is_connected(), self.0.losses.load(Ordering::Relaxed))
    }

    /// Runs until it is dropped. What runs on the engine then goes on.
    pub async fn run(self) {
        let inner = self.0;
        let _tasks = Tasks(Arc::clone(&inner));
        let mut parts = JoinSet::new();
        parts.spawn(Arc::clone(&inner).feed());
        parts.spawn(Arc::clone(&inner).follow_engine());
        parts.spawn(Arc::clone(&inner).work());
        parts.spawn(Arc::clone(&inner).keep_node());
        parts.spawn(probes::run(Arc::clone(&inner)));
        parts.spawn(Arc::clone(&inner).follow_network());
        parts.spawn(devices::follow(Arc::clone(&inner)));
        parts.spawn(Arc::clone(&inner).record());
        while parts.join_next().await.is_some() {}
    }
}

/// How long the container of a pod that is being deleted has to end.
fn container_stop_grace(pod: &serde_json::Value) -> Duration {
    let seconds = crate::schema::object::Object::int(pod, "/metadata/deletionGracePeriodSeconds").unwrap_or(10);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// Name of the bridge of the pod network on the host (15 characters at the most).
#[must_use]
pub fn bridge_name(instance: &str) -> String {
    let short: String = instance.chars().take(14).collect();
    format!("{short}0")
}

/// Where the search for free addresses begins: anywhere, so that an address is not given to another
/// pod soon after a restart.
fn seed() -> u32 {
    uuid::Uuid::new_v4().as_fields().0
}

impl Inner {
    fn target(&self, key: &PodKey) -> Result<Target, Status> {
        self.registry.target("", "pods", &key.0, &key.1)
    }

    fn options() -> WriteOptions {
        WriteOptions::internal("kubelet")
    }

    fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Whose labels containers get. The store is known by its namespace `kube-system`.
    async fn owner(&self) -> Result<&Owner, Status> {
        if let Some(owner) = self.owner.get() {
            return Ok(owner);
        }
        let target = self.registry.target("", "namespaces", "", "kube-system")?;
        let namespace = self.registry.get(&target).await?.to_value();
        let cluster = crate::schema::object::Object::uid(&namespace).to_owned();
        Ok(self.owner.get_or_init(|| Owner { instance: self.settings.instance.clone(), cluster }))
    }

    fn network(&self) -> translate::container::Network {
        let gateway = self.settings.pods.nth(1).map(|address| address.to_string());
        translate::container::Network {
            name: self.settings.instance.clone(),
            resolver: gateway.filter(|_| self.settings.dns).unwrap_or_default(),
            domain: self.settings.domain.clone(),
        }
    }

    /// Runs something that a pod does not wait for.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    fn release(&self, address: Option<Ipv4Addr>) {
        if let Some(address) = address {
            lock(&self.addresses).release(address.into());
        }
    }
}
