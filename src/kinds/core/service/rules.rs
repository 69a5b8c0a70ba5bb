//! The rules of a service: by itself, between old and new, and of its load balancer's addresses.

use std::net::IpAddr;

use serde_json::Value;

use super::allocated::{externally_accessible, needs_health_check};
use crate::kinds::parts::{intstr, ip, show};
use crate::schema::field::{Errors, Path, Reason};
use crate::schema::meta;
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::Rule::{At, Check, Format, Given, OneOf, Required};
use crate::schema::rules::{Rule, check, formatted, items, number, text};

const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const AFFINITY: &[Rule] =
    &[At("selector", &[Check(meta::labels)]), At("sessionAffinity", &[Required(""), OneOf(&["ClientIP", "None"])])];
const DISTRIBUTION: &[Rule] =
    &[At("trafficDistribution", &[Given(&[OneOf(&["PreferClose", "PreferSameZone", "PreferSameNode"])])])];
const ONLY_BALANCED: &str = "may only be used when `type` is 'LoadBalancer'";

/// Whether the service has no address of its own and is known by the addresses of its pods.
#[must_use]
pub fn is_headless(service: &Value) -> bool {
    matches!(service.list("/spec/clusterIPs"), [one] if one == "None")
}

/// The rules of a service by itself.
pub fn service(service: &Value, errors: &mut Errors) {
    let (spec, path) = (&service["spec"], Path::new("spec"));
    topology_mode(service, errors);
    let kind = text(&spec["type"]);
    let ports = items(&spec["ports"]);
    let headless = is_headless(service);
    if ports.is_empty() && !headless && kind != "ExternalName" {
        errors.required(&path.child("ports"), "");
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let detail = format!("may not be set to 'None' for {kind} services");
            errors.invalid_text(&path.child("clusterIPs").index(0), "None", &detail);
        }
        "ExternalName" => external_name(spec, &path, errors),
        _ => {}
    }
    let mut names: Vec<&str> = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let name = text(&port["name"]);
        one_port(port, ports.len() > 1, names.contains(&name), &path.child("ports").index(index), errors);
        names.push(name);
    }
    check(AFFINITY, spec, &path, errors);
    affinity_config(spec, &path.child("sessionAffinityConfig"), errors);
    cluster_ips(service, errors);
    for (index, address) in items(&spec["externalIPs"]).iter().enumerate() {
        let at = path.child("externalIPs").index(index);
        if ip::address(text(address), &at, errors) {
            ip::not_special(text(address), &at, errors);
        }
    }
    check(&[At("type", &[Required(""), OneOf(TYPES)])], spec, &path, errors);
    port_pairs(spec, &path.child("ports"), errors);
    source_ranges(service, &path, errors);
    if !spec["allocateLoadBalancerNodePorts"].is_null() && kind != "LoadBalancer" {
        errors.forbidden(&path.child("allocateLoadBalancerNodePorts"), ONLY_BALANCED);
    }
    if kind == "LoadBalancer" && spec["allocateLoadBalancerNodePorts"].is_null() {
        errors.required(&Path::new("allocateLoadBalancerNodePorts"), "");
    }
    balancer_class(None, service, errors);
    traffic(service, &path, errors);
}

fn topology_mode(service: &Value, errors: &mut Errors) {
    const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
    const MODE: &str = "service.kubernetes.io/topology-mode";
    if let (Some(hints), Some(mode)) = (service.annotation(HINTS), service.annotation(MODE))
        && hints != mode
    {
        let at = Path::new("metadata").child("annotations").key(MODE);
        errors.invalid_text(&at, mode, &format!("must match annotations[{HINTS}] when both are specified"));
    }
}

fn external_name(spec: &Value, path: &Path, errors: &mut Errors) {
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        let given = &spec[field];
        if !(given.is_null() || given.is_array() && items(given).is_empty()) {
            errors.forbidden(&path.child(field), "may not be set for ExternalName services");
        }
    }
    let name = text(&spec["externalName"]);
    let name = name.strip_suffix('.').unwrap_or(name);
    let at = path.child("externalName");
    if name.is_empty() {
        errors.required(&at, "");
    } else {
        formatted(name, names::dns1123_subdomain, &at, errors);
    }
}

