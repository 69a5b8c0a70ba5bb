//! Probes: whether containers have started, are ready and are alive. One wheel of times for all of them, and
//! no thread or connection that is kept for one.

mod grpc;
mod http;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::events::Level;
use super::sync::{View, containers};
use super::translate::status::Observation;
use super::{Inner, PodKey, lock};
use crate::engine::{Error as EngineError, ExecSpec};
use crate::host::dial::cause;
use crate::schema::object::Object;

pub(super) use http::http_get;
use http::port_of;

/// Bytes of an answer that are looked at.
const LIMIT: usize = 10 * 1024;

/// All probes.
#[derive(Default)]
pub(super) struct Probes {
    wheel: Mutex<Wheel>,
    wake: Notify,
}

#[derive(Default)]
struct Wheel {
    count: u64,
    due: BTreeMap<(Instant, u64), Name>,
    probes: HashMap<Name, Probe>,
}

/// Pod, container and kind.
type Name = (PodKey, String, Kind);

/// What a probe asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    Startup,
    Readiness,
    Liveness,
}

impl Kind {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Startup, "startupProbe", "Startup"),
        (Self::Readiness, "readinessProbe", "Readiness"),
        (Self::Liveness, "livenessProbe", "Liveness"),
    ];

    fn title(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _, _)| *kind == self).map_or("", |(_, _, title)| title)
    }
}

struct Probe {
    /// Id and start of the run that it looks at.
    run: String,
    id: String,
    pod: Value,
    container: Value,
    spec: Value,
    successes: i64,
    failures: i64,
    /// Waits for the startup probe.
    held: bool,
}

impl Probe {
    fn number(&self, key: &str, usual: i64) -> i64 {
        self.spec.int(&format!("/{key}")).filter(|value| *value > 0).unwrap_or(usual)
    }

    fn period(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.number("periodSeconds", 10)).unwrap_or(10))
    }
}

impl Probes {
    /// Ends the probes of a pod.
    pub(super) fn forget(&self, key: &PodKey) {
        lock(&self.wheel).probes.retain(|(of, _, _), _| of != key);
    }
}

impl Inner {
    /// Makes the probes of a pod those of its running containers.
    pub(super) fn watch_probes(&self, view: &View<'_>, seen: &Observation) {
        let mut wheel = lock(&self.probes.wheel);
        let mut wanted = Vec::new();
        for list in ["/spec/initContainers", "/spec/containers"] {
            for container in view.pod.list(list) {
                let name = container.text("/name");
                let Some(one) = seen.containers.get(name).filter(|one| one.runs()) else { continue };
                let Some(detail) = &one.detail else { continue };
                let run = format!("{}{:?}", detail.id, detail.state.started_at);
                for (kind, field, _) in Kind::ALL {
                    let Some(spec) = container.get(field).filter(|spec| !spec.is_null()) else { continue };
                    if kind == Kind::Startup && one.started {
                        continue;
                    }
                    let held = kind != Kind::Startup && !one.started;
                    wanted.push((kind, name.to_owned(), container, run.clone(), detail.id.clone(), spec, held));
                }
            }
        }
        let keeps = |name: &Name| wanted.iter().any(|(kind, container, ..)| *kind == name.2 && *container == name.1);
        wheel.probes.retain(|name, _| &name.0 != view.key || keeps(name));
        let mut woken = false;
        for (kind, container_name, container, run, id, spec, held) in wanted {
            let name = (view.key.clone(), container_name, kind);
            if let Some(known) = wheel.probes.get_mut(&name)
                && known.run == run
                && known.spec == *spec
            {
                known.held = held;
                continue;
            }
            let probe = Probe {
                run,
                id,
                pod: view.pod.clone(),
                container: container.clone(),
                spec: spec.clone(),
                successes: 0,
                failures: 0,
                held,
            };
            let delay = spec.int("/initialDelaySeconds").and_then(|delay| u64::try_from(delay).ok()).unwrap_or(0);
            wheel.plan(name.clone(), Duration::from_secs(delay));
            wheel.probes.insert(name, probe);
            woken = true;
        }
        if woken {
            self.probes.wake.notify_one();
        }
    }
}

impl Wheel {
    fn plan(&mut self, name: Name, pause: Duration) {
        self.due.retain(|_, known| *known != name);
        self.count += 1;
        self.due.insert((Instant::now() + pause, self.count), name);
    }

    fn ripe(&mut self) -> (Vec<Name>, Option<Instant>) {
        let now = Instant::now();
        let mut ripe = Vec::new();
        while let Some(entry) = self.due.first_entry() {
            if entry.key().0 > now {
                break;
            }
            ripe.push(entry.remove());
        }
        (ripe, self.due.keys().next().map(|(at, _)| *at))
    }
}

