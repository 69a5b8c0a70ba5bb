//! The quality of service of a pod, which follows from what its containers ask for.

use serde_json::Value;

use crate::kinds::parts::amount;
use crate::schema::rules::{entries, items};

const COUNTED: &[&str] = &["cpu", "memory"];

/// `Guaranteed`, `Burstable` or `BestEffort`.
#[must_use]
pub fn class(pod: &Value) -> &'static str {
    let spec = &pod["spec"];
    if !spec["resources"].is_null() {
        return of([&spec["resources"]].into_iter());
    }
    let all = items(&spec["containers"]).iter().chain(items(&spec["initContainers"]));
    of(all.map(|container| &container["resources"]))
}

fn of<'r>(all: impl Iterator<Item = &'r Value>) -> &'static str {
    let (mut asked, mut limited, mut guaranteed) = (false, false, true);
    for resources in all {
        let given = |part: &str, name: &str| amount::nano(&resources[part][name]) > 0;
        asked |= COUNTED.iter().any(|name| given("requests", name));
        limited |= COUNTED.iter().any(|name| given("limits", name));
        let equal = |name: &str| amount::same(&resources["requests"][name], &resources["limits"][name]);
        guaranteed &= COUNTED.iter().all(|name| given("limits", name)) && COUNTED.iter().all(|name| equal(name));
    }
    match (asked || limited, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// The resources that are asked for in a list, by name; empty amounts are left out.
pub fn given(list: &Value) -> impl Iterator<Item = (&String, &Value)> {
    entries(list).filter(|(_, value)| amount::nano(value) > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn quality(resources: Value) -> &'static str {
        class(&json!({"spec": {"containers": [{"resources": resources}]}}))
    }

    #[test]
    fn limits_that_are_requests_are_guaranteed() {
        let all = json!({"cpu": "1", "memory": "1Gi"});
        assert_eq!(quality(json!({})), "BestEffort");
        assert_eq!(quality(json!({"limits": all, "requests": all})), "Guaranteed");
        assert_eq!(quality(json!({"limits": all, "requests": {"cpu": "500m", "memory": "1Gi"}})), "Burstable");
        assert_eq!(quality(json!({"requests": {"cpu": "1"}})), "Burstable");
    }
}
