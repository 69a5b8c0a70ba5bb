//! A container made on the engine and started, or why it could not be.

use std::sync::Arc;

use serde_json::Value;

use super::super::events::Level;
use super::super::translate::container::{self, Inputs};
use super::super::translate::mounts::mounts;
use super::super::translate::names::Role;
use super::super::translate::{Refusal, env, etc};
use super::super::{Error, Inner, images, lock, volumes};
use super::View;
use super::containers::{Step, field};
use super::found::{current, earlier};
use crate::engine::{self, Mount, Propagation, RecursiveReadOnly};
use crate::schema::object::Object;

impl Inner {
    /// Makes a container and starts it.
    pub(super) async fn make(
        self: &Arc<Self>,
        view: &mut View<'_>,
        definition: &Value,
        role: Role,
    ) -> Result<Step, Error> {
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
        let floor = {
            let memory = lock(&self.memory);
            memory.get(view.key).and_then(|pod| pod.containers.get(name)).map_or(0, |one| one.floor)
        };
        let restarts = earlier(&view.own, name).map_or(0, |old| old.restarts() + 1).max(floor);
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
    pub(super) fn fails(&self, view: &mut View<'_>, definition: &Value, refusal: Refusal) -> Step {
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
        list.extend(self.etc_mounts(view, definition)?);
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
        spec.resources.pids_limit = self.settings.pids_limit;
        self.give_devices(pod, definition, &mut spec)?;
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

    /// The files of `/etc` that all containers of the pod share, where a container brings none of its own.
    fn etc_mounts(&self, view: &View<'_>, definition: &Value) -> Result<Vec<Mount>, Refusal> {
        let (pod, network) = (view.pod, self.network());
        let host = pod["spec"]["hostNetwork"] == true;
        let host = host.then(|| std::fs::read_to_string("/etc/hosts").unwrap_or_default());
        let mut files =
            vec![("/etc/hosts", etc::hosts(pod, &view.place.pod_ip, &self.settings.domain, host.as_deref()))];
        if pod["spec"]["dnsPolicy"] == "None" {
            // The engine would put its own resolver before those.
            files.push(("/etc/resolv.conf", etc::resolver(&container::dns(pod, &network))));
        }
        let mut mounts = Vec::new();
        for (target, text) in files {
            if etc::has_own(definition, target) {
                continue;
            }
            let path = self.pod_dir(pod.uid()).join(".etc").join(target.trim_start_matches("/etc/"));
            volumes::write_file(&self.volumes_dir(), &path, &text)
                .map_err(|error| Refusal::container(error.to_string()))?;
            mounts.push(Mount::Bind {
                source: path.to_string_lossy().into_owned(),
                target: target.to_owned(),
                read_only: definition.pointer("/securityContext/readOnlyRootFilesystem") == Some(&Value::Bool(true)),
                recursive_read_only: RecursiveReadOnly::Disabled,
                propagation: Propagation::Private,
            });
        }
        Ok(mounts)
    }

    /// Notes on the disk that a container of the pod was there: if it is not any more, people have removed it.
    pub(super) fn note_start(&self, uid: &str, container: &str) {
        if let Err(error) = volumes::make_file(&self.volumes_dir(), &self.started_file(uid, container)) {
            tracing::warn!(uid, container, %error, "cannot note that a container was started");
        }
    }

    /// Takes that note back: k2d itself is about to remove the container, and may not live to put another in its
    /// place.
    pub(super) fn forget_start(&self, uid: &str, container: &str) {
        if let Err(error) = std::fs::remove_file(self.started_file(uid, container))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(uid, container, %error, "cannot take back the note that a container was started");
        }
    }

    /// Starts a container that is there.
    pub(super) async fn start(
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
                self.note_start(view.pod.uid(), name);
                // What became of it is seen with the engine's event.
                Ok(if role == Role::Init { Step::Waits } else { Step::Runs })
            }
            Err(error) if error.is_unreachable() => Err(error.into()),
            // It was removed meanwhile; something else that is missing is named by another id.
            Err(engine::Error::NotFound(message)) if message.contains(id) => Ok(Step::Waits),
            Err(error) => {
                if matches!(error, engine::Error::AddressInUse(_)) {
                    self.forget_start(view.pod.uid(), name);
                    self.remove_container(id).await?;
                    self.another_address(view);
                }
                if error.is_own_fault()
                    && let Some(pod) = lock(&self.memory).get_mut(view.key)
                {
                    pod.containers.entry(name.to_owned()).or_default().refuse(id);
                }
                let refusal = Refusal { reason: "RunContainerError", message: error.to_string() };
                Ok(self.fails(view, definition, refusal))
            }
        }
    }
}
