//! This machine as a Node. Its status is held in memory and changes when the engine comes or goes; nothing
//! is written while nothing happens.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{Error, Inner};
use crate::engine::{EngineKind, Info};
use crate::host::facts::{Disk, Facts, HugePages, Memory};
use crate::registry::{Changed, Part, Target};
use crate::schema::object::Object;
use crate::schema::status::Status;
use crate::store::{self, Expect, Record, Write};

/// How often the lease is renewed, and the state of the machine looked at.
const BEAT: Duration = Duration::from_secs(60);

/// What the machine has for pods.
pub(super) struct Capacity {
    facts: Facts,
    /// Thousandths of processors.
    pub(super) cpu_milli: i64,
    /// Bytes.
    pub(super) memory: i64,
    /// Bytes of the disk below the state.
    pub(super) storage: i64,
    pods: u32,
    /// The lowest `oom_score_adj` that the engine may set.
    pub(super) lowest_oom_score: i64,
    /// Docker ends its containers with itself, unless it is told to keep them.
    ends_with_engine: AtomicBool,
    /// The lease that is there is that of this run.
    leased: AtomicBool,
    changed: Notify,
}

impl Capacity {
    /// Reads it.
    pub(super) fn read(pods: u32, data_dir: &Path) -> Self {
        let facts = Facts::read();
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let disk = data_dir.ancestors().find_map(Disk::of).unwrap_or_default();
        Self {
            cpu_milli: number(facts.cpus as u64).saturating_mul(1000),
            memory: number(facts.memory),
            storage: number(disk.total),
            facts,
            pods,
            lowest_oom_score: lowest_oom_score(),
            ends_with_engine: AtomicBool::new(false),
            leased: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    fn amounts(&self) -> Value {
        json!({
            "cpu": (self.cpu_milli / 1000).to_string(),
            "ephemeral-storage": format!("{}Ki", self.storage / 1024),
            "memory": format!("{}Ki", self.memory / 1024),
            "pods": self.pods.to_string(),
        })
    }

    /// What pods may use. Pages that are kept for huge ones are no memory for others.
    fn allocatable(&self) -> Value {
        let huge: u64 = HugePages::read().iter().map(|pages| pages.size.saturating_mul(pages.count)).sum();
        let mut amounts = self.amounts();
        let left = self.memory.saturating_sub(i64::try_from(huge).unwrap_or(0));
        amounts["memory"] = format!("{}Ki", left / 1024).into();
        amounts
    }
}

impl Inner {
    /// Says that something about the node is different now.
    pub(super) fn node_changed(&self) {
        self.facts.changed.notify_one();
    }

    /// Keeps the Node as it is.
    pub(super) async fn keep_node(self: Arc<Self>) {
        loop {
            match self.show_node().await {
                Ok(()) => {
                    let shown = Pressure::read(&self.settings.data_dir);
                    while tokio::time::timeout(BEAT, self.facts.changed.notified()).await.is_err() {
                        if let Err(error) = self.renew_lease().await {
                            tracing::warn!(%error, "cannot renew the lease of the node");
                        }
                        if Pressure::read(&self.settings.data_dir) != shown {
                            break;
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot show the node");
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
            }
        }
    }

    async fn show_node(&self) -> Result<(), Error> {
        let target = self.node_target()?;
        let node = match self.registry.read(&target).await? {
            Some(node) => node,
            None => match self.registry.create(&target, self.new_node(), &Self::options()).await {
                Ok(written) => written.object,
                Err(status) if status.reason == "AlreadyExists" => self.registry.get(&target).await?.to_value(),
                Err(status) => return Err(status.into()),
            },
        };
        let info = if self.is_connected() { self.engine.info().await.ok() } else { None };
        if let Some(info) = &info {
            let ends = info.kind == EngineKind::Docker && !info.live_restore;
            self.facts.ends_with_engine.store(ends, Ordering::Relaxed);
        }
        let status = self.node_status(&node, info.as_ref());
        if node["status"] != status {
            let bytes = Bytes::from(serde_json::to_vec(&status).unwrap_or_default());
            let uid = Expect::Uid(node.uid().to_owned());
            self.registry.store().set_volatile_status(&target.key(), uid, bytes).await?;
        }
        if info.is_some() && is_tainted(&node) {
            self.untaint(&target).await?;
        }
        self.renew_lease().await?;
        self.wake_unbound();
        Ok(())
    }

    /// A new node takes no pods until it has been found ready.
    async fn untaint(&self, target: &Target) -> Result<(), Status> {
        let change = &mut |node: &Value| {
            let mut node = node.clone();
            let spec = node.section_mut("spec");
            if let Some(taints) = spec.get_mut("taints").and_then(Value::as_array_mut) {
                taints.retain(|taint| !is_not_ready(taint));
                if taints.is_empty() {
                    spec.remove("taints");
                }
            }
            Ok(Changed::new(node))
        };
        self.registry.update(target, Part::Main, change, &Self::options()).await.map(drop)
    }

    /// What runs ends with the engine that went away, where it is of that sort: its pods are not ready, until facts
    /// say so again.
    pub(super) async fn doubt_pods(&self) -> Result<(), Error> {
        if !self.facts.ends_with_engine.load(Ordering::Relaxed) {
            return Ok(());
        }
        for pod in self.registry.all(&*self.registry.kind("", "pods")?, None).await? {
            let ready = |one: &Value| one["type"] == "Ready" && one["status"] == "True";
            if pod.text("/spec/nodeName") != self.settings.node || !pod.list("/status/conditions").iter().any(ready) {
                continue;
            }
            let mut object = pod.clone();
            super::sync::condition(&mut object, json!({"type": "Ready", "status": "False"}));
            self.set_volatile(&pod, &object["status"]).await?;
        }
        Ok(())
    }

    fn node_target(&self) -> Result<Target, Status> {
        self.registry.target("", "nodes", "", &self.settings.node)
    }

    fn new_node(&self) -> Value {
        let architecture = &self.facts.facts.architecture;
        let name = &self.settings.node;
        json!({
            "metadata": {"name": name, "labels": {
                "beta.kubernetes.io/arch": architecture,
                "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": architecture,
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
            }},
            "spec": {"podCIDR": self.settings.pods.to_string(), "podCIDRs": [self.settings.pods.to_string()]},
        })
    }

    /// The status of the Node. Times of conditions change with their states.
    fn node_status(&self, node: &Value, info: Option<&Info>) -> Value {
        let facts = &self.facts.facts;
        let mut addresses: Vec<Value> =
            self.settings.addresses.iter().map(|ip| json!({"type": "InternalIP", "address": ip})).collect();
        addresses.push(json!({"type": "Hostname", "address": self.settings.node}));
        let ready = if info.is_some() {
            ("True", "KubeletReady", "kubelet is posting ready status")
        } else {
            ("False", "KubeletNotReady", "container runtime is down")
        };
        let short = Pressure::read(&self.settings.data_dir);
        let memory = match short.memory {
            true => ("True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
            false => ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        };
        let disk = match short.disk {
            true => ("True", "KubeletHasDiskPressure", "kubelet has disk pressure"),
            false => ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        };
        let processes = match short.processes {
            true => ("True", "KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
            false => ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        };
        let conditions: Vec<Value> = [
            ("MemoryPressure", memory.0, memory.1, memory.2),
            ("DiskPressure", disk.0, disk.1, disk.2),
            ("PIDPressure", processes.0, processes.1, processes.2),
            ("Ready", ready.0, ready.1, ready.2),
        ]
        .into_iter()
        .map(|(kind, status, reason, message)| condition(node, kind, status, reason, message))
        .collect();
        let runtime = info.map_or_else(
            || node.text("/status/nodeInfo/containerRuntimeVersion").to_owned(),
            |info| format!("{}://{}", info.kind.to_string().to_lowercase(), info.version),
        );
        let (mut capacity, mut allocatable) = (self.facts.amounts(), self.facts.allocatable());
        for pages in HugePages::read() {
            let amount = format!("{}Ki", pages.size.saturating_mul(pages.count) / 1024);
            capacity[pages.resource()] = amount.clone().into();
            allocatable[pages.resource()] = amount.into();
        }
        for (resource, (all, present)) in self.devices.counts() {
            capacity[resource.as_str()] = all.to_string().into();
            allocatable[resource.as_str()] = present.to_string().into();
        }
        json!({
            "addresses": addresses,
            "allocatable": allocatable,
            "capacity": capacity,
            "conditions": conditions,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
            "nodeInfo": {
                "architecture": facts.architecture,
                "bootID": facts.boot_id,
                "containerRuntimeVersion": runtime,
                "kernelVersion": facts.kernel,
                "kubeProxyVersion": "",
                "kubeletVersion": format!("v1.37.0+k2d{}", env!("CARGO_PKG_VERSION")),
                "machineID": facts.machine_id,
                "operatingSystem": "linux",
                "osImage": facts.os_image,
                "systemUUID": facts.system_uuid,
            },
        })
    }

    /// The lease of the node, as tools look for it. It is in memory alone: one on disk would be written each time.
    async fn renew_lease(&self) -> Result<(), Error> {
        let name = self.settings.node.as_str();
        let Ok(target) = self.registry.target("coordination.k8s.io", "leases", "kube-node-lease", name) else {
            return Ok(());
        };
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        let store = self.registry.store();
        let ours = self.facts.leased.load(Ordering::Relaxed);
        let written = match self.registry.find(&target).await? {
            Some(old) if ours => {
                let mut lease = old.to_value();
                lease["spec"]["renewTime"] = now.into();
                let record = Record::from_value(target.key(), &lease);
                store.commit(vec![Write::Update { record, expect: old.revision }]).await
            }
            old => {
                let delete = old.map(|old| Write::Delete { key: target.key(), expect: Some(old.revision), last: None });
                let mut lease = json!({
                    "metadata": {"name": name, "namespace": "kube-node-lease", "uid": uuid::Uuid::new_v4().to_string(),
                        "creationTimestamp": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()},
                    "spec": {"holderIdentity": name, "leaseDurationSeconds": 3 * BEAT.as_secs(), "renewTime": now},
                });
                lease["apiVersion"] = target.kind.api_version().into();
                lease["kind"] = "Lease".into();
                let record = Record::from_value(target.key(), &lease);
                self.facts.leased.store(true, Ordering::Relaxed);
                store.commit(delete.into_iter().chain([Write::Pass { record }]).collect()).await
            }
        };
        match written {
            // Somebody else writes it, or its namespace goes.
            Ok(_) | Err(store::Error::Conflict { .. } | store::Error::NotFound | store::Error::Exists) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What is short on the machine, by the limits at which a kubelet says so: 100 MiB of memory (or a twentieth of it, on
/// a small board), a tenth of the disk, a twentieth of the processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pressure {
    memory: bool,
    disk: bool,
    processes: bool,
}

impl Pressure {
    fn read(data_dir: &Path) -> Self {
        let memory = Memory::read();
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        // Of `running/all` in the fourth field.
        let load = text("/proc/loadavg");
        let tasks = load.split_whitespace().nth(3).and_then(|field| field.split_once('/')?.1.parse().ok());
        Self::of(memory, Disk::of(data_dir), tasks.unwrap_or(0), text("/proc/sys/kernel/pid_max").trim().parse().ok())
    }

    fn of(memory: Memory, disk: Option<Disk>, tasks: u64, most: Option<u64>) -> Self {
        let disk = disk.unwrap_or_default();
        Self {
            memory: memory.available < (100 << 20).min(memory.total / 20),
            disk: disk.available < disk.total / 10,
            processes: most.is_some_and(|most| tasks.saturating_mul(20) > most.saturating_mul(19)),
        }
    }
}

fn is_not_ready(taint: &Value) -> bool {
    taint["key"] == "node.kubernetes.io/not-ready" && taint["effect"] == "NoSchedule"
}

fn is_tainted(node: &Value) -> bool {
    node.list("/spec/taints").iter().any(is_not_ready)
}

/// A machine that is itself a container mostly lacks `CAP_SYS_RESOURCE`, without which no score may be lowered
/// (proc_pid_oom_score_adj(5)): the engine would not start a container that asks for it.
fn lowest_oom_score() -> i64 {
    const SYS_RESOURCE: u32 = 24;
    let status = std::fs::read_to_string("/proc/1/status").unwrap_or_default();
    let bound = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    let bound = bound.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(u64::MAX);
    if bound >> SYS_RESOURCE & 1 == 1 { -1000 } else { 0 }
}

fn condition(node: &Value, kind: &str, status: &str, reason: &str, message: &str) -> Value {
    let before = node.list("/status/conditions").iter().find(|one| one["type"] == kind && one["status"] == status);
    if let Some(before) = before.filter(|before| before["reason"] == reason) {
        return before.clone();
    }
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastHeartbeatTime": now, "lastTransitionTime": now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_told_by_the_limits_of_a_kubelet() {
        let memory = |available: u64, total: u64| Memory { available: available << 20, total: total << 20, swap: 0 };
        let disk = |available: u64| Some(Disk { total: 100, available, inodes_free: 1 });
        assert_eq!(Pressure::of(memory(101, 4096), disk(10), 95, Some(100)), Pressure::default());
        let all = Pressure { memory: true, disk: true, processes: true };
        assert_eq!(Pressure::of(memory(99, 4096), disk(9), 96, Some(100)), all);
        assert!(!Pressure::of(memory(30, 512), None, 0, None).memory, "a small board");
    }
}
