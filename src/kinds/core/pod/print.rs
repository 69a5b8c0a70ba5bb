//! The row of a pod in a table: readiness, one word for its state, restarts.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::Column;
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column, wide};
use crate::schema::age;
use crate::schema::object::Object;
use crate::schema::rules::{items, number, text};

const SPEC: &str = "api.core.v1.PodSpec";
const STATUS: &str = "api.core.v1.PodStatus";
const COLUMNS: &[Row] = &[
    NAME,
    text_column("Ready", About::Text("The aggregate readiness state of this pod for accepting traffic.")),
    text_column("Status", About::Text("The aggregate status of the containers in this pod.")),
    text_column(
        "Restarts",
        About::Text(
            "The number of times the containers in this pod have been restarted and when the last container in this \
             pod has restarted.",
        ),
    ),
    AGE,
    wide("IP", About::Field(STATUS, "podIP")),
    wide("Node", About::Field(SPEC, "nodeName")),
    wide("Nominated Node", About::Field(STATUS, "nominatedNodeName")),
    wide("Readiness Gates", About::Field(SPEC, "readinessGates")),
];

/// What no column speaks of, though it is most of a pod.
pub const UNSHOWN: &[&str] = &[
    "affinity",
    "annotations",
    "args",
    "command",
    "env",
    "envFrom",
    "labels",
    "lifecycle",
    "livenessProbe",
    "managedFields",
    "ports",
    "readinessProbe",
    "resources",
    "securityContext",
    "startupProbe",
    "tolerations",
    "volumeMounts",
    "volumes",
];

/// The columns of pods.
pub fn columns() -> Vec<Column> {
    table::columns(COLUMNS)
}

/// A pod that ended says so in its row.
pub fn conditions(pod: &Value) -> Vec<Value> {
    let (phase, message) = match pod.text("/status/phase") {
        phase @ "Succeeded" => (phase, "The pod has completed successfully."),
        phase @ "Failed" => (phase, "The pod failed."),
        _ => return Vec::new(),
    };
    vec![json!({"type": "Completed", "status": "True", "reason": phase, "message": message})]
}

/// What the statuses of all containers say together.
#[derive(Default)]
struct Summary {
    reason: String,
    ready: usize,
    restarts: i64,
    /// The last end of a container that was restarted, RFC 3339.
    last: String,
    initializing: bool,
}

impl Summary {
    fn restarted(&mut self, status: &Value) {
        self.restarts += number(&status["restartCount"]);
        let end = text(&status["lastState"]["terminated"]["finishedAt"]);
        if end > self.last.as_str() {
            self.last = end.to_owned();
        }
    }
}

/// The cells of one pod.
pub fn cells(pod: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let sidecars: Vec<&str> = items(&spec["initContainers"])
        .iter()
        .filter(|one| one["restartPolicy"] == "Always")
        .map(|one| text(&one["name"]))
        .collect();
    let total = items(&spec["containers"]).len() + sidecars.len();
    let mut summary = Summary { reason: text(&status["phase"]).to_owned(), ..Summary::default() };
    if !text(&status["reason"]).is_empty() {
        summary.reason = text(&status["reason"]).to_owned();
    }
    let conditions = items(&status["conditions"]);
    if conditions.iter().any(|one| one["type"] == "PodScheduled" && one["reason"] == "SchedulingGated") {
        summary.reason = "SchedulingGated".to_owned();
    }
    init(&mut summary, pod, &sidecars);
    let initialized = conditions.iter().any(|one| one["type"] == "Initialized" && one["status"] == "True");
    if !summary.initializing || initialized {
        regular(&mut summary, pod);
    }
    if pod.is_deleting() {
        if status["reason"] == "NodeLost" {
            summary.reason = "Unknown".to_owned();
        } else if !matches!(text(&status["phase"]), "Failed" | "Succeeded") {
            summary.reason = "Terminating".to_owned();
        }
    }
    let restarts = match summary.restarts {
        0 => "0".to_owned(),
        count if summary.last.is_empty() => count.to_string(),
        count => format!("{count} ({} ago)", age::since(&summary.last, now)),
    };
    let address = items(&status["podIPs"]).first().map_or("", |first| text(&first["ip"]));
    let address = if address.is_empty() { text(&status["podIP"]) } else { address };
    vec![
        pod["metadata"]["name"].clone(),
        format!("{}/{total}", summary.ready).into(),
        summary.reason.into(),
        restarts.into(),
        table::age(pod, now),
        if address.is_empty() { "<none>".into() } else { address.into() },
        table::or(&spec["nodeName"], "<none>"),
        table::or(&status["nominatedNodeName"], "<none>"),
        gates(pod).into(),
    ]
}