fn one_port(port: &Value, need_name: bool, taken: bool, path: &Path, errors: &mut Errors) {
    let name = text(&port["name"]);
    if name.is_empty() {
        if need_name {
            errors.required(&path.child("name"), "");
        }
    } else {
        formatted(name, names::dns1123_label, &path.child("name"), errors);
        if taken {
            errors.duplicate(&path.child("name"), &name.into());
        }
    }
    intstr::port_number(number(&port["port"]), &path.child("port"), errors);
    check(&[At("protocol", &[Required(""), OneOf(&["SCTP", "TCP", "UDP"])])], port, path, errors);
    intstr::port(&port["targetPort"], &path.child("targetPort"), errors);
    check(&[At("appProtocol", &[Given(&[Format(names::qualified_name)])])], port, path, errors);
}

fn affinity_config(spec: &Value, path: &Path, errors: &mut Errors) {
    const WHEN: &str = "when session affinity type is ClientIP";
    let config = &spec["sessionAffinityConfig"];
    match text(&spec["sessionAffinity"]) {
        "ClientIP" => {
            let at = path.child("clientIP");
            let seconds = &config["clientIP"]["timeoutSeconds"];
            if config.is_null() {
                errors.required(path, WHEN);
            } else if config["clientIP"].is_null() {
                errors.required(&at, WHEN);
            } else if seconds.is_null() {
                errors.required(&at.child("timeoutSeconds"), WHEN);
            } else if !(1..=86400).contains(&number(seconds)) {
                let detail = "must be greater than 0 and less than 86400";
                errors.invalid(&at.child("timeoutSeconds"), seconds, detail);
            }
        }
        "None" if !config.is_null() => {
            errors.forbidden(path, "must not be set when session affinity is None");
        }
        _ => {}
    }
}

/// The rules of `clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy`, which also hold before
/// addresses are given.
pub fn cluster_ips(service: &Value, errors: &mut Errors) {
    let (spec, path) = (&service["spec"], Path::new("spec"));
    if spec["type"] == "ExternalName" {
        return;
    }
    let (one, many) = (text(&spec["clusterIP"]), items(&spec["clusterIPs"]));
    let at = path.child("clusterIPs");
    match (one, many) {
        ("", []) => {}
        ("", _) => errors.invalid(&at, &spec["clusterIPs"], "must be empty when `clusterIP` is not specified"),
        (_, []) => errors.required(&at, ""),
        (one, [first, ..]) => {
            if first != one {
                errors.invalid(&at, &spec["clusterIPs"], "first value must match `clusterIP`");
            }
        }
    }
    let families = items(&spec["ipFamilies"]);
    for (index, family) in families.iter().enumerate() {
        let at = path.child("ipFamilies").index(index);
        check(&[OneOf(&["IPv4", "IPv6"])], family, &at, errors);
        if families.iter().take(index).any(|other| other == family) {
            errors.duplicate(&at, family);
        }
    }
    const POLICIES: &[&str] = &["PreferDualStack", "RequireDualStack", "SingleStack"];
    check(&[At("ipFamilyPolicy", &[Given(&[OneOf(POLICIES)])])], spec, &path, errors);
    let mut bad = false;
    for (index, address) in many.iter().enumerate() {
        if index == 0 && address == "None" {
            if many.len() > 1 {
                bad = true;
                errors.invalid(&at, &spec["clusterIPs"], "'None' must be the first and only value");
            }
        } else {
            bad |= !ip::address(text(address), &at.index(index), errors);
        }
    }
    if many.len() > 2 {
        errors.invalid(&at, &spec["clusterIPs"], "may only hold up to 2 values");
    }
    if bad {
        return;
    }
    let addresses: Vec<&str> = many.iter().map(text).collect();
    if addresses.len() > 1 && !ip::dual_stack(&addresses) {
        errors.invalid(&at, &spec["clusterIPs"], "may specify no more than one IP for each IP family");
    }
    if is_headless(service) {
        return;
    }
    for (index, (address, family)) in addresses.iter().zip(families).enumerate() {
        let is_v6 = matches!(ip::sloppy(address), Some(IpAddr::V6(_)));
        if (family == "IPv4" && is_v6) || (family == "IPv6" && !is_v6) {
            let detail = format!("expected an {} value as indicated by `ipFamilies[{index}]`", text(family));
            errors.invalid_text(&at.index(index), address, &detail);
        }
    }
}

