//! Resource quotas: what one object counts for, and which quotas it counts against. Pure; the
//! admission of writes charges by it, the quota controller counts by it. Source: the API reference of
//! ResourceQuota and the evaluators of upstream.
//!
//! ```text
//! usage   what an object of a kind counts for
//! scopes  the scopes and the scope selector of a quota
//! ```

mod scopes;
mod usage;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

pub use usage::Counted;

use crate::kinds::Kind;
pub use crate::kinds::parts::demand::Amounts;
use crate::kinds::parts::demand::{self, amounts};
use crate::schema::quantity::Quantity;
use crate::schema::rules::{entries, items, text};

/// Resources of which each container must speak where a quota bounds them.
const MUST: [&str; 6] = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/// Which of the resources of a quota an object of that kind counts for, sorted.
#[must_use]
pub fn resources<'h>(counted: &Counted, hard: impl Iterator<Item = &'h String>) -> Vec<String> {
    let mut names: Vec<String> = hard.filter(|name| counted.matches(name)).cloned().collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether all scopes of a quota cover an object.
#[must_use]
pub fn covers(quota: &Value, counted: &Counted, object: &Value) -> bool {
    scopes::of(quota).iter().all(|scope| scopes::covers(scope, counted, object))
}

/// What the containers of a pod must say and do not, where the quota bounds these resources.
#[must_use]
pub fn unsaid(names: &[String], pod: &Value) -> Option<String> {
    if demand::is_said_of_pod(pod) {
        return None;
    }
    let lists = ["containers", "initContainers"].map(|list| items(&pod["spec"][list]));
    let containers: Vec<&Value> = lists.into_iter().flatten().collect();
    let mut sentences = Vec::new();
    for name in names.iter().filter(|name| MUST.contains(&name.as_str())) {
        let (field, resource) = match name.split_once('.') {
            None => ("requests", name.as_str()),
            Some((field, resource)) => (field, resource),
        };
        let silent = |container: &&&Value| container["resources"][field].get(resource).is_none();
        let silent: BTreeSet<&str> =
            containers.iter().filter(silent).map(|container| text(&container["name"])).collect();
        if !silent.is_empty() {
            sentences.push(format!("{name} for: {}", silent.into_iter().collect::<Vec<_>>().join(",")));
        }
    }
    (!sentences.is_empty()).then(|| format!("must specify {}", sentences.join("; ")))
}

/// What all objects of a kind count for against a quota.
pub fn sum<'o>(quota: &Value, kind: &Kind, objects: impl Iterator<Item = &'o Value>, now: Timestamp) -> Amounts {
    let counted = Counted::of(kind);
    let names = resources(&counted, hard(quota));
    let mut total: Amounts = names.iter().map(|name| (name.clone(), Quantity::default())).collect();
    for object in objects.filter(|object| covers(quota, &counted, object)) {
        let mut usage = counted.usage(object, now);
        usage.retain(|name, _| names.contains(name));
        demand::add(&mut total, &usage);
    }
    total
}

/// The resources that the specification of a quota bounds.
pub fn hard(quota: &Value) -> impl Iterator<Item = &String> {
    entries(&quota["spec"]["hard"]).map(|(name, _)| name)
}

/// What one write asks of one quota.
pub struct Charge {
    /// `status.used` as it becomes.
    pub used: Map<String, Value>,
}

/// Charges `delta` to a quota whose status names these resources.
///
/// # Errors
/// What is said of a quota that would be exceeded.
pub fn charge(quota: &Value, delta: &Amounts) -> Result<Option<Charge>, String> {
    let (hard, used) = (amounts(&quota["status"]["hard"]), amounts(&quota["status"]["used"]));
    let asked: Amounts = delta.iter().filter(|(name, _)| hard.contains_key(*name)).map(clone).collect();
    if asked.is_empty() {
        return Ok(None);
    }
    let mut next = used.clone();
    demand::add(&mut next, &asked);
    let over = |name: &&String| next.get(*name).zip(hard.get(*name)).is_some_and(|(next, hard)| next > hard);
    let exceeded: Vec<&String> = asked.keys().filter(over).collect();
    if !exceeded.is_empty() {
        let show = |amounts: &Amounts| {
            let one = |name: &&String| amounts.get(*name).map(|amount| format!("{name}={amount}"));
            exceeded.iter().filter_map(one).collect::<Vec<_>>().join(",")
        };
        return Err(format!(
            "exceeded quota: {}, requested: {}, used: {}, limited: {}",
            text(&quota["metadata"]["name"]),
            show(&asked),
            show(&used),
            show(&hard)
        ));
    }
    Ok(Some(Charge { used: next.into_iter().map(|(name, amount)| (name, amount.to_string().into())).collect() }))
}

fn clone((name, amount): (&String, &Quantity)) -> (String, Quantity) {
    (name.clone(), amount.clone())
}

#[cfg(test)]
mod tests;
