//! A small world of network namespaces: a host with a bridge and two pods on it, and a machine
//! outside. The host has no default route, and does not masquerade: only what k2d does is tested.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long an answer that is to come may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The namespaces of one test; they go with it.
pub struct World {
    name: String,
}

/// A place in the world.
#[derive(Clone, Copy)]
pub enum Place {
    /// 10.42.0.1 on the bridge `br0`, 192.0.2.1 towards the outside.
    Host,
    /// 10.42.0.11.
    PodA,
    /// 10.42.0.12.
    PodB,
    /// 192.0.2.2, which knows no way to the pods.
    Outside,
}

impl Place {
    fn suffix(self) -> &'static str {
        match self {
            Place::Host => "host",
            Place::PodA => "poda",
            Place::PodB => "podb",
            Place::Outside => "wan",
        }
    }
}

impl World {
    /// On a bridge whose frames pass through the packet filter, or on one whose do not.
    pub fn new(filtered: bool) -> World {
        let name = format!("k2dt{}n{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let world = World { name };
        for place in [Place::Host, Place::PodA, Place::PodB, Place::Outside] {
            ip(&["netns", "add", &world.netns(place)]);
            world.ip(place, "link set lo up");
        }
        world.ip(Place::Host, "link add br0 type bridge");
        world.ip(Place::Host, "addr add 10.42.0.1/16 dev br0");
        world.ip(Place::Host, "link set br0 up");
        for (place, address) in [(Place::PodA, "10.42.0.11/16"), (Place::PodB, "10.42.0.12/16")] {
            world.wire(place);
            world.ip(Place::Host, &format!("link set {} master br0", place.suffix()));
            world.ip(place, &format!("addr add {address} dev eth0"));
            world.ip(place, "route add default via 10.42.0.1");
        }
        world.wire(Place::Outside);
        world.ip(Place::Host, "addr add 192.0.2.1/24 dev wan");
        world.ip(Place::Outside, "addr add 192.0.2.2/24 dev eth0");
        world.within(Place::Host, || std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
        _ = Command::new("modprobe").arg("br_netfilter").output();
        world.within(Place::Host, move || {
            let value = if filtered { "1" } else { "0" };
            std::fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", value).expect("br_netfilter")
        });
        world
    }

    fn netns(&self, place: Place) -> String {
        format!("{}-{}", self.name, place.suffix())
    }

    /// A link from the host, named after the place, to `eth0` there.
    fn wire(&self, place: Place) {
        let (suffix, peer) = (place.suffix(), self.netns(place));
        self.ip(Place::Host, &format!("link add {suffix} type veth peer name eth0 netns {peer}"));
        self.ip(Place::Host, &format!("link set {suffix} up"));
        self.ip(place, "link set eth0 up");
    }

    fn ip(&self, place: Place, arguments: &str) {
        let netns = self.netns(place);
        let mut all = vec!["-n", netns.as_str()];
        all.extend(arguments.split(' '));
        ip(&all);
    }

    /// Starts a thread in a place; all sockets and programs that it starts are there.
    pub fn start<T: Send + 'static>(&self, place: Place, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let netns = File::open(format!("/run/netns/{}", self.netns(place))).unwrap();
        thread::spawn(move || {
            rustix::thread::move_into_link_name_space(netns.as_fd(), None).unwrap();
            work()
        })
    }

    /// Does something in a place, to its end.
    pub fn within<T: Send + 'static>(&self, place: Place, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.start(place, work).join().unwrap()
    }

    /// A TCP server that greets with a name and the client's address, then sends back each byte.
    pub fn tcp_server(&self, place: Place, port: u16, name: &'static str) {
        let listener = self.within(place, move || TcpListener::bind(("0.0.0.0", port)).unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let peer = stream.peer_addr().unwrap().ip();
                    _ = writeln!(stream, "{name} {peer}");
                    let mut echo = stream.try_clone().unwrap();
                    _ = std::io::copy(&mut stream, &mut echo);
                });
            }
        });
    }

    /// A UDP server that answers each datagram with a name and the client's address.
    pub fn udp_server(&self, place: Place, port: u16, name: &'static str) {
        let socket = self.within(place, move || UdpSocket::bind(("0.0.0.0", port)).unwrap());
        thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((_, peer)) = socket.recv_from(&mut buffer) {
                _ = socket.send_to(format!("{name} {}", peer.ip()).as_bytes(), peer);
            }
        });
    }

    /// Opens a connection from a place and reads the greeting: `name client-address`.
    pub fn connect(&self, from: Place, to: &str) -> std::io::Result<(TcpStream, String)> {
        let to: SocketAddr = to.parse().unwrap();
        self.within(from, move || {
            let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let mut greeting = String::new();
            let mut byte = [0];
            while stream.read(&mut byte)? == 1 && byte != [b'\n'] {
                greeting.push(char::from(byte[0]));
            }
            Ok((stream, greeting))
        })
    }

    /// The greeting alone.
    pub fn greeting(&self, from: Place, to: &str) -> String {
        self.connect(from, to).map(|(_, greeting)| greeting).unwrap_or_else(|error| format!("{:?}", error.kind()))
    }

    /// Sends a datagram and gives the answer, or the kind of error.
    pub fn datagram(&self, from: Place, to: &str) -> String {
        let socket = self.within(from, || UdpSocket::bind("0.0.0.0:0").unwrap());
        exchange(&socket, to)
    }

    pub fn run(&self, place: Place, program: &'static str, arguments: &str) -> String {
        let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        self.within(place, move || {
            let output = Command::new(program).args(arguments).output().unwrap();
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
        })
    }
}

/// Sends a datagram from a socket and gives the answer, or the kind of error.
pub fn exchange(socket: &UdpSocket, to: &str) -> String {
    let mut buffer = [0; 64];
    let answer = socket
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| socket.connect(to))
        .and_then(|()| socket.send(b"?"))
        .and_then(|_| socket.recv(&mut buffer));
    match answer {
        Ok(length) => String::from_utf8_lossy(&buffer[..length]).into_owned(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for place in [Place::Host, Place::PodA, Place::PodB, Place::Outside] {
            _ = Command::new("ip").args(["netns", "del", &self.netns(place)]).status();
        }
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("iproute2 is installed");
    assert!(
        output.status.success(),
        "ip {}: {} (these tests need root)",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
}
