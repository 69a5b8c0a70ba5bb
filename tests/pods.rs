//! The node against a real Docker. `K2D_TEST_DOCKER` names its socket (`unix:///…`), as `make test` sets it; where
//! it is not named, a test says that it is skipped. Each test has an instance, a network and a store of its own.

#[path = "pods/bed.rs"]
mod bed;

use serde_json::{Value, json};

use bed::{Bed, with_bed};

fn pod(name: &str, spec: Value) -> Value {
    let mut object = json!({
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"terminationGracePeriodSeconds": 1, "automountServiceAccountToken": false},
    });
    if let (Some(into), Some(from)) = (object["spec"].as_object_mut(), spec.as_object()) {
        into.extend(from.clone());
    }
    object
}

fn shell(name: &str, script: &str) -> Value {
    json!({"name": name, "image": "busybox:1.37", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]})
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions.is_some_and(|list| list.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}

#[test]
fn a_pod_runs_and_goes() {
    with_bed(1, async |bed: &mut Bed| {
        bed.start();
        let script = "echo hello $GREETING $KUBERNETES_SERVICE_HOST; sleep 1000";
        let mut container = shell("main", script);
        container["env"] = json!([{"name": "GREETING", "value": "world"}]);
        bed.create("pods", pod("one", json!({"containers": [container]}))).await;
        let up = bed.until("one", is_ready).await;
        assert_eq!(up["status"]["phase"], "Running");
        assert_eq!(up["spec"]["nodeName"], "test-node");
        let address = up["status"]["podIP"].as_str().expect("an address").to_owned();
        assert!(address.starts_with("10.77."), "{address}");
        let found = bed.containers().await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name(), "default.one.main");
        let endpoint = &found[0].networks[bed.instance()];
        assert_eq!(endpoint.ipv4.map(|ip| ip.to_string()).as_deref(), Some(address.as_str()));
        assert_eq!(bed.log("one", "main").await, "hello world 10.43.0.1\n");
        let reasons = bed.event_reasons("one").await;
        for reason in ["Scheduled", "Pulled", "Created", "Started"] {
            assert!(reasons.iter().any(|one| one == reason), "{reason} in {reasons:?}");
        }
        bed.delete("one").await;
        bed.until_gone("one").await;
        assert!(bed.containers().await.is_empty());
        assert!(bed.volume_folders().is_empty());
    });
}

#[test]
fn a_restart_doubles_nothing() {
    with_bed(2, async |bed: &mut Bed| {
        bed.start();
        bed.create("pods", pod("one", json!({"containers": [shell("main", "sleep 1000")]}))).await;
        bed.create("pods", pod("two", json!({"containers": [shell("a", "sleep 1000"), shell("b", "sleep 1000")]})))
            .await;
        bed.until("one", is_ready).await;
        bed.until("two", is_ready).await;
        let before = bed.ids().await;
        assert_eq!(before.len(), 4, "one, and two with the holder of their network");
        bed.stop();
        bed.start();
        // Statuses are in memory: they come back from the engine.
        bed.until("one", is_ready).await;
        bed.until("two", is_ready).await;
        assert_eq!(bed.ids().await, before);
        bed.stop();
        bed.lose_store().await;
        bed.start();
        bed.until_node_ready().await;
        assert_eq!(bed.ids().await, before, "workloads of a lost store go on");
        bed.create("pods", pod("one", json!({"containers": [shell("main", "sleep 1000")]}))).await;
        bed.until("one", is_ready).await;
        let names: Vec<String> = bed.containers().await.iter().map(|one| one.name().to_owned()).collect();
        assert_eq!(names.iter().filter(|name| *name == "default.one.main").count(), 1);
        assert_eq!(names.len(), 4);
    });
}

