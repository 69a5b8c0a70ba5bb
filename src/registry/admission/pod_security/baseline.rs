//! The checks of the level baseline: what is known to lead out of a container.

use serde_json::Value;

use super::checks::{Finding, containers, named, plural, quoted, setters, sorted};
use super::{name, said};
use crate::schema::field::quote;
use crate::schema::rules::{entries, items, number, text};

const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const CAPABILITIES: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Kernel parameters that are safe, and the minor version since which.
const SYSCTLS: &[(u32, &str)] = &[
    (0, "kernel.shm_rmid_forced"),
    (0, "net.ipv4.ip_local_port_range"),
    (0, "net.ipv4.tcp_syncookies"),
    (0, "net.ipv4.ping_group_range"),
    (0, "net.ipv4.ip_unprivileged_port_start"),
    (27, "net.ipv4.ip_local_reserved_ports"),
    (29, "net.ipv4.tcp_keepalive_time"),
    (29, "net.ipv4.tcp_fin_timeout"),
    (29, "net.ipv4.tcp_keepalive_intvl"),
    (29, "net.ipv4.tcp_keepalive_probes"),
    (32, "net.ipv4.tcp_rmem"),
    (32, "net.ipv4.tcp_wmem"),
    (37, "net.ipv4.tcp_slow_start_after_idle"),
    (37, "net.ipv4.tcp_notsent_lowat"),
];
const SE_LINUX: &[&str] = &["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

/// A security profile that a runtime or the machine provides.
pub(super) fn is_profile(value: &Value) -> bool {
    matches!(text(&value["type"]), "RuntimeDefault" | "Localhost")
}

/// The containers that satisfy a condition.
pub(super) fn those(pod: &Value, wanted: impl Fn(&Value) -> bool) -> Vec<String> {
    containers(pod).filter(|container| wanted(container)).map(name).collect()
}

pub(super) fn app_armor(pod: &Value) -> Option<Finding> {
    let mut values = Vec::new();
    let mut bad = |owner: &Value| {
        let profile = said(owner, "appArmorProfile");
        let bad = profile.is_object() && !is_profile(profile);
        if bad {
            values.push(text(&profile["type"]).to_owned());
        }
        bad
    };
    let of_pod = bad(&pod["spec"]);
    let names: Vec<String> = containers(pod).filter(|container| bad(container)).map(name).collect();
    let annotations: Vec<String> = entries(&pod["metadata"]["annotations"])
        .map(|(key, value)| (key, text(value)))
        .filter(|(key, value)| {
            let allowed = value.is_empty() || *value == "runtime/default" || value.starts_with("localhost/");
            key.starts_with(APP_ARMOR) && !allowed
        })
        .map(|(key, value)| format!("{key}={}", quote(value)))
        .collect();
    let mut who = setters(of_pod, &names);
    let mut values = sorted(values);
    if !annotations.is_empty() {
        let word = plural("annotation", "annotations", annotations.len());
        who = if who.is_empty() { word.to_owned() } else { format!("{who} and {word}") };
        values.extend(sorted(annotations));
    }
    if who.is_empty() {
        return None;
    }
    let reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", values.len());
    Some(Finding::new(reason, format!("{who} must not set AppArmor profile type to {}", quoted(&values))))
}

pub(super) fn capabilities(pod: &Value) -> Option<Finding> {
    let (names, added) = added(pod, CAPABILITIES);
    if names.is_empty() {
        return None;
    }
    let detail = format!("{} must not include {} in securityContext.capabilities.add", named(&names), quoted(&added));
    Some(Finding::new("non-default capabilities", detail))
}

/// The containers that add capabilities beyond those, and which.
pub(super) fn added(pod: &Value, allowed: &[&str]) -> (Vec<String>, Vec<String>) {
    let (mut names, mut all) = (Vec::new(), Vec::new());
    for container in containers(pod) {
        let add = items(&said(container, "capabilities")["add"]).iter().map(text);
        let before = all.len();
        all.extend(add.filter(|one| !allowed.contains(one)).map(ToOwned::to_owned));
        if all.len() > before {
            names.push(name(container));
        }
    }
    (names, sorted(all))
}

pub(super) fn host_namespaces(pod: &Value) -> Option<Finding> {
    let set = |field: &&str| pod["spec"][*field] == true;
    let found: Vec<String> =
        ["hostNetwork", "hostPID", "hostIPC"].iter().filter(|field| set(field)).map(|f| format!("{f}=true")).collect();
    (!found.is_empty()).then(|| Finding::new("host namespaces", found.join(", ")))
}

pub(super) fn host_paths(pod: &Value) -> Option<Finding> {
    let volumes: Vec<String> =
        items(&pod["spec"]["volumes"]).iter().filter(|volume| !volume["hostPath"].is_null()).map(name).collect();
    let detail = || format!("{} {}", plural("volume", "volumes", volumes.len()), quoted(&volumes));
    (!volumes.is_empty()).then(|| Finding::new("hostPath volumes", detail()))
}

pub(super) fn host_ports(pod: &Value) -> Option<Finding> {
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for container in containers(pod) {
        let own = items(&container["ports"]).iter().map(|port| number(&port["hostPort"])).filter(|port| *port != 0);
        let before = ports.len();
        ports.extend(own.map(|port| port.to_string()));
        if ports.len() > before {
            names.push(name(container));
        }
    }
    if names.is_empty() {
        return None;
    }
    let ports = sorted(ports);
    let (verb, word) = (plural("uses", "use", names.len()), plural("hostPort", "hostPorts", ports.len()));
    Some(Finding::new("hostPort", format!("{} {verb} {word} {}", named(&names), ports.join(", "))))
}

/// Probes and hooks that go to another host than the pod.
pub(super) fn host_handlers(pod: &Value) -> Option<Finding> {
    let (mut names, mut hosts) = (Vec::new(), Vec::new());
    for container in containers(pod) {
        let probes = ["livenessProbe", "readinessProbe", "startupProbe"].map(|probe| &container[probe]);
        let hooks = ["postStart", "preStop"].map(|hook| &container["lifecycle"][hook]);
        let before = hosts.len();
        for handler in probes.into_iter().chain(hooks) {
            let own = ["httpGet", "tcpSocket"].map(|way| text(&handler[way]["host"]));
            hosts.extend(own.iter().filter(|host| !host.is_empty()).map(|host| (*host).to_owned()));
        }
        if hosts.len() > before {
            names.push(name(container));
        }
    }
    if names.is_empty() {
        return None;
    }
    let (names, hosts) = (sorted(names), sorted(hosts));
    let verb = plural("uses", "use", names.len());
    let word = plural("probe or lifecycle host", "probe or lifecycle hosts", hosts.len());
    Some(Finding::new("probe or lifecycle host", format!("{} {verb} {word} {}", named(&names), quoted(&hosts))))
}

pub(super) fn privileged(pod: &Value) -> Option<Finding> {
    let names = those(pod, |container| *said(container, "privileged") == true);
    let detail = || format!("{} must not set securityContext.privileged=true", named(&names));
    (!names.is_empty()).then(|| Finding::new("privileged", detail()))
}

pub(super) fn proc_mount(pod: &Value) -> Option<Finding> {
    let bad = |container: &&Value| {
        let mount = said(container, "procMount");
        !mount.is_null() && mount != "Default"
    };
    let names: Vec<String> = containers(pod).filter(bad).map(name).collect();
    let mounts = containers(pod).filter(bad).map(|container| text(said(container, "procMount")).to_owned());
    let mounts = sorted(mounts.collect());
    let detail = || format!("{} must not set securityContext.procMount to {}", named(&names), quoted(&mounts));
    (!names.is_empty()).then(|| Finding::new("procMount", detail()))
}

/// From 1.35 on a pod with users of its own may see all of `/proc` (KEP-127).
pub(super) fn proc_mount_1_35(pod: &Value) -> Option<Finding> {
    if has_own_users(pod) { None } else { proc_mount(pod) }
}

/// Whether the users of a pod are not those of the host.
pub(super) fn has_own_users(pod: &Value) -> bool {
    pod["spec"]["hostUsers"] == false
}

pub(super) fn se_linux(pod: &Value) -> Option<Finding> {
    se_linux_of(pod, &SE_LINUX[..4])
}

pub(super) fn se_linux_1_31(pod: &Value) -> Option<Finding> {
    se_linux_of(pod, SE_LINUX)
}

fn se_linux_of(pod: &Value, allowed: &[&str]) -> Option<Finding> {
    let (mut types, mut user, mut role) = (Vec::new(), false, false);
    let mut bad = |owner: &Value| {
        let options = said(owner, "seLinuxOptions");
        let kind = text(&options["type"]);
        let (with_user, with_role) = (!text(&options["user"]).is_empty(), !text(&options["role"]).is_empty());
        let bad_type = !allowed.contains(&kind);
        if bad_type {
            types.push(kind.to_owned());
        }
        user |= with_user;
        role |= with_role;
        bad_type || with_user || with_role
    };
    let of_pod = bad(&pod["spec"]);
    let names: Vec<String> = containers(pod).filter(|container| bad(container)).map(name).collect();
    let who = setters(of_pod, &names);
    if who.is_empty() {
        return None;
    }
    let mut what = Vec::new();
    if !types.is_empty() {
        let types = sorted(types);
        what.push(format!("{} {}", plural("type", "types", types.len()), quoted(&types)));
    }
    what.extend(user.then(|| "user may not be set".to_owned()));
    what.extend(role.then(|| "role may not be set".to_owned()));
    let detail = format!("{who} set forbidden securityContext.seLinuxOptions: {}", what.join("; "));
    Some(Finding::new("seLinuxOptions", detail))
}

/// Until 1.18 profiles were annotations.
pub(super) fn seccomp_annotations(pod: &Value) -> Option<Finding> {
    let annotations = &pod["metadata"]["annotations"];
    let keys = containers(pod).map(|container| format!("{SECCOMP_CONTAINER}{}", name(container)));
    let found = std::iter::once(SECCOMP_POD.to_owned()).chain(keys).filter_map(|key| {
        let value = annotations.get(&key)?.as_str()?;
        let allowed = matches!(value, "runtime/default" | "docker/default") || value.starts_with("localhost/");
        (!allowed).then(|| format!("{key}={}", quote(value)))
    });
    let found = sorted(found.collect());
    let word = plural("annotation", "annotations", found.len());
    (!found.is_empty()).then(|| Finding::new("seccompProfile", format!("forbidden {word} {}", found.join(", "))))
}

pub(super) fn seccomp(pod: &Value) -> Option<Finding> {
    let mut values = Vec::new();
    let mut bad = |owner: &Value| {
        let profile = said(owner, "seccompProfile");
        let bad = profile.is_object() && !is_profile(profile);
        if bad {
            values.push(text(&profile["type"]).to_owned());
        }
        bad
    };
    let of_pod = bad(&pod["spec"]);
    let names: Vec<String> = containers(pod).filter(|container| bad(container)).map(name).collect();
    let who = setters(of_pod, &names);
    if who.is_empty() {
        return None;
    }
    let values = quoted(&sorted(values));
    let detail = format!("{who} must not set securityContext.seccompProfile.type to {values}");
    Some(Finding::new("seccompProfile", detail))
}

pub(super) fn sysctls(pod: &Value) -> Option<Finding> {
    sysctls_at(pod, 0)
}

pub(super) fn sysctls_1_27(pod: &Value) -> Option<Finding> {
    sysctls_at(pod, 27)
}

pub(super) fn sysctls_1_29(pod: &Value) -> Option<Finding> {
    sysctls_at(pod, 29)
}

pub(super) fn sysctls_1_32(pod: &Value) -> Option<Finding> {
    sysctls_at(pod, 32)
}

pub(super) fn sysctls_1_37(pod: &Value) -> Option<Finding> {
    sysctls_at(pod, 37)
}

fn sysctls_at(pod: &Value, minor: u32) -> Option<Finding> {
    let allowed = |name: &str| SYSCTLS.iter().any(|(since, safe)| *since <= minor && *safe == name);
    let set = items(said(&pod["spec"], "sysctls")).iter().map(|one| text(&one["name"]));
    let found: Vec<&str> = set.filter(|name| !allowed(name)).collect();
    (!found.is_empty()).then(|| Finding::new("forbidden sysctls", found.join(", ")))
}

pub(super) fn host_process(pod: &Value) -> Option<Finding> {
    let set = |owner: &Value| said(owner, "windowsOptions")["hostProcess"] == true;
    let who = setters(set(&pod["spec"]), &those(pod, set));
    let detail = || format!("{who} must not set securityContext.windowsOptions.hostProcess=true");
    (!who.is_empty()).then(|| Finding::new("hostProcess", detail()))
}
