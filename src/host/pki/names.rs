//! The names and addresses in a certificate.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// DNS names and IP addresses (`subjectAltName`, RFC 5280 section 4.2.1.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// DNS names in lower case.
    pub dns: BTreeSet<String>,
    /// Addresses.
    pub ips: BTreeSet<IpAddr>,
    /// Addresses that a new certificate names too, and whose lack is no reason for a new one: they come
    /// and go.
    pub passing: BTreeSet<IpAddr>,
}

impl Names {
    /// All by which an API server is called: loopback, the names that pods use, the address of the
    /// `kubernetes` service, the host's own names and addresses, and those that were configured.
    #[must_use]
    pub fn of_server(
        cluster_domain: &str,
        api_service: Ipv4Addr,
        configured: &[String],
        host_names: &[String],
        host_addresses: &BTreeSet<IpAddr>,
    ) -> Self {
        let mut names = Self::default();
        for name in ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"] {
            names.dns.insert(name.to_owned());
        }
        names.dns.insert(format!("kubernetes.default.svc.{cluster_domain}"));
        names.ips.extend([IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into(), api_service.into()]);
        names.ips.extend(host_addresses);
        for name in configured.iter().chain(host_names) {
            names.add(name);
        }
        names
    }

    /// Adds an address or a DNS name; what can be neither is left out.
    pub fn add(&mut self, text: &str) {
        if let Ok(ip) = text.parse() {
            self.ips.insert(ip);
        } else if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
            self.dns.insert(text.trim_end_matches('.').to_lowercase());
        }
    }

    /// Whether all of `wanted`, but for what passes, are here.
    #[must_use]
    pub fn cover(&self, wanted: &Self) -> bool {
        let has = |ip: &IpAddr| self.ips.contains(ip) || self.passing.contains(ip);
        wanted.dns.is_subset(&self.dns) && wanted.ips.iter().all(has)
    }

    /// Those that are here and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self {
            dns: self.dns.difference(&other.dns).cloned().collect(),
            ips: self.ips.difference(&other.ips).copied().collect(),
            passing: BTreeSet::new(),
        }
    }
}

impl fmt::Display for Names {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.dns.iter().cloned().chain(self.ips.iter().map(ToString::to_string)).collect();
        out.write_str(&all.join(", "))
    }
}
