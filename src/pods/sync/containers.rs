//! The containers of a pod: made, started, started again. An image is there before anything is stopped.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::super::backoff::go_duration;
use super::super::events::Level;
use super::super::images;
use super::super::translate::container::{self, is_sidecar};
use super::super::translate::names::{self, Role};
use super::super::translate::status::terminated;
use super::super::{Error, Inner, lock, pause};
use super::View;
use super::found::{Found, current};
use super::status::crash_loop;
use crate::engine::ContainerState;
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

/// How long a container has to end that is not alive.
fn own_grace(pod: &Value, definition: &Value) -> Duration {
    let own = definition.pointer("/livenessProbe/terminationGracePeriodSeconds").and_then(Value::as_u64);
    own.map_or_else(|| container::grace(pod), Duration::from_secs)
}

/// How far a container is.
pub(super) enum Step {
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
        view.since = Some(jiff::Timestamp::now());
        let held = match held {
            Some(found) if found.detail.state.state.is_alive() => {
                view.since = found.detail.state.started_at;
                Some(found.detail.id.clone())
            }
            Some(found) => {
                let id = found.detail.id.clone();
                match self.engine.start_container(&id).await {
                    Ok(()) => Some(id),
                    Err(error) if error.is_own_fault() => {
                        tracing::warn!(container = found.detail.name, %error, "a container is made anew");
                        self.forget_start(view.pod.uid(), names::PAUSE);
                        self.remove_container(&id).await?;
                        None
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            None => None,
        };
        let id = match held {
            Some(id) => id,
            None => {
                let image = pause::image(&self.engine).await?;
                let address = view.place.pod_ip.parse().ok();
                let spec = container::pause(view.pod, self.owner().await?, &image, &self.network(), address);
                let id = self.engine.create_container(&spec).await?;
                if let Err(error) = self.engine.start_container(&id).await {
                    self.forget_start(view.pod.uid(), names::PAUSE);
                    self.remove_container(&id).await?;
                    let message = format!("Failed to create pod sandbox: {error}");
                    self.recorder.pod(view.pod, None, Level::Warning, "FailedCreatePodSandBox", message);
                    view.sooner(Some(Duration::from_secs(10)));
                    return Ok(false);
                }
                id
            }
        };
        self.note_start(view.pod.uid(), names::PAUSE);
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
            self.end_earlier(view, definition).await?;
            return self.make(view, definition, role).await;
        };
        let detail = &found.detail;
        match detail.state.state {
            ContainerState::Running | ContainerState::Paused => self.tend(view, definition, role, &found).await,
            ContainerState::Restarting => {
                self.say_back_off(view, definition, &found);
                Ok(Step::Waits)
            }
            ContainerState::Created => self.start_again(view, definition, role, &found).await,
            ContainerState::Exited | ContainerState::Dead => self.after_end(view, definition, role, &found).await,
            ContainerState::Removing | ContainerState::Unknown(_) => Ok(Step::Waits),
        }
    }

    /// Starts a container that is there. The engine may be unable to, for something that it left behind or lost:
    /// after the second refusal (its own attempt counts) the container is made anew.
    async fn start_again(
        self: &Arc<Self>,
        view: &mut View<'_>,
        definition: &Value,
        role: Role,
        found: &Found,
    ) -> Result<Step, Error> {
        let (name, id) = (definition.text("/name"), found.detail.id.as_str());
        if view.is_elsewhere(found) {
            return self.renew(view, definition, role, found).await;
        }
        if !found.detail.state.error.is_empty()
            && let Some(pod) = lock(&self.memory).get_mut(view.key)
        {
            let one = pod.containers.entry(name.to_owned()).or_default();
            if one.refusals(id) == 0 {
                one.refuse(id);
            }
        }
        let step = self.start(view, definition, id, role).await?;
        let refusals = {
            let memory = lock(&self.memory);
            let one = memory.get(view.key).and_then(|pod| pod.containers.get(name));
            one.filter(|one| one.failure.is_some()).map_or(0, |one| one.refusals(id))
        };
        if refusals < 2 {
            return Ok(step);
        }
        self.renew(view, definition, role, found).await
    }

    /// Puts a new container in the place of one that cannot be started any more.
    async fn renew(
        self: &Arc<Self>,
        view: &mut View<'_>,
        definition: &Value,
        role: Role,
        found: &Found,
    ) -> Result<Step, Error> {
        let name = definition.text("/name");
        let ran = found.detail.state.started_at.is_some();
        tracing::warn!(container = found.detail.name, cause = found.detail.state.error, "a container is made anew");
        view.waits.remove(name);
        if let Some(pod) = lock(&self.memory).get_mut(view.key) {
            let one = pod.containers.entry(name.to_owned()).or_default();
            one.backoff.end_pause();
            // One that never ran is no restart.
            one.floor = found.restarts() + u64::from(ran);
        }
        if ran {
            return self.replace(view, definition, role, found).await;
        }
        self.forget_start(view.pod.uid(), name);
        self.remove_container(&found.detail.id).await?;
        view.own.retain(|one| one.detail.id != found.detail.id);
        self.make(view, definition, role).await
    }

    /// Ends a container whose name was given away already: k2d itself ended before it could.
    async fn end_earlier(self: &Arc<Self>, view: &mut View<'_>, definition: &Value) -> Result<(), Error> {
        let grace = own_grace(view.pod, definition);
        for old in view.own.iter_mut().filter(|old| old.earlier && old.container() == definition.text("/name")) {
            if old.lives() {
                self.stop(view.pod, old, grace).await;
                old.detail = self.engine.inspect_container(&old.detail.id).await?;
            }
        }
        Ok(())
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
        if let Some((_, message)) = kill.filter(|(id, _)| *id == found.detail.id) {
            self.tell(view.pod, &field(view.pod, name), Level::Normal, "Killing", message);
            if role == Role::Main && view.pod["spec"]["restartPolicy"] == "Never" {
                // What became of it is seen with the engine's event.
                self.stop(view.pod, found, own_grace(view.pod, definition)).await;
                return Ok(Step::Waits);
            }
            return self.replace(view, definition, role, found).await;
        }
        let keeps = matches!(role, Role::Main | Role::Sidecar);
        if keeps && view.pod["spec"]["restartPolicy"] != "Never" && view.is_elsewhere(found) {
            let message = "Pod sandbox changed, it will be killed and re-created.".to_owned();
            self.recorder.pod(view.pod, None, Level::Normal, "SandboxChanged", message);
            return self.replace(view, definition, role, found).await;
        }
        if keeps && found.spec_hash() != names::spec_hash(definition) {
            // The old one goes on until the new image is there.
            if let images::Found::Waits(..) = self.image(view.pod, definition, &field(view.pod, name)).await? {
                return Ok(Step::Runs);
            }
            let message = format!("Container {name} definition changed, will be restarted");
            self.tell(view.pod, &field(view.pod, name), Level::Normal, "Killing", message);
            return self.replace(view, definition, role, found).await;
        }
        if keeps && self.resize(view, definition, found).await? {
            let message = format!("Container {name} resize requires restart");
            self.tell(view.pod, &field(view.pod, name), Level::Normal, "Killing", message);
            return self.replace(view, definition, role, found).await;
        }
        self.after_start(view, definition, found);
        Ok(Step::Runs)
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
                self.start_again(view, definition, role, found).await
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
            self.stop(view.pod, found, own_grace(view.pod, definition)).await;
        }
        view.own.retain(|old| old.container() != name || !old.earlier);
        let detail = self.engine.inspect_container(&found.detail.id).await?;
        if let Some(pod) = lock(&self.memory).get_mut(view.key) {
            let one = pod.containers.entry(name.to_owned()).or_default();
            let end = one.ended().filter(|_| !detail.state.error.is_empty());
            one.last = Some(end.unwrap_or_else(|| terminated(&detail, &one.message)));
        }
        if let Some(old) = view.own.iter_mut().find(|old| old.detail.id == detail.id) {
            old.detail = detail;
            old.earlier = true;
        }
        self.make(view, definition, role).await
    }
}
