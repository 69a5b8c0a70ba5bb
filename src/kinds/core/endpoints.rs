//! Endpoints: the addresses behind a service, in the old form.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::parts::{intstr, ip};
use crate::kinds::{Column, Kind, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::Fill::Text;
use crate::schema::rules::Rule::{At, Filled, Format, Given, OneOf, Required};
use crate::schema::rules::{Fills, Rule, check, fill, items, number, text};

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
    let mut kind = Kind::new("", "v1", "Endpoints", "endpoints", Endpoints)
        .short(&["ep"])
        .deprecated("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice");
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
