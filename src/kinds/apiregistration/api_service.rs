//! APIService: which group and version is served, and by whom. Those of k2d itself are local; one that
//! points to a Service is kept, and nothing is passed on to it.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, NameRule, STATUS, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::{Fill, Fills, fill, formatted, is_empty, number};

const FILLS: Fills = &[("spec.service", &[("port", Fill::Number(443))])];
const COLUMNS: &[Row] = &[
    NAME,
    text_column("Service", About::Text("The reference to the service that hosts this API endpoint.")),
    text_column("Available", About::Text("Whether this service is available.")),
    AGE,
];

/// Priority of the groups of the API: the group's own and that of its version. Source: the APIServices
/// of a kube-apiserver.
const PRIORITIES: &[(&str, &str, i64, i64)] = &[
    ("", "v1", 18000, 1),
    ("apps", "v1", 17800, 15),
    ("events.k8s.io", "v1", 17750, 15),
    ("authentication.k8s.io", "v1", 17700, 15),
    ("authorization.k8s.io", "v1", 17600, 15),
    ("autoscaling", "v1", 17500, 15),
    ("autoscaling", "v2", 17500, 30),
    ("batch", "v1", 17400, 15),
    ("certificates.k8s.io", "v1", 17300, 15),
    ("networking.k8s.io", "v1", 17200, 15),
    ("policy", "v1", 17100, 15),
    ("rbac.authorization.k8s.io", "v1", 17000, 15),
    ("storage.k8s.io", "v1", 16800, 15),
    ("apiextensions.k8s.io", "v1", 16700, 15),
    ("admissionregistration.k8s.io", "v1", 16700, 15),
    ("scheduling.k8s.io", "v1", 16600, 15),
    ("coordination.k8s.io", "v1", 16500, 15),
    ("node.k8s.io", "v1", 16300, 15),
    ("discovery.k8s.io", "v1", 16200, 15),
    ("resource.k8s.io", "v1", 16200, 15),
    ("flowcontrol.apiserver.k8s.io", "v1", 16100, 21),
];

/// The label of the APIServices that k2d keeps.
pub const MANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("apiregistration.k8s.io", "v1", "APIService", "apiservices", ApiService)
        .cluster()
        .categories(&["api-extensions"])
        .subresources(&[STATUS])
        .names(NameRule::Own)
}

/// The APIService of a group and version that k2d serves by itself; `custom` says that a definition
/// made it.
#[must_use]
pub fn local(group: &str, version: &str, custom: bool) -> Value {
    let known = PRIORITIES.iter().find(|(g, v, _, _)| *g == group && *v == version);
    let (minimum, priority) = known.map_or((1000, 100), |(_, _, minimum, priority)| (*minimum, *priority));
    let managed = if custom { "true" } else { "onstart" };
    let mut spec = json!({"groupPriorityMinimum": minimum, "version": version, "versionPriority": priority});
    if !group.is_empty() {
        spec["group"] = group.into();
    }
    json!({"metadata": {"name": format!("{version}.{group}"), "labels": {MANAGED: managed}}, "spec": spec})
}

struct ApiService;

impl Strategy for ApiService {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
    }

    fn prepare_create(&self, object: &mut Value) {
        let at = object.text("/metadata/creationTimestamp").to_owned();
        object["status"] = if is_empty(&object["spec"]["service"]) {
            json!({"conditions": [{
                "type": "Available", "status": "True", "reason": "Local", "lastTransitionTime": at,
                "message": "Local APIServices are always available",
            }]})
        } else {
            json!({})
        };
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let spec = &object["spec"];
        let (group, version) = (object.text("/spec/group"), object.text("/spec/version"));
        let name = object.name();
        let at = Path::new("metadata").child("name");
        let faults = names::path_segment(name);
        let required = format!("{version}.{group}");
        if !name.is_empty() && !faults.is_empty() {
            formatted(name, names::path_segment, &at, errors);
        } else if !name.is_empty() && name != required {
            errors.invalid_text(&at, name, &format!("must be `spec.version+\".\"+spec.group`: {required:?}"));
        }
        let at = Path::new("spec");
        if group.is_empty() && version != "v1" {
            let detail = "only v1 may have an empty group and it better be legacy kube";
            errors.required(&at.child("group"), detail);
        }
        if !group.is_empty() {
            formatted(group, names::dns1123_subdomain, &at.child("group"), errors);
        }
        formatted(version, names::dns1035_label, &at.child("version"), errors);
        for (field, most) in [("groupPriorityMinimum", 20000), ("versionPriority", 1000)] {
            let given = number(&spec[field]);
            if given <= 0 || given > most {
                let detail = format!("must be positive and less than {most}");
                errors.invalid(&at.child(field), &given.into(), &detail);
            }
        }
        let insecure = spec["insecureSkipTLSVerify"] == true;
        let bundle = object.text("/spec/caBundle");
        let tls = at.child("insecureSkipTLSVerify");
        if is_empty(&spec["service"]) {
            if !bundle.is_empty() {
                let shown = format!("{} bytes", bundle.len() / 4 * 3);
                errors.invalid_text(&at.child("caBundle"), &shown, "local APIServices may not have a caBundle");
            }
            if insecure {
                errors.invalid(&tls, &true.into(), "local APIServices may not have insecureSkipTLSVerify");
            }
            return;
        }
        for field in ["namespace", "name"] {
            if object.text(&format!("/spec/service/{field}")).is_empty() {
                errors.required(&at.child("service").child(field), "");
            }
        }
        for fault in names::port_number(number(&spec["service"]["port"])) {
            errors.invalid(
                &at.child("service").child("port"),
                &spec["service"]["port"],
                &format!("port is not valid: {fault}"),
            );
        }
        if insecure && !bundle.is_empty() {
            errors.invalid(&tls, &true.into(), "may not be true if caBundle is present");
        }
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>) -> Vec<String> {
        if is_empty(&object["spec"]["service"]) {
            return Vec::new();
        }
        vec!["k2d stores APIServices that point to a Service and passes no request on to them".to_owned()]
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let service = if is_empty(&object["spec"]["service"]) {
            "Local".to_owned()
        } else {
            format!("{}/{}", object.text("/spec/service/namespace"), object.text("/spec/service/name"))
        };
        let condition = object.list("/status/conditions").iter().find(|one| one["type"] == "Available");
        let available = match condition.map(|one| (one.text("/status"), one.text("/reason"))) {
            None => "Unknown".to_owned(),
            Some(("True", _)) => "True".to_owned(),
            Some((status, reason)) => format!("{status} ({reason})"),
        };
        vec![object.name().into(), service.into(), available.into(), table::age(object, now)]
    }
}
