//! The words of nft for a plan.

use std::fmt::{Display, Write as _};
use std::net::{IpAddr, SocketAddr};

use super::plan::{Chain, Verdict};
use super::{Bound, Family, Ruleset};
use crate::network::addresses::Network;
use crate::network::model::Protocol;

/// Appends a line. Writing to a `String` cannot fail.
macro_rules! line {
    ($text:expr, $($arg:tt)*) => {{
        _ = writeln!($text, $($arg)*);
    }};
}

impl Ruleset {
    /// Everything in the table but the chain `state`.
    pub(super) fn body(&self, bound: &[Bound]) -> String {
        let mut text = String::new();
        self.affinity_sets(&mut text, bound);
        self.lookups(&mut text);
        self.remote_endpoints(&mut text);
        self.nat(&mut text);
        self.source_nat(&mut text);
        self.filter(&mut text);
        for (name, chain) in &self.plan.chains {
            line!(text, "chain {name} {{");
            self.chain(&mut text, chain);
            line!(text, "}}");
        }
        for ((id, endpoint), sticky) in &self.plan.sticky {
            let id = endpoint_id(id, *endpoint);
            let ip = self.family.as_str();
            line!(text, "chain endpoint/{id} {{");
            line!(text, "update @affinity/{id} {{ {ip} saddr }}");
            line!(text, "meta l4proto {} dnat to {endpoint}", sticky.protocol.as_str());
            line!(text, "}}");
        }
        text
    }

    fn affinity_sets(&self, text: &mut String, bound: &[Bound]) {
        let kind = self.family.address_type();
        for ((id, endpoint), sticky) in &self.plan.sticky {
            let name = format!("affinity/{}", endpoint_id(id, *endpoint));
            let timeout = sticky.timeout.as_secs().max(1);
            let clients = bound.iter().filter(|b| b.set == name && self.family.holds(b.client)).map(|bound| {
                let left = bound.seconds.clamp(1, timeout);
                format!("{} timeout {timeout}s expires {left}s", bound.client)
            });
            line!(text, "set {name} {{");
            line!(text, "type {kind}; flags dynamic, timeout; timeout {timeout}s;");
            elements(text, clients);
            line!(text, "}}");
        }
    }

    /// The maps from addresses and ports to verdicts.
    fn lookups(&self, text: &mut String) {
        let kind = self.family.address_type();
        for (suffix, served) in [("", true), ("-unserved", false)] {
            let wanted = |verdict: &Verdict| matches!(verdict, Verdict::Chain(_)) == served;
            let addresses = self.plan.addresses.iter().filter(|(_, verdict)| wanted(verdict));
            line!(text, "map addresses{suffix} {{\ntype {kind} . inet_proto . inet_service : verdict;");
            elements(
                text,
                addresses.map(|((address, protocol, port), verdict)| {
                    format!("{address} . {} . {port} : {}", protocol.as_str(), Jump(verdict))
                }),
            );
            let ports = self.plan.node_ports.iter().filter(|(_, verdict)| wanted(verdict));
            line!(text, "}}\nmap ports{suffix} {{\ntype inet_proto . inet_service : verdict;");
            elements(
                text,
                ports.map(|((protocol, port), verdict)| format!("{} . {port} : {}", protocol.as_str(), Jump(verdict))),
            );
            line!(text, "}}");
        }
    }

    /// The endpoints outside the pod networks. The host's own addresses among them do no harm:
    /// what goes to them is not routed on.
    fn remote_endpoints(&self, text: &mut String) {
        let spreads = self.plan.chains.values().filter_map(|chain| match chain {
            Chain::Spread { protocol, endpoints, .. } => Some((*protocol, endpoints)),
            Chain::Sources { .. } => None,
        });
        let mut remote: Vec<(IpAddr, Protocol, u16)> = spreads
            .flat_map(|(protocol, endpoints)| endpoints.iter().map(move |e| (e.ip(), protocol, e.port())))
            .filter(|(address, ..)| !self.settings.pod_networks.iter().any(|network| network.contains(*address)))
            .collect();
        remote.sort_unstable();
        remote.dedup();
        line!(text, "set remote {{\ntype {} . inet_proto . inet_service;", self.family.address_type());
        elements(
            text,
            remote.iter().map(|(address, protocol, port)| format!("{address} . {} . {port}", protocol.as_str())),
        );
        line!(text, "}}");
    }

    fn nat(&self, text: &mut String) {
        let ip = self.family.as_str();
        for hook in ["prerouting", "output"] {
            line!(text, "chain {hook} {{\ntype nat hook {hook} priority -99; policy accept;");
            line!(text, "jump services\n}}");
        }
        line!(text, "chain services {{");
        line!(text, "{ip} daddr . meta l4proto . th dport vmap @addresses");
        let not_loopback = match (self.family, &self.settings.bridge) {
            (Family::V4, Some(_)) => "",
            (Family::V4, None) => "ip daddr != 127.0.0.0/8 ",
            (Family::V6, _) => "ip6 daddr != ::1 ",
        };
        line!(text, "{not_loopback}fib daddr type local meta l4proto . th dport vmap @ports\n}}");
    }

