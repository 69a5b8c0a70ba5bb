//! What the engine is asked for and what it tells, in plain types. They hold no engine's wire form
//! and no Kubernetes word.

mod container;
mod detail;
mod event;
mod image;
mod network;
mod session;
mod spec;
mod system;
mod volume;

pub(in crate::engine) use container::whole_seconds;
pub use container::{ContainerState, ContainerSummary, Filter, PortMapping, Protocol, RemoveOptions, WaitResult};
pub use detail::{
    ConfigFacts, ContainerDetail, Endpoint, Health, HostFacts, MountPoint, Processes, StateDetail, Stats,
};
pub use event::{ContainerAction, Event, ObjectAction};
pub use image::{Credentials, ImageDetail, ImageSummary, PullProgress};
pub use network::{NetworkDetail, NetworkSpec, Subnet};
pub use session::{ExecSpec, ExecState, LogOptions, Update};
pub use spec::{
    ContainerSpec, DeviceMapping, Dns, IpcMode, LogConfig, Mount, NetworkMode, NetworkTarget, PidMode, Propagation,
    PublishedPort, RecursiveReadOnly, Resources, RestartPolicy, Seccomp, Security, Ulimit,
};
pub use system::{ApiVersion, EngineKind, Info, Version};
pub use volume::{VolumeDetail, VolumeSpec};
