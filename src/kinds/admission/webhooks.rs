//! MutatingWebhookConfiguration and ValidatingWebhookConfiguration: who is asked about a change.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::selector;
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, whole};
use crate::kinds::{Column, Kind, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::rules::Fill::{self, NumberPointer, TextPointer};
use crate::schema::rules::{Fills, fill, items, text};

const GROUP: &str = "admissionregistration.k8s.io";
const FILLS: Fills = &[
    (
        "webhooks.*",
        &[
            ("failurePolicy", TextPointer("Fail")),
            ("matchPolicy", TextPointer("Equivalent")),
            ("namespaceSelector", Fill::Map),
            ("objectSelector", Fill::Map),
            ("timeoutSeconds", NumberPointer(10)),
            ("clientConfig", Fill::Map),
        ],
    ),
    ("webhooks.*.clientConfig.service", &[("port", NumberPointer(443))]),
    ("webhooks.*.rules.*", &[("scope", TextPointer("*"))]),
];
const MUTATING_FILLS: Fills = &[("webhooks.*", &[("reinvocationPolicy", TextPointer("Never"))])];
const COLUMNS: &[Row] = &[
    NAME,
    whole("Webhooks", About::Text("Webhooks indicates the number of webhooks registered in this configuration")),
    AGE,
];
const VERSIONS: &[&str] = &["v1", "v1beta1"];

/// Webhooks that may change what is written.
#[must_use]
pub fn mutating() -> Kind {
    let strategy = Webhooks { mutating: true };
    Kind::new(GROUP, "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", strategy)
        .cluster()
        .categories(&["api-extensions"])
}

/// Webhooks that may refuse what is written.
#[must_use]
pub fn validating() -> Kind {
    let strategy = Webhooks { mutating: false };
    Kind::new(GROUP, "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", strategy)
        .cluster()
        .categories(&["api-extensions"])
}

struct Webhooks {
    mutating: bool,
}

impl Strategy for Webhooks {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
        if self.mutating {
            fill(object, MUTATING_FILLS);
        }
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let hooks = items(&object["webhooks"]);
        for (index, hook) in hooks.iter().enumerate() {
            let path = Path::new("webhooks").index(index);
            self.hook(hook, &path, errors);
            versions(&hook["admissionReviewVersions"], &path.child("admissionReviewVersions"), errors);
            let name = text(&hook["name"]);
            if !name.is_empty() && hooks.iter().take(index).any(|other| text(&other["name"]) == name) {
                errors.duplicate(&path.child("name"), &hook["name"]);
            }
        }
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(object["webhooks"] != old["webhooks"])
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let count = items(&object["webhooks"]).len();
        vec![object["metadata"]["name"].clone(), count.into(), table::age(object, now)]
    }
}

impl Webhooks {
    fn hook(&self, hook: &Value, path: &Path, errors: &mut Errors) {
        full_name(text(&hook["name"]), &path.child("name"), errors);
        for (index, one) in items(&hook["rules"]).iter().enumerate() {
            rule(one, &path.child("rules").index(index), errors);
        }
        let set = |field: &str, supported: &[&str], errors: &mut Errors| {
            if let Some(given) = hook[field].as_str().filter(|given| !supported.contains(given)) {
                errors.not_supported(&path.child(field), &given.into(), supported);
            }
        };
        set("failurePolicy", &["Fail", "Ignore"], errors);
        set("matchPolicy", &["Equivalent", "Exact"], errors);
        if hook["sideEffects"].is_null() {
            errors.required(&path.child("sideEffects"), "must specify one of None, NoneOnDryRun");
        }
        set("sideEffects", &["None", "NoneOnDryRun"], errors);
        if let Some(seconds) = hook["timeoutSeconds"].as_i64().filter(|seconds| !(1..=30).contains(seconds)) {
            let detail = "the timeout value must be between 1 and 30 seconds";
            errors.invalid(&path.child("timeoutSeconds"), &seconds.into(), detail);
        }
        for field in ["namespaceSelector", "objectSelector"] {
            selector::validate(&hook[field], &path.child(field), errors);
        }
        let (client, at) = (&hook["clientConfig"], path.child("clientConfig"));
        match (client["url"].as_str(), client["service"].is_null()) {
            (None, true) | (Some(_), false) => errors.required(&at, "exactly one of url or service is required"),
            (Some(url), true) => address(url, &at.child("url"), errors),
            (None, false) => service(&client["service"], &at.child("service"), errors),
        }
        if self.mutating {
            set("reinvocationPolicy", &["IfNeeded", "Never"], errors);
        }
    }
}

fn full_name(name: &str, path: &Path, errors: &mut Errors) {
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    let faults = names::dns1123_subdomain(name);
    if !faults.is_empty() {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        errors.invalid_text(path, name, &faults.join(","));
    } else if name.split('.').count() < 3 {
        errors.invalid_text(path, name, "should be a domain with at least three segments separated by dots");
    }
}

