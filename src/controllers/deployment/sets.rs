//! The replica sets of a Deployment: which is the new one, their revisions and annotations, their
//! order. Pure.

use std::cmp::{Ordering, Reverse};

use serde_json::{Map, Value, json};

use super::amounts::{max_surge, replicas};
use crate::controllers::pods;
use crate::schema::object::Object;

/// The label of the template's hash.
pub const HASH: &str = "pod-template-hash";
/// Number of the rollout.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MOST: &str = "deployment.kubernetes.io/max-replicas";

/// Annotations of a Deployment that its replica sets do not get.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MOST,
    "deprecated.deployment.rollback.to",
];

/// Characters of the history of revisions at the most.
const HISTORY_MAX: usize = 2000;

/// Sum of `spec.replicas`.
pub fn wanted<'a>(sets: impl IntoIterator<Item = &'a Value>) -> i64 {
    sets.into_iter().map(replicas).sum()
}

/// Sum of a number in the status.
pub fn counted<'a>(sets: impl IntoIterator<Item = &'a Value>, key: &str) -> i64 {
    sets.into_iter().filter_map(|set| set["status"][key].as_i64()).sum()
}

/// Whether a set should have pods.
pub fn is_active(set: &Value) -> bool {
    replicas(set) > 0
}

/// Older ones first, by name where they are of the same second.
pub fn by_creation(left: &Value, right: &Value) -> Ordering {
    let time = |set: &Value| set.text("/metadata/creationTimestamp").to_owned();
    time(left).cmp(&time(right)).then_with(|| left.name().cmp(right.name()))
}

/// Larger ones first; of one size the newer (or the older) first.
pub fn by_size(left: &Value, right: &Value, newer: bool) -> Ordering {
    let size = Reverse(replicas(left)).cmp(&Reverse(replicas(right)));
    size.then_with(|| if newer { by_creation(right, left) } else { by_creation(left, right) })
}

/// The revision of a set; 0 where it has none.
pub fn revision(set: &Value) -> i64 {
    set.annotation(REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The set of the template of the deployment: the oldest one, where there are several.
pub fn find_new(deployment: &Value, sets: &[Value]) -> Option<Value> {
    let mut found: Vec<&Value> = sets.iter().filter(|set| same_template(deployment, set)).collect();
    found.sort_by(|left, right| by_creation(left, right));
    found.first().map(|set| (*set).clone())
}

/// Whether two have the same template, the hash label aside.
pub fn same_template(left: &Value, right: &Value) -> bool {
    plain_template(left) == plain_template(right)
}

fn plain_template(of: &Value) -> Value {
    let mut template = of["spec"]["template"].clone();
    let Some(meta) = template.get_mut("metadata").and_then(Value::as_object_mut) else { return template };
    if let Some(labels) = meta.get_mut("labels").and_then(Value::as_object_mut) {
        labels.remove(HASH);
        if labels.is_empty() {
            meta.remove("labels");
        }
    }
    if meta.get("creationTimestamp").is_some_and(Value::is_null) {
        meta.remove("creationTimestamp");
    }
    template
}

/// A new, empty set for the template of the deployment.
pub fn make(deployment: &Value, hash: &str) -> Value {
    let spec = &deployment["spec"];
    let mut template = spec["template"].clone();
    let labels = template.metadata_mut().entry("labels").or_insert_with(|| json!({}));
    labels[HASH] = hash.into();
    let labels = labels.clone();
    let mut selector = spec["selector"].clone();
    selector.section_mut("matchLabels").insert(HASH.into(), hash.into());
    let mut set = json!({
        "metadata": {
            "name": format!("{}-{hash}", deployment.name()),
            "namespace": deployment.namespace(),
            "labels": labels,
            "ownerReferences": [pods::controller_reference(deployment, "apps/v1", "Deployment")],
        },
        "spec": {"replicas": 0, "selector": selector, "template": template},
    });
    if let Some(seconds) = spec.get("minReadySeconds") {
        set["spec"]["minReadySeconds"] = seconds.clone();
    }
    set
}

/// Gives the new set the annotations of the deployment and its revision; whether that changed it.
pub fn annotate_new(deployment: &Value, set: &mut Value, new_revision: i64, exists: bool) -> bool {
    let before = set.map("/metadata/annotations").cloned().unwrap_or_default();
    let mut after = before.clone();
    for (key, value) in deployment.map("/metadata/annotations").into_iter().flatten() {
        if !OWN.contains(&key.as_str()) {
            after.insert(key.clone(), value.clone());
        }
    }
    let old = before.get(REVISION).and_then(Value::as_str);
    let number = old.filter(|text| !text.is_empty()).map_or(Ok(0), str::parse::<i64>);
    if let Ok(number) = number
        && number < new_revision
    {
        after.insert(REVISION.into(), new_revision.to_string().into());
        if let Some(old) = old {
            let history = before.get(HISTORY).and_then(Value::as_str).unwrap_or_default();
            after.insert(HISTORY.into(), add_to_history(history, old).into());
        }
    }
    if !exists {
        sizes(deployment, &mut after);
    }
    let changed = after != before;
    if changed {
        set.metadata_mut().insert("annotations".into(), after.into());
    }
    changed
}

fn add_to_history(history: &str, revision: &str) -> String {
    if history.is_empty() {
        return revision.to_owned();
    }
    let mut rest = history;
    while rest.len() + revision.len() + 1 > HISTORY_MAX {
        match rest.split_once(',') {
            Some((_, younger)) => rest = younger,
            None => return revision.to_owned(),
        }
    }
    format!("{rest},{revision}")
}

fn sizes(deployment: &Value, annotations: &mut Map<String, Value>) {
    let wanted = replicas(deployment);
    annotations.insert(DESIRED.into(), wanted.to_string().into());
    annotations.insert(MOST.into(), (wanted + max_surge(deployment)).to_string().into());
}

/// Gives a set a size and notes the sizes of the deployment on it; whether that changed it.
pub fn resize(deployment: &Value, set: &mut Value, size: i64) -> bool {
    let before = set.clone();
    let mut annotations = set.map("/metadata/annotations").cloned().unwrap_or_default();
    sizes(deployment, &mut annotations);
    set.metadata_mut().insert("annotations".into(), annotations.into());
    set.section_mut("spec").insert("replicas".into(), size.into());
    *set != before
}

/// The size that the deployment had when the set was last looked after.
pub fn desired(set: &Value) -> Option<i64> {
    set.annotation(DESIRED)?.parse().ok()
}

/// The number of pods that the deployment might have had then.
pub fn most(set: &Value) -> Option<i64> {
    set.annotation(MOST)?.parse().ok()
}