/// Runs the probes of a node.
pub(super) async fn run(inner: Arc<Inner>) {
    let mut tasks: JoinSet<()> = JoinSet::new();
    loop {
        let (ripe, next) = lock(&inner.probes.wheel).ripe();
        for name in ripe {
            tasks.spawn(once(Arc::clone(&inner), name));
        }
        let sleep = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => {}
            () = inner.probes.wake.notified() => {}
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
}

async fn once(inner: Arc<Inner>, name: Name) {
    let (id, run, spec, pod, container, held) = {
        let wheel = lock(&inner.probes.wheel);
        let Some(probe) = wheel.probes.get(&name) else { return };
        let (pod, container) = (probe.pod.clone(), probe.container.clone());
        (probe.id.clone(), probe.run.clone(), probe.spec.clone(), pod, container, probe.held)
    };
    let result = if held { None } else { Some(ask(&inner, &pod, &container, &id, &spec).await) };
    let mut wheel = lock(&inner.probes.wheel);
    let Some(probe) = wheel.probes.get_mut(&name).filter(|probe| probe.run == run) else { return };
    let period = probe.period();
    let Some(result) = result else {
        wheel.plan(name, Duration::from_secs(1).min(period));
        return;
    };
    let verdict = match &result {
        Ok(()) => {
            probe.failures = 0;
            probe.successes += 1;
            (probe.successes >= probe.number("successThreshold", 1)).then_some(true)
        }
        Err(_) => {
            probe.successes = 0;
            probe.failures += 1;
            (probe.failures >= probe.number("failureThreshold", 3)).then_some(false)
        }
    };
    if verdict == Some(false) && name.2 != Kind::Readiness {
        probe.failures = 0;
    }
    wheel.plan(name.clone(), period);
    drop(wheel);
    inner.probes.wake.notify_one();
    if let Err(message) = &result {
        let told = format!("{} probe failed: {message}", name.2.title());
        inner.tell(&pod, &containers::field(&pod, &name.1), Level::Warning, "Unhealthy", told);
    }
    if let Some(verdict) = verdict {
        inner.judge(&name, &id, verdict);
    }
}

impl Inner {
    /// Takes in what a probe says; brings the pod back into the queue where that changes something.
    fn judge(&self, (key, container, kind): &Name, id: &str, holds: bool) {
        let mut memory = lock(&self.memory);
        let Some(one) = memory.get_mut(key).and_then(|pod| pod.containers.get_mut(container)) else { return };
        let changed = match kind {
            Kind::Readiness => one.ready.replace(holds) != Some(holds),
            Kind::Startup if holds => one.started.replace(true) != Some(true),
            Kind::Liveness if holds => false,
            Kind::Startup | Kind::Liveness => {
                let word = if *kind == Kind::Startup { "startup" } else { "liveness" };
                let why = format!("Container {container} failed {word} probe, will be restarted");
                one.kill = Some((id.to_owned(), why));
                true
            }
        };
        drop(memory);
        if changed {
            self.queue.add(key.clone());
        }
    }
}

/// Asks once; the error is what the event says.
async fn ask(inner: &Arc<Inner>, pod: &Value, container: &Value, id: &str, spec: &Value) -> Result<(), String> {
    let seconds = spec.int("/timeoutSeconds").filter(|seconds| *seconds > 0).unwrap_or(1);
    let time = Duration::from_secs(u64::try_from(seconds).unwrap_or(1));
    if let Some(exec) = spec.get("exec") {
        let command: Vec<String> = exec.list("/command").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let shown = format!("{command:?}");
        let run = ExecSpec { command, stdout: true, stderr: true, ..ExecSpec::default() };
        return match inner.engine.run_exec(id, &run, time, LIMIT).await {
            Ok((0, _)) => Ok(()),
            Ok((_, output)) => Err(String::from_utf8_lossy(&output).into_owned()),
            Err(EngineError::TimedOut { .. }) => Err(format!("command timed out: {shown} timed out after {seconds}s")),
            Err(error) => Err(error.to_string()),
        };
    }
    let address = inner.pod_address(pod);
    if let Some(get) = spec.get("httpGet") {
        return http_get(get, container, &address, time).await;
    }
    if let Some(tcp) = spec.get("tcpSocket") {
        let host = Some(tcp.text("/host")).filter(|host| !host.is_empty()).unwrap_or(&address).to_owned();
        let port = port_of(&tcp["port"], container).ok_or("the port is not known")?;
        return match tokio::time::timeout(time, TcpStream::connect((host.as_str(), port))).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("dial tcp {host}:{port}: connect: {}", cause(&error))),
            Err(_) => Err(format!("dial tcp {host}:{port}: i/o timeout")),
        };
    }
    if let Some(call) = spec.get("grpc") {
        return grpc::check(call, &address, time).await;
    }
    Ok(())
}