#[test]
fn crashes_are_counted_and_ends_are_told() {
    with_bed(3, async |bed: &mut Bed| {
        bed.start();
        bed.create(
            "pods",
            pod("crash", json!({"containers": [shell("main", "echo gone > /dev/termination-log; exit 3")]})),
        )
        .await;
        let status = |pod: &Value| pod["status"]["containerStatuses"][0].clone();
        let up = bed.until("crash", |pod| status(pod)["restartCount"].as_u64() >= Some(3)).await;
        let last = &status(&up)["lastState"]["terminated"];
        assert_eq!((last["exitCode"].as_i64(), last["reason"].as_str()), (Some(3), Some("Error")));
        assert_eq!(up["status"]["phase"], "Running");
        bed.until("crash", |pod| status(pod)["state"]["waiting"]["reason"] == "CrashLoopBackOff").await;
        let mut talks = shell("main", "echo because; exit 1");
        talks["terminationMessagePolicy"] = "FallbackToLogsOnError".into();
        bed.create("pods", pod("talks", json!({"restartPolicy": "Never", "containers": [talks]}))).await;
        let failed = bed.until("talks", |pod| pod["status"]["phase"] == "Failed").await;
        assert_eq!(status(&failed)["state"]["terminated"]["message"], "because\n");
        assert_eq!(last["message"], "gone\n");
        bed.create("pods", pod("once", json!({"restartPolicy": "Never", "containers": [shell("main", "exit 0")]})))
            .await;
        let done = bed.until("once", |pod| pod["status"]["phase"] == "Succeeded").await;
        assert_eq!(status(&done)["state"]["terminated"]["reason"], "Completed");
        let bad = json!({"name": "main", "image": "k2d.test.invalid/none:1"});
        bed.create("pods", pod("bad", json!({"containers": [bad]}))).await;
        let waits = |pod: &Value| status(pod)["state"]["waiting"]["reason"].as_str().unwrap_or_default().to_owned();
        bed.until("bad", |pod| matches!(waits(pod).as_str(), "ErrImagePull" | "ImagePullBackOff")).await;
        bed.delete("bad").await;
        bed.until_gone("bad").await;
    });
}

