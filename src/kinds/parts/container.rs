//! Containers of a pod: regular, init and ephemeral ones.

use serde_json::Value;

use super::probe::{Probe, lifecycle, probe};
use super::{env, intstr, mounts, resources, security};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::rules::Rule::{At, Filled, Format, OneOf, Required};
use crate::schema::rules::{Rule, check, items, number, text};

const IDENTITY: &[Rule] = &[
    At("name", &[Required(""), Format(names::dns1123_label)]),
    At("image", &[Required("")]),
    At("terminationMessagePolicy", &[Required(""), OneOf(&["File", "FallbackToLogsOnError"])]),
];
const PULL_POLICY: &[Rule] = &[At("imagePullPolicy", &[Required(""), OneOf(&["Always", "IfNotPresent", "Never"])])];
const PROTOCOL: &[Rule] = &[At("protocol", &[Required(""), OneOf(&["SCTP", "TCP", "UDP"])])];
const STOP_SIGNALS: &[&str] = &["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"];

/// What the containers of a pod need to know of it.
pub struct Pod<'p> {
    /// Volumes whose rules hold.
    pub volumes: Vec<&'p Value>,
    /// Names of `spec.resourceClaims`.
    pub claims: Vec<&'p str>,
    /// `spec.terminationGracePeriodSeconds`.
    pub grace: Option<i64>,
    /// `spec.restartPolicy`.
    pub restart_policy: &'p str,
    /// Whether users inside are users of the host.
    pub host_users: bool,
}

/// The rules of `spec.containers`.
pub fn regular(list: &Value, pod: &Pod, path: &Path, errors: &mut Errors) {
    if items(list).is_empty() {
        errors.required(path, "");
        return;
    }
    let mut names: Vec<&str> = Vec::new();
    for (index, container) in items(list).iter().enumerate() {
        let at = path.index(index);
        common(container, pod, &at, errors);
        let name = text(&container["name"]);
        if names.contains(&name) {
            errors.duplicate(&at.child("name"), &name.into());
        }
        names.push(name);
        hooks(container, pod, &at, errors);
        restart_policy(container, &["Always", "Never", "OnFailure"], &at, errors);
    }
    host_ports(items(list).iter().enumerate(), path, errors);
}

/// The rules of `spec.initContainers`.
pub fn init(list: &Value, regular: &Value, pod: &Pod, path: &Path, errors: &mut Errors) {
    let mut names: Vec<&str> = items(regular).iter().map(|one| text(&one["name"])).collect();
    for (index, container) in items(list).iter().enumerate() {
        let at = path.index(index);
        common(container, pod, &at, errors);
        restart_policy(container, &["Always", "Never", "OnFailure"], &at, errors);
        let name = text(&container["name"]);
        if names.contains(&name) {
            errors.duplicate(&at.child("name"), &name.into());
        } else if !name.is_empty() {
            names.push(name);
        }
        host_ports([(0, container)].into_iter(), path, errors);
        if container["restartPolicy"] == "Always" {
            hooks(container, pod, &at, errors);
        } else {
            for field in STOP_SIGNALS {
                if !container[*field].is_null() {
                    let detail = "may not be set for init containers without restartPolicy=Always";
                    errors.forbidden(&at.child(field), detail);
                }
            }
        }
    }
}

/// The rules of `spec.ephemeralContainers`.
pub fn ephemeral(spec: &Value, pod: &Pod, path: &Path, errors: &mut Errors) {
    const DENIED: &[&str] = &[
        "ports",
        "resources",
        "resizePolicy",
        "restartPolicy",
        "restartPolicyRules",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
        "lifecycle",
    ];
    let all = items(&spec["containers"]).iter().chain(items(&spec["initContainers"]));
    let others: Vec<&str> = all.map(|one| text(&one["name"])).collect();
    let mut names = others.clone();
    for (index, container) in items(&spec["ephemeralContainers"]).iter().enumerate() {
        let at = path.index(index);
        common(container, pod, &at, errors);
        trimmed_image(container, &at, errors);
        let (name, target) = (text(&container["name"]), text(&container["targetContainerName"]));
        if names.contains(&name) {
            errors.duplicate(&at.child("name"), &name.into());
        }
        names.push(name);
        if !target.is_empty() && !others.contains(&target) {
            errors.not_found(&at.child("targetContainerName"), &target.into());
        }
        for field in DENIED {
            if !crate::schema::rules::is_empty(&container[*field]) {
                errors.forbidden(&at.child(field), "cannot be set for an Ephemeral Container");
            }
        }
        for (index, mount) in items(&container["volumeMounts"]).iter().enumerate() {
            for field in ["subPath", "subPathExpr"] {
                if !text(&mount[field]).is_empty() {
                    let at = at.child("volumeMounts").index(index).child(field);
                    errors.forbidden(&at, "cannot be set for an Ephemeral Container");
                }
            }
        }
    }
}

/// The image of a container of a pod may have no space around it.
pub fn trimmed_image(container: &Value, path: &Path, errors: &mut Errors) {
    let image = text(&container["image"]);
    if image.trim() != image {
        errors.invalid_text(&path.child("image"), image, "must not have leading or trailing whitespace");
    }
}

