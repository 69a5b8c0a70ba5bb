//! ValidatingAdmissionPolicy, MutatingAdmissionPolicy and their bindings: rules in CEL about what is
//! written. They are kept, checked for their shape and listed; their expressions are not evaluated.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::webhooks;
use crate::kinds::parts::selector;
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column, whole};
use crate::kinds::{Column, Kind, STATUS, Strategy, spec_changed};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::rules::Fill::TextPointer;
use crate::schema::rules::{Fill, Fills, fill, formatted, items, text};

const GROUP: &str = "admissionregistration.k8s.io";
const FILLS: Fills = &[
    ("", &[("spec", Fill::Map)]),
    ("spec", &[("failurePolicy", TextPointer("Fail"))]),
    ("spec.matchConstraints", MATCH),
    ("spec.matchConstraints.resourceRules.*", &[("scope", TextPointer("*"))]),
    ("spec.matchConstraints.excludeResourceRules.*", &[("scope", TextPointer("*"))]),
];
const BINDING_FILLS: Fills = &[
    ("", &[("spec", Fill::Map)]),
    ("spec.matchResources", MATCH),
    ("spec.matchResources.resourceRules.*", &[("scope", TextPointer("*"))]),
    ("spec.matchResources.excludeResourceRules.*", &[("scope", TextPointer("*"))]),
];
const MATCH: &[(&str, Fill)] =
    &[("matchPolicy", TextPointer("Equivalent")), ("namespaceSelector", Fill::Map), ("objectSelector", Fill::Map)];
const PARAM_KIND: Row =
    text_column("ParamKind", About::Text("ParamKind specifies the kind of resources used to parameterize this policy"));
const VALIDATING: &[Row] = &[
    NAME,
    whole(
        "Validations",
        About::Text("Validations indicates the number of validation rules defined in this configuration"),
    ),
    PARAM_KIND,
    AGE,
];
const MUTATING: &[Row] = &[
    NAME,
    whole("Mutations", About::Text("Mutations indicates the number of mutation rules defined in this configuration")),
    PARAM_KIND,
    AGE,
];
const BINDINGS: &[Row] = &[
    NAME,
    text_column(
        "PolicyName",
        About::Text("PolicyName indicates the policy definition which the policy binding binded to"),
    ),
    text_column("ParamRef", About::Text("ParamRef indicates the param resource which sets the configuration param")),
    AGE,
];

/// ValidatingAdmissionPolicy.
#[must_use]
pub fn validating() -> Kind {
    new("ValidatingAdmissionPolicy", "validatingadmissionpolicies", Policy { mutating: false }).subresources(&[STATUS])
}

/// MutatingAdmissionPolicy.
#[must_use]
pub fn mutating() -> Kind {
    new("MutatingAdmissionPolicy", "mutatingadmissionpolicies", Policy { mutating: true })
}

/// ValidatingAdmissionPolicyBinding.
#[must_use]
pub fn validating_binding() -> Kind {
    new("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", Binding { mutating: false })
}

/// MutatingAdmissionPolicyBinding.
#[must_use]
pub fn mutating_binding() -> Kind {
    new("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", Binding { mutating: true })
}

fn new(kind: &'static str, plural: &'static str, strategy: impl Strategy + 'static) -> Kind {
    Kind::new(GROUP, "v1", kind, plural, strategy).cluster().categories(&["api-extensions"])
}

struct Policy {
    mutating: bool,
}

impl Strategy for Policy {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
    }

    fn prepare_create(&self, object: &mut Value) {
        if !self.mutating {
            object["status"] = json!({});
        }
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        one_of(&spec["failurePolicy"], &["Fail", "Ignore"], &path.child("failurePolicy"), errors);
        let (kind, at) = (&spec["paramKind"], path.child("paramKind"));
        if !kind.is_null() {
            for field in ["apiVersion", "kind"] {
                if text(&kind[field]).is_empty() {
                    errors.required(&at.child(field), "");
                }
            }
        }
        let (matching, at) = (&spec["matchConstraints"], path.child("matchConstraints"));
        if matching.is_null() {
            errors.required(&at, "");
        } else {
            resources(matching, &at, errors);
            if items(&matching["resourceRules"]).is_empty() {
                errors.required(&at.child("resourceRules"), "");
            }
        }
        if self.mutating {
            if items(&spec["mutations"]).is_empty() {
                errors.required(&path.child("mutations"), "mutations must contain at least one item");
            }
            let at = path.child("reinvocationPolicy");
            match text(&spec["reinvocationPolicy"]) {
                "" => errors.required(&at, ""),
                _ => one_of(&spec["reinvocationPolicy"], &["IfNeeded", "Never"], &at, errors),
            }
            return;
        }
        let empty = |field: &str| items(&spec[field]).is_empty();
        if empty("validations") && empty("auditAnnotations") {
            for field in ["validations", "auditAnnotations"] {
                errors.required(&path.child(field), "validations or auditAnnotations must be specified");
            }
        }
        for (index, one) in items(&spec["validations"]).iter().enumerate() {
            if text(&one["expression"]).trim().is_empty() {
                let at = path.child("validations").index(index).child("expression");
                errors.required(&at, "expression is not specified");
            }
        }
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(if self.mutating { MUTATING } else { VALIDATING })
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let spec = &object["spec"];
        let rules = items(&spec[if self.mutating { "mutations" } else { "validations" }]).len();
        let kind = &spec["paramKind"];
        let shown = if kind.is_null() {
            "<unset>".to_owned()
        } else {
            format!("{}/{}", text(&kind["apiVersion"]), text(&kind["kind"]))
        };
        vec![object["metadata"]["name"].clone(), rules.into(), shown.into(), table::age(object, now)]
    }
}

