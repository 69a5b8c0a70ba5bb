//! URLs, addresses and networks of addresses, as far as expressions ask about them. Source: the CEL
//! libraries of Kubernetes (url, ip, cidr).

use std::net::IpAddr;

/// An absolute URL or path, in its parts as Go has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) scheme: String,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) query: String,
}

impl Url {
    /// Reads an absolute URI or an absolute path.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.chars().any(|c| c.is_control() || c == ' ') {
            return None;
        }
        let text = text.split('#').next().unwrap_or_default();
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) if !text.starts_with('/') => (scheme, rest),
            _ if text.starts_with('/') => ("", text),
            _ => return None,
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(fits);
        if !scheme.is_empty() && !named {
            return None;
        }
        if !text.starts_with('/') && scheme.is_empty() {
            return None;
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, path) = match rest.strip_prefix("//") {
            Some(rest) => match rest.find('/') {
                Some(at) => rest.split_at(at),
                None => (rest, ""),
            },
            None => ("", rest),
        };
        let host = host.rsplit('@').next().unwrap_or_default();
        if let Some((_, port)) = host.rsplit_once(':').filter(|(name, _)| !name.contains(':') || name.ends_with(']'))
            && !port.bytes().all(|byte| byte.is_ascii_digit())
        {
            return None;
        }
        Some(Self {
            scheme: scheme.to_lowercase(),
            host: host.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
        })
    }

    /// Name and port of the host.
    pub(super) fn name_and_port(&self) -> (&str, &str) {
        if let Some(rest) = self.host.strip_prefix('[') {
            return rest.split_once(']').map_or((rest, ""), |(name, port)| (name, port.trim_start_matches(':')));
        }
        self.host.split_once(':').unwrap_or((&self.host, ""))
    }

    /// The parameters, with all values of each.
    pub(super) fn parameters(&self) -> Vec<(String, Vec<String>)> {
        let mut list: Vec<(String, Vec<String>)> = Vec::new();
        for part in self.query.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match list.iter_mut().find(|(own, _)| own == key) {
                Some((_, values)) => values.push(value.to_owned()),
                None => list.push((key.to_owned(), vec![value.to_owned()])),
            }
        }
        list
    }
}

/// Reads an address; IPv4 inside IPv6 and zones are refused.
pub(super) fn ip(text: &str) -> Option<IpAddr> {
    match text.parse().ok()? {
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => None,
        address => Some(address),
    }
}

/// Reads a network as address and length of the prefix.
pub(super) fn cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    let address = ip(address)?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let digits = !bits.is_empty()
        && bits.bytes().all(|byte| byte.is_ascii_digit())
        && !(bits.len() > 1 && bits.starts_with('0'));
    let bits: u8 = bits.parse().ok().filter(|_| digits)?;
    (bits <= most).then_some((address, bits))
}

fn number(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    }
}

/// The address of a network, without the bits behind the prefix.
pub(super) fn masked(address: IpAddr, bits: u8) -> IpAddr {
    let (own, most) = number(address);
    let shift = u32::from(most.saturating_sub(bits));
    let kept = if shift >= 128 { 0 } else { (own >> shift) << shift };
    match address {
        IpAddr::V4(_) => IpAddr::V4(u32::try_from(kept).unwrap_or(0).into()),
        IpAddr::V6(_) => IpAddr::V6(kept.into()),
    }
}

/// Whether an address lies in a network.
pub(super) fn contains(network: (IpAddr, u8), address: IpAddr) -> bool {
    network.0.is_ipv4() == address.is_ipv4() && masked(network.0, network.1) == masked(address, network.1)
}
