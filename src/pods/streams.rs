//! Logs, programs and connections of containers, for those who serve them: which container is meant, and
//! what the kubelet would say where there is none. How bytes travel to the client is not its business.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use futures_util::StreamExt;
use serde_json::Value;
use tokio::net::TcpStream;

use super::sync::found::{Found, current, earlier};
use super::translate::names::{self, Role};
use super::{Error, Inner, Node, PodKey};
use crate::engine::{self, ContainerDetail, ContainerState, Duplex, ExecSpec, Frames, LogOptions};
use crate::host::dial::cause;
use crate::host::netns;
use crate::registry::containers;
use crate::schema::object::Object;
use crate::schema::status::Status;

/// A program that was begun in a container.
pub struct Process {
    /// Its streams.
    pub streams: Duplex,
    /// The engine's id of it; `None` for the container's own program.
    pub exec: Option<String>,
    /// The engine's id of the container.
    pub container: String,
    /// Whether it has a terminal: its output is one stream then.
    pub tty: bool,
    /// Whether its input may end with that of who talks to it.
    pub ends: bool,
}

impl Node {
    /// The log of a container. `previous` is that of the run before this one.
    ///
    /// # Errors
    /// 404 where the pod is not there, 400 where the container is not or has no log yet.
    pub async fn logs(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        previous: bool,
        options: &LogOptions,
    ) -> Result<Frames, Status> {
        let inner = &self.0;
        let (object, own) = inner.pod_and_containers(namespace, pod).await?;
        let name = containers::choose(&object, container)?;
        let missing =
            || Status::bad_request(format!("previous terminated container \"{name}\" in pod \"{pod}\" not found"));
        let mut options = options.clone();
        let before = earlier(&own, &name);
        let found = match current(&own, &name).filter(|found| found.detail.state.started_at.is_some()) {
            // While it waits for its next run, the latest run is both.
            Some(found) if !previous || waits(&object, found) => {
                options.since = options.since.max(found.log_begins());
                found
            }
            Some(found) if found.detail.restart_count > 0 => {
                return inner.log_before(&object, found, options).await;
            }
            _ if previous => before.ok_or_else(missing)?,
            _ => before.ok_or_else(|| not_begun(&object, &name))?,
        };
        inner.log(&object, found, &options).await
    }

    /// Runs a program in a container.
    ///
    /// # Errors
    /// As [`Node::logs`], and 500 in the kubelet's words where the container does not run.
    pub async fn exec(&self, namespace: &str, pod: &str, container: &str, spec: &ExecSpec) -> Result<Process, Status> {
        let id = self.0.running(namespace, pod, container).await?.id;
        let engine = &self.0.engine;
        let begun = async {
            let exec = engine.create_exec(&id, spec).await?;
            let streams = engine.start_exec(&exec, spec).await?;
            Ok::<_, crate::engine::Error>((exec, streams))
        };
        let (exec, streams) = begun.await.map_err(|error| Status::internal(&error))?;
        Ok(Process { streams, exec: Some(exec), container: id, tty: spec.tty, ends: true })
    }

    /// Waits for the exit code of a program whose output has ended.
    ///
    /// # Errors
    /// 500 where the engine cannot tell it.
    pub async fn exit_code(&self, process: &str) -> Result<i64, Status> {
        self.0.engine.exec_exit_code(process).await.map_err(|error| Status::internal(&error))
    }

    /// Sets the size of the terminal of a program.
    ///
    /// # Errors
    /// 500 where the engine does not do it.
    pub async fn resize(&self, exec: Option<&str>, container: &str, columns: u16, rows: u16) -> Result<(), Status> {
        let engine = &self.0.engine;
        let done = match exec {
            Some(exec) => engine.resize_exec(exec, columns, rows).await,
            None => engine.resize_container(container, columns, rows).await,
        };
        done.map_err(|error| Status::internal(&error))
    }

    /// Connects to the streams of the container's own program.
    ///
    /// # Errors
    /// As [`Node::exec`].
    pub async fn attach(&self, namespace: &str, pod: &str, container: &str, stdin: bool) -> Result<Process, Status> {
        let ContainerDetail { id, config, .. } = self.0.running(namespace, pod, container).await?;
        let streams = self.0.engine.attach(&id, stdin, true, true).await.map_err(|error| Status::internal(&error))?;
        Ok(Process { streams, exec: None, container: id, tty: config.tty, ends: config.stdin_once })
    }

    /// Connects to a port of a pod.
    ///
    /// # Errors
    /// As [`Node::exec`], and 500 where nothing listens there.
    pub async fn port_forward(&self, namespace: &str, pod: &str, port: u16) -> Result<TcpStream, Status> {
        let (object, own) = self.0.pod_and_containers(namespace, pod).await?;
        let pid = own.iter().filter(|found| found.detail.state.state.is_alive()).map(|found| found.detail.state.pid);
        let Some(pid) = pid.filter_map(|pid| u32::try_from(pid).ok()).find(|pid| *pid != 0) else {
            return Err(Status::internal(format!(
                "unable to forward port because pod is not running. Current status={}",
                object.text("/status/phase")
            )));
        };
        connect(pid, object.text("/status/podIP"), port).await.map_err(|told| {
            let place = format!("failed to execute portforward in network namespace \"/proc/{pid}/ns/net\"");
            Status::new(
                500,
                "InternalError",
                format!("{place}: failed to connect to localhost:{port} inside namespace, {told}"),
            )
        })
    }
}

