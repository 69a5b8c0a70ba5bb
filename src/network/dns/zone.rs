//! The names of the cluster: a compact, immutable table made from a snapshot, and what stands at a
//! name of it. It knows no wire format.
//!
//! The names are those of the Kubernetes DNS specification 1.1.0, with two things that its usual
//! server does: an endpoint of a headless service without a hostname is called after its address
//! (`10-42-0-5`), and so is a pod under `pod`.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::network::addresses::Network;
use crate::network::model::{Protocol, ServiceModel, Snapshot};

/// What a zone is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneSettings {
    /// The cluster domain, such as `cluster.local`; lower case, no dot at the end.
    pub domain: String,
    /// The networks of pods and services: this server alone answers for addresses in them.
    pub networks: Vec<Network>,
    /// The address of this server.
    pub server: IpAddr,
}

/// The names of the cluster at one moment.
#[derive(Debug)]
pub struct Zone {
    settings: ZoneSettings,
    serial: u32,
    /// Sorted by namespace and name.
    services: Box<[Entry]>,
    /// Sorted.
    pods: Box<[(Box<str>, IpAddr)]>,
    /// Sorted.
    reverse: Box<[Pointer]>,
}

/// An address, the place of its service, and for an endpoint its group and its place there.
type Pointer = (IpAddr, usize, Option<(usize, usize)>);

#[derive(Debug)]
struct Entry {
    namespace: Box<str>,
    name: Box<str>,
    data: Data,
}

#[derive(Debug)]
enum Data {
    Addresses { addresses: Box<[IpAddr]>, ports: Box<[Port]> },
    Endpoints(Box<[Group]>),
    Alias(Box<str>),
}

#[derive(Debug)]
struct Group {
    ports: Box<[Port]>,
    members: Box<[(Option<Box<str>>, IpAddr)]>,
}

#[derive(Debug)]
struct Port {
    name: Box<str>,
    protocol: Protocol,
    number: u16,
}

/// What stands at a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The name is not of this zone: others know.
    Outside,
    /// No such name.
    Missing,
    /// Another name for this one.
    Alias(String),
    /// The name is there, with these records, perhaps none.
    Here(Records),
}

/// The records at a name; those of other types than asked for may be left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub addresses: Vec<IpAddr>,
    pub services: Vec<Location>,
    pub pointers: Vec<String>,
    pub text: Option<&'static str>,
    /// The name is the zone itself: SOA and NS.
    pub apex: bool,
}

/// What an SRV record tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub port: u16,
    pub target: String,
    pub addresses: Vec<IpAddr>,
}

impl Zone {
    /// The names of a snapshot. `serial` goes into the SOA record.
    pub fn new(settings: ZoneSettings, snapshot: &Snapshot, serial: u32) -> Self {
        let mut services: Vec<Entry> = snapshot.services.iter().map(Entry::new).collect();
        services.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        let mut pods: Vec<(Box<str>, IpAddr)> =
            snapshot.pods.iter().map(|pod| (pod.namespace.as_str().into(), pod.address)).collect();
        pods.sort_unstable();
        pods.dedup();
        let mut reverse: Vec<Pointer> = services.iter().enumerate().flat_map(|(n, entry)| entry.reverse(n)).collect();
        reverse.sort_unstable();
        Zone { settings, serial, services: services.into(), pods: pods.into(), reverse: reverse.into() }
    }

    /// The zone's name.
    pub(super) fn domain(&self) -> &str {
        &self.settings.domain
    }

    /// The serial number of the SOA record.
    pub(super) fn serial(&self) -> u32 {
        self.serial
    }

    /// The name of the server, under which its address stands.
    pub(super) fn server_name(&self) -> String {
        format!("ns.dns.{}", self.settings.domain)
    }

