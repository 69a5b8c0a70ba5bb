//! One pod brought nearer to what is asked for, from what the store and the engine say now. What takes
//! long (pulls, graceful ends) runs beside it and brings the pod back into the queue.

pub(in crate::pods) mod containers;
mod end;
pub(in crate::pods) mod found;
mod hooks;
mod make;
mod status;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::events::Level;
use super::memory::PodMemory;
use super::translate::mounts::Places;
use super::translate::refs::References;
use super::translate::{Place, Sources, container};
use super::{Error, Inner, PodKey, foreign, lock, schedule};
use crate::registry::{Changed, Part, WriteOptions, label};
use crate::schema::object::Object;

use found::Found;

/// How many pods are worked on at a time: enough to keep the engine busy, few enough that a hundred new pods
/// do not stand in memory together.
const AT_ONCE: usize = 8;

/// A pod in work.
pub(in crate::pods) struct View<'a> {
    pub(in crate::pods) key: &'a PodKey,
    pub(in crate::pods) pod: &'a Value,
    /// Its containers on the engine.
    own: Vec<Found>,
    sources: Sources,
    place: Place,
    places: Places,
    /// The container whose network the others join.
    joins: Option<String>,
    /// Since when that one runs.
    since: Option<Timestamp>,
    /// Why containers do not run yet, by name.
    waits: BTreeMap<String, (String, String)>,
    /// When to look again.
    again: Option<Duration>,
}

impl View<'_> {
    fn wait(&mut self, container: &Value, reason: &str, message: impl Into<String>, again: Option<Duration>) {
        self.waits.insert(container.text("/name").to_owned(), (reason.to_owned(), message.into()));
        self.sooner(again);
    }

    /// Whether a container is in a network that its pod has no more: that of a holder that is gone, or of an earlier
    /// run of it.
    fn is_elsewhere(&self, found: &Found) -> bool {
        let (Some(holder), Some(joined)) = (&self.joins, found.detail.host.network_mode.strip_prefix("container:"))
        else {
            return false;
        };
        let state = &found.detail.state;
        joined != holder || (state.state.is_alive() && state.started_at < self.since)
    }

    fn sooner(&mut self, pause: Option<Duration>) {
        self.again = match (self.again, pause) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
}

impl Inner {
    /// Works on the queue: some pods at a time, each by one task.
    pub(super) async fn work(self: Arc<Self>) {
        let mut tasks: JoinSet<PodKey> = JoinSet::new();
        let (mut busy, mut again) = (HashSet::new(), HashSet::new());
        loop {
            tokio::select! {
                key = self.queue.next(), if tasks.len() < AT_ONCE => {
                    if busy.insert(key.clone()) {
                        let inner = Arc::clone(&self);
                        tasks.spawn(async move {
                            inner.once(&key).await;
                            key
                        });
                    } else {
                        again.insert(key);
                    }
                }
                Some(done) = tasks.join_next(), if !tasks.is_empty() => {
                    let Ok(key) = done else { continue };
                    busy.remove(&key);
                    if again.remove(&key) {
                        self.queue.add(key);
                    }
                }
            }
        }
    }

    async fn once(self: &Arc<Self>, key: &PodKey) {
        match self.sync(key).await {
            Ok(again) => {
                self.queue.forget(key);
                if let Some(pause) = again {
                    self.queue.add_after(key.clone(), pause);
                }
            }
            Err(error) => {
                let pause = self.queue.retry(key.clone());
                if !matches!(&error, Error::Api(status) if status.code == 409) {
                    tracing::warn!(namespace = key.0, pod = key.1, %error, ?pause, "cannot work on a pod");
                }
            }
        }
    }

