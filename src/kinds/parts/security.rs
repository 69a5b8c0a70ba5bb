//! Security contexts of pods and containers.

use serde_json::Value;

use super::show;
use super::volume::{local_descending, no_backsteps};
use crate::schema::field::{Errors, Path};
use crate::schema::rules::{Rule, check, items, text};

/// Largest number of a user or a group.
const ID_MAX: i64 = 2_147_483_647;
const ID: &[Rule] = &[Rule::Given(&[Rule::Between(0, ID_MAX)])];
const POD_IDS: &[Rule] = &[
    Rule::At("fsGroup", ID),
    Rule::At("runAsUser", ID),
    Rule::At("runAsGroup", ID),
    Rule::At("supplementalGroups", &[Rule::Each(ID)]),
];
const PROFILES: &[&str] = &["Localhost", "RuntimeDefault", "Unconfined"];

/// The rules of the security context of a pod. `spec` is the pod's.
pub fn pod(spec: &Value, path: &Path, errors: &mut Errors) {
    let (context, at) = (&spec["securityContext"], path.child("securityContext"));
    check(POD_IDS, context, &at, errors);
    if spec["shareProcessNamespace"] == true && spec["hostPID"] == true {
        errors.invalid(
            &path.child("shareProcessNamespace"),
            &true.into(),
            "ShareProcessNamespace and HostPID cannot both be enabled",
        );
    }
    sysctls(&context["sysctls"], spec, &at.child("sysctls"), errors);
    let policy = [Rule::At("fsGroupChangePolicy", &[Rule::Given(&[Rule::OneOf(&["Always", "OnRootMismatch"])])])];
    check(&policy, context, &at, errors);
    seccomp(&context["seccompProfile"], &at.child("seccompProfile"), errors);
    app_armor(&context["appArmorProfile"], &at.child("appArmorProfile"), errors);
    let policies = [
        Rule::At("supplementalGroupsPolicy", &[Rule::Given(&[Rule::OneOf(&["Merge", "Strict"])])]),
        Rule::At("seLinuxChangePolicy", &[Rule::Given(&[Rule::OneOf(&["MountOption", "Recursive"])])]),
    ];
    check(&policies, context, &at, errors);
}

/// The rules of the security context of a container; an absent one is right.
pub fn container(context: &Value, host_users: bool, path: &Path, errors: &mut Errors) {
    if context.is_null() {
        return;
    }
    check(&[Rule::At("runAsUser", ID), Rule::At("runAsGroup", ID)], context, path, errors);
    if let Some(mount) = context["procMount"].as_str() {
        let at = path.child("procMount");
        if !matches!(mount, "Default" | "Unmasked") {
            errors.not_supported(&at, &mount.into(), &["Default", "Unmasked"]);
        }
        if host_users && mount == "Unmasked" {
            errors.invalid_text(&at, mount, "`hostUsers` must be false to use `Unmasked`");
        }
    }
    seccomp(&context["seccompProfile"], &path.child("seccompProfile"), errors);
    if context["allowPrivilegeEscalation"] == false {
        let shown = || show::line(context, "core.v1.SecurityContext");
        if context["privileged"] == true {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.invalid_raw(path, &shown(), detail);
        }
        if items(&context["capabilities"]["add"]).iter().any(|one| one == "CAP_SYS_ADMIN") {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.invalid_raw(path, &shown(), detail);
        }
    }
    app_armor(&context["appArmorProfile"], &path.child("appArmorProfile"), errors);
}

fn sysctls(list: &Value, spec: &Value, path: &Path, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, one) in items(list).iter().enumerate() {
        let (name, at) = (text(&one["name"]), path.index(index).child("name"));
        if name.is_empty() {
            errors.required(&at, "");
        } else if name.len() > 253 || !is_sysctl(name) {
            errors.invalid_text(
                &at,
                name,
                "must have at most 253 characters and match regex \
                 ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
            );
        } else if seen.contains(&name) {
            errors.duplicate(&at, &name.into());
        }
        let dotted = name.replace('/', ".");
        let ipc = ["kernel.shm", "kernel.msg", "fs.mqueue."].iter().any(|prefix| dotted.starts_with(prefix))
            || dotted == "kernel.sem";
        if spec["hostNetwork"] == true && dotted.starts_with("net.") {
            errors.invalid_text(&at, name, "may not be specified when 'hostNetwork' is true");
        } else if spec["hostIPC"] == true && ipc {
            errors.invalid_text(&at, name, "may not be specified when 'hostIPC' is true");
        }
        seen.push(name);
    }
}

fn is_sysctl(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.split(['.', '/']).all(|part| {
        let bytes = part.as_bytes();
        bytes.first().is_some_and(|byte| word(*byte))
            && bytes.last().is_some_and(|byte| word(*byte))
            && bytes.iter().all(|byte| word(*byte) || matches!(byte, b'-' | b'_'))
    })
}

