use std::net::IpAddr;
use std::time::Duration;

use super::{Bound, Family, Ruleset, Settings};
use crate::network::model::{
    Endpoint, EndpointGroup, LoadBalancer, Protocol, ServiceModel, ServicePort, Snapshot, TargetPort, TrafficPolicy,
};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn settings() -> Settings {
    Settings {
        table: "k2d".to_owned(),
        pod_networks: vec!["10.42.0.0/16".parse().unwrap(), "fd00:42::/64".parse().unwrap()],
        service_ranges: vec!["10.43.0.0/16".parse().unwrap(), "fd00:43::/112".parse().unwrap()],
        bridge: Some("k2d0".to_owned()),
        bridge_filtered: false,
    }
}

fn mqtt(endpoints: &[&str]) -> ServiceModel {
    ServiceModel {
        namespace: "plant".to_owned(),
        name: "mqtt".to_owned(),
        cluster_ips: vec![address("10.43.0.9"), address("fd00:43::9")],
        ports: vec![ServicePort { name: String::new(), protocol: Protocol::Tcp, port: 1883, node_port: Some(31883) }],
        endpoints: vec![EndpointGroup {
            ports: vec![TargetPort { name: String::new(), protocol: Protocol::Tcp, port: 11883 }],
            endpoints: endpoints.iter().map(|endpoint| Endpoint::ready(address(endpoint))).collect(),
        }],
        ..ServiceModel::default()
    }
}

fn rules(services: &[ServiceModel], family: Family) -> Ruleset {
    Ruleset::new(&settings(), family, &Snapshot { services: services.to_vec(), pods: vec![] })
}

fn text(services: &[ServiceModel]) -> String {
    rules(services, Family::V4).transaction(&[])
}

/// The lines of a chain, map or set.
fn block<'a>(text: &'a str, head: &str) -> Vec<&'a str> {
    let lines = text.lines().skip_while(|line| *line != format!("{head} {{")).skip(1);
    lines.take_while(|line| *line != "}").collect()
}

#[test]
fn the_table_is_replaced_as_a_whole_and_names_its_digest() {
    let rules = rules(&[mqtt(&["10.42.1.5"])], Family::V4);
    let text = rules.transaction(&[]);
    assert!(text.starts_with("add table ip k2d\ndelete table ip k2d\ntable ip k2d {\n"), "{text}");
    assert_eq!(block(&text, "chain state"), [format!("return comment \"{}\"", rules.digest())]);
}

#[test]
fn one_endpoint_is_reached_without_a_choice_and_several_by_chance() {
    let one = text(&[mqtt(&["10.42.1.5"])]);
    assert_eq!(block(&one, "chain service/plant/mqtt/tcp/1883"), ["meta l4proto tcp dnat to 10.42.1.5:11883"]);
    assert_eq!(block(&one, "map ports").last(), Some(&"elements = { tcp . 31883 : goto service/plant/mqtt/tcp/1883 }"));
    let two = text(&[mqtt(&["10.42.1.6", "10.42.1.5", "10.42.1.6"])]);
    assert_eq!(
        block(&two, "chain service/plant/mqtt/tcp/1883"),
        ["meta l4proto tcp dnat ip to numgen random mod 2 map { 0 : 10.42.1.5 . 11883, 1 : 10.42.1.6 . 11883 }"]
    );
}

#[test]
fn the_order_in_which_things_are_told_makes_no_difference() {
    let other = ServiceModel { name: "other".to_owned(), cluster_ips: vec![address("10.43.0.8")], ..mqtt(&[]) };
    let a = rules(&[mqtt(&["10.42.1.5", "10.42.1.6"]), other.clone()], Family::V4);
    let b = rules(&[other, mqtt(&["10.42.1.6", "10.42.1.5"])], Family::V4);
    assert_eq!(a.digest(), b.digest());
    assert_ne!(a.digest(), rules(&[mqtt(&["10.42.1.5"])], Family::V4).digest());
}

#[test]
fn each_family_has_its_own_addresses() {
    let both = [mqtt(&["10.42.1.5", "fd00:42::5"])];
    let v6 = rules(&both, Family::V6).transaction(&[]);
    assert_eq!(block(&v6, "chain service/plant/mqtt/tcp/1883"), ["meta l4proto tcp dnat to [fd00:42::5]:11883"]);
    assert!(v6.contains("fd00:43::9 . tcp . 1883 : goto") && !v6.contains("10.4") && !v6.contains("127.0"), "{v6}");
    assert!(!text(&both).contains("fd00"));
}

