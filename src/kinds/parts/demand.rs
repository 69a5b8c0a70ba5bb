//! What a pod asks for as a whole: the sum of its containers with sidecars, or the largest init
//! container if that is more (KEP-753), or what `spec.resources` says of the whole (KEP-2837).

use std::collections::BTreeMap;

use serde_json::Value;

use super::resources;
use crate::schema::quantity::Quantity;
use crate::schema::rules::{entries, items};

/// Amounts by name of the resource.
pub type Amounts = BTreeMap<String, Quantity>;

/// Reads a resource list; what is no amount is left out.
#[must_use]
pub fn amounts(list: &Value) -> Amounts {
    entries(list).filter_map(|(name, value)| Some((name.clone(), Quantity::of(value).ok()?))).collect()
}

/// Adds amounts to a sum.
pub fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        match sum.get_mut(name) {
            Some(own) => *own = own.add(amount),
            None => drop(sum.insert(name.clone(), amount.clone())),
        }
    }
}

fn raise(sum: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        match sum.get_mut(name) {
            Some(own) if *own >= *amount => {}
            _ => drop(sum.insert(name.clone(), amount.clone())),
        }
    }
}

/// The `requests` (or `limits`, by `field`) of a pod without its overhead.
#[must_use]
pub fn of(pod: &Value, field: &str) -> Amounts {
    let spec = &pod["spec"];
    let own = |container: &Value| amounts(&container["resources"][field]);
    let mut sum = Amounts::new();
    for container in items(&spec["containers"]) {
        add(&mut sum, &own(container));
    }
    let (mut beside, mut largest) = (Amounts::new(), Amounts::new());
    for container in items(&spec["initContainers"]) {
        let mut one = own(container);
        if container["restartPolicy"] == "Always" {
            add(&mut sum, &one);
            add(&mut beside, &one);
            one.clone_from(&beside);
        } else {
            add(&mut one, &beside);
        }
        raise(&mut largest, &one);
    }
    raise(&mut sum, &largest);
    for (name, amount) in amounts(&spec["resources"][field]) {
        if is_of_pods(&name) {
            sum.insert(name, amount);
        }
    }
    sum
}

/// The requests of a pod with its overhead.
#[must_use]
pub fn requests(pod: &Value) -> Amounts {
    let mut sum = of(pod, "requests");
    add(&mut sum, &amounts(&pod["spec"]["overhead"]));
    sum
}

/// The limits of a pod, with its overhead where there is a limit.
#[must_use]
pub fn limits(pod: &Value) -> Amounts {
    let mut sum = of(pod, "limits");
    let mut overhead = amounts(&pod["spec"]["overhead"]);
    overhead.retain(|name, _| sum.contains_key(name));
    add(&mut sum, &overhead);
    sum
}

/// Whether a pod says of itself as a whole what it needs.
#[must_use]
pub fn is_said_of_pod(pod: &Value) -> bool {
    let own = &pod["spec"]["resources"];
    entries(&own["requests"]).chain(entries(&own["limits"])).any(|(name, _)| is_of_pods(name))
}

/// Whether a whole pod can have an amount of the resource.
fn is_of_pods(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || resources::is_huge_pages(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_larger_of_the_sum_and_the_largest_init_container_counts() {
        let pod = json!({"spec": {
            "containers": [{"resources": {"requests": {"cpu": "100m"}}}, {"resources": {"requests": {"cpu": "1"}}}],
            "initContainers": [
                {"restartPolicy": "Always", "resources": {"requests": {"cpu": "200m"}}},
                {"resources": {"requests": {"cpu": "3", "memory": "1Gi"}}}],
            "overhead": {"cpu": "10m"},
        }});
        let sum = requests(&pod);
        assert_eq!((sum["cpu"].to_string(), sum["memory"].to_string()), ("3210m".into(), "1Gi".into()));
        let small = json!({"spec": {"initContainers": [{"restartPolicy": "Always",
            "resources": {"requests": {"cpu": "200m"}}}], "containers": [{"resources": {"requests": {"cpu": "1"}}}]}});
        assert_eq!(requests(&small)["cpu"].to_string(), "1200m");
    }

    #[test]
    fn what_is_said_of_the_pod_wins_and_overhead_needs_a_limit() {
        let pod = json!({"spec": {
            "resources": {"limits": {"memory": "2Gi"}}, "overhead": {"cpu": "10m", "memory": "1Gi"},
            "containers": [{"resources": {"limits": {"memory": "1Gi"}}}],
        }});
        assert_eq!(limits(&pod)["memory"].to_string(), "3Gi");
        assert!(!limits(&pod).contains_key("cpu"));
        assert!(is_said_of_pod(&pod));
    }
}
