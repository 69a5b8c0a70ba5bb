//! Sentences for `Warning:` headers about what a pod's metadata and `spec` hold that is allowed but
//! likely not meant.

use serde_json::Value;

use super::{amount, ip};
use crate::schema::field::{Path, quote};
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::{entries, items, number, text};

const NODE_LABELS: &[(&str, &str, &str)] = &[
    ("beta.kubernetes.io/arch", "v1.14", "kubernetes.io/arch"),
    ("beta.kubernetes.io/os", "v1.14", "kubernetes.io/os"),
    ("failure-domain.beta.kubernetes.io/region", "v1.17", "topology.kubernetes.io/region"),
    ("failure-domain.beta.kubernetes.io/zone", "v1.17", "topology.kubernetes.io/zone"),
    ("beta.kubernetes.io/instance-type", "v1.17", "node.kubernetes.io/instance-type"),
];
/// Annotation keys, or prefixes of them, and what is said of them.
const ANNOTATIONS: &[(&str, bool, &str)] = &[
    (
        "seccomp.security.alpha.kubernetes.io/pod",
        false,
        "non-functional in v1.27+; use the \"seccompProfile\" field instead",
    ),
    (
        "container.seccomp.security.alpha.kubernetes.io/",
        true,
        "non-functional in v1.27+; use the \"seccompProfile\" field instead",
    ),
    (
        "container.apparmor.security.beta.kubernetes.io/",
        true,
        "deprecated since v1.30; use the \"appArmorProfile\" field instead",
    ),
    ("security.alpha.kubernetes.io/sysctls", false, "non-functional in v1.11+; use the \"sysctls\" field instead"),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        false,
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];
/// Sources of volumes, the name that is shown, and what is said of them.
pub const VOLUMES: &[(&str, &str, &str)] = &[
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];
const NO_PODS: &str = "a null labelSelector results in matching no pod";

/// Warnings about a pod or a template that stands at `path` (the root for a pod).
#[must_use]
pub fn pod(metadata: &Value, spec: &Value, path: &Path) -> Vec<String> {
    let mut out = Vec::new();
    let at = path.child("spec");
    placement(spec, &at, &mut out);
    annotations(metadata, &path.child("metadata").child("annotations"), &mut out);
    for (index, volume) in items(&spec["volumes"]).iter().enumerate() {
        for (field, shown, words) in VOLUMES {
            if !volume[*field].is_null() {
                out.push(format!("{}: {words}", at.child("volumes").index(index).child(shown)));
            }
        }
    }
    duplicates(&spec["hostAliases"], "ip", &at.child("hostAliases"), &mut out);
    let secrets = &at.child("imagePullSecrets");
    duplicates(&spec["imagePullSecrets"], "name", secrets, &mut out);
    for (index, secret) in items(&spec["imagePullSecrets"]).iter().enumerate() {
        if text(&secret["name"]).is_empty() {
            out.push(format!("{}: invalid empty name \"\"", secrets.index(index).child("name")));
        }
    }
    for name in ["memory", "ephemeral-storage"] {
        fractional(&spec["overhead"], name, &at.child("overhead"), &mut out);
    }
    for (path, container) in containers(spec, &at) {
        for name in ["memory", "ephemeral-storage"] {
            for part in ["limits", "requests"] {
                let resources = &container["resources"][part];
                fractional(resources, name, &path.child("resources").child(part), &mut out);
            }
        }
        variables(container, &path.child("env"), &mut out);
    }
    ports(spec, &at, &mut out);
    if number(&spec["terminationGracePeriodSeconds"]) < 0 {
        let at = at.child("terminationGracePeriodSeconds");
        out.push(format!("{at}: must be >= 0; negative values are invalid and will be treated as 1"));
    }
    for (index, server) in items(&spec["dnsConfig"]["nameservers"]).iter().enumerate() {
        out.extend(ip::warning(text(server), &at.child("dnsConfig").child("nameservers").index(index)));
    }
    for (index, alias) in items(&spec["hostAliases"]).iter().enumerate() {
        out.extend(ip::warning(text(&alias["ip"]), &at.child("hostAliases").index(index).child("ip")));
    }
    out
}

fn containers<'s>(spec: &'s Value, path: &Path) -> Vec<(Path, &'s Value)> {
    let mut all = Vec::new();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for (index, container) in items(&spec[list]).iter().enumerate() {
            all.push((path.child(list).index(index), container));
        }
    }
    all
}

/// A name of a workload that becomes part of the names of pods should do as a host name too.
#[must_use]
pub fn pod_name(object: &Value, old: Option<&Value>) -> Vec<String> {
    let faults = names::dns1123_label(object.name());
    if old.is_some() || faults.is_empty() {
        return Vec::new();
    }
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let used = if object["kind"] == "Pod" { "the Pod's hostname" } else { "Pod names and hostnames" };
    vec![format!(
        "metadata.name: this is used in {used}, which can result in surprising behavior; a DNS label is recommended: \
         [{}]",
        faults.join(" ")
    )]
}

/// What is said of a label of nodes that has a newer name.
#[must_use]
pub fn deprecated_label(key: &str) -> Option<String> {
    let (_, since, instead) = NODE_LABELS.iter().find(|(label, _, _)| *label == key)?;
    Some(format!("deprecated since {since}; use \"{instead}\" instead"))
}