fn port_pairs(spec: &Value, path: &Path, errors: &mut Errors) {
    let ports = items(&spec["ports"]);
    if spec["type"] == "ClusterIP" {
        for (index, port) in ports.iter().enumerate() {
            if number(&port["nodePort"]) != 0 {
                let at = path.index(index).child("nodePort");
                errors.forbidden(&at, "may not be used when `type` is 'ClusterIP'");
            }
        }
    }
    let same = |a: &Value, b: &Value, field: &str| a[field] == b[field] && a["protocol"] == b["protocol"];
    for (index, port) in ports.iter().enumerate() {
        if number(&port["nodePort"]) != 0 && ports.iter().take(index).any(|other| same(other, port, "nodePort")) {
            let at = path.index(index).child("nodePort");
            errors.invalid(&at, &port["nodePort"], "provided port is already allocated");
        }
    }
    for (index, port) in ports.iter().enumerate() {
        if ports.iter().take(index).any(|other| same(other, port, "port")) {
            let key = serde_json::json!({"protocol": port["protocol"], "port": port["port"]});
            let shown = show::line(&key, "core.v1.ServicePort");
            errors.push(Reason::Duplicate, &path.index(index), format!("Duplicate value: {shown}"));
        }
    }
}

fn source_ranges(service: &Value, path: &Path, errors: &mut Errors) {
    const ANNOTATION: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
    let spec = &service["spec"];
    let balanced = spec["type"] == "LoadBalancer";
    let ranges = items(&spec["loadBalancerSourceRanges"]);
    if !ranges.is_empty() {
        let at = path.child("LoadBalancerSourceRanges");
        if !balanced {
            errors.forbidden(&at, ONLY_BALANCED);
        }
        for (index, range) in ranges.iter().enumerate() {
            ip::range(text(range).trim(), &at.index(index), errors);
        }
    } else if let Some(value) = service.annotation(ANNOTATION) {
        let at = Path::new("metadata").child("annotations").key(ANNOTATION);
        if !balanced {
            errors.forbidden(&at, ONLY_BALANCED);
        }
        if !value.trim().is_empty() {
            for range in value.trim().split(',') {
                ip::range(range.trim(), &at, errors);
            }
        }
    }
}

fn balancer_class(old: Option<&Value>, service: &Value, errors: &mut Errors) {
    let (class, at) = (&service["spec"]["loadBalancerClass"], Path::new("spec").child("loadBalancerClass"));
    let balanced = |service: &Value| service["spec"]["type"] == "LoadBalancer";
    if let Some(old) = old
        && balanced(old)
        && balanced(service)
        && old["spec"]["loadBalancerClass"] != *class
    {
        errors.invalid(&at, class, "may not change once set");
    }
    if class.is_null() {
        return;
    }
    if balanced(service) {
        formatted(text(class), names::qualified_name, &at, errors);
    } else {
        errors.forbidden(&at, ONLY_BALANCED);
    }
}

fn traffic(service: &Value, path: &Path, errors: &mut Errors) {
    const POLICIES: &[&str] = &["Cluster", "Local"];
    let spec = &service["spec"];
    let (policy, at) = (text(&spec["externalTrafficPolicy"]), path.child("externalTrafficPolicy"));
    if externally_accessible(service) {
        check(&[Required(""), OneOf(POLICIES)], &spec["externalTrafficPolicy"], &at, errors);
    } else if !policy.is_empty() {
        errors.invalid_text(&at, policy, "may only be set for externally-accessible services");
    }
    let (port, at) = (number(&spec["healthCheckNodePort"]), path.child("healthCheckNodePort"));
    if needs_health_check(service) {
        // The registry gives one where the client asks for none.
        if port != 0 {
            intstr::port_number(port, &at, errors);
        }
    } else if port != 0 {
        let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        errors.invalid(&at, &port.into(), detail);
    }
    let (internal, at) = (&spec["internalTrafficPolicy"], path.child("internalTrafficPolicy"));
    if internal.is_null() {
        if matches!(text(&spec["type"]), "NodePort" | "LoadBalancer" | "ClusterIP") {
            errors.required(&at, "");
        }
    } else {
        check(&[OneOf(POLICIES)], internal, &at, errors);
    }
    check(DISTRIBUTION, spec, path, errors);
}

