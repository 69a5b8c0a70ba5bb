//! A container as the engine's inspect tells it: enough to say how it fares and to compare it with
//! what it was asked to be.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::{ContainerState, DeviceMapping, LogConfig, PortMapping, PublishedPort, Resources, RestartPolicy, Ulimit};

/// All that is told of one container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerDetail {
    /// Id, 64 hexadecimal digits.
    pub id: String,
    /// Name without the leading slash.
    pub name: String,
    /// When it was made.
    pub created: Option<jiff::Timestamp>,
    /// Image id (`sha256:…`).
    pub image_id: String,
    /// How it fares.
    pub state: StateDetail,
    /// How often the engine's restart policy started it again since it was made or last started by hand.
    pub restart_count: u64,
    /// Log driver and options in force.
    pub log: LogConfig,
    /// Path of the log file on the host, empty for drivers without one.
    pub log_path: String,
    /// What runs in it.
    pub config: ConfigFacts,
    /// What the host gives it.
    pub host: HostFacts,
    /// Mounts in force.
    pub mounts: Vec<MountPoint>,
    /// Where it is in networks, by the name of the network. Addresses are empty while it does not run.
    pub networks: BTreeMap<String, Endpoint>,
    /// Ports in force while it runs.
    pub ports: Vec<PortMapping>,
}

/// How a container fares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateDetail {
    /// State.
    pub state: ContainerState,
    /// Process id on the host, 0 while it does not run.
    pub pid: i64,
    /// Exit code of the last run; 128 + n after the signal n.
    pub exit_code: i64,
    /// The kernel killed a process of it in the last run because memory was short.
    pub oom_killed: bool,
    /// Why the last start failed, empty if it did not.
    pub error: String,
    /// Start of the last run; `None` if it never ran.
    pub started_at: Option<jiff::Timestamp>,
    /// End of the last run; `None` if none ended yet.
    pub finished_at: Option<jiff::Timestamp>,
    /// Result of the image's own health check.
    pub health: Option<Health>,
}

/// Result of a health check by the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// No result yet.
    Starting,
    /// Well.
    Healthy,
    /// Not well.
    Unhealthy,
}

/// What runs in a container, the image's part included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigFacts {
    /// Image as it was asked for.
    pub image: String,
    /// Entry point.
    pub entrypoint: Vec<String>,
    /// Arguments.
    pub args: Vec<String>,
    /// Variables as `NAME=value`.
    pub env: Vec<String>,
    /// Working directory.
    pub working_dir: String,
    /// User.
    pub user: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Has a terminal.
    pub tty: bool,
    /// Stdin is kept open.
    pub stdin: bool,
    /// Stdin closes after the first client.
    pub stdin_once: bool,
    /// Host name.
    pub hostname: String,
    /// Signal that asks it to stop, empty for the default.
    pub stop_signal: String,
    /// Seconds that a stop waits, if set.
    pub stop_timeout: Option<i64>,
}

/// What the host gives a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostFacts {
    /// As asked for: `default`, `bridge`, `host`, `none`, `container:ID` or the name of a network.
    pub network_mode: String,
    /// `host`, `container:ID` or empty.
    pub pid_mode: String,
    /// `private`, `shareable`, `host`, `container:ID` or empty.
    pub ipc_mode: String,
    /// Restart policy.
    pub restart: RestartPolicy,
    /// Whether the engine removes it when it ends.
    pub auto_remove: bool,
    /// Ports asked for.
    pub ports: Vec<PublishedPort>,
    /// Limits; a limit of 0 is none and is left out.
    pub resources: Resources,
    /// Billionths of a processor, if limited in that way (`docker run --cpus`).
    pub nano_cpus: Option<i64>,
    /// All rights.
    pub privileged: bool,
    /// Capabilities added.
    pub cap_add: Vec<String>,
    /// Capabilities taken away.
    pub cap_drop: Vec<String>,
    /// Options such as `no-new-privileges` and `seccomp=unconfined`.
    pub security_opt: Vec<String>,
    /// Root file system not writable.
    pub read_only_root: bool,
    /// Further groups.
    pub groups: Vec<String>,
    /// See [`ContainerSpec::oom_score_adj`](super::ContainerSpec::oom_score_adj).
    pub oom_score_adj: i64,
    /// Kernel parameters.
    pub sysctls: BTreeMap<String, String>,
    /// Resource limits of processes.
    pub ulimits: Vec<Ulimit>,
    /// Devices.
    pub devices: Vec<DeviceMapping>,
    /// Size of `/dev/shm` in bytes.
    pub shm_size: u64,
    /// Resolvers asked for.
    pub dns: Vec<String>,
    /// Lines for `/etc/hosts` as `name:address`.
    pub extra_hosts: Vec<String>,
    /// Hidden paths; `None` where the engine does not tell.
    pub masked_paths: Option<Vec<String>>,
}

/// A mount in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountPoint {
    /// `bind`, `volume`, `tmpfs`, `image`, …
    pub kind: String,
    /// Name of the volume, empty for others.
    pub name: String,
    /// Path on the host, empty for memory.
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// Writable.
    pub writable: bool,
    /// Such as `rprivate`.
    pub propagation: String,
}

/// A container's place in a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Id of the network.
    pub network_id: String,
    /// Address, if it has one now.
    pub ipv4: Option<Ipv4Addr>,
    /// IPv6 address, if it has one now.
    pub ipv6: Option<IpAddr>,
    /// Gateway.
    pub gateway: Option<IpAddr>,
    /// Hardware address.
    pub mac: String,
    /// Address asked for.
    pub static_ipv4: Option<Ipv4Addr>,
    /// Further names.
    pub aliases: Vec<String>,
}

/// What a container uses at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// When it was read.
    pub read: Option<jiff::Timestamp>,
    /// Processor time used since the start, nanoseconds.
    pub cpu_ns: u64,
    /// Bytes of memory counted by the kernel.
    pub memory: u64,
    /// The same without file pages that can go at once (what Kubernetes calls the working set).
    pub memory_working_set: u64,
    /// Limit of memory in bytes, that of the machine if it has none of its own.
    pub memory_limit: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Bytes received, all interfaces.
    pub rx_bytes: u64,
    /// Bytes sent, all interfaces.
    pub tx_bytes: u64,
    /// Bytes read from disks.
    pub read_bytes: u64,
    /// Bytes written to disks.
    pub written_bytes: u64,
}

/// The processes of a container as ps tells them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processes {
    /// Names of columns.
    pub titles: Vec<String>,
    /// Lines.
    pub rows: Vec<Vec<String>>,
}
