//! The containers of a pod: made, started, started again. An image is there before anything is stopped.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::super::backoff::go_duration;
use super::super::events::Level;
use super::super::images;
use super::super::translate::container::{self, Inputs, is_sidecar};
use super::super::translate::mounts::mounts;
use super::super::translate::names::{self, Role};
use super::super::translate::status::terminated;
use super::super::translate::{Refusal, env};
use super::super::{Error, Inner, lock, pause, volumes};
use super::View;
use super::found::{Found, current, earlier};
use super::status::crash_loop;
use crate::engine::{self, ContainerState, ExecSpec, Mount, Propagation, RecursiveReadOnly, Update};
use crate::schema::object::Object;

/// The lists of a pod that hold containers.
const LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Where a container is in the spec of its pod, as events say it.
pub(in crate::pods) fn field(pod: &Value, name: &str) -> String {
    let has = |list: &&&str| pod.list(&format!("/spec/{list}")).iter().any(|one| one["name"] == name);
    let list = LISTS.iter().find(has).copied().unwrap_or("containers");
    format!("spec.{list}{{{name}}}")
}

/// The container of that name in the spec of its pod.
pub(in crate::pods) fn definition<'a>(pod: &'a Value, name: &str) -> Option<&'a Value> {
    LISTS.iter().flat_map(|list| pod.list(&format!("/spec/{list}"))).find(|one| one["name"] == name)
}

/// How far a container is.
enum Step {
    /// It runs.
    Runs,
    /// It has ended and is not started again, with that exit code.
    Ended(i64),
    /// Something must happen first.
    Waits,
}

impl Inner {
    /// Sees to the container that holds the network; whether it runs.
    pub(super) async fn hold_network(self: &Arc<Self>, view: &mut View<'_>) -> Result<bool, Error> {
        let held = current(&view.own, names::PAUSE);
        let id = match held {
            Some(found) if found.detail.state.state.is_alive() => found.detail.id.clone(),
            Some(found) => {
                let id = found.detail.id.clone();
                self.engine.start_container(&id).await?;
                id
            }
            None => {
                let image = pause::image(&self.engine).await?;
                let address = view.place.pod_ip.parse().ok();
                let spec = container::pause(view.pod, self.owner().await?, &image, &self.network(), address);
                let id = self.engine.create_container(&spec).await?;
                if let Err(error) = self.engine.start_container(&id).await {
                    self.remove_container(&id).await?;
                    let message = format!("Failed to create pod sandbox: {error}");
                    self.recorder.pod(view.pod, None, Level::Warning, "FailedCreatePodSandBox", message);
                    view.sooner(Some(Duration::from_secs(10)));
                    return Ok(false);
                }
                id
            }
        };
        view.joins = Some(id);
        Ok(true)
    }

