//! Service: a stable address for a set of pods.
//!
//! Addresses and node ports are given by the registry, which does so between `default` and
//! `validate` (on an update between `prepare_update` and `validate_update`).

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column, wide};
use crate::kinds::parts::{ip, selector};
use crate::kinds::{Column, Kind, NameRule, STATUS, SelectorWords, Strategy, Subresource};
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;
use crate::schema::rules::Fill::{Map, Number, Text, TextPointer};
use crate::schema::rules::{Fills, each_map, fill, items, number, text};

pub mod allocated;
mod rules;

pub use rules::{cluster_ips, is_headless};

const FILLS: Fills = &[
    ("", &[("status", Map), ("spec", Map)]),
    ("status", &[("loadBalancer", Map)]),
    ("spec", &[("sessionAffinity", Text("None")), ("type", Text("ClusterIP"))]),
    ("spec.ports.*", &[("protocol", Text("TCP"))]),
];
const SPEC: &str = "api.core.v1.ServiceSpec";
const COLUMNS: &[Row] = &[
    NAME,
    text_column("Type", About::Field(SPEC, "type")),
    text_column("Cluster-IP", About::Field(SPEC, "clusterIP")),
    text_column("External-IP", About::Field(SPEC, "externalIPs")),
    text_column("Port(s)", About::Field(SPEC, "ports")),
    AGE,
    wide("Selector", About::Field(SPEC, "selector")),
];
const PROXY: Subresource = Subresource {
    name: "proxy",
    verbs: &["create", "delete", "get", "patch", "update"],
    group: "",
    version: "",
    kind: "ServiceProxyOptions",
};

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("", "v1", "Service", "services", Service)
        .short(&["svc"])
        .categories(&["all"])
        .subresources(&[PROXY, STATUS])
        .selectable(&["spec.clusterIP", "spec.type"])
        .selector_words(SelectorWords::Label)
        .names(NameRule::Label)
}

struct Service;

/// Nothing within the cluster is reached by the name of something outside.
fn drop_internal_policy(object: &mut Value) {
    if object.text("/spec/type") == "ExternalName" {
        object.section_mut("spec").remove("internalTrafficPolicy");
    }
}

impl Strategy for Service {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
        let kind = object.text("/spec/type").to_owned();
        let reaches_out = kind == "NodePort" || kind == "LoadBalancer";
        let external = reaches_out || (kind == "ClusterIP" && !object.list("/spec/externalIPs").is_empty());
        each_map(object, "spec", &mut |spec| {
            match spec.get("sessionAffinity").and_then(Value::as_str) {
                Some("None") => {
                    spec.remove("sessionAffinityConfig");
                }
                Some("ClientIP") => {
                    let config = spec.entry("sessionAffinityConfig").or_insert_with(|| json!({}));
                    if config["clientIP"]["timeoutSeconds"].is_null() && config.is_object() {
                        config["clientIP"] = json!({"timeoutSeconds": 10800});
                    }
                }
                _ => {}
            }
            if external {
                Text("Cluster").apply(spec, "externalTrafficPolicy");
            }
            if reaches_out || kind == "ClusterIP" {
                TextPointer("Cluster").apply(spec, "internalTrafficPolicy");
            }
            if kind == "LoadBalancer" && spec.get("allocateLoadBalancerNodePorts").is_none_or(Value::is_null) {
                spec.insert("allocateLoadBalancerNodePorts".to_owned(), true.into());
            }
        });
        each_map(object, "spec.ports.*", &mut |port| {
            let given = port.get("port").cloned().unwrap_or_else(|| 0.into());
            let target = port.get("targetPort");
            if target.is_none_or(|target| target.is_null() || *target == 0 || *target == "") {
                port.insert("targetPort".to_owned(), given);
            }
            Number(0).apply(port, "port");
        });
        if kind == "LoadBalancer" {
            each_map(object, "status.loadBalancer.ingress.*", &mut |ingress| {
                if ingress.get("ip").is_some_and(|ip| ip != "") {
                    TextPointer("VIP").apply(ingress, "ipMode");
                }
            });
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        object["status"] = json!({"loadBalancer": {}});
        drop_internal_policy(object);
        allocated::one_and_many(object, None);
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        rules::service(object, errors);
    }

    fn prepare_update(&self, object: &mut Value, old: &Value) {
        object["status"] = old["status"].clone();
        allocated::keep(object, old);
        allocated::one_and_many(object, Some(old));
        allocated::drop_unneeded(object, old);
        drop_internal_policy(object);
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        rules::update(object, old, errors);
        rules::service(object, errors);
    }

