//! How far a rolling update may go above and below the wanted number of pods. Pure.
//!
//! Source: the API reference of `RollingUpdateDeployment`: a surge is rounded up, unavailability down,
//! and both cannot be nothing.

use serde_json::Value;

use crate::schema::object::Object;

/// `spec.replicas`.
pub fn replicas(object: &Value) -> i64 {
    object.int("/spec/replicas").unwrap_or(1)
}

/// Whether the strategy is RollingUpdate.
pub fn is_rolling(deployment: &Value) -> bool {
    deployment.text("/spec/strategy/type") == "RollingUpdate"
}

/// Pods above the wanted number.
pub fn max_surge(deployment: &Value) -> i64 {
    if is_rolling(deployment) { fences(deployment).0 } else { 0 }
}

/// Pods below the wanted number.
pub fn max_unavailable(deployment: &Value) -> i64 {
    if !is_rolling(deployment) || replicas(deployment) == 0 {
        return 0;
    }
    fences(deployment).1.min(replicas(deployment))
}

fn fences(deployment: &Value) -> (i64, i64) {
    let of = |name: &str| &deployment["spec"]["strategy"]["rollingUpdate"][name];
    let surge = resolve(of("maxSurge"), replicas(deployment), true);
    let unavailable = resolve(of("maxUnavailable"), replicas(deployment), false);
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
}

/// A number, or a percentage of `total`.
fn resolve(value: &Value, total: i64, up: bool) -> i64 {
    if let Some(number) = value.as_i64() {
        return number;
    }
    let percent = value.as_str().and_then(|text| text.strip_suffix('%')?.parse::<i64>().ok()).unwrap_or(0);
    let hundredfold = percent.saturating_mul(total);
    if up { hundredfold.saturating_add(99).div_euclid(100) } else { hundredfold.div_euclid(100) }
}

/// The size of the new replica set, among `all` with it, that the strategy allows.
pub fn new_size(deployment: &Value, all: i64, size: i64) -> i64 {
    let wanted = replicas(deployment);
    if !is_rolling(deployment) {
        return wanted;
    }
    let most = wanted + max_surge(deployment);
    if all >= most {
        return size;
    }
    size + (most - all).min(wanted - size)
}
