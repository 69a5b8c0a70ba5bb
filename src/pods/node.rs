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
use crate::host::facts::{Disk, Facts};
use crate::registry::{Changed, Part, Target};
use crate::schema::object::Object;
use crate::schema::status::Status;
use crate::store::Expect;

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
                Ok(()) => self.facts.changed.notified().await,
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
        self.take_lease().await?;
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
        let conditions: Vec<Value> = [
            ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ("Ready", ready.0, ready.1, ready.2),
        ]
        .into_iter()
        .map(|(kind, status, reason, message)| condition(node, kind, status, reason, message))
        .collect();
        let runtime = info.map_or_else(
            || node.text("/status/nodeInfo/containerRuntimeVersion").to_owned(),
            |info| format!("{}://{}", info.kind.to_string().to_lowercase(), info.version),
        );
        json!({
            "addresses": addresses,
            "allocatable": self.facts.amounts(),
            "capacity": self.facts.amounts(),
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

    /// The lease of the node, as tools look for it. Nobody waits for its renewal: the node and its API are one
    /// program.
    async fn take_lease(&self) -> Result<(), Error> {
        let name = self.settings.node.as_str();
        let Ok(target) = self.registry.target("coordination.k8s.io", "leases", "kube-node-lease", name) else {
            return Ok(());
        };
        if self.registry.find(&target).await?.is_some() {
            return Ok(());
        }
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        let lease = json!({
            "metadata": {"name": name, "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now, "acquireTime": now},
        });
        match self.registry.create(&target, lease, &Self::options()).await {
            Err(status) if status.code != 409 => Err(status.into()),
            _ => Ok(()),
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
