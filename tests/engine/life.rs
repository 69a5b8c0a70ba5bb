//! Containers from their making to their end.

use std::time::{Duration, Instant};

use k2d::engine::{
    ContainerState, EngineKind, Error, Filter, PublishedPort, RemoveOptions, Resources, RestartPolicy, Ulimit, Update,
};

use crate::bed::{Bed, free_port, until};

pub async fn a_container_lives_and_ends(bed: &Bed) {
    let id = bed.engine.create_container(&bed.script("a", "exit 3")).await.unwrap();
    let made = bed.engine.inspect_container(&id).await.unwrap();
    assert_eq!(made.state.state, ContainerState::Created);
    assert_eq!((made.state.started_at, made.state.finished_at), (None, None));
    assert_eq!(made.name, bed.named("a"));
    bed.engine.start_container(&id).await.unwrap();
    assert_eq!(bed.engine.wait_container(&id).await.unwrap().exit_code, 3);
    let ended = bed.engine.inspect_container(&bed.named("a")).await.unwrap();
    assert_eq!((ended.state.state, ended.state.exit_code), (ContainerState::Exited, 3));
    assert!(ended.state.started_at.unwrap() <= ended.state.finished_at.unwrap());
    assert_eq!(ended.image_id, bed.engine.inspect_image(&crate::bed::image().to_string()).await.unwrap().id);
    bed.engine.remove_container(&id, RemoveOptions::default()).await.unwrap();
    let gone = bed.engine.inspect_container(&id).await;
    assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
    let gone = bed.engine.remove_container(&id, RemoveOptions::default()).await;
    assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
}

pub async fn a_stop_waits_then_kills(bed: &Bed) {
    let good = bed.start(&bed.idle("good")).await;
    bed.ready(&good).await;
    bed.engine.start_container(&good).await.unwrap();
    let running = bed.engine.remove_container(&good, RemoveOptions::default()).await;
    assert!(matches!(running, Err(Error::Conflict(_))), "{running:?}");
    bed.engine.stop_container(&good, None, Some(Duration::from_secs(20))).await.unwrap();
    assert_eq!(bed.engine.inspect_container(&good).await.unwrap().state.exit_code, 0);
    bed.engine.stop_container(&good, None, Some(Duration::from_secs(20))).await.unwrap();

    let deaf = bed.start(&bed.script("deaf", "trap '' TERM; touch /tmp/ready; while :; do sleep 0.1; done")).await;
    bed.ready(&deaf).await;
    let since = Instant::now();
    bed.engine.stop_container(&deaf, None, Some(Duration::from_millis(700))).await.unwrap();
    assert!(since.elapsed() >= Duration::from_millis(700));
    assert_eq!(bed.engine.inspect_container(&deaf).await.unwrap().state.exit_code, 137);
    let dead = bed.engine.kill_container(&deaf, "SIGKILL").await;
    assert!(matches!(dead, Err(Error::Conflict(_))), "{dead:?}");
}

pub async fn a_signal_of_ones_own(bed: &Bed) {
    let mut spec = bed.script("a", "trap 'exit 7' USR1; touch /tmp/ready; while :; do sleep 0.1; done");
    spec.restart = RestartPolicy::Always;
    let id = bed.start(&spec).await;
    bed.ready(&id).await;
    bed.engine.stop_container(&id, Some("SIGUSR1"), Some(Duration::from_secs(20))).await.unwrap();
    let state = bed.engine.inspect_container(&id).await.unwrap().state;
    assert_eq!((state.state, state.exit_code), (ContainerState::Exited, 7));
}

pub async fn names_are_unique(bed: &Bed) {
    let first = bed.engine.create_container(&bed.idle("a")).await.unwrap();
    match bed.engine.create_container(&bed.idle("a")).await {
        Err(Error::NameTaken { holder, .. }) => assert_eq!(holder, Some(first)),
        other => panic!("{other:?}"),
    }
}

pub async fn a_rename_keeps_the_container(bed: &Bed) {
    let id = bed.start(&bed.idle("a")).await;
    bed.engine.rename_container(&id, &bed.named("b")).await.unwrap();
    let found = bed.engine.inspect_container(&bed.named("b")).await.unwrap();
    assert_eq!((found.id.as_str(), found.state.state), (id.as_str(), ContainerState::Running));
    bed.engine.create_container(&bed.idle("c")).await.unwrap();
    let taken = bed.engine.rename_container(&id, &bed.named("c")).await;
    assert!(matches!(taken, Err(Error::NameTaken { .. })), "{taken:?}");
}

