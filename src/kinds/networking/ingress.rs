//! Ingress: which service answers for a host and a path of HTTP requests from outside.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::parts::conditions::typed_reference;
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::parts::{intstr, ip};
use crate::kinds::{Column, Kind, STATUS, Strategy, spec_changed};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::{Fill, Fills, fill, formatted, items, number, text};

/// Names the class of an ingress in place of the field.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
const PATH_TYPES: &[&str] = &["Exact", "ImplementationSpecific", "Prefix"];
const FILLS: Fills = &[("", &[("spec", Fill::Map), ("status", Fill::Map)]), ("status", &[("loadBalancer", Fill::Map)])];
const COLUMNS: &[Row] = &[
    NAME,
    text_column(
        "Class",
        About::Text("The name of the IngressClass resource that should be used for additional configuration"),
    ),
    text_column("Hosts", About::Text("Hosts that incoming requests are matched against before the ingress rule")),
    text_column("Address", About::Text("Address is a list containing ingress points for the load-balancer")),
    text_column("Ports", About::Text("Ports of TLS configurations that open")),
    AGE,
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("networking.k8s.io", "v1", "Ingress", "ingresses", Ingress).short(&["ing"]).subresources(&[STATUS])
}

struct Ingress;

impl Strategy for Ingress {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
    }

    fn prepare_create(&self, object: &mut Value) {
        object["status"] = json!({"loadBalancer": {}});
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        spec(&object["spec"], errors);
        if let (Some(old), Some(class)) =
            (object.annotation(CLASS_ANNOTATION), object["spec"]["ingressClassName"].as_str())
            && old != class
        {
            let at = Path::new("annotations").key(CLASS_ANNOTATION);
            errors.invalid_text(&at, old, "must match `ingressClassName` when both are specified");
        }
    }

    fn validate_update(&self, object: &Value, _old: &Value, errors: &mut Errors) {
        spec(&object["spec"], errors);
    }

    fn validate_status(&self, object: &Value, _old: &Value, errors: &mut Errors) {
        let path = Path::new("status").child("loadBalancer").child("ingress");
        for (index, one) in items(&object["status"]["loadBalancer"]["ingress"]).iter().enumerate() {
            let at = path.index(index);
            let (address, host) = (text(&one["ip"]), text(&one["hostname"]));
            if !address.is_empty() {
                ip::address(address, &at.child("ip"), errors);
            }
            if !host.is_empty() {
                formatted(host, names::dns1123_subdomain, &at.child("hostname"), errors);
                if ip::sloppy(host).is_some() {
                    errors.invalid_text(&at.child("hostname"), host, "must be a DNS name, not an IP address");
                }
            }
        }
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        if old.is_some()
            || object.annotation(CLASS_ANNOTATION).is_none()
            || !object["spec"]["ingressClassName"].is_null()
        {
            return Vec::new();
        }
        vec![format!("annotation {CLASS_ANNOTATION:?} is deprecated, please use 'spec.ingressClassName' instead")]
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let spec = &object["spec"];
        let addresses: Vec<&str> = items(&object["status"]["loadBalancer"]["ingress"])
            .iter()
            .map(|one| if text(&one["ip"]).is_empty() { text(&one["hostname"]) } else { text(&one["ip"]) })
            .filter(|address| !address.is_empty())
            .collect();
        let ports = if items(&spec["tls"]).is_empty() { "80" } else { "80, 443" };
        vec![
            object["metadata"]["name"].clone(),
            spec["ingressClassName"].as_str().unwrap_or("<none>").into(),
            hosts(items(&spec["rules"])).into(),
            addresses.join(",").into(),
            ports.into(),
            table::age(object, now),
        ]
    }
}

fn hosts(rules: &[Value]) -> String {
    const MAX: usize = 3;
    let named: Vec<&str> = rules.iter().map(|rule| text(&rule["host"])).filter(|host| !host.is_empty()).collect();
    match named.len() {
        0 => "*".to_owned(),
        1..=MAX => named.join(","),
        _ => format!("{} + {} more...", named[..MAX].join(","), rules.len() - MAX),
    }
}

