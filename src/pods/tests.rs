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