fn hooks(container: &Value, pod: &Pod, path: &Path, errors: &mut Errors) {
    lifecycle(&container["lifecycle"], pod.grace, &path.child("lifecycle"), errors);
    for (field, which) in
        [("livenessProbe", Probe::Liveness), ("readinessProbe", Probe::Readiness), ("startupProbe", Probe::Startup)]
    {
        probe(&container[field], which, &path.child(field), errors);
    }
}

/// What every container follows.
fn common(container: &Value, pod: &Pod, path: &Path, errors: &mut Errors) {
    check(IDENTITY, container, path, errors);
    ports(&container["ports"], &path.child("ports"), errors);
    env::env(&container["env"], &path.child("env"), errors);
    env::env_from(&container["envFrom"], &path.child("envFrom"), errors);
    mounts::mounts(container, &pod.volumes, &path.child("volumeMounts"), errors);
    mounts::devices(container, &pod.volumes, &path.child("volumeDevices"), errors);
    check(PULL_POLICY, container, path, errors);
    let named = resources::container_name;
    resources::requirements(&container["resources"], named, &pod.claims, &path.child("resources"), errors);
    resize_policy(&container["resizePolicy"], pod.restart_policy, &path.child("resizePolicy"), errors);
    security::container(&container["securityContext"], pod.host_users, &path.child("securityContext"), errors);
}

fn ports(list: &Value, path: &Path, errors: &mut Errors) {
    let mut names: Vec<&str> = Vec::new();
    for (index, port) in items(list).iter().enumerate() {
        let at = path.index(index);
        let name = text(&port["name"]);
        if !name.is_empty() {
            let faults = names::port_name(name);
            for fault in &faults {
                errors.invalid_text(&at.child("name"), name, fault);
            }
            if faults.is_empty() && names.contains(&name) {
                errors.duplicate(&at.child("name"), &name.into());
            }
            names.push(name);
        }
        if number(&port["containerPort"]) == 0 {
            errors.required(&at.child("containerPort"), "");
        } else {
            intstr::port_number(number(&port["containerPort"]), &at.child("containerPort"), errors);
        }
        if number(&port["hostPort"]) != 0 {
            intstr::port_number(number(&port["hostPort"]), &at.child("hostPort"), errors);
        }
        check(PROTOCOL, port, &at, errors);
    }
}

/// Ports of the host that are asked for twice.
fn host_ports<'c>(containers: impl Iterator<Item = (usize, &'c Value)>, path: &Path, errors: &mut Errors) {
    let mut seen: Vec<String> = Vec::new();
    for (index, container) in containers {
        for (port_index, port) in items(&container["ports"]).iter().enumerate() {
            let host = number(&port["hostPort"]);
            if host == 0 {
                continue;
            }
            let key = format!("{}/{}/{host}", text(&port["protocol"]), text(&port["hostIP"]));
            if seen.contains(&key) {
                let at = path.index(index).child("ports").index(port_index).child("hostPort");
                errors.duplicate(&at, &key.into());
            } else {
                seen.push(key);
            }
        }
    }
}

fn resize_policy(list: &Value, restart_policy: &str, path: &Path, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, policy) in items(list).iter().enumerate() {
        let (name, restart) = (&policy["resourceName"], &policy["restartPolicy"]);
        if seen.contains(&text(name)) {
            errors.duplicate(&path.index(index), name);
        }
        seen.push(text(name));
        check(&[Required(""), OneOf(&["cpu", "memory"])], name, path, errors);
        check(&[Required(""), OneOf(&["NotRequired", "RestartContainer"])], restart, path, errors);
        if restart_policy == "Never" && restart != "NotRequired" {
            errors.invalid(path, restart, "must be 'NotRequired' when `restartPolicy` is 'Never'");
        }
    }
}

/// A restart policy of one container, with rules by exit code.
fn restart_policy(container: &Value, allowed: &[&str], path: &Path, errors: &mut Errors) {
    let (policy, rules) = (&container["restartPolicy"], items(&container["restartPolicyRules"]));
    if let Some(given) = policy.as_str()
        && !allowed.contains(&given)
    {
        errors.not_supported(&path.child("restartPolicy"), policy, allowed);
    }
    let at = path.child("restartPolicyRules");
    if !rules.is_empty() && policy.is_null() {
        errors.required(&path.child("restartPolicy"), "must specify restartPolicy when restart rules are used");
    }
    if rules.len() > 20 {
        errors.too_long(&at, 20);
    }
    for (index, rule) in rules.iter().enumerate() {
        let at = at.index(index);
        check(
            &[
                At("action", &[Required(""), OneOf(&["Restart", "RestartAllContainers"])]),
                At(
                    "exitCodes",
                    &[Required("must be specified"), At("operator", &[Required(""), OneOf(&["In", "NotIn"])])],
                ),
                At("exitCodes", &[Filled(&[At("values", &[Required("must have at least one value")])])]),
            ],
            rule,
            &at,
            errors,
        );
        if items(&rule["exitCodes"]["values"]).len() > 255 {
            errors.too_long(&at.child("exitCodes").child("values"), 255);
        }
    }
}
