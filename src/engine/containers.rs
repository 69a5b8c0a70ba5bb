//! Calls about containers.

use std::time::Duration;

use bollard::models::ContainerUpdateBody;
use bollard::query_parameters as q;
use bytes::Bytes;
use hyper::Method;
use serde_json::{Map, Value, json};

use super::system::{filters, query, segment};
use super::transport::{plain, read_body, read_json, with_body};
use super::types::whole_seconds;
use super::wire::{InspectBody, ListBody, StatsBody, TopBody, WaitBody};
use super::{
    ApiVersion, ContainerDetail, ContainerSpec, ContainerSummary, Engine, EngineKind, Error, Filter, Mount, Processes,
    RemoveOptions, Resources, RestartPolicy, Result, Stats, Update, WaitResult, create,
};

/// The engine's own default of the time between asking a container to end and killing it.
const USUAL_GRACE: Duration = Duration::from_secs(10);

impl Engine {
    /// Lists containers, those that do not run too.
    pub async fn containers(&self, filter: &Filter) -> Result<Vec<ContainerSummary>> {
        let query = query(&[("all", "1"), ("filters", &filters(filter))]);
        let list: Vec<ListBody> = self.get(&format!("/containers/json?{query}")).await?;
        Ok(list.into_iter().map(ListBody::into_summary).collect())
    }

    /// Tells all of one container, by id or name.
    pub async fn inspect_container(&self, id: &str) -> Result<ContainerDetail> {
        let body: InspectBody = self.get(&format!("/containers/{}/json", segment(id)?)).await?;
        Ok(body.into_detail())
    }

