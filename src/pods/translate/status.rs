//! The status of a pod, from what the engine tells of its containers (API reference of `PodStatus` and
//! `ContainerStatus`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::container::is_sidecar;
use super::{Place, conditions};
use crate::engine::{ContainerDetail, ContainerState, StateDetail};
use crate::kinds::core::pod::quality;
use crate::schema::object::Object;

/// One container of a pod, as it is seen now.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What the engine tells of it, if it is there.
    pub detail: Option<ContainerDetail>,
    /// Reason and message while it does not run and will.
    pub waiting: Option<(String, String)>,
    /// How the run before this one ended: `ContainerStateTerminated`.
    pub last: Option<Value>,
    /// How often it was started again.
    pub restarts: u64,
    /// What its readiness probe says; `true` where it has none.
    pub ready: bool,
    /// What its startup probe says; `true` where it has none.
    pub started: bool,
    /// The image as a digest.
    pub image_id: String,
    /// What it said of its end.
    pub message: String,
}

impl Seen {
    fn state(&self) -> Option<&StateDetail> {
        self.detail.as_ref().map(|detail| &detail.state)
    }

    /// Whether it runs.
    pub fn runs(&self) -> bool {
        self.state().is_some_and(|state| state.state.is_alive())
    }

    /// Whether it has ended, and the engine does not start it again by itself.
    pub fn ended(&self) -> bool {
        let ended = |state: &StateDetail| matches!(state.state, ContainerState::Exited | ContainerState::Dead);
        self.waiting.is_none() && self.state().is_some_and(ended)
    }

    /// Whether it has ended well.
    pub fn succeeded(&self) -> bool {
        self.ended() && self.state().is_some_and(|state| state.exit_code == 0)
    }
}

/// All that is known of a pod.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// Containers by name.
    pub containers: BTreeMap<String, Seen>,
    /// Its place.
    pub place: Place,
    /// Whether its network stands.
    pub network_ready: bool,
    /// When the node took it.
    pub started: Option<Timestamp>,
    /// Reason and message of the pod as a whole, such as `Evicted`; it has failed then.
    pub failed: Option<(String, String)>,
}

/// The state of a run that has ended.
pub fn terminated(detail: &ContainerDetail, message: &str) -> Value {
    let state = &detail.state;
    let never = state.started_at.is_none();
    let reason = match state.exit_code {
        _ if state.oom_killed => "OOMKilled",
        _ if never && !state.error.is_empty() => "StartError",
        0 => "Completed",
        _ => "Error",
    };
    let mut out = json!({
        "exitCode": state.exit_code,
        "reason": reason,
        "startedAt": time(state.started_at.or(detail.created)),
        "finishedAt": time(state.finished_at.or(state.started_at).or(detail.created)),
        "containerID": format!("docker://{}", detail.id),
    });
    let message = if message.is_empty() { state.error.as_str() } else { message };
    if !message.is_empty() {
        out["message"] = message.into();
    }
    out
}

fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into())
}

/// The status of a pod. `old` is the one before: it gives the times of conditions that did not change
/// and the states of containers that are gone.
pub fn pod_status(pod: &Value, seen: &Observation, old: &Value, now: Timestamp) -> Value {
    let statuses = |list: &str, key: &str| -> Vec<Value> {
        let containers = pod.list(&format!("/spec/{list}")).iter();
        let first = |container: &Value| list == "initContainers" && !is_sidecar(container);
        containers.map(|container| container_status(container, seen, &old[key], first(container))).collect()
    };
    let init = statuses("initContainers", "initContainerStatuses");
    let main = statuses("containers", "containerStatuses");
    let ephemeral = statuses("ephemeralContainers", "ephemeralContainerStatuses");
    let phase = phase(pod, seen, &init, &main);
    let mut status = Map::new();
    let list = conditions::all(pod, seen, phase, &init, &main, old, now);
    status.insert("conditions".into(), list);
    if !ephemeral.is_empty() {
        status.insert("ephemeralContainerStatuses".into(), ephemeral.into());
    }
    if !init.is_empty() {
        status.insert("initContainerStatuses".into(), init.into());
    }
    status.insert("containerStatuses".into(), main.into());
    status.insert("observedGeneration".into(), pod.generation().into());
    status.insert("phase".into(), phase.into());
    status.insert("qosClass".into(), quality::class(pod).into());
    if let Some((reason, message)) = &seen.failed {
        status.insert("reason".into(), reason.as_str().into());
        status.insert("message".into(), message.as_str().into());
    }
    let ips: Vec<Value> = seen.place.host_ips.iter().map(|ip| json!({ "ip": ip })).collect();
    if let Some(first) = seen.place.host_ips.first() {
        status.insert("hostIP".into(), first.as_str().into());
        status.insert("hostIPs".into(), ips.into());
    }
    if !seen.place.pod_ip.is_empty() {
        status.insert("podIP".into(), seen.place.pod_ip.as_str().into());
        status.insert("podIPs".into(), json!([{"ip": seen.place.pod_ip}]));
    }
    let begun = old.get("startTime").cloned().filter(|at| !at.is_null());
    status.insert("startTime".into(), begun.unwrap_or_else(|| time(seen.started.or(Some(now)))));
    for key in ["nominatedNodeName", "resize", "resourceClaimStatuses"] {
        if let Some(value) = old.get(key) {
            status.insert(key.into(), value.clone());
        }
    }
    // Conditions of others (readiness gates, disruption) are theirs.
    Value::Object(status)
}