fn versions(given: &Value, path: &Path, errors: &mut Errors) {
    let list = items(given);
    if list.is_empty() {
        errors.required(path, &format!("must specify one of {}", VERSIONS.join(", ")));
        return;
    }
    for (index, version) in list.iter().enumerate() {
        if list.iter().take(index).any(|other| other == version) {
            errors.invalid(&path.index(index), version, "duplicate version");
        }
        for fault in names::dns1035_label(text(version)) {
            errors.invalid(&path.index(index), version, &fault);
        }
    }
    if !list.iter().any(|version| VERSIONS.contains(&text(version))) {
        errors.invalid(path, given, &format!("must include at least one of {}", VERSIONS.join(", ")));
    }
}

/// The rules of operations, groups, versions and resources that are matched.
pub fn rule(rule: &Value, path: &Path, errors: &mut Errors) {
    let supported = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
    let at = path.child("operations");
    list(&rule["operations"], "operations", &at, errors);
    for (index, one) in items(&rule["operations"]).iter().enumerate() {
        if !supported.contains(&text(one)) {
            errors.not_supported(&at.index(index), one, &supported);
        }
    }
    list(&rule["apiGroups"], "API groups", &path.child("apiGroups"), errors);
    list(&rule["apiVersions"], "API versions", &path.child("apiVersions"), errors);
    for (index, one) in items(&rule["apiVersions"]).iter().enumerate() {
        if text(one).is_empty() {
            errors.required(&path.child("apiVersions").index(index), "");
        }
    }
    let at = path.child("resources");
    if items(&rule["resources"]).is_empty() {
        errors.required(&at, "");
    }
    for (index, one) in items(&rule["resources"]).iter().enumerate() {
        if text(one).is_empty() {
            errors.required(&at.index(index), "");
        }
    }
    let all = items(&rule["resources"]);
    if all.len() > 1 && all.iter().any(|one| one == "*/*") {
        errors.invalid(&at, &rule["resources"], "if '*/*' is present, must not specify other resources");
    }
    if let Some(scope) = rule["scope"].as_str() {
        let supported = ["*", "Cluster", "Namespaced"];
        if !supported.contains(&scope) {
            errors.not_supported(&path.child("scope"), &scope.into(), &supported);
        }
    }
}

/// A list that is not empty and in which `*` stands alone.
fn list(given: &Value, what: &str, path: &Path, errors: &mut Errors) {
    let all = items(given);
    if all.is_empty() {
        errors.required(path, "");
    }
    if all.len() > 1 && all.iter().any(|one| one == "*") {
        errors.invalid(path, given, &format!("if '*' is present, must not specify other {what}"));
    }
}

fn address(url: &str, path: &Path, errors: &mut Errors) {
    const FORM: &str = "; desired format: https://host[/path]";
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    if scheme != "https" {
        errors.invalid_text(path, scheme, &format!("'https' is the only allowed URL scheme{FORM}"));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = if scheme.is_empty() { "" } else { &rest[..end] };
    if host.rsplit('@').next().unwrap_or_default().is_empty() {
        errors.invalid_text(path, host, &format!("host must be specified{FORM}"));
    }
    if let Some((user, _)) = host.rsplit_once('@') {
        errors.invalid_text(path, user, "user information is not permitted in the URL");
    }
    if let Some((_, fragment)) = rest.split_once('#') {
        errors.invalid_text(path, fragment, "fragments are not permitted in the URL");
    }
    let query = rest.split('#').next().and_then(|rest| rest.split_once('?'));
    if let Some((_, query)) = query {
        errors.invalid_text(path, query, "query parameters are not permitted in the URL");
    }
}

fn service(service: &Value, path: &Path, errors: &mut Errors) {
    if text(&service["name"]).is_empty() {
        errors.required(&path.child("name"), "service name is required");
    }
    if text(&service["namespace"]).is_empty() {
        errors.required(&path.child("namespace"), "service namespace is required");
    }
    if let Some(port) = service["port"].as_i64() {
        for fault in names::port_number(port) {
            errors.invalid(&path.child("port"), &port.into(), &format!("port is not valid: {fault}"));
        }
    }
    let Some(given) = service["path"].as_str().filter(|given| !matches!(*given, "" | "/")) else { return };
    let at = path.child("path");
    let Some(inner) = given.strip_prefix('/') else {
        errors.invalid_text(&at, given, "must start with a '/'");
        return;
    };
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    for (index, segment) in inner.split('/').enumerate() {
        if segment.is_empty() {
            errors.invalid_text(&at, given, &format!("segment[{index}] may not be empty"));
            continue;
        }
        for fault in names::dns1123_subdomain(segment) {
            errors.invalid_text(&at, given, &format!("segment[{index}]: {fault}"));
        }
    }
}
