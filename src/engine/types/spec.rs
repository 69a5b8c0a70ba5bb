//! What a container is asked to be.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::Protocol;

/// A container to create. The default of each field is the engine's own default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerSpec {
    /// Its name; the engine takes `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
    pub name: String,
    /// An image reference or an image id (`sha256:…`). It must be present: nothing is pulled.
    pub image: String,
    /// Replaces the image's entry point. Where it is given and `args` is not, the image's arguments
    /// are dropped too.
    pub entrypoint: Option<Vec<String>>,
    /// Replaces the image's arguments.
    pub args: Option<Vec<String>>,
    /// Variables, in order; they replace those of the image that have the same name.
    pub env: Vec<(String, String)>,
    /// Replaces the image's working directory.
    pub working_dir: Option<String>,
    /// `uid`, `uid:gid` or names that the image knows.
    pub user: Option<String>,
    /// Labels of the container.
    pub labels: BTreeMap<String, String>,
    /// Gives it a terminal: stdout and stderr become one stream.
    pub tty: bool,
    /// Keeps stdin open, so that attach can write to it.
    pub stdin: bool,
    /// Closes stdin after the first client that was attached to it goes away.
    pub stdin_once: bool,
    /// Host name; not allowed together with the network of the host or of another container.
    pub hostname: Option<String>,
    /// Domain name, joined to the host name.
    pub domainname: Option<String>,
    /// Network it lives in.
    pub network: NetworkMode,
    /// Ports of the host that lead to it.
    pub ports: Vec<PublishedPort>,
    /// Process namespace.
    pub pid: PidMode,
    /// IPC namespace.
    pub ipc: IpcMode,
    /// What its `/etc/resolv.conf` says; empty parts are the engine's own.
    pub dns: Dns,
    /// Further lines of its `/etc/hosts`: name and address.
    pub extra_hosts: Vec<(String, IpAddr)>,
    /// Its mounts.
    pub mounts: Vec<Mount>,
    /// What the engine does when it ends.
    pub restart: RestartPolicy,
    /// Signal that asks it to stop, by name (`SIGTERM`) or number; default: the image's.
    pub stop_signal: Option<String>,
    /// How long a stop that names no time waits before it kills, whole seconds.
    pub stop_timeout: Option<Duration>,
    /// Its limits.
    pub resources: Resources,
    /// Its rights.
    pub security: Security,
    /// -1000 to 1000: how gladly the kernel kills it when memory is short.
    pub oom_score_adj: Option<i64>,
    /// Devices of the host that it may use.
    pub devices: Vec<DeviceMapping>,
    /// Devices by their name in the Container Device Interface (`vendor.com/class=name`); Docker 25 or
    /// later, Podman 4.1 or later.
    pub cdi_devices: Vec<String>,
    /// Resource limits of its processes.
    pub ulimits: Vec<Ulimit>,
    /// Kernel parameters of its namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// Log driver; default: the engine's.
    pub log: Option<LogConfig>,
    /// Size of `/dev/shm` in bytes.
    pub shm_size: Option<u64>,
    /// Whether an init of the engine's reaps orphans.
    pub init: Option<bool>,
    /// Switches off a health check that the image brings along.
    pub no_healthcheck: bool,
}

/// The network of a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum NetworkMode {
    /// The engine's default bridge.
    #[default]
    Default,
    /// No network but loopback.
    None,
    /// The host's.
    Host,
    /// That of the container with this id or name.
    Container(String),
    /// An engine network.
    Network(NetworkTarget),
}

/// A place in an engine network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkTarget {
    /// Name or id of the network.
    pub network: String,
    /// A fixed address out of the network's range.
    pub ipv4: Option<Ipv4Addr>,
    /// Further names under which the engine's own DNS knows it.
    pub aliases: Vec<String>,
    /// A fixed hardware address such as `02:42:0a:2a:00:05`; Docker 20.10 takes it for the container as a whole.
    pub mac: Option<String>,
}

/// A port of the host that leads into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedPort {
    /// Address of the host; `None` is all.
    pub host_ip: Option<IpAddr>,
    /// Port of the host, 0 lets the engine choose.
    pub host_port: u16,
    /// Port in the container.
    pub container_port: u16,
    /// Protocol.
    pub protocol: Protocol,
}

/// Which processes a container sees.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum PidMode {
    /// Its own.
    #[default]
    Private,
    /// All of the host.
    Host,
    /// Those of the container with this id or name too.
    Container(String),
}

/// Whose shared memory and semaphores a container sees.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum IpcMode {
    /// The engine's default, its own on every engine here.
    #[default]
    Default,
    /// Its own, and others may join.
    Shareable,
    /// The host's.
    Host,
    /// Those of the container with this id or name.
    Container(String),
}

/// Name resolution in a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dns {
    /// Addresses of resolvers.
    pub servers: Vec<String>,
    /// Search domains.
    pub searches: Vec<String>,
    /// Options such as `ndots:5`.
    pub options: Vec<String>,
}