/// Connects to a port where the process `pid` is: on its loopback, as a kubelet does, else at the pod's address.
async fn connect(pid: u32, address: &str, port: u16) -> Result<TcpStream, String> {
    let mut addresses =
        vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))];
    let own = address.parse::<IpAddr>().ok().map(|address| SocketAddr::from((address, port)));
    addresses.extend(own);
    let failures = match netns::connect(pid, &addresses).await {
        Ok(Ok(stream)) => return Ok(stream),
        Ok(Err(failures)) => failures,
        Err(error) => {
            // Without the right to enter, there is the way that others take.
            tracing::debug!(%error, pid, "cannot enter a network namespace");
            let Some(own) = own else { return Err(format!("cannot enter it: {error}")) };
            match TcpStream::connect(own).await {
                Ok(stream) => return Ok(stream),
                Err(error) => vec![(own, error)],
            }
        }
    };
    let told = failures.iter().map(|(address, error)| {
        let (name, network) = if address.is_ipv4() { ("IPv4:", "tcp4") } else { ("IPv6", "tcp6") };
        format!("{name} dial {network} {address}: connect: {}", cause(error))
    });
    // The pod's own address is tried beyond what clients know of.
    Err(told.take(2).collect::<Vec<_>>().join(" "))
}

impl Inner {
    async fn log(&self, pod: &Value, found: &Found, options: &LogOptions) -> Result<Frames, Status> {
        self.engine.logs(&found.detail.id, options).await.map_err(|error| match error {
            engine::Error::Unsupported(told) => Status::bad_request(format!(
                "the log of container \"{}\" in pod \"{}\" cannot be read: {told} (log driver \"{}\")",
                found.container(),
                pod.name(),
                found.detail.log.driver
            )),
            error => Status::internal(&error),
        })
    }

    /// The log of the run before this one, where the engine keeps one log for all runs of a container.
    async fn log_before(&self, pod: &Value, found: &Found, mut options: LogOptions) -> Result<Frames, Status> {
        options.follow = false;
        options.until = found.log_begins();
        options.since = options.since.max(run_before(pod, found));
        let Some(wanted) = options.tail.take() else { return self.log(pod, found, &options).await };
        // The engine counts from the end of the whole log: here the lines are counted first.
        let mut counted = self.log(pod, found, &options).await?;
        let mut lines: u64 = 0;
        while let Some(Ok(frame)) = counted.next().await {
            lines += frame.data.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        Ok(self.log(pod, found, &options).await?.without_lines(lines.saturating_sub(wanted)))
    }

    async fn pod_and_containers(&self, namespace: &str, pod: &str) -> Result<(Value, Vec<Found>), Status> {
        let key: PodKey = (namespace.to_owned(), pod.to_owned());
        let object = self.registry.get(&self.target(&key)?).await?.to_value();
        if super::foreign::container_id(&object).is_some() {
            let own = self.foreign_found(&object).await.map_err(|error| Status::internal(&error))?;
            return Ok((object, own));
        }
        let (own, _) = self.find(&key, object.uid()).await.map_err(|error| match error {
            Error::Api(status) => status,
            other => Status::internal(&other),
        })?;
        Ok((
            object,
            own.into_iter().filter(|found| !found.is(Role::Pause) || found.container() != names::PAUSE).collect(),
        ))
    }

    async fn running(&self, namespace: &str, pod: &str, container: &str) -> Result<ContainerDetail, Status> {
        let (object, own) = self.pod_and_containers(namespace, pod).await?;
        let name = containers::choose(&object, container)?;
        if matches!(object.text("/status/phase"), "Succeeded" | "Failed") {
            return Err(Status::internal(format!(
                "cannot exec into a container in a completed pod; current phase is {}",
                object.text("/status/phase")
            )));
        }
        match current(&own, &name) {
            Some(found) if found.detail.state.state.is_alive() => Ok(found.detail.clone()),
            _ => Err(Status::internal(format!("container not found (\"{name}\")"))),
        }
    }
}

/// The status of a container in that of its pod.
fn status<'a>(pod: &'a Value, name: &str) -> Option<&'a Value> {
    let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    lists.iter().flat_map(|list| pod.list(&format!("/status/{list}"))).find(|one| one["name"] == name)
}

/// Whether a container has ended and will be started again.
fn waits(pod: &Value, found: &Found) -> bool {
    match found.detail.state.state {
        ContainerState::Restarting => true,
        ContainerState::Exited => {
            status(pod, found.container()).is_some_and(|status| status.pointer("/state/waiting").is_some())
        }
        _ => false,
    }
}

/// When the run before this one of a container began, as the status of its pod has it.
fn run_before(pod: &Value, found: &Found) -> Option<jiff::Timestamp> {
    status(pod, found.container())?.text("/lastState/terminated/startedAt").parse().ok()
}

/// Why a container has no log yet.
fn not_begun(pod: &Value, name: &str) -> Status {
    let reason = status(pod, name).map(|status| status.text("/state/waiting/reason")).unwrap_or_default();
    let waits = |cause| format!("container \"{name}\" in pod \"{}\" is waiting to start: {cause}", pod.name());
    let message = match reason {
        "ErrImagePull" => waits("image can't be pulled"),
        "ImagePullBackOff" => waits("trying and failing to pull image"),
        "" => format!("container \"{name}\" in pod \"{}\" is not available", pod.name()),
        reason => waits(reason),
    };
    Status::bad_request(message)
}