    fn validate_status(&self, object: &Value, _old: &Value, errors: &mut Errors) {
        let path = Path::new("status").child("loadBalancer").child("ingress");
        let ingress = &object["status"]["loadBalancer"]["ingress"];
        if object["spec"]["type"] != "LoadBalancer" && !items(ingress).is_empty() {
            errors.forbidden(&path, "may only be used when `spec.type` is 'LoadBalancer'");
            return;
        }
        rules::ingress_points(ingress, &path, errors);
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn returns_deleted(&self) -> bool {
        true
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>) -> Vec<String> {
        warnings(object)
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let spec = &object["spec"];
        let address = items(&spec["clusterIPs"]).first().map_or("", text);
        let address = if address.is_empty() { text(&spec["clusterIP"]) } else { address };
        let address = if address.is_empty() { "<none>" } else { address };
        let ports: Vec<String> = items(&spec["ports"])
            .iter()
            .map(|port| {
                let (number, node) = (number(&port["port"]), number(&port["nodePort"]));
                let protocol = text(&port["protocol"]);
                if node > 0 { format!("{number}:{node}/{protocol}") } else { format!("{number}/{protocol}") }
            })
            .collect();
        let ports = if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") };
        vec![
            object["metadata"]["name"].clone(),
            table::string(&spec["type"]),
            address.into(),
            external_address(object).into(),
            ports.into(),
            table::age(object, now),
            selector::labels_cell(&spec["selector"]).into(),
        ]
    }
}

/// The addresses under which the service is reached from outside, as a cell.
fn external_address(object: &Value) -> String {
    let spec = &object["spec"];
    let external: Vec<&str> = items(&spec["externalIPs"]).iter().map(text).collect();
    let none_or = |list: &[&str], none: &str| if list.is_empty() { none.to_owned() } else { list.join(",") };
    match text(&spec["type"]) {
        "ClusterIP" | "NodePort" => none_or(&external, "<none>"),
        "LoadBalancer" => {
            let mut points: Vec<&str> = Vec::new();
            for point in object.list("/status/loadBalancer/ingress") {
                let name = if text(&point["ip"]).is_empty() { text(&point["hostname"]) } else { text(&point["ip"]) };
                if !name.is_empty() && !points.contains(&name) {
                    points.push(name);
                }
            }
            points.sort_unstable();
            points.extend(external);
            none_or(&points, "<pending>")
        }
        "ExternalName" => text(&spec["externalName"]).to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

fn warnings(object: &Value) -> Vec<String> {
    let mut out = Vec::new();
    let spec = &object["spec"];
    for key in ["service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"] {
        if key.ends_with("hints") && object.annotation(key).is_some() {
            out.push(format!("annotation {key} is deprecated, please use service.kubernetes.io/topology-mode instead"));
        }
    }
    if is_headless(object) && !spec["sessionAffinity"].is_null() && spec["sessionAffinity"] != "None" {
        out.push("spec.SessionAffinity is ignored for headless services".to_owned());
    }
    if is_headless(object) && !text(&spec["loadBalancerIP"]).is_empty() {
        out.push("spec.loadBalancerIP is ignored for headless services".to_owned());
    }
    if is_headless(object) && !items(&spec["externalIPs"]).is_empty() {
        out.push("spec.externalIPs is ignored for headless services".to_owned());
    } else if !items(&spec["externalIPs"]).is_empty() {
        out.push("spec.externalIPs is deprecated and may no longer be implemented in some clusters".to_owned());
    }
    let path = Path::new("spec");
    for (index, address) in items(&spec["clusterIPs"]).iter().enumerate() {
        out.extend(ip::warning(text(address), &path.child("clusterIPs").index(index)));
    }
    for (index, address) in items(&spec["externalIPs"]).iter().enumerate() {
        out.extend(ip::warning(text(address), &path.child("externalIPs").index(index)));
    }
    out.extend(ip::warning(text(&spec["loadBalancerIP"]), &path.child("loadBalancerIP")));
    if !text(&spec["externalName"]).is_empty() && spec["type"] != "ExternalName" {
        out.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
    }
    if spec["trafficDistribution"] == "PreferClose" {
        out.push("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"".to_owned());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_targets_itself() {
        let mut service = json!({"spec": {"ports": [{"port": 80}]}});
        Service.default(&mut service);
        assert_eq!(service["spec"]["ports"], json!([{"port": 80, "targetPort": 80, "protocol": "TCP"}]));
        assert_eq!(service["spec"]["internalTrafficPolicy"], "Cluster");
    }

    #[test]
    fn a_load_balancer_without_address_is_pending() {
        let service =
            json!({"spec": {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30000, "protocol": "TCP"}]}});
        let cells = Service.cells(&service, Timestamp::now());
        assert_eq!(cells.get(3), Some(&json!("<pending>")));
        assert_eq!(cells.get(4), Some(&json!("80:30000/TCP")));
    }
}
