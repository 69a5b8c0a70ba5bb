//! What this module is told about the cluster: services with their endpoints, and pods. Plain
//! values, made by the controllers from Services, EndpointSlices and Pods; nothing here knows how
//! those are written.

use std::net::IpAddr;
use std::time::Duration;

use super::addresses::Network;

/// Everything that the packet rules and the name server depend on, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The services, in any order (rules and zone sort for themselves).
    pub services: Vec<ServiceModel>,
    /// The pods that have an address, in any order.
    pub pods: Vec<PodRecord>,
}

/// A Service and the endpoints behind it.
///
/// A type is not named: a ClusterIP service has `cluster_ips`, a NodePort service has in addition
/// `node_port` in its ports, a LoadBalancer service in addition `load_balancer`, a headless one
/// `headless`, an ExternalName one `external_name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceModel {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `spec.clusterIPs` without `None`; empty for headless and ExternalName services.
    pub cluster_ips: Vec<IpAddr>,
    /// `spec.clusterIP` is `None`: names resolve to the endpoints, no packet rules.
    pub headless: bool,
    /// `spec.externalName`: a CNAME, no packet rules.
    pub external_name: Option<String>,
    /// `spec.ports`, in their order.
    pub ports: Vec<ServicePort>,
    /// The endpoints, one group for each EndpointSlice (or each set of target ports).
    pub endpoints: Vec<EndpointGroup>,
    /// `spec.externalIPs`.
    pub external_ips: Vec<IpAddr>,
    /// What a service of type LoadBalancer adds.
    pub load_balancer: Option<LoadBalancer>,
    /// `spec.sessionAffinity: ClientIP` with its timeout; none for `None`.
    pub session_affinity: Option<Duration>,
    /// `spec.internalTrafficPolicy`, for traffic to cluster IPs.
    pub internal_policy: TrafficPolicy,
    /// `spec.externalTrafficPolicy`, for node ports, external IPs and load balancer addresses.
    pub external_policy: TrafficPolicy,
    /// `spec.publishNotReadyAddresses`: every endpoint counts as ready.
    pub publish_not_ready: bool,
}

/// One of the `spec.ports` of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicePort {
    /// `name`; empty when the only port has none. Finds the target port in an [`EndpointGroup`].
    pub name: String,
    /// `protocol`.
    pub protocol: Protocol,
    /// `port`, 1 to 65535.
    pub port: u16,
    /// `nodePort`, where one is given.
    pub node_port: Option<u16>,
}

/// Endpoints that share their target ports: an EndpointSlice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointGroup {
    /// The target ports; a service port leads to the one of the same name and protocol.
    pub ports: Vec<TargetPort>,
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// A port on which the endpoints of a group listen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetPort {
    /// The name of the service port that leads here; empty when it has none.
    pub name: String,
    /// Its protocol.
    pub protocol: Protocol,
    /// The port on the endpoint, 1 to 65535.
    pub port: u16,
}

/// An address behind a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// `hostname`, of an endpoint that has a name under a headless service.
    pub hostname: Option<String>,
    /// `conditions.ready` (absent means true).
    pub ready: bool,
    /// `conditions.serving` (absent means as `ready`).
    pub serving: bool,
    /// `conditions.terminating` (absent means false).
    pub terminating: bool,
    /// `nodeName` is this node: what the traffic policy `Local` asks for.
    pub local: bool,
}

impl Endpoint {
    /// An endpoint on this node that is ready.
    pub fn ready(address: IpAddr) -> Self {
        Endpoint { address, hostname: None, ready: true, serving: true, terminating: false, local: true }
    }
}

/// What a service of type LoadBalancer adds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadBalancer {
    /// The addresses that lead to it (`status.loadBalancer.ingress`): those of the host.
    pub addresses: Vec<IpAddr>,
    /// `spec.loadBalancerSourceRanges`, empty means everyone.
    pub source_ranges: Vec<Network>,
}

/// A transport protocol of a service port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// `TCP`.
    #[default]
    Tcp,
    /// `UDP`.
    Udp,
    /// `SCTP`.
    Sctp,
}

impl Protocol {
    /// The name in lower case, as nftables and SRV records write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }
}

/// Which endpoints take part: `internalTrafficPolicy`, `externalTrafficPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrafficPolicy {
    /// All of them.
    #[default]
    Cluster,
    /// Those of this node alone.
    Local,
}

/// A pod that has an address of its own (not one on the host's network).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRecord {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `status.podIPs`, the first one.
    pub address: IpAddr,
}
