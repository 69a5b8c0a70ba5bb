//! Which pods of lower priority make room for one of higher priority: as few as possible, and first those whose
//! budget allows it (Kubernetes documentation, "Pod Priority and Preemption").

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde_json::Value;

use super::{Cluster, Unfit, check, no_preemption};
use crate::schema::object::Object;
use crate::schema::selector::Selector;

/// The priority of a pod.
pub(super) fn priority(pod: &Value) -> i64 {
    pod.int("/spec/priority").unwrap_or(0)
}

/// The pods that must go for `pod`; else what the scheduler says of it.
pub(super) fn victims<'a>(
    pod: &Value,
    unfit: &Unfit,
    cluster: &Cluster<'a>,
    budgets: &[Value],
) -> Result<Vec<&'a Value>, String> {
    if pod["spec"]["preemptionPolicy"] == "Never" {
        return Err("preemption: not eligible due to preemptionPolicy=Never.".to_owned());
    }
    let lower = |other: &&Value| priority(other) < priority(pod);
    let nominated = !pod.text("/status/nominatedNodeName").is_empty();
    if nominated && cluster.others.iter().any(|other| lower(other) && other.is_deleting()) {
        return Err("preemption: not eligible due to a terminating pod on the nominated node.".to_owned());
    }
    if !unfit.crowded {
        return Err(no_preemption("1 Preemption is not helpful for scheduling"));
    }
    let (mut candidates, mut stay): (Vec<&Value>, Vec<&Value>) = cluster.others.iter().copied().partition(lower);
    // What is not on the node yet holds room, but makes none by going.
    let (on_node, coming): (Vec<&Value>, Vec<&Value>) =
        candidates.into_iter().partition(|one| !one.text("/spec/nodeName").is_empty());
    candidates = on_node;
    stay.extend(coming);
    if candidates.is_empty() {
        return Err(no_preemption("1 No preemption victims found for incoming pod"));
    }
    check(pod, &Cluster { others: &stay, ..*cluster }).map_err(|unfit| no_preemption(&unfit.counted()))?;
    candidates.sort_by_key(|one| (Reverse(priority(one)), one.text("/status/startTime").to_owned()));
    let guarded = guarded(&candidates, budgets);
    candidates.sort_by_key(|one| !guarded.contains(one.uid()));
    let mut victims = Vec::new();
    for candidate in candidates {
        stay.push(candidate);
        if check(pod, &Cluster { others: &stay, ..*cluster }).is_err() {
            stay.pop();
            victims.push(candidate);
        }
    }
    Ok(victims)
}

/// Uids of the pods whose end a budget does not allow, when those before them in the list have gone.
fn guarded(candidates: &[&Value], budgets: &[Value]) -> BTreeSet<String> {
    let mut left: Vec<i64> =
        budgets.iter().map(|budget| budget.int("/status/disruptionsAllowed").unwrap_or(0)).collect();
    let mut found = BTreeSet::new();
    for pod in candidates {
        for (budget, left) in budgets.iter().zip(&mut left) {
            let selector = &budget["spec"]["selector"];
            let concerned = budget.namespace() == pod.namespace()
                && !selector.is_null()
                && Selector::from_object(selector).is_ok_and(|one| one.matches(pod.map("/metadata/labels")));
            let gone = budget.map("/status/disruptedPods").is_some_and(|pods| pods.contains_key(pod.name()));
            if concerned && !gone {
                *left -= 1;
                if *left < 0 {
                    found.insert(pod.uid().to_owned());
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, priority: i64, cpu: &str) -> Value {
        json!({"metadata": {"name": name, "uid": name, "namespace": "ns", "labels": {"app": name}},
            "spec": {"nodeName": "n", "priority": priority,
                "containers": [{"resources": {"requests": {"cpu": cpu}}}]}})
    }

    fn of(wanted: &Value, others: &[&Value], budgets: &[Value]) -> Result<Vec<String>, String> {
        let node = json!({"status": {"allocatable": {"cpu": "2", "pods": "9"}}});
        let cluster = Cluster { node: &node, others, namespaces: &[] };
        let unfit = check(wanted, &cluster).expect_err("no room");
        let found = victims(wanted, &unfit, &cluster, budgets)?;
        Ok(found.into_iter().map(|one| one.name().to_owned()).collect())
    }

    #[test]
    fn as_few_as_possible_go_and_the_least_important_first() {
        let (a, b, c) = (pod("a", 1, "1"), pod("b", 2, "500m"), pod("c", 9, "500m"));
        let all = [&a, &b, &c];
        assert_eq!(of(&pod("x", 5, "1"), &all, &[]), Ok(vec!["a".to_owned()]));
        assert_eq!(of(&pod("x", 5, "1500m"), &all, &[]), Ok(vec!["b".to_owned(), "a".to_owned()]));
        let none = "preemption: 0/1 nodes are available: 1 Insufficient cpu.";
        assert_eq!(of(&pod("x", 5, "2"), &all, &[]), Err(none.into()));
        let none = "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";
        assert_eq!(of(&pod("x", 1, "1"), &all, &[]), Err(none.into()));
    }

    #[test]
    fn a_budget_is_kept_where_others_can_go() {
        let (a, b) = (pod("a", 1, "1"), pod("b", 2, "1"));
        let budget = json!({"metadata": {"namespace": "ns"}, "spec": {"selector": {"matchLabels": {"app": "a"}}},
            "status": {"disruptionsAllowed": 0}});
        assert_eq!(of(&pod("x", 5, "1"), &[&a, &b], &[]), Ok(vec!["a".to_owned()]));
        assert_eq!(of(&pod("x", 5, "1"), &[&a, &b], &[budget]), Ok(vec!["b".to_owned()]));
    }

    #[test]
    fn a_policy_of_never_is_kept() {
        let mut polite = pod("x", 5, "2");
        polite["spec"]["preemptionPolicy"] = "Never".into();
        let told = of(&polite, &[&pod("a", 1, "1")], &[]);
        assert_eq!(told, Err("preemption: not eligible due to preemptionPolicy=Never.".into()));
    }
}
