//! The conditions of a pod that the node sets, and those that it leaves as others set them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::container::is_sidecar;
use super::status::Observation;
use crate::schema::object::Object;

/// Those that are set here, in the order in which they are shown.
const OWN: [&str; 5] = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

struct Verdict {
    holds: bool,
    reason: &'static str,
    message: String,
}

const HOLDS: Verdict = Verdict { holds: true, reason: "", message: String::new() };

/// All conditions of a pod. Times change only with the state.
pub fn all(
    pod: &Value,
    seen: &Observation,
    phase: &str,
    init: &[Value],
    main: &[Value],
    old: &Value,
    now: Timestamp,
) -> Value {
    let ready = containers_ready(pod, phase, init, main);
    let network = Verdict { holds: seen.network_ready, ..HOLDS };
    let initialized = initialized(pod, phase, init, main);
    let gates = gates(pod, old, &ready);
    let pairs = [(OWN[0], network), (OWN[1], initialized), (OWN[2], gates), (OWN[3], ready), (OWN[4], HOLDS)];
    let generation = pod.generation();
    let mut list: Vec<Value> =
        pairs.into_iter().map(|(kind, verdict)| condition(kind, verdict, generation, old, now)).collect();
    let mine = |kind: &str| OWN.contains(&kind) || kind.starts_with("PodResize");
    let others = old.list("/conditions").iter().filter(|one| !mine(one.text("/type")));
    list.extend(others.cloned());
    if let Some((kind, reason, message)) = &seen.resize {
        list.push(condition(kind, Verdict { reason, message: message.clone(), ..HOLDS }, generation, old, now));
    }
    list.into()
}

fn condition(kind: &str, verdict: Verdict, generation: i64, old: &Value, now: Timestamp) -> Value {
    let status = if verdict.holds { "True" } else { "False" };
    let before = old.list("/conditions").iter().find(|one| one["type"] == kind && one["status"] == status);
    let since = before.and_then(|one| one.get("lastTransitionTime")).filter(|at| !at.is_null()).cloned();
    let since = since.unwrap_or_else(|| now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into());
    let mut out = json!({"type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": since});
    if generation > 0 {
        out["observedGeneration"] = generation.into();
    }
    if !verdict.reason.is_empty() {
        out["reason"] = verdict.reason.into();
    }
    if !verdict.message.is_empty() {
        out["message"] = verdict.message.into();
    }
    out
}

/// The names as Go prints a list.
fn named(names: &[&str]) -> String {
    format!("[{}]", names.join(" "))
}

fn initialized(pod: &Value, phase: &str, init: &[Value], main: &[Value]) -> Verdict {
    if phase == "Succeeded" {
        return Verdict { reason: "PodCompleted", ..HOLDS };
    }
    let begun = main.iter().any(|status| status.get("containerID").is_some());
    let incomplete: Vec<&str> = pod
        .list("/spec/initContainers")
        .iter()
        .zip(init)
        .filter(|(container, status)| match is_sidecar(container) {
            true => status["started"] != true && !begun,
            false => status.int("/state/terminated/exitCode") != Some(0) && !begun,
        })
        .map(|(container, _)| container.text("/name"))
        .collect();
    if incomplete.is_empty() {
        return HOLDS;
    }
    Verdict {
        holds: false,
        reason: "ContainersNotInitialized",
        message: format!("containers with incomplete status: {}", named(&incomplete)),
    }
}

fn containers_ready(pod: &Value, phase: &str, init: &[Value], main: &[Value]) -> Verdict {
    match phase {
        "Succeeded" => return Verdict { holds: false, reason: "PodCompleted", ..HOLDS },
        "Failed" => return Verdict { holds: false, reason: "PodFailed", ..HOLDS },
        _ => {}
    }
    let sidecars = pod.list("/spec/initContainers").iter().zip(init).filter(|(container, _)| is_sidecar(container));
    let all = sidecars.map(|(_, status)| status).chain(main);
    let unready: Vec<&str> = all.filter(|status| status["ready"] != true).map(|status| status.text("/name")).collect();
    if unready.is_empty() {
        return HOLDS;
    }
    Verdict {
        holds: false,
        reason: "ContainersNotReady",
        message: format!("containers with unready status: {}", named(&unready)),
    }
}

/// `Ready` wants the containers to be ready and every readiness gate to be open.
fn gates(pod: &Value, old: &Value, containers: &Verdict) -> Verdict {
    if !containers.holds {
        return Verdict { holds: false, reason: containers.reason, message: containers.message.clone() };
    }
    let mut shut = Vec::new();
    for gate in pod.list("/spec/readinessGates") {
        let kind = gate.text("/conditionType");
        match old.list("/conditions").iter().find(|one| one["type"] == kind) {
            Some(one) if one["status"] == "True" => {}
            Some(one) => {
                let status = one.text("/status");
                shut.push(format!("the status of pod readiness gate \"{kind}\" is not \"True\", but {status}"));
            }
            None => shut.push(format!("corresponding condition of pod readiness gate \"{kind}\" does not exist.")),
        }
    }
    if shut.is_empty() {
        return HOLDS;
    }
    Verdict { holds: false, reason: "ReadinessGatesNotReady", message: shut.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'a>(list: &'a Value, kind: &str) -> &'a Value {
        list.list("").iter().find(|one| one["type"] == kind).expect("the condition")
    }

    #[test]
    fn unready_containers_are_named_and_times_stay() {
        let pod = json!({"metadata": {"generation": 1}, "spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
        let main = [json!({"name": "a", "ready": false}), json!({"name": "b", "ready": false})];
        let seen = Observation::default();
        let first = all(&pod, &seen, "Running", &[], &main, &json!({}), Timestamp::UNIX_EPOCH);
        let ready = find(&first, "Ready");
        assert_eq!(ready.text("/message"), "containers with unready status: [a b]");
        assert_eq!(ready.text("/reason"), "ContainersNotReady");
        let later = Timestamp::from_second(60).expect("a time");
        let again = all(&pod, &seen, "Running", &[], &main, &json!({"conditions": first}), later);
        assert_eq!(again, first);
        let up = [json!({"name": "a", "ready": true}), json!({"name": "b", "ready": true})];
        let after = all(&pod, &seen, "Running", &[], &up, &json!({"conditions": first}), later);
        assert_eq!(find(&after, "Ready").text("/lastTransitionTime"), "1970-01-01T00:01:00Z");
        assert_eq!(find(&after, "PodScheduled").text("/lastTransitionTime"), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn gates_and_conditions_of_others_count() {
        let pod = json!({"metadata": {}, "spec": {"readinessGates": [{"conditionType": "x/y"}], "containers": []}});
        let of = |old: Value| all(&pod, &Observation::default(), "Running", &[], &[], &old, Timestamp::UNIX_EPOCH);
        assert_eq!(find(&of(json!({})), "Ready").text("/reason"), "ReadinessGatesNotReady");
        let open = of(json!({"conditions": [{"type": "x/y", "status": "True"}]}));
        assert_eq!(find(&open, "Ready")["status"], "True");
        assert_eq!(find(&open, "x/y")["status"], "True");
    }
}
