use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{AddressPool, AllocationError, Network, PortPool};

fn network(text: &str) -> Network {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_network_knows_its_addresses() {
    let pods = network("10.42.3.4/16");
    assert_eq!(pods.to_string(), "10.42.0.0/16");
    assert!(pods.contains(address("10.42.255.255")));
    assert!(!pods.contains(address("10.43.0.0")));
    assert!(!pods.contains(address("::ffff:10.42.0.1")));
    assert_eq!(pods.nth(257), Some(address("10.42.1.1")));
    assert_eq!(pods.nth(65536), None);
    assert_eq!(pods.offset(address("10.42.1.1")), Some(257));
    assert_eq!(network("0.0.0.0/0").nth(u32::MAX), Some(address("255.255.255.255")));
    assert_eq!(network("fd00:42::/112").nth(16), Some(address("fd00:42::10")));
    for bad in ["10.42.0.0", "10.42.0.0/33", "10.42.0/16", "/8", "fd00::/129", ""] {
        assert!(bad.parse::<Network>().is_err(), "{bad}");
    }
}

#[test]
fn cluster_ips_come_from_the_upper_band_first() {
    // /24: 254 addresses, a sixteenth of them but at least 16 in the lower band.
    let mut pool = AddressPool::services(network("10.43.0.0/24"), 7);
    let given: Vec<IpAddr> = std::iter::from_fn(|| pool.take_next().ok()).collect();
    let (upper, lower) = given.split_at(238);
    assert!(upper.iter().all(|ip| *ip >= address("10.43.0.17") && *ip <= address("10.43.0.254")));
    assert!(lower.iter().all(|ip| *ip < address("10.43.0.17")));
    // All but the two that must be asked for, and nothing twice.
    assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 252);
    assert_eq!(pool.take_next(), Err(AllocationError::Full));
    assert_eq!(pool.take(address("10.43.0.1")), Ok(()));
    assert_eq!(pool.take(address("10.43.0.10")), Ok(()));
    assert_eq!(pool.take(address("10.43.0.10")), Err(AllocationError::AddressTaken));
}

#[test]
fn an_address_is_taken_once_and_comes_back() {
    let mut pool = AddressPool::services(network("10.43.0.0/16"), 0);
    assert_eq!(pool.take(address("10.43.7.7")), Ok(()));
    let again = pool.take(address("10.43.7.7")).unwrap_err();
    assert_eq!(again.to_string(), "provided IP is already allocated");
    for outside in ["10.44.0.1", "10.43.0.0", "10.43.255.255", "fd00::1"] {
        let error = pool.take(address(outside)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "provided IP is not in the valid range. The range of valid IPs is 10.43.0.0/16",
            "{outside}"
        );
    }
    pool.release(address("10.43.7.7"));
    assert!(!pool.is_taken(address("10.43.7.7")));
    assert_eq!(pool.take(address("10.43.7.7")), Ok(()));
}

#[test]
fn a_pod_address_is_not_reused_at_once() {
    let mut pool = AddressPool::pods(network("10.42.0.0/16"), u32::MAX);
    let first = pool.take_next().unwrap();
    assert!(first >= address("10.42.1.1"), "{first} is left to the engine");
    pool.release(first);
    assert_ne!(pool.take_next().unwrap(), first);
    assert_eq!(pool.take(address("10.42.0.1")), Err(AllocationError::AddressTaken));
}

#[test]
fn small_and_empty_networks_are_served_to_the_last_address() {
    let mut pool = AddressPool::pods(network("10.42.0.0/29"), 99);
    let given: BTreeSet<IpAddr> = std::iter::from_fn(|| pool.take_next().ok()).collect();
    assert_eq!(given, (2..=6).map(|n| IpAddr::from([10, 42, 0, n])).collect());
    for tiny in ["10.42.0.0/31", "10.42.0.0/32"] {
        assert_eq!(AddressPool::services(network(tiny), 5).take_next(), Err(AllocationError::Full));
    }
    let mut pool = AddressPool::services(network("fd00:43::/64"), 3);
    assert!(network("fd00:43::/112").contains(pool.take_next().unwrap()));
}

#[test]
fn node_ports_have_a_range_and_a_lower_band() {
    let mut ports = PortPool::new(30000, 32767, 12345);
    assert!(ports.take_next().unwrap() >= 30086);
    assert_eq!(ports.take(31883), Ok(()));
    assert_eq!(ports.take(31883).unwrap_err().to_string(), "provided port is already allocated");
    assert_eq!(
        ports.take(32768).unwrap_err().to_string(),
        "provided port is not in the valid range. The range of valid ports is 30000-32767"
    );
    ports.release(31883);
    assert_eq!(ports.take(31883), Ok(()));
    assert_eq!(std::iter::from_fn(|| ports.take_next().ok()).count(), 2768 - 2);
    let mut all = PortPool::new(1, 65535, 0);
    assert_eq!(all.take(65535), Ok(()));
    assert_eq!(PortPool::new(5, 4, 0).take_next(), Err(AllocationError::Full));
}
