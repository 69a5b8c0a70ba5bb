//! Claims and volumes: who belongs to whom, volumes made for claims of k2d's own classes, and what
//! becomes of a volume whose claim is gone. Upstream: persistent volume controller, and a provisioner
//! for local volumes of the engine.
//!
//! ```text
//! matching     which volume fits a claim (pure)
//! provision    volumes of the engine, through a trait that the app fills in
//! protection   claims and volumes in use stay
//! ```

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::{Controller, ObjectKey, Source};
use crate::registry::Registry;
use crate::registry::events::EventType;
use crate::registry::queue::Queue;
use crate::schema::object::Object;
use crate::schema::status::Status;

mod matching;
pub mod protection;
pub mod provision;
mod reclaim;

use provision::LocalVolumes;

const STORAGE: &str = "storage.k8s.io";
const BOUND_BY: &str = "pv.kubernetes.io/bound-by-controller";
const COMPLETED: &str = "pv.kubernetes.io/bind-completed";
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// Begins the key of a class.
const CLASS: &str = "/class/";

/// The controller. Its keys are claims, volumes (without namespace) and classes.
pub struct VolumeController {
    cluster: Cluster,
    local: Option<Arc<dyn LocalVolumes>>,
    queue: OnceLock<Arc<Queue<ObjectKey>>>,
}

impl VolumeController {
    /// The controller; `local` makes volumes of the engine, where there is one.
    #[must_use]
    pub fn new(registry: &Registry, local: Option<Arc<dyn LocalVolumes>>) -> Self {
        Self { cluster: Cluster::new(registry, "persistentvolume-controller"), local, queue: OnceLock::new() }
    }

    async fn sync(&self, key: &ObjectKey) -> Result<Option<Duration>, Status> {
        if let Some(class) = key.name.strip_prefix(CLASS) {
            return self.class_changed(class).await;
        }
        if key.namespace.is_empty() {
            if let Some(volume) = self.cluster.get("", "persistentvolumes", ("", &key.name)).await? {
                self.sync_volume(volume).await?;
            }
            return Ok(None);
        }
        let found = self.cluster.get("", "persistentvolumeclaims", (&key.namespace, &key.name)).await?;
        match found {
            Some(claim) if claim.annotation(COMPLETED).is_some() => self.sync_bound(claim).await?,
            Some(claim) if !claim.is_deleting() => self.sync_unbound(claim).await?,
            _ => {}
        }
        Ok(None)
    }

    /// Claims that wait for a class look at it again.
    async fn class_changed(&self, class: &str) -> Result<Option<Duration>, Status> {
        for claim in self.cluster.all("", "persistentvolumeclaims", None).await? {
            if claim.text("/spec/storageClassName") == class && claim.annotation(COMPLETED).is_none() {
                self.again(ObjectKey::of(&claim));
            }
        }
        Ok(None)
    }

    fn again(&self, key: ObjectKey) {
        if let Some(queue) = self.queue.get() {
            queue.add(key);
        }
    }

    async fn tell(&self, object: &Value, kind: EventType, reason: &str, message: &str) {
        self.cluster.tell(object, kind, reason, message).await;
    }

    /// A claim that has no volume yet.
    async fn sync_unbound(&self, claim: Value) -> Result<(), Status> {
        let name = claim.text("/spec/volumeName").to_owned();
        if !name.is_empty() {
            return self.sync_asked(claim, &name).await;
        }
        let class_name = claim.text("/spec/storageClassName");
        let class = if class_name.is_empty() {
            None
        } else {
            self.cluster.get(STORAGE, "storageclasses", ("", class_name)).await?
        };
        let waits = class.as_ref().is_some_and(|class| class["volumeBindingMode"] == "WaitForFirstConsumer");
        let delayed = waits && claim.annotation(SELECTED_NODE).is_none();
        let volumes = self.cluster.all("", "persistentvolumes", None).await?;
        if let Some(volume) = matching::best(&claim, &volumes, delayed) {
            return self.bind(volume.clone(), claim).await;
        }
        if delayed {
            let message = "waiting for first consumer to be created before binding";
            self.tell(&claim, EventType::Normal, "WaitForFirstConsumer", message).await;
        } else if class_name.is_empty() {
            let message = "no persistent volumes available for this claim and no storage class is set";
            self.tell(&claim, EventType::Normal, "FailedBinding", message).await;
        } else if let Some(class) = class {
            self.provision(&claim, &class).await?;
        } else {
            let message = format!("storageclass.storage.k8s.io {class_name:?} not found");
            self.tell(&claim, EventType::Warning, "ProvisioningFailed", &message).await;
        }
        Ok(())
    }

    /// A claim that asks for a volume by name.
    async fn sync_asked(&self, claim: Value, name: &str) -> Result<(), Status> {
        let Some(volume) = self.cluster.get("", "persistentvolumes", ("", name)).await? else { return Ok(()) };
        let free = volume["spec"].get("claimRef").is_none_or(Value::is_null);
        if free {
            if let Some(fault) = matching::fault(&claim, &volume) {
                let message = format!("Cannot bind to requested volume {name:?}: {fault}");
                self.tell(&claim, EventType::Warning, "VolumeMismatch", &message).await;
                return Ok(());
            }
            return self.bind(volume, claim).await;
        }
        if matching::is_for(&volume, &claim) {
            return self.bind(volume, claim).await;
        }
        let message = format!("volume {name:?} already bound to a different claim.");
        self.tell(&claim, EventType::Warning, "FailedBinding", &message).await;
        Ok(())
    }

