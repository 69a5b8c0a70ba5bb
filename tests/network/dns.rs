//! The name server of the pod network, asked by `dig` from pods.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, TXT};
use hickory_proto::rr::{RData, Record, RecordType};
use k2d::network::dns::zone::{Zone, ZoneSettings};
use k2d::network::dns::{CurrentZone, NameServer, Resolvers};
use k2d::network::model::{Endpoint, EndpointGroup, ServiceModel, Snapshot};
use tokio::sync::oneshot;

use crate::ns::{Place, World};

fn zone(cluster_ip: &str) -> Zone {
    let service =
        |name: &str| ServiceModel { namespace: "plant".to_owned(), name: name.to_owned(), ..ServiceModel::default() };
    let many = (0..120).map(|n| Endpoint::ready(IpAddr::from([10, 42, 1, n]))).collect();
    let snapshot = Snapshot {
        services: vec![
            ServiceModel { cluster_ips: vec![cluster_ip.parse().unwrap()], ..service("mqtt") },
            ServiceModel { external_name: Some("plc.example".to_owned()), ..service("plc") },
            ServiceModel {
                headless: true,
                endpoints: vec![EndpointGroup { ports: vec![], endpoints: many }],
                ..service("many")
            },
        ],
        pods: vec![],
    };
    let settings = ZoneSettings {
        domain: "cluster.local".to_owned(),
        networks: vec!["10.43.0.0/16".parse().unwrap()],
        server: "10.42.0.1".parse().unwrap(),
    };
    Zone::new(settings, &snapshot, 1)
}

/// A name server at 10.42.0.1 that ends with it.
struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(world: &World, zone: &CurrentZone, resolv_conf: &Path) -> Server {
        let (zone, resolv_conf) = (zone.clone(), resolv_conf.to_path_buf());
        let (stop, stopped) = oneshot::channel();
        let (ready, bound) = std::sync::mpsc::channel();
        let thread = world.start(Place::Host, move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let address: SocketAddr = "10.42.0.1:53".parse().unwrap();
                let server = bind(address).await;
                ready.send(()).unwrap();
                let resolvers = Arc::new(Resolvers::new(resolv_conf, address.ip()));
                tokio::select! {
                    () = server.serve(zone, resolvers) => {}
                    _ = stopped => {}
                }
            });
        });
        bound.recv().unwrap();
        Server { stop: Some(stop), thread: Some(thread) }
    }
}

/// Binds the address. What the server before it has closed, a program that another test is just starting may still
/// hold until it runs.
async fn bind(address: SocketAddr) -> NameServer {
    for _ in 0..100 {
        match NameServer::bind(address) {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            bound => return bound.unwrap(),
        }
    }
    panic!("{address} stays in use")
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A resolver of the host: `plc.example` has an address, `big.example` a text that fits into no
/// datagram, other names are not there.
fn resolver(world: &World, address: &'static str, plc: [u8; 4]) {
    let answer = move |query: &[u8], limit: usize| {
        let query = Message::from_vec(query).unwrap();
        let mut reply = Message::new(query.metadata.id, MessageType::Response, query.metadata.op_code);
        reply.queries = query.queries;
        reply.metadata.recursion_available = true;
        let (name, kind) = (reply.queries[0].name().clone(), reply.queries[0].query_type());
        match (name.to_string().as_str(), kind) {
            ("plc.example.", RecordType::A) => {
                _ = reply.add_answer(Record::from_rdata(name, 60, RData::A(A::from(std::net::Ipv4Addr::from(plc)))));
            }
            ("plc.example.", _) => {}
            ("big.example.", RecordType::TXT) => {
                let text = (0..30).map(|n| format!("{n:0>200}")).collect();
                _ = reply.add_answer(Record::from_rdata(name, 60, RData::TXT(TXT::new(text))));
            }
            _ => reply.metadata.response_code = ResponseCode::NXDomain,
        }
        let bytes = reply.to_vec().unwrap();
        if bytes.len() <= limit { bytes } else { reply.truncate().to_vec().unwrap() }
    };
    let (datagrams, streams) = world.within(Place::Host, move || {
        (UdpSocket::bind((address, 53)).unwrap(), TcpListener::bind((address, 53)).unwrap())
    });
    thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, client)) = datagrams.recv_from(&mut buffer) {
            _ = datagrams.send_to(&answer(&buffer[..length], 1232), client);
        }
    });
    thread::spawn(move || {
        for stream in streams.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut query = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut query).unwrap();
            let reply = answer(&query, usize::MAX);
            stream.write_all(&u16::try_from(reply.len()).unwrap().to_be_bytes()).unwrap();
            stream.write_all(&reply).unwrap();
        }
    });
}

/// A resolv.conf that goes with the test.
struct ResolvConf(PathBuf);

impl ResolvConf {
    fn new(text: &str) -> ResolvConf {
        let name = format!("k2d-resolv-{}-{:?}", std::process::id(), thread::current().id());
        let file = ResolvConf(std::env::temp_dir().join(name));
        std::fs::write(&file.0, text).unwrap();
        file
    }
}

impl Drop for ResolvConf {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.0);
    }
}

fn dig(world: &World, arguments: &str) -> String {
    world.run(Place::PodA, "dig", &format!("@10.42.0.1 +tries=1 +time=9 {arguments}"))
}

