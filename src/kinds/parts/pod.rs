//! The rules of a pod's `spec`, in a pod and in a template.

use std::cmp::Ordering;

use serde_json::Value;

use super::container::{self, Pod};
use super::{affinity, amount, ip, resources, security, volume};
use crate::schema::field::{Errors, Path};
use crate::schema::meta;
use crate::schema::names;
use crate::schema::rules::Rule::{At, Between, Check, Each, Filled, Format, Given, OneOf, Required};
use crate::schema::rules::{Rule, check, entries, formatted, items, number, text};

const POLICIES: &[Rule] = &[
    At("restartPolicy", &[Required(""), OneOf(&["Always", "OnFailure", "Never"])]),
    At("dnsPolicy", &[Required(""), OneOf(&["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"])]),
    At("nodeSelector", &[Check(meta::labels)]),
];
const NAMES: &[Rule] = &[
    At("serviceAccountName", &[Filled(&[Format(names::dns1123_subdomain)])]),
    At("nodeName", &[Filled(&[Format(names::dns1123_subdomain)])]),
    At("activeDeadlineSeconds", &[Given(&[Between(1, 2_147_483_647)])]),
    At("hostname", &[Filled(&[Format(names::dns1123_label)])]),
    At("subdomain", &[Filled(&[Format(names::dns1123_label)])]),
    At("tolerations", &[Check(affinity::tolerations)]),
    At("hostAliases", &[Each(&[Check(host_alias)])]),
    At("priorityClassName", &[Filled(&[Format(names::dns1123_subdomain)])]),
    At("runtimeClassName", &[Given(&[Format(names::dns1123_subdomain)])]),
    At("preemptionPolicy", &[Given(&[Required(""), OneOf(&["PreemptLowerPriority", "Never"])])]),
    At("overhead", &[Given(&[Check(overhead)])]),
    At("os", &[Given(&[Check(os)])]),
];

/// The rules of a pod's `spec`. `pod` is the name of the pod where it is one, and `None` in a
/// template.
pub fn spec(spec: &Value, pod: Option<&str>, path: &Path, errors: &mut Errors) {
    let grace = spec["terminationGracePeriodSeconds"].as_i64();
    if grace.is_none() {
        errors.required(&path.child("terminationGracePeriodSeconds"), "");
    }
    let context = Pod {
        volumes: volume::volumes(&spec["volumes"], pod, &path.child("volumes"), errors),
        claims: items(&spec["resourceClaims"]).iter().map(|claim| text(&claim["name"])).collect(),
        grace,
        restart_policy: text(&spec["restartPolicy"]),
        host_users: spec["hostUsers"] != false,
    };
    resource_claims(&spec["resourceClaims"], &path.child("resourceClaims"), errors);
    container::regular(&spec["containers"], &context, &path.child("containers"), errors);
    let init = &path.child("initContainers");
    container::init(&spec["initContainers"], &spec["containers"], &context, init, errors);
    container::ephemeral(spec, &context, &path.child("ephemeralContainers"), errors);
    pod_resources(spec, &context.claims, &path.child("resources"), errors);
    host_network(spec, pod.is_some(), &path.child("containers"), errors);
    check(POLICIES, spec, path, errors);
    security::pod(spec, path, errors);
    affinity::affinity(&spec["affinity"], &path.child("affinity"), errors);
    dns_config(spec, &path.child("dnsConfig"), errors);
    let gates = &[Each(&[At("conditionType", &[Format(names::qualified_name)])])];
    check(gates, &spec["readinessGates"], &path.child("readinessGates"), errors);
    scheduling_gates(&spec["schedulingGates"], &path.child("schedulingGates"), errors);
    affinity::spread(&spec["topologySpreadConstraints"], &path.child("topologySpreadConstraints"), errors);
    security::host_users(spec, path, errors);
    check(NAMES, spec, path, errors);
}