    /// Bytes that a container has written over its image. The engine counts them one by one: this is slow.
    pub async fn container_size(&self, id: &str) -> Result<u64> {
        #[derive(serde::Deserialize)]
        struct SizeBody {
            #[serde(default, rename = "SizeRw")]
            written: Option<i64>,
        }
        let body: SizeBody = self.get(&format!("/containers/{}/json?size=1", segment(id)?)).await?;
        Ok(body.written.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
    }

    /// Makes a container, and gives its id. It is not started.
    pub async fn create_container(&self, spec: &ContainerSpec) -> Result<String> {
        let version = self.version().await?;
        if version.kind == EngineKind::Podman {
            check_sources(&spec.mounts)?;
        }
        let body = create::body(spec, &version)?;
        let options = q::CreateContainerOptions { name: Some(spec.name.clone()), platform: String::new() };
        let created = self.call(self.docker()?.create_container(Some(options), body)).await?;
        for warning in &created.warnings {
            tracing::warn!(container = spec.name, warning, "the engine warns of a new container");
        }
        Ok(created.id)
    }

    /// Starts a container. One that runs already is left as it is.
    pub async fn start_container(&self, id: &str) -> Result<()> {
        self.call(self.docker()?.start_container(&segment(id)?, None)).await
    }

    /// Asks a container to end by its stop signal or by `signal` (Docker before 23 and Podman send the stop signal
    /// after it; a container made with the right stop signal needs none here), kills it after `grace` (`None`: as it was made;
    /// whole seconds, rounded up), and returns when it has ended. The engine will not start it again by its policy.
    /// One that does not run is left as it is.
    pub async fn stop_container(&self, id: &str, signal: Option<&str>, grace: Option<Duration>) -> Result<()> {
        let version = self.version().await?;
        let takes_signal = version.kind == EngineKind::Docker && version.api >= ApiVersion { major: 1, minor: 42 };
        let mut options = q::StopContainerOptions::default();
        match signal {
            Some(signal) if takes_signal => options.signal = Some(signal.to_owned()),
            // These engines stop with the container's own signal alone: another one is sent before.
            Some(signal) => match self.kill_container(id, signal).await {
                Err(Error::Conflict(_)) => {}
                other => other?,
            },
            None => {}
        }
        options.t = grace.map(|time| i32::try_from(whole_seconds(time)).unwrap_or(i32::MAX));
        let limit = match grace {
            Some(grace) => self.transport.timeout().saturating_add(grace),
            // The container may have been made with a grace of any length.
            None => self.stop_timeout(id).await?.saturating_add(self.transport.timeout()),
        };
        self.call_within(limit, self.docker()?.stop_container(&segment(id)?, Some(options))).await
    }

    async fn stop_timeout(&self, id: &str) -> Result<Duration> {
        let seconds = self.inspect_container(id).await?.config.stop_timeout;
        Ok(match seconds {
            Some(seconds) => Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::from(u32::MAX))),
            None => USUAL_GRACE,
        })
    }

    /// Sends a signal, by name or number. One that does not run is a [`Error::Conflict`].
    pub async fn kill_container(&self, id: &str, signal: &str) -> Result<()> {
        let options = q::KillContainerOptions { signal: signal.to_owned() };
        self.call(self.docker()?.kill_container(&segment(id)?, Some(options))).await
    }

    /// Stops and starts a container.
    pub async fn restart_container(&self, id: &str, grace: Option<Duration>) -> Result<()> {
        let options = q::RestartContainerOptions {
            t: grace.map(|time| i32::try_from(whole_seconds(time)).unwrap_or(i32::MAX)),
            ..q::RestartContainerOptions::default()
        };
        let limit = self.transport.timeout().saturating_add(grace.unwrap_or(USUAL_GRACE));
        self.call_within(limit, self.docker()?.restart_container(&segment(id)?, Some(options))).await
    }

    /// Freezes a container.
    pub async fn pause_container(&self, id: &str) -> Result<()> {
        self.call(self.docker()?.pause_container(&segment(id)?)).await
    }

    /// Thaws a container.
    pub async fn unpause_container(&self, id: &str) -> Result<()> {
        self.call(self.docker()?.unpause_container(&segment(id)?)).await
    }

    /// Removes a container. Podman does not remove one whose namespaces others share before those, even by force:
    /// that is a [`Error::Conflict`].
    pub async fn remove_container(&self, id: &str, options: RemoveOptions) -> Result<()> {
        let options = q::RemoveContainerOptions { force: options.force, v: options.volumes, link: false };
        self.call(self.docker()?.remove_container(&segment(id)?, Some(options))).await
    }

    /// Gives a container another name.
    pub async fn rename_container(&self, id: &str, name: &str) -> Result<()> {
        let options = q::RenameContainerOptions { name: name.to_owned() };
        self.call(self.docker()?.rename_container(&segment(id)?, options)).await
    }

    /// Changes limits or restart policy of a container, running or not.
    pub async fn update_container(&self, id: &str, update: &Update) -> Result<()> {
        let version = self.version().await?;
        if version.kind == EngineKind::Podman {
            return self.update_podman(id, update, &version.version).await;
        }
        let resources = update.resources.clone();
        let body = ContainerUpdateBody {
            cpu_shares: resources.cpu_shares,
            cpu_quota: resources.cpu_quota,
            cpu_period: resources.cpu_period,
            cpuset_cpus: resources.cpuset_cpus,
            memory: resources.memory,
            memory_swap: resources.memory_swap,
            memory_reservation: resources.memory_reservation,
            pids_limit: resources.pids_limit,
            restart_policy: update.restart.map(create::restart),
            ..ContainerUpdateBody::default()
        };
        self.call(self.docker()?.update_container(&segment(id)?, body)).await
    }

    /// Podman's answer to Docker's form of this call is younger than its own, and leaves limits out.
    async fn update_podman(&self, id: &str, update: &Update, version: &str) -> Result<()> {
        let mut path = format!("/libpod/containers/{}/update", segment(id)?);
        if let Some(policy) = update.restart {
            if !is_since(version, 5, 1) {
                return Err(Error::Unsupported(format!("Podman {version} cannot change a restart policy")));
            }
            let (name, retries) = match policy {
                RestartPolicy::No => ("no", None),
                RestartPolicy::Always => ("always", None),
                RestartPolicy::UnlessStopped => ("unless-stopped", None),
                RestartPolicy::OnFailure { max_retries } => ("on-failure", Some(max_retries.to_string())),
            };
            path = format!("{path}?restartPolicy={name}");
            if let Some(retries) = retries {
                path = format!("{path}&restartRetries={retries}");
            }
        }
        let body = Bytes::from(oci_resources(&update.resources).to_string());
        let call = async { read_body(self.transport.send(with_body(Method::POST, &path, body)).await?).await };
        self.limited(self.transport.timeout(), call).await.map(drop)
    }

    /// Waits until a container does not run, without a limit of time.
    pub async fn wait_container(&self, id: &str) -> Result<WaitResult> {
        let path = format!("/containers/{}/wait", segment(id)?);
        let body: WaitBody = read_json(self.transport.send_alone(plain(Method::POST, &path)).await?).await?;
        Ok(body.into_result())
    }

    /// Reads what a container uses now. All is 0 for one that does not run.
    pub async fn container_stats(&self, id: &str) -> Result<Stats> {
        let path = format!("/containers/{}/stats?stream=false&one-shot=true", segment(id)?);
        let body: StatsBody = self.get(&path).await?;
        Ok(body.into_stats())
    }

    /// Lists the processes of a container.
    pub async fn container_processes(&self, id: &str) -> Result<Processes> {
        let body: TopBody = self.get(&format!("/containers/{}/top", segment(id)?)).await?;
        Ok(body.into_processes())
    }
}

