//! The rules of a pod by itself and of its status.

use serde_json::Value;

use crate::kinds::parts::{container, ip, pod as part, security};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::{formatted, items, text};

/// What holds for a pod at any time.
pub fn pod(object: &Value, errors: &mut Errors) {
    let (spec, path) = (&object["spec"], Path::new("spec"));
    part::annotations(&object["metadata"], spec, &Path::new("metadata").child("annotations"), errors);
    part::spec(spec, Some(object.name()), &path, errors);
    if text(&spec["serviceAccountName"]).is_empty() {
        for (index, volume) in items(&spec["volumes"]).iter().enumerate() {
            for (source_index, source) in items(&volume["projected"]["sources"]).iter().enumerate() {
                if !source["serviceAccountToken"].is_null() {
                    let at = path.child("volumes").index(index).child("projected");
                    let at = at.child("sources").index(source_index).child("serviceAccountToken");
                    errors.forbidden(&at, "must not be specified when serviceAccountName is not set");
                }
            }
        }
    }
    for list in ["containers", "initContainers"] {
        for (index, one) in items(&spec[list]).iter().enumerate() {
            container::trimmed_image(one, &path.child(list).index(index), errors);
        }
    }
}

/// What holds for a new pod.
pub fn create(object: &Value, errors: &mut Errors) {
    let (spec, path) = (&object["spec"], Path::new("spec"));
    if !items(&spec["ephemeralContainers"]).is_empty() {
        errors.forbidden(&path.child("ephemeralContainers"), "cannot be set on create");
    }
    if !text(&spec["nodeName"]).is_empty() && !items(&spec["schedulingGates"]).is_empty() {
        let detail = "cannot be set until all schedulingGates have been cleared";
        errors.forbidden(&path.child("nodeName"), detail);
    }
    security::annotations(&object["metadata"], spec, &path, errors);
}

/// What holds for the status of a pod.
pub fn status(object: &Value, old: &Value, errors: &mut Errors) {
    let (new, old_status, path) = (&object["status"], &old["status"], Path::new("status"));
    for (index, condition) in items(&new["conditions"]).iter().enumerate() {
        let kind = text(&condition["type"]);
        if !matches!(kind, "PodScheduled" | "Ready" | "Initialized") {
            let at = Path::new("metadata").child("conditions").index(index).child("Type");
            formatted(kind, names::qualified_name, &at, errors);
        }
    }
    let (nominated, at) = (text(&new["nominatedNodeName"]), path.child("nominatedNodeName"));
    if !nominated.is_empty() && nominated != text(&old_status["nominatedNodeName"]) {
        if !text(&object["spec"]["nodeName"]).is_empty() {
            errors.forbidden(&at, "may not be set on pods that are already bound to a node");
        }
        formatted(nominated, names::dns1123_subdomain, &at, errors);
    }
    if text(&new["qosClass"]) != text(&old_status["qosClass"]) {
        errors.invalid(&path.child("qosClass"), &new["qosClass"], "field is immutable");
    }
    let policy = text(&old["spec"]["restartPolicy"]);
    for (field, policy) in
        [("containerStatuses", policy), ("initContainerStatuses", policy), ("ephemeralContainerStatuses", "Never")]
    {
        transitions(&new[field], &old_status[field], policy, &old["spec"], &path.child(field), errors);
    }
    pod_ips(new, &path.child("podIPs"), errors);
    host_ips(new, &path.child("hostIPs"), errors);
}

/// A container that ended and may not be restarted stays ended.
fn transitions(new: &Value, old: &Value, policy: &str, spec: &Value, path: &Path, errors: &mut Errors) {
    if policy == "Always" {
        return;
    }
    for (index, before) in items(old).iter().enumerate() {
        let ended = &before["state"]["terminated"];
        if ended.is_null() || (policy == "OnFailure" && ended["exitCode"] != 0) {
            continue;
        }
        let sidecar = items(&spec["initContainers"])
            .iter()
            .any(|one| one["name"] == before["name"] && one["restartPolicy"] == "Always");
        let back =
            items(new).iter().any(|after| after["name"] == before["name"] && after["state"]["terminated"].is_null());
        if back && !sidecar {
            errors.forbidden(&path.index(index).child("state"), "may not be transitioned to non-terminated state");
        }
    }
}

fn pod_ips(status: &Value, path: &Path, errors: &mut Errors) {
    let list = items(&status["podIPs"]);
    for (index, one) in list.iter().enumerate() {
        ip::address(text(&one["ip"]), &path.index(index), errors);
    }
    one_per_family(&status["podIPs"], "PodIP", path, errors);
}

fn host_ips(status: &Value, path: &Path, errors: &mut Errors) {
    let list = items(&status["hostIPs"]);
    let Some(first) = list.first() else { return };
    if first["ip"] != status["hostIP"] {
        errors.invalid(&path.index(0).child("ip"), &first["ip"], "must be equal to `hostIP`");
    }
    for (index, one) in list.iter().enumerate() {
        ip::address(text(&one["ip"]), &path.index(index), errors);
    }
    one_per_family(&status["hostIPs"], "HostIP", path, errors);
}

fn one_per_family(list: &Value, of: &str, path: &Path, errors: &mut Errors) {
    let all: Vec<&str> = items(list).iter().map(|one| text(&one["ip"])).collect();
    if all.len() < 2 {
        return;
    }
    let shown = |text: &str| format!("{{\"IP\":{}}}", crate::schema::field::quote(text));
    if !ip::dual_stack(&all) {
        let list: Vec<String> = all.iter().map(|one| shown(one)).collect();
        let list = format!("[{}]", list.join(","));
        errors.invalid_raw(path, &list, "may specify no more than one IP for each IP family");
    }
    for (index, one) in all.iter().enumerate() {
        if all.iter().take(index).any(|other| other == one) {
            let _ = of;
            let message = format!("Duplicate value: {}", shown(one));
            errors.push(crate::schema::field::Reason::Duplicate, &path.index(index), message);
        }
    }
}
