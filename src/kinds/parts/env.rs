//! `env` and `envFrom` of containers, and the references to fields and resources of a pod that
//! volumes use too.

use serde_json::Value;

use super::amount;
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::rules::{formatted, items, text};

/// Fields of a pod that an environment variable may show.
const ENV_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Fields of a pod that a file of a volume may show.
const VOLUME_FIELDS: &[&str] =
    &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
/// Fields of a pod that any reference may name.
const LABELS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const SIZES: &[&str] = &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// The rules of `env`.
pub fn env(list: &Value, path: &Path, errors: &mut Errors) {
    for (index, variable) in items(list).iter().enumerate() {
        let at = path.index(index);
        if text(&variable["name"]).is_empty() {
            errors.required(&at.child("name"), "");
        } else {
            formatted(text(&variable["name"]), names::env_name, &at.child("name"), errors);
        }
        value_from(variable, &at.child("valueFrom"), errors);
    }
}

fn value_from(variable: &Value, path: &Path, errors: &mut Errors) {
    let source = &variable["valueFrom"];
    if source.is_null() {
        return;
    }
    let mut sources = 0;
    let mut each = |name: &str, code: &mut dyn FnMut(&Value, &Path)| {
        if !source[name].is_null() {
            sources += 1;
            code(&source[name], &path.child(name));
        }
    };
    each("fieldRef", &mut |value, path| field_ref(value, false, path, errors));
    each("resourceFieldRef", &mut |value, path| resource_ref(value, false, path, errors));
    each("configMapKeyRef", &mut |value, path| key_ref(value, path, errors));
    each("secretKeyRef", &mut |value, path| key_ref(value, path, errors));
    each("fileKeyRef", &mut |value, path| {
        for field in ["key", "volumeName", "path"] {
            if text(&value[field]).is_empty() {
                errors.required(&path.child(field), "");
            }
        }
    });
    if sources == 0 {
        errors.invalid_text(
            path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        );
    } else if !text(&variable["value"]).is_empty() {
        errors.invalid_text(path, "", "may not be specified when `value` is not empty");
    } else if sources > 1 {
        errors.invalid_text(path, "", "may not have more than one field specified at a time");
    }
}

fn key_ref(reference: &Value, path: &Path, errors: &mut Errors) {
    formatted(text(&reference["name"]), names::dns1123_subdomain, &path.child("name"), errors);
    if text(&reference["key"]).is_empty() {
        errors.required(&path.child("key"), "");
    } else {
        formatted(text(&reference["key"]), names::config_key, &path.child("key"), errors);
    }
}

/// The rules of `envFrom`.
pub fn env_from(list: &Value, path: &Path, errors: &mut Errors) {
    for (index, source) in items(list).iter().enumerate() {
        let at = path.index(index);
        if !text(&source["prefix"]).is_empty() {
            formatted(text(&source["prefix"]), names::env_name, &at.child("prefix"), errors);
        }
        let mut sources = 0;
        for field in ["configMapRef", "secretRef"] {
            let reference = &source[field];
            if reference.is_null() {
                continue;
            }
            sources += 1;
            let name = text(&reference["name"]);
            let at = at.child(field).child("name");
            if name.is_empty() {
                errors.required(&at, "");
            } else {
                for fault in names::dns1123_subdomain(&names::mask_trailing_dash(name)) {
                    errors.invalid_text(&at, name, &fault);
                }
            }
        }
        if sources == 0 {
            errors.invalid_text(path, "", "must specify one of: `configMapRef` or `secretRef`");
        } else if sources > 1 {
            errors.invalid_text(path, "", "may not have more than one field specified at a time");
        }
    }
}

/// The rules of a reference to a field of the pod, from a volume or from a variable.
pub fn field_ref(reference: &Value, volume: bool, path: &Path, errors: &mut Errors) {
    let (version, field) = (text(&reference["apiVersion"]), text(&reference["fieldPath"]));
    if version.is_empty() {
        errors.required(&path.child("apiVersion"), "");
        return;
    }
    let at = path.child("fieldPath");
    if field.is_empty() {
        errors.required(&at, "");
        return;
    }
    if version != "v1" {
        let detail = format!("error converting fieldPath: unsupported pod version: {version}");
        errors.invalid_text(&at, field, &detail);
        return;
    }
    let subscript = field.strip_suffix("']").and_then(|head| head.split_once("['"));
    let name = subscript.map_or(field, |(name, _)| name);
    let known = match subscript {
        Some(_) => matches!(name, "metadata.annotations" | "metadata.labels"),
        None => LABELS.contains(&name) || name == "spec.host",
    };
    if !known {
        let detail = match subscript {
            Some(_) => format!("error converting fieldPath: field label does not support subscript: {field}"),
            None => format!("error converting fieldPath: field label not supported: {field}"),
        };
        errors.invalid_text(&at, field, &detail);
        return;
    }
    match subscript {
        Some(("metadata.annotations", key)) => formatted_at(&key.to_lowercase(), path, errors),
        Some((_, key)) => formatted_at(key, path, errors),
        None => {
            let fields = if volume { VOLUME_FIELDS } else { ENV_FIELDS };
            let name = if name == "spec.host" { "spec.nodeName" } else { name };
            if !fields.contains(&name) {
                errors.not_supported(&at, &name.into(), fields);
            }
        }
    }
}

fn formatted_at(key: &str, path: &Path, errors: &mut Errors) {
    formatted(key, names::qualified_name, path, errors);
}

/// The rules of a reference to a resource of a container, from a volume or from a variable.
pub fn resource_ref(reference: &Value, volume: bool, path: &Path, errors: &mut Errors) {
    let resource = text(&reference["resource"]);
    let huge = resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-");
    if volume && text(&reference["containerName"]).is_empty() {
        errors.required(&path.child("containerName"), "");
    } else if resource.is_empty() {
        errors.required(&path.child("resource"), "");
    } else if !RESOURCES.contains(&resource) && !huge {
        errors.not_supported(&path.child("resource"), &resource.into(), RESOURCES);
    }
    let divisor = &reference["divisor"];
    if amount::nano(divisor) == 0 {
        return;
    }
    let (allowed, what) = match resource {
        "limits.cpu" | "requests.cpu" => (&["1m", "1"][..], "cpu"),
        "limits.memory" | "requests.memory" => (SIZES, "memory"),
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => (SIZES, "local ephemeral storage"),
        _ if huge => (SIZES, "hugepages"),
        _ => return,
    };
    if !allowed.contains(&amount::show(divisor).as_str()) {
        let words = if what == "cpu" { "1m and 1".to_owned() } else { SIZES.join(", ") };
        let detail = format!("only divisor's values {words} are supported with the {what} resource");
        errors.invalid_text(&path.child("divisor"), resource, &detail);
    }
}
