//! What runs beside the API: the controllers, and with an engine the node.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::config::{Config, EngineSocket, Offline};
use crate::controllers::{self, Controller};
use crate::engine::{self, Engine, Socket};
use crate::host::addresses;
use crate::host::token::TokenKey;
use crate::network::addresses::Network;
use crate::pods::{self, Node};
use crate::registry::Registry;

/// Starts what the configuration asks for; it ends when the set is dropped.
pub fn start(config: &Config, registry: &Registry, node: Option<Node>, _authority: &str) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if config.api_only {
        return tasks;
    }
    let list: Vec<Arc<dyn Controller>> = Vec::new();
    let registry = registry.clone();
    tasks.spawn(async move { controllers::run(&registry, list).await });
    if let Some(node) = node {
        tasks.spawn(node.run());
    }
    tasks
}

/// The node, where there is an engine.
pub fn make(config: &Config, key: &Arc<TokenKey>, registry: Registry) -> Option<Node> {
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
    Some(Node::new(settings, registry, engine, Arc::clone(key)))
}
