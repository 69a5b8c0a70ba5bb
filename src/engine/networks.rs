//! Calls about networks.

use super::containers::pending;
use super::{Engine, Filter, NetworkDetail, NetworkSpec, NetworkTarget, Result};

impl Engine {
    /// Lists networks.
    pub async fn networks(&self, filter: &Filter) -> Result<Vec<NetworkDetail>> {
        let _ = filter;
        Err(pending())
    }

    /// Tells all of a network, by name or id.
    pub async fn inspect_network(&self, name: &str) -> Result<NetworkDetail> {
        let _ = name;
        Err(pending())
    }

    /// Makes a bridge network.
    pub async fn create_network(&self, spec: &NetworkSpec) -> Result<NetworkDetail> {
        let _ = spec;
        Err(pending())
    }

    /// Makes a bridge network if none has its name; one that has it is given as it is.
    pub async fn ensure_network(&self, spec: &NetworkSpec) -> Result<NetworkDetail> {
        let _ = spec;
        Err(pending())
    }

    /// Removes a network. One in use is a [`Error::Conflict`](super::Error::Conflict).
    pub async fn remove_network(&self, name: &str) -> Result<()> {
        let _ = name;
        Err(pending())
    }

    /// Joins a container to a network.
    pub async fn connect_network(&self, container: &str, target: &NetworkTarget) -> Result<()> {
        let _ = (container, target);
        Err(pending())
    }

    /// Takes a container out of a network.
    pub async fn disconnect_network(&self, container: &str, network: &str, force: bool) -> Result<()> {
        let _ = (container, network, force);
        Err(pending())
    }
}
