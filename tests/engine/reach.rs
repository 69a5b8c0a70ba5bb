//! Reaching the engine, or not.

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