/// Readiness gates that are open, of all.
fn gates(pod: &Value) -> String {
    let gates = items(&pod["spec"]["readinessGates"]);
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let open = gates
        .iter()
        .filter(|gate| {
            let mut same = pod.list("/status/conditions").iter().filter(|one| one["type"] == gate["conditionType"]);
            same.next().is_some_and(|one| one["status"] == "True")
        })
        .count();
    format!("{open}/{}", gates.len())
}

/// Init containers: the first that is not done gives the state.
fn init(summary: &mut Summary, pod: &Value, sidecars: &[&str]) {
    let total = items(&pod["spec"]["initContainers"]).len();
    let mut all = Summary::default();
    for (index, status) in pod.list("/status/initContainerStatuses").iter().enumerate() {
        all.restarted(status);
        let sidecar = sidecars.contains(&text(&status["name"]));
        if sidecar {
            summary.restarted(status);
        }
        let (ended, waiting) = (&status["state"]["terminated"], text(&status["state"]["waiting"]["reason"]));
        if summary.initializing {
            continue;
        }
        if !ended.is_null() && number(&ended["exitCode"]) == 0 {
            continue;
        }
        if sidecar && status["started"] == true {
            if status["ready"] == true {
                summary.ready += 1;
            }
            continue;
        }
        summary.reason = if !ended.is_null() {
            format!("Init:{}", end_reason(ended))
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{index}/{total}")
        };
        summary.initializing = true;
    }
    if summary.initializing {
        (summary.restarts, summary.last) = (all.restarts, all.last);
    }
}

fn end_reason(ended: &Value) -> String {
    match (text(&ended["reason"]), number(&ended["signal"])) {
        ("", 0) => format!("ExitCode:{}", number(&ended["exitCode"])),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

/// Regular containers: the first that waits or ended gives the state.
fn regular(summary: &mut Summary, pod: &Value) {
    if summary.initializing {
        (summary.restarts, summary.last) = (0, String::new());
    }
    let mut running = false;
    for status in pod.list("/status/containerStatuses").iter().rev() {
        summary.restarted(status);
        let state = &status["state"];
        let waiting = text(&state["waiting"]["reason"]);
        if !waiting.is_empty() {
            summary.reason = waiting.to_owned();
        } else if !state["terminated"].is_null() {
            summary.reason = end_reason(&state["terminated"]);
        } else if status["ready"] == true && !state["running"].is_null() {
            running = true;
            summary.ready += 1;
        }
    }
    if summary.reason == "Completed" && running {
        let ready = pod.list("/status/conditions").iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
        summary.reason = if ready { "Running" } else { "NotReady" }.to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(pod: &Value) -> String {
        let cells = cells(pod, Timestamp::UNIX_EPOCH);
        let shown: Vec<&str> = cells.iter().skip(1).take(3).map(text).collect();
        shown.join(" ")
    }

    #[test]
    fn the_first_init_container_that_is_not_done_gives_the_state() {
        let waiting = json!({"name": "b", "state": {"waiting": {"reason": "PodInitializing"}}});
        let done = json!({"name": "a", "state": {"terminated": {"exitCode": 0}}});
        let pod = json!({
            "spec": {"containers": [{"name": "c"}], "initContainers": [{"name": "a"}, {"name": "b"}]},
            "status": {"phase": "Pending", "initContainerStatuses": [done, waiting]},
        });
        assert_eq!(state(&pod), "0/1 Init:1/2 0");
    }

    #[test]
    fn a_signal_is_shown_where_no_reason_is_known() {
        let ended = json!({"name": "c", "restartCount": 2, "state": {"terminated": {"exitCode": 137, "signal": 9}}});
        let pod = json!({"spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Failed", "containerStatuses": [ended]}});
        assert_eq!(state(&pod), "0/1 Signal:9 2");
    }
}
