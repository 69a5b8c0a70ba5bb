//! Node: a machine that runs pods.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column, wide};
use crate::kinds::parts::{affinity, ip, resources, show};
use crate::kinds::{Column, Kind, STATUS, SelectorWords, Strategy, Subresource, field_text};
use crate::schema::field::{Errors, Path, Reason};
use crate::schema::object::Object;
use crate::schema::rules::{entries, items, text};

const PROXY: Subresource = Subresource {
    name: "proxy",
    verbs: &["create", "delete", "get", "patch", "update"],
    group: "",
    version: "",
    kind: "NodeProxyOptions",
};
const INFO: &str = "api.core.v1.NodeSystemInfo";
const NODE_STATUS: &str = "api.core.v1.NodeStatus";
const COLUMNS: &[Row] = &[
    NAME,
    text_column("Status", About::Text("The status of the node")),
    text_column("Roles", About::Text("The roles of the node")),
    AGE,
    text_column("Version", About::Field(INFO, "kubeletVersion")),
    wide("Internal-IP", About::Field(NODE_STATUS, "addresses")),
    wide("External-IP", About::Field(NODE_STATUS, "addresses")),
    wide("OS-Image", About::Field(INFO, "osImage")),
    wide("Kernel-Version", About::Field(INFO, "kernelVersion")),
    wide("Container-Runtime", About::Field(INFO, "containerRuntimeVersion")),
];
const ROLE: &str = "node-role.kubernetes.io/";

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("", "v1", "Node", "nodes", Node)
        .cluster()
        .short(&["no"])
        .subresources(&[PROXY, STATUS])
        .selectable(&["spec.unschedulable"])
        .selector_words(SelectorWords::Label)
}

struct Node;

impl Strategy for Node {
    fn default(&self, object: &mut Value) {
        let status = object.section_mut("status");
        let allocatable =
            status.get("allocatable").is_some_and(|map| map.as_object().is_some_and(|map| !map.is_empty()));
        if let (false, Some(capacity)) = (allocatable, status.get("capacity").filter(|map| map.is_object()).cloned()) {
            status.insert("allocatable".to_owned(), capacity);
        }
        let spec = object.section_mut("spec");
        let cidr = spec.get("podCIDR").and_then(Value::as_str).unwrap_or_default().to_owned();
        let first = spec.get("podCIDRs").and_then(|list| items(list).first()).map(|one| text(one).to_owned());
        match (cidr.as_str(), first) {
            ("", Some(first)) => {
                spec.insert("podCIDR".to_owned(), first.into());
            }
            (cidr, first) if !cidr.is_empty() && first.as_deref() != Some(cidr) => {
                spec.insert("podCIDRs".to_owned(), json!([cidr]));
            }
            _ => {}
        }
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        affinity::taints(&object["spec"]["taints"], &Path::new("metadata").child("taints"), errors);
        amounts(object, errors);
        let path = Path::new("spec").child("podCIDRs");
        let cidrs = items(&object["spec"]["podCIDRs"]);
        for (index, cidr) in cidrs.iter().enumerate() {
            ip::range(text(cidr), &path.index(index), errors);
        }
        let addresses: Vec<&str> = cidrs.iter().map(|one| text(one).split('/').next().unwrap_or_default()).collect();
        if cidrs.len() > 1 && !ip::dual_stack(&addresses) {
            let detail = "may specify no more than one CIDR for each IP family";
            errors.invalid(&path, &object["spec"]["podCIDRs"], detail);
        }
        for (index, cidr) in cidrs.iter().enumerate() {
            if cidrs.iter().take(index).any(|other| other == cidr) {
                errors.duplicate(&path.index(index), cidr);
            }
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        amounts(object, errors);
        let addresses = object.list("/status/addresses");
        for (index, address) in addresses.iter().enumerate() {
            if addresses.iter().take(index).any(|other| other == address) {
                let at = Path::new("status").child("addresses").index(index);
                let shown = show::line(address, "core.v1.NodeAddress");
                errors.push(Reason::Duplicate, &at, format!("Duplicate value: {shown}"));
            }
        }
        let (new_cidrs, old_cidrs) = (object.list("/spec/podCIDRs"), old.list("/spec/podCIDRs"));
        if !old_cidrs.is_empty() && new_cidrs != old_cidrs {
            let detail = "node updates may not change podCIDR except from \"\" to valid";
            errors.forbidden(&Path::new("spec").child("podCIDRs"), detail);
        }
        let before = old.text("/spec/providerID");
        if !before.is_empty() && before != object.text("/spec/providerID") {
            errors.invalid(&Path::new("spec").child("providerID"), &Value::Null, "field cannot be modified once set");
        }
        affinity::taints(&object["spec"]["taints"], &Path::new("metadata").child("taints"), errors);
        if object["spec"]["externalID"] != old["spec"]["externalID"] {
            errors.forbidden(&Path::new("spec").child("externalID"), "may not be updated");
        }
    }

    fn validate_status(&self, object: &Value, old: &Value, errors: &mut Errors) {
        self.validate_update(object, old, errors);
    }

    fn field(&self, object: &Value, name: &str) -> String {
        if name == "spec.unschedulable" {
            return (object["spec"]["unschedulable"] == true).to_string();
        }
        field_text(object, name)
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let info = &object["status"]["nodeInfo"];
        let address = |kind: &str| -> Value {
            let mut all = object.list("/status/addresses").iter().filter(|one| one["type"] == kind);
            all.next().map_or_else(|| "<none>".into(), |one| one["address"].clone())
        };
        vec![
            object["metadata"]["name"].clone(),
            status(object).into(),
            roles(object).into(),
            table::age(object, now),
            table::string(&info["kubeletVersion"]),
            address("InternalIP"),
            address("ExternalIP"),
            table::or(&info["osImage"], "<unknown>"),
            table::or(&info["kernelVersion"], "<unknown>"),
            table::or(&info["containerRuntimeVersion"], "<unknown>"),
        ]
    }
}

fn amounts(object: &Value, errors: &mut Errors) {
    for list in ["capacity", "allocatable"] {
        for (name, value) in entries(&object["status"][list]) {
            resources::value(name, value, &Path::new("status").child(list).child(name), errors);
        }
    }
}

/// `Ready`, `NotReady` or `Unknown`, and whether pods may be scheduled.
fn status(object: &Value) -> String {
    let ready = object.list("/status/conditions").iter().find(|one| one["type"] == "Ready");
    let mut status = match ready.map(|one| text(&one["status"])) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if object["spec"]["unschedulable"] == true {
        status.push_str(",SchedulingDisabled");
    }
    status
}

/// The roles that the labels name, sorted.
fn roles(object: &Value) -> String {
    let mut roles: Vec<&str> = Vec::new();
    for (key, value) in entries(&object["metadata"]["labels"]) {
        let role = if key == "kubernetes.io/role" { Some(text(value)) } else { key.strip_prefix(ROLE) };
        roles.extend(role.filter(|role| !role.is_empty()));
    }
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") }
}