#[test]
fn pods_resolve_names_of_the_cluster_and_of_the_world() {
    let world = World::new(false);
    resolver(&world, "127.0.0.53", [203, 0, 113, 5]);
    // Nobody listens at the first one.
    let resolv_conf = ResolvConf::new("nameserver 127.0.0.54\nnameserver 127.0.0.53\n");
    let current = CurrentZone::new(zone("10.43.0.9"));
    let _server = Server::start(&world, &current, &resolv_conf.0);

    assert_eq!(dig(&world, "+short mqtt.plant.svc.cluster.local"), "10.43.0.9\n");
    assert_eq!(dig(&world, "+short -x 10.43.0.9"), "mqtt.plant.svc.cluster.local.\n");
    assert_eq!(dig(&world, "+short plc.example"), "203.0.113.5\n");
    assert_eq!(dig(&world, "+short plc.plant.svc.cluster.local"), "plc.example.\n203.0.113.5\n");
    assert!(dig(&world, "none.example").contains("status: NXDOMAIN"));
    assert!(dig(&world, "none.plant.svc.cluster.local").contains("status: NXDOMAIN"));
    assert!(dig(&world, "+notcp mqtt.plant.svc.cluster.local AAAA").contains("status: NOERROR"));

    // What does not fit into a datagram comes by stream.
    let many = dig(&world, "many.plant.svc.cluster.local");
    assert!(many.contains("Truncated, retrying in TCP mode") && many.contains("ANSWER: 120"), "{many}");
    let big = dig(&world, "big.example TXT");
    assert!(big.contains("Truncated, retrying in TCP mode") && big.contains(&format!("{:0>200}", 29)), "{big}");

    current.set(zone("10.43.0.10"));
    assert_eq!(dig(&world, "+short mqtt.plant.svc.cluster.local"), "10.43.0.10\n");
}

#[test]
fn a_changed_resolv_conf_counts_at_once() {
    let world = World::new(false);
    resolver(&world, "127.0.0.53", [203, 0, 113, 5]);
    resolver(&world, "127.0.0.55", [203, 0, 113, 6]);
    let resolv_conf = ResolvConf::new("# the network is not up\n");
    let current = CurrentZone::new(zone("10.43.0.9"));
    let _server = Server::start(&world, &current, &resolv_conf.0);
    assert!(dig(&world, "plc.example").contains("status: SERVFAIL"));
    std::fs::write(&resolv_conf.0, "nameserver 127.0.0.53\n").unwrap();
    assert_eq!(dig(&world, "+short plc.example"), "203.0.113.5\n");
    std::fs::write(&resolv_conf.0, "# other\nnameserver 127.0.0.55\n").unwrap();
    assert_eq!(dig(&world, "+short plc.example"), "203.0.113.6\n");
    // Its own address among them is no loop.
    std::fs::write(&resolv_conf.0, "nameserver 10.42.0.1\n").unwrap();
    assert!(dig(&world, "plc.example").contains("status: SERVFAIL"));
    std::fs::remove_file(&resolv_conf.0).unwrap();
    assert!(dig(&world, "plc.example").contains("status: SERVFAIL"));
}

#[test]
fn it_starts_before_its_address_and_again_after_itself() {
    let world = World::new(false);
    let resolv_conf = ResolvConf::new("");
    let current = CurrentZone::new(zone("10.43.0.9"));
    world.run(Place::Host, "ip", "addr del 10.42.0.1/16 dev br0");
    let first = Server::start(&world, &current, &resolv_conf.0);
    world.run(Place::Host, "ip", "addr add 10.42.0.1/16 dev br0");
    assert_eq!(dig(&world, "+short mqtt.plant.svc.cluster.local"), "10.43.0.9\n");
    assert_eq!(dig(&world, "+short +tcp mqtt.plant.svc.cluster.local"), "10.43.0.9\n");
    drop(first);
    let _second = Server::start(&world, &current, &resolv_conf.0);
    assert_eq!(dig(&world, "+short +tcp mqtt.plant.svc.cluster.local"), "10.43.0.9\n");
    // Taken away and given back under it, as when the engine starts anew.
    world.run(Place::Host, "ip", "addr del 10.42.0.1/16 dev br0");
    world.run(Place::Host, "ip", "addr add 10.42.0.1/16 dev br0");
    assert_eq!(dig(&world, "+short mqtt.plant.svc.cluster.local"), "10.43.0.9\n");
}

#[test]
fn garbage_and_silent_clients_do_not_keep_it_from_others() {
    let world = World::new(false);
    // A resolver that never answers.
    let silent = world.within(Place::Host, || UdpSocket::bind("127.0.0.53:53").unwrap());
    let resolv_conf = ResolvConf::new("nameserver 127.0.0.53\n");
    let current = CurrentZone::new(zone("10.43.0.9"));
    let _server = Server::start(&world, &current, &resolv_conf.0);
    let held = world.within(Place::PodB, || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        for n in 0..200u8 {
            _ = socket.send_to(&vec![n; usize::from(n) * 5], "10.42.0.1:53");
            let question = [n, n, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 0, 0, 1, 0, 1];
            _ = socket.send_to(&question, "10.42.0.1:53");
        }
        let open = |bytes: &'static [u8]| {
            let mut stream = std::net::TcpStream::connect("10.42.0.1:53").unwrap();
            stream.write_all(bytes).unwrap();
            stream
        };
        [open(b""), open(b"\x00"), open(b"\xff\xff"), open(b"\x00\x0cGET / HTTP/1"), open(b"\x00\x03abc")]
    });
    assert_eq!(dig(&world, "+short mqtt.plant.svc.cluster.local"), "10.43.0.9\n");
    assert_eq!(dig(&world, "+short +tcp mqtt.plant.svc.cluster.local"), "10.43.0.9\n");
    drop((held, silent));
}
