use super::{Found, Location, Records, Zone, ZoneSettings, reverse_address};
use crate::network::model::{
    Endpoint, EndpointGroup, PodRecord, Protocol, ServiceModel, ServicePort, Snapshot, TargetPort,
};
use std::net::IpAddr;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A cluster with a service `mqtt`, a headless `db` with endpoints with and without a hostname, and
/// an external `plc`, all in `plant`.
pub(in crate::network::dns) fn zone() -> Zone {
    let service = |name: &str| ServiceModel {
        namespace: "plant".to_owned(),
        name: name.to_owned(),
        ports: vec![
            ServicePort { name: "main".to_owned(), protocol: Protocol::Tcp, port: 80, node_port: None },
            ServicePort { name: String::new(), protocol: Protocol::Udp, port: 81, node_port: None },
        ],
        ..ServiceModel::default()
    };
    let named =
        |text: &str, hostname: &str| Endpoint { hostname: Some(hostname.to_owned()), ..Endpoint::ready(address(text)) };
    let starting = Endpoint { ready: false, ..Endpoint::ready(address("10.42.1.9")) };
    let db = EndpointGroup {
        ports: vec![TargetPort { name: "main".to_owned(), protocol: Protocol::Tcp, port: 5432 }],
        endpoints: vec![
            named("10.42.1.5", "db-0"),
            Endpoint::ready(address("10.42.1.6")),
            starting,
            Endpoint::ready(address("fd00::6")),
        ],
    };
    let snapshot = Snapshot {
        services: vec![
            ServiceModel { cluster_ips: vec![address("10.43.0.9"), address("fd00:43::9")], ..service("mqtt") },
            ServiceModel { headless: true, endpoints: vec![db], ..service("db") },
            ServiceModel { headless: true, ..service("empty") },
            ServiceModel { external_name: Some("PLC.example.".to_owned()), ..service("plc") },
            ServiceModel { external_name: Some("mqtt.plant.svc.cluster.local".to_owned()), ..service("alias") },
            ServiceModel { external_name: Some("loop.plant.svc.cluster.local".to_owned()), ..service("loop") },
        ],
        pods: vec![PodRecord { namespace: "plant".to_owned(), address: address("10.42.1.5") }],
    };
    let settings = ZoneSettings {
        domain: "cluster.local".to_owned(),
        networks: vec!["10.42.0.0/16".parse().unwrap(), "10.43.0.0/16".parse().unwrap()],
        server: address("10.42.0.1"),
    };
    Zone::new(settings, &snapshot, 7)
}

fn here(addresses: &[&str]) -> Found {
    Found::Here(Records { addresses: addresses.iter().map(|a| address(a)).collect(), ..Records::default() })
}

#[test]
fn names_are_those_of_the_specification() {
    let zone = zone();
    for (name, found) in [
        ("mqtt.plant.svc.cluster.local", here(&["10.43.0.9", "fd00:43::9"])),
        ("db.plant.svc.cluster.local", here(&["10.42.1.5", "10.42.1.6", "fd00::6"])),
        ("db-0.db.plant.svc.cluster.local", here(&["10.42.1.5"])),
        ("10-42-1-6.db.plant.svc.cluster.local", here(&["10.42.1.6"])),
        ("fd00--6.db.plant.svc.cluster.local", here(&["fd00::6"])),
        ("empty.plant.svc.cluster.local", here(&[])),
        ("10-42-1-5.plant.pod.cluster.local", here(&["10.42.1.5"])),
        ("ns.dns.cluster.local", here(&["10.42.0.1"])),
        ("plc.plant.svc.cluster.local", Found::Alias("plc.example".to_owned())),
    ] {
        assert_eq!(zone.find(name, false), found, "{name}");
    }
}