fn container_status(container: &Value, seen: &Observation, old: &Value, init: bool) -> Value {
    let name = container.text("/name");
    let none = Seen::default();
    let one = seen.containers.get(name).unwrap_or(&none);
    let before = old.as_array().and_then(|list| list.iter().find(|status| status["name"] == name));
    if let (true, Some(before)) = (one.detail.is_none() && one.waiting.is_none(), before)
        && before.pointer("/state/terminated").is_some()
    {
        return before.clone();
    }
    let state = state(one);
    let mut status = json!({
        "name": name,
        "image": container.text("/image"),
        "imageID": one.image_id,
        "lastState": {},
        "ready": is_ready(one, &state, init),
        "restartCount": one.restarts,
        "started": one.runs() && one.started,
        "state": state,
    });
    if let Some(last) = &one.last {
        status["lastState"] = json!({ "terminated": last });
    }
    if let Some(detail) = &one.detail {
        status["containerID"] = format!("docker://{}", detail.id).into();
    }
    let requests = container.pointer("/resources/requests").filter(|list| quality::given(list).next().is_some());
    let limits = container.pointer("/resources/limits").filter(|list| quality::given(list).next().is_some());
    if let Some(requests) = requests {
        status["allocatedResources"] = requests.clone();
    }
    if requests.or(limits).is_some() {
        status["resources"] = container["resources"].clone();
    } else {
        status["resources"] = json!({});
    }
    let mounts: Vec<Value> = container.list("/volumeMounts").iter().map(mount_status).collect();
    if !mounts.is_empty() {
        status["volumeMounts"] = mounts.into();
    }
    status
}

fn mount_status(mount: &Value) -> Value {
    let mut out = json!({"name": mount["name"], "mountPath": mount["mountPath"]});
    if mount["readOnly"] == true {
        out["readOnly"] = true.into();
        let recursive = mount["recursiveReadOnly"].as_str().unwrap_or("Disabled");
        out["recursiveReadOnly"] = recursive.into();
    }
    out
}

/// An init container is ready when it has ended well; a container that runs is when its probe says so.
fn is_ready(one: &Seen, state: &Value, init: bool) -> bool {
    if init {
        return state.pointer("/terminated/exitCode").is_some_and(|code| *code == 0);
    }
    one.runs() && one.ready && one.started
}

fn state(one: &Seen) -> Value {
    if let Some((reason, message)) = &one.waiting {
        let mut waiting = json!({ "reason": reason });
        if !message.is_empty() {
            waiting["message"] = message.as_str().into();
        }
        return json!({ "waiting": waiting });
    }
    let Some(detail) = &one.detail else {
        return json!({"waiting": {"reason": "PodInitializing"}});
    };
    match &detail.state.state {
        state if state.is_alive() => json!({"running": {"startedAt": time(detail.state.started_at)}}),
        ContainerState::Exited | ContainerState::Dead | ContainerState::Removing => {
            json!({"terminated": terminated(detail, &one.message)})
        }
        _ => json!({"waiting": {"reason": "ContainerCreating"}}),
    }
}