fn node_label(key: &str, path: &Path, out: &mut Vec<String>) {
    out.extend(deprecated_label(key).map(|words| format!("{path}: {words}")));
}

fn named_label(key: &str, path: &Path, out: &mut Vec<String>) {
    out.extend(deprecated_label(key).map(|words| format!("{path}: {key} is {words}")));
}

fn placement(spec: &Value, path: &Path, out: &mut Vec<String>) {
    for (key, _) in entries(&spec["nodeSelector"]) {
        node_label(key, &path.child("nodeSelector").key(key), out);
    }
    let (required, preferred) =
        ("requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution");
    let at = path.child("affinity").child("nodeAffinity");
    let node = &spec["affinity"]["nodeAffinity"];
    let mut term = |term: &Value, at: &Path| {
        for (index, one) in items(&term["matchExpressions"]).iter().enumerate() {
            named_label(text(&one["key"]), &at.child("matchExpressions").index(index).child("key"), out);
        }
    };
    for (index, one) in items(&node[required]["nodeSelectorTerms"]).iter().enumerate() {
        term(one, &at.child(required).child("nodeSelectorTerms").index(index));
    }
    for (index, one) in items(&node[preferred]).iter().enumerate() {
        term(&one["preference"], &at.child(preferred).index(index).child("preference"));
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let (pods, at) = (&spec["affinity"][kind], path.child("affinity").child(kind));
        for (index, one) in items(&pods[required]).iter().enumerate() {
            if one["labelSelector"].is_null() {
                out.push(format!("{}: {NO_PODS}", at.child(required).index(index).child("labelSelector")));
            }
        }
        for (index, one) in items(&pods[preferred]).iter().enumerate() {
            if one["podAffinityTerm"]["labelSelector"].is_null() {
                let at = at.child(preferred).index(index).child("podAffinityTerm").child("labelSelector");
                out.push(format!("{at}: {NO_PODS}"));
            }
        }
    }
    for (index, one) in items(&spec["topologySpreadConstraints"]).iter().enumerate() {
        let at = path.child("topologySpreadConstraints").index(index);
        named_label(text(&one["topologyKey"]), &at.child("topologyKey"), out);
        if one["labelSelector"].is_null() {
            out.push(format!("{}: {NO_PODS}", at.child("labelSelector")));
        }
    }
}

fn annotations(metadata: &Value, path: &Path, out: &mut Vec<String>) {
    for (wanted, prefix, words) in ANNOTATIONS {
        for (key, _) in entries(&metadata["annotations"]) {
            if key == wanted || (*prefix && key.starts_with(wanted)) {
                out.push(format!("{}: {words}", path.key(key)));
            }
        }
    }
}

fn duplicates(list: &Value, field: &str, path: &Path, out: &mut Vec<String>) {
    for (index, one) in items(list).iter().enumerate() {
        let value = text(&one[field]);
        if items(list).iter().take(index).any(|other| text(&other[field]) == value) {
            out.push(format!("{}: duplicate {field} {}", path.index(index).child(field), quote(value)));
        }
    }
}

fn fractional(resources: &Value, name: &str, path: &Path, out: &mut Vec<String>) {
    let value = &resources[name];
    if !value.is_null() && amount::milli(value) % 1000 != 0 {
        let shown = quote(&amount::show(value));
        out.push(format!("{}: fractional byte value {shown} is invalid, must be an integer", path.key(name)));
    }
}

fn variables(container: &Value, path: &Path, out: &mut Vec<String>) {
    let all = items(&container["env"]);
    for (index, one) in all.iter().enumerate() {
        let name = text(&one["name"]);
        if !all.iter().take(index).any(|other| other["name"] == one["name"]) {
            continue;
        }
        let (value, reference) = (text(&one["value"]), format!("$({name})"));
        if !one["valueFrom"].is_null() || value == reference || !value.contains(&reference) {
            let at = path.index(index);
            let name = quote(name);
            out.push(format!("{at}: hides previous definition of {name}, which may be dropped when using apply"));
        }
    }
}

fn ports(spec: &Value, path: &Path, out: &mut Vec<String>) {
    let mut seen: Vec<(Path, &Value)> = Vec::new();
    for (at, container) in containers(spec, path) {
        for (index, port) in items(&container["ports"]).iter().enumerate() {
            let at = at.child("ports").index(index);
            let address = |port: &Value| text(&port["hostIP"]).is_empty();
            let host = number(&port["hostPort"]);
            if !address(port) && host == 0 {
                out.push(format!(
                    "{at}: hostIP set without hostPort: {{Name:{} HostPort:0 ContainerPort:{} Protocol:{} HostIP:{}}}",
                    text(&port["name"]),
                    number(&port["containerPort"]),
                    text(&port["protocol"]),
                    text(&port["hostIP"])
                ));
            }
            for (other_at, other) in &seen {
                if port["containerPort"] != other["containerPort"] || port["protocol"] != other["protocol"] {
                    continue;
                }
                let other_host = number(&other["hostPort"]);
                let words = if text(&port["hostIP"]) == text(&other["hostIP"]) && host == other_host {
                    "duplicate"
                } else if host == 0 || other_host == 0 {
                    "overlapping"
                } else if host == other_host && address(port) != address(other) {
                    "dangerously ambiguous"
                } else {
                    continue;
                };
                out.push(format!("{at}: {words} port definition with {other_at}"));
            }
            seen.push((at, port));
        }
    }
}
