//! What runs beside the API: the controllers, and with an engine the node.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::config::Config;
use crate::controllers::{self, Controller};
use crate::host::token::TokenKey;
use crate::registry::Registry;

/// Starts what the configuration asks for; it ends when the set is dropped.
pub fn start(config: &Config, registry: &Registry, _key: &Arc<TokenKey>, _authority: &str) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if config.api_only {
        return tasks;
    }
    let list: Vec<Arc<dyn Controller>> = Vec::new();
    let registry = registry.clone();
    tasks.spawn(async move { controllers::run(&registry, list).await });
    tasks
}