/// Limits in the words of the OCI runtime specification, as Podman takes them.
fn oci_resources(resources: &Resources) -> Value {
    let mut all = Map::new();
    let mut put = |group: &str, key: &str, value: Option<Value>| {
        if let Some(value) = value
            && let Value::Object(group) = all.entry(group).or_insert_with(|| json!({}))
        {
            group.insert(key.to_owned(), value);
        }
    };
    put("cpu", "shares", resources.cpu_shares.map(Value::from));
    put("cpu", "quota", resources.cpu_quota.map(Value::from));
    put("cpu", "period", resources.cpu_period.map(Value::from));
    put("cpu", "cpus", resources.cpuset_cpus.clone().map(Value::from));
    put("memory", "limit", resources.memory.map(Value::from));
    put("memory", "swap", resources.memory_swap.map(Value::from));
    put("memory", "reservation", resources.memory_reservation.map(Value::from));
    put("pids", "limit", resources.pids_limit.map(Value::from));
    Value::Object(all)
}

/// Podman makes a folder where the source of a bind mount is not there; Docker refuses.
fn check_sources(mounts: &[Mount]) -> Result<()> {
    for mount in mounts {
        if let Mount::Bind { source, .. } = mount
            && let Err(cause) = std::fs::metadata(source)
        {
            let message = format!("invalid mount config for type \"bind\": source path {source}: {cause}");
            return Err(Error::InvalidArgument(message));
        }
    }
    Ok(())
}

fn is_since(version: &str, major: u32, minor: u32) -> bool {
    let mut parts = version.split(['.', '-', '+']).map(|part| part.parse::<u32>().unwrap_or_default());
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) >= (major, minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podman_gets_only_the_limits_that_change() {
        let resources = Resources { cpu_quota: Some(50_000), memory: Some(1 << 20), ..Resources::default() };
        assert_eq!(oci_resources(&resources), json!({"cpu": {"quota": 50_000}, "memory": {"limit": 1 << 20}}));
        assert_eq!(oci_resources(&Resources::default()), json!({}));
    }

    #[test]
    fn versions_of_podman_compare_by_number() {
        assert!(is_since("5.10.0-dev", 5, 1));
        assert!(is_since("6.0", 5, 1));
        assert!(!is_since("4.3.1", 5, 1));
        assert!(!is_since("", 5, 1));
    }
}
