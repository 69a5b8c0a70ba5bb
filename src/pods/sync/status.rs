//! What is seen of a pod, as its status.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use jiff::Timestamp;
use serde_json::Value;

use super::super::backoff::{engine_pause, go_duration};
use super::super::memory::ContainerMemory;
use super::super::translate::container::needs_pause;
use super::super::translate::names::Role;
use super::super::translate::status::{Observation, Seen, pod_status, terminated};
use super::super::{Error, Inner, PodKey, lock};
use super::View;
use super::found::{Found, current, earlier};
use crate::engine::{ContainerState, LogOptions};
use crate::registry::{Changed, Part, Target};
use crate::schema::object::Object;
use crate::store::Expect;

/// Bytes of a last message that are shown.
const MESSAGE: u64 = 4096;
/// Lines of a log, and bytes of them, that stand for a last message.
const LINES: u64 = 80;
const BYTES: usize = 2048;

impl Inner {
    /// Shows how a pod fares; gives its phase.
    pub(super) async fn publish(self: &Arc<Self>, view: &mut View<'_>) -> Result<&'static str, Error> {
        let seen = self.observe(view).await?;
        if !self.is_connected() {
            // The engine went away meanwhile: these are facts of before.
            return Ok("");
        }
        let status = pod_status(view.pod, &seen, &view.pod["status"], Timestamp::now());
        let phase = match status.text("/phase") {
            "Succeeded" => "Succeeded",
            "Failed" => "Failed",
            _ => {
                self.watch_probes(view, &seen);
                ""
            }
        };
        self.set_status(view.pod, status).await?;
        Ok(phase)
    }

    /// Takes in how the containers fare.
    pub(super) async fn observe(&self, view: &View<'_>) -> Result<Observation, Error> {
        let pod = view.pod;
        let mut seen = Observation { place: view.place.clone(), ..Observation::default() };
        seen.started = view.begun();
        if let Some(memory) = lock(&self.memory).get(view.key) {
            seen.resize = memory.resizes.values().next().cloned();
        }
        if pod.text("/status/phase") == "Failed" && !pod.text("/status/reason").is_empty() {
            let told = |key: &str| pod.text(key).to_owned();
            seen.failed = Some((told("/status/reason"), told("/status/message")));
        }
        let holder =
            if needs_pause(pod) { view.own.iter().find(|found| found.is(Role::Pause)) } else { view.own.first() };
        seen.network_ready = holder.is_some_and(|found| found.lives() || !found.is(Role::Pause));
        if view.own.is_empty() && pod["spec"]["hostNetwork"] != true {
            seen.place.pod_ip.clear();
        }
        let initialized =
            view.own.iter().any(|found| found.is(Role::Main)) || pod.list("/spec/initContainers").is_empty();
        for list in ["/spec/initContainers", "/spec/containers", "/spec/ephemeralContainers"] {
            for container in pod.list(list) {
                let name = container.text("/name");
                let one = self.see(view, container).await?;
                let mut one = one.unwrap_or_default();
                if let Some(wait) = view.waits.get(name) {
                    one.waiting = Some(wait.clone());
                } else if one.detail.is_none() {
                    let reason = match list {
                        "/spec/containers" if !initialized => "PodInitializing",
                        _ => "ContainerCreating",
                    };
                    one.waiting = Some((reason.to_owned(), String::new()));
                }
                seen.containers.insert(name.to_owned(), one);
            }
        }
        Ok(seen)
    }

    async fn see(&self, view: &View<'_>, container: &Value) -> Result<Option<Seen>, Error> {
        let name = container.text("/name");
        let found = current(&view.own, name);
        let before = earlier(&view.own, name);
        let image = match found {
            Some(found) => self.image_id(view.key, name, &found.detail.image_id).await?,
            None => String::new(),
        };
        let logged = match found {
            Some(found) => self.last_lines(view, container, found).await,
            None => None,
        };
        let mut memory = lock(&self.memory);
        let Some(entry) = memory.get_mut(view.key) else { return Ok(None) };
        let one = entry.containers.entry(name.to_owned()).or_default();
        let mut seen = Seen { image_id: image, ready: true, started: true, ..Seen::default() };
        if let Some(found) = found {
            let said = || {
                let said = self.last_words(view.pod.uid(), name);
                if said.is_empty() { logged.unwrap_or_default() } else { said }
            };
            seen.restarts = one.observe(&found.detail, said);
            seen.waiting = waiting(found, one, view.pod, name);
            seen.detail = Some(found.detail.clone());
        } else {
            seen.restarts = before.map_or(0, |before| before.restarts()).max(one.restarts());
        }
        if one.last.is_none() {
            one.last = before
                .filter(|before| before.detail.state.started_at.is_some())
                .map(|before| terminated(&before.detail, ""));
        }
        seen.last.clone_from(&one.last);
        seen.message.clone_from(&one.message);
        if container.get("readinessProbe").is_some() {
            seen.ready = one.ready.unwrap_or(false);
        }
        if container.get("startupProbe").is_some() {
            seen.started = one.started.unwrap_or(false);
        }
        if found.is_some_and(|found| self.awaits_hook(container, found, one)) {
            seen.started = false;
        }
        Ok(Some(seen))
    }

    /// The image of a container as a digest, or its id where it came from no registry.
    async fn image_id(&self, key: &PodKey, container: &str, id: &str) -> Result<String, Error> {
        let known = {
            let memory = lock(&self.memory);
            let one = memory.get(key).and_then(|pod| pod.containers.get(container));
            one.and_then(|one| one.image.clone()).filter(|(known, _)| known == id)
        };
        if let Some((_, shown)) = known {
            return Ok(shown);
        }
        let shown = match self.engine.inspect_image(id).await {
            Ok(image) => image.digests.into_iter().next().unwrap_or_else(|| id.to_owned()),
            Err(error) if error.is_not_found() => id.to_owned(),
            Err(error) => return Err(error.into()),
        };
        if let Some(pod) = lock(&self.memory).get_mut(key) {
            pod.containers.entry(container.to_owned()).or_default().image = Some((id.to_owned(), shown.clone()));
        }
        Ok(shown)
    }

    /// The file in which a container can say why it ends.
    pub(super) fn last_words_file(&self, uid: &str, container: &str) -> std::path::PathBuf {
        self.pod_dir(uid).join(".termination").join(container)
    }

    /// The file that says that a container of the pod was started once.
    pub(in crate::pods) fn started_file(&self, uid: &str, container: &str) -> std::path::PathBuf {
        self.pod_dir(uid).join(".started").join(container)
    }

    /// The end of the log of a container that has failed, where it asks for that as its last message.
    async fn last_lines(&self, view: &View<'_>, container: &Value, found: &Found) -> Option<String> {
        let state = &found.detail.state;
        let ended = matches!(state.state, ContainerState::Exited | ContainerState::Restarting | ContainerState::Dead);
        if container.text("/terminationMessagePolicy") != "FallbackToLogsOnError" || !ended || state.exit_code == 0 {
            return None;
        }
        let known = {
            let memory = lock(&self.memory);
            let one = memory.get(view.key).and_then(|pod| pod.containers.get(container.text("/name")));
            one.is_some_and(|one| !one.message.is_empty())
        };
        if known {
            return None;
        }
        let options = LogOptions { tail: Some(LINES), since: found.log_begins(), ..LogOptions::default() };
        let mut frames = self.engine.logs(&found.detail.id, &options).await.ok()?;
        let mut text = Vec::new();
        while let Some(Ok(frame)) = frames.next().await {
            text.extend_from_slice(&frame.data);
        }
        let from = text.len().saturating_sub(BYTES);
        text.get(from..).map(|end| String::from_utf8_lossy(end).into_owned())
    }

    fn last_words(&self, uid: &str, container: &str) -> String {
        let path = self.last_words_file(uid, container);
        let mut text = Vec::new();
        if let Ok(file) = std::fs::File::open(&path)
            && file.take(MESSAGE).read_to_end(&mut text).is_ok()
            && !text.is_empty()
        {
            // The next run says its own.
            let _ = std::fs::OpenOptions::new().write(true).truncate(true).open(&path);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Sets a status that is not written to disk, but for the last one of a pod that has ended: once its
    /// containers are gone, nothing else could tell it.
    pub(super) async fn set_status(&self, pod: &Value, status: Value) -> Result<(), Error> {
        if pod["status"] == status {
            return Ok(());
        }
        let target = Target::new(&self.registry.kind("", "pods")?, pod.namespace(), pod.name());
        if matches!(status.text("/phase"), "Succeeded" | "Failed") {
            let uid = pod.uid();
            let mut change = |old: &Value| {
                let mut object = old.clone();
                if old.uid() == uid {
                    object["status"] = status.clone();
                }
                Ok(Changed { object, managed: true, uid: None })
            };
            self.registry.update(&target, Part::Status, &mut change, &Self::options()).await?;
            return Ok(());
        }
        self.set_volatile(pod, &status).await
    }

    /// Sets a status that is not written to disk.
    pub(in crate::pods) async fn set_volatile(&self, pod: &Value, status: &Value) -> Result<(), Error> {
        if pod["status"] == *status {
            return Ok(());
        }
        let target = Target::new(&self.registry.kind("", "pods")?, pod.namespace(), pod.name());
        let bytes = Bytes::from(serde_json::to_vec(status).unwrap_or_default());
        match self.registry.store().set_volatile_status(&target.key(), Expect::Uid(pod.uid().to_owned()), bytes).await {
            Ok(_) | Err(crate::store::Error::NotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Why a container that is there does not run, if it will.
fn waiting(found: &Found, one: &ContainerMemory, pod: &Value, name: &str) -> Option<(String, String)> {
    match found.detail.state.state {
        ContainerState::Restarting => {
            let pause = go_duration(engine_pause(found.detail.restart_count));
            Some(("CrashLoopBackOff".to_owned(), crash_loop(&pause, pod, name)))
        }
        ContainerState::Created => {
            one.failure.clone().or_else(|| Some(("ContainerCreating".to_owned(), String::new())))
        }
        _ => None,
    }
}

/// The message of a container that is left alone for a while.
pub(super) fn crash_loop(pause: &str, pod: &Value, container: &str) -> String {
    let place = format!("{}_{}({})", pod.name(), pod.namespace(), pod.uid());
    format!("back-off {pause} restarting failed container={container} pod={place}")
}
