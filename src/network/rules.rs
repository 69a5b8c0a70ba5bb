//! The packet rules: a snapshot as the text of one nftables transaction. Pure; it runs nothing and
//! knows nothing of what is in the kernel.
//!
//! One table for each address family, named after the instance, is replaced as a whole. Chains:
//!
//! ```text
//! prerouting, output   destination NAT for pods, other machines and the host itself, by a lookup of
//!                      address . protocol . port, then of the node port on any local address
//! service/…            chooses an endpoint; external/… where the traffic policy makes a difference
//! endpoint/…           remembers the client (session affinity), then the NAT
//! sources/…            loadBalancerSourceRanges
//! postrouting          source NAT where an answer would not come back this way
//! unserved             refuses services without endpoints, and the rest of the service range
//! guard                nothing on the wire may speak to 127.0.0.0/8
//! ```
//!
//! The text form of nft's language is used, not JSON: each nft since 0.9.4 reads it (JSON is left
//! out of small builds, and older ones do not know all of it), and `nft list ruleset` on a device
//! shows the same words.
//!
//! Destination NAT comes after Docker's (priority -100), so that a port published by a container
//! that people started stays theirs; source NAT comes before Docker's (100), and only for flows
//! that were led here.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use ring::digest::{SHA256, digest};

use super::addresses::Network;
use super::model::{Protocol, Snapshot};

mod plan;
#[cfg(test)]
mod tests;

use plan::{Chain, Plan, Verdict};

/// An address family: each has a table of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The name of the family, and of its header, in nft's language.
    pub fn as_str(self) -> &'static str {
        match self {
            Family::V4 => "ip",
            Family::V6 => "ip6",
        }
    }

    /// Whether an address is of this family.
    pub fn holds(self, address: IpAddr) -> bool {
        address.is_ipv4() == (self == Family::V4)
    }

    fn address_type(self) -> &'static str {
        match self {
            Family::V4 => "ipv4_addr",
            Family::V6 => "ipv6_addr",
        }
    }
}

/// What the rules depend on besides the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The table's name: the instance. A letter, then letters, digits, `-`, `_` or `.`.
    pub table: String,
    /// The networks of the pods.
    pub pod_networks: Vec<Network>,
    /// The ranges of cluster IPs: what is not led to a service there is refused.
    pub service_ranges: Vec<Network>,
    /// The interface of the pod network on the host. Where it is known, node ports answer on
    /// 127.0.0.1 too; the interface's `route_localnet` must then be set, see [`super::apply`].
    pub bridge: Option<String>,
    /// Traffic between two pods passes through the kernel's packet filter (br_netfilter, which
    /// Docker loads), so that pods see each other's addresses through services; else they see the
    /// gateway's. [`super::apply::Applier::recheck`] finds it out.
    pub bridge_filtered: bool,
}

/// A client that session affinity has bound to an endpoint, to be carried over a replacement of
/// the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The set in which the client stands.
    pub set: String,
    /// The client.
    pub client: IpAddr,
    /// How long it stays bound, in seconds, 1 or more.
    pub seconds: u64,
}

/// The rules for one address family.
#[derive(Clone, Debug)]
pub struct Ruleset {
    family: Family,
    settings: Settings,
    plan: Plan,
}

/// A UDP flow that leads to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UdpFlow {
    /// The service's address; none for a node port.
    pub address: Option<IpAddr>,
    /// The service's port or the node port.
    pub port: u16,
    /// Where it leads.
    pub endpoint: SocketAddr,
}

impl Ruleset {
    /// Works out the rules of a snapshot.
    pub fn new(settings: &Settings, family: Family, snapshot: &Snapshot) -> Self {
        Ruleset { family, settings: settings.clone(), plan: Plan::new(snapshot, family) }
    }

    /// The family of these rules.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Whether a session affinity is among the rules, so that clients are to be carried over.
    pub fn has_affinity(&self) -> bool {
        !self.plan.sticky.is_empty()
    }

    /// The UDP flows that the rules allow, sorted.
    pub fn udp_flows(&self) -> Vec<UdpFlow> {
        let addresses = self
            .plan
            .addresses
            .iter()
            .map(|((address, protocol, port), verdict)| (Some(*address), *protocol, *port, verdict));
        let ports = self.plan.node_ports.iter().map(|((protocol, port), verdict)| (None, *protocol, *port, verdict));
        let mut flows = Vec::new();
        for (address, _, port, verdict) in addresses.chain(ports).filter(|(_, protocol, ..)| *protocol == Protocol::Udp)
        {
            for endpoint in self.endpoints(verdict) {
                flows.push(UdpFlow { address, port, endpoint: *endpoint });
            }
        }
        flows.sort_unstable();
        flows
    }

    /// A short digest of the rules: equal when there is nothing to change. It stands in the table
    /// itself, as the comment of the rule in the chain `state`.
    pub fn digest(&self) -> String {
        let whole = digest(&SHA256, self.body(&[]).as_bytes());
        whole.as_ref().iter().take(12).fold(String::new(), |mut text, byte| {
            _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The transaction that puts these rules in the place of whatever the table holds.
    pub fn transaction(&self, bound: &[Bound]) -> String {
        let mut text = removal(&self.settings.table, self.family);
        _ = writeln!(text, "table {} {} {{", self.family.as_str(), self.settings.table);
        text.push_str(&self.body(bound));
        _ = writeln!(text, "chain state {{\nreturn comment \"{}\"\n}}\n}}", self.digest());
        text
    }

    fn endpoints(&self, verdict: &Verdict) -> &[SocketAddr] {
        let Verdict::Chain(name) = verdict else { return &[] };
        match self.plan.chains.get(name) {
            Some(Chain::Spread { endpoints, .. }) => endpoints,
            Some(Chain::Sources { then, .. }) => match self.plan.chains.get(then) {
                Some(Chain::Spread { endpoints, .. }) => endpoints,
                _ => &[],
            },
            None => &[],
        }
    }
}

/// The transaction that removes the table, whether it is there or not.
pub fn removal(table: &str, family: Family) -> String {
    let family = family.as_str();
    format!("add table {family} {table}\ndelete table {family} {table}\n")
}

mod text;
