//! What runs beside the API: the controllers, and with an engine the node.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{controllers, network, volumes};
use crate::config::{Config, EngineSocket, Offline};
use crate::engine::{self, Engine, Socket};
use crate::host::addresses;
use crate::host::token::TokenKey;
use crate::network::addresses::Network;
use crate::pods::{self, Node};
use crate::registry::Registry;

/// Starts what the configuration asks for; it ends when the set is dropped.
pub fn start(config: &Config, registry: &Registry, node: Option<(Node, Engine)>, authority: &str) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if config.api_only {
        return tasks;
    }
    let local = node.as_ref().map(|(_, engine)| volumes::local(engine, &config.instance));
    let snapshots = controllers::start(config, registry, authority, local, &mut tasks);
    if let Some((node, engine)) = node {
        tasks.spawn(node.run());
        network::start(config, &engine, snapshots, &mut tasks);
    }
    tasks
}

/// The node, where there is an engine.
pub fn make(config: &Config, key: &Arc<TokenKey>, registry: Registry) -> Option<(Node, Engine)> {
    if config.api_only {
        return None;
    }
    let socket = match &config.engine.socket {
        EngineSocket::None => return None,
        EngineSocket::Auto => Socket::Auto { docker_host: std::env::var("DOCKER_HOST").ok() },
        EngineSocket::Path(path) => Socket::Path(path.clone()),
    };
    let engine = Engine::connect(engine::Settings { socket, ..engine::Settings::default() });
    let range = config.network.pods;
    let settings = pods::Settings {
        instance: config.instance.clone(),
        node: config.node.name.clone(),
        max_pods: config.node.max_pods,
        data_dir: config.data_dir.clone(),
        pods: Network::new(range.network().into(), range.prefix_len())?,
        bridge: pods::bridge_name(&config.instance),
        dns: true,
        domain: config.network.cluster_domain.clone(),
        addresses: vec![config.api.advertise_address.unwrap_or_else(addresses::best)],
        issuer: crate::registry::tokens::issuer(&config.network.cluster_domain),
        use_present: config.images.offline == Offline::UsePresent,
        pull_stall: config.images.pull_stall,
    };
    Some((Node::new(settings, registry, engine.clone(), Arc::clone(key)), engine))
}
