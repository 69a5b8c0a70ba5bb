//! EndpointSlice: some of the addresses behind a service.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::ip;
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::Fill::TextPointer;
use crate::schema::rules::Rule::{At, Format, Given, OneOf, Required};
use crate::schema::rules::{Fills, Rule, check, each_map, fill, formatted, items, text};

const FILLS: Fills = &[("ports.*", &[("name", TextPointer("")), ("protocol", TextPointer("TCP"))])];
const TYPE: &[Rule] = &[At("addressType", &[Required(""), OneOf(&["FQDN", "IPv4", "IPv6"])])];
const PORT: &[Rule] = &[
    At("protocol", &[Required(""), OneOf(&["SCTP", "TCP", "UDP"])]),
    At("appProtocol", &[Given(&[Format(names::qualified_name)])]),
];
const SLICE: &str = "api.discovery.v1.EndpointSlice";
const COLUMNS: &[Row] = &[
    NAME,
    text_column("AddressType", About::Field(SLICE, "addressType")),
    text_column("Ports", About::Field(SLICE, "ports")),
    text_column("Endpoints", About::Field(SLICE, "endpoints")),
    AGE,
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", EndpointSlice)
}

struct EndpointSlice;

impl Strategy for EndpointSlice {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
        each_map(object, "endpoints.*", &mut |endpoint| {
            endpoint.remove("deprecatedTopology");
        });
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        check(TYPE, object, &Path::root(), errors);
        ports(&object["ports"], errors);
        let (list, path) = (items(&object["endpoints"]), Path::new("endpoints"));
        if list.len() > 1000 {
            errors.too_many(&path, list.len(), 1000);
            return;
        }
        for (index, one) in list.iter().enumerate() {
            endpoint(one, text(&object["addressType"]), &path.index(index), errors);
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        if object["addressType"] == old["addressType"] {
            self.validate(object, errors);
        } else {
            errors.invalid(&Path::new("addressType"), &Value::Null, "field is immutable");
        }
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        let meta = ["labels", "annotations"].iter().any(|field| object["metadata"][*field] != old["metadata"][*field]);
        let rest = ["addressType", "endpoints", "ports"].iter().any(|field| object[*field] != old[*field]);
        Some(meta || rest)
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        let mut out = Vec::new();
        if old.is_none() && object["addressType"] == "FQDN" {
            out.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
        }
        for (index, one) in items(&object["endpoints"]).iter().enumerate() {
            for (address, text_value) in items(&one["addresses"]).iter().enumerate() {
                let at = Path::new("endpoints").index(index).child("addresses").index(address);
                out.extend(ip::warning(text(text_value), &at));
            }
        }
        out
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let ports: Vec<String> = items(&object["ports"])
            .iter()
            .map(|port| match &port["port"] {
                Value::Null => "*".to_owned(),
                port => port.to_string(),
            })
            .collect();
        let addresses: Vec<String> = items(&object["endpoints"])
            .iter()
            .flat_map(|one| items(&one["addresses"]))
            .map(|address| text(address).to_owned())
            .collect();
        let shown = |list: &[String]| if list.is_empty() { "<unset>".to_owned() } else { table::some_of(list, 3) };
        vec![
            object["metadata"]["name"].clone(),
            table::string(&object["addressType"]),
            shown(&ports).into(),
            shown(&addresses).into(),
            table::age(object, now),
        ]
    }
}

fn ports(list: &Value, errors: &mut Errors) {
    let path = Path::new("ports");
    if items(list).len() > 20000 {
        errors.too_many(&path, items(list).len(), 20000);
        return;
    }
    let mut seen: Vec<&str> = Vec::new();
    for (index, port) in items(list).iter().enumerate() {
        let (at, name) = (path.index(index), text(&port["name"]));
        if !name.is_empty() {
            formatted(name, names::dns1123_label, &at.child("name"), errors);
        }
        if seen.contains(&name) {
            errors.duplicate(&at.child("name"), &name.into());
        }
        seen.push(name);
        check(PORT, port, &at, errors);
    }
}

fn endpoint(endpoint: &Value, kind: &str, path: &Path, errors: &mut Errors) {
    let (addresses, at) = (items(&endpoint["addresses"]), path.child("addresses"));
    if addresses.is_empty() {
        errors.required(&at, "");
    } else if addresses.len() > 100 {
        errors.too_many(&at, addresses.len(), 100);
    }
    for (index, address) in addresses.iter().enumerate() {
        let (address, at_index) = (text(address), at.index(index));
        match kind {
            "IPv4" | "IPv6" if ip::address(address, &at_index, errors) => {
                let is_v4 = ip::sloppy(address).is_some_and(|ip| ip.is_ipv4());
                if is_v4 != (kind == "IPv4") {
                    errors.invalid_text(&at, address, &format!("must be an {kind} address"));
                } else {
                    ip::not_special(address, &at_index, errors);
                }
            }
            "FQDN" => formatted(address, names::dns1123_subdomain, &at_index, errors),
            _ => {}
        }
    }
    let named = |field: &'static str, format: fn(&str) -> names::Faults, errors: &mut Errors| {
        if let Some(value) = endpoint[field].as_str() {
            formatted(value, format, &path.child(field), errors);
        }
    };
    named("nodeName", names::dns1123_subdomain, errors);
    named("hostname", names::dns1123_label, errors);
    for field in ["forZones", "forNodes"] {
        let mut seen: Vec<&str> = Vec::new();
        for (index, one) in endpoint["hints"].list(&format!("/{field}")).iter().enumerate() {
            let at = path.child("hints").child(field).index(index).child("name");
            if seen.contains(&text(&one["name"])) {
                errors.duplicate(&at, &one["name"]);
            } else {
                formatted(text(&one["name"]), names::dns1123_subdomain, &at, errors);
            }
            seen.push(text(&one["name"]));
        }
    }
}
