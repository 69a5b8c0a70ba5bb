//! The packet rules in real network namespaces, with real connections.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k2d::network::apply::{Applier, Outcome};
use k2d::network::model::{
    Endpoint, EndpointGroup, LoadBalancer, Protocol, ServiceModel, ServicePort, Snapshot, TargetPort, TrafficPolicy,
};
use k2d::network::rules::{Family, Ruleset, Settings};

use crate::ns::{Place, World, exchange};

const A: &str = "10.42.0.11";
const B: &str = "10.42.0.12";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A service at 10.43.0.80:80 with node port 30080 that leads to port 8080 of the endpoints.
fn web(endpoints: &[&str]) -> ServiceModel {
    service(Protocol::Tcp, endpoints)
}

fn service(protocol: Protocol, endpoints: &[&str]) -> ServiceModel {
    ServiceModel {
        namespace: "plant".to_owned(),
        name: "web".to_owned(),
        cluster_ips: vec![address("10.43.0.80")],
        ports: vec![ServicePort { name: "http".to_owned(), protocol, port: 80, node_port: Some(30080) }],
        endpoints: vec![EndpointGroup {
            ports: vec![TargetPort { name: "http".to_owned(), protocol, port: 8080 }],
            endpoints: endpoints.iter().map(|endpoint| Endpoint::ready(address(endpoint))).collect(),
        }],
        ..ServiceModel::default()
    }
}

/// The applier of the world's host.
struct Rules(Arc<Mutex<Applier>>);

impl Rules {
    fn new(world: &World) -> Rules {
        let applier = Applier::new(Settings {
            table: "k2d".to_owned(),
            pod_networks: vec!["10.42.0.0/16".parse().unwrap()],
            service_ranges: vec!["10.43.0.0/16".parse().unwrap()],
            bridge: Some("br0".to_owned()),
            bridge_filtered: false,
        });
        let rules = Rules(Arc::new(Mutex::new(applier)));
        rules.recheck(world);
        rules
    }

    fn on_host<T: Send + 'static>(
        &self,
        world: &World,
        work: impl AsyncFnOnce(&mut Applier) -> T + Send + 'static,
    ) -> T {
        let applier = self.0.clone();
        world.within(Place::Host, move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(work(&mut applier.lock().unwrap()))
        })
    }

    fn recheck(&self, world: &World) {
        self.on_host(world, async |applier| applier.recheck().await).unwrap();
    }

    fn apply(&self, world: &World, services: Vec<ServiceModel>) -> Outcome {
        let snapshot = Snapshot { services, pods: vec![] };
        self.on_host(world, async move |applier| applier.apply(&snapshot).await).unwrap()
    }
}

/// What pod B sees of pod A through a service.
fn seen_from_a(filtered: bool) -> &'static str {
    if filtered { "b 10.42.0.11" } else { "b 10.42.0.1" }
}

#[test]
fn a_cluster_ip_is_reached_from_pods_and_from_the_host() {
    for filtered in [false, true] {
        let world = World::new(filtered);
        world.tcp_server(Place::PodB, 8080, "b");
        let rules = Rules::new(&world);
        rules.apply(&world, vec![web(&[B])]);
        assert_eq!(world.greeting(Place::PodA, "10.43.0.80:80"), seen_from_a(filtered));
        assert_eq!(world.greeting(Place::Host, "10.43.0.80:80"), "b 10.42.0.1");
        // Itself, the long way round.
        assert_eq!(world.greeting(Place::PodB, "10.43.0.80:80"), "b 10.42.0.1");
    }
}

