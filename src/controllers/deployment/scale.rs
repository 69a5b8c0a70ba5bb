//! Sizes of replica sets after `spec.replicas` of their deployment changed, also in the middle of a
//! rollout. Pure.

use serde_json::Value;

use super::amounts::{is_rolling, max_surge, replicas};
use super::sets;
use crate::schema::object::Object;

/// Whether the wanted number is another than the active sets were made for.
pub fn is_needed(deployment: &Value, all: &[&Value]) -> bool {
    let wanted = replicas(deployment);
    all.iter().filter(|set| sets::is_active(set)).filter_map(|set| sets::desired(set)).any(|desired| desired != wanted)
}

/// The names of sets with the sizes that they should have.
pub fn plan(deployment: &Value, new: Option<&Value>, old: &[Value]) -> Vec<(String, i64)> {
    let wanted = replicas(deployment);
    let mut all: Vec<&Value> = old.iter().chain(new).collect();
    if let Some(only) = active_or_latest(new, old) {
        return vec![(only.name().to_owned(), wanted)];
    }
    if new.is_some_and(|new| is_saturated(deployment, new)) {
        let old = old.iter().filter(|set| sets::is_active(set));
        return old.map(|set| (set.name().to_owned(), 0)).collect();
    }
    if !is_rolling(deployment) {
        return Vec::new();
    }
    all.retain(|set| sets::is_active(set));
    let allowed = if wanted > 0 { wanted + max_surge(deployment) } else { 0 };
    let to_add = allowed - sets::wanted(all.iter().copied());
    all.sort_by(|left, right| sets::by_size(left, right, to_add > 0));
    let mut added = 0;
    let mut sizes: Vec<(String, i64)> = Vec::with_capacity(all.len());
    for set in all {
        let share = if to_add == 0 { 0 } else { proportion(deployment, set, to_add, added) };
        added += share;
        sizes.push((set.name().to_owned(), replicas(set) + share));
    }
    if let Some((_, largest)) = sizes.first_mut() {
        *largest = (*largest + to_add - added).max(0);
    }
    sizes
}

/// The one set that has pods; the newest where none has; nothing where several have.
fn active_or_latest<'a>(new: Option<&'a Value>, old: &'a [Value]) -> Option<&'a Value> {
    let active: Vec<&Value> = old.iter().chain(new).filter(|set| sets::is_active(set)).collect();
    match active.as_slice() {
        [] => new.or_else(|| old.iter().max_by(|left, right| sets::by_creation(left, right))),
        [only] => Some(only),
        _ => None,
    }
}

fn is_saturated(deployment: &Value, set: &Value) -> bool {
    let wanted = replicas(deployment);
    let available = set.int("/status/availableReplicas").unwrap_or(0);
    replicas(set) == wanted && sets::desired(set) == Some(wanted) && available == wanted
}

/// The share of a set in what is to be added (or, negative, taken away).
fn proportion(deployment: &Value, set: &Value, to_add: i64, added: i64) -> i64 {
    let size = replicas(set);
    if size == 0 || to_add == added {
        return 0;
    }
    let left = to_add - added;
    let share = fraction(deployment, set, size);
    if to_add > 0 { share.min(left) } else { share.max(left) }
}

fn fraction(deployment: &Value, set: &Value, size: i64) -> i64 {
    if replicas(deployment) == 0 {
        return -size;
    }
    let now = replicas(deployment) + max_surge(deployment);
    let noted = sets::most(set).filter(|most| *most != 0);
    let before = noted.or_else(|| deployment.int("/status/replicas")).unwrap_or(0);
    if before == 0 {
        return 0;
    }
    // Half a pod counts as one.
    let twice = 2 * size * now;
    (twice + before).div_euclid(2 * before) - size
}
