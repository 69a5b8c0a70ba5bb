//! What controllers ask of pods: whether one is ready, available, at its end, and whose it is. Pure.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::schema::object::Object;

/// The condition of that type.
#[must_use]
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object.list("/status/conditions").iter().find(|condition| condition["type"] == kind)
}

/// Whether the pod runs no more, or is on its way out.
#[must_use]
pub fn is_active(pod: &Value) -> bool {
    !is_finished(pod) && !pod.is_deleting()
}

/// Whether all its containers have ended for good.
#[must_use]
pub fn is_finished(pod: &Value) -> bool {
    matches!(pod.text("/status/phase"), "Succeeded" | "Failed")
}

/// Whether it says that it is ready.
#[must_use]
pub fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|ready| ready["status"] == "True")
}

/// How long a pod that is ready has still to be so until it counts as available: zero where it is;
/// `None` where it is not ready.
#[must_use]
pub fn until_available(pod: &Value, min_ready_seconds: i64, now: Timestamp) -> Option<SignedDuration> {
    let ready = condition(pod, "Ready").filter(|ready| ready["status"] == "True")?;
    if min_ready_seconds == 0 {
        return Some(SignedDuration::ZERO);
    }
    let since = ready.text("/lastTransitionTime").parse::<Timestamp>().ok()?;
    let left = SignedDuration::from_secs(min_ready_seconds) - now.duration_since(since);
    Some(left.max(SignedDuration::ZERO))
}

/// Whether it has been ready for long enough.
#[must_use]
pub fn is_available(pod: &Value, min_ready_seconds: i64, now: Timestamp) -> bool {
    until_available(pod, min_ready_seconds, now) == Some(SignedDuration::ZERO)
}

/// The labels of an object.
#[must_use]
pub fn labels(object: &Value) -> Option<&Map<String, Value>> {
    object.map("/metadata/labels")
}

/// An owner reference to the object that controls.
#[must_use]
pub fn controller_reference(owner: &Value, api_version: &str, kind: &str) -> Value {
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "name": owner.name(),
        "uid": owner.uid(),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// Adds an owner to an object that no other controls.
pub fn adopt(object: &mut Value, reference: Value) {
    let uid = reference["uid"].clone();
    if object.controller().is_some() {
        return;
    }
    let list = object.metadata_mut().entry("ownerReferences").or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        list.retain(|owner| owner["uid"] != uid);
        list.push(reference);
    }
}

/// Takes an owner away.
pub fn release(object: &mut Value, uid: &str) {
    let meta = object.metadata_mut();
    if let Some(list) = meta.get_mut("ownerReferences").and_then(Value::as_array_mut) {
        list.retain(|owner| owner["uid"] != uid);
        if list.is_empty() {
            meta.remove("ownerReferences");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn availability_waits() {
        let pod = json!({"status": {"conditions": [
            {"type": "Ready", "status": "True", "lastTransitionTime": "1970-01-01T00:00:00Z"}]}});
        let at = |second| Timestamp::from_second(second).expect("a time");
        assert!(is_available(&pod, 0, at(0)));
        assert_eq!(until_available(&pod, 10, at(4)), Some(SignedDuration::from_secs(6)));
        assert!(is_available(&pod, 10, at(10)));
        assert_eq!(until_available(&json!({}), 0, at(0)), None);
    }

    #[test]
    fn an_owner_comes_and_goes() {
        let mut pod = json!({"metadata": {"name": "p"}});
        adopt(&mut pod, controller_reference(&json!({"metadata": {"name": "r", "uid": "1"}}), "apps/v1", "ReplicaSet"));
        assert_eq!(pod.controller().map(|owner| owner["name"].clone()), Some(json!("r")));
        adopt(&mut pod, json!({"uid": "2", "controller": true}));
        assert_eq!(pod.owners().len(), 1);
        release(&mut pod, "1");
        assert!(pod["metadata"].get("ownerReferences").is_none());
    }
}
