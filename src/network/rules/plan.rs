//! From services to decisions: what each address and port leads to. No word of nftables yet.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Family;
use crate::network::addresses::Network;
use crate::network::model::{Endpoint, Protocol, ServiceModel, ServicePort, Snapshot, TrafficPolicy};

/// Where traffic to an address or port goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// To a chain of [`Plan::chains`].
    Chain(String),
    /// Refused at once: nobody is there.
    Reject,
    /// Left without an answer: somebody is there, but not by this way (traffic policy `Local`).
    Drop,
}

/// What a chain does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    /// Chooses one of the endpoints, at random.
    Spread {
        /// The protocol of all that comes here.
        protocol: Protocol,
        /// The endpoints, sorted, at least one.
        endpoints: Vec<SocketAddr>,
        /// The service port whose [`Plan::sticky`] entries keep a client at its endpoint.
        sticky: Option<String>,
    },
    /// Lets these sources through to another chain and drops the others.
    Sources {
        /// The sources of this family.
        ranges: Vec<Network>,
        /// The chain for them.
        then: String,
    },
}

/// An endpoint that remembers its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sticky {
    pub protocol: Protocol,
    pub timeout: Duration,
}

/// All decisions for one address family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Cluster IPs, external IPs and load balancer addresses.
    pub addresses: BTreeMap<(IpAddr, Protocol, u16), Verdict>,
    /// Node ports, on every address of the host.
    pub node_ports: BTreeMap<(Protocol, u16), Verdict>,
    /// By name.
    pub chains: BTreeMap<String, Chain>,
    /// By service port (`namespace/name/protocol/port`) and endpoint.
    pub sticky: BTreeMap<(String, SocketAddr), Sticky>,
}

impl Plan {
    /// Decides for all services of a snapshot. Where two services claim the same address and port,
    /// the first by namespace and name has it.
    pub fn new(snapshot: &Snapshot, family: Family) -> Self {
        let mut services: Vec<&ServiceModel> = snapshot.services.iter().filter(|service| is_routed(service)).collect();
        services.sort_by_key(|service| (&service.namespace, &service.name));
        let mut plan = Plan::default();
        // Cluster IPs come first: no external address of one service takes them from another.
        for service in &services {
            for port in &service.ports {
                plan.add_internal(service, port, family);
            }
        }
        for service in &services {
            for port in &service.ports {
                plan.add_external(service, port, family);
            }
        }
        plan
    }

    fn add_internal(&mut self, service: &ServiceModel, port: &ServicePort, family: Family) {
        let mut addresses = of_family(&service.cluster_ips, family).peekable();
        if addresses.peek().is_some() {
            let verdict = self.spread("service", service, port, service.internal_policy, family);
            for address in addresses {
                self.addresses.entry((address, port.protocol, port.port)).or_insert_with(|| verdict.clone());
            }
        }
    }

    fn add_external(&mut self, service: &ServiceModel, port: &ServicePort, family: Family) {
        let balanced = service.load_balancer.as_ref();
        let balancer_addresses = balanced.map(|balancer| balancer.addresses.as_slice()).unwrap_or_default();
        let mut external = of_family(&service.external_ips, family).peekable();
        let mut balancer = of_family(balancer_addresses, family).peekable();
        if port.node_port.is_none() && external.peek().is_none() && balancer.peek().is_none() {
            return;
        }
        let verdict = self.spread("external", service, port, service.external_policy, family);
        if let Some(node_port) = port.node_port {
            self.node_ports.entry((port.protocol, node_port)).or_insert_with(|| verdict.clone());
        }
        for address in external {
            self.addresses.entry((address, port.protocol, port.port)).or_insert_with(|| verdict.clone());
        }
        if balancer.peek().is_some() {
            let ranges = balanced.map(|balancer| balancer.source_ranges.as_slice()).unwrap_or_default();
            let verdict = self.restrict(service, port, ranges, verdict, family);
            for address in balancer {
                self.addresses.entry((address, port.protocol, port.port)).or_insert_with(|| verdict.clone());
            }
        }
    }