    /// A claim that was bound: to what it still should be.
    async fn sync_bound(&self, mut claim: Value) -> Result<(), Status> {
        let name = claim.text("/spec/volumeName").to_owned();
        let volume = match name.as_str() {
            "" => None,
            name => self.cluster.get("", "persistentvolumes", ("", name)).await?,
        };
        let lost = match &volume {
            None if name.is_empty() => {
                ("ClaimLost", "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!")
            }
            None => ("ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!"),
            Some(volume) => {
                let owner = volume.text("/spec/claimRef/uid");
                if owner.is_empty() || owner == claim.uid() {
                    return self.bind(volume.clone(), claim).await;
                }
                ("ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly")
            }
        };
        if claim["status"]["phase"] != "Lost" {
            claim["status"]["phase"] = "Lost".into();
            let status = claim.section_mut("status");
            status.remove("accessModes");
            status.remove("capacity");
            let claim = self.cluster.update_status("", "persistentvolumeclaims", &claim).await?;
            self.tell(&claim, EventType::Warning, lost.0, lost.1).await;
        }
        Ok(())
    }

    /// Brings a volume and a claim together, in steps each of which can be the last before a restart.
    async fn bind(&self, mut volume: Value, mut claim: Value) -> Result<(), Status> {
        if volume.text("/spec/claimRef/uid") != claim.uid() {
            let ours = volume["spec"].get("claimRef").is_none_or(Value::is_null);
            volume["spec"]["claimRef"] = json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": claim.namespace(),
                "name": claim.name(), "uid": claim.uid(), "resourceVersion": claim.resource_version(),
            });
            if ours {
                annotate(&mut volume, BOUND_BY, "yes");
            }
            volume = self.cluster.update("", "persistentvolumes", &volume).await?;
        }
        if volume["status"]["phase"] != "Bound" {
            volume = self.set_phase(volume, "Bound").await?;
        }
        if claim.text("/spec/volumeName") != volume.name() || claim.annotation(COMPLETED).is_none() {
            if claim.text("/spec/volumeName") != volume.name() {
                claim["spec"]["volumeName"] = volume.name().into();
                annotate(&mut claim, BOUND_BY, "yes");
            }
            annotate(&mut claim, COMPLETED, "yes");
            claim = self.cluster.update("", "persistentvolumeclaims", &claim).await?;
        }
        let first = claim["status"]["phase"] != "Bound";
        let modes = &volume["spec"]["accessModes"];
        if first || claim["status"]["accessModes"] != *modes {
            claim["status"]["phase"] = "Bound".into();
            claim["status"]["accessModes"] = modes.clone();
            if first {
                claim["status"]["capacity"] = json!({"storage": volume["spec"]["capacity"]["storage"]});
            }
            self.cluster.update_status("", "persistentvolumeclaims", &claim).await?;
        }
        Ok(())
    }

    async fn set_phase(&self, mut volume: Value, phase: &str) -> Result<Value, Status> {
        if volume["status"]["phase"] == phase {
            return Ok(volume);
        }
        volume["status"]["phase"] = phase.into();
        volume["status"]["lastPhaseTransitionTime"] = super::time(Timestamp::now()).into();
        if let Some(status) = volume["status"].as_object_mut() {
            status.remove("message");
        }
        self.cluster.update_status("", "persistentvolumes", &volume).await
    }
}

/// Sets an annotation.
fn annotate(object: &mut Value, key: &str, value: &str) {
    let annotations = object.metadata_mut().entry("annotations").or_insert_with(|| json!({}));
    annotations[key] = value.into();
}

impl Controller for VolumeController {
    fn name(&self) -> &'static str {
        "persistentvolume-binder"
    }

    fn sources(&self) -> Vec<Source> {
        let volumes = Source::new("", "persistentvolumes", |volume| {
            let claim = &volume["spec"]["claimRef"];
            let of = (!claim.text("/name").is_empty())
                .then(|| ObjectKey::new(claim.text("/namespace"), claim.text("/name")));
            // A free volume may fit any claim of its class.
            let class = || ObjectKey::new("", format!("{CLASS}{}", volume.text("/spec/storageClassName")));
            vec![ObjectKey::of(volume), of.unwrap_or_else(class)]
        });
        let claims = Source::new("", "persistentvolumeclaims", |claim| {
            let volume = claim.text("/spec/volumeName");
            let mut keys = vec![ObjectKey::of(claim)];
            if !volume.is_empty() {
                keys.push(ObjectKey::new("", volume));
            }
            keys
        });
        let classes = Source::new(STORAGE, "storageclasses", |class| {
            vec![ObjectKey::new("", format!("{CLASS}{}", class.name()))]
        });
        vec![volumes, claims, classes]
    }

    fn attach(&self, queue: &Arc<Queue<ObjectKey>>) {
        // Attached once, by the loop that runs it.
        let _ = self.queue.set(Arc::clone(queue));
    }

    fn reconcile<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>> {
        Box::pin(self.sync(key))
    }
}
