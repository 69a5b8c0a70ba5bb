//! Starts the controllers.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::identity;
use super::network::NetworkController;
use crate::config::Config;
use crate::controllers::{CertificateSigner, Controllers, LocalVolumes, Setup, default_class};
use crate::host::pki::{Authority, Usage};
use crate::host::token::TokenKey;
use crate::network::model::Snapshot;
use crate::registry::Registry;

/// Starts the controllers in `tasks`; answers where snapshots for the network come out. `volumes` makes
/// volumes of the engine, where there is one.
pub fn start(
    config: &Config,
    registry: &Registry,
    authority: &Arc<Authority>,
    key: &Arc<TokenKey>,
    volumes: Option<Arc<dyn LocalVolumes>>,
    tasks: &mut JoinSet<()>,
) -> watch::Receiver<Snapshot> {
    let class = volumes.is_some().then(|| config.storage.default_class.clone());
    let key = Arc::clone(key);
    let setup = Setup {
        authority: authority.pem().to_owned(),
        api: (identity::advertised(config), identity::port(config)),
        event_ttl: config.store.event_ttl,
        signer: Arc::new(Signer(Arc::clone(authority))),
        tokens: Box::new(move |claims| key.sign(claims).map_err(|error| error.to_string())),
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

/// The cluster's authority, for requests of the API.
struct Signer(Arc<Authority>);

impl CertificateSigner for Signer {
    fn sign(&self, request: &str, usages: &[&str], life: Duration) -> Result<String, String> {
        let usages: Option<Vec<Usage>> = usages.iter().map(|usage| Usage::of_name(usage)).collect();
        let usages = usages.ok_or("a usage that this authority does not give")?;
        self.0.sign_request(request, &usages, life, SystemTime::now()).map_err(|error| error.to_string())
    }
}
