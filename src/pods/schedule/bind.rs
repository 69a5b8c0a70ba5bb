//! A pod bound to this node, or told why it is not.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::events::Level;
use super::super::sync::{condition, is_over};
use super::super::translate::refs::References;
use super::super::{Error, Inner, PodKey, lock};
use super::preempt::{priority, victims};
use super::{Cluster, affinity, check, counts};
use crate::registry::delete::DeleteOptions;
use crate::registry::{Changed, Part, WriteOptions, label};
use crate::schema::object::Object;

impl Inner {
    /// Binds a pod to this node if it fits.
    pub(in crate::pods) async fn schedule(&self, key: &PodKey, pod: &Value) -> Result<Option<Duration>, Error> {
        let scheduler = pod.text("/spec/schedulerName");
        let ended = is_over(pod.text("/status/phase"));
        let gated = !pod.list("/spec/schedulingGates").is_empty();
        if pod.is_deleting() || gated || ended || !matches!(scheduler, "" | "default-scheduler") {
            return Ok(None);
        }
        self.consider(key);
        let node = self.registry.target("", "nodes", "", &self.settings.node)?;
        let Some(node) = self.registry.read(&node).await? else {
            self.unbound(key, "no node");
            return Ok(None);
        };
        if let Some(message) = self.claims_of(pod).await? {
            return self.refuse(key, pod, message, false).await;
        }
        // Two pods checked together would both get the last room.
        let _turn = self.scheduling.lock().await;
        let all = self.registry.all(&*self.registry.kind("", "pods")?, None).await?;
        // Room that was made for a pod is its own until it comes.
        let coming = |other: &Value| {
            other.text("/status/nominatedNodeName") == self.settings.node
                && priority(other) >= priority(pod)
                && !is_over(other.text("/status/phase"))
        };
        let holds = |other: &&Value| other.uid() != pod.uid() && (counts(other) || coming(other));
        let others: Vec<&Value> = all.iter().filter(holds).collect();
        let named = affinity::needs_namespaces(&others) || affinity::needs_namespaces(&[pod]);
        let namespaces = match named {
            true => self.registry.all(&*self.registry.kind("", "namespaces")?, None).await?,
            false => Vec::new(),
        };
        let cluster = Cluster { node: &node, others: &others, namespaces: &namespaces };
        let Err(unfit) = check(pod, &cluster) else {
            self.bind(key, pod).await?;
            return Ok(None);
        };
        let budgets = self.registry.all(&*self.registry.kind("policy", "poddisruptionbudgets")?, None).await?;
        match victims(pod, &unfit, &cluster, &budgets) {
            Err(why) => self.refuse(key, pod, unfit.message(&why), false).await,
            Ok(victims) => {
                // The room is promised before it is made.
                self.refuse(key, pod, unfit.message(""), true).await?;
                for victim in victims {
                    self.preempt(pod, victim).await?;
                }
                Ok(None)
            }
        }
    }

    /// Ends a pod for one of higher priority.
    async fn preempt(&self, pod: &Value, victim: &Value) -> Result<(), Error> {
        let key = (victim.namespace().to_owned(), victim.name().to_owned());
        let mut object = victim.clone();
        let message = "default-scheduler: preempting to accommodate a higher priority pod";
        let new = json!({"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
            "message": message});
        condition(&mut object, new);
        self.set_volatile(victim, &object["status"]).await?;
        let delete = DeleteOptions { uid: Some(victim.uid().to_owned()), ..DeleteOptions::default() };
        let options = WriteOptions::internal("kube-scheduler");
        match self.registry.delete(&self.target(&key)?, &delete, &options).await {
            Err(status) if status.code != 404 && status.code != 409 => return Err(status.into()),
            _ => {}
        }
        let message = format!("Preempted by pod {} on node {}", pod.uid(), self.settings.node);
        self.recorder.scheduler(victim, Level::Normal, "Preempted", message);
        Ok(())
    }

    /// A change of the node while it is being looked at is to be looked at as well.
    fn consider(&self, key: &PodKey) {
        let mut memory = lock(&self.memory);
        let entry = memory.entry(key.clone()).or_default();
        if entry.unbound.is_empty() {
            entry.unbound = "not checked yet".to_owned();
        }
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
                object.section_mut("status").remove("nominatedNodeName");
            }
            Ok(Changed { object, managed: true, uid: None })
        };
        let options = WriteOptions::internal("kube-scheduler");
        self.registry.update(&self.target(key)?, Part::Sub("binding"), &mut change, &options).await?;
        self.unbound(key, "");
        self.admit(key);
        let message = format!("Successfully assigned {}/{} to {}", key.0, key.1, self.settings.node);
        self.recorder.scheduler(pod, Level::Normal, "Scheduled", message);
        Ok(())
    }

    async fn refuse(
        &self,
        key: &PodKey,
        pod: &Value,
        message: String,
        nominated: bool,
    ) -> Result<Option<Duration>, Error> {
        let mut object = pod.clone();
        if nominated {
            object.section_mut("status").insert("nominatedNodeName".into(), self.settings.node.as_str().into());
        }
        let new = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message});
        condition(&mut object, new);
        self.set_volatile(pod, &object["status"]).await?;
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
