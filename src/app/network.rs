//! Feeds the packet rules and the name server with what the controllers know of services.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::engine::{Engine, Event, ObjectAction};
use crate::network::addresses::Network;
use crate::network::apply::Applier;
use crate::network::dns::zone::{Zone, ZoneSettings};
use crate::network::dns::{CurrentZone, NameServer, Resolvers};
use crate::network::model::Snapshot;
use crate::network::rules;
use crate::pods;

/// The port of the name server.
const DNS: u16 = 53;

/// The resolvers of the host.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// First and longest pause before rules that could not be written are tried again.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Starts it in `tasks`.
pub fn start(config: &Config, engine: &Engine, snapshots: watch::Receiver<Snapshot>, tasks: &mut JoinSet<()>) {
    let network = &config.network;
    let range = |range: ipnet::Ipv4Net| Network::new(range.network().into(), range.prefix_len());
    let (Some(pods), Some(services)) = (range(network.pods), range(network.services)) else { return };
    let settings = rules::Settings {
        table: config.instance.clone(),
        pod_networks: vec![pods],
        service_ranges: vec![services],
        bridge: Some(pods::bridge_name(&config.instance)),
        bridge_filtered: false,
    };
    let zone = ZoneSettings {
        domain: network.cluster_domain.clone(),
        networks: vec![pods, services],
        server: network.gateway().into(),
    };
    tasks.spawn(apply(Applier::new(settings), engine.clone(), config.instance.clone(), snapshots.clone()));
    tasks.spawn(answer(zone, snapshots));
}

/// Keeps the rules in the kernel, also when the engine made its network or its firewall anew.
async fn apply(mut applier: Applier, engine: Engine, instance: String, mut snapshots: watch::Receiver<Snapshot>) {
    let mut events = engine.events();
    // Before the pod network is there nothing can be led anywhere.
    let (mut ready, mut recheck, mut write, mut pause) = (false, false, false, PAUSE.0);
    loop {
        let failed = ready && (recheck || write);
        tokio::select! {
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return pending().await;
                }
                write = true;
            }
            Some(event) = events.next() => match event {
                Event::Connected => {
                    ready = ready || engine.inspect_network(&instance).await.is_ok();
                    recheck = true;
                }
                Event::Network { name, action: ObjectAction::Create, .. } if name == instance => {
                    (ready, recheck) = (true, true);
                }
                Event::Network { name, action: ObjectAction::Connect, .. } if name == instance => {
                    applier.ports_changed().await;
                    continue;
                }
                _ => continue,
            },
            () = tokio::time::sleep(pause), if failed => pause = (pause * 2).min(PAUSE.1),
        }
        if !ready {
            continue;
        }
        if recheck {
            match applier.recheck().await {
                Ok(()) => recheck = false,
                Err(error) => tracing::warn!(%error, "the host is not ready for services"),
            }
            write = true;
        }
        let snapshot = snapshots.borrow_and_update().clone();
        match applier.apply(&snapshot).await {
            Ok(_) => write = false,
            Err(error) => tracing::warn!(%error, "the packet rules are not in force"),
        }
        if !recheck && !write {
            pause = PAUSE.0;
        }
    }
}

/// Answers names on the gateway of the pod network.
async fn answer(settings: ZoneSettings, mut snapshots: watch::Receiver<Snapshot>) {
    let zone = CurrentZone::new(Zone::new(settings.clone(), &snapshots.borrow_and_update(), 1));
    let address = SocketAddr::new(settings.server, DNS);
    let resolvers = Arc::new(Resolvers::new(RESOLV_CONF, settings.server));
    let server = async {
        let mut pause = PAUSE.0;
        loop {
            match NameServer::bind(address) {
                Ok(server) => server.serve(zone.clone(), Arc::clone(&resolvers)).await,
                Err(error) => tracing::warn!(%address, %error, "pods have no name server"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    };
    let follow = async {
        let mut serial = 1_u32;
        while snapshots.changed().await.is_ok() {
            serial = serial.wrapping_add(1);
            zone.set(Zone::new(settings.clone(), &snapshots.borrow_and_update(), serial));
        }
        pending::<()>().await;
    };
    tokio::join!(server, follow);
}
