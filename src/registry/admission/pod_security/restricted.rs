//! The checks that the level restricted adds: what a hardened container does without.

use serde_json::Value;

use super::baseline::{added, has_own_users, is_profile, those};
use super::checks::{Finding, containers, named, plural, quoted, setters, sorted};
use super::{name, said};
use crate::schema::rules::{entries, items, text};

/// Sources of volumes that are allowed.
const VOLUMES: &[&str] = &[
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// From 1.25 on what Windows does not know is not asked of its pods.
fn is_windows(pod: &Value) -> bool {
    pod["spec"]["os"]["name"] == "windows"
}

pub(super) fn escalation(pod: &Value) -> Option<Finding> {
    let names = those(pod, |container| *said(container, "allowPrivilegeEscalation") != false);
    let detail = || format!("{} must set securityContext.allowPrivilegeEscalation=false", named(&names));
    (!names.is_empty()).then(|| Finding::new("allowPrivilegeEscalation != false", detail()))
}

pub(super) fn escalation_1_25(pod: &Value) -> Option<Finding> {
    if is_windows(pod) { None } else { escalation(pod) }
}

pub(super) fn capabilities(pod: &Value) -> Option<Finding> {
    let keeps = those(pod, |container| !items(&said(container, "capabilities")["drop"]).iter().any(|one| one == "ALL"));
    let (adds, extra) = added(pod, &["NET_BIND_SERVICE"]);
    let mut details = Vec::new();
    if !keeps.is_empty() {
        details.push(format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", named(&keeps)));
    }
    if !adds.is_empty() {
        let extra = quoted(&extra);
        details.push(format!("{} must not include {extra} in securityContext.capabilities.add", named(&adds)));
    }
    (!details.is_empty()).then(|| Finding::new("unrestricted capabilities", details.join("; ")))
}

pub(super) fn capabilities_1_25(pod: &Value) -> Option<Finding> {
    if is_windows(pod) { None } else { capabilities(pod) }
}

pub(super) fn volumes(pod: &Value) -> Option<Finding> {
    let (mut names, mut types) = (Vec::new(), Vec::new());
    for volume in items(&pod["spec"]["volumes"]) {
        let mut sources = entries(volume).filter(|(key, value)| *key != "name" && !value.is_null());
        let source = sources.next().map_or("unknown", |(key, _)| key.as_str());
        if !VOLUMES.contains(&source) {
            names.push(name(volume));
            types.push(source.to_owned());
        }
    }
    if names.is_empty() {
        return None;
    }
    let types = sorted(types);
    let word = plural("restricted volume type", "restricted volume types", types.len());
    let detail = format!(
        "{} {} {} {word} {}",
        plural("volume", "volumes", names.len()),
        quoted(&names),
        plural("uses", "use", names.len()),
        quoted(&types)
    );
    Some(Finding::new("restricted volume types", detail))
}

pub(super) fn non_root(pod: &Value) -> Option<Finding> {
    const REASON: &str = "runAsNonRoot != true";
    let of_pod = said(&pod["spec"], "runAsNonRoot");
    let who = setters(*of_pod == false, &those(pod, |container| *said(container, "runAsNonRoot") == false));
    if !who.is_empty() {
        return Some(Finding::new(REASON, format!("{who} must not set securityContext.runAsNonRoot=false")));
    }
    if *of_pod == true {
        return None;
    }
    let names = those(pod, |container| said(container, "runAsNonRoot").is_null());
    let detail = || format!("pod or {} must set securityContext.runAsNonRoot=true", named(&names));
    (!names.is_empty()).then(|| Finding::new(REASON, detail()))
}

/// From 1.35 on root in a pod with users of its own is nobody on the host (KEP-127).
pub(super) fn non_root_1_35(pod: &Value) -> Option<Finding> {
    if has_own_users(pod) { None } else { non_root(pod) }
}

pub(super) fn user(pod: &Value) -> Option<Finding> {
    let root = |owner: &Value| *said(owner, "runAsUser") == 0;
    let who = setters(root(&pod["spec"]), &those(pod, root));
    (!who.is_empty()).then(|| Finding::new("runAsUser=0", format!("{who} must not set runAsUser=0")))
}

pub(super) fn user_1_35(pod: &Value) -> Option<Finding> {
    if has_own_users(pod) { None } else { user(pod) }
}

pub(super) fn seccomp(pod: &Value) -> Option<Finding> {
    if let Some(found) = super::baseline::seccomp(pod) {
        return Some(found);
    }
    if is_profile(said(&pod["spec"], "seccompProfile")) {
        return None;
    }
    let unset = |container: &&Value| !said(container, "seccompProfile").is_object();
    let names: Vec<String> = containers(pod).filter(unset).map(|container| text(&container["name"]).into()).collect();
    let detail = || {
        let who = named(&names);
        format!("pod or {who} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"")
    };
    (!names.is_empty()).then(|| Finding::new("seccompProfile", detail()))
}

pub(super) fn seccomp_1_25(pod: &Value) -> Option<Finding> {
    if is_windows(pod) { None } else { seccomp(pod) }
}
