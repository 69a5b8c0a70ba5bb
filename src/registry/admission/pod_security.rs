//! PodSecurity: the Pod Security Standards as the labels of a namespace ask for them. Pods that do
//! not fulfil what is enforced are refused; workloads and pods that do not fulfil what is warned of
//! are taken with a warning. Source: the Pod Security Standards and the behaviour of the plugin.
//!
//! ```text
//! policy      the labels of a namespace
//! checks      which checks there are, in which version
//! baseline    the checks of the level baseline
//! restricted  those that restricted adds
//! ```

mod baseline;
mod checks;
pub mod policy;
mod restricted;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use self::policy::{Level, LevelVersion, Policy};
use super::super::{Part, Registry};
use super::{Change, name_of};
use crate::kinds::Kind;
use crate::schema::object::Object;
use crate::schema::rules::{items, text};
use crate::schema::status::Status;

/// Pods that are looked at, at the most, when a namespace becomes stricter.
const PODS_MAX: usize = 3000;

/// Where the kinds that make pods have their template.
const TEMPLATES: [(&str, &str, &str); 8] = [
    ("", "podtemplates", "/template"),
    ("", "replicationcontrollers", "/spec/template"),
    ("apps", "daemonsets", "/spec/template"),
    ("apps", "deployments", "/spec/template"),
    ("apps", "replicasets", "/spec/template"),
    ("apps", "statefulsets", "/spec/template"),
    ("batch", "cronjobs", "/spec/jobTemplate/spec/template"),
    ("batch", "jobs", "/spec/template"),
];

/// Refuses what the policy of its namespace forbids, and tells what it warns of.
pub async fn validate(registry: &Registry, change: &Change<'_>) -> Result<Vec<String>, Status> {
    let (kind, object) = (change.kind, change.object);
    match (kind.group.as_ref(), kind.plural.as_ref()) {
        ("", "namespaces") if change.part == Part::Main => namespace(registry, change).await,
        ("", "pods") => pod(registry, change).await,
        (group, plural) => {
            let template = TEMPLATES.iter().find(|(of, name, _)| *of == group && *name == plural);
            let Some((_, _, place)) = template.filter(|_| change.part == Part::Main) else { return Ok(Vec::new()) };
            let policy = policy_of(registry, object.namespace()).await?;
            let Some(template) = object.pointer(place).filter(|template| !template.is_null()) else {
                return Ok(Vec::new());
            };
            Ok(warning(policy.warn, template).into_iter().collect())
        }
    }
}

async fn policy_of(registry: &Registry, namespace: &str) -> Result<Policy, Status> {
    let found = registry.namespace_facts(namespace).await?;
    // The namespace has been looked for before; where it went meanwhile nothing is left to guard.
    Ok(found.map_or_else(|| Policy::of(None).0, |namespace| namespace.security))
}

async fn pod(registry: &Registry, change: &Change<'_>) -> Result<Vec<String>, Status> {
    if matches!(change.part, Part::Status | Part::Sub("binding")) {
        return Ok(Vec::new());
    }
    let pod = change.object;
    let policy = policy_of(registry, pod.namespace()).await?;
    if change.old.is_some_and(|old| !is_significant(pod, old)) {
        return Ok(Vec::new());
    }
    if let Some(found) = checks::evaluate(policy.enforce, pod) {
        let detail = format!("violates PodSecurity \"{}\": {}", policy.enforce, found.detail());
        return Err(Status::forbidden("", "pods", name_of(pod), &detail));
    }
    Ok(warning(policy.warn, pod).into_iter().collect())
}

fn warning(policy: LevelVersion, pod: &Value) -> Option<String> {
    let found = checks::evaluate(policy, pod)?;
    Some(format!("would violate PodSecurity \"{policy}\": {}", found.detail()))
}

/// Whether an update changes something that the checks may see: in a pod only images and ephemeral
/// containers can.
fn is_significant(pod: &Value, old: &Value) -> bool {
    let (new, old) = (&pod["spec"], &old["spec"]);
    ["containers", "initContainers"].iter().any(|list| {
        let (new, old) = (items(&new[*list]), items(&old[*list]));
        new.len() != old.len() || new.iter().zip(old).any(|(new, old)| new["image"] != old["image"])
    }) || items(&new["ephemeralContainers"]).iter().any(|new| {
        let before = items(&old["ephemeralContainers"]).iter().find(|old| old["name"] == new["name"]);
        before.is_none_or(|before| before["image"] != new["image"])
    })
}

/// The labels of a namespace must make sense, and whoever makes it stricter is told of the pods that
/// would be refused now.
async fn namespace(registry: &Registry, change: &Change<'_>) -> Result<Vec<String>, Status> {
    let Change { kind, object, .. } = *change;
    let (policy, errors) = Policy::of(object.map("/metadata/labels"));
    let invalid = || Err(invalid(kind, object, &errors));
    let Some(old) = change.old else {
        return if errors.is_empty() { Ok(Vec::new()) } else { invalid() };
    };
    let (before, old_errors) = Policy::of(old.map("/metadata/labels"));
    if !errors.is_empty() && errors != old_errors {
        return invalid();
    }
    let (new, old) = (policy.enforce, before.enforce);
    let relaxed = new.minor == old.minor && new.level <= old.level;
    if new == old || new.level == Level::Privileged || relaxed {
        return Ok(Vec::new());
    }
    let kind = registry.kind("", "pods")?;
    let pods = registry.all(&kind, Some(object.name())).await?;
    Ok(violations(object.name(), new, &pods))
}

fn invalid(kind: &Kind, object: &Value, errors: &crate::schema::field::Errors) -> Status {
    Status::invalid(&kind.group, &kind.kind, object.name(), errors)
}

/// What is said of the pods that are there: those with the same faults together, under the name of
/// the first.
fn violations(namespace: &str, enforce: LevelVersion, pods: &[Value]) -> Vec<String> {
    let mut found: BTreeMap<String, (&str, usize)> = BTreeMap::new();
    for pod in pods.iter().take(PODS_MAX) {
        let Some(faults) = checks::evaluate(enforce, pod) else { continue };
        let entry = found.entry(faults.reasons()).or_insert((pod.name(), 0));
        entry.0 = entry.0.min(pod.name());
        entry.1 += 1;
    }
    let mut warnings = Vec::new();
    if pods.len() > PODS_MAX {
        warnings.push(format!(
            "new PodSecurity enforce level only checked against the first {PODS_MAX} of {} existing pods",
            pods.len()
        ));
    }
    if !found.is_empty() {
        warnings.push(format!(
            "existing pods in namespace \"{namespace}\" violate the new PodSecurity enforce level \"{enforce}\""
        ));
    }
    let mut decorated: Vec<String> = found
        .into_iter()
        .map(|(reasons, (name, count))| match count {
            1 => format!("{name}: {reasons}"),
            2 => format!("{name} (and 1 other pod): {reasons}"),
            _ => format!("{name} (and {} other pods): {reasons}", count - 1),
        })
        .collect();
    decorated.sort();
    warnings.extend(decorated);
    warnings
}

/// Text of a field of a security context.
fn said<'v>(owner: &'v Value, field: &str) -> &'v Value {
    &owner["securityContext"][field]
}

/// The name of a container or volume.
fn name(value: &Value) -> String {
    text(&value["name"]).to_owned()
}
