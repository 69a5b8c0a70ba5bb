//! Endpoints: the addresses behind a service, in the old form.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::parts::{intstr, ip};
use crate::kinds::{Column, Kind, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::Fill::Text;
use crate::schema::rules::Rule::{At, Filled, Format, Given, OneOf, Required};
use crate::schema::rules::{Fills, Rule, check, each_map, fill, items, number, text};

const FILLS: Fills = &[("subsets.*.ports.*", &[("protocol", Text("TCP"))])];
const ADDRESS: &[Rule] = &[
    At("hostname", &[Filled(&[Format(names::dns1123_label)])]),
    At("nodeName", &[Given(&[Format(names::dns1123_subdomain)])]),
];
const PORT: &[Rule] = &[
    At("protocol", &[Required(""), OneOf(&["SCTP", "TCP", "UDP"])]),
    At("appProtocol", &[Given(&[Format(names::qualified_name)])]),
];
const COLUMNS: &[Row] = &[NAME, text_column("Endpoints", About::Field("api.core.v1.Endpoints", "subsets")), AGE];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    let mut kind = Kind::new("", "v1", "Endpoints", "endpoints", Endpoints).short(&["ep"]);
    kind.singular = "endpoints".into();
    kind
}

struct Endpoints;

impl Strategy for Endpoints {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        for (index, subset) in items(&object["subsets"]).iter().enumerate() {
            let at = Path::new("subsets").index(index);
            let lists = ["addresses", "notReadyAddresses"];
            if lists.iter().all(|list| items(&subset[*list]).is_empty()) {
                errors.required(&at, "must specify `addresses` or `notReadyAddresses`");
            }
            for list in lists {
                for (index, address) in items(&subset[list]).iter().enumerate() {
                    let at = at.child(list).index(index);
                    ip::address(text(&address["ip"]), &at.child("ip"), errors);
                    check(ADDRESS, address, &at, errors);
                    ip::not_special(text(&address["ip"]), &at.child("ip"), errors);
                }
            }
            let ports = items(&subset["ports"]);
            for (index, port) in ports.iter().enumerate() {
                let at = at.child("ports").index(index);
                if ports.len() > 1 {
                    check(&[At("name", &[Required("")])], port, &at, errors);
                }
                check(&[At("name", &[Filled(&[Format(names::dns1123_label)])])], port, &at, errors);
                intstr::port_number(number(&port["port"]), &at.child("port"), errors);
                check(PORT, port, &at, errors);
            }
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        repack(object);
    }

    fn prepare_update(&self, object: &mut Value, _old: &Value) {
        repack(object);
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let mut all: Vec<String> = Vec::new();
        for subset in object.list("/subsets") {
            let (addresses, ports) = (items(&subset["addresses"]), items(&subset["ports"]));
            if ports.is_empty() {
                all.extend(addresses.iter().map(|address| text(&address["ip"]).to_owned()));
            }
            for port in ports {
                let number = number(&port["port"]);
                all.extend(addresses.iter().map(|address| {
                    let ip = text(&address["ip"]);
                    if ip.contains(':') { format!("[{ip}]:{number}") } else { format!("{ip}:{number}") }
                }));
            }
        }
        let shown = if all.is_empty() { "<none>".to_owned() } else { table::some_of(&all, 3) };
        vec![object["metadata"]["name"].clone(), shown.into(), table::age(object, now)]
    }
}

/// Brings subsets into the one form that says the same: each port of each address once, addresses
/// with the same ports together, all of it sorted.
fn repack(object: &mut Value) {
    if object["subsets"].is_null() {
        return;
    }
    let valid = {
        let mut errors = Errors::new();
        Endpoints.validate(object, &mut errors);
        errors.is_empty()
    };
    if !valid {
        return;
    }
    // Address by its text, with readiness, and the ports under which it was named.
    let mut by_address: Vec<(Value, bool, Vec<Value>)> = Vec::new();
    for subset in object.list("/subsets") {
        let ports: Vec<Value> = match items(&subset["ports"]) {
            [] => vec![Value::Null],
            ports => ports.to_vec(),
        };
        for (list, ready) in [("addresses", true), ("notReadyAddresses", false)] {
            for address in items(&subset[list]) {
                for port in &ports {
                    let known = by_address.iter_mut().find(|(one, _, _)| same_address(one, address));
                    match known {
                        None => by_address.push((address.clone(), ready, vec![port.clone()])),
                        Some((_, was_ready, known)) => {
                            *was_ready &= ready;
                            if !known.contains(port) {
                                known.push(port.clone());
                            }
                        }
                    }
                }
            }
        }
    }
    let key =
        |port: &Value| (text(&port["name"]).to_owned(), number(&port["port"]), text(&port["protocol"]).to_owned());
    let mut subsets: Vec<(Vec<Value>, Vec<Value>, Vec<Value>)> = Vec::new();
    for (address, ready, mut ports) in by_address {
        ports.retain(|port| !port.is_null());
        ports.sort_by_key(key);
        let subset = match subsets.iter_mut().find(|(known, _, _)| *known == ports) {
            Some(subset) => subset,
            None => {
                subsets.push((ports, Vec::new(), Vec::new()));
                let Some(last) = subsets.last_mut() else { return };
                last
            }
        };
        if ready { subset.1.push(address) } else { subset.2.push(address) }
    }
    let order = |address: &Value| (text(&address["ip"]).to_owned(), text(&address["targetRef"]["uid"]).to_owned());
    let mut out: Vec<Value> = subsets
        .into_iter()
        .map(|(ports, mut ready, mut waiting)| {
            ready.sort_by_key(order);
            waiting.sort_by_key(order);
            json!({"addresses": ready, "notReadyAddresses": waiting, "ports": ports})
        })
        .collect();
    out.sort_by_key(ToString::to_string);
    object["subsets"] = out.into();
    each_map(object, "subsets.*", &mut |subset| subset.retain(|_, list| !items(list).is_empty()));
}

fn same_address(one: &Value, other: &Value) -> bool {
    one["ip"] == other["ip"] && one["targetRef"]["uid"] == other["targetRef"]["uid"]
}
