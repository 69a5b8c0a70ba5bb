//! Requests and limits as the engine takes them.

use serde_json::Value;

use crate::engine::Resources;
use crate::schema::quantity::Quantity;

/// Microseconds of one scheduling period.
const PERIOD: i64 = 100_000;
/// The least quota that the kernel takes.
const LEAST_QUOTA: i64 = 1_000;

/// The limits of a container: requests become weight, limits become quota and memory.
pub fn limits(container: &Value) -> Resources {
    let amount = |list: &str, name: &str| {
        let value = container["resources"][list].get(name)?;
        Quantity::of(value).ok().filter(|amount| !amount.is_zero())
    };
    let request = amount("requests", "cpu").or_else(|| amount("limits", "cpu"));
    let shares = request.map_or(2, |cpu| (cpu.milli_value().saturating_mul(1024) / 1000).clamp(2, 262_144));
    let quota = amount("limits", "cpu").map(|cpu| (cpu.milli_value().saturating_mul(PERIOD / 1000)).max(LEAST_QUOTA));
    let memory = amount("limits", "memory").map(|memory| memory.value());
    Resources {
        cpu_shares: Some(shares),
        cpu_quota: quota,
        cpu_period: quota.map(|_| PERIOD),
        memory,
        memory_swap: memory,
        ..Resources::default()
    }
}

/// How gladly the kernel kills a container when memory is short, by the pod's class of service.
pub fn oom_score(class: &str, container: &Value, capacity: i64) -> i64 {
    match class {
        "Guaranteed" => -997,
        "BestEffort" => 1000,
        _ => {
            let request = container["resources"]["requests"].get("memory");
            let request = request.and_then(|value| Quantity::of(value).ok()).map_or(0, |memory| memory.value());
            let part = i128::from(request) * 1000 / i128::from(capacity.max(1));
            i64::try_from(1000 - part).unwrap_or(3).clamp(3, 999)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_weigh_and_limits_bind() {
        let container =
            json!({"resources": {"requests": {"cpu": "250m"}, "limits": {"cpu": "1500m", "memory": "64Mi"}}});
        let got = limits(&container);
        assert_eq!((got.cpu_shares, got.cpu_quota, got.cpu_period), (Some(256), Some(150_000), Some(100_000)));
        assert_eq!((got.memory, got.memory_swap), (Some(64 << 20), Some(64 << 20)));
        let none = limits(&json!({}));
        assert_eq!((none.cpu_shares, none.cpu_quota, none.memory), (Some(2), None, None));
        let tiny = limits(&json!({"resources": {"limits": {"cpu": "1m"}}}));
        assert_eq!((tiny.cpu_shares, tiny.cpu_quota), (Some(2), Some(1000)));
    }

    #[test]
    fn the_class_decides_who_goes_first() {
        let half = json!({"resources": {"requests": {"memory": "512Mi"}}});
        assert_eq!(oom_score("Guaranteed", &half, 1 << 30), -997);
        assert_eq!(oom_score("BestEffort", &half, 1 << 30), 1000);
        assert_eq!(oom_score("Burstable", &half, 1 << 30), 500);
        assert_eq!(oom_score("Burstable", &json!({}), 1 << 30), 999);
        assert_eq!(oom_score("Burstable", &half, 1 << 20), 3);
    }
}
