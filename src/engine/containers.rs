//! Calls about containers.

use std::time::Duration;

use super::{
    ContainerDetail, ContainerSpec, ContainerSummary, Engine, Error, Filter, Processes, RemoveOptions, Result, Stats,
    Update, WaitResult,
};

impl Engine {
    /// Lists containers, those that do not run too.
    pub async fn containers(&self, filter: &Filter) -> Result<Vec<ContainerSummary>> {
        let _ = filter;
        Err(pending())
    }

    /// Tells all of one container, by id or name.
    pub async fn inspect_container(&self, id: &str) -> Result<ContainerDetail> {
        let _ = id;
        Err(pending())
    }

    /// Makes a container, and gives its id. It is not started.
    pub async fn create_container(&self, spec: &ContainerSpec) -> Result<String> {
        let _ = spec;
        Err(pending())
    }

    /// Starts a container. One that runs already is left as it is.
    pub async fn start_container(&self, id: &str) -> Result<()> {
        let _ = id;
        Err(pending())
    }

    /// Asks a container to end by its stop signal (`signal` replaces it where the engine can: Docker 23 or later;
    /// else the signal is sent first), kills it after `grace` (`None`: as it was made), and returns when it has ended.
    /// The engine will not start it again by its policy. One that does not run is left as it is.
    pub async fn stop_container(&self, id: &str, signal: Option<&str>, grace: Option<Duration>) -> Result<()> {
        let _ = (id, signal, grace);
        Err(pending())
    }

    /// Sends a signal, by name or number.
    pub async fn kill_container(&self, id: &str, signal: &str) -> Result<()> {
        let _ = (id, signal);
        Err(pending())
    }

    /// Stops and starts a container.
    pub async fn restart_container(&self, id: &str, grace: Option<Duration>) -> Result<()> {
        let _ = (id, grace);
        Err(pending())
    }

    /// Freezes a container.
    pub async fn pause_container(&self, id: &str) -> Result<()> {
        let _ = id;
        Err(pending())
    }

    /// Thaws a container.
    pub async fn unpause_container(&self, id: &str) -> Result<()> {
        let _ = id;
        Err(pending())
    }

    /// Removes a container.
    pub async fn remove_container(&self, id: &str, options: RemoveOptions) -> Result<()> {
        let _ = (id, options);
        Err(pending())
    }

    /// Gives a container another name.
    pub async fn rename_container(&self, id: &str, name: &str) -> Result<()> {
        let _ = (id, name);
        Err(pending())
    }

    /// Changes limits or restart policy of a container, running or not.
    pub async fn update_container(&self, id: &str, update: &Update) -> Result<()> {
        let _ = (id, update);
        Err(pending())
    }

    /// Waits until a container does not run, without a limit of time.
    pub async fn wait_container(&self, id: &str) -> Result<WaitResult> {
        let _ = id;
        Err(pending())
    }

    /// Reads what a container uses now.
    pub async fn container_stats(&self, id: &str) -> Result<Stats> {
        let _ = id;
        Err(pending())
    }

    /// Lists the processes of a container.
    pub async fn container_processes(&self, id: &str) -> Result<Processes> {
        let _ = id;
        Err(pending())
    }
}

pub(super) fn pending() -> Error {
    Error::Unsupported("not there yet".to_owned())
}