#[test]
fn a_node_port_is_reached_from_everywhere_on_every_address() {
    for filtered in [false, true] {
        let world = World::new(filtered);
        world.tcp_server(Place::PodB, 8080, "b");
        let rules = Rules::new(&world);
        rules.apply(&world, vec![web(&[B])]);
        // The pod sees who it is.
        assert_eq!(world.greeting(Place::Outside, "192.0.2.1:30080"), "b 192.0.2.2");
        for to in ["192.0.2.1:30080", "10.42.0.1:30080"] {
            assert_eq!(world.greeting(Place::PodA, to), seen_from_a(filtered));
            assert_eq!(world.greeting(Place::PodB, to), "b 10.42.0.1");
            assert_eq!(
                world.greeting(Place::Host, to),
                if to.starts_with("192") { "b 192.0.2.1" } else { "b 10.42.0.1" }
            );
        }
        assert_eq!(world.greeting(Place::Host, "127.0.0.1:30080"), "b 10.42.0.1");
        // A pod's own port of that number is not taken away.
        assert_eq!(world.greeting(Place::PodA, "10.42.0.12:30080"), "ConnectionRefused");
    }
}

#[test]
fn a_pod_cannot_speak_to_the_loopback_of_the_host() {
    let world = World::new(false);
    let rules = Rules::new(&world);
    rules.apply(&world, vec![]);
    world.tcp_server(Place::Host, 9000, "host");
    // The pod takes 127.0.0.1 for an address like any other, and its gateway for the way there.
    world.run(Place::PodA, "ip", "addr flush dev lo");
    world.run(Place::PodA, "sysctl", "-qw net.ipv4.conf.eth0.route_localnet=1");
    world.run(Place::PodA, "ip", "route add 127.0.0.1 via 10.42.0.1");
    assert_eq!(world.greeting(Place::PodA, "127.0.0.1:9000"), "TimedOut");
    // It is the guard that holds it off, nothing else.
    world.run(Place::Host, "nft", "delete chain ip k2d guard");
    assert_eq!(world.greeting(Place::PodA, "127.0.0.1:9000"), "host 10.42.0.11");
}

#[test]
fn several_endpoints_share_the_connections() {
    let world = World::new(false);
    world.tcp_server(Place::PodA, 8080, "a");
    world.tcp_server(Place::PodB, 8080, "b");
    let rules = Rules::new(&world);
    rules.apply(&world, vec![web(&[A, B])]);
    let seen: BTreeSet<String> = (0..40).map(|_| world.greeting(Place::Outside, "192.0.2.1:30080")).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["a 192.0.2.2", "b 192.0.2.2"]);
}

#[test]
fn a_service_without_endpoints_refuses_at_once() {
    for filtered in [false, true] {
        let world = World::new(filtered);
        let rules = Rules::new(&world);
        let balanced = LoadBalancer { addresses: vec![address("192.0.2.1")], source_ranges: vec![] };
        let none = ServiceModel { load_balancer: Some(balanced), ..web(&[]) };
        let udp = ServiceModel { name: "dns".to_owned(), ..service(Protocol::Udp, &[]) };
        rules.apply(&world, vec![none, udp]);
        for place in [Place::PodA, Place::Host] {
            // Also a port that the service has not, and an address that no service has.
            for to in ["10.43.0.80:80", "10.43.0.80:81", "10.43.7.7:80", "192.0.2.1:30080", "192.0.2.1:80"] {
                assert_eq!(world.greeting(place, to), "ConnectionRefused", "{to}");
            }
            // The kernel tells its own senders so.
            let refused = if matches!(place, Place::Host) { "PermissionDenied" } else { "ConnectionRefused" };
            assert_eq!(world.datagram(place, "10.43.0.80:80"), refused);
            assert_eq!(world.datagram(place, "192.0.2.1:30080"), refused);
        }
        assert_eq!(world.greeting(Place::Outside, "192.0.2.1:30080"), "ConnectionRefused");
        assert_eq!(world.datagram(Place::Outside, "192.0.2.1:30080"), "ConnectionRefused");
    }
}