#[test]
fn endpoints_that_end_serve_only_while_no_other_does() {
    let mut service = mqtt(&["10.42.1.5", "10.42.1.6"]);
    let ending = &mut service.endpoints[0].endpoints[0];
    (ending.ready, ending.terminating) = (false, true);
    assert!(!text(&[service.clone()]).contains("10.42.1.5"));
    service.endpoints[0].endpoints[1].ready = false;
    assert!(text(&[service.clone()]).contains("dnat to 10.42.1.5:"));
    service.endpoints[0].endpoints[0].serving = false;
    assert!(block(&text(&[service.clone()]), "map ports-unserved").last().unwrap().contains("31883 : goto refuse"));
    service.publish_not_ready = true;
    assert!(text(&[service]).contains("1 : 10.42.1.6 . 11883"));
}

#[test]
fn the_policy_local_makes_a_way_of_its_own() {
    let mut service = mqtt(&["10.42.1.5", "10.42.1.6"]);
    service.endpoints[0].endpoints[1].local = false;
    service.external_policy = TrafficPolicy::Local;
    let local = text(&[service.clone()]);
    assert!(block(&local, "chain service/plant/mqtt/tcp/1883")[0].contains("mod 2"));
    assert_eq!(block(&local, "chain external/plant/mqtt/tcp/1883"), ["meta l4proto tcp dnat to 10.42.1.5:11883"]);
    service.endpoints[0].endpoints[0].local = false;
    assert!(block(&text(&[service]), "map ports-unserved").last().unwrap().contains("31883 : drop"));
}

#[test]
fn clients_of_session_affinity_are_carried_over() {
    let service = ServiceModel { session_affinity: Some(Duration::from_secs(600)), ..mqtt(&["10.42.1.5"]) };
    let rules = rules(&[service], Family::V4);
    let set = "affinity/plant/mqtt/tcp/1883/10.42.1.5/11883";
    let bound = |set: &str, client: &str, seconds| Bound { set: set.to_owned(), client: address(client), seconds };
    let text = rules.transaction(&[
        bound(set, "192.0.2.7", 30),
        bound("affinity/x", "192.0.2.8", 30),
        bound(set, "192.0.2.9", 9999),
    ]);
    assert_eq!(
        block(&text, &format!("set {set}")),
        [
            "type ipv4_addr; flags dynamic, timeout; timeout 600s;",
            "elements = { 192.0.2.7 timeout 600s expires 30s, 192.0.2.9 timeout 600s expires 600s }"
        ]
    );
    // What is carried is no part of the rules.
    assert!(text.contains(&rules.digest()));
}

#[test]
fn one_address_and_port_leads_to_one_service() {
    let external = |name: &str, endpoint: &str| ServiceModel {
        name: name.to_owned(),
        cluster_ips: vec![],
        external_ips: vec![address("10.43.0.9"), address("192.0.2.80")],
        ..mqtt(&[endpoint])
    };
    let text = text(&[external("b", "10.42.1.2"), external("a", "10.42.1.1"), mqtt(&["10.42.1.5"])]);
    assert_eq!(
        block(&text, "map addresses").last(),
        Some(
            &"elements = { 10.43.0.9 . tcp . 1883 : goto service/plant/mqtt/tcp/1883, \
              192.0.2.80 . tcp . 1883 : goto external/plant/a/tcp/1883 }"
        )
    );
    assert!(block(&text, "map ports").last().unwrap().contains("31883 : goto external/plant/a/tcp/1883"));
}

#[test]
fn source_ranges_without_one_of_this_family_let_nobody_in() {
    let balanced =
        LoadBalancer { addresses: vec![address("192.0.2.1")], source_ranges: vec!["fd00::/8".parse().unwrap()] };
    let text = text(&[ServiceModel { load_balancer: Some(balanced), ..mqtt(&["10.42.1.5"]) }]);
    assert_eq!(block(&text, "chain sources/plant/mqtt/tcp/1883"), ["drop"]);
}

#[test]
fn a_name_that_is_none_does_not_become_part_of_the_text() {
    let evil = ServiceModel { name: "x { }\nflush ruleset".to_owned(), ..mqtt(&["10.42.1.5"]) };
    assert!(!text(&[evil]).contains("flush"));
    let named = ServiceModel { external_name: Some("plc.example".to_owned()), ..mqtt(&["10.42.1.5"]) };
    assert_eq!(block(&text(&[named]), "map ports"), ["type inet_proto . inet_service : verdict;"]);
}

#[test]
fn udp_flows_are_told_for_the_connection_tracking() {
    let mut service = mqtt(&["10.42.1.5"]);
    service.ports[0].protocol = Protocol::Udp;
    service.endpoints[0].ports[0].protocol = Protocol::Udp;
    let flows =
        rules(&[service, ServiceModel { name: "tcp".to_owned(), ..mqtt(&["10.42.1.5"]) }], Family::V4).udp_flows();
    let told: Vec<_> = flows.iter().map(|flow| (flow.address, flow.port, flow.endpoint.to_string())).collect();
    let endpoint = || "10.42.1.5:11883".to_owned();
    assert_eq!(told, [(None, 31883, endpoint()), (Some(address("10.43.0.9")), 1883, endpoint())]);
}
