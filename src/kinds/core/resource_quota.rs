//! ResourceQuota: how much all objects of a namespace may ask for together.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::parts::{amount, resources, show};
use crate::kinds::{Column, Kind, STATUS, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::rules::{entries, items, text};

const COLUMNS: &[Row] = &[
    NAME,
    text_column(
        "Request",
        About::Text("Request represents a minimum amount of cpu/memory that a container may consume."),
    ),
    text_column(
        "Limit",
        About::Text(
            "Limits control the maximum amount of cpu/memory that a container may use independent of contention on \
             the node.",
        ),
    ),
    AGE,
];
const SCOPES: &[&str] = &[
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];
const COMPUTE: &[&str] = &["cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory", "pods"];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("", "v1", "ResourceQuota", "resourcequotas", ResourceQuota).short(&["quota"]).subresources(&[STATUS])
}

struct ResourceQuota;

impl Strategy for ResourceQuota {
    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        amounts(&spec["hard"], &path.child("hard"), errors);
        let at = path.child("scopes");
        let scopes: Vec<&str> = items(&spec["scopes"]).iter().map(text).collect();
        for scope in &scopes {
            if !SCOPES.contains(scope) {
                errors.invalid(&at, &spec["scopes"], "unsupported scope");
            }
            if entries(&spec["hard"]).any(|(name, _)| !fits(scope, name)) {
                errors.invalid(&at, &spec["scopes"], "unsupported scope applied to resource");
            }
        }
        conflicts(&scopes, spec, &at, errors);
        selector(spec, &path.child("scopeSelector").child("matchExpressions"), errors);
        amounts(&object["status"]["hard"], &Path::new("status").child("hard"), errors);
        amounts(&object["status"]["used"], &Path::new("status").child("used"), errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        self.validate(object, errors);
        let sorted = |quota: &Value| -> Vec<String> {
            let mut all: Vec<String> = items(&quota["spec"]["scopes"]).iter().map(|one| text(one).to_owned()).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        if sorted(object) != sorted(old) {
            let at = Path::new("spec").child("scopes");
            errors.invalid(&at, &object["spec"]["scopes"], "field is immutable");
        }
    }

    fn validate_status(&self, object: &Value, _old: &Value, errors: &mut Errors) {
        for list in ["hard", "used"] {
            amounts(&object["status"][list], &Path::new("status").child(list), errors);
        }
    }

    fn returns_deleted(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let (mut requests, mut limits) = (Vec::new(), Vec::new());
        for (name, hard) in entries(&object["status"]["hard"]) {
            let used = amount::show(&object["status"]["used"][name.as_str()]);
            let shown = format!("{name}: {used}/{}", amount::show(hard));
            if name.starts_with("limits") { limits.push(shown) } else { requests.push(shown) }
        }
        vec![
            object["metadata"]["name"].clone(),
            requests.join(", ").into(),
            limits.join(", ").into(),
            table::age(object, now),
        ]
    }
}

fn amounts(list: &Value, path: &Path, errors: &mut Errors) {
    for (name, value) in entries(list) {
        resources::quota_name(name, &path.key(name), errors);
        resources::value(name, value, &path.key(name), errors);
    }
}

/// Whether a quota of that scope can count that resource.
fn fits(scope: &str, resource: &str) -> bool {
    if !resources::is_standard_quota(resource) {
        return true;
    }
    match scope {
        "Terminating" | "NotTerminating" | "NotBestEffort" | "PriorityClass" | "CrossNamespacePodAffinity" => {
            COMPUTE.contains(&resource) || resource.contains("ephemeral-storage") || resource.contains("hugepages-")
        }
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => matches!(resource, "persistentvolumeclaims" | "requests.storage" | "storage"),
        _ => true,
    }
}

fn conflicts(scopes: &[&str], spec: &Value, path: &Path, errors: &mut Errors) {
    for (one, other) in [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")] {
        if scopes.contains(&one) && scopes.contains(&other) {
            errors.invalid(path, &spec["scopes"], "conflicting scopes");
        }
    }
}

fn selector(spec: &Value, path: &Path, errors: &mut Errors) {
    let given = &spec["scopeSelector"];
    if given.is_null() {
        return;
    }
    let mut scopes = Vec::new();
    for one in items(&given["matchExpressions"]) {
        let (scope, operator, values) = (text(&one["scopeName"]), text(&one["operator"]), items(&one["values"]));
        if !SCOPES.contains(&scope) {
            errors.invalid_text(&path.child("scopeName"), scope, "unsupported scope");
        }
        if entries(&spec["hard"]).any(|(name, _)| !fits(scope, name)) {
            let shown = show::line(given, "core.v1.ScopeSelector");
            errors.invalid_raw(path, &shown, "unsupported scope applied to resource");
        }
        let exists = !matches!(scope, "PriorityClass" | "VolumeAttributesClass") && SCOPES.contains(&scope);
        if exists && operator != "Exists" {
            errors.invalid_text(
                &path.child("operator"),
                operator,
                "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, \
                 ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or \
                 ResourceQuotaScopeCrossNamespacePodAffinity",
            );
        }
        match operator {
            "In" | "NotIn" if values.is_empty() => {
                let detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
                errors.required(&path.child("values"), detail);
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                errors.invalid(&path.child("values"), &one["values"], detail);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => errors.invalid_text(&path.child("operator"), operator, "not a valid selector operator"),
        }
        scopes.push(scope);
    }
    conflicts(&scopes, spec, path, errors);
}