    async fn sync(self: &Arc<Self>, key: &PodKey) -> Result<Option<Duration>, Error> {
        let pod = self.registry.read(&self.target(key)?).await?;
        let foreign = pod.as_ref().is_some_and(|pod| foreign::container_id(pod).is_some());
        if foreign || (pod.is_none() && key.0 == self.settings.foreign) {
            return self.show_foreign(key, pod).await;
        }
        let Some(pod) = pod else {
            return self.clean(key).await;
        };
        self.remember(key, &pod);
        if pod.text("/spec/nodeName").is_empty() {
            return self.schedule(key, &pod).await;
        }
        if pod.text("/spec/nodeName") != self.settings.node || !self.is_connected() {
            return Ok(None);
        }
        let (own, strangers) = self.find(key, pod.uid()).await?;
        if !strangers.is_empty() {
            self.remove_strangers(&strangers).await?;
        }
        let address = self.address(key, &pod, &own)?;
        let mut view = View {
            key,
            pod: &pod,
            own,
            sources: Sources::default(),
            place: self.place(&pod, address.as_deref()),
            places: Places::new(),
            joins: None,
            since: None,
            waits: BTreeMap::new(),
            again: None,
        };
        if pod.is_deleting() {
            return self.terminate(view).await;
        }
        if !matches!(pod.text("/status/phase"), "Succeeded" | "Failed") {
            self.advance(&mut view).await?;
        }
        self.publish(&mut view).await?;
        Ok(view.again)
    }

    /// Makes sure that the memory is that of this very pod.
    fn remember(&self, key: &PodKey, pod: &Value) {
        let mut memory = lock(&self.memory);
        let entry = memory.entry(key.clone()).or_default();
        if entry.uid != pod.uid() {
            let old = std::mem::replace(entry, PodMemory { uid: pod.uid().to_owned(), ..PodMemory::default() });
            self.release(old.address);
            self.forget_pulls(&old.uid);
        }
        entry.refs = References::of(pod);
    }

    /// The pod's address: that of its containers, or a new one.
    fn address(&self, key: &PodKey, pod: &Value, own: &[Found]) -> Result<Option<String>, Error> {
        if pod["spec"]["hostNetwork"] == true {
            return Ok(None);
        }
        let mut memory = lock(&self.memory);
        let Some(entry) = memory.get_mut(key) else { return Ok(None) };
        if entry.address.is_none() {
            let mut pool = lock(&self.addresses);
            let known = own.iter().find_map(|found| found.address());
            entry.address = match known {
                Some(address) => {
                    // It may be in the books since the start.
                    let _ = pool.take(address.into());
                    Some(address)
                }
                None if pod.is_deleting() => None,
                None => match pool.take_next() {
                    Ok(std::net::IpAddr::V4(address)) => Some(address),
                    Ok(std::net::IpAddr::V6(_)) => None,
                    Err(error) => {
                        let message = format!("no address for the pod: {error}");
                        return Err(Error::File { what: message, source: std::io::Error::other("the pod network") });
                    }
                },
            };
        }
        Ok(entry.address.map(|address| address.to_string()))
    }

    pub(in crate::pods) fn place(&self, pod: &Value, address: Option<&str>) -> Place {
        let host_ips: Vec<String> = self.settings.addresses.iter().map(ToString::to_string).collect();
        let host = pod["spec"]["hostNetwork"] == true;
        let pod_ip = if host { host_ips.first().cloned() } else { address.map(str::to_owned) };
        Place {
            node: self.settings.node.clone(),
            pod_ip: pod_ip.unwrap_or_default(),
            host_ips,
            cpu: self.facts.cpu_milli,
            memory: self.facts.memory,
            memory_capacity: self.facts.memory,
            storage: self.facts.storage,
            lowest_oom_score: self.facts.lowest_oom_score,
        }
    }

