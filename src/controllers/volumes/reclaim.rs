//! A volume by itself: its phase, and what becomes of it when its claim is gone.

use serde_json::Value;

use super::provision::{PROVISIONED_BY, PROVISIONER};
use super::{BOUND_BY, VolumeController};
use crate::registry::events::EventType;
use crate::schema::object::Object;
use crate::schema::status::Status;

impl VolumeController {
    /// Gives a volume the phase that its claim says.
    pub(super) async fn sync_volume(&self, mut volume: Value) -> Result<(), Status> {
        let reference = volume["spec"]["claimRef"].clone();
        if reference.text("/name").is_empty() || reference.text("/uid").is_empty() {
            return self.set_phase(volume, "Available").await.map(drop);
        }
        let at = (reference.text("/namespace"), reference.text("/name"));
        let claim = self.cluster.get("", "persistentvolumeclaims", at).await?;
        let claim = claim.filter(|claim| claim.uid() == reference.text("/uid"));
        let Some(claim) = claim else {
            if !matches!(volume.text("/status/phase"), "Released" | "Failed") {
                volume = self.set_phase(volume, "Released").await?;
            }
            return self.reclaim(volume).await;
        };
        let wanted = claim.text("/spec/volumeName");
        if wanted == volume.name() {
            return self.set_phase(volume, "Bound").await.map(drop);
        }
        if wanted.is_empty() {
            // The claim takes it when its turn comes.
            return Ok(());
        }
        let ours = volume.annotation(PROVISIONED_BY).is_some();
        if ours && volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete" {
            volume = self.set_phase(volume, "Released").await?;
            return self.reclaim(volume).await;
        }
        if volume.annotation(BOUND_BY).is_some() {
            volume.section_mut("spec").remove("claimRef");
            if let Some(annotations) = volume["metadata"]["annotations"].as_object_mut() {
                annotations.remove(BOUND_BY);
            }
        } else if let Some(reference) = volume["spec"]["claimRef"].as_object_mut() {
            reference.remove("uid");
        }
        let volume = self.cluster.update("", "persistentvolumes", &volume).await?;
        self.set_phase(volume, "Available").await.map(drop)
    }

    /// Does what the policy of a volume says now that nobody claims it.
    async fn reclaim(&self, volume: Value) -> Result<(), Status> {
        if volume["spec"]["persistentVolumeReclaimPolicy"] != "Delete" || volume.is_deleting() {
            return Ok(());
        }
        let ours = volume.annotation(PROVISIONED_BY) == Some(PROVISIONER);
        let Some(local) = self.local.as_ref().filter(|_| ours) else { return Ok(()) };
        if let Err(message) = local.remove(volume.text("/spec/csi/volumeHandle")).await {
            self.tell(&volume, EventType::Warning, "VolumeFailedDelete", &message).await;
            return Err(Status::internal(message));
        }
        let target = self.cluster.registry.target("", "persistentvolumes", "", volume.name())?;
        self.cluster.delete(&target, volume.uid(), None).await.map(drop)
    }
}