    /// Brings the init containers forward, in order; whether the others may start.
    pub(super) async fn init_containers(self: &Arc<Self>, view: &mut View<'_>) -> Result<bool, Error> {
        // Where the others were made once, init containers are not run again.
        let begun = view.own.iter().any(|found| found.is(Role::Main));
        for definition in view.pod.list("/spec/initContainers") {
            if is_sidecar(definition) {
                let step = self.step(view, definition, Role::Sidecar).await?;
                let started = matches!(step, Step::Runs) && self.is_started(view, definition);
                if !started && !begun {
                    return Ok(false);
                }
                continue;
            }
            if begun {
                continue;
            }
            match self.step(view, definition, Role::Init).await? {
                Step::Ended(0) => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Whether the startup probe of a container has succeeded, if it has one.
    fn is_started(&self, view: &View<'_>, definition: &Value) -> bool {
        let memory = lock(&self.memory);
        let one = memory.get(view.key).and_then(|pod| pod.containers.get(definition.text("/name")));
        definition.get("startupProbe").is_none() || one.and_then(|one| one.started) == Some(true)
    }

    /// Brings the containers forward.
    pub(super) async fn main_containers(self: &Arc<Self>, view: &mut View<'_>) -> Result<(), Error> {
        for definition in view.pod.list("/spec/containers") {
            self.step(view, definition, Role::Main).await?;
        }
        for definition in view.pod.list("/spec/ephemeralContainers") {
            self.step(view, definition, Role::Ephemeral).await?;
        }
        Ok(())
    }

    async fn step(self: &Arc<Self>, view: &mut View<'_>, definition: &Value, role: Role) -> Result<Step, Error> {
        let name = definition.text("/name");
        let Some(found) = current(&view.own, name).cloned() else {
            return self.make(view, definition, role).await;
        };
        let detail = &found.detail;
        match detail.state.state {
            ContainerState::Running | ContainerState::Paused => self.tend(view, definition, role, &found).await,
            ContainerState::Restarting => {
                self.say_back_off(view, definition, &found);
                Ok(Step::Waits)
            }
            ContainerState::Created => self.start(view, definition, &detail.id, role).await,
            ContainerState::Exited | ContainerState::Dead => self.after_end(view, definition, role, &found).await,
            ContainerState::Removing | ContainerState::Unknown(_) => Ok(Step::Waits),
        }
    }

    fn say_back_off(&self, view: &View<'_>, definition: &Value, found: &Found) {
        let name = definition.text("/name");
        let place = format!("{}_{}({})", view.pod.name(), view.pod.namespace(), view.pod.uid());
        if found.detail.restart_count > 0 {
            let message = format!("Back-off restarting failed container {name} in pod {place}");
            self.tell(view.pod, &field(view.pod, name), Level::Warning, "BackOff", message);
        }
    }

    /// A container that runs: is it still what is asked for?
    async fn tend(
        self: &Arc<Self>,
        view: &mut View<'_>,
        definition: &Value,
        role: Role,
        found: &Found,
    ) -> Result<Step, Error> {
        let name = definition.text("/name");
        let kill = {
            let mut memory = lock(&self.memory);
            let one = memory.get_mut(view.key).and_then(|pod| pod.containers.get_mut(name));
            one.and_then(|one| {
                one.failure = None;
                one.kill.take()
            })
        };
        if let Some(message) = kill {
            self.tell(view.pod, &field(view.pod, name), Level::Normal, "Killing", message);
            return self.replace(view, definition, role, found).await;
        }
        let keeps = matches!(role, Role::Main | Role::Sidecar);
        if keeps && found.spec_hash() != names::spec_hash(definition) {
            // The old one goes on until the new image is there.
            if let images::Found::Waits(..) = self.image(view.pod, definition, &field(view.pod, name)).await? {
                return Ok(Step::Runs);
            }
            let message = format!("Container {name} definition changed, will be restarted");
            self.tell(view.pod, &field(view.pod, name), Level::Normal, "Killing", message);
            return self.replace(view, definition, role, found).await;
        }
        self.resize(definition, found).await?;
        self.after_start(view, definition, found);
        Ok(Step::Runs)
    }

    /// Brings limits to those asked for, without a restart.
    async fn resize(&self, definition: &Value, found: &Found) -> Result<(), Error> {
        let wanted = super::super::translate::resources::limits(definition);
        let have = &found.detail.host.resources;
        let same =
            wanted.cpu_shares == have.cpu_shares && wanted.cpu_quota == have.cpu_quota && wanted.memory == have.memory;
        // A shares value that the engine does not tell is not worth a call each time.
        if same || have.cpu_shares.is_none() {
            return Ok(());
        }
        let update = Update { resources: wanted, restart: None };
        match self.engine.update_container(&found.detail.id, &update).await {
            Err(error) if error.is_unreachable() => Err(error.into()),
            Err(error) => {
                tracing::warn!(container = found.detail.name, %error, "cannot change the limits of a container");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// A container that has ended: by itself, by hand, or because it could not be started.
    async fn after_end(
        self: &Arc<Self>,
        view: &mut View<'_>,
        definition: &Value,
        role: Role,
        found: &Found,
    ) -> Result<Step, Error> {
        let state = &found.detail.state;
        let never = view.pod["spec"]["restartPolicy"] == "Never";
        match role {
            Role::Init if state.exit_code == 0 && state.error.is_empty() => Ok(Step::Ended(0)),
            Role::Init if never => Ok(Step::Ended(state.exit_code)),
            Role::Init => self.again_later(view, definition, role, found).await,
            Role::Main | Role::Sidecar if !state.error.is_empty() && (!never || state.started_at.is_none()) => {
                // The engine could not start it, as at boot before the holder of its network was there.
                self.start(view, definition, &found.detail.id, role).await
            }
            // The engine starts again what its policy says; what stays ended was stopped by people.
            _ => Ok(Step::Ended(state.exit_code)),
        }
    }

    /// Counts the end of an init container as a failure, and runs it again after a pause.
    async fn again_later(
        self: &Arc<Self>,
        view: &mut View<'_>,
        definition: &Value,
        role: Role,
        found: &Found,
    ) -> Result<Step, Error> {
        let name = definition.text("/name");
        let (left, pause) = {
            let mut memory = lock(&self.memory);
            let pod = memory.entry(view.key.clone()).or_default();
            let one = pod.containers.entry(name.to_owned()).or_default();
            if one.counted != found.detail.id {
                one.counted.clone_from(&found.detail.id);
                // The first time it is run again at once.
                if found.restarts() > 0 {
                    one.backoff.fail();
                }
            }
            (one.backoff.remaining(), one.backoff.pause())
        };
        if let Some(left) = left {
            let message = crash_loop(&go_duration(pause), view.pod, name);
            view.wait(definition, "CrashLoopBackOff", message, Some(left));
            self.say_back_off_of(view, name);
            return Ok(Step::Waits);
        }
        self.replace(view, definition, role, found).await
    }

    fn say_back_off_of(&self, view: &View<'_>, name: &str) {
        let place = format!("{}_{}({})", view.pod.name(), view.pod.namespace(), view.pod.uid());
        let message = format!("Back-off restarting failed container {name} in pod {place}");
        self.tell(view.pod, &field(view.pod, name), Level::Warning, "BackOff", message);
    }

    /// Puts a new container in the place of one, which keeps its log under another name. The name is given away
    /// first: whoever finds it so knows that another is to be made.
    async fn replace(
        self: &Arc<Self>,
        view: &mut View<'_>,
        definition: &Value,
        role: Role,
        found: &Found,
    ) -> Result<Step, Error> {
        let name = definition.text("/name");
        for old in view.own.iter().filter(|old| old.container() == name && old.earlier) {
            self.remove_container(&old.detail.id).await?;
        }
        let aside = names::earlier_name(&names::container_name(view.pod, name), found.restarts());
        self.engine.rename_container(&found.detail.id, &aside).await?;
        if found.lives() {
            let own = definition.pointer("/livenessProbe/terminationGracePeriodSeconds").and_then(Value::as_u64);
            let grace = own.map_or_else(|| container::grace(view.pod), Duration::from_secs);
            self.stop(view.pod, found, grace).await;
        }
        view.own.retain(|old| old.container() != name || !old.earlier);
        let detail = self.engine.inspect_container(&found.detail.id).await?;
        if let Some(pod) = lock(&self.memory).get_mut(view.key) {
            let one = pod.containers.entry(name.to_owned()).or_default();
            one.last = Some(terminated(&detail, &one.message));
        }
        if let Some(old) = view.own.iter_mut().find(|old| old.detail.id == detail.id) {
            old.detail = detail;
            old.earlier = true;
        }
        self.make(view, definition, role).await
    }

    /// Makes a container and starts it.
    async fn make(self: &Arc<Self>, view: &mut View<'_>, definition: &Value, role: Role) -> Result<Step, Error> {
        let name = definition.text("/name");
        let place = field(view.pod, name);
        let (left, failure) = {
            let memory = lock(&self.memory);
            let one = memory.get(view.key).and_then(|pod| pod.containers.get(name));
            (one.and_then(|one| one.backoff.remaining()), one.and_then(|one| one.failure.clone()))
        };
        let fixable = failure.as_ref().is_some_and(|(reason, _)| reason == "CreateContainerConfigError");
        if let (Some(left), Some((reason, message)), false) = (left, failure, fixable) {
            view.wait(definition, &reason, message, Some(left));
            return Ok(Step::Waits);
        }
        let image = match self.image(view.pod, definition, &place).await? {
            images::Found::Present(image) => image,
            images::Found::Waits(reason, message, again) => {
                view.wait(definition, reason, message, again);
                return Ok(Step::Waits);
            }
        };
        let restarts = earlier(&view.own, name).map_or(0, |old| old.restarts() + 1);
        let spec = match self.spec(view, definition, role, restarts, &image).await {
            Ok(spec) => spec,
            Err(refusal) => return Ok(self.fails(view, definition, refusal)),
        };
        let id = match self.engine.create_container(&spec).await {
            Ok(id) => id,
            Err(error) if error.is_unreachable() => return Err(error.into()),
            Err(error) => {
                if matches!(error, engine::Error::AddressInUse(_)) {
                    self.another_address(view);
                }
                return Ok(self.fails(view, definition, Refusal::container(error.to_string())));
            }
        };
        self.image_used(view.pod.uid(), name);
        self.tell(view.pod, &place, Level::Normal, "Created", "Container created".to_owned());
        self.start(view, definition, &id, role).await
    }

    /// Notes that a container could not be made.
    fn fails(&self, view: &mut View<'_>, definition: &Value, refusal: Refusal) -> Step {
        let name = definition.text("/name");
        let told = format!("Error: {}", refusal.message);
        self.tell(view.pod, &field(view.pod, name), Level::Warning, "Failed", told);
        let pause = {
            let mut memory = lock(&self.memory);
            let pod = memory.entry(view.key.clone()).or_default();
            let one = pod.containers.entry(name.to_owned()).or_default();
            one.backoff.fail();
            one.failure = Some((refusal.reason.to_owned(), refusal.message.clone()));
            one.backoff.pause()
        };
        view.wait(definition, refusal.reason, refusal.message, Some(pause));
        Step::Waits
    }

    /// The address is somebody else's: the pod gets another one with the next attempt.
    fn another_address(&self, view: &View<'_>) {
        // It stays taken in the books, as it is in use.
        if let Some(pod) = lock(&self.memory).get_mut(view.key) {
            pod.address = None;
        }
        self.queue.add(view.key.clone());
    }

    async fn spec(
        &self,
        view: &View<'_>,
        definition: &Value,
        role: Role,
        restarts: u64,
        image: &engine::ImageDetail,
    ) -> Result<engine::ContainerSpec, Refusal> {
        let pod = view.pod;
        let variables = env::variables(pod, definition, &view.sources, &view.place)?;
        let mut list = mounts(definition, &view.places, &variables, &mut |path, part| volumes::inside(path, part))?;
        list.extend(self.last_words_mount(pod, definition)?);
        let owner = self.owner().await.map_err(|error| Refusal::container(error.to_string()))?;
        let joins = view.joins.clone().or_else(|| match role {
            Role::Ephemeral => {
                let main = pod.list("/spec/containers").first()?;
                current(&view.own, main.text("/name")).map(|found| found.detail.id.clone())
            }
            _ => None,
        });
        let network = self.network();
        let inputs = Inputs {
            owner,
            role,
            restarts,
            image,
            variables,
            mounts: list,
            network: &network,
            address: if pod["spec"]["hostNetwork"] == true { None } else { view.place.pod_ip.parse().ok() },
            joins: joins.as_deref(),
            place: &view.place,
            profile: &|name| {
                let path = std::path::Path::new("/var/lib/kubelet/seccomp").join(name);
                std::fs::read_to_string(path).ok()
            },
        };
        let mut spec = container::spec(pod, definition, inputs)?;
        if role == Role::Ephemeral && view.joins.is_none() {
            // Shared memory is joined only where the first container lends it.
            spec.ipc = engine::IpcMode::Default;
            let target = definition.text("/targetContainerName");
            if let Some(found) = current(&view.own, target) {
                spec.pid = engine::PidMode::Container(found.detail.id.clone());
            }
        }
        Ok(spec)
    }

    /// The file in which a container can say why it ends (API reference of `terminationMessagePath`).
    fn last_words_mount(&self, pod: &Value, definition: &Value) -> Result<Option<Mount>, Refusal> {
        let target = definition.text("/terminationMessagePath");
        if target.is_empty() {
            return Ok(None);
        }
        let path = self.last_words_file(pod.uid(), definition.text("/name"));
        volumes::make_file(&self.volumes_dir(), &path).map_err(|error| Refusal::container(error.to_string()))?;
        Ok(Some(Mount::Bind {
            source: path.to_string_lossy().into_owned(),
            target: target.to_owned(),
            read_only: false,
            recursive_read_only: RecursiveReadOnly::Disabled,
            propagation: Propagation::Private,
        }))
    }

    /// Starts a container that is there.
    async fn start(
        self: &Arc<Self>,
        view: &mut View<'_>,
        definition: &Value,
        id: &str,
        role: Role,
    ) -> Result<Step, Error> {
        let name = definition.text("/name");
        let (left, failure) = {
            let memory = lock(&self.memory);
            let one = memory.get(view.key).and_then(|pod| pod.containers.get(name));
            (one.and_then(|one| one.backoff.remaining()), one.and_then(|one| one.failure.clone()))
        };
        if let (Some(left), Some((reason, message))) = (left, failure) {
            view.wait(definition, &reason, message, Some(left));
            return Ok(Step::Waits);
        }
        match self.engine.start_container(id).await {
            Ok(()) => {
                self.tell(view.pod, &field(view.pod, name), Level::Normal, "Started", "Container started".to_owned());
                if let Some(pod) = lock(&self.memory).get_mut(view.key)
                    && let Some(one) = pod.containers.get_mut(name)
                {
                    one.failure = None;
                }
                // What became of it is seen with the engine's event.
                Ok(if role == Role::Init { Step::Waits } else { Step::Runs })
            }
            Err(error) if error.is_unreachable() => Err(error.into()),
            Err(error) if error.is_not_found() && !matches!(error, engine::Error::ImageNotFound(_)) => Ok(Step::Waits),
            Err(error) => {
                if matches!(error, engine::Error::AddressInUse(_)) {
                    self.remove_container(id).await?;
                    self.another_address(view);
                }
                let refusal = Refusal { reason: "RunContainerError", message: error.to_string() };
                Ok(self.fails(view, definition, refusal))
            }
        }
    }

    /// Runs the hook after a start, once for each run.
    fn after_start(self: &Arc<Self>, view: &View<'_>, definition: &Value, found: &Found) {
        let name = definition.text("/name").to_owned();
        let Some(hook) = definition.pointer("/lifecycle/postStart").filter(|hook| !hook.is_null()).cloned() else {
            return;
        };
        let run = format!("{}{:?}", found.detail.id, found.detail.state.started_at);
        {
            let mut memory = lock(&self.memory);
            let pod = memory.entry(view.key.clone()).or_default();
            let one = pod.containers.entry(name.clone()).or_default();
            if one.hooked.as_ref() == Some(&run) {
                return;
            }
            one.hooked = Some(run);
        }
        let (inner, pod, key, id) = (Arc::clone(self), view.pod.clone(), view.key.clone(), found.detail.id.clone());
        self.spawn(async move {
            if let Err(cause) = inner.hook(&pod, &name, &id, &hook).await {
                let message = format!("PostStartHook failed: {cause}");
                inner.tell(&pod, &field(&pod, &name), Level::Warning, "FailedPostStartHook", message);
                if let Some(pod) = lock(&inner.memory).get_mut(&key) {
                    let one = pod.containers.entry(name.clone()).or_default();
                    one.kill = Some(format!("Container {name} failed postStartHook"));
                }
                inner.queue.add(key);
            }
        });
    }

    /// Runs a hook of a container; the error is for people.
    pub(super) async fn hook(&self, pod: &Value, name: &str, id: &str, hook: &Value) -> Result<(), String> {
        if let Some(seconds) = hook.pointer("/sleep/seconds").and_then(Value::as_u64) {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            return Ok(());
        }
        if let Some(exec) = hook.get("exec") {
            let command = exec.list("/command").iter().filter_map(Value::as_str).map(str::to_owned).collect();
            let spec = ExecSpec { command, stdout: true, stderr: true, ..ExecSpec::default() };
            let day = Duration::from_secs(24 * 3600);
            return match self.engine.run_exec(id, &spec, day, 1024).await {
                Ok((0, _)) => Ok(()),
                Ok((code, output)) => {
                    let output = String::from_utf8_lossy(&output).into_owned();
                    Err(format!("command exited with {code}: {output}"))
                }
                Err(error) => Err(error.to_string()),
            };
        }
        if let Some(get) = hook.get("httpGet") {
            let address = self.pod_address(pod);
            let definition = definition(pod, name).unwrap_or(&Value::Null);
            let time = Duration::from_secs(30);
            return super::super::probes::http_get(get, definition, &address, time).await.map(drop);
        }
        Ok(())
    }

    /// Where probes and hooks reach a pod.
    pub(in crate::pods) fn pod_address(&self, pod: &Value) -> String {
        if pod["spec"]["hostNetwork"] == true {
            return "127.0.0.1".to_owned();
        }
        let key = (pod.namespace().to_owned(), pod.name().to_owned());
        let memory = lock(&self.memory);
        let address = memory.get(&key).and_then(|pod| pod.address);
        address.map(|address| address.to_string()).unwrap_or_default()
    }
}
