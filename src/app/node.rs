//! What runs beside the API: the controllers, and with an engine the node.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::controllers;
use crate::config::Config;
use crate::host::token::TokenKey;
use crate::registry::Registry;

/// Starts what the configuration asks for; it ends when the set is dropped.
pub fn start(config: &Config, registry: &Registry, _key: &Arc<TokenKey>, authority: &str) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if config.api_only {
        return tasks;
    }
    let _snapshots = controllers::start(config, registry, authority, None, &mut tasks);
    tasks
}