#[test]
fn datagrams_follow_their_endpoints() {
    for filtered in [false, true] {
        let world = World::new(filtered);
        world.udp_server(Place::PodA, 8080, "a");
        world.udp_server(Place::PodB, 8080, "b");
        let rules = Rules::new(&world);
        // A sender that was there before the service, and never pauses.
        let sender = world.within(Place::Outside, || std::net::UdpSocket::bind("0.0.0.0:0").unwrap());
        world.udp_server(Place::Host, 30080, "host");
        rules.apply(&world, vec![]);
        assert_eq!(exchange(&sender, "192.0.2.1:30080"), "host 192.0.2.2");
        rules.apply(&world, vec![service(Protocol::Udp, &[A])]);
        assert_eq!(exchange(&sender, "192.0.2.1:30080"), "a 192.0.2.2");
        rules.apply(&world, vec![service(Protocol::Udp, &[B])]);
        assert_eq!(exchange(&sender, "192.0.2.1:30080"), "b 192.0.2.2");
        assert_eq!(world.datagram(Place::PodA, "10.43.0.80:80"), seen_from_a(filtered));
        assert_eq!(world.datagram(Place::PodB, "10.43.0.80:80"), "b 10.42.0.1");
        assert_eq!(world.datagram(Place::Host, "127.0.0.1:30080"), "b 10.42.0.1");
        // TCP at the same number is another service.
        assert_eq!(world.greeting(Place::Outside, "192.0.2.1:30080"), "ConnectionRefused");
    }
}

#[test]
fn session_affinity_keeps_a_client_over_changes() {
    let world = World::new(false);
    world.tcp_server(Place::PodA, 8080, "a");
    world.tcp_server(Place::PodB, 8080, "b");
    let rules = Rules::new(&world);
    let sticky =
        |endpoints: &[&str]| ServiceModel { session_affinity: Some(Duration::from_secs(10_800)), ..web(endpoints) };
    rules.apply(&world, vec![sticky(&[A, B])]);
    let first = world.greeting(Place::Outside, "192.0.2.1:30080");
    for _ in 0..10 {
        assert_eq!(world.greeting(Place::Outside, "192.0.2.1:30080"), first);
    }
    // Whatever else changes, the client stays where it was.
    for n in 0..8u8 {
        let other = ServiceModel {
            namespace: "plant".to_owned(),
            name: "other".to_owned(),
            cluster_ips: vec![IpAddr::from([10, 43, 1, n])],
            ports: vec![ServicePort { port: 7, ..ServicePort::default() }],
            ..ServiceModel::default()
        };
        assert_eq!(rules.apply(&world, vec![sticky(&[A, B]), other]), Outcome::Replaced);
        assert_eq!(world.greeting(Place::Outside, "192.0.2.1:30080"), first);
    }
    // Until its endpoint goes.
    let (left, name) = if first.starts_with('a') { (B, "b 192.0.2.2") } else { (A, "a 192.0.2.2") };
    rules.apply(&world, vec![sticky(&[left])]);
    assert_eq!(world.greeting(Place::Outside, "192.0.2.1:30080"), name);
}

#[test]
fn open_connections_survive_a_change() {
    for filtered in [false, true] {
        let world = World::new(filtered);
        world.tcp_server(Place::PodA, 8080, "a");
        world.tcp_server(Place::PodB, 8080, "b");
        let rules = Rules::new(&world);
        rules.apply(&world, vec![web(&[A])]);
        let opened: Vec<_> =
            [(Place::Outside, "192.0.2.1:30080"), (Place::PodB, "10.43.0.80:80"), (Place::Host, "127.0.0.1:30080")]
                .map(|(place, to)| world.connect(place, to).unwrap())
                .into();
        let still = |what: &str| {
            for (stream, greeting) in &opened {
                let (mut stream, mut answer) = (stream, [0; 5]);
                stream.write_all(b"hello").and_then(|()| stream.read_exact(&mut answer)).expect(what);
                assert_eq!((&answer, greeting.starts_with("a ")), (b"hello", true), "{what}");
            }
        };
        assert_eq!(rules.apply(&world, vec![web(&[B])]), Outcome::Replaced);
        still("another endpoint");
        assert!(world.greeting(Place::Outside, "192.0.2.1:30080").starts_with("b "));
        rules.apply(&world, vec![]);
        still("no service");
        assert_eq!(world.greeting(Place::Outside, "192.0.2.1:30080"), "ConnectionRefused");
    }
}

