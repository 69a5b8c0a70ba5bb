//! What a service was given (addresses, node ports) and what of it an update keeps or gives back.

use serde_json::Value;

use crate::schema::object::Object;
use crate::schema::rules::{each_map, items, number, text};

/// Whether services of this form have an address of the cluster.
#[must_use]
pub fn needs_cluster_ip(service: &Value) -> bool {
    matches!(service.text("/spec/type"), "ClusterIP" | "NodePort" | "LoadBalancer")
}

/// Whether services of this form have node ports.
#[must_use]
pub fn needs_node_port(service: &Value) -> bool {
    match service.text("/spec/type") {
        "NodePort" => true,
        "LoadBalancer" => service["spec"]["allocateLoadBalancerNodePorts"] != false,
        _ => false,
    }
}

/// Whether services of this form have a node port for health checks.
#[must_use]
pub fn needs_health_check(service: &Value) -> bool {
    service["spec"]["type"] == "LoadBalancer" && service["spec"]["externalTrafficPolicy"] == "Local"
}

/// Whether the service can be reached from outside of the cluster.
#[must_use]
pub fn externally_accessible(service: &Value) -> bool {
    match service.text("/spec/type") {
        "NodePort" | "LoadBalancer" => true,
        "ClusterIP" => !service.list("/spec/externalIPs").is_empty(),
        _ => false,
    }
}

fn addresses(service: &Value) -> &[Value] {
    service.list("/spec/clusterIPs")
}

/// Keeps what the old service was given where the new one does not say anything else.
pub fn keep(new: &mut Value, old: &Value) {
    if needs_cluster_ip(old) && needs_cluster_ip(new) {
        if new.text("/spec/clusterIP").is_empty() && !old.text("/spec/clusterIP").is_empty() {
            new["spec"]["clusterIP"] = old["spec"]["clusterIP"].clone();
        }
        if addresses(new).is_empty()
            && new["spec"]["clusterIP"] == old["spec"]["clusterIP"]
            && !addresses(old).is_empty()
        {
            new["spec"]["clusterIPs"] = old["spec"]["clusterIPs"].clone();
        }
    }
    if needs_node_port(old) && needs_node_port(new) {
        keep_node_ports(new, old);
    }
    if needs_health_check(old) && needs_health_check(new) && number(&new["spec"]["healthCheckNodePort"]) == 0 {
        new["spec"]["healthCheckNodePort"] = old["spec"]["healthCheckNodePort"].clone();
    }
}

fn keep_node_ports(new: &mut Value, old: &Value) {
    let of = |service: &Value| -> Vec<i64> {
        let ports = service.list("/spec/ports").iter().map(|port| number(&port["nodePort"]));
        ports.filter(|port| *port != 0).collect()
    };
    let old_ports = of(old);
    let mut used: Vec<i64> = of(new).into_iter().filter(|port| old_ports.contains(port)).collect();
    each_map(new, "spec.ports.*", &mut |port| {
        if port.get("nodePort").map_or(0, number) != 0 {
            return;
        }
        let name = port.get("name").map_or("", text);
        let before = old.list("/spec/ports").iter().rev().find(|one| text(&one["name"]) == name);
        let given = before.map_or(0, |one| number(&one["nodePort"]));
        if given != 0 && !used.contains(&given) {
            port.insert("nodePort".to_owned(), given.into());
            used.push(given);
        }
    });
}

/// Makes `clusterIP` and the first of `clusterIPs` the same where a client has changed just one.
pub fn one_and_many(new: &mut Value, old: Option<&Value>) {
    let one = new.text("/spec/clusterIP").to_owned();
    let many: Vec<Value> = addresses(new).to_vec();
    let Some(old) = old else {
        if !one.is_empty() && many.is_empty() {
            new["spec"]["clusterIPs"] = vec![Value::from(one)].into();
        }
        return;
    };
    let old_one = old.text("/spec/clusterIP");
    let same_many = many == addresses(old);
    if one != old_one && same_many {
        if one.is_empty() {
            if let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) {
                spec.remove("clusterIPs");
            }
        } else {
            let mut changed = many;
            match changed.first_mut() {
                Some(first) => *first = one.into(),
                None => changed.push(one.into()),
            }
            new["spec"]["clusterIPs"] = changed.into();
        }
    } else if one == old_one && many.is_empty() && !one.is_empty() && !addresses(old).is_empty() {
        if let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) {
            spec.remove("clusterIP");
        }
    } else if one.is_empty() && old_one.is_empty() && addresses(old).is_empty() {
        if let Some(first) = many.first().cloned() {
            new["spec"]["clusterIP"] = first;
        }
    } else if !one.is_empty() && many.is_empty() {
        new["spec"]["clusterIPs"] = vec![Value::from(one)].into();
    }
}

/// Gives back what the new type has no use for, unless the client changed it in the same breath.
pub fn drop_unneeded(new: &mut Value, old: &Value) {
    let same = |new: &Value, field: &str| new["spec"][field] == old["spec"][field];
    let mut gone: Vec<&str> = Vec::new();
    if needs_cluster_ip(old) && !needs_cluster_ip(new) {
        if same(new, "clusterIP") && same(new, "clusterIPs") {
            gone.extend(["clusterIP", "clusterIPs"]);
        }
        gone.extend(["ipFamilies", "ipFamilyPolicy"].into_iter().filter(|field| same(new, field)));
    }
    let ports = |service: &Value| -> Vec<i64> {
        items(&service["spec"]["ports"]).iter().map(|port| number(&port["nodePort"])).collect()
    };
    if needs_node_port(old) && !needs_node_port(new) && same_ports(&ports(new), &ports(old)) {
        each_map(new, "spec.ports.*", &mut |port| {
            port.remove("nodePort");
        });
    }
    if needs_health_check(old) && !needs_health_check(new) && same(new, "healthCheckNodePort") {
        gone.push("healthCheckNodePort");
    }
    let balanced = |service: &Value| service["spec"]["type"] == "LoadBalancer";
    if balanced(old) && !balanced(new) {
        let fields = ["allocateLoadBalancerNodePorts", "loadBalancerClass"];
        gone.extend(fields.into_iter().filter(|field| same(new, field)));
    }
    if externally_accessible(old) && !externally_accessible(new) && same(new, "externalTrafficPolicy") {
        gone.push("externalTrafficPolicy");
    }
    if let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) {
        spec.retain(|key, _| !gone.contains(&key.as_str()));
    }
}

/// Whether no node port is new.
fn same_ports(new: &[i64], old: &[i64]) -> bool {
    new.iter().all(|port| *port == 0 || old.contains(port))
}