#[test]
fn names_with_nothing_but_names_below_them_are_there() {
    let zone = zone();
    for name in [
        "svc.cluster.local",
        "pod.cluster.local",
        "plant.svc.cluster.local",
        "plant.pod.cluster.local",
        "_tcp.mqtt.plant.svc.cluster.local",
    ] {
        assert_eq!(zone.find(name, false), here(&[]), "{name}");
    }
}

#[test]
fn other_names_of_the_zone_are_not_there() {
    let zone = zone();
    for name in [
        "nothing.plant.svc.cluster.local",
        "other.svc.cluster.local",
        "plant.cluster.local",
        "x.mqtt.plant.svc.cluster.local",
        // Not ready; named otherwise; one label too many.
        "10-42-1-9.db.plant.svc.cluster.local",
        "10-42-1-5.db.plant.svc.cluster.local",
        "a.db-0.db.plant.svc.cluster.local",
        "x.plc.plant.svc.cluster.local",
        "_udp.mqtt.plant.svc.cluster.local",
        "_main._udp.mqtt.plant.svc.cluster.local",
        "main._tcp.mqtt.plant.svc.cluster.local",
        "a._main._tcp.mqtt.plant.svc.cluster.local",
        "10-42-1-6.plant.pod.cluster.local",
        "x.10-42-1-5.plant.pod.cluster.local",
        "example.com.plant.svc.cluster.local",
        "mqtt..svc.cluster.local",
        ".cluster.local",
    ] {
        assert_eq!(zone.find(name, true), Found::Missing, "{name}");
    }
    for name in ["", "example.com", "local", "notcluster.local", "cluster.local.example.com"] {
        assert_eq!(zone.find(name, true), Found::Outside, "{name}");
    }
}

#[test]
fn named_ports_have_a_location() {
    let zone = zone();
    let locations = |name: &str| match zone.find(name, true) {
        Found::Here(records) => records.services,
        other => panic!("{name}: {other:?}"),
    };
    let location = |port, target: &str, addresses: &[&str]| Location {
        port,
        target: format!("{target}.plant.svc.cluster.local"),
        addresses: addresses.iter().map(|a| address(a)).collect(),
    };
    let mqtt = [location(80, "mqtt", &["10.43.0.9", "fd00:43::9"])];
    assert_eq!(locations("_main._tcp.mqtt.plant.svc.cluster.local"), mqtt);
    assert_eq!(locations("mqtt.plant.svc.cluster.local"), mqtt);
    assert_eq!(
        locations("_main._tcp.db.plant.svc.cluster.local"),
        [
            location(5432, "db-0.db", &["10.42.1.5"]),
            location(5432, "10-42-1-6.db", &["10.42.1.6"]),
            location(5432, "fd00--6.db", &["fd00::6"]),
        ]
    );
}

#[test]
fn addresses_lead_back_to_names() {
    let zone = zone();
    let v6 = "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.4.0.0.0.0.d.f.ip6.arpa";
    for (name, target) in [
        ("9.0.43.10.in-addr.arpa", "mqtt"),
        (v6, "mqtt"),
        ("5.1.42.10.in-addr.arpa", "db-0.db"),
        ("6.1.42.10.in-addr.arpa", "10-42-1-6.db"),
    ] {
        let pointers = vec![format!("{target}.plant.svc.cluster.local")];
        assert_eq!(zone.find(name, false), Found::Here(Records { pointers, ..Records::default() }), "{name}");
    }
    assert_eq!(zone.find("8.0.43.10.in-addr.arpa", false), Found::Missing);
    assert_eq!(zone.find("8.8.8.8.in-addr.arpa", false), Found::Outside);
    for partial in [
        "43.10.in-addr.arpa",
        "in-addr.arpa",
        "1.0.0.10.9.in-addr.arpa",
        "300.0.43.10.in-addr.arpa",
        "d.f.ip6.arpa",
        "x.ip6.arpa",
    ] {
        assert_eq!(reverse_address(partial), None, "{partial}");
    }
}