/// The rules between the old service and the new one.
pub fn update(service: &Value, old: &Value, errors: &mut Errors) {
    let external = |service: &Value| service["spec"]["type"] == "ExternalName";
    if !external(service) && !external(old) {
        addresses_update(service, old, errors);
        families_update(service, old, errors);
    }
    balancer_class(Some(old), service, errors);
    if needs_health_check(old)
        && needs_health_check(service)
        && number(&old["spec"]["healthCheckNodePort"]) != number(&service["spec"]["healthCheckNodePort"])
    {
        errors.forbidden(&Path::new("spec").child("healthCheckNodePort"), "field is immutable");
    }
}

fn addresses_update(service: &Value, old: &Value, errors: &mut Errors) {
    if is_headless(service) && is_headless(old) {
        return;
    }
    let at = Path::new("spec").child("clusterIPs");
    let given = &service["spec"]["clusterIPs"];
    let (new_list, old_list) = (items(given), items(&old["spec"]["clusterIPs"]));
    if new_list.len() == old_list.len() {
        for (index, (new, old)) in new_list.iter().zip(old_list).enumerate() {
            if new != old {
                errors.invalid(&at.index(index), given, "may not change once set");
            }
        }
        return;
    }
    let fewer = old_list.len() > new_list.len();
    if fewer && new_list.is_empty() {
        errors.invalid(&at.index(0), given, "primary clusterIP can not be unset");
    }
    if let (Some(new), Some(old)) = (new_list.first(), old_list.first())
        && new != old
    {
        errors.invalid(&at.index(0), given, "may not change once set");
    }
    if fewer && new_list.len() == 1 {
        released(service, "secondary clusterIP", errors);
    }
}

fn families_update(service: &Value, old: &Value, errors: &mut Errors) {
    if is_headless(service) || is_headless(old) {
        return;
    }
    let at = Path::new("spec").child("ipFamilies").index(0);
    let given = &service["spec"]["ipFamilies"];
    let (new_list, old_list) = (items(given), items(&old["spec"]["ipFamilies"]));
    if new_list.len() == old_list.len() {
        for (new, old) in new_list.iter().zip(old_list) {
            if new != old {
                errors.invalid(&at, given, "may not change once set");
            }
        }
        return;
    }
    let fewer = old_list.len() > new_list.len();
    if fewer && items(&service["spec"]["clusterIPs"]).is_empty() {
        errors.invalid(&at, given, "primary ipFamily can not be unset");
    }
    if let (Some(new), Some(old)) = (new_list.first(), old_list.first())
        && new != old
    {
        errors.invalid(&at, &service["spec"]["clusterIPs"], "may not change once set");
    }
    if fewer && new_list.len() == 1 {
        released(service, "secondary ipFamily", errors);
    }
}

fn released(service: &Value, what: &str, errors: &mut Errors) {
    let policy = &service["spec"]["ipFamilyPolicy"];
    if policy != "SingleStack" {
        let detail = format!("must be set to 'SingleStack' when releasing the {what}");
        errors.invalid(&Path::new("spec").child("ipFamilyPolicy"), policy, &detail);
    }
}

/// The addresses of a load balancer, in the status of services and ingresses.
pub fn ingress_points(list: &Value, path: &Path, errors: &mut Errors) {
    for (index, point) in items(list).iter().enumerate() {
        let at = path.index(index);
        let (address, mode, host) = (text(&point["ip"]), &point["ipMode"], text(&point["hostname"]));
        if !address.is_empty() {
            ip::address(address, &at.child("ip"), errors);
        }
        if mode.is_null() {
            if !address.is_empty() {
                errors.required(&at.child("ipMode"), "must be specified when `ip` is set");
            }
        } else if address.is_empty() {
            errors.forbidden(&at.child("ipMode"), "may not be specified when `ip` is not set");
        } else {
            check(&[OneOf(&["Proxy", "VIP"])], mode, &at.child("ipMode"), errors);
        }
        if !host.is_empty() {
            formatted(host, names::dns1123_subdomain, &at.child("hostname"), errors);
            if ip::sloppy(host).is_some() {
                errors.invalid_text(&at.child("hostname"), host, "must be a DNS name, not an IP address");
            }
        }
    }
}
