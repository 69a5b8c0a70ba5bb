//! Between pods and containers, pure both ways: a pod's container and what it refers to become a
//! [`ContainerSpec`](crate::engine::ContainerSpec), and what the engine tells becomes a status. It reads
//! no store, calls no engine and touches no file.
//!
//! ```text
//! refs        what a pod refers to, so that the caller can fetch it
//! env fields expand resources security mounts   the parts of a container
//! container   the whole of it
//! status conditions                             the way back
//! names       labels and container names
//! ```

pub mod conditions;
pub mod container;
pub mod env;
pub mod etc;
pub mod expand;
pub mod fields;
pub mod mounts;
pub mod names;
pub mod refs;
pub mod resources;
pub mod security;
pub mod status;

use std::collections::BTreeMap;

use serde_json::Value;

/// Why a container cannot be made as its pod asks for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The reason in `state.waiting`, such as `CreateContainerConfigError`.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

impl Refusal {
    /// Something that the pod refers to is missing or cannot be used (`CreateContainerConfigError`).
    pub fn config(message: impl Into<String>) -> Self {
        Self { reason: "CreateContainerConfigError", message: message.into() }
    }

    /// The engine cannot do what is asked for (`CreateContainerError`).
    pub fn container(message: impl Into<String>) -> Self {
        Self { reason: "CreateContainerError", message: message.into() }
    }
}

/// The objects that a pod refers to, as far as they are there, by name.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// ConfigMaps.
    pub config_maps: BTreeMap<String, Value>,
    /// Secrets.
    pub secrets: BTreeMap<String, Value>,
    /// The services whose variables the pod gets.
    pub services: Vec<Value>,
}

/// What a pod can learn of its place.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// `spec.nodeName`.
    pub node: String,
    /// Addresses of the node, the first one first.
    pub host_ips: Vec<String>,
    /// Address of the pod, once it has one.
    pub pod_ip: String,
    /// Thousandths of processors that pods may use.
    pub cpu: i64,
    /// Bytes of memory that pods may use.
    pub memory: i64,
    /// Bytes of memory of the machine.
    pub memory_capacity: i64,
    /// Bytes of disk that pods may use.
    pub storage: i64,
    /// The lowest `oom_score_adj` that the engine may set.
    pub lowest_oom_score: i64,
}