pub async fn a_taken_port_is_told(bed: &Bed) {
    let port = free_port();
    let publish = |part| {
        let mut spec = bed.idle(part);
        spec.ports.push(PublishedPort { host_port: port, container_port: 80, ..published() });
        spec
    };
    let first = bed.start(&publish("a")).await;
    let detail = bed.engine.inspect_container(&first).await.unwrap();
    assert!(detail.ports.iter().any(|p| p.container_port == 80 && p.host_port == Some(port)), "{:?}", detail.ports);
    let listed = bed.engine.containers(&bed.own()).await.unwrap();
    assert!(listed[0].ports.iter().any(|p| p.host_port == Some(port)), "{:?}", listed[0].ports);
    let second = bed.engine.create_container(&publish("b")).await.unwrap();
    match bed.engine.start_container(&second).await {
        Err(Error::PortInUse { port: told, .. }) => assert_eq!(told, Some(port)),
        other => panic!("{other:?}"),
    }
    assert_eq!(bed.engine.inspect_container(&first).await.unwrap().state.state, ContainerState::Running);
}

fn published() -> PublishedPort {
    PublishedPort { host_ip: None, host_port: 0, container_port: 0, protocol: k2d::engine::Protocol::Tcp }
}

pub async fn a_missing_program_is_told(bed: &Bed) {
    let mut spec = bed.idle("a");
    spec.entrypoint = Some(vec!["/no/such/program".into()]);
    let id = bed.engine.create_container(&spec).await.unwrap();
    match bed.engine.start_container(&id).await {
        Err(Error::CannotRun { exit_code, .. }) => assert_eq!(exit_code, 127),
        other => panic!("{other:?}"),
    }
}

pub async fn limits_change_while_it_runs(bed: &Bed) {
    let mut spec = bed.idle("a");
    spec.resources = Resources {
        cpu_quota: Some(50_000),
        cpu_period: Some(100_000),
        memory: Some(64 << 20),
        memory_swap: Some(64 << 20),
        pids_limit: Some(100),
        ..Resources::default()
    };
    let id = bed.start(&spec).await;
    let before = bed.engine.inspect_container(&id).await.unwrap();
    assert_eq!(before.host.resources.memory, Some(64 << 20));
    assert_eq!(before.host.resources.cpu_quota, Some(50_000));
    let resources = Resources {
        memory: Some(96 << 20),
        memory_swap: Some(96 << 20),
        cpu_quota: Some(70_000),
        ..Resources::default()
    };
    bed.engine.update_container(&id, &Update { resources, restart: None }).await.unwrap();
    let limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null";
    assert_eq!(bed.sh(&id, limit).await.1.trim(), (96 << 20).to_string());
    let after = bed.engine.inspect_container(&id).await.unwrap();
    assert_eq!(after.state.started_at, before.state.started_at, "it was not restarted");
    let policy = Update { restart: Some(RestartPolicy::Always), ..Update::default() };
    let changed = bed.engine.update_container(&id, &policy).await;
    let old_podman = bed.kind == EngineKind::Podman && bed.engine.version().await.unwrap().version.starts_with("4.");
    let host = bed.engine.inspect_container(&id).await.unwrap().host;
    if old_podman {
        assert!(matches!(changed, Err(Error::Unsupported(_))), "{changed:?}");
        assert_eq!(host.restart, RestartPolicy::No);
    } else {
        changed.unwrap();
        assert_eq!(host.restart, RestartPolicy::Always);
        assert_eq!(host.resources.memory, Some(96 << 20));
        assert_eq!(host.resources.pids_limit, Some(100), "what was not named stays");
    }
}

pub async fn the_restart_policy_counts(bed: &Bed) {
    let mut spec = bed.script("a", "exit 5");
    spec.restart = RestartPolicy::OnFailure { max_retries: 2 };
    let id = bed.start(&spec).await;
    until("it was restarted twice", async || {
        let detail = bed.engine.inspect_container(&id).await.unwrap();
        detail.restart_count == 2 && detail.state.state == ContainerState::Exited
    })
    .await;
    assert_eq!(bed.engine.inspect_container(&id).await.unwrap().host.restart, spec.restart);
}