    fn source_nat(&self, text: &mut String) {
        let ip = self.family.as_str();
        line!(text, "chain postrouting {{\ntype nat hook postrouting priority 99; policy accept;");
        line!(text, "ct status & dnat != dnat return\noifname \"lo\" return");
        if self.family == Family::V4 {
            line!(text, "ip saddr 127.0.0.0/8 masquerade");
        }
        if self.settings.bridge_filtered {
            line!(text, "{ip} saddr . {ip} daddr @hairpin masquerade");
        } else {
            for network in self.networks(&self.settings.pod_networks) {
                line!(text, "{ip} saddr {network} {ip} daddr {network} masquerade");
            }
        }
        line!(text, "{ip} daddr . meta l4proto . th dport @remote masquerade\n}}");
        if self.settings.bridge_filtered {
            self.hairpin(text);
        }
    }

    /// The endpoints paired with themselves: a pod that reaches itself through a service.
    fn hairpin(&self, text: &mut String) {
        let endpoints = self.plan.chains.values().filter_map(|chain| match chain {
            Chain::Spread { endpoints, .. } => Some(endpoints.iter().map(SocketAddr::ip)),
            Chain::Sources { .. } => None,
        });
        let mut own: Vec<IpAddr> = endpoints.flatten().collect();
        own.sort_unstable();
        own.dedup();
        let kind = self.family.address_type();
        line!(text, "set hairpin {{\ntype {kind} . {kind};");
        elements(text, own.iter().map(|address| format!("{address} . {address}")));
        line!(text, "}}");
    }

    fn filter(&self, text: &mut String) {
        let ip = self.family.as_str();
        for (chain, hook) in [("refuse-input", "input"), ("refuse-forward", "forward"), ("refuse-output", "output")] {
            line!(text, "chain {chain} {{\ntype filter hook {hook} priority -10; policy accept;\njump unserved\n}}");
        }
        line!(text, "chain unserved {{");
        line!(text, "ct state new {ip} daddr . meta l4proto . th dport vmap @addresses-unserved");
        line!(text, "ct state new fib daddr type local meta l4proto . th dport vmap @ports-unserved");
        for range in self.networks(&self.settings.service_ranges) {
            line!(text, "{ip} daddr {range} goto refuse");
        }
        line!(text, "}}\nchain refuse {{\nmeta l4proto tcp reject with tcp reset\nreject\n}}");
        if let (Family::V4, Some(bridge)) = (self.family, &self.settings.bridge) {
            line!(text, "chain guard {{\ntype filter hook prerouting priority -300; policy accept;");
            line!(text, "iifname \"{bridge}\" ip daddr 127.0.0.0/8 drop");
            line!(text, "iifname \"{bridge}\" ip saddr 127.0.0.0/8 drop\n}}");
        }
    }

    fn chain(&self, text: &mut String, chain: &Chain) {
        let ip = self.family.as_str();
        match chain {
            Chain::Sources { ranges, then } => {
                for range in ranges {
                    match range.prefix() {
                        0 => line!(text, "goto {then}"),
                        _ => line!(text, "{ip} saddr {range} goto {then}"),
                    }
                }
                line!(text, "drop");
            }
            Chain::Spread { endpoints, sticky: Some(id), .. } => {
                let ids: Vec<String> = endpoints.iter().map(|endpoint| endpoint_id(id, *endpoint)).collect();
                for id in &ids {
                    line!(text, "{ip} saddr @affinity/{id} goto endpoint/{id}");
                }
                let choices = ids.iter().enumerate().map(|(n, id)| format!("{n} : goto endpoint/{id}"));
                line!(text, "numgen random mod {} vmap {{ {} }}", ids.len(), join(choices));
            }
            Chain::Spread { protocol, endpoints, sticky: None } => {
                let protocol = protocol.as_str();
                match endpoints.as_slice() {
                    [endpoint] => line!(text, "meta l4proto {protocol} dnat to {endpoint}"),
                    _ => {
                        let choices = endpoints.iter().enumerate();
                        let choices = choices.map(|(n, e)| format!("{n} : {} . {}", e.ip(), e.port()));
                        let count = endpoints.len();
                        let choices = join(choices);
                        line!(
                            text,
                            "meta l4proto {protocol} dnat {ip} to numgen random mod {count} map {{ {choices} }}"
                        );
                    }
                }
            }
        }
    }

    fn networks<'a>(&self, networks: &'a [Network]) -> impl Iterator<Item = &'a Network> + use<'a> {
        let family = self.family;
        networks.iter().filter(move |network| family.holds(network.base()))
    }
}

/// A verdict as the value of a map's element.
struct Jump<'a>(&'a Verdict);

impl Display for Jump<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Verdict::Chain(name) => write!(f, "goto {name}"),
            Verdict::Reject => f.write_str("goto refuse"),
            Verdict::Drop => f.write_str("drop"),
        }
    }
}

/// The part of a name that stands for an endpoint; names cannot hold a colon.
fn endpoint_id(id: &str, endpoint: SocketAddr) -> String {
    format!("{id}/{}/{}", endpoint.ip().to_string().replace(':', "_"), endpoint.port())
}

fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// The elements of a set or map; none cannot be written as an empty list.
fn elements(text: &mut String, items: impl Iterator<Item = String>) {
    let items = join(items);
    if !items.is_empty() {
        line!(text, "elements = {{ {items} }}");
    }
}
