//! Addresses and address ranges, checked as strictly as a kube-apiserver 1.37 does, in its words.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::schema::field::{Errors, Path};

const NOT_AN_ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const NOT_A_RANGE: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/// Reads an address as upstream always did: leading zeros of IPv4 parts mean nothing.
#[must_use]
pub fn sloppy(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let mut parts = [0u8; 4];
    let mut given = text.split('.');
    for part in &mut parts {
        let digits = given.next()?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = digits.trim_start_matches('0');
        *part = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    }
    given.next().is_none().then_some(IpAddr::V4(Ipv4Addr::from(parts)))
}

/// Checks an address; whether it is one.
pub fn address(text: &str, path: &Path, errors: &mut Errors) -> bool {
    let before = errors.len();
    match sloppy(text) {
        None => errors.invalid_text(path, text, NOT_AN_ADDRESS),
        Some(IpAddr::V6(ip)) if ip.to_ipv4_mapped().is_some() => {
            errors.invalid_text(path, text, "must not be an IPv4-mapped IPv6 address");
        }
        Some(_) if text.parse::<IpAddr>().is_err() => errors.invalid_text(path, text, "must not have leading 0s"),
        Some(_) => {}
    }
    errors.len() == before
}

/// Checks an address range; whether it is one.
pub fn range(text: &str, path: &Path, errors: &mut Errors) -> bool {
    let before = errors.len();
    let parts = text.split_once('/').and_then(|(ip, bits)| {
        let ip = sloppy(ip)?;
        let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits: u32 = if digits { bits.parse().ok()? } else { return None };
        (bits <= if ip.is_ipv4() { 32 } else { 128 }).then_some((ip, bits))
    });
    match parts {
        None => errors.invalid_text(path, text, NOT_A_RANGE),
        Some((ip, bits)) => {
            let (head, tail) = text.split_once('/').unwrap_or_default();
            let zeros = head.parse::<IpAddr>().is_err() || (tail.len() > 1 && tail.starts_with('0'));
            let mapped = matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some());
            let rest = match ip {
                IpAddr::V4(ip) => u128::from(u32::from(ip).checked_shl(bits).unwrap_or(0)),
                IpAddr::V6(ip) => u128::from(ip).checked_shl(bits).unwrap_or(0),
            };
            if zeros {
                errors.invalid_text(path, text, "must not have leading 0s in IP or prefix length");
            } else if mapped {
                errors.invalid_text(path, text, "must not have an IPv4-mapped IPv6 address");
            } else if rest != 0 {
                errors.invalid_text(path, text, "must not have bits set beyond the prefix length");
            }
        }
    }
    errors.len() == before
}

/// The network part of a range that was checked before: its address and its length.
#[must_use]
pub fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (ip, bits) = text.split_once('/')?;
    Some((sloppy(ip)?, bits.parse().ok()?))
}

/// Whether `inner` lies strictly inside `outer`.
#[must_use]
pub fn strictly_inside(inner: &str, outer: &str) -> bool {
    let (Some((ip, bits)), Some((net, length))) = (network(inner), network(outer)) else { return false };
    let masked = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip).checked_shr(32 - length.min(32)).unwrap_or(0)),
        IpAddr::V6(ip) => u128::from(ip).checked_shr(128 - length.min(128)).unwrap_or(0),
    };
    ip.is_ipv4() == net.is_ipv4() && bits > length && masked(ip) == masked(net)
}

/// An endpoint may be no address that means something only on its own machine or link.
pub fn not_special(text: &str, path: &Path, errors: &mut Errors) {
    let Some(ip) = sloppy(text) else {
        errors.invalid_text(path, text, "must be a valid IP address");
        return;
    };
    let (link, link_multicast) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.octets().starts_with(&[224, 0, 0])),
        IpAddr::V6(ip) => (ip.is_unicast_link_local(), ip.segments()[0] & 0xff0f == 0xff02),
    };
    if ip.is_unspecified() {
        errors.invalid_text(path, text, &format!("may not be unspecified ({text})"));
    }
    if ip.is_loopback() {
        errors.invalid_text(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if link {
        errors.invalid_text(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if link_multicast {
        errors.invalid_text(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

/// At most one address of each family.
#[must_use]
pub fn dual_stack(list: &[&str]) -> bool {
    let v6 = list.iter().filter(|text| matches!(sloppy(text), Some(IpAddr::V6(_)))).count();
    list.len() <= 2 && v6 <= 1 && list.len() - v6 <= 1
}

/// The sentence for an address that reads in more than one way.
#[must_use]
pub fn warning(text: &str, path: &Path) -> Option<String> {
    let ip = sloppy(text)?;
    if text.parse::<IpAddr>().is_err() {
        return Some(format!("{path}: non-standard IP address {text:?} is invalid: use \"{ip}\""));
    }
    match ip {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_none() && v6.to_string() != text => {
            Some(format!("{path}: IPv6 address {text:?} should be in RFC 5952 canonical format (\"{v6}\")"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: impl Fn(&mut Errors)) -> Vec<String> {
        let mut errors = Errors::new();
        code(&mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn leading_zeros_are_refused() {
        let path = Path::new("ip");
        let text = said(|errors| {
            address("010.0.0.1", &path, errors);
        });
        assert_eq!(text, ["ip: Invalid value: \"010.0.0.1\": must not have leading 0s"]);
        assert!(said(|errors| assert!(address("10.0.0.1", &path, errors))).is_empty());
        assert!(!said(|errors| assert!(!address("300.0.0.1", &path, errors))).is_empty());
    }

    #[test]
    fn a_range_has_no_bits_behind_its_prefix() {
        let path = Path::new("cidr");
        for good in ["10.0.0.0/8", "0.0.0.0/0", "2001:db8::/64", "10.1.2.3/32"] {
            assert!(said(|errors| assert!(range(good, &path, errors), "{good}")).is_empty());
        }
        for bad in ["192.0.2.0/33", "10.0.0.1/8", "10.0.0.0", "10.0.0.0/08"] {
            assert!(!said(|errors| assert!(!range(bad, &path, errors), "{bad}")).is_empty());
        }
    }

    #[test]
    fn a_part_of_a_range_is_inside_it() {
        assert!(strictly_inside("192.0.2.128/25", "192.0.2.0/24"));
        assert!(!strictly_inside("192.0.2.0/24", "192.0.2.0/24"));
        assert!(!strictly_inside("192.0.3.0/25", "192.0.2.0/24"));
    }
}