/// The phase, by the kubelet's rules.
pub fn phase(pod: &Value, seen: &Observation, init: &[Value], main: &[Value]) -> &'static str {
    if seen.failed.is_some() {
        return "Failed";
    }
    let never = pod["spec"]["restartPolicy"] == "Never";
    let mut pending = false;
    for (container, status) in pod.list("/spec/initContainers").iter().zip(init) {
        let ended = status.pointer("/state/terminated");
        if is_sidecar(container) {
            pending |= ended.is_none() && status["started"] != true;
            continue;
        }
        match ended {
            Some(end) if end["exitCode"] == 0 => {}
            Some(_) if never => return "Failed",
            _ => pending = true,
        }
    }
    let (mut running, mut waiting, mut succeeded, mut failed) = (0, 0, 0, 0);
    for status in main {
        let state = &status["state"];
        if state.get("running").is_some() {
            running += 1;
        } else if let Some(end) = state.get("terminated") {
            if end["exitCode"] == 0 { succeeded += 1 } else { failed += 1 }
        } else if status.pointer("/lastState/terminated").is_some() {
            running += 1;
        } else {
            waiting += 1;
        }
    }
    let always = !matches!(pod.text("/spec/restartPolicy"), "OnFailure" | "Never");
    match () {
        () if pending && running + succeeded + failed == 0 => "Pending",
        () if waiting > 0 => "Pending",
        () if running > 0 => "Running",
        () if succeeded + failed == 0 => "Pending",
        () if always => "Running",
        () if failed == 0 => "Succeeded",
        () if never => "Failed",
        () => "Running",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(state: ContainerState, exit_code: i64) -> ContainerDetail {
        let at = Timestamp::from_second(1_000).ok();
        ContainerDetail {
            id: "abc".into(),
            state: StateDetail { state, exit_code, started_at: at, finished_at: at, ..StateDetail::default() },
            ..ContainerDetail::default()
        }
    }

    fn seen(state: ContainerState, exit_code: i64) -> Seen {
        Seen { detail: Some(detail(state, exit_code)), ready: true, started: true, ..Seen::default() }
    }

    fn pod(policy: &str) -> Value {
        json!({"metadata": {"name": "p", "generation": 2}, "spec": {"restartPolicy": policy,
            "containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]}})
    }

    fn status(policy: &str, a: Seen, b: Seen) -> Value {
        let containers = BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]);
        let seen = Observation { containers, network_ready: true, ..Observation::default() };
        pod_status(&pod(policy), &seen, &json!({}), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_phase_follows_the_containers_and_the_policy() {
        let run = || seen(ContainerState::Running, 0);
        let end = |code| seen(ContainerState::Exited, code);
        let phase = |policy, a, b| status(policy, a, b).text("/phase").to_owned();
        assert_eq!(phase("Always", run(), run()), "Running");
        assert_eq!(phase("Always", run(), Seen::default()), "Pending");
        assert_eq!(phase("Never", run(), end(1)), "Running");
        assert_eq!(phase("Never", end(0), end(0)), "Succeeded");
        assert_eq!(phase("Never", end(0), end(3)), "Failed");
        assert_eq!(phase("OnFailure", end(0), end(0)), "Succeeded");
        assert_eq!(phase("OnFailure", end(0), end(3)), "Running");
        assert_eq!(phase("Always", end(0), end(0)), "Running");
    }

    #[test]
    fn a_crash_loop_is_running_and_waits() {
        let crash = Seen {
            waiting: Some(("CrashLoopBackOff".into(), "back-off".into())),
            last: Some(json!({"exitCode": 1})),
            restarts: 4,
            ..seen(ContainerState::Restarting, 1)
        };
        let got = status("Always", crash, seen(ContainerState::Running, 0));
        assert_eq!(got["phase"], "Running");
        let first = &got["containerStatuses"][0];
        assert_eq!(first.text("/state/waiting/reason"), "CrashLoopBackOff");
        assert_eq!((first["restartCount"].as_u64(), first["ready"].as_bool()), (Some(4), Some(false)));
        assert_eq!(first.int("/lastState/terminated/exitCode"), Some(1));
    }

    #[test]
    fn ends_have_reasons() {
        let reason = |change: &dyn Fn(&mut StateDetail)| {
            let mut one = detail(ContainerState::Exited, 1);
            change(&mut one.state);
            terminated(&one, "").text("/reason").to_owned()
        };
        assert_eq!(reason(&|state| state.exit_code = 0), "Completed");
        assert_eq!(reason(&|_| {}), "Error");
        assert_eq!(reason(&|state| state.oom_killed = true), "OOMKilled");
        assert_eq!(
            reason(&|state| {
                state.started_at = None;
                state.error = "no such file".into();
            }),
            "StartError"
        );
    }

    #[test]
    fn an_end_is_kept_when_its_container_is_gone() {
        let old = json!({"containerStatuses": [{"name": "a", "state": {"terminated": {"exitCode": 7}}}]});
        let got = pod_status(&pod("Never"), &Observation::default(), &old, Timestamp::UNIX_EPOCH);
        assert_eq!(got.int("/containerStatuses/0/state/terminated/exitCode"), Some(7));
    }
}