    /// Looks at a name in lower case, labels separated by dots, none at the end. SRV records are
    /// collected only when they are wanted.
    pub(super) fn find(&self, name: &str, services_wanted: bool) -> Found {
        if let Some(address) = reverse_address(name) {
            return self.find_reverse(address);
        }
        let Some(rest) = name.strip_suffix(self.settings.domain.as_str()) else { return Found::Outside };
        let rest = match rest.strip_suffix('.') {
            Some(rest) => rest,
            None if rest.is_empty() => return Found::Here(Records { apex: true, ..Records::default() }),
            None => return Found::Outside,
        };
        let mut labels = rest.rsplit('.');
        let empty = || Found::Here(Records::default());
        match (labels.next(), labels.next(), labels.next()) {
            (Some("dns-version"), None, _) => Found::Here(Records { text: Some("1.1.0"), ..Records::default() }),
            (Some("dns"), Some("ns"), None) => {
                Found::Here(Records { addresses: vec![self.settings.server], ..Records::default() })
            }
            (Some("svc" | "pod" | "dns"), None, _) => empty(),
            (Some("svc"), Some(namespace), None) => {
                let known = self.services.binary_search_by(|entry| (*entry.namespace).cmp(namespace)).is_ok();
                if known { empty() } else { Found::Missing }
            }
            (Some("svc"), Some(namespace), Some(service)) => {
                let found = self.services.binary_search_by(|e| (&*e.namespace, &*e.name).cmp(&(namespace, service)));
                match found.ok().and_then(|found| self.services.get(found)) {
                    Some(entry) => {
                        self.find_in_service(entry, labels.next(), labels.next(), labels.next(), services_wanted)
                    }
                    None => Found::Missing,
                }
            }
            (Some("pod"), Some(namespace), None) => {
                let known = self.pods.binary_search_by(|(pod, _)| (**pod).cmp(namespace)).is_ok();
                if known { empty() } else { Found::Missing }
            }
            (Some("pod"), Some(namespace), Some(dashed)) if labels.next().is_none() => {
                let address = undashed(dashed);
                let known = address.filter(|address| {
                    self.pods.binary_search_by(|(pod, at)| (&**pod, at).cmp(&(namespace, address))).is_ok()
                });
                known.map_or(Found::Missing, |address| {
                    Found::Here(Records { addresses: vec![address], ..Records::default() })
                })
            }
            _ => Found::Missing,
        }
    }

    /// The labels before the service's name, from the right.
    fn find_in_service(
        &self,
        entry: &Entry,
        first: Option<&str>,
        second: Option<&str>,
        third: Option<&str>,
        services_wanted: bool,
    ) -> Found {
        if let (Data::Alias(target), None) = (&entry.data, first) {
            return Found::Alias(target.to_string());
        }
        let Some(first) = first else {
            let services = if services_wanted { self.locations(entry, &|_| true) } else { vec![] };
            return Found::Here(Records { addresses: entry.addresses(None), services, ..Records::default() });
        };
        if let (Some(protocol), None) = (first.strip_prefix('_'), third) {
            let services = match second.map(|second| second.strip_prefix('_')) {
                // A name that is there only for those below it.
                None => self.locations(entry, &|port| port.protocol.as_str() == protocol),
                Some(None) => vec![],
                Some(Some(name)) => {
                    self.locations(entry, &|port| port.protocol.as_str() == protocol && *port.name == *name)
                }
            };
            return match (services.is_empty(), second) {
                (true, _) => Found::Missing,
                (false, None) => Found::Here(Records::default()),
                (false, Some(_)) => Found::Here(Records { services, ..Records::default() }),
            };
        }
        let addresses = entry.addresses(Some(first));
        if addresses.is_empty() || second.is_some() {
            return Found::Missing;
        }
        Found::Here(Records { addresses, ..Records::default() })
    }

    fn find_reverse(&self, address: IpAddr) -> Found {
        let start = self.reverse.partition_point(|(other, ..)| *other < address);
        let here = self.reverse.iter().skip(start).take_while(|(other, ..)| *other == address);
        let pointers: Vec<String> = here.filter_map(|(_, service, place)| self.pointer(*service, *place)).collect();
        if !pointers.is_empty() {
            return Found::Here(Records { pointers, ..Records::default() });
        }
        let ours = self.settings.networks.iter().any(|network| network.contains(address));
        if ours { Found::Missing } else { Found::Outside }
    }

    fn pointer(&self, service: usize, place: Option<(usize, usize)>) -> Option<String> {
        let entry = self.services.get(service)?;
        let name = self.service_name(entry);
        let (Some((group, member)), Data::Endpoints(groups)) = (place, &entry.data) else { return Some(name) };
        let (hostname, address) = groups.get(group)?.members.get(member)?;
        Some(format!("{}.{name}", label(hostname.as_deref(), *address)))
    }

    fn service_name(&self, entry: &Entry) -> String {
        format!("{}.{}.svc.{}", entry.name, entry.namespace, self.settings.domain)
    }

    /// The SRV records of the named ports that fit.
    fn locations(&self, entry: &Entry, fits: &dyn Fn(&Port) -> bool) -> Vec<Location> {
        let fits = |port: &&Port| !port.name.is_empty() && fits(port);
        let name = self.service_name(entry);
        let mut locations: Vec<Location> = match &entry.data {
            Data::Alias(_) => vec![],
            Data::Addresses { addresses, ports } => {
                let at =
                    |port: &Port| Location { port: port.number, target: name.clone(), addresses: addresses.to_vec() };
                ports.iter().filter(fits).map(at).collect()
            }
            Data::Endpoints(groups) => {
                let pairs = groups.iter().flat_map(|group| {
                    let ports = group.ports.iter().filter(fits);
                    ports.flat_map(|port| group.members.iter().map(move |member| (port.number, member)))
                });
                let at = |(port, (hostname, address)): (u16, &(Option<Box<str>>, IpAddr))| Location {
                    port,
                    target: format!("{}.{name}", label(hostname.as_deref(), *address)),
                    addresses: vec![*address],
                };
                pairs.map(at).collect()
            }
        };
        locations.dedup();
        locations
    }
}

