//! The node on an engine that keeps books only.

use serde_json::{Value, json};

use super::fake::Bed;
use super::lock;
use crate::schema::object::Object;

fn is_ready(pod: &Value) -> bool {
    pod.list("/status/conditions").iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

fn status(pod: &Value) -> Value {
    pod["status"]["containerStatuses"][0].clone()
}

const LEFT_BEHIND: &str = "failed to create task for container: failed to start shim: mkdir /run/moby/0f: file exists";

fn run(test: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(test());
}

#[test]
fn a_container_that_the_engine_cannot_start_any_more_is_made_anew() {
    run(async || {
        let bed = Bed::start(|_| {}).await;
        bed.pod("p", json!({})).await;
        bed.until_pod("p", is_ready).await;
        let old = bed.container("default.p.c").text("/Id").to_owned();
        {
            // As after a stop of the engine: it tried to start the container and could not.
            let mut books = lock(&bed.books);
            books.refusals.insert(old.clone(), LEFT_BEHIND.into());
            let one = books.containers.get_mut(&old).expect("the container");
            one["State"]["Status"] = "exited".into();
            one["State"]["ExitCode"] = 128.into();
            one["State"]["Error"] = LEFT_BEHIND.into();
        }
        bed.tell("default.p.c", "die");
        let up = bed.until_pod("p", |pod| is_ready(pod) && status(pod)["restartCount"] == 1).await;
        let id = bed.container("default.p.c").text("/Id").to_owned();
        assert_ne!(id, old);
        assert_eq!(status(&up)["containerID"], format!("docker://{id}"));
        assert!(status(&up).pointer("/lastState/terminated/exitCode").is_some());
        assert_eq!(bed.until_event("p", "Failed").await["message"], format!("Error: {LEFT_BEHIND}"));
    });
}

#[test]
fn a_container_that_never_ran_is_made_anew_without_a_restart() {
    run(async || {
        let bed = Bed::start(|_| {}).await;
        lock(&bed.books).refusals.insert(format!("{:064x}", 1), LEFT_BEHIND.into());
        bed.pod("p", json!({})).await;
        let waits = bed.until_pod("p", |pod| status(pod)["state"]["waiting"]["reason"] == "RunContainerError").await;
        assert_eq!(status(&waits)["state"]["waiting"]["message"], LEFT_BEHIND);
        bed.end_pause("p");
        let up = bed.until_pod("p", is_ready).await;
        assert_eq!(status(&up)["restartCount"], 0);
        assert_eq!(lock(&bed.books).containers.len(), 1);
    });
}

fn phase_and_reason(pod: &Value) -> (String, String) {
    (pod.text("/status/phase").to_owned(), pod.text("/status/reason").to_owned())
}

#[test]
fn a_pod_ends_when_its_time_is_over() {
    run(async || {
        let bed = Bed::start(|_| {}).await;
        bed.pod("p", json!({"activeDeadlineSeconds": 1})).await;
        bed.until_pod("p", is_ready).await;
        let over = bed.until_pod("p", |pod| pod["status"]["phase"] == "Failed").await;
        assert_eq!(over["status"]["reason"], "DeadlineExceeded");
        assert_eq!(over["status"]["message"], "Pod was active on the node longer than the specified deadline");
        let over = bed.until_pod("p", |pod| !status(pod)["state"]["terminated"].is_null()).await;
        assert_eq!(phase_and_reason(&over), ("Failed".into(), "DeadlineExceeded".into()));
        assert_eq!(bed.until_event("p", "DeadlineExceeded").await["type"], "Normal");
    });
}

#[test]
fn sidecars_end_with_the_containers_that_they_serve() {
    run(async || {
        let bed = Bed::start(|_| {}).await;
        let sidecar = json!([{"name": "side", "image": "app:1", "restartPolicy": "Always"}]);
        bed.pod("p", json!({"restartPolicy": "Never", "initContainers": sidecar})).await;
        bed.until_pod("p", is_ready).await;
        bed.end("default.p.c", 0);
        bed.until_pod("p", |pod| pod["status"]["phase"] == "Succeeded").await;
        let ended = |pod: &Value| !pod["status"]["initContainerStatuses"][0]["state"]["terminated"].is_null();
        let over = bed.until_pod("p", ended).await;
        assert_eq!(over["status"]["phase"], "Succeeded");
    });
}

#[test]
fn what_the_node_cannot_take_is_rejected() {
    run(async || {
        let bed = Bed::start(|settings| settings.unsafe_sysctls = vec!["kernel.msg*".into()]).await;
        let sysctls =
            |name: &str| json!({"nodeName": "n", "securityContext": {"sysctls": [{"name": name, "value": "1"}]}});
        bed.pod("unsafe", sysctls("kernel.sem")).await;
        let no = bed.until_pod("unsafe", |pod| pod["status"]["phase"] == "Failed").await;
        assert_eq!(no["status"]["reason"], "SysctlForbidden");
        assert_eq!(no["status"]["message"], "Pod was rejected: forbidden sysctl: \"kernel.sem\" not allowlisted");
        bed.pod("allowed", sysctls("kernel.msgmax")).await;
        bed.until_pod("allowed", is_ready).await;
        assert_eq!(bed.container("default.allowed.c")["HostConfig"]["Sysctls"]["kernel.msgmax"], "1");
        let greedy = json!([{"name": "c", "image": "app:1", "resources": {"requests": {"cpu": "9999"}}}]);
        bed.pod("greedy", json!({"nodeName": "n", "containers": greedy})).await;
        let no = bed.until_pod("greedy", |pod| pod["status"]["phase"] == "Failed").await;
        assert_eq!(no["status"]["reason"], "OutOfcpu");
        assert_eq!(lock(&bed.books).containers.len(), 1);
    });
}

#[test]
fn pods_of_lower_priority_make_room() {
    run(async || {
        let bed = Bed::start(|_| {}).await;
        let class = json!({"metadata": {"name": "high"}, "value": 1000});
        bed.create("scheduling.k8s.io", "priorityclasses", class).await;
        let node = bed.until("nodes", "", "n", |_| true).await;
        let all = node.text("/status/allocatable/cpu").to_owned();
        let wants = json!([{"name": "c", "image": "app:1", "resources": {"requests": {"cpu": all}}}]);
        bed.pod("low", json!({"containers": wants, "terminationGracePeriodSeconds": 1})).await;
        bed.until_pod("low", is_ready).await;
        bed.pod("same", json!({"containers": wants})).await;
        let told = bed.until_event("same", "FailedScheduling").await;
        assert_eq!(
            told["message"],
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption \
             victims found for incoming pod."
        );
        bed.pod("high", json!({"containers": wants, "priorityClassName": "high"})).await;
        let up = bed.until_pod("high", is_ready).await;
        assert!(up["status"].get("nominatedNodeName").is_none());
        let told = bed.until_event("low", "Preempted").await;
        assert_eq!(told["message"], format!("Preempted by pod {} on node n", up.uid()));
        bed.until_pod("low", Value::is_null).await;
    });
}

#[test]
fn a_device_is_given_to_one_pod_at_a_time() {
    run(async || {
        let device = crate::config::Device::parse("a.b/null=/dev/null:/dev/mine").expect("a device");
        let bed = Bed::start(|settings| settings.devices = vec![device]).await;
        let node = bed.until("nodes", "", "n", |_| true).await;
        assert_eq!(node["status"]["allocatable"]["a.b/null"], "1");
        let wants = json!([{"name": "c", "image": "app:1", "resources": {"limits": {"a.b/null": "1"}}}]);
        bed.pod("one", json!({"containers": wants})).await;
        bed.until_pod("one", is_ready).await;
        let given = &bed.container("default.one.c")["HostConfig"]["Devices"][0];
        assert_eq!((&given["PathOnHost"], &given["PathInContainer"]), (&json!("/dev/null"), &json!("/dev/mine")));
        bed.pod("two", json!({"containers": wants})).await;
        let told = bed.until_event("two", "FailedScheduling").await;
        assert!(told.text("/message").starts_with("0/1 nodes are available: 1 Insufficient a.b/null."), "{told}");
    });
}

#[test]
fn a_container_removed_while_nobody_looked_means_a_delete() {
    run(async || {
        let mut bed = Bed::start(|_| {}).await;
        bed.pod("gone", json!({})).await;
        bed.pod("stays", json!({})).await;
        bed.until_pod("gone", is_ready).await;
        bed.until_pod("stays", is_ready).await;
        bed.stop();
        let id = bed.container("default.gone.c").text("/Id").to_owned();
        lock(&bed.books).containers.remove(&id);
        bed.start_again();
        bed.until_pod("gone", Value::is_null).await;
        bed.until_pod("stays", is_ready).await;
        // An engine without its data is another one: what ran is made again.
        bed.stop();
        {
            let mut books = lock(&bed.books);
            books.containers.clear();
            books.network = "another".into();
        }
        bed.start_again();
        bed.until_pod("stays", |pod| is_ready(pod) && !bed.container("default.stays.c").is_null()).await;
    });
}

#[test]
fn limits_change_in_place() {
    run(async || {
        let bed = Bed::start(|_| {}).await;
        let wants =
            json!([{"name": "c", "image": "app:1", "resources": {"limits": {"cpu": "100m", "memory": "64Mi"}}}]);
        bed.pod("p", json!({"containers": wants})).await;
        bed.until_pod("p", is_ready).await;
        let set = |cpu: &'static str| {
            move |pod: &mut Value| {
                for part in ["limits", "requests"] {
                    pod["spec"]["containers"][0]["resources"][part]["cpu"] = cpu.into();
                }
            }
        };
        let id = bed.container("default.p.c")["Id"].clone();
        bed.change("resize", "p", set("200m")).await;
        bed.until_pod("p", |pod| status(pod)["resources"]["limits"]["cpu"] == "200m").await;
        let container = bed.container("default.p.c");
        assert_eq!((container["HostConfig"]["CpuQuota"].as_i64(), &container["Id"]), (Some(20_000), &id));
        bed.change("resize", "p", set("9999")).await;
        let pending =
            |pod: &Value| pod.list("/status/conditions").iter().find(|one| one["type"] == "PodResizePending").cloned();
        let told = bed.until_pod("p", |pod| pending(pod).is_some()).await;
        assert_eq!(pending(&told).map(|one| one["reason"].clone()), Some("Infeasible".into()));
        assert_eq!(status(&told)["resources"]["limits"]["cpu"], "200m", "what is in force");
        bed.change("resize", "p", set("300m")).await;
        bed.until_pod("p", |pod| pending(pod).is_none() && status(pod)["resources"]["limits"]["cpu"] == "300m").await;
    });
}

#[test]
fn pods_of_an_engine_that_went_away_are_not_ready() {
    run(async || {
        let mut bed = Bed::start(|_| {}).await;
        bed.pod("p", json!({})).await;
        bed.until_pod("p", is_ready).await;
        bed.stop_engine();
        let down = bed.until_pod("p", |pod| !is_ready(pod)).await;
        assert_eq!(down["status"]["phase"], "Running");
    });
}