#[test]
fn traffic_policies_and_source_ranges_are_kept() {
    let world = World::new(false);
    world.tcp_server(Place::PodB, 8080, "b");
    let rules = Rules::new(&world);
    let balanced = |ranges: &[&str]| ServiceModel {
        load_balancer: Some(LoadBalancer {
            addresses: vec![address("192.0.2.1")],
            source_ranges: ranges.iter().map(|range| range.parse().unwrap()).collect(),
        }),
        external_ips: vec![address("198.51.100.7")],
        ..web(&[B])
    };
    world.run(Place::Outside, "ip", "route add 198.51.100.7 via 192.0.2.1");
    rules.apply(&world, vec![balanced(&["192.0.2.2/32"])]);
    assert_eq!(world.greeting(Place::Outside, "192.0.2.1:80"), "b 192.0.2.2");
    assert_eq!(world.greeting(Place::Outside, "198.51.100.7:80"), "b 192.0.2.2");
    rules.apply(&world, vec![balanced(&["203.0.113.0/24", "192.0.2.128/25"])]);
    assert_eq!(world.greeting(Place::Outside, "192.0.2.1:80"), "TimedOut");
    assert_eq!(world.greeting(Place::Outside, "198.51.100.7:80"), "b 192.0.2.2");
    // An endpoint of another machine is no way in for the policy Local.
    let mut local = balanced(&[]);
    local.external_policy = TrafficPolicy::Local;
    local.endpoints[0].endpoints[0].local = false;
    rules.apply(&world, vec![local]);
    assert_eq!(world.greeting(Place::Outside, "192.0.2.1:80"), "TimedOut");
    assert_eq!(world.greeting(Place::PodA, "10.43.0.80:80"), "b 10.42.0.1");
}

#[test]
fn an_endpoint_on_another_machine_is_reached() {
    let world = World::new(false);
    world.tcp_server(Place::Outside, 8080, "device");
    let rules = Rules::new(&world);
    rules.apply(&world, vec![web(&["192.0.2.2"])]);
    assert_eq!(world.greeting(Place::PodA, "10.43.0.80:80"), "device 192.0.2.1");
    assert_eq!(world.greeting(Place::Host, "10.43.0.80:80"), "device 192.0.2.1");
    // Even by itself, round the host.
    assert_eq!(world.greeting(Place::Outside, "192.0.2.1:30080"), "device 192.0.2.1");
}

#[test]
fn an_endpoint_on_the_host_itself_is_reached() {
    for filtered in [false, true] {
        let world = World::new(filtered);
        world.tcp_server(Place::Host, 8080, "host");
        let rules = Rules::new(&world);
        rules.apply(&world, vec![web(&["10.42.0.1"])]);
        assert_eq!(world.greeting(Place::PodA, "10.43.0.80:80"), "host 10.42.0.11");
        assert_eq!(world.greeting(Place::Host, "10.43.0.80:80"), "host 10.42.0.1");
        assert_eq!(world.greeting(Place::Outside, "192.0.2.1:30080"), "host 192.0.2.2");
        assert_eq!(world.greeting(Place::Host, "127.0.0.1:30080"), "host 127.0.0.1");
    }
}

#[test]
fn nothing_is_written_unless_something_changed() {
    let world = World::new(false);
    world.tcp_server(Place::PodB, 8080, "b");
    let rules = Rules::new(&world);
    assert_eq!(rules.apply(&world, vec![web(&[B])]), Outcome::Replaced);
    assert_eq!(rules.apply(&world, vec![web(&[B])]), Outcome::Unchanged);
    // A k2d that comes back finds its rules as they are.
    let again = Rules::new(&world);
    assert_eq!(again.apply(&world, vec![web(&[B])]), Outcome::Unchanged);
    // Somebody flushed the rules.
    world.run(Place::Host, "nft", "flush ruleset");
    assert_eq!(world.greeting(Place::Outside, "192.0.2.1:30080"), "ConnectionRefused");
    again.recheck(&world);
    assert_eq!(again.apply(&world, vec![web(&[B])]), Outcome::Replaced);
    assert_eq!(world.greeting(Place::Outside, "192.0.2.1:30080"), "b 192.0.2.2");
}