impl Entry {
    fn new(service: &ServiceModel) -> Self {
        let data = match &service.external_name {
            Some(target) => Data::Alias(target.trim_end_matches('.').to_ascii_lowercase().into()),
            None if service.headless => Data::Endpoints(groups(service)),
            None => {
                let port = |port: &crate::network::model::ServicePort| Port {
                    name: port.name.as_str().into(),
                    protocol: port.protocol,
                    number: port.port,
                };
                let addresses = service.cluster_ips.clone().into();
                Data::Addresses { addresses, ports: service.ports.iter().map(port).collect() }
            }
        };
        Entry { namespace: service.namespace.as_str().into(), name: service.name.as_str().into(), data }
    }

    /// The addresses of the service, or of its endpoints of that label.
    fn addresses(&self, wanted: Option<&str>) -> Vec<IpAddr> {
        match &self.data {
            Data::Alias(_) => vec![],
            Data::Addresses { addresses, .. } => wanted.map_or_else(|| addresses.to_vec(), |_| vec![]),
            Data::Endpoints(groups) => {
                let members = groups.iter().flat_map(|group| &group.members);
                let fits = |(hostname, address): &&(Option<Box<str>>, IpAddr)| match (wanted, hostname.as_deref()) {
                    (None, _) => true,
                    (Some(wanted), Some(hostname)) => wanted == hostname,
                    (Some(wanted), None) => undashed(wanted) == Some(*address),
                };
                let mut addresses: Vec<IpAddr> = members.filter(fits).map(|(_, address)| *address).collect();
                addresses.sort_unstable();
                addresses.dedup();
                addresses
            }
        }
    }

    /// The entries of the reverse table for this service, the `n`th.
    fn reverse(&self, n: usize) -> Vec<Pointer> {
        match &self.data {
            Data::Alias(_) => vec![],
            Data::Addresses { addresses, .. } => addresses.iter().map(|address| (*address, n, None)).collect(),
            Data::Endpoints(groups) => {
                let mut all: Vec<Pointer> = Vec::new();
                for (g, group) in groups.iter().enumerate() {
                    for (m, (_, address)) in group.members.iter().enumerate() {
                        // An endpoint that stands in several groups has one name.
                        if !all.iter().any(|(other, ..)| other == address) {
                            all.push((*address, n, Some((g, m))));
                        }
                    }
                }
                all
            }
        }
    }
}

fn groups(service: &ServiceModel) -> Box<[Group]> {
    let group = |group: &crate::network::model::EndpointGroup| {
        let ready = group.endpoints.iter().filter(|endpoint| endpoint.ready || service.publish_not_ready);
        let port = |port: &crate::network::model::TargetPort| Port {
            name: port.name.as_str().into(),
            protocol: port.protocol,
            number: port.port,
        };
        Group {
            ports: group.ports.iter().map(port).collect(),
            members: ready.map(|e| (e.hostname.as_deref().map(Into::into), e.address)).collect(),
        }
    };
    service.endpoints.iter().map(group).collect()
}

/// The label of an endpoint: its hostname, else its address with dashes.
fn label(hostname: Option<&str>, address: IpAddr) -> String {
    hostname.map_or_else(|| address.to_string().replace(['.', ':'], "-"), str::to_owned)
}

/// The address that a label with dashes stands for.
fn undashed(label: &str) -> Option<IpAddr> {
    let v4 = label.replace('-', ".").parse::<Ipv4Addr>().map(IpAddr::V4);
    v4.or_else(|_| label.replace('-', ":").parse::<Ipv6Addr>().map(IpAddr::V6)).ok()
}

/// The address of a name under `in-addr.arpa` or `ip6.arpa` (RFC 1035 section 3.5, RFC 3596
/// section 2.5); none for other names and for parts of an address.
fn reverse_address(name: &str) -> Option<IpAddr> {
    if let Some(octets) = name.strip_suffix(".in-addr.arpa") {
        let forward: Vec<&str> = octets.rsplit('.').collect();
        return forward.join(".").parse::<Ipv4Addr>().map(IpAddr::V4).ok();
    }
    let nibbles = name.strip_suffix(".ip6.arpa")?;
    let mut text = String::with_capacity(40);
    for (n, nibble) in nibbles.rsplit('.').enumerate() {
        let separator = if n % 4 == 0 && n > 0 { ":" } else { "" };
        if nibble.len() != 1 {
            return None;
        }
        _ = write!(text, "{separator}{nibble}");
    }
    text.parse::<Ipv6Addr>().map(IpAddr::V6).ok().filter(|_| text.len() == 39)
}

#[cfg(test)]
pub(super) mod tests;