fn seccomp(profile: &Value, path: &Path, errors: &mut Errors) {
    if profile.is_null() {
        return;
    }
    let (kind, local) = (text(&profile["type"]), &profile["localhostProfile"]);
    if kind.is_empty() {
        errors.required(&path.child("type"), "type is required when seccompProfile is set");
    } else if !PROFILES.contains(&kind) {
        errors.not_supported(&path.child("type"), &kind.into(), PROFILES);
    }
    let at = path.child("localhostProfile");
    match (kind, local.as_str()) {
        ("Localhost", None) => errors.required(&at, "must be set when seccomp type is Localhost"),
        ("Localhost", Some(file)) => local_descending(file, &at, errors),
        (_, Some(_)) => errors.invalid_raw(
            &at,
            &show::line(profile, "core.v1.SeccompProfile"),
            "can only be set when seccomp type is Localhost",
        ),
        (_, None) => {}
    }
}

fn app_armor(profile: &Value, path: &Path, errors: &mut Errors) {
    if profile.is_null() {
        return;
    }
    let (kind, local) = (text(&profile["type"]), profile["localhostProfile"].as_str());
    let at = path.child("localhostProfile");
    match (kind, local) {
        ("Localhost", None | Some("")) => errors.required(&at, "must be set when AppArmor type is Localhost"),
        ("Localhost", Some(name)) => {
            if name.trim() != name {
                errors.invalid_text(&at, name, "must not be padded with whitespace");
            }
            if name.len() > 4095 {
                errors.too_long(&at, 4095);
            }
        }
        ("RuntimeDefault" | "Unconfined", Some(name)) => {
            errors.invalid_text(&at, name, "can only be set when AppArmor type is Localhost");
        }
        ("RuntimeDefault" | "Unconfined", None) => {}
        ("", _) => errors.required(&path.child("type"), "type is required when appArmorProfile is set"),
        _ => errors.not_supported(&path.child("type"), &kind.into(), PROFILES),
    }
}

/// Namespaces of the host do not go together with users of its own.
pub fn host_users(spec: &Value, path: &Path, errors: &mut Errors) {
    if spec["hostUsers"] != false {
        return;
    }
    for (field, shown) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if spec[field] == true {
            errors.forbidden(&path.child(shown), "when `pod.Spec.HostUsers` is false");
        }
    }
}

/// The rules between the annotations that older versions had for profiles and the fields.
pub fn annotations(metadata: &Value, spec: &Value, path: &Path, errors: &mut Errors) {
    let annotation = |key: String| metadata["annotations"].get(key).and_then(Value::as_str);
    let pod_seccomp = &spec["securityContext"]["seccompProfile"];
    if !pod_seccomp.is_null()
        && let Some(given) = annotation("seccomp.security.alpha.kubernetes.io/pod".to_owned())
    {
        profile_matches(given, pod_seccomp, &path.child("securityContext").child("seccompProfile"), "seccomp", errors);
    }
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    for (kind, field, prefix) in [
        ("seccomp", "seccompProfile", "container.seccomp.security.alpha.kubernetes.io/"),
        ("apparmor", "appArmorProfile", "container.apparmor.security.beta.kubernetes.io/"),
    ] {
        for list in lists {
            for (index, container) in items(&spec[list]).iter().enumerate() {
                let mut profile = &container["securityContext"][field];
                if profile.is_null() && kind == "apparmor" {
                    profile = &spec["securityContext"][field];
                }
                let name = text(&container["name"]);
                if let (false, Some(given)) = (profile.is_null(), annotation(format!("{prefix}{name}"))) {
                    let at = path.child(list).index(index).child("securityContext").child(field);
                    profile_matches(given, profile, &at, kind, errors);
                }
            }
        }
    }
}

fn profile_matches(given: &str, profile: &Value, path: &Path, kind: &str, errors: &mut Errors) {
    let same_type = match text(&profile["type"]) {
        "Unconfined" => given == "unconfined",
        "RuntimeDefault" => given == "runtime/default" || (kind == "seccomp" && given == "docker/default"),
        "Localhost" => given.starts_with("localhost/"),
        _ => true,
    };
    if !same_type {
        errors.forbidden(&path.child("type"), &format!("{kind} type in annotation and field must match"));
    } else if profile["type"] == "Localhost" && given.strip_prefix("localhost/") != profile["localhostProfile"].as_str()
    {
        let detail = format!("{kind} profile in annotation and field must match");
        errors.forbidden(&path.child("localhostProfile"), &detail);
    }
}

/// The rules of the annotation that older versions had for a seccomp profile.
pub fn seccomp_annotation(value: &str, path: &Path, errors: &mut Errors) {
    if matches!(value, "runtime/default" | "docker/default" | "unconfined") {
        return;
    }
    match value.strip_prefix("localhost/") {
        Some(file) => {
            if file.starts_with('/') {
                errors.invalid_text(path, file, "must be a relative path");
            }
            no_backsteps(file, path, errors);
        }
        None => errors.invalid_text(path, value, "must be a valid seccomp profile"),
    }
}