struct Binding {
    mutating: bool,
}

impl Strategy for Binding {
    fn default(&self, object: &mut Value) {
        fill(object, BINDING_FILLS);
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        match text(&spec["policyName"]) {
            "" => errors.required(&path.child("policyName"), ""),
            name => formatted(name, names::dns1123_subdomain, &path.child("policyName"), errors),
        }
        parameters(&spec["paramRef"], &path.child("paramRef"), errors);
        if !spec["matchResources"].is_null() {
            resources(&spec["matchResources"], &path.child("matchResources"), errors);
        }
        if self.mutating {
            return;
        }
        let (actions, at) = (items(&spec["validationActions"]), path.child("validationActions"));
        if actions.is_empty() {
            errors.required(&at, "");
        }
        for (index, action) in actions.iter().enumerate() {
            one_of(action, &["Audit", "Deny", "Warn"], &at.index(index), errors);
            if actions.iter().take(index).any(|other| other == action) {
                errors.duplicate(&at.index(index), action);
            }
        }
        if ["Deny", "Warn"].iter().all(|wanted| actions.iter().any(|action| action == wanted)) {
            let detail = "must not contain both \"Deny\" and \"Warn\" (repeating the same validation failure \
                          information in the API response and headers serves no purpose)";
            errors.invalid(&at, &spec["validationActions"], detail);
        }
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(BINDINGS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let spec = &object["spec"];
        let parameters = &spec["paramRef"];
        let shown = match (text(&parameters["namespace"]), text(&parameters["name"])) {
            _ if parameters.is_null() => "<unset>".to_owned(),
            (_, "") => selector::cell(&parameters["selector"]),
            ("", name) => format!("*/{name}"),
            (namespace, name) => format!("{namespace}/{name}"),
        };
        vec![
            object["metadata"]["name"].clone(),
            table::string(&spec["policyName"]),
            shown.into(),
            table::age(object, now),
        ]
    }
}

fn one_of(given: &Value, supported: &[&str], path: &Path, errors: &mut Errors) {
    if let Some(given) = given.as_str().filter(|given| !supported.contains(given)) {
        errors.not_supported(path, &given.into(), supported);
    }
}

fn resources(matching: &Value, path: &Path, errors: &mut Errors) {
    one_of(&matching["matchPolicy"], &["Equivalent", "Exact"], &path.child("matchPolicy"), errors);
    for field in ["namespaceSelector", "objectSelector"] {
        selector::validate(&matching[field], &path.child(field), errors);
    }
    for field in ["resourceRules", "excludeResourceRules"] {
        for (index, rule) in items(&matching[field]).iter().enumerate() {
            webhooks::rule(rule, &path.child(field).index(index), errors);
        }
    }
}

fn parameters(parameters: &Value, path: &Path, errors: &mut Errors) {
    if parameters.is_null() {
        return;
    }
    let name = text(&parameters["name"]);
    match (name.is_empty(), parameters["selector"].is_null()) {
        (false, false) => errors.forbidden(&path.child("name"), "name and selector are mutually exclusive"),
        (true, true) => errors.required(path, "one of name or selector must be specified"),
        (false, true) => formatted(name, names::path_segment, &path.child("name"), errors),
        (true, false) => selector::validate(&parameters["selector"], &path.child("selector"), errors),
    }
    let at = path.child("parameterNotFoundAction");
    match parameters["parameterNotFoundAction"].as_str() {
        None => errors.required(&at, ""),
        Some(_) => one_of(&parameters["parameterNotFoundAction"], &["Deny", "Allow"], &at, errors),
    }
}
