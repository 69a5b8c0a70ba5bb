//! Reaching the engine, or not.

use std::time::Duration;

use k2d::engine::{EngineKind, Error, Filter, Socket};

use crate::bed::{Bed, engine};
use crate::proxy::Proxy;

pub async fn it_says_what_it_is(bed: &Bed) {
    let info = bed.engine.info().await.unwrap();
    assert_eq!(info.kind, bed.kind);
    assert!(info.cpus >= 1 && info.memory > 1 << 20, "{info:?}");
    assert!(matches!(info.cgroup_version, 1 | 2));
    for text in [&info.name, &info.kernel, &info.architecture, &info.storage_driver, &info.root_dir, &info.version] {
        assert!(!text.is_empty(), "{info:?}");
    }
    let mut runtimes = info.runtimes.iter();
    assert!(runtimes.any(|name| *name == info.default_runtime), "{info:?}");
    assert!(matches!(info.kind, EngineKind::Docker | EngineKind::Podman));
}

pub async fn a_socket_that_comes_later(bed: &Bed) {
    let mut proxy = Proxy::to(&bed.socket, &bed.name);
    let engine = engine(proxy.socket());
    let missing = engine.info().await;
    assert!(matches!(missing, Err(Error::Unreachable { .. })), "{missing:?}");
    proxy.open();
    engine.info().await.unwrap();
    proxy.cut().await;
    let cut = engine.create_container(&bed.idle("a")).await;
    assert!(matches!(cut, Err(Error::Unreachable { .. })), "{cut:?}");
    proxy.open();
    engine.create_container(&bed.idle("a")).await.unwrap();
    engine.remove_container(&bed.named("a"), Default::default()).await.unwrap();
    let nobody = crate::bed::engine(Socket::Path("/etc/hostname".into())).info().await;
    assert!(matches!(nobody, Err(Error::Unreachable { .. })), "{nobody:?}");
}

pub async fn connections_are_reused(bed: &Bed) {
    let mut proxy = Proxy::to(&bed.socket, &bed.name);
    proxy.open();
    let engine = engine(proxy.socket());
    for _ in 0..20 {
        engine.containers(&Filter::default()).await.unwrap();
        let _ = engine.inspect_container("no-such-container").await;
        let _ = engine.kill_container("no-such-container", "SIGTERM").await;
    }
    assert!(proxy.accepted() <= 2, "{} connections for calls one after the other", proxy.accepted());
}

pub async fn a_full_queue_is_waited_for(bed: &Bed) {
    // One place in the queue, taken: the next that connects is told at once that there is none.
    let path = std::env::temp_dir().join(format!("{}-{}.full", bed.name, std::process::id()));
    let socket = rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &rustix::net::SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let first = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let late = crate::bed::engine(Socket::Path(path.clone()));
    let call = tokio::spawn(async move { late.info().await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!call.is_finished(), "it gave up");
    // The first is let in, so the second comes to the queue; a connection closed is then what it is told.
    drop(first);
    std::thread::spawn(move || {
        for _ in 0..2 {
            drop(rustix::net::accept(&socket).unwrap());
        }
    });
    let told = call.await.unwrap();
    assert!(matches!(told, Err(Error::Unreachable { .. })), "{told:?}");
    std::fs::remove_file(path).unwrap();
}