#[test]
fn a_restarted_pod_reaches_itself() {
    let world = World::new(true);
    world.tcp_server(Place::PodB, 8080, "b");
    let rules = Rules::new(&world);
    rules.apply(&world, vec![web(&[B])]);
    // As a new port is.
    world.run(Place::Host, "ip", "link set podb type bridge_slave hairpin off");
    rules.on_host(&world, async |applier| applier.ports_changed().await);
    assert_eq!(world.greeting(Place::PodB, "10.43.0.80:80"), "b 10.42.0.1");
}

#[test]
fn nft_reads_the_rules_of_both_families() {
    let world = World::new(false);
    let networks = |v4: &str, v6: &str| vec![v4.parse().unwrap(), v6.parse().unwrap()];
    for (family, bridge_filtered) in [(Family::V4, true), (Family::V6, false), (Family::V6, true)] {
        let settings = Settings {
            table: "other".to_owned(),
            pod_networks: networks("10.42.0.0/16", "fd00:42::/64"),
            service_ranges: networks("10.43.0.0/16", "fd00:43::/112"),
            bridge: None,
            bridge_filtered,
        };
        let both = |name: &str, protocol, v4: &str, v6: &str| ServiceModel {
            name: name.to_owned(),
            cluster_ips: vec![address(v4), address(v6)],
            load_balancer: Some(LoadBalancer {
                addresses: vec![address("192.0.2.1"), address("2001:db8::1")],
                source_ranges: networks("0.0.0.0/0", "2001:db8::/32"),
            }),
            ..service(protocol, &[A, B, "192.0.2.9", "fd00:42::11", "fd00:42::12", "2001:db8::9"])
        };
        let plain = both("plain", Protocol::Sctp, "10.43.0.8", "fd00:43::8");
        let timeout = Some(Duration::from_secs(86_400));
        let sticky =
            ServiceModel { session_affinity: timeout, ..both("sticky", Protocol::Udp, "10.43.0.7", "fd00:43::7") };
        let snapshot = Snapshot { services: vec![plain, sticky], pods: vec![] };
        let text = Ruleset::new(&settings, family, &snapshot).transaction(&[]);
        let file = std::env::temp_dir().join(format!("k2d-rules-{}", std::process::id()));
        std::fs::write(&file, &text).unwrap();
        let said = world.run(Place::Host, "nft", &format!("-f {}", file.display()));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(said, "", "{text}");
        let listed = world.run(Place::Host, "nft", &format!("list table {} other", family.as_str()));
        assert!(listed.contains("affinity/plant/sticky/udp/80/"), "{listed}");
    }
}

#[test]
fn a_reset_leaves_nothing_and_the_leave_of_docker_comes_once() {
    let world = World::new(false);
    world.run(Place::Host, "iptables", "-N DOCKER-USER");
    world.run(Place::Host, "iptables", "-A DOCKER-USER -j RETURN");
    world.run(Place::Host, "iptables", "-A FORWARD -j DOCKER-USER");
    world.run(Place::Host, "iptables", "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT");
    world.run(Place::Host, "iptables", "-P FORWARD DROP");
    let before = world.run(Place::Host, "iptables", "-S");
    world.tcp_server(Place::PodB, 8080, "b");
    let rules = Rules::new(&world);
    rules.apply(&world, vec![web(&[B])]);
    rules.recheck(&world);
    assert_eq!(world.greeting(Place::Outside, "192.0.2.1:30080"), "b 192.0.2.2");
    assert_eq!(world.run(Place::Host, "iptables", "-S").matches("k2d-instance-k2d").count(), 1);
    rules.on_host(&world, async |applier| applier.reset().await).unwrap();
    assert_eq!(world.run(Place::Host, "iptables", "-S"), before);
    assert!(!world.run(Place::Host, "nft", "list tables").contains("k2d"));
    assert!(!world.run(Place::Host, "ip", "route").contains("10.43"));
    // Once more is no error.
    rules.on_host(&world, async |applier| applier.reset().await).unwrap();
}
