//! What an update of a pod may change.

use serde_json::Value;

use crate::kinds::parts::{affinity, show};
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;
use crate::schema::rules::{entries, items, text};

const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const MIRROR: &str = "kubernetes.io/config.mirror";
const ALLOWED: &str = "pod updates may not change fields other than \
    `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only \
    additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
    previously negative)";

/// Annotations that stay as they were.
pub fn annotations(object: &Value, old: &Value, errors: &mut Errors) {
    let path = Path::new("metadata").child("annotations");
    let (new_map, old_map) = (&object["metadata"]["annotations"], &old["metadata"]["annotations"]);
    for (key, value) in entries(old_map) {
        if new_map.get(key) == Some(value) {
            continue;
        }
        if key.starts_with(APP_ARMOR) {
            errors.forbidden(&path.key(key), "may not remove or update AppArmor annotations");
        }
        if key == MIRROR {
            errors.forbidden(&path.key(key), "may not remove or update mirror pod annotation");
        }
    }
    for (key, _) in entries(new_map).filter(|(key, _)| old_map.get(*key).is_none()) {
        if key.starts_with(APP_ARMOR) {
            errors.forbidden(&path.key(key), "may not add AppArmor annotations");
        }
        if key == MIRROR {
            errors.forbidden(&path.key(key), "may not add mirror pod annotation");
        }
    }
}

/// The rules between the specs.
pub fn spec(object: &Value, old: &Value, errors: &mut Errors) {
    let (new, old, path) = (&object["spec"], &old["spec"], Path::new("spec"));
    for list in ["containers", "initContainers"] {
        if items(&new[list]).len() != items(&old[list]).len() {
            errors.forbidden(&path.child(list), "pod updates may not add or remove containers");
            return;
        }
        for (index, container) in items(&new[list]).iter().enumerate() {
            if text(&container["image"]).is_empty() {
                errors.required(&path.child(list).index(index).child("image"), "");
            }
        }
    }
    if deadline(new, old, &path.child("activeDeadlineSeconds"), errors) {
        return;
    }
    tolerations(new, old, &path.child("tolerations"), errors);
    gates(new, old, &path.child("schedulingGates"), errors);
    if new == old {
        return;
    }
    let mut munged = new.clone();
    for list in ["containers", "initContainers"] {
        let containers = munged.get_mut(list).and_then(Value::as_array_mut);
        for (container, before) in containers.into_iter().flatten().zip(items(&old[list])) {
            container["image"] = before["image"].clone();
        }
    }
    for field in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        restore(&mut munged, old, field);
    }
    if old["terminationGracePeriodSeconds"].as_i64().is_some_and(|old| old < 0)
        && munged["terminationGracePeriodSeconds"] == 1
    {
        restore(&mut munged, old, "terminationGracePeriodSeconds");
    }
    if !items(&old["schedulingGates"]).is_empty() {
        gated(&mut munged, old, &path, errors);
    }
    if munged != *old {
        let difference = show::difference(old, &munged, "core.v1.PodSpec");
        errors.forbidden(&path, &format!("{ALLOWED}\n{difference}"));
    }
}

fn restore(spec: &mut Value, old: &Value, field: &str) {
    match old.get(field) {
        Some(value) => spec[field] = value.clone(),
        None => {
            if let Some(map) = spec.as_object_mut() {
                map.remove(field);
            }
        }
    }
}

/// A deadline only comes nearer. Whether that is broken in a way that ends the check.
fn deadline(new: &Value, old: &Value, path: &Path, errors: &mut Errors) -> bool {
    let before = old["activeDeadlineSeconds"].as_i64();
    match (new["activeDeadlineSeconds"].as_i64(), before) {
        (Some(seconds), _) if !(0..=i64::from(i32::MAX)).contains(&seconds) => {
            errors.invalid(path, &seconds.into(), "must be between 0 and 2147483647, inclusive");
            return true;
        }
        (Some(seconds), Some(before)) if before < seconds => {
            errors.invalid(path, &seconds.into(), "must be less than or equal to previous value");
            return true;
        }
        (None, Some(_)) => {
            errors.invalid(path, &Value::Null, "must not update from a positive integer to nil value");
        }
        _ => {}
    }
    false
}