fn resource_claims(list: &Value, path: &Path, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, claim) in items(list).iter().enumerate() {
        let (at, name) = (path.index(index), text(&claim["name"]));
        if name.is_empty() {
            errors.required(&at.child("name"), "");
        } else if seen.contains(&name) {
            errors.duplicate(&at.child("name"), &name.into());
        } else {
            formatted(name, names::dns1123_label, &at.child("name"), errors);
        }
        seen.push(name);
        let (claimed, template) = (&claim["resourceClaimName"], &claim["resourceClaimTemplateName"]);
        let shown = super::show::line(claim, "core.v1.PodResourceClaim");
        if !claimed.is_null() && !template.is_null() {
            let detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
            errors.invalid_raw(&at, &shown, detail);
        }
        if claimed.is_null() && template.is_null() {
            let detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
            errors.invalid_raw(&at, &shown, detail);
        }
        let named = &[Given(&[Format(names::dns1123_subdomain)])];
        check(named, claimed, &at.child("resourceClaimName"), errors);
        check(named, template, &at.child("resourceClaimTemplateName"), errors);
    }
}

/// Resources of the pod as a whole.
fn pod_resources(spec: &Value, claims: &[&str], path: &Path, errors: &mut Errors) {
    let whole = &spec["resources"];
    if whole.is_null() {
        return;
    }
    if !whole["claims"].is_null() {
        errors.forbidden(&path.child("claims"), "claims cannot be set for Resources at pod-level");
    }
    resources::requirements(whole, resources::pod_name, claims, path, errors);
    for (name, asked) in requests_of_containers(spec) {
        let given = &whole["requests"][name.as_str()];
        if asked.0 > amount::nano(given) {
            let detail = format!("must be greater than or equal to aggregate container requests of {}", asked.1);
            errors.invalid_text(&path.child("requests").key(&name), &amount::show(given), &detail);
        }
    }
    for (index, container) in items(&spec["containers"]).iter().enumerate() {
        for (name, limit) in entries(&container["resources"]["limits"]) {
            let whole = &whole["limits"][name.as_str()];
            if !whole.is_null() && amount::compare(limit, whole) == Ordering::Greater {
                let at = path.child("containers").index(index).key(name).child("limits");
                let detail = format!("must be less than or equal to pod limits of {}", amount::show(whole));
                errors.invalid_text(&at, &amount::show(limit), &detail);
            }
        }
    }
}

/// What the regular containers ask for together, by resource, with a notation.
fn requests_of_containers(spec: &Value) -> Vec<(String, (i128, String))> {
    let mut sums: Vec<(String, (i128, String))> = Vec::new();
    for container in items(&spec["containers"]) {
        for (name, asked) in entries(&container["resources"]["requests"]) {
            let nano = amount::nano(asked);
            match sums.iter_mut().find(|(one, _)| one == name) {
                Some((_, sum)) => *sum = (sum.0 + nano, amount::add(&sum.1, asked)),
                None => sums.push((name.clone(), (nano, amount::show(asked)))),
            }
        }
    }
    sums
}

fn host_network(spec: &Value, is_pod: bool, path: &Path, errors: &mut Errors) {
    if spec["hostNetwork"] != true {
        return;
    }
    for (index, container) in items(&spec["containers"]).iter().enumerate() {
        for (port_index, port) in items(&container["ports"]).iter().enumerate() {
            let (host, inner) = (number(&port["hostPort"]), number(&port["containerPort"]));
            if (is_pod || host != 0) && host != inner {
                let at = path.index(index).child("ports").index(port_index).child("hostPort");
                errors.invalid(&at, &host.into(), "must match `containerPort` when `hostNetwork` is true");
            }
        }
    }
}