pub async fn what_was_asked_for_arrives(bed: &Bed) {
    let mut spec = bed.script("a", "while :; do sleep 0.1; done");
    spec.env = vec![("A".into(), "1 2".into()), ("EMPTY".into(), String::new())];
    spec.working_dir = Some("/tmp".into());
    spec.user = Some("1000:2000".into());
    spec.hostname = Some("some-host".into());
    spec.extra_hosts = vec![("other".into(), [10, 1, 2, 3].into())];
    spec.dns.servers = vec!["10.9.8.7".into()];
    spec.dns.searches = vec!["a.b".into()];
    spec.dns.options = vec!["ndots:5".into()];
    spec.security.cap_drop = vec!["ALL".into()];
    spec.security.read_only_root = true;
    spec.security.no_new_privileges = true;
    spec.security.groups = vec!["3000".into()];
    spec.oom_score_adj = Some(900);
    spec.stop_signal = Some("SIGINT".into());
    spec.stop_timeout = Some(Duration::from_secs(4));
    spec.sysctls = [("net.ipv4.ip_unprivileged_port_start".to_owned(), "99".to_owned())].into();
    // The second, since this machine may not allow the limit that Podman sets where none is named.
    let limit = |name: &str, soft, hard| Ulimit { name: name.into(), soft, hard };
    spec.ulimits = vec![limit("nofile", 512, 1024), limit("nproc", 2048, 4096)];
    spec.shm_size = Some(8 << 20);
    let id = bed.start(&spec).await;
    let facts = "pwd; echo $A.$EMPTY.; hostname; cat /etc/hosts /etc/resolv.conf /proc/1/oom_score_adj \
        /proc/1/status /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/1/limits; touch /bin/x 2>&1";
    let (_, out) = bed.sh(&id, facts).await;
    for fact in [
        "Uid:\t1000\t",
        "Gid:\t2000\t",
        "Groups:\t2000 3000",
        "/tmp\n",
        "1 2..\n",
        "some-host\n",
        "10.1.2.3\tother",
        "nameserver 10.9.8.7",
        "search a.b",
        "ndots:5",
        "\n900\n",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "\n99\n",
        "Read-only file system",
    ] {
        assert!(out.contains(fact), "{fact:?} is not in {out}");
    }
    assert!(
        out.lines().any(|l| l.starts_with("Max open files") && l.contains(" 512 ") && l.contains(" 1024 ")),
        "{out}"
    );
    let detail = bed.engine.inspect_container(&id).await.unwrap();
    assert_eq!(detail.config.stop_timeout, Some(4));
    assert_eq!(detail.config.user, "1000:2000");
    assert_eq!(detail.host.oom_score_adj, 900);
    assert!(detail.host.read_only_root);
    assert!(detail.config.env.contains(&"A=1 2".to_owned()), "{:?}", detail.config.env);
    assert_eq!(detail.config.labels.get("k2d.test/engine"), Some(&bed.name));
}

pub async fn lists_choose_by_label(bed: &Bed) {
    let mut one = bed.idle("one");
    one.labels.insert("colour".into(), "red, green=blue".into());
    bed.start(&one).await;
    bed.engine.create_container(&bed.idle("two")).await.unwrap();
    let all = bed.engine.containers(&bed.own()).await.unwrap();
    let mut names: Vec<&str> = all.iter().map(|c| c.name()).collect();
    names.sort_unstable();
    assert_eq!(names, [bed.named("one"), bed.named("two")]);
    let mut filter = bed.own();
    filter.labels.push(("colour".into(), Some("red, green=blue".into())));
    let red = bed.engine.containers(&filter).await.unwrap();
    assert_eq!(red.len(), 1);
    assert_eq!(red[0].state, ContainerState::Running);
    assert_eq!(red[0].labels.get("colour").map(String::as_str), Some("red, green=blue"));
    let network = red[0].networks.values().next().unwrap();
    assert!(network.ipv4.is_some(), "{network:?}");
    let none = Filter::label_value("k2d.test/engine", "nobody");
    assert!(bed.engine.containers(&none).await.unwrap().is_empty());
}

pub async fn stats_and_processes(bed: &Bed) {
    let id = bed.start(&bed.script("a", "while :; do :; done")).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let first = bed.engine.container_stats(&id).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let second = bed.engine.container_stats(&id).await.unwrap();
    assert!(second.cpu_ns > first.cpu_ns, "{first:?} {second:?}");
    assert!(second.memory > 0 && second.memory_working_set <= second.memory);
    assert!(second.pids >= 1);
    let processes = bed.engine.container_processes(&id).await.unwrap();
    assert!(processes.rows.iter().flatten().any(|cell| cell.contains("while")), "{processes:?}");
}

pub async fn states_of_a_freeze(bed: &Bed) {
    let id = bed.start(&bed.idle("a")).await;
    bed.engine.pause_container(&id).await.unwrap();
    assert_eq!(bed.engine.containers(&bed.own()).await.unwrap()[0].state, ContainerState::Paused);
    bed.engine.unpause_container(&id).await.unwrap();
    assert_eq!(bed.engine.inspect_container(&id).await.unwrap().state.state, ContainerState::Running);
    bed.engine.restart_container(&id, Some(Duration::ZERO)).await.unwrap();
    assert_eq!(bed.engine.inspect_container(&id).await.unwrap().state.state, ContainerState::Running);
}
