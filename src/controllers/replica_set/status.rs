//! The status of a ReplicaSet from its pods. Pure.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::controllers::{pods, time};
use crate::schema::object::Object;
use crate::schema::selector::Selector;

/// What the status is made of.
pub struct Seen<'a> {
    /// The set.
    pub set: &'a Value,
    /// Its pods that are neither finished nor on their way out.
    pub active: &'a [Value],
    /// Number of those on their way out.
    pub terminating: usize,
    /// Why pods could not be made or deleted.
    pub failure: Option<String>,
}

/// The status to show, where it is another than the one that is shown.
pub fn next(seen: &Seen<'_>, now: Timestamp) -> Option<Value> {
    let set = seen.set;
    let old = &set["status"];
    let labels = Selector::from_labels(set.map("/spec/template/metadata/labels").unwrap_or(&Map::new()));
    let min_ready = set.int("/spec/minReadySeconds").unwrap_or(0);
    let count = |test: &dyn Fn(&Value) -> bool| seen.active.iter().filter(|pod| test(pod)).count();

    let mut status = Map::new();
    status.insert("replicas".into(), json!(seen.active.len()));
    status.insert("terminatingReplicas".into(), json!(seen.terminating));
    status.insert("observedGeneration".into(), json!(set.generation()));
    let counts = [
        ("fullyLabeledReplicas", count(&|pod| labels.matches(pods::labels(pod)))),
        ("readyReplicas", count(&pods::is_ready)),
        ("availableReplicas", count(&|pod| pods::is_available(pod, min_ready, now))),
    ];
    for (key, number) in counts.into_iter().filter(|(_, number)| *number > 0) {
        status.insert(key.into(), json!(number));
    }
    let conditions = conditions(seen, now);
    if !conditions.is_empty() {
        status.insert("conditions".into(), conditions.into());
    }
    let status = Value::Object(status);
    (status != *old).then_some(status)
}

fn conditions(seen: &Seen<'_>, now: Timestamp) -> Vec<Value> {
    const FAILURE: &str = "ReplicaFailure";
    let mut conditions = seen.set.list("/status/conditions").to_vec();
    let Some(message) = &seen.failure else {
        conditions.retain(|condition| condition["type"] != FAILURE);
        return conditions;
    };
    if conditions.iter().any(|condition| condition["type"] == FAILURE) {
        return conditions;
    }
    let wanted = seen.set.int("/spec/replicas").unwrap_or(1);
    let missing = i64::try_from(seen.active.len()).unwrap_or(i64::MAX) < wanted;
    conditions.push(json!({
        "type": FAILURE,
        "status": "True",
        "reason": if missing { "FailedCreate" } else { "FailedDelete" },
        "message": message,
        "lastTransitionTime": time(now),
    }));
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_of_active_pods_and_a_failure_shows() {
        let set = json!({"metadata": {"generation": 2}, "spec": {"replicas": 2,
            "template": {"metadata": {"labels": {"a": "b"}}}}});
        let pod = json!({"metadata": {"labels": {"a": "b"}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let active = [pod];
        let failure = Some("no".to_owned());
        let seen = Seen { set: &set, active: &active, terminating: 1, failure };
        let status = next(&seen, Timestamp::UNIX_EPOCH).expect("another status");
        assert_eq!(status["replicas"], 1);
        assert_eq!(status["availableReplicas"], 1);
        assert_eq!(status["terminatingReplicas"], 1);
        assert_eq!(status["observedGeneration"], 2);
        assert_eq!(status["conditions"][0]["reason"], "FailedCreate");
        let mut set = set.clone();
        set["status"] = status;
        let seen = Seen { set: &set, active: &active, terminating: 1, failure: Some("again".into()) };
        assert_eq!(next(&seen, Timestamp::UNIX_EPOCH), None);
        let seen = Seen { set: &set, active: &active, terminating: 1, failure: None };
        assert!(next(&seen, Timestamp::UNIX_EPOCH).is_some_and(|status| status.get("conditions").is_none()));
    }
}
