//! The subresource `resize`: resources of containers that change in place.

use serde_json::Value;

use super::{keep_spec, quality};
use crate::kinds::parts::amount;
use crate::schema::field::{Errors, Path};
use crate::schema::rules::{entries, items};

const LISTS: &[&str] = &["initContainers", "containers"];

/// Takes over resources and resize policies of the containers, by name, and nothing else.
pub fn prepare(object: &mut Value, old: &Value) {
    let given = object["spec"].clone();
    keep_spec(object, old);
    for list in LISTS {
        let Some(containers) = object["spec"].get_mut(*list).and_then(Value::as_array_mut) else { continue };
        for container in containers {
            let Some(new) = items(&given[*list]).iter().find(|one| one["name"] == container["name"]) else { continue };
            for field in ["resources", "resizePolicy"] {
                match new.get(field) {
                    Some(value) => container[field] = value.clone(),
                    None => {
                        if let Some(map) = container.as_object_mut() {
                            map.remove(field);
                        }
                    }
                }
            }
        }
    }
}

/// The rules of a resize.
pub fn validate(object: &Value, old: &Value, errors: &mut Errors) {
    let path = Path::new("spec");
    if quality::class(object) != quality::class(old) {
        let class = &object["status"]["qosClass"];
        errors.invalid(&path, class, "Pod QOS Class may not change as a result of resizing");
    }
    let running = items(&old["status"]["containerStatuses"]).iter().find(|one| !one["state"]["running"].is_null());
    if running.is_some_and(|status| status["resources"].is_null()) {
        errors.forbidden(&path, "Pod running on node without support for resize");
    }
    let sidecar = |container: &Value| container["restartPolicy"] == "Always";
    let pairs = |list: &'static str| items(&object["spec"][list]).iter().zip(items(&old["spec"][list])).enumerate();
    for list in LISTS {
        for (index, (new, before)) in pairs(list) {
            if *list == "containers" || sidecar(before) {
                container(new, before, &path.child(list).index(index).child("resources"), errors);
            }
        }
    }
    for (_, (new, before)) in pairs("containers") {
        if other_resources(new) != other_resources(before) {
            errors.forbidden(&path, "only cpu and memory resources are mutable");
        }
    }
    for (_, (new, before)) in pairs("initContainers") {
        if sidecar(new) {
            if other_resources(new) != other_resources(before) {
                errors.forbidden(&path, "only cpu and memory resources for sidecar containers are mutable");
            }
        } else if new["resources"] != before["resources"] {
            errors.forbidden(&path, "resources for non-sidecar init containers are immutable");
        }
    }
}

fn container(new: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    for (part, what) in [("requests", "resource requests"), ("limits", "resource limits")] {
        if entries(&old["resources"][part]).any(|(name, _)| new["resources"][part].get(name).is_none()) {
            errors.forbidden(&path.child(part), &format!("{what} cannot be removed"));
        }
    }
}

/// Resources other than the ones that may change.
fn other_resources(container: &Value) -> Vec<(&str, String, String)> {
    let mut all = Vec::new();
    for part in ["limits", "requests"] {
        for (name, value) in entries(&container["resources"][part]) {
            if !matches!(name.as_str(), "cpu" | "memory") {
                all.push((part, name.clone(), amount::show(value)));
            }
        }
    }
    all
}
