//! Volumes of the engine for claims of k2d's own classes.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{STORAGE, VolumeController};
use crate::registry::events::EventType;
use crate::registry::{Registry, WriteOptions};
use crate::schema::object::Object;
use crate::schema::status::Status;

/// The provisioner of the classes whose volumes are the engine's, and the CSI driver that these name.
pub const PROVISIONER: &str = "local.k2d.io";
/// Says on a volume who made it.
pub const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
const ASKED: [&str; 2] = ["volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner"];

/// Makes and removes volumes of the engine; the app fills it in.
pub trait LocalVolumes: Send + Sync {
    /// Makes a volume of that name with these labels; one that is there already is taken.
    fn create(&self, name: &str, labels: BTreeMap<String, String>) -> BoxFuture<'_, Result<(), String>>;

    /// Removes a volume with its data; it is no failure when it is gone.
    fn remove(&self, name: &str) -> BoxFuture<'_, Result<(), String>>;
}

/// Makes the StorageClass that claims get which name none, unless there is one of that name.
///
/// # Errors
/// What the registry says.
pub async fn default_class(registry: &Registry, name: &str) -> Result<(), Status> {
    let target = registry.target(STORAGE, "storageclasses", "", name)?;
    if registry.find(&target).await?.is_some() {
        return Ok(());
    }
    let class = json!({
        "metadata": {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    });
    registry.create(&target, class, &WriteOptions::internal("k2d")).await.map(drop)
}

impl VolumeController {
    /// Makes a volume for a claim, or waits for the one whose business it is.
    pub(super) async fn provision(&self, claim: &Value, class: &Value) -> Result<(), Status> {
        let provisioner = class.text("/provisioner");
        if ASKED.iter().any(|key| claim.annotation(key) != Some(provisioner)) {
            let mut claim = claim.clone();
            ASKED.iter().for_each(|key| super::annotate(&mut claim, key, provisioner));
            // The change brings the claim back.
            return self.cluster.update("", "persistentvolumeclaims", &claim).await.map(drop);
        }
        let Some(local) = self.local.as_ref().filter(|_| provisioner == PROVISIONER) else {
            let message = format!(
                "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by \
                 the system administrator. If volume creation is delayed, please verify that the provisioner is \
                 running and correctly registered."
            );
            self.tell(claim, EventType::Normal, "ExternalProvisioning", &message).await;
            return Ok(());
        };
        if claim["spec"]["volumeMode"] == "Block" {
            let message = "failed to provision volume: the engine has no block volumes";
            self.tell(claim, EventType::Warning, "ProvisioningFailed", message).await;
            return Ok(());
        }
        let name = format!("pvc-{}", claim.uid());
        let handle = self.handle(claim).await?;
        let labels = BTreeMap::from([
            ("io.kubernetes.pvc.name".to_owned(), claim.name().to_owned()),
            ("io.kubernetes.pvc.namespace".to_owned(), claim.namespace().to_owned()),
            ("io.kubernetes.pv.name".to_owned(), name.clone()),
        ]);
        if let Err(message) = local.create(&handle, labels).await {
            let message = format!("failed to provision volume with StorageClass {:?}: {message}", class.name());
            self.tell(claim, EventType::Warning, "ProvisioningFailed", &message).await;
            return Err(Status::internal(message));
        }
        let made = self.cluster.create("", "persistentvolumes", volume(claim, class, &name, &handle)).await;
        match made {
            Err(status) if status.reason != "AlreadyExists" => return Err(status),
            _ => {}
        }
        let message = format!("Successfully provisioned volume {name}");
        self.tell(claim, EventType::Normal, "ProvisioningSucceeded", &message).await;
        Ok(())
    }

    /// The engine's name for the volume of a claim. A name that a volume of an earlier claim still has
    /// gets an end of its own.
    async fn handle(&self, claim: &Value) -> Result<String, Status> {
        let plain = format!("{}.{}", claim.namespace(), claim.name());
        let volumes = self.cluster.all("", "persistentvolumes", None).await?;
        let taken = volumes.iter().any(|volume| {
            volume["spec"]["csi"]["volumeHandle"] == plain.as_str() && volume.text("/spec/claimRef/uid") != claim.uid()
        });
        let end = claim.uid().split('-').next().unwrap_or_default();
        Ok(if taken { format!("{plain}.{end}") } else { plain })
    }
}

fn volume(claim: &Value, class: &Value, name: &str, handle: &str) -> Value {
    let mut volume = json!({
        "metadata": {"name": name, "annotations": {PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "accessModes": claim["spec"]["accessModes"],
            "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": claim.namespace(),
                "name": claim.name(), "uid": claim.uid(), "resourceVersion": claim.resource_version(),
            },
            "csi": {"driver": PROVISIONER, "volumeHandle": handle},
            "persistentVolumeReclaimPolicy": class["reclaimPolicy"],
            "storageClassName": class.name(),
            "volumeMode": "Filesystem",
        },
    });
    if let Some(options) = class.get("mountOptions") {
        volume["spec"]["mountOptions"] = options.clone();
    }
    volume
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_made_for_its_claim() {
        let claim = json!({
            "metadata": {"name": "data", "namespace": "plant", "uid": "u", "resourceVersion": "5"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        });
        let class = json!({"metadata": {"name": "local"}, "reclaimPolicy": "Delete"});
        let made = volume(&claim, &class, "pvc-u", "plant.data");
        assert_eq!(made["spec"]["csi"], json!({"driver": "local.k2d.io", "volumeHandle": "plant.data"}));
        assert_eq!(made["spec"]["persistentVolumeReclaimPolicy"], "Delete");
        assert_eq!(made["spec"]["claimRef"]["uid"], "u");
        assert_eq!(made["spec"]["capacity"]["storage"], "1Gi");
    }
}
