//! The network of the cluster: packet rules and names, kept as the controllers' snapshots say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use crate::config::Config;
use crate::engine::{ContainerAction, Engine, Event};
use crate::network::addresses::Network;
use crate::network::apply::{Applier, ApplyError};
use crate::network::dns::zone::{Zone, ZoneSettings};
use crate::network::dns::{CurrentZone, NameServer, Resolvers};
use crate::network::model::Snapshot;
use crate::network::rules::Settings;
use crate::pods;

mod snapshot;

pub use snapshot::NetworkController;

/// Port of the name server.
const DNS_PORT: u16 = 53;
/// Changes mostly come several at a time.
const SETTLE: Duration = Duration::from_millis(20);
/// After a failure (nft is being upgraded, the bridge is not there yet) it is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Starts both in `tasks`.
pub fn start(config: &Config, engine: &Engine, snapshots: watch::Receiver<Snapshot>, tasks: &mut JoinSet<()>) {
    let network = &config.network;
    let ranges = [network.pods, network.services].map(|range| Network::new(range.network().into(), range.prefix_len()));
    let [Some(pods), Some(services)] = ranges else { return };
    let settings = Settings {
        table: config.instance.clone(),
        pod_networks: vec![pods],
        service_ranges: vec![services],
        bridge: Some(pods::bridge_name(&config.instance)),
        bridge_filtered: false,
    };
    tasks.spawn(rules(Applier::new(settings), engine.clone(), snapshots.clone()));
    let zone = ZoneSettings {
        domain: network.cluster_domain.clone(),
        networks: vec![pods, services],
        server: network.gateway().into(),
    };
    let resolvers = match network.upstreams.as_slice() {
        [] => Resolvers::new("/etc/resolv.conf", zone.server),
        servers => Resolvers::fixed(servers.to_vec()),
    };
    tasks.spawn(names(zone, resolvers, snapshots));
}

/// Keeps the packet rules. The engine is listened to because it makes the bridge and the ports on it.
async fn rules(mut applier: Applier, engine: Engine, mut snapshots: watch::Receiver<Snapshot>) {
    let mut events = engine.events();
    let mut look = true;
    let mut bridgeless = false;
    let mut failures = 0;
    loop {
        let outcome = bring(&mut applier, &mut snapshots, look, failures > 0).await;
        let failed = outcome == Outcome::Failed;
        if look {
            bridgeless = outcome == Outcome::NoBridge;
        }
        look = failed;
        if !failed && failures > 1 {
            info!("the packet rules are in force again");
        }
        failures = if failed { failures + 1 } else { 0 };
        tokio::select! {
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return;
                }
                tokio::time::sleep(SETTLE).await;
            }
            event = events.next() => match event {
                Some(Event::Connected) => look = true,
                Some(Event::Container { action: ContainerAction::Start, .. }) if bridgeless => look = true,
                Some(Event::Container { action: ContainerAction::Start, .. }) => applier.ports_changed().await,
                Some(_) => {}
                None => return,
            },
            () = tokio::time::sleep(RETRY), if failed => {}
        }
    }
}

/// What came of an attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    /// Only the bridge is not there yet: a container's start makes it.
    NoBridge,
    Failed,
}

/// Looks at the host where that is due, and writes what differs. The first failure is told of quietly: what
/// is about to be there in a moment is nobody's concern.
async fn bring(applier: &mut Applier, snapshots: &mut watch::Receiver<Snapshot>, look: bool, again: bool) -> Outcome {
    let mut outcome = Outcome::Done;
    if look && let Err(error) = applier.recheck().await {
        tell(&error, "the host's network is not as services need it", again);
        outcome = if matches!(error, ApplyError::NoBridge(_)) { Outcome::NoBridge } else { Outcome::Failed };
    }
    let snapshot = snapshots.borrow_and_update().clone();
    if let Err(error) = applier.apply(&snapshot).await {
        tell(&error, "the packet rules cannot be written", again);
        outcome = Outcome::Failed;
    }
    outcome
}

fn tell(error: &ApplyError, what: &str, again: bool) {
    match again {
        true => warn!(%error, "{what}"),
        false => debug!(%error, "{what}"),
    }
}

/// Keeps the names.
async fn names(settings: ZoneSettings, resolvers: Resolvers, mut snapshots: watch::Receiver<Snapshot>) {
    let mut serial = 1;
    let zone = |snapshot: &Snapshot, serial| Zone::new(settings.clone(), snapshot, serial);
    let current = CurrentZone::new(zone(&snapshots.borrow_and_update(), serial));
    let address = SocketAddr::new(settings.server, DNS_PORT);
    let server = loop {
        match NameServer::bind(address) {
            Ok(server) => break server,
            Err(error) => {
                warn!(%error, %address, "cannot serve names");
                tokio::time::sleep(RETRY).await;
            }
        }
    };
    let serving = server.serve(current.clone(), Arc::new(resolvers));
    tokio::pin!(serving);
    loop {
        tokio::select! {
            () = &mut serving => return,
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return;
                }
                serial += 1;
                current.set(zone(&snapshots.borrow_and_update(), serial));
            }
        }
    }
}
