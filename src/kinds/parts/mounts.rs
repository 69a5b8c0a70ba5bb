//! `volumeMounts` and `volumeDevices` of containers.

use serde_json::Value;

use super::volume::{local_descending, no_backsteps};
use crate::schema::field::{Errors, Path};
use crate::schema::rules::{items, text};

/// The rules of the mounts of a container; `volumes` are the pod's volumes that are right.
pub fn mounts(container: &Value, volumes: &[&Value], path: &Path, errors: &mut Errors) {
    let devices = items(&container["volumeDevices"]);
    let mut seen: Vec<&str> = Vec::new();
    for (index, mount) in items(&container["volumeMounts"]).iter().enumerate() {
        let at = path.index(index);
        let (name, target) = (text(&mount["name"]), text(&mount["mountPath"]));
        let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]);
        if name.is_empty() {
            errors.required(&at.child("name"), "");
        }
        if volume.is_none() {
            errors.not_found(&at.child("name"), &name.into());
        }
        if target.is_empty() {
            errors.required(&at.child("mountPath"), "");
        }
        if seen.contains(&target) {
            errors.invalid_text(&at.child("mountPath"), target, "must be unique");
        }
        seen.push(target);
        if devices.iter().any(|device| text(&device["name"]) == name) {
            errors.invalid_text(&at.child("name"), name, "must not already exist in volumeDevices");
        }
        if devices.iter().any(|device| text(&device["devicePath"]) == target) {
            let detail = "must not already exist as a path in volumeDevices";
            errors.invalid_text(&at.child("mountPath"), target, detail);
        }
        let (sub, expression) = (text(&mount["subPath"]), text(&mount["subPathExpr"]));
        if !sub.is_empty() {
            local_descending(sub, &path.child("subPath"), errors);
        }
        if !expression.is_empty() {
            if !sub.is_empty() {
                let detail = "subPathExpr and subPath are mutually exclusive";
                errors.invalid_text(&at.child("subPathExpr"), expression, detail);
            }
            local_descending(expression, &path.child("subPathExpr"), errors);
        }
        propagation(mount, container, path, errors);
        recursive(mount, &path.child("recursiveReadOnly"), errors);
    }
}

fn propagation(mount: &Value, container: &Value, path: &Path, errors: &mut Errors) {
    let Some(mode) = mount["mountPropagation"].as_str() else { return };
    let at = path.child("mountPropagation");
    if !matches!(mode, "Bidirectional" | "HostToContainer" | "None") {
        errors.not_supported(&at, &mode.into(), &["Bidirectional", "HostToContainer", "None"]);
    }
    if mode == "Bidirectional" && container["securityContext"]["privileged"] != true {
        errors.forbidden(&at, "Bidirectional mount propagation is available only to privileged containers");
    }
}

fn recursive(mount: &Value, path: &Path, errors: &mut Errors) {
    match mount["recursiveReadOnly"].as_str() {
        None | Some("Disabled") => {}
        Some("Enabled" | "IfPossible") => {
            if mount["readOnly"] != true {
                errors.forbidden(path, "may only be specified when readOnly is true");
            }
            if !matches!(mount["mountPropagation"].as_str(), None | Some("None")) {
                errors.forbidden(path, "may only be specified when mountPropagation is None or not specified");
            }
        }
        Some(other) => errors.not_supported(path, &other.into(), &["Disabled", "Enabled", "IfPossible"]),
    }
}

/// The rules of the block devices of a container; `volumes` are the pod's volumes that are right.
pub fn devices(container: &Value, volumes: &[&Value], path: &Path, errors: &mut Errors) {
    let mounts = items(&container["volumeMounts"]);
    let (mut names, mut paths): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for (index, device) in items(&container["volumeDevices"]).iter().enumerate() {
        let at = path.index(index);
        let (name, target) = (text(&device["name"]), text(&device["devicePath"]));
        let (name_path, target_path) = (at.child("name"), at.child("devicePath"));
        let volume = volumes.iter().find(|volume| volume["name"] == device["name"]);
        if name.is_empty() {
            errors.required(&name_path, "");
        }
        if names.contains(&name) {
            errors.invalid_text(&name_path, name, "must be unique");
        }
        match volume {
            None => errors.not_found(&name_path, &name.into()),
            Some(volume) => {
                if volume["persistentVolumeClaim"].is_null() && volume["ephemeral"].is_null() {
                    let detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                    errors.invalid_text(&name_path, name, detail);
                }
            }
        }
        if target.is_empty() {
            errors.required(&target_path, "");
        }
        if paths.contains(&target) {
            errors.invalid_text(&target_path, target, "must be unique");
        }
        let mut backsteps = Errors::new();
        no_backsteps(target, &target_path, &mut backsteps);
        if backsteps.is_empty() {
            paths.push(target);
        } else {
            errors.invalid_text(&target_path, target, "can not contain backsteps ('..')");
        }
        if mounts.iter().any(|mount| text(&mount["name"]) == name) {
            errors.invalid_text(&name_path, name, "must not already exist in volumeMounts");
        }
        if mounts.iter().any(|mount| text(&mount["mountPath"]) == target) {
            errors.invalid_text(&target_path, target, "must not already exist as a path in volumeMounts");
        }
        if !name.is_empty() {
            names.push(name);
        }
    }
}
