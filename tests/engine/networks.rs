//! Networks and addresses.

use k2d::engine::{EngineKind, Error, IpcMode, NetworkMode, NetworkSpec, NetworkTarget, PidMode};

use crate::bed::Bed;

async fn network(bed: &Bed, part: &str) -> (String, [u8; 3]) {
    let (subnet, start) = bed.range();
    let [a, b, c] = start;
    let spec = NetworkSpec {
        name: bed.named(part),
        subnet: Some(subnet),
        gateway: Some(format!("{a}.{b}.{c}.1")),
        labels: bed.labels(),
        ..NetworkSpec::default()
    };
    (bed.engine.create_network(&spec).await.unwrap().name, start)
}

fn at(network: &str, [a, b, c]: [u8; 3], last: u8) -> NetworkMode {
    NetworkMode::Network(NetworkTarget {
        network: network.into(),
        ipv4: Some([a, b, c, last].into()),
        ..NetworkTarget::default()
    })
}

pub async fn a_fixed_address_is_kept(bed: &Bed) {
    let (name, start) = network(bed, "net").await;
    let mut spec = bed.idle("a");
    spec.network = at(&name, start, 77);
    let id = bed.start(&spec).await;
    let address = Some([start[0], start[1], start[2], 77].into());
    for _ in 0..2 {
        let detail = bed.engine.inspect_container(&id).await.unwrap();
        assert_eq!(detail.networks[&name].ipv4, address);
        let (_, out) = bed.sh(&id, "ip addr").await;
        assert!(out.contains(&format!("{}.{}.{}.77/24", start[0], start[1], start[2])), "{out}");
        bed.engine.restart_container(&id, Some(std::time::Duration::ZERO)).await.unwrap();
    }
    let listed = bed.engine.containers(&bed.own()).await.unwrap();
    assert_eq!(listed[0].networks[&name].ipv4, address);
    let second = NetworkSpec { name: bed.named("two"), labels: bed.labels(), ..NetworkSpec::default() };
    bed.engine.create_network(&second).await.unwrap();
    let target = NetworkTarget { network: second.name.clone(), ..NetworkTarget::default() };
    bed.engine.connect_network(&id, &target).await.unwrap();
    assert!(bed.engine.inspect_container(&id).await.unwrap().networks.contains_key(&second.name));
    bed.engine.disconnect_network(&id, &second.name, false).await.unwrap();
    assert!(!bed.engine.inspect_container(&id).await.unwrap().networks.contains_key(&second.name));
}

pub async fn a_taken_address_is_told(bed: &Bed) {
    let (name, start) = network(bed, "net").await;
    let mut spec = bed.idle("a");
    spec.network = at(&name, start, 5);
    bed.start(&spec).await;
    spec.name = bed.named("b");
    let failed = match bed.engine.create_container(&spec).await {
        Ok(id) => bed.engine.start_container(&id).await,
        Err(error) => Err(error),
    };
    assert!(matches!(failed, Err(Error::AddressInUse(_))), "{failed:?}");
}

pub async fn networks_are_made_once(bed: &Bed) {
    let (subnet, [a, b, c]) = bed.range();
    let spec = NetworkSpec {
        name: bed.named("net"),
        subnet: Some(subnet.clone()),
        gateway: Some(format!("{a}.{b}.{c}.1")),
        bridge: Some(format!("k2dt{}", if bed.kind == EngineKind::Docker { "d" } else { "p" })),
        labels: bed.labels(),
        ..NetworkSpec::default()
    };
    let made = bed.engine.ensure_network(&spec).await.unwrap();
    assert_eq!(made.subnets[0].subnet, subnet);
    assert_eq!(made.subnets[0].gateway, format!("{a}.{b}.{c}.1"));
    assert_eq!(made.labels, spec.labels);
    assert_eq!(made.bridge, spec.bridge, "{made:?}");
    assert_eq!(bed.engine.ensure_network(&spec).await.unwrap().id, made.id);
    let again = bed.engine.create_network(&spec).await;
    assert!(matches!(again, Err(Error::NameTaken { .. })), "{again:?}");
    let listed = bed.engine.networks(&bed.own()).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].id, made.id);
    let mut idle = bed.idle("a");
    idle.network = at(&made.name, [a, b, c], 9);
    let id = bed.start(&idle).await;
    let interfaces = std::fs::read_to_string("/proc/self/net/dev").unwrap();
    assert!(interfaces.contains(&format!("{}:", made.bridge.unwrap())), "no such bridge among {interfaces}");
    assert_eq!(bed.engine.inspect_network(&made.name).await.unwrap().containers, [id]);
    let missing = bed.engine.inspect_network(&bed.named("none")).await;
    assert!(matches!(missing, Err(Error::NotFound(_))), "{missing:?}");
}

pub async fn containers_share_a_network(bed: &Bed) {
    let mut owner = bed.idle("owner");
    owner.ipc = IpcMode::Shareable;
    let owner = bed.start(&owner).await;
    let mut guest = bed.idle("guest");
    guest.network = NetworkMode::Container(owner.clone());
    guest.pid = PidMode::Container(owner.clone());
    guest.ipc = IpcMode::Container(owner.clone());
    let guest = bed.start(&guest).await;
    let script = "cut -d' ' -f2- /proc/net/fib_trie | grep -v 127 | sha256sum; ls -l /proc/self/ns/net /proc/self/ns/pid \
        /proc/self/ns/ipc | grep -o '[a-z]*:.[0-9]*.'";
    assert_eq!(bed.sh(&owner, script).await, bed.sh(&guest, script).await);
    let detail = bed.engine.inspect_container(&guest).await.unwrap();
    assert_eq!(detail.host.network_mode, format!("container:{owner}"));
    let mut alone = bed.idle("alone");
    alone.network = NetworkMode::None;
    let alone = bed.start(&alone).await;
    assert_eq!(bed.sh(&alone, "ip -o link | grep -vc LOOPBACK").await.1, "0\n");
    let mut host = bed.idle("host");
    host.network = NetworkMode::Host;
    host.pid = PidMode::Host;
    let host = bed.start(&host).await;
    let detail = bed.engine.inspect_container(&host).await.unwrap();
    assert_eq!((detail.host.network_mode.as_str(), detail.host.pid_mode.as_str()), ("host", "host"));
}

pub async fn one_in_use_is_not_removed(bed: &Bed) {
    let (name, start) = network(bed, "net").await;
    let mut spec = bed.idle("a");
    spec.network = at(&name, start, 5);
    bed.start(&spec).await;
    let kept = bed.engine.remove_network(&name).await;
    assert!(matches!(kept, Err(Error::Conflict(_))), "{kept:?}");
    let missing = bed.engine.remove_network(&bed.named("none")).await;
    assert!(matches!(missing, Err(Error::NotFound(_))), "{missing:?}");
}
