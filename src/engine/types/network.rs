//! Engine networks.

use std::collections::BTreeMap;

/// A network to make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Name, unique.
    pub name: String,
    /// Address range such as `10.42.0.0/16`; default: the engine chooses.
    pub subnet: Option<String>,
    /// The host's address in it; default: the first.
    pub gateway: Option<String>,
    /// Part of the range that the engine may give out by itself, such as `10.42.255.0/24`.
    pub ip_range: Option<String>,
    /// Name of the bridge on the host, 15 characters at most; default: the engine chooses.
    pub bridge: Option<String>,
    /// Largest packet in bytes; default: the engine's.
    pub mtu: Option<u32>,
    /// No way out of it.
    pub internal: bool,
    /// Podman answers DNS on the gateway's address, port 53. Docker has its own inside each container, always.
    pub engine_dns: bool,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Driver options, passed on as they are.
    pub options: BTreeMap<String, String>,
}

/// A network of the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkDetail {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Driver, such as `bridge`.
    pub driver: String,
    /// Its ranges.
    pub subnets: Vec<Subnet>,
    /// No way out of it.
    pub internal: bool,
    /// Name of the bridge on the host, if it is a bridge and the name is known.
    pub bridge: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Driver options.
    pub options: BTreeMap<String, String>,
    /// Ids of the running containers in it; only inspect tells them, a list does not.
    pub containers: Vec<String>,
}

/// An address range of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subnet {
    /// Range such as `10.42.0.0/16`.
    pub subnet: String,
    /// The host's address in it, may be empty.
    pub gateway: String,
    /// Part that the engine gives out, may be empty.
    pub ip_range: String,
}
