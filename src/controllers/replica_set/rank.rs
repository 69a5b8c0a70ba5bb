//! Which pods of a set go first. Pure.
//!
//! Source: the order in the API reference of ReplicaSet (scaling down), in the detail of upstream's
//! `ActivePodsWithRanks`: not yet on the node, then pending, not ready, cheap to delete, doubled up on
//! the node, ready for a short time, restarted often, young. Times are compared by powers of two.

use std::cmp::{Ordering, Reverse};

use jiff::Timestamp;
use serde_json::Value;

use crate::controllers::pods;
use crate::schema::object::Object;

const COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The `count` pods of `active` that go first; `related` are all pods of the same controller.
pub fn first_to_go<'a>(active: &'a [Value], related: &[Value], count: usize, now: Timestamp) -> Vec<&'a Value> {
    let on_node =
        |node: &str| related.iter().filter(|pod| pods::is_active(pod) && pod.text("/spec/nodeName") == node).count();
    let mut ranked: Vec<(&Value, usize)> =
        active.iter().map(|pod| (pod, on_node(pod.text("/spec/nodeName")))).collect();
    ranked.sort_by(|left, right| compare(*left, *right, now));
    ranked.into_iter().take(count).map(|(pod, _)| pod).collect()
}

fn compare((left, left_rank): (&Value, usize), (right, right_rank): (&Value, usize), now: Timestamp) -> Ordering {
    let assigned = |pod: &Value| !pod.text("/spec/nodeName").is_empty();
    let phase = |pod: &Value| match pod.text("/status/phase") {
        "Unknown" => 1,
        "Running" => 2,
        _ => 0,
    };
    let cost = |pod: &Value| pod.annotation(COST).and_then(|cost| cost.parse::<i32>().ok()).unwrap_or(0);
    let ready = (pods::is_ready(left), pods::is_ready(right));
    assigned(left)
        .cmp(&assigned(right))
        .then_with(|| phase(left).cmp(&phase(right)))
        .then_with(|| ready.0.cmp(&ready.1))
        .then_with(|| cost(left).cmp(&cost(right)))
        .then_with(|| Reverse(left_rank).cmp(&Reverse(right_rank)))
        .then_with(|| {
            if ready == (true, true) { by_age(ready_since(left), ready_since(right), now) } else { Ordering::Equal }
        })
        .then_with(|| Reverse(restarts(left)).cmp(&Reverse(restarts(right))))
        .then_with(|| by_age(created(left), created(right), now))
        .then_with(|| left.uid().cmp(right.uid()))
}

/// The younger first, by powers of two of the age; what has no time before all others.
fn by_age(left: Option<Timestamp>, right: Option<Timestamp>, now: Timestamp) -> Ordering {
    let power = |at: Option<Timestamp>| {
        let age = now.duration_since(at?).as_nanos();
        Some(if age <= 0 { -1 } else { i64::from(age.ilog2()) })
    };
    power(left).cmp(&power(right))
}

fn ready_since(pod: &Value) -> Option<Timestamp> {
    pods::condition(pod, "Ready")?.text("/lastTransitionTime").parse().ok()
}

fn created(pod: &Value) -> Option<Timestamp> {
    pod.text("/metadata/creationTimestamp").parse().ok()
}

fn restarts(pod: &Value) -> i64 {
    let statuses = pod.list("/status/containerStatuses").iter();
    statuses.filter_map(|status| status["restartCount"].as_i64()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(active: &[Value], count: usize) -> Vec<&str> {
        let now = Timestamp::from_second(1_000_000).expect("a time");
        first_to_go(active, active, count, now).into_iter().map(Object::name).collect()
    }

    fn pod(name: &str, node: &str, phase: &str, ready: &str, since: &str) -> Value {
        json!({
            "metadata": {"name": name, "uid": name, "creationTimestamp": "1970-01-01T00:00:00Z"},
            "spec": {"nodeName": node},
            "status": {"phase": phase, "conditions": [
                {"type": "Ready", "status": ready, "lastTransitionTime": since}]},
        })
    }

    #[test]
    fn those_that_serve_stay() {
        let active = [
            pod("old", "n", "Running", "True", "1970-01-02T00:00:00Z"),
            pod("new", "n", "Running", "True", "1970-01-12T13:00:00Z"),
            pod("failing", "n", "Running", "False", "1970-01-02T00:00:00Z"),
            pod("pending", "n", "Pending", "False", ""),
            pod("waiting", "", "Pending", "False", ""),
        ];
        assert_eq!(names(&active, 5), ["waiting", "pending", "failing", "new", "old"]);
        assert_eq!(names(&active, 1), ["waiting"]);
    }

    #[test]
    fn a_low_cost_goes_before_a_high_one() {
        let mut active = [
            pod("a", "n", "Running", "True", "1970-01-12T13:00:00Z"),
            pod("b", "n", "Running", "True", "1970-01-02T00:00:00Z"),
        ];
        active[1]["metadata"]["annotations"] = json!({COST: "-5"});
        assert_eq!(names(&active, 1), ["b"]);
    }
}