#[test]
fn files_follow_their_objects() {
    with_bed(4, async |bed: &mut Bed| {
        bed.start();
        bed.create("configmaps", json!({"metadata": {"name": "c", "namespace": "default"}, "data": {"key": "1"}}))
            .await;
        let mut container = shell("main", "sleep 1000");
        container["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}, {"name": "t", "mountPath": "/t"}]);
        let volumes = json!([
            {"name": "v", "configMap": {"name": "c"}},
            {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        ]);
        bed.create("pods", pod("files", json!({"containers": [container], "volumes": volumes}))).await;
        bed.until("files", is_ready).await;
        assert_eq!(bed.exec("files", &["cat", "/v/key"]).await, (0, "1".to_owned()));
        assert_eq!(bed.exec("files", &["cat", "/t/token"]).await.1.split('.').count(), 3);
        assert_ne!(bed.exec("files", &["sh", "-c", "echo x > /v/key"]).await.0, 0, "not writable");
        bed.change("configmaps", "c", |object| object["data"]["key"] = "2".into()).await;
        bed.until_exec("files", &["cat", "/v/key"], "2").await;
        bed.delete("files").await;
        bed.until_gone("files").await;
        assert!(bed.volume_folders().is_empty());
    });
}

#[test]
fn init_containers_come_first_and_all_share_the_network() {
    with_bed(5, async |bed: &mut Bed| {
        bed.start();
        let mut init = shell("init", "echo made > /d/file");
        let mut web = shell("web", "cd /d && httpd -f -p 8080");
        let mut probe = shell("client", "sleep 1000");
        for container in [&mut init, &mut web, &mut probe] {
            container["volumeMounts"] = json!([{"name": "d", "mountPath": "/d"}]);
        }
        web["readinessProbe"] = json!({"httpGet": {"path": "/file", "port": 8080}, "periodSeconds": 1});
        let spec = json!({
            "initContainers": [init], "containers": [web, probe], "volumes": [{"name": "d", "emptyDir": {}}],
        });
        bed.create("pods", pod("many", spec)).await;
        let up = bed.until("many", is_ready).await;
        assert_eq!(up["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"], 0);
        let got = bed.exec_in("many", "client", &["wget", "-qO-", "http://127.0.0.1:8080/file"]).await;
        assert_eq!(got, (0, "made\n".to_owned()));
        bed.delete("many").await;
        bed.until_gone("many").await;
        assert!(bed.containers().await.is_empty());
    });
}

#[test]
fn what_people_do_with_docker_is_respected() {
    with_bed(6, async |bed: &mut Bed| {
        bed.start();
        bed.create("pods", pod("one", json!({"containers": [shell("main", "sleep 1000")]}))).await;
        bed.until("one", is_ready).await;
        let id = bed.ids().await.remove(0);
        bed.engine.stop_container(&id, None, Some(std::time::Duration::ZERO)).await.expect("stopped");
        let state = |pod: &Value| pod["status"]["containerStatuses"][0]["state"].clone();
        bed.until("one", |pod| state(pod)["terminated"]["exitCode"] == 137).await;
        bed.stop();
        bed.start();
        bed.until("one", |pod| state(pod)["terminated"]["exitCode"] == 137).await;
        bed.engine.start_container(&id).await.expect("started");
        bed.until("one", is_ready).await;
        bed.engine
            .remove_container(&id, k2d::engine::RemoveOptions { force: true, volumes: true })
            .await
            .expect("removed");
        bed.until_gone("one").await;
        assert!(bed.containers().await.is_empty());
    });
}

#[test]
fn a_container_that_is_not_alive_is_started_again() {
    with_bed(7, async |bed: &mut Bed| {
        bed.start();
        let mut container = shell("main", "touch /tmp/ok; sleep 2; rm /tmp/ok; sleep 1000");
        container["livenessProbe"] = json!({"exec": {"command": ["cat", "/tmp/ok"]}, "periodSeconds": 1, "failureThreshold": 1, "initialDelaySeconds": 1});
        bed.create("pods", pod("alive", json!({"containers": [container]}))).await;
        let status = |pod: &Value| pod["status"]["containerStatuses"][0].clone();
        let again = |pod: &Value| status(pod)["restartCount"].as_u64() >= Some(1) && status(pod)["ready"] == true;
        let up = bed.until("alive", again).await;
        assert_eq!(status(&up)["lastState"]["terminated"]["exitCode"], 137);
        let reasons = bed.event_reasons("alive").await;
        assert!(
            reasons.iter().any(|one| one == "Unhealthy") && reasons.iter().any(|one| one == "Killing"),
            "{reasons:?}"
        );
        bed.delete("alive").await;
        bed.until_gone("alive").await;
        assert!(bed.containers().await.is_empty());
    });
}

#[test]
fn what_the_engine_left_behind_keeps_no_container_down() {
    with_bed(9, async |bed: &mut Bed| {
        let Some(bundles) = bed.bundles() else {
            eprintln!("skipped: the folder of the engine's own containerd is not known");
            return;
        };
        bed.start();
        bed.create("pods", pod("one", json!({"containers": [shell("main", "sleep 1000")]}))).await;
        bed.until("one", is_ready).await;
        let id = bed.ids().await.remove(0);
        bed.engine.stop_container(&id, None, Some(std::time::Duration::ZERO)).await.expect("stopped");
        bed.until("one", |pod| !is_ready(pod)).await;
        bed.stop();
        std::fs::create_dir(bundles.join(&id)).expect("left behind");
        bed.engine.start_container(&id).await.expect_err("it cannot be started");
        bed.start();
        let up = bed.until("one", is_ready).await;
        let status = &up["status"]["containerStatuses"][0];
        assert_eq!(status["restartCount"], 1);
        assert_ne!(status["containerID"], format!("docker://{id}"));
        assert!(status.pointer("/lastState/terminated").is_some(), "{status:#}");
        std::fs::remove_dir(bundles.join(&id)).expect("removed");
    });
}

#[test]
fn a_container_starts_with_its_memory_or_not_at_all() {
    with_bed(10, async |bed: &mut Bed| {
        bed.start();
        let mut container = shell("main", "sleep 1000");
        container["volumeMounts"] = json!([{"name": "m", "mountPath": "/m"}]);
        let volumes = json!([{"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]);
        bed.create("pods", pod("one", json!({"containers": [container], "volumes": volumes}))).await;
        let up = bed.until("one", is_ready).await;
        let kind = "grep ' /m ' /proc/mounts | cut -d' ' -f3";
        assert_eq!(bed.exec("one", &["sh", "-c", kind]).await, (0, "tmpfs\n".to_owned()));
        assert_ne!(
            bed.exec("one", &["dd", "if=/dev/zero", "of=/m/x", "bs=1M", "count=2"]).await.0,
            0,
            "it has a limit"
        );
        // As a start of the machine leaves it: the memory is gone, and the engine comes before k2d.
        let id = bed.ids().await.remove(0);
        bed.stop();
        bed.engine.stop_container(&id, None, Some(std::time::Duration::ZERO)).await.expect("stopped");
        let folder = bed.folder().join("volumes").join(up["metadata"]["uid"].as_str().expect("a uid")).join("m");
        rustix::mount::unmount(&folder, rustix::mount::UnmountFlags::DETACH).expect("unmounted");
        bed.engine.start_container(&id).await.expect_err("not on the disk instead");
        bed.start();
        // What an engine could not start by itself k2d starts; what people stopped they start.
        let mounted = async { while bed.engine.start_container(&id).await.is_err() {} };
        tokio::time::timeout(std::time::Duration::from_secs(30), mounted).await.expect("mounted again");
        assert_eq!(bed.exec("one", &["sh", "-c", kind]).await, (0, "tmpfs\n".to_owned()));
    });
}

#[test]
fn a_pod_that_takes_too_much_disk_is_evicted() {
    with_bed(11, async |bed: &mut Bed| {
        bed.start();
        let mut container = shell("main", "dd if=/dev/zero of=/d/x bs=1M count=3; sleep 1000");
        container["volumeMounts"] = json!([{"name": "d", "mountPath": "/d"}]);
        let volumes = json!([{"name": "d", "emptyDir": {"sizeLimit": "1Mi"}}]);
        bed.create("pods", pod("big", json!({"containers": [container], "volumes": volumes}))).await;
        let over = bed.until("big", |pod| pod["status"]["phase"] == "Failed").await;
        assert_eq!(over["status"]["reason"], "Evicted");
        assert_eq!(over["status"]["message"], "Usage of EmptyDir volume \"d\" exceeds the limit \"1Mi\". ");
        let ended = |pod: &Value| !pod["status"]["containerStatuses"][0]["state"]["terminated"].is_null();
        let over = bed.until("big", ended).await;
        assert_eq!(over["status"]["phase"], "Failed");
        let conditions = over["status"]["conditions"].as_array().expect("conditions");
        assert!(conditions.iter().any(|one| one["type"] == "DisruptionTarget" && one["status"] == "True"));
        assert!(bed.event_reasons("big").await.iter().any(|one| one == "Evicted"));
    });
}

#[test]
fn limits_change_in_a_container_that_runs() {
    with_bed(12, async |bed: &mut Bed| {
        bed.start();
        let mut container = shell("main", "sleep 1000");
        container["resources"] = json!({"limits": {"cpu": "100m", "memory": "32Mi"}, "requests": {"cpu": "50m"}});
        bed.create("pods", pod("one", json!({"containers": [container]}))).await;
        bed.until("one", is_ready).await;
        let before = bed.ids().await;
        bed.change_by("resize", "one", |pod| {
            let resources = &mut pod["spec"]["containers"][0]["resources"];
            resources["limits"] = json!({"cpu": "200m", "memory": "64Mi"});
        })
        .await;
        let shown = |pod: &Value| pod["status"]["containerStatuses"][0]["resources"]["limits"].clone();
        bed.until("one", |pod| shown(pod) == json!({"cpu": "200m", "memory": "64Mi"})).await;
        assert_eq!(bed.ids().await, before, "the same container");
        let memory = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null";
        assert_eq!(bed.exec("one", &["sh", "-c", memory]).await.1, "67108864\n");
    });
}

#[test]
fn what_protects_arrives_in_the_container() {
    with_bed(13, async |bed: &mut Bed| {
        bed.start();
        let mut container = shell("main", "sleep 1000");
        container["securityContext"] = json!({"runAsUser": 1000, "runAsGroup": 1001, "readOnlyRootFilesystem": true,
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
        container["volumeMounts"] = json!([{"name": "e", "mountPath": "/e"}]);
        let context = json!({"fsGroup": 1234, "supplementalGroups": [77],
            "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "80"}]});
        let spec = json!({"containers": [container], "securityContext": context,
            "volumes": [{"name": "e", "emptyDir": {}}]});
        bed.create("pods", pod("safe", spec)).await;
        bed.until("safe", is_ready).await;
        let script = "id -u; id -g; id -G; touch /x 2>/dev/null || echo read-only; stat -c %g /e; \
            grep -E 'NoNewPrivs|CapEff|Seccomp:' /proc/self/status | tr -s '\t' ' '; \
            cat /proc/sys/net/ipv4/ip_unprivileged_port_start";
        let (_, said) = bed.exec("safe", &["sh", "-c", script]).await;
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[..2], ["1000", "1001"]);
        assert!(["77", "1234"].iter().all(|group| lines[2].split(' ').any(|one| one == *group)), "{said}");
        assert_eq!(lines[3..5], ["read-only", "1234"]);
        assert_eq!(lines[5..], ["CapEff: 0000000000000000", "NoNewPrivs: 1", "Seccomp: 2", "80"]);
    });
}

#[test]
fn a_device_arrives_in_the_container_that_asks_for_it() {
    with_bed(14, async |bed: &mut Bed| {
        bed.devices = vec![k2d::config::Device::parse("k2d.io/serial=/dev/zero:/dev/ttyS9").expect("a device")];
        bed.start();
        bed.until_node_ready().await;
        let mut container = shell("main", "sleep 1000");
        container["resources"] = json!({"limits": {"k2d.io/serial": "1"}});
        bed.create("pods", pod("one", json!({"containers": [container]}))).await;
        bed.until("one", is_ready).await;
        assert_eq!(bed.exec("one", &["sh", "-c", "head -c 3 /dev/ttyS9 | wc -c"]).await, (0, "3\n".to_owned()));
        let other = shell("main", "sleep 1000");
        bed.create("pods", pod("two", json!({"containers": [other]}))).await;
        bed.until("two", is_ready).await;
        assert_ne!(bed.exec("two", &["test", "-e", "/dev/ttyS9"]).await.0, 0);
    });
}

#[test]
fn containers_of_others_are_shown_and_not_touched() {
    with_bed(8, async |bed: &mut Bed| {
        bed.start();
        bed.until_node_ready().await;
        let spec = k2d::engine::ContainerSpec {
            name: "Pods_Test.foreign".into(),
            image: "busybox:1.37".into(),
            entrypoint: Some(["sh", "-c", "echo mine; sleep 1000"].map(str::to_owned).to_vec()),
            ..k2d::engine::ContainerSpec::default()
        };
        let id = bed.engine.create_container(&spec).await.expect("made");
        bed.engine.start_container(&id).await.expect("started");
        bed.namespace = "docker8".into();
        let name = "pods-test-foreign";
        let up = bed.until(name, is_ready).await;
        assert_eq!(up["spec"]["containers"][0]["image"], "busybox:1.37");
        assert_eq!(bed.log(name, "").await, "mine\n");
        assert_eq!(bed.exec(name, &["echo", "hi"]).await, (0, "hi\n".to_owned()));
        bed.stop();
        bed.start();
        bed.until(name, is_ready).await;
        bed.delete(name).await;
        bed.until_gone(name).await;
        assert!(bed.engine.inspect_container(&id).await.is_err(), "it was deleted");
    });
}
