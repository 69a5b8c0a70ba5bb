//! The configuration: files, variables and flags, parsed into [`Settings`] and then resolved into a
//! [`Config`] whose every value is known to be usable. It starts nothing and opens nothing but the
//! configuration files.
//!
//! ```text
//! built-in defaults < /etc/k2d/k2d.toml < /etc/k2d/k2d.toml.d/*.toml < K2D_* < flags
//! ```

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::Ipv4Net;
use tracing::level_filters::LevelFilter;

mod error;
mod report;
mod resolve;
mod settings;
mod source;

#[cfg(test)]
mod tests;

pub use error::{Error, Origin};
pub use settings::{
    ApiSettings, EngineSettings, ForeignSettings, ImageSettings, LogSettings, NetworkSettings, NodeSettings, Settings,
    StorageSettings, StoreSettings,
};
pub use source::{DEFAULT_FILE, Loaded, Sources};

/// Everything that k2d was told, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Names the engine network, the nftables table and a label on all that k2d makes.
    pub instance: String,
    /// State, certificates and projected files live here; absolute.
    pub data_dir: PathBuf,
    /// Only the API and its store: no engine, no network, no controllers that need either.
    pub api_only: bool,
    /// The API server.
    pub api: Api,
    /// This machine as a Node.
    pub node: Node,
    /// The container engine.
    pub engine: Engine,
    /// Pulling of images.
    pub images: Images,
    /// Addresses, ports and names in the cluster.
    pub network: Network,
    /// Containers that k2d did not make.
    pub foreign: Foreign,
    /// Claims and classes.
    pub storage: Storage,
    /// The store of objects.
    pub store: Store,
    /// The log.
    pub log: Log,
}

/// The API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// Where it listens, unless systemd hands sockets over; never empty.
    pub listen: Vec<SocketAddr>,
    /// The address given to clients and pods; `None` means the one of the default route.
    pub advertise_address: Option<IpAddr>,
    /// Further names and addresses in the server's certificate.
    pub names: Vec<String>,
    /// Connections at one time, 16 to 65536; above it new ones wait.
    pub max_connections: usize,
    /// Bytes of a request body, 64 KiB to 64 MiB; above it the answer is 413.
    pub max_body: usize,
}

/// This machine as a Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Name of the Node, a DNS subdomain.
    pub name: String,
    /// Pods that may be bound to it, 1 to 10000.
    pub max_pods: u32,
}

/// Where the engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineSocket {
    /// The first that is there of Docker's and Podman's usual sockets.
    Auto,
    /// No engine: pods stay pending.
    None,
    /// This Unix socket.
    Path(PathBuf),
}

/// The container engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Where it is.
    pub socket: EngineSocket,
}

/// What `imagePullPolicy: Always` means for an image that is present while its registry cannot be
/// reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offline {
    /// The pull fails, as on any Kubernetes node.
    Fail,
    /// The image that is present is used, and an event says so.
    UsePresent,
}

/// Pulling of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Images {
    /// What `Always` means without a wire to the registry.
    pub offline: Offline,
    /// A pull that brings nothing for this long is given up; 10 s to 1 h.
    pub pull_stall: Duration,
}

/// Addresses, ports and names in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Pods' addresses; its first address is the gateway.
    pub pods: Ipv4Net,
    /// Services' addresses; its first address is that of the `kubernetes` service.
    pub services: Ipv4Net,
    /// Ports of services of type NodePort and LoadBalancer.
    pub node_ports: RangeInclusive<u16>,
    /// The suffix of names in the cluster, such as `cluster.local`.
    pub cluster_domain: String,
    /// Name servers for all other names; empty means those of the host.
    pub upstreams: Vec<SocketAddr>,
}

impl Network {
    /// The gateway of the pod network, where DNS is served.
    #[must_use]
    pub fn gateway(&self) -> Ipv4Addr {
        first_address(self.pods)
    }

    /// The address of the service `default/kubernetes`.
    #[must_use]
    pub fn api_service(&self) -> Ipv4Addr {
        first_address(self.services)
    }
}

fn first_address(network: Ipv4Net) -> Ipv4Addr {
    network.hosts().next().unwrap_or_else(|| network.network())
}

/// Containers that k2d did not make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The namespace in which they are pods.
    pub namespace: String,
}

/// Claims and classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Name of the StorageClass that claims get which name none.
    pub default_class: String,
}

/// The store of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store {
    /// Bytes of past changes that watches can catch up on, 64 KiB to 256 MiB.
    pub history: usize,
    /// How long an Event is kept; 1 min to 7 days.
    pub event_ttl: Duration,
}

/// Where the log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// To the journal when standard error is connected to it, else as text.
    Auto,
    /// To the journal with fields.
    Journal,
    /// One line each on standard error.
    Text,
}

/// Which requests get a line of their own in the log, whatever its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditLog {
    /// None.
    Off,
    /// Writes that were refused.
    Refused,
    /// All writes.
    Writes,
}

/// The log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// What is logged.
    pub level: LevelFilter,
    /// Where it goes.
    pub format: LogFormat,
    /// Which requests get a line of their own.
    pub audit: AuditLog,
}
