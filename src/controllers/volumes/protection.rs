//! A claim stays while a pod uses it, and a volume while it is bound; and a claim shows since when no
//! pod has used it. Upstream: pvc-protection and pv-protection controllers.

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::controllers::cluster::Cluster;
use crate::controllers::{Controller, ObjectKey, Source, pods, time};
use crate::registry::Registry;
use crate::schema::object::Object;
use crate::schema::status::Status;

const CLAIM: &str = "kubernetes.io/pvc-protection";
const VOLUME: &str = "kubernetes.io/pv-protection";
const UNUSED: &str = "Unused";

/// The controller; its keys are claims, and volumes without namespace.
pub struct ProtectionController(Cluster);

impl ProtectionController {
    /// The controller.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self(Cluster::new(registry, "pvc-protection-controller"))
    }

    async fn sync(&self, key: &ObjectKey) -> Result<Option<Duration>, Status> {
        if key.namespace.is_empty() {
            let found = self.0.get("", "persistentvolumes", ("", &key.name)).await?;
            if let Some(volume) = found.filter(Object::is_deleting)
                && volume["status"]["phase"] != "Bound"
            {
                self.free("persistentvolumes", &volume, VOLUME).await?;
            }
            return Ok(None);
        }
        let found = self.0.get("", "persistentvolumeclaims", (&key.namespace, &key.name)).await?;
        let Some(claim) = found else { return Ok(None) };
        let mut users = self.0.all("", "pods", Some(&key.namespace)).await?;
        users.retain(|pod| claims(pod).contains(&key.name));
        if claim.is_deleting() {
            let scheduled = users.iter().any(|pod| !pod.text("/spec/nodeName").is_empty());
            if !scheduled {
                self.free("persistentvolumeclaims", &claim, CLAIM).await?;
            }
            return Ok(None);
        }
        let used = users.iter().any(|pod| !pods::is_finished(pod));
        let mut shown = claim;
        if show_use(&mut shown, used, Timestamp::now()) {
            self.0.update_status("", "persistentvolumeclaims", &shown).await?;
        }
        Ok(None)
    }

    async fn free(&self, plural: &str, object: &Value, finalizer: &str) -> Result<(), Status> {
        if !object.finalizers().contains(&finalizer) {
            return Ok(());
        }
        let target = self.0.registry.target("", plural, object.namespace(), object.name())?;
        let edit = |object: &mut Value| {
            let meta = object.metadata_mut();
            if let Some(list) = meta.get_mut("finalizers").and_then(Value::as_array_mut) {
                list.retain(|one| one != finalizer);
            }
        };
        self.0.change(&target, object.uid(), edit).await
    }
}

/// The claims of a pod, those of ephemeral volumes among them.
fn claims(pod: &Value) -> Vec<String> {
    let of = |volume: &Value| match volume.text("/persistentVolumeClaim/claimName") {
        "" if volume.get("ephemeral").is_some() => Some(format!("{}-{}", pod.name(), volume.text("/name"))),
        "" => None,
        name => Some(name.to_owned()),
    };
    pod.list("/spec/volumes").iter().filter_map(of).collect()
}

/// Sets the condition that says since when a claim is not used; whether that changed it.
fn show_use(claim: &mut Value, used: bool, now: Timestamp) -> bool {
    let (status, reason, message) = if used {
        ("False", "PodUsingPVC", "A pod is currently referencing this PVC")
    } else {
        ("True", "NoPodsUsingPVC", "No pods are currently referencing this PVC")
    };
    let conditions = claim.section_mut("status").entry("conditions").or_insert_with(|| json!([]));
    let Some(conditions) = conditions.as_array_mut() else { return false };
    if conditions.iter().any(|condition| condition["type"] == UNUSED && condition["status"] == status) {
        return false;
    }
    conditions.retain(|condition| condition["type"] != UNUSED);
    conditions.push(json!({
        "type": UNUSED, "status": status, "reason": reason, "message": message,
        "lastProbeTime": null, "lastTransitionTime": time(now),
    }));
    true
}

impl Controller for ProtectionController {
    fn name(&self) -> &'static str {
        "persistentvolumeclaim-protection"
    }

    fn sources(&self) -> Vec<Source> {
        let pods = Source::new("", "pods", |pod| {
            claims(pod).into_iter().map(|name| ObjectKey::new(pod.namespace(), name)).collect()
        });
        vec![Source::own("", "persistentvolumeclaims"), Source::own("", "persistentvolumes"), pods]
    }

    fn reconcile<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>> {
        Box::pin(self.sync(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_condition_keeps_its_time_until_it_turns() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let mut claim = json!({"status": {"phase": "Bound"}});
        assert!(show_use(&mut claim, false, at(0)));
        assert!(!show_use(&mut claim, false, at(60)));
        assert_eq!(claim["status"]["conditions"][0]["lastTransitionTime"], "1970-01-01T00:00:00Z");
        assert!(show_use(&mut claim, true, at(60)));
        assert_eq!(claim["status"]["conditions"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn ephemeral_volumes_have_claims_too() {
        let pod = json!({"metadata": {"name": "p"}, "spec": {"volumes": [
            {"name": "a", "persistentVolumeClaim": {"claimName": "c"}}, {"name": "e", "ephemeral": {}}, {"name": "x"}]}});
        assert_eq!(claims(&pod), ["c", "p-e"]);
    }
}
