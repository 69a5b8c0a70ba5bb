//! The wiring: the only place that knows all parts. It builds them from the configuration, starts
//! them in order and stops them in reverse.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::api::authn::Authenticator;
use crate::api::server::Server;
use crate::api::streams::PodStreams;
use crate::api::usage::Meter;
use crate::api::{self, Api};
use crate::config::{Config, EngineSocket};
use crate::host::bearer::BearerTokens;
use crate::host::pki::{self, ClientVerifier, Pki, keep_renewed, server_config};
use crate::host::systemd;
use crate::host::token::TokenKey;
use crate::kinds::{self, Kind};
use crate::registry::tokens::issuer;
use crate::registry::{Catalog, Registry, Settings};
use crate::store::{Notice, Store, StoreOptions};

mod controllers;
pub mod identity;
mod memory;
mod meter;
mod network;
mod node;
pub mod reset;
mod streams;
mod tokens;
mod vitals;
mod volumes;

use meter::NodeMeter;
use streams::NodeStreams;
use tokens::{KeptTokens, ServiceAccountTokens};

/// Name of the file of objects in the data folder.
pub const STATE: &str = "state.db";

/// Runs until a signal ends it.
///
/// # Errors
/// A part could not be started.
pub fn serve(config: Config) -> anyhow::Result<()> {
    let (on_idle, trim) = memory::trimmer();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().on_thread_park(on_idle).build()?;
    runtime.spawn(trim);
    runtime.block_on(run(config))
}

async fn run(config: Config) -> anyhow::Result<()> {
    let pki = Pki::open(&config.data_dir, &identity::server_names(&config), SystemTime::now())?;
    pki.folder().name_admin(identity::admin_name(&config), SystemTime::now())?;
    identity::write_admin_kubeconfig(&config, pki.folder(), SystemTime::now())?;
    let key = Arc::new(TokenKey::open(&pki.folder().token_key())?);
    let clients = Arc::new(ClientVerifier::new(pki.authority())?);
    let tls = server_config(pki.server().clone(), Arc::clone(&clients))?;
    let listeners = systemd::listeners(&config.api.listen)?;
    for listener in &listeners {
        tracing::info!(address = %listener.local_addr()?, "listening");
    }

    let registry = open(&config).await?;
    let issuer = issuer(&config.network.cluster_domain);
    let accounts = ServiceAccountTokens::new(Arc::clone(&key), registry.clone(), issuer.clone());
    let (stop, stopping) = watch::channel(false);
    let address = format!("{}:{}", identity::advertised(&config), identity::port(&config));
    let kept = KeptTokens::new(BearerTokens::new(&pki::folder(&config.data_dir)), issuer.clone());
    let authenticator = Authenticator::new(clients, vec![Box::new(kept), Box::new(accounts)]);
    let signer = tokens::Signer::new(Arc::clone(&key), issuer);
    let engine = node::engine(&config);
    let node = engine.as_ref().and_then(|engine| node::node(&config, engine, &key, &registry));
    let streams = node.clone().map(|node| Arc::new(NodeStreams(node)) as Arc<dyn PodStreams>);
    let meter = node.clone().map(|node| Arc::new(NodeMeter(node)) as Arc<dyn Meter>);
    let settings = api::Settings {
        address,
        max_body: config.api.max_body,
        issuer: Box::new(signer),
        streams,
        meter,
        audit: vitals::audit(&config),
        vitals: vitals::of(node.as_ref()),
    };
    let api = Api::new(registry.clone(), authenticator, settings, stopping.clone());
    let server = Server::new(api, Arc::new(tls), config.api.max_connections);
    let server = tokio::spawn(server.run(listeners, stopping));
    let node = node::start(&config, &registry, engine.as_ref(), node, pki.authority(), &key);
    systemd::ready("serving");

    let ended = until_signal(&config, &pki).await;
    systemd::stopping("stopping");
    tracing::info!("stopping");
    drop(node);
    // Nobody listening is nobody to tell.
    let _ = stop.send(true);
    let _ = server.await;
    registry.store().close().await?;
    ended
}

/// Opens the store and fills in what every cluster has.
async fn open(config: &Config) -> anyhow::Result<Registry> {
    let options = StoreOptions { history_bytes: config.store.history, ..StoreOptions::default() };
    let opened = Store::open(&config.data_dir.join(STATE), &options)?;
    if let Some(notice) = opened.notice {
        tell(&notice);
    }
    let network = &config.network;
    let settings = Settings {
        service_network: network.services.to_string(),
        node_ports: (*network.node_ports.start(), *network.node_ports.end()),
        acts: !config.api_only,
    };
    let registry = Registry::new(opened.store, Catalog::new(served(config)), settings);
    registry.bootstrap(IpAddr::from(network.api_service()), identity::port(config)).await?;
    Ok(registry)
}

/// The kinds that are served: what is measured only where an engine can be asked.
fn served(config: &Config) -> Vec<Kind> {
    let mut kinds = kinds::all();
    if !config.api_only && config.engine.socket != EngineSocket::None {
        kinds.extend(kinds::metrics::all());
    }
    kinds
}

fn tell(notice: &Notice) {
    match notice {
        Notice::SetAside { moved_to, reason } => tracing::error!(
            path = %moved_to.display(),
            "the store was damaged ({reason}) and has been set aside; k2d begins with an empty one"
        ),
    }
}

/// Keeps certificates fresh and the watchdog fed until a signal asks to stop.
async fn until_signal(config: &Config, pki: &Pki) -> anyhow::Result<()> {
    let mut reload = signal(SignalKind::hangup())?;
    let mut stop = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let renewal = keep_renewed(pki, || identity::server_names(config), || {});
    let watchdog = systemd::watchdog();
    tokio::pin!(renewal, watchdog);
    let mut watched = true;
    loop {
        tokio::select! {
            end = &mut renewal => end?,
            () = &mut watchdog, if watched => watched = false,
            _ = reload.recv() => {
                pki.server().reload(pki.authority(), &identity::server_names(config), SystemTime::now())?;
                identity::write_admin_kubeconfig(config, pki.folder(), SystemTime::now())?;
            }
            _ = stop.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}