fn tolerations(new: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    let without = |one: &Value| {
        let mut one = one.clone();
        if let Some(map) = one.as_object_mut() {
            map.remove("tolerationSeconds");
        }
        one
    };
    for before in items(&old["tolerations"]) {
        if !items(&new["tolerations"]).iter().any(|after| without(after) == without(before)) {
            errors.forbidden(path, "existing toleration can not be modified except its tolerationSeconds");
            return;
        }
    }
    affinity::tolerations(&new["tolerations"], path, errors);
}

fn gates(new: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    for (index, gate) in items(&new["schedulingGates"]).iter().enumerate() {
        if !items(&old["schedulingGates"]).iter().any(|before| before["name"] == gate["name"]) {
            let name = text(&gate["name"]);
            let detail = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            errors.forbidden(&path.index(index).child("name"), &detail);
        }
    }
}

/// A pod that waits at a gate may be told more exactly where to run.
fn gated(munged: &mut Value, old: &Value, path: &Path, errors: &mut Errors) {
    let selector = &munged["nodeSelector"];
    if *selector != old["nodeSelector"] {
        if entries(&old["nodeSelector"]).any(|(key, value)| selector.get(key) != Some(value)) {
            let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
            errors.invalid(&path.child("nodeSelector"), selector, detail);
        }
        restore(munged, old, "nodeSelector");
    }
    let place = |spec: &Value| spec["affinity"]["nodeAffinity"].clone();
    let (new_place, old_place) = (place(munged), place(old));
    if new_place == old_place {
        return;
    }
    node_affinity(&new_place, &old_place, &path.child("affinity").child("nodeAffinity"), errors);
    let only_node = old["affinity"].is_null()
        && munged["affinity"]["podAffinity"].is_null()
        && munged["affinity"]["podAntiAffinity"].is_null();
    if only_node {
        restore(munged, old, "affinity");
    } else if old_place.is_null() {
        if let Some(map) = munged["affinity"].as_object_mut() {
            map.remove("nodeAffinity");
        }
    } else {
        munged["affinity"]["nodeAffinity"] = old_place;
    }
}

fn node_affinity(new: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    let terms = |place: &Value| place[REQUIRED]["nodeSelectorTerms"].clone();
    let (new_terms, old_terms) = (terms(new), terms(old));
    let path = path.child(REQUIRED).child("nodeSelectorTerms");
    let shown = |term: &Value| show::line(term, "core.v1.NodeSelectorTerm");
    let (new_list, old_list) = (items(&new_terms), items(&old_terms));
    if old_list.is_empty() {
        return;
    }
    if new_list.len() != old_list.len() {
        let all: Vec<String> = new_list.iter().map(shown).collect();
        let all = if new_terms.is_null() { "null".to_owned() } else { format!("[{}]", all.join(",")) };
        let detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        errors.invalid_raw(&path, &all, detail);
        return;
    }
    for (index, (after, before)) in new_list.iter().zip(old_list).enumerate() {
        let parts = ["matchExpressions", "matchFields"];
        let was_empty = parts.iter().all(|part| items(&before[*part]).is_empty());
        let is_empty = parts.iter().all(|part| items(&after[*part]).is_empty());
        let added = parts.iter().all(|part| items(&after[*part]).starts_with(items(&before[*part])));
        if (was_empty && !is_empty) || !added {
            let detail = "only additions are allowed (no mutations or deletions)";
            errors.invalid_raw(&path.index(index), &shown(after), detail);
        }
    }
}

/// Ephemeral containers are only added.
pub fn ephemeral(object: &Value, old: &Value, errors: &mut Errors) {
    if old.annotation(MIRROR).is_some() {
        errors.forbidden(&Path::new("[]"), "static pods do not support ephemeral containers");
        return;
    }
    let path = Path::new("spec").child("ephemeralContainers");
    for before in items(&old["spec"]["ephemeralContainers"]) {
        let name = text(&before["name"]);
        let after = items(&object["spec"]["ephemeralContainers"]).iter().find(|one| one["name"] == before["name"]);
        match after {
            None => {
                let detail = format!("existing ephemeral containers {name:?} may not be removed\n");
                errors.forbidden(&path, &detail);
            }
            Some(after) if after != before => {
                let difference = show::difference(before, after, "core.v1.EphemeralContainer");
                let detail = format!("existing ephemeral containers {name:?} may not be changed\n{difference}");
                errors.forbidden(&path, &detail);
            }
            Some(_) => {}
        }
    }
}
