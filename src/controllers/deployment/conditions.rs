//! The conditions of a Deployment. Pure.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::controllers::time;
use crate::schema::object::Object;

/// Whether the rollout comes along.
pub const PROGRESSING: &str = "Progressing";
/// Whether enough pods serve.
pub const AVAILABLE: &str = "Available";
/// Whether pods are refused.
pub const FAILURE: &str = "ReplicaFailure";

/// The condition of that type in a status.
pub fn get<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status.list("/conditions").iter().find(|condition| condition["type"] == kind)
}

/// A new condition.
pub fn new(kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) -> Value {
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastUpdateTime": time(now), "lastTransitionTime": time(now),
    })
}

/// Puts a condition at the end of the list, unless it says the same with the same reason.
pub fn set(status: &mut Value, mut condition: Value) {
    let kind = condition.text("/type").to_owned();
    if let Some(old) = get(status, &kind)
        && old["status"] == condition["status"]
    {
        if old["reason"] == condition["reason"] {
            return;
        }
        condition["lastTransitionTime"] = old["lastTransitionTime"].clone();
    }
    let mut list = without(status, &kind);
    list.push(condition);
    status["conditions"] = list.into();
}

/// Takes a condition away.
pub fn remove(status: &mut Value, kind: &str) {
    if get(status, kind).is_some() {
        let list = without(status, kind);
        if list.is_empty()
            && let Some(status) = status.as_object_mut()
        {
            status.remove("conditions");
        } else {
            status["conditions"] = list.into();
        }
    }
}

fn without(status: &Value, kind: &str) -> Vec<Value> {
    status.list("/conditions").iter().filter(|condition| condition["type"] != kind).cloned().collect()
}

/// Seconds that a rollout may stand still; none where it may for ever.
pub fn deadline(deployment: &Value) -> Option<SignedDuration> {
    let seconds = deployment.int("/spec/progressDeadlineSeconds")?;
    (seconds != i64::from(i32::MAX)).then(|| SignedDuration::from_secs(seconds))
}

/// When the condition was last written.
pub fn updated(condition: &Value) -> Option<Timestamp> {
    condition.text("/lastUpdateTime").parse().ok()
}