    /// Volumes, network, init containers, containers: as far as it goes now.
    async fn advance(self: &Arc<Self>, view: &mut View<'_>) -> Result<(), Error> {
        view.sources = self.sources(view.pod).await?;
        match self.volumes(view.pod, &view.sources, &view.place).await? {
            Ok(prepared) => {
                view.places = prepared.places;
                view.sooner(prepared.again);
                self.volumes_work(view.key);
            }
            Err(failure) => {
                if failure.pending {
                    view.sooner(Some(Duration::from_secs(30)));
                } else {
                    let pause = self.volumes_fail(view.key);
                    view.sooner(Some(pause));
                    self.recorder.pod(view.pod, None, Level::Warning, "FailedMount", failure.message);
                }
                // What runs goes on with the files that it has.
                return Ok(());
            }
        }
        if container::needs_pause(view.pod) && !self.hold_network(view).await? {
            return Ok(());
        }
        if self.init_containers(view).await? {
            self.main_containers(view).await?;
        }
        Ok(())
    }

    fn volumes_fail(&self, key: &PodKey) -> Duration {
        let mut memory = lock(&self.memory);
        let entry = memory.entry(key.clone()).or_default();
        entry.volumes_failed += 1;
        Duration::from_millis(500).saturating_mul(1 << entry.volumes_failed.min(8)).min(Duration::from_secs(122))
    }

    fn volumes_work(&self, key: &PodKey) {
        if let Some(entry) = lock(&self.memory).get_mut(key) {
            entry.volumes_failed = 0;
        }
    }

    /// Fetches what a pod refers to.
    async fn sources(&self, pod: &Value) -> Result<Sources, Error> {
        let refs = References::of(pod);
        let mut sources = Sources::default();
        for name in &refs.config_maps {
            let target = self.registry.target("", "configmaps", pod.namespace(), name)?;
            if let Some(object) = self.registry.read(&target).await? {
                sources.config_maps.insert(name.clone(), object);
            }
        }
        for name in &refs.secrets {
            let target = self.registry.target("", "secrets", pod.namespace(), name)?;
            if let Some(object) = self.registry.read(&target).await? {
                sources.secrets.insert(name.clone(), object);
            }
        }
        let kind = self.registry.kind("", "services")?;
        let master = self.registry.target("", "services", "default", "kubernetes")?;
        sources.services.extend(self.registry.read(&master).await?);
        if pod["spec"]["enableServiceLinks"] != false {
            let all = self.registry.all(&kind, Some(pod.namespace())).await?;
            let others = all.into_iter().filter(|one| one.name() != "kubernetes" || one.namespace() != "default");
            sources.services.extend(others);
        }
        Ok(sources)
    }

    /// Binds a pod to this node if it fits.
    async fn schedule(&self, key: &PodKey, pod: &Value) -> Result<Option<Duration>, Error> {
        let scheduler = pod.text("/spec/schedulerName");
        let ended = matches!(pod.text("/status/phase"), "Succeeded" | "Failed");
        let gated = !pod.list("/spec/schedulingGates").is_empty();
        if pod.is_deleting() || gated || ended || !matches!(scheduler, "" | "default-scheduler") {
            return Ok(None);
        }
        let node = self.registry.target("", "nodes", "", &self.settings.node)?;
        let Some(node) = self.registry.read(&node).await? else {
            self.unbound(key, "no node");
            return Ok(None);
        };
        if let Some(message) = self.claims_of(pod).await? {
            return self.refuse(key, pod, message).await;
        }
        // Two pods checked together would both get the last room.
        let _turn = self.scheduling.lock().await;
        let others = self.registry.all(&*self.registry.kind("", "pods")?, None).await?;
        if let Err(unfit) = schedule::check(pod, &node, &others) {
            return self.refuse(key, pod, unfit.message()).await;
        }
        self.bind(key, pod).await?;
        Ok(None)
    }

    fn unbound(&self, key: &PodKey, message: &str) -> bool {
        let mut memory = lock(&self.memory);
        let entry = memory.entry(key.clone()).or_default();
        if entry.unbound == message {
            return false;
        }
        entry.unbound = message.to_owned();
        true
    }

