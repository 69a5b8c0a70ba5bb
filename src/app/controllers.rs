//! Starts the controllers.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::identity;
use super::network::NetworkController;
use crate::config::Config;
use crate::controllers::{Controllers, LocalVolumes, Setup, default_class};
use crate::network::model::Snapshot;
use crate::registry::Registry;

/// Starts the controllers in `tasks`; answers where snapshots for the network come out. `volumes` makes
/// volumes of the engine, where there is one.
pub fn start(
    config: &Config,
    registry: &Registry,
    authority: &str,
    volumes: Option<Arc<dyn LocalVolumes>>,
    tasks: &mut JoinSet<()>,
) -> watch::Receiver<Snapshot> {
    let class = volumes.is_some().then(|| config.storage.default_class.clone());
    let setup = Setup {
        authority: authority.to_owned(),
        api: (identity::advertised(config), identity::port(config)),
        event_ttl: config.store.event_ttl,
        volumes,
    };
    let (network, snapshots) = NetworkController::new(registry, &config.node.name);
    let controllers = Controllers::new(registry, setup).with(Arc::new(network));
    let registry = registry.clone();
    tasks.spawn(async move {
        if let Some(class) = class
            && let Err(status) = default_class(&registry, &class).await
        {
            tracing::error!(class, error = %status, "the default storage class is missing");
        }
        controllers.run(&registry).await;
    });
    snapshots
}