/// Something of the host mounted in a container.
#[derive(Clone, Debug, PartialEq)]
pub enum Mount {
    /// A file or directory of the host. The source must exist.
    Bind {
        /// Absolute path on the host.
        source: String,
        /// Absolute path in the container.
        target: String,
        /// Not writable.
        read_only: bool,
        /// Whether mounts below a read-only one are read-only too.
        recursive_read_only: RecursiveReadOnly,
        /// How later mounts pass between host and container.
        propagation: Propagation,
    },
    /// An engine volume; it is made when it is not there.
    Volume {
        /// Name of the volume.
        name: String,
        /// Absolute path in the container.
        target: String,
        /// Not writable.
        read_only: bool,
        /// Leaves out the copy of what the image holds at the target into an empty volume.
        no_copy: bool,
        /// A directory within the volume; Docker 26 or later, Podman 5 or later.
        subpath: Option<String>,
    },
    /// Memory.
    Tmpfs {
        /// Absolute path in the container.
        target: String,
        /// Size limit in bytes; default: half of the memory.
        size: Option<u64>,
        /// Mode bits of its root, such as 0o1777.
        mode: Option<u32>,
        /// Whether programs may be run from it.
        exec: bool,
        /// Not writable.
        read_only: bool,
    },
    /// The files of an image, read-only; Docker 28 or later, Podman 4 or later.
    Image {
        /// Reference or id of a present image.
        image: String,
        /// Absolute path in the container.
        target: String,
        /// A directory within the image.
        subpath: Option<String>,
    },
}

/// Whether the mounts below a read-only bind mount are read-only too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecursiveReadOnly {
    /// Only the mount itself, whatever the engine's version.
    #[default]
    Disabled,
    /// They are where engine and kernel can do it.
    IfPossible,
    /// They must be: else the container is refused.
    Enabled,
}

/// How mounts made later pass between the host and a bind mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// Not at all.
    #[default]
    Private,
    /// From the host into the container.
    HostToContainer,
    /// Both ways; needs a privileged container and a shared mount on the host.
    Bidirectional,
}

/// What the engine does when a container ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Nothing.
    #[default]
    No,
    /// Starts it again, and with the engine's start too.
    Always,
    /// As `Always`, but not with the engine's start once it was stopped by hand.
    UnlessStopped,
    /// Starts it again after a failure.
    OnFailure {
        /// At most this often; 0 is without end.
        max_retries: u32,
    },
}

/// Limits of a container. `None` leaves a limit out, or as it is in an update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Relative weight under load, 2 to 262144, 1024 is the norm.
    pub cpu_shares: Option<i64>,
    /// Microseconds of processor time in each period; -1 lifts the limit.
    pub cpu_quota: Option<i64>,
    /// Length of a period in microseconds.
    pub cpu_period: Option<i64>,
    /// Processors it may run on, such as `0-2,4`.
    pub cpuset_cpus: Option<String>,
    /// Bytes of memory; 0 lifts the limit. Docker takes 6 MiB at least.
    pub memory: Option<i64>,
    /// Bytes of memory and swap together; -1 is without limit, the same as `memory` forbids swap.
    pub memory_swap: Option<i64>,
    /// Bytes below which the kernel does not take memory away easily.
    pub memory_reservation: Option<i64>,
    /// Number of processes and threads; -1 lifts the limit.
    pub pids_limit: Option<i64>,
}

/// Rights of a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Security {
    /// All rights and devices of the host.
    pub privileged: bool,
    /// Capabilities to add, without `CAP_`; `ALL` is all.
    pub cap_add: Vec<String>,
    /// Capabilities to take away.
    pub cap_drop: Vec<String>,
    /// No program gains rights by being run (setuid, file capabilities).
    pub no_new_privileges: bool,
    /// System call filter.
    pub seccomp: Seccomp,
    /// AppArmor profile by name, `unconfined` for none; default: the engine's.
    pub apparmor: Option<String>,
    /// SELinux labels: `user:…`, `role:…`, `type:…`, `level:…`, `disable`.
    pub selinux: Vec<String>,
    /// Root file system not writable.
    pub read_only_root: bool,
    /// Paths hidden; `None` is the engine's list, an empty one hides nothing.
    pub masked_paths: Option<Vec<String>>,
    /// Paths not writable; `None` is the engine's list.
    pub readonly_paths: Option<Vec<String>>,
    /// Further groups, numbers or names.
    pub groups: Vec<String>,
    /// Uses the host's user namespace where the engine maps users.
    pub host_users: bool,
}

/// The system call filter of a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Seccomp {
    /// The engine's own profile.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// This one: the JSON text of a profile.
    Profile(String),
}

/// A device of the host in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceMapping {
    /// Path on the host.
    pub host: String,
    /// Path in the container.
    pub container: String,
    /// Of `r`, `w` and `m` (make the node).
    pub permissions: String,
}

/// A resource limit of processes (see setrlimit(2)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ulimit {
    /// Name in small letters without `RLIMIT_`, such as `nofile`.
    pub name: String,
    /// Soft limit.
    pub soft: i64,
    /// Hard limit.
    pub hard: i64,
}

/// Where a container's output goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogConfig {
    /// Driver, such as `json-file`, `local`, `journald`, `none`.
    pub driver: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
}