    async fn bind(&self, key: &PodKey, pod: &Value) -> Result<(), Error> {
        let (uid, node) = (pod.uid().to_owned(), self.settings.node.clone());
        let topology = self.registry.topology_of(&node).await?;
        let mut change = |old: &Value| {
            let mut object = old.clone();
            if old.uid() == uid && old.text("/spec/nodeName").is_empty() && !old.is_deleting() {
                object.section_mut("spec").insert("nodeName".into(), node.as_str().into());
                label(&mut object, &topology);
                condition(&mut object, json!({"type": "PodScheduled", "status": "True"}));
            }
            Ok(Changed { object, managed: true, uid: None })
        };
        let options = WriteOptions::internal("kube-scheduler");
        self.registry.update(&self.target(key)?, Part::Sub("binding"), &mut change, &options).await?;
        self.unbound(key, "");
        let message = format!("Successfully assigned {}/{} to {}", key.0, key.1, self.settings.node);
        self.recorder.scheduler(pod, Level::Normal, "Scheduled", message);
        Ok(())
    }

    async fn refuse(&self, key: &PodKey, pod: &Value, message: String) -> Result<Option<Duration>, Error> {
        let mut object = pod.clone();
        let new = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message});
        condition(&mut object, new);
        self.set_status(pod, object["status"].take()).await?;
        if self.unbound(key, &message) {
            self.recorder.scheduler(pod, Level::Warning, "FailedScheduling", message);
        }
        Ok(None)
    }

    /// Whether the claims of a pod are bound; what is in the way otherwise. A claim that waits for its first
    /// pod is told that this is it.
    async fn claims_of(&self, pod: &Value) -> Result<Option<String>, Error> {
        const PREEMPTION: &str = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
        for claim in References::of(pod).claims {
            let target = self.registry.target("", "persistentvolumeclaims", pod.namespace(), &claim)?;
            let Some(object) = self.registry.read(&target).await? else {
                let reason = format!("persistentvolumeclaim \"{claim}\" not found");
                return Ok(Some(format!("0/1 nodes are available: {reason}. {PREEMPTION}")));
            };
            if object.is_deleting() {
                let reason = format!("persistentvolumeclaim \"{claim}\" is being deleted");
                return Ok(Some(format!("0/1 nodes are available: {reason}. {PREEMPTION}")));
            }
            if object.text("/status/phase") == "Bound" {
                continue;
            }
            let class = object.text("/spec/storageClassName");
            let target = self.registry.target("storage.k8s.io", "storageclasses", "", class)?;
            let class = if class.is_empty() { None } else { self.registry.read(&target).await? };
            let waits = class.is_some_and(|class| class.text("/volumeBindingMode") == "WaitForFirstConsumer");
            if waits {
                if object.annotation("volume.kubernetes.io/selected-node").is_none() {
                    self.select_node_for_claim(pod.namespace(), &claim).await?;
                }
            } else {
                let reason = "pod has unbound immediate PersistentVolumeClaims";
                return Ok(Some(format!("0/1 nodes are available: {reason}. {PREEMPTION}")));
            }
        }
        Ok(None)
    }
}

/// Puts a condition in the place of the one of its type.
pub(super) fn condition(pod: &mut Value, mut new: Value) {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let generation = pod.generation();
    let list = pod.section_mut("status").entry("conditions").or_insert_with(|| json!([]));
    let Some(list) = list.as_array_mut() else { return };
    let at = list.iter().position(|one| one["type"] == new["type"]);
    let before = at.and_then(|at| list.get(at)).filter(|one| one["status"] == new["status"]);
    new["lastTransitionTime"] = before.map_or_else(|| now.into(), |one| one["lastTransitionTime"].clone());
    new["lastProbeTime"] = Value::Null;
    new["observedGeneration"] = generation.into();
    match at.and_then(|at| list.get_mut(at)) {
        Some(place) => *place = new,
        None => list.push(new),
    }
}
