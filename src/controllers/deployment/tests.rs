//! Decisions of the deployment controller.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{amounts, conditions, scale, sets, status};

fn deployment(replicas: i64, surge: &str, unavailable: &str) -> Value {
    let amount = |text: &str| text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number));
    json!({
        "metadata": {"name": "d", "namespace": "n", "uid": "u", "generation": 1},
        "spec": {
            "replicas": replicas, "progressDeadlineSeconds": 600,
            "strategy": {"type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": amount(surge), "maxUnavailable": amount(unavailable)}},
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}},
        },
        "status": {},
    })
}

fn set(name: &str, size: i64, available: i64, most: i64, created: &str) -> Value {
    json!({
        "metadata": {"name": name, "uid": name, "creationTimestamp": created, "annotations": {
            "deployment.kubernetes.io/desired-replicas": "10",
            "deployment.kubernetes.io/max-replicas": most.to_string()}},
        "spec": {"replicas": size},
        "status": {"replicas": size, "availableReplicas": available, "terminatingReplicas": 0},
    })
}

#[test]
fn percentages_round_to_the_safe_side() {
    let three = deployment(3, "25%", "25%");
    assert_eq!((amounts::max_surge(&three), amounts::max_unavailable(&three)), (1, 0));
    let none = deployment(3, "0%", "0%");
    assert_eq!((amounts::max_surge(&none), amounts::max_unavailable(&none)), (0, 1));
    assert_eq!(amounts::new_size(&three, 3, 0), 1);
    assert_eq!(amounts::new_size(&three, 4, 1), 1);
}

#[test]
fn scaling_in_a_rollout_is_shared_by_size() {
    let fifteen = deployment(15, "3", "2");
    let (old, new) = (set("old", 8, 8, 13, "1"), set("new", 5, 0, 13, "2"));
    assert!(scale::is_needed(&fifteen, &[&old, &new]));
    let sizes = scale::plan(&fifteen, Some(&new), &[old]);
    assert_eq!(sizes, [("old".to_owned(), 11), ("new".to_owned(), 7)]);
}

#[test]
fn scaling_without_a_rollout_is_for_the_only_set() {
    let none = deployment(0, "1", "0");
    assert_eq!(scale::plan(&none, Some(&set("new", 3, 3, 4, "2")), &[]), [("new".to_owned(), 0)]);
}

#[test]
fn going_back_keeps_the_revisions_it_had() {
    let mut old = set("a", 0, 0, 1, "1");
    old["metadata"]["annotations"][sets::REVISION] = "1".into();
    assert!(sets::annotate_new(&deployment(1, "1", "0"), &mut old, 3, true));
    let annotations = &old["metadata"]["annotations"];
    assert_eq!(annotations[sets::REVISION], "3");
    assert_eq!(annotations["deployment.kubernetes.io/revision-history"], "1");
    assert!(sets::annotate_new(&deployment(1, "1", "0"), &mut old, 5, true));
    assert_eq!(old["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"], "1,3");
    assert!(!sets::annotate_new(&deployment(1, "1", "0"), &mut old, 5, true));
}

#[test]
fn the_hash_label_does_not_make_another_template() {
    let deployment = deployment(1, "1", "0");
    let made = sets::make(&deployment, "x");
    assert!(sets::same_template(&deployment, &made));
    assert_eq!(made["metadata"]["name"], "d-x");
    assert_eq!(made["spec"]["selector"]["matchLabels"], json!({"a": "b", "pod-template-hash": "x"}));
}

#[test]
fn a_rollout_that_stands_still_times_out() {
    let mut deployment = deployment(1, "1", "0");
    let at = |second| Timestamp::from_second(second).expect("a time");
    let new = set("new", 1, 0, 2, "1");
    deployment["status"] = status::rolling(&deployment, Some(&new), &[], at(0));
    let progressing = conditions::get(&deployment["status"], "Progressing").expect("a condition");
    assert_eq!(progressing["message"], "ReplicaSet \"new\" is progressing.");
    assert!(status::look_again(&deployment, at(0)).is_some());
    assert_eq!(status::rolling(&deployment, Some(&new), &[], at(600)), deployment["status"]);
    deployment["status"] = status::rolling(&deployment, Some(&new), &[], at(601));
    let progressing = conditions::get(&deployment["status"], "Progressing").expect("a condition");
    assert_eq!((&progressing["status"], &progressing["reason"]), (&json!("False"), &json!("ProgressDeadlineExceeded")));
    assert_eq!(status::look_again(&deployment, at(601)), None);
    let done = set("new", 1, 1, 2, "1");
    let after = status::rolling(&deployment, Some(&done), &[], at(700));
    assert_eq!(
        conditions::get(&after, "Progressing").map(|found| &found["reason"]),
        Some(&json!("NewReplicaSetAvailable"))
    );
    assert!(status::is_complete(&deployment, &after));
}
