//! What runs beside the API: the controllers, and with an engine the node and its network.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::volumes::EngineVolumes;
use super::{controllers, network};
use crate::config::{Config, EngineSocket, Offline};
use crate::controllers::LocalVolumes;
use crate::engine::{self, Engine, Socket};
use crate::host::addresses;
use crate::host::pki::Authority;
use crate::host::token::TokenKey;
use crate::network::addresses::Network;
use crate::pods::{self, Node};
use crate::registry::Registry;
use crate::registry::tokens::issuer;

/// The engine that is configured; `None` where k2d runs without one.
pub fn engine(config: &Config) -> Option<Engine> {
    if config.api_only {
        return None;
    }
    let socket = match &config.engine.socket {
        EngineSocket::None => return None,
        EngineSocket::Auto => Socket::Auto { docker_host: std::env::var("DOCKER_HOST").ok() },
        EngineSocket::Path(path) => Socket::Path(path.clone()),
    };
    Some(Engine::connect(engine::Settings { socket, ..engine::Settings::default() }))
}

/// The node on that engine.
pub fn node(config: &Config, engine: &Engine, key: &Arc<TokenKey>, registry: &Registry) -> Option<Node> {
    let range = config.network.pods;
    let settings = pods::Settings {
        instance: config.instance.clone(),
        node: config.node.name.clone(),
        max_pods: config.node.max_pods,
        data_dir: config.data_dir.clone(),
        pods: Network::new(range.network().into(), range.prefix_len())?,
        bridge: pods::bridge_name(&config.instance),
        dns: true,
        foreign: config.foreign.namespace.clone(),
        domain: config.network.cluster_domain.clone(),
        addresses: vec![config.api.advertise_address.unwrap_or_else(addresses::best)],
        issuer: issuer(&config.network.cluster_domain),
        use_present: config.images.offline == Offline::UsePresent,
        pull_stall: config.images.pull_stall,
    };
    Some(Node::new(settings, registry.clone(), engine.clone(), Arc::clone(key)))
}

/// Starts what the configuration asks for; it ends when the set is dropped.
pub fn start(
    config: &Config,
    registry: &Registry,
    engine: Option<&Engine>,
    node: Option<Node>,
    authority: &Arc<Authority>,
    key: &Arc<TokenKey>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if config.api_only {
        return tasks;
    }
    let volumes = engine.map(|engine| Arc::new(EngineVolumes::new(engine, &config.instance)) as Arc<dyn LocalVolumes>);
    let snapshots = controllers::start(config, registry, authority, key, volumes, &mut tasks);
    if let Some(engine) = engine {
        network::start(config, engine, snapshots, &mut tasks);
    }
    if let Some(node) = node {
        tasks.spawn(node.run());
    }
    tasks
}
