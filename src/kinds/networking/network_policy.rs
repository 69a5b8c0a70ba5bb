//! NetworkPolicy: who may talk to pods and whom they may talk to.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::parts::{intstr, ip, selector};
use crate::kinds::{Column, Kind, Strategy, spec_changed};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::{Fill, Fills, fill, formatted, items, text};

const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];
const FILLS: Fills = &[
    ("", &[("spec", Fill::Map)]),
    ("spec", &[("podSelector", Fill::Map)]),
    ("spec.ingress.*.ports.*", &[("protocol", Fill::TextPointer("TCP"))]),
    ("spec.egress.*.ports.*", &[("protocol", Fill::TextPointer("TCP"))]),
];
const COLUMNS: &[Row] =
    &[NAME, text_column("Pod-Selector", About::Field("api.networking.v1.NetworkPolicySpec", "podSelector")), AGE];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", NetworkPolicy).short(&["netpol"])
}

struct NetworkPolicy;

impl Strategy for NetworkPolicy {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
        let spec = object.section_mut("spec");
        if spec.get("policyTypes").is_none_or(|types| items(types).is_empty()) {
            let egress = spec.get("egress").is_some_and(|rules| !items(rules).is_empty());
            let types = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
            spec.insert("policyTypes".to_owned(), types);
        }
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        selector::validate(&spec["podSelector"], &path.child("podSelector"), errors);
        for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
            for (index, rule) in items(&spec[direction]).iter().enumerate() {
                let at = path.child(direction).index(index);
                for (index, one) in items(&rule["ports"]).iter().enumerate() {
                    port(one, &at.child("ports").index(index), errors);
                }
                for (index, one) in items(&rule[peers]).iter().enumerate() {
                    peer(one, &at.child(peers).index(index), errors);
                }
            }
        }
        let (types, at) = (items(&spec["policyTypes"]), path.child("policyTypes"));
        if types.len() > 2 {
            errors.invalid(&at, &spec["policyTypes"], "may not specify more than two policyTypes");
            return;
        }
        for one in types {
            if !matches!(text(one), "Ingress" | "Egress") {
                errors.not_supported(&at, one, &["Egress", "Ingress"]);
            }
        }
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        vec![
            object["metadata"]["name"].clone(),
            selector::cell(&object["spec"]["podSelector"]).into(),
            table::age(object, now),
        ]
    }
}

fn port(port: &Value, path: &Path, errors: &mut Errors) {
    if let Some(protocol) = port["protocol"].as_str()
        && !PROTOCOLS.contains(&protocol)
    {
        errors.not_supported(&path.child("protocol"), &protocol.into(), PROTOCOLS);
    }
    let (end, end_at, at) = (port["endPort"].as_i64(), path.child("endPort"), path.child("port"));
    match (&port["port"], end) {
        (Value::Null, Some(end)) => {
            errors.invalid(&end_at, &end.into(), "may not be specified when `port` is not specified");
        }
        (Value::String(name), end) => {
            if let Some(end) = end {
                errors.invalid(&end_at, &end.into(), "may not be specified when `port` is non-numeric");
            }
            formatted(name, names::port_name, &at, errors);
        }
        (Value::Number(first), end) => {
            let first = first.as_i64().unwrap_or_default();
            intstr::port_number(first, &at, errors);
            if let Some(end) = end {
                if end < first {
                    errors.invalid(&end_at, &first.into(), "must be greater than or equal to `port`");
                }
                intstr::port_number(end, &end_at, errors);
            }
        }
        _ => {}
    }
}

fn peer(peer: &Value, path: &Path, errors: &mut Errors) {
    let mut count = 0;
    for field in ["podSelector", "namespaceSelector"] {
        if !peer[field].is_null() {
            count += 1;
            selector::validate(&peer[field], &path.child(field), errors);
        }
    }
    let block = &peer["ipBlock"];
    if !block.is_null() {
        count += 1;
        ip_block(block, &path.child("ipBlock"), errors);
    }
    if count == 0 {
        errors.required(path, "must specify a peer");
    } else if count > 1 && !block.is_null() {
        errors.forbidden(path, "may not specify both ipBlock and another peer");
    }
}

fn ip_block(block: &Value, path: &Path, errors: &mut Errors) {
    let range = text(&block["cidr"]);
    if range.is_empty() {
        errors.required(&path.child("cidr"), "");
        return;
    }
    if !ip::range(range, &path.child("cidr"), errors) {
        return;
    }
    for (index, except) in items(&block["except"]).iter().enumerate() {
        let at = path.child("except").index(index);
        if ip::range(text(except), &at, errors) && !ip::strictly_inside(text(except), range) {
            errors.invalid(&at, except, "must be a strict subset of `cidr`");
        }
    }
}