    /// The chain that leads to the endpoints of a service port under a traffic policy. An external
    /// one that leads to the same endpoints as the internal one is that.
    fn spread(
        &mut self,
        prefix: &str,
        service: &ServiceModel,
        port: &ServicePort,
        policy: TrafficPolicy,
        family: Family,
    ) -> Verdict {
        let endpoints = usable(service, port, policy, family);
        if endpoints.is_empty() {
            let elsewhere =
                policy == TrafficPolicy::Local && !usable(service, port, TrafficPolicy::Cluster, family).is_empty();
            return if elsewhere { Verdict::Drop } else { Verdict::Reject };
        }
        let id = port_id(service, port);
        let sticky = service.session_affinity.map(|timeout| {
            for endpoint in &endpoints {
                self.sticky.insert((id.clone(), *endpoint), Sticky { protocol: port.protocol, timeout });
            }
            id.clone()
        });
        let chain = Chain::Spread { protocol: port.protocol, endpoints, sticky };
        let internal = format!("service/{id}");
        if self.chains.get(&internal) == Some(&chain) {
            return Verdict::Chain(internal);
        }
        let name = format!("{prefix}/{id}");
        self.chains.insert(name.clone(), chain);
        Verdict::Chain(name)
    }

    fn restrict(
        &mut self,
        service: &ServiceModel,
        port: &ServicePort,
        ranges: &[Network],
        verdict: Verdict,
        family: Family,
    ) -> Verdict {
        let Verdict::Chain(then) = verdict else { return verdict };
        if ranges.is_empty() {
            return Verdict::Chain(then);
        }
        let ranges = ranges.iter().copied().filter(|range| family.holds(range.base())).collect();
        let name = format!("sources/{}", port_id(service, port));
        self.chains.insert(name.clone(), Chain::Sources { ranges, then });
        Verdict::Chain(name)
    }
}

fn port_id(service: &ServiceModel, port: &ServicePort) -> String {
    format!("{}/{}/{}/{}", service.namespace, service.name, port.protocol.as_str(), port.port)
}

fn of_family(addresses: &[IpAddr], family: Family) -> impl Iterator<Item = IpAddr> {
    addresses.iter().copied().filter(move |address| family.holds(*address))
}

/// Whether packets are led to this service at all. A name that the API would not let through is
/// passed over: it would become part of the rules' text.
fn is_routed(service: &ServiceModel) -> bool {
    let plain = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
    };
    service.external_name.is_none() && plain(&service.namespace) && plain(&service.name)
}

/// The endpoints that take part: those that are ready; when none is, those that still serve while
/// they end (KEP-1669).
fn usable(service: &ServiceModel, port: &ServicePort, policy: TrafficPolicy, family: Family) -> Vec<SocketAddr> {
    let candidates = service.endpoints.iter().flat_map(|group| {
        let targets = group.ports.iter().filter(|t| t.name == port.name && t.protocol == port.protocol);
        targets.flat_map(|target| group.endpoints.iter().map(move |endpoint| (endpoint, target.port)))
    });
    let candidates: Vec<(&Endpoint, u16)> = candidates
        .filter(|(endpoint, _)| family.holds(endpoint.address) && (endpoint.local || policy == TrafficPolicy::Cluster))
        .collect();
    let pick = |wanted: &dyn Fn(&Endpoint) -> bool| {
        let chosen = candidates.iter().filter(|(endpoint, _)| wanted(endpoint));
        let mut chosen: Vec<SocketAddr> = chosen.map(|(e, port)| SocketAddr::new(e.address, *port)).collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    };
    let ready = pick(&|endpoint| endpoint.ready || service.publish_not_ready);
    if ready.is_empty() { pick(&|endpoint| endpoint.serving && endpoint.terminating) } else { ready }
}