fn dns_config(spec: &Value, path: &Path, errors: &mut Errors) {
    let config = &spec["dnsConfig"];
    let servers = items(&config["nameservers"]);
    if spec["dnsPolicy"] == "None" {
        if config.is_null() {
            errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
            return;
        }
        if servers.is_empty() {
            let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            errors.required(&path.child("nameservers"), detail);
            return;
        }
    }
    let at = path.child("nameservers");
    if servers.len() > 3 {
        errors.invalid(&at, &config["nameservers"], "must not have more than 3 nameservers");
    }
    for (index, server) in servers.iter().enumerate() {
        ip::address(text(server), &at.index(index), errors);
    }
    let (searches, at) = (items(&config["searches"]), path.child("searches"));
    if searches.len() > 32 {
        errors.invalid(&at, &config["searches"], "must not have more than 32 search paths");
    }
    let length: usize = searches.iter().map(|search| text(search).len() + 1).sum();
    if length > 2049 {
        let detail = "must not have more than 2048 characters (including spaces) in the search list";
        errors.invalid(&at, &config["searches"], detail);
    }
    for (index, search) in searches.iter().enumerate() {
        if search != "." {
            let search = text(search).strip_suffix('.').unwrap_or(text(search));
            formatted(search, names::dns1123_subdomain_underscore, &at.index(index), errors);
        }
    }
    for (index, option) in items(&config["options"]).iter().enumerate() {
        if text(&option["name"]).is_empty() {
            errors.required(&path.child("options").index(index), "must not be empty");
        }
    }
}

fn scheduling_gates(list: &Value, path: &Path, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, gate) in items(list).iter().enumerate() {
        let name = text(&gate["name"]);
        formatted(name, names::qualified_name, &path.index(index), errors);
        if seen.contains(&name) {
            errors.duplicate(&path.index(index), &name.into());
        }
        seen.push(name);
    }
}

fn host_alias(alias: &Value, path: &Path, errors: &mut Errors) {
    ip::address(text(&alias["ip"]), &path.child("ip"), errors);
    let named = &[Each(&[Format(names::dns1123_subdomain)])];
    check(named, &alias["hostnames"], &path.child("hostnames"), errors);
}

/// What a runtime adds to a pod: like limits.
pub fn overhead(overhead: &Value, path: &Path, errors: &mut Errors) {
    let limits = serde_json::json!({ "limits": overhead });
    resources::requirements(&limits, resources::container_name, &[], path, errors);
}

fn os(os: &Value, path: &Path, errors: &mut Errors) {
    let name = text(&os["name"]);
    if name.is_empty() {
        errors.required(&path.child("name"), "cannot be empty");
    } else if !matches!(name, "linux" | "windows") {
        errors.not_supported(path, &name.into(), &["linux", "windows"]);
    }
}

/// The rules of annotations that mean something to a pod.
pub fn annotations(metadata: &Value, spec: &Value, path: &Path, errors: &mut Errors) {
    let annotations = &metadata["annotations"];
    if let Some(mirror) = annotations["kubernetes.io/config.mirror"].as_str()
        && text(&spec["nodeName"]).is_empty()
    {
        let at = path.key("kubernetes.io/config.mirror");
        errors.invalid_text(&at, mirror, "must set spec.nodeName if mirror pod annotation is set");
    }
    const COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    if let Some(cost) = annotations[COST].as_str()
        && !is_cost(cost)
    {
        errors.invalid_text(&path.key(COST), cost, "must be a 32bit integer");
    }
    for (key, value) in entries(annotations) {
        if key == "seccomp.security.alpha.kubernetes.io/pod"
            || key.starts_with("container.seccomp.security.alpha.kubernetes.io/")
        {
            security::seccomp_annotation(text(value), &path.child(key), errors);
        }
    }
    for (key, value) in entries(annotations) {
        let Some(name) = key.strip_prefix("container.apparmor.security.beta.kubernetes.io/") else { continue };
        let lists = ["initContainers", "containers", "ephemeralContainers"];
        if !lists.iter().any(|list| items(&spec[*list]).iter().any(|one| one["name"] == name)) {
            errors.invalid_text(&path.key(key), name, "container not found");
        }
        let profile = text(value);
        if !matches!(profile, "" | "runtime/default" | "unconfined") && !profile.starts_with("localhost/") {
            let detail = format!("invalid AppArmor profile name: {profile:?}");
            errors.invalid_text(&path.key(key), profile, &detail);
        }
    }
}

/// A whole number of 32 bits without a plus or a leading zero.
fn is_cost(text: &str) -> bool {
    let odd = text.starts_with('+') || text.starts_with("-0") || text.len() > 1 && text.starts_with('0');
    !odd && text.parse::<i32>().is_ok()
}