fn spec(spec: &Value, errors: &mut Errors) {
    let path = Path::new("spec");
    let rules = items(&spec["rules"]);
    if rules.is_empty() && spec["defaultBackend"].is_null() {
        errors.invalid(&path, &spec["rules"], "either `defaultBackend` or `rules` must be specified");
    }
    if !spec["defaultBackend"].is_null() {
        backend(&spec["defaultBackend"], &path.child("defaultBackend"), errors);
    }
    for (index, rule) in rules.iter().enumerate() {
        let at = path.child("rules").index(index);
        let name = text(&rule["host"]);
        if !name.is_empty() {
            if ip::sloppy(name).is_some() {
                errors.invalid_text(&at.child("host"), name, "must be a DNS name, not an IP address");
            }
            host(name, &at.child("host"), errors);
        }
        if rule["http"].is_null() {
            continue;
        }
        let (paths, at) = (items(&rule["http"]["paths"]), at.child("http").child("paths"));
        if paths.is_empty() {
            errors.required(&at, "");
        }
        for (index, one) in paths.iter().enumerate() {
            http_path(one, &at.index(index), errors);
        }
    }
    for (index, tls) in items(&spec["tls"]).iter().enumerate() {
        let at = path.child("tls").index(index);
        for (index, name) in items(&tls["hosts"]).iter().enumerate() {
            host(text(name), &at.child("hosts").index(index), errors);
        }
        let secret = text(&tls["secretName"]);
        if !secret.is_empty() {
            formatted(secret, names::dns1123_subdomain, &at.child("secretName"), errors);
        }
    }
    if let Some(class) = spec["ingressClassName"].as_str() {
        formatted(class, names::dns1123_subdomain, &path.child("ingressClassName"), errors);
    }
}

fn host(name: &str, path: &Path, errors: &mut Errors) {
    let format = if name.contains('*') { names::wildcard_subdomain } else { names::dns1123_subdomain };
    formatted(name, format, path, errors);
}

fn http_path(one: &Value, path: &Path, errors: &mut Errors) {
    let (given, at) = (text(&one["path"]), path.child("path"));
    let absolute = |errors: &mut Errors| {
        if !given.starts_with('/') {
            errors.invalid_text(&at, given, "must be an absolute path");
        }
    };
    match one["pathType"].as_str() {
        None => {
            errors.required(&path.child("pathType"), "pathType must be specified");
            return;
        }
        Some("Exact" | "Prefix") => {
            absolute(errors);
            for sequence in ["//", "/./", "/../", "%2f", "%2F"] {
                if given.contains(sequence) {
                    errors.invalid_text(&at, given, &format!("must not contain '{sequence}'"));
                }
            }
            for end in ["/..", "/."] {
                if given.ends_with(end) {
                    errors.invalid_text(&at, given, &format!("cannot end with '{end}'"));
                }
            }
        }
        Some("ImplementationSpecific") => {
            if !given.is_empty() {
                absolute(errors);
            }
        }
        Some(other) => errors.not_supported(&path.child("pathType"), &other.into(), PATH_TYPES),
    }
    backend(&one["backend"], &path.child("backend"), errors);
}

fn backend(backend: &Value, path: &Path, errors: &mut Errors) {
    let (resource, service) = (&backend["resource"], &backend["service"]);
    match (resource.is_null(), service.is_null()) {
        (false, false) => errors.invalid_text(path, "", "cannot set both resource and service backends"),
        (true, true) => errors.invalid_text(path, "", "resource or service backend is required"),
        (false, true) => typed_reference(resource, &path.child("resource"), errors),
        (true, false) => {
            let at = path.child("service");
            match text(&service["name"]) {
                "" => errors.required(&at.child("name"), ""),
                name => formatted(name, names::dns1123_label, &at.child("name"), errors),
            }
            let (name, port) = (text(&service["port"]["name"]), number(&service["port"]["number"]));
            let at = at.child("port");
            match (name, port) {
                ("", 0) => errors.required(path, "port name or number is required"),
                ("", port) => intstr::port_number(port, &at.child("number"), errors),
                (name, 0) => formatted(name, names::port_name, &at.child("name"), errors),
                _ => errors.invalid_text(path, "", "cannot set both port name & port number"),
            }
        }
    }
}
