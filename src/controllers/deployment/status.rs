//! The status of a Deployment from its replica sets. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::amounts::{max_unavailable, replicas};
use super::conditions::{self, AVAILABLE, FAILURE, PROGRESSING};
use super::sets;
use crate::schema::object::Object;

/// The numbers of the status, and whether enough pods are available.
pub fn counted(deployment: &Value, new: Option<&Value>, old: &[Value], now: Timestamp) -> Value {
    let all = || old.iter().chain(new);
    let available = sets::counted(all(), "availableReplicas");
    let wanted = sets::wanted(all());
    let mut status = json!({"observedGeneration": deployment.generation()});
    let counts = [
        ("replicas", sets::counted(all(), "replicas")),
        ("updatedReplicas", sets::counted(new, "replicas")),
        ("readyReplicas", sets::counted(all(), "readyReplicas")),
        ("availableReplicas", available),
        ("unavailableReplicas", (wanted - available).max(0)),
    ];
    for (key, number) in counts.into_iter().filter(|(_, number)| *number > 0) {
        status[key] = number.into();
    }
    if all().all(|set| set["status"].get("terminatingReplicas").is_some()) {
        status["terminatingReplicas"] = sets::counted(all(), "terminatingReplicas").into();
    }
    for key in ["collisionCount", "conditions"] {
        if let Some(value) = deployment["status"].get(key) {
            status[key] = value.clone();
        }
    }
    let condition = if available >= replicas(deployment) - max_unavailable(deployment) {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    let (value, reason, message) = condition;
    conditions::set(&mut status, conditions::new(AVAILABLE, value, reason, message, now));
    status
}

/// The status in a rollout: as counted, and how it comes along.
pub fn rolling(deployment: &Value, new: Option<&Value>, old: &[Value], now: Timestamp) -> Value {
    let mut status = counted(deployment, new, old, now);
    if conditions::deadline(deployment).is_none() {
        conditions::remove(&mut status, PROGRESSING);
    }
    let current = conditions::get(&deployment["status"], PROGRESSING);
    let done = number(&status, "replicas") == number(&status, "updatedReplicas")
        && current.is_some_and(|current| current["reason"] == "NewReplicaSetAvailable");
    if conditions::deadline(deployment).is_some() && !done {
        progress(deployment, new, &mut status, now);
    }
    match new.into_iter().chain(old).find_map(failure) {
        Some(condition) => conditions::set(&mut status, condition),
        None => conditions::remove(&mut status, FAILURE),
    }
    status
}

fn progress(deployment: &Value, new: Option<&Value>, status: &mut Value, now: Timestamp) {
    let subject = match new {
        Some(new) => format!("ReplicaSet {:?}", new.name()),
        None => format!("Deployment {:?}", deployment.name()),
    };
    let current = conditions::get(&deployment["status"], PROGRESSING);
    if is_complete(deployment, status) {
        let message = format!("{subject} has successfully progressed.");
        conditions::set(status, conditions::new(PROGRESSING, "True", "NewReplicaSetAvailable", &message, now));
    } else if is_progressing(&deployment["status"], status) {
        let message = format!("{subject} is progressing.");
        let mut condition = conditions::new(PROGRESSING, "True", "ReplicaSetUpdated", &message, now);
        if let Some(current) = current {
            if current["status"] == "True" {
                condition["lastTransitionTime"] = current["lastTransitionTime"].clone();
            }
            conditions::remove(status, PROGRESSING);
        }
        conditions::set(status, condition);
    } else if has_timed_out(deployment, status, now) {
        let message = format!("{subject} has timed out progressing.");
        conditions::set(status, conditions::new(PROGRESSING, "False", "ProgressDeadlineExceeded", &message, now));
    }
}

/// The condition of a replica set whose pods are refused, as that of its deployment.
fn failure(set: &Value) -> Option<Value> {
    let found = set.list("/status/conditions").iter().find(|condition| condition["type"] == FAILURE)?;
    let mut condition = found.clone();
    condition["lastUpdateTime"] = found["lastTransitionTime"].clone();
    Some(condition)
}

/// Whether all pods are of the new template, and available.
pub fn is_complete(deployment: &Value, status: &Value) -> bool {
    let wanted = replicas(deployment);
    let full = ["updatedReplicas", "replicas", "availableReplicas"].iter().all(|key| number(status, key) == wanted);
    full && number(status, "observedGeneration") >= deployment.generation()
}

fn is_progressing(old: &Value, new: &Value) -> bool {
    let rest = |status: &Value| number(status, "replicas") - number(status, "updatedReplicas");
    let more = |key: &str| number(new, key) > number(old, key);
    more("updatedReplicas") || rest(new) < rest(old) || more("readyReplicas") || more("availableReplicas")
}

fn has_timed_out(deployment: &Value, status: &Value, now: Timestamp) -> bool {
    let (Some(deadline), Some(condition)) = (conditions::deadline(deployment), conditions::get(status, PROGRESSING))
    else {
        return false;
    };
    match condition.text("/reason") {
        "NewReplicaSetAvailable" => false,
        "ProgressDeadlineExceeded" => true,
        _ => conditions::updated(condition).is_some_and(|at| now.duration_since(at) > deadline),
    }
}

/// When to look again whether a rollout stands still.
pub fn look_again(deployment: &Value, now: Timestamp) -> Option<Duration> {
    let deadline = conditions::deadline(deployment)?;
    let condition = conditions::get(&deployment["status"], PROGRESSING)?;
    let reason = condition.text("/reason");
    let rests = matches!(reason, "ProgressDeadlineExceeded" | "NewReplicaSetAvailable" | "DeploymentPaused");
    if rests || is_complete(deployment, &deployment["status"]) || deployment["spec"]["paused"] == true {
        return None;
    }
    let left = deadline - now.duration_since(conditions::updated(condition)?);
    Duration::try_from(left.max(SignedDuration::ZERO) + SignedDuration::from_secs(1)).ok()
}

fn number(status: &Value, key: &str) -> i64 {
    status[key].as_i64().unwrap_or(0)
}
