//! FlowSchema: which requests belong together and how important they are.

use jiff::Timestamp;
use serde_json::Value;

use super::{GROUP, conditions, defaults};
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, STATUS, Strategy, spec_changed};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::{Fill, Fills, fill, formatted, is_empty, items, number, text};

const FILLS: Fills = &[
    ("", &[("spec", Fill::Map), ("status", Fill::Map)]),
    ("spec", &[("matchingPrecedence", Fill::Number(1000)), ("priorityLevelConfiguration", Fill::Map)]),
];
const PRECEDENCE_MAX: i64 = 10_000;
const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
const SPEC: &str = "api.flowcontrol.v1.FlowSchemaSpec";
const COLUMNS: &[Row] = &[
    NAME,
    text_column("PriorityLevel", About::Field("api.flowcontrol.v1.PriorityLevelConfigurationReference", "name")),
    text_column("MatchingPrecedence", About::Field(SPEC, "matchingPrecedence")),
    text_column("DistinguisherMethod", About::Field(SPEC, "distinguisherMethod")),
    AGE,
    text_column("MissingPL", About::Text("references a broken or non-existent PriorityLevelConfiguration")),
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new(GROUP, "v1", "FlowSchema", "flowschemas", FlowSchema).cluster().subresources(&[STATUS])
}

struct FlowSchema;

impl Strategy for FlowSchema {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        let (precedence, at) = (number(&spec["matchingPrecedence"]), path.child("matchingPrecedence"));
        let shown = precedence.into();
        if precedence <= 0 {
            errors.invalid(&at, &shown, "must be a positive value");
        }
        if precedence > PRECEDENCE_MAX {
            errors.invalid(&at, &shown, &format!("must not be greater than {PRECEDENCE_MAX}"));
        }
        if precedence == 1 && object.name() != "exempt" {
            errors.invalid(&at, &shown, "only the schema named 'exempt' may have matchingPrecedence 1");
        }
        let method = &spec["distinguisherMethod"];
        if !method.is_null() && !matches!(text(&method["type"]), "ByNamespace" | "ByUser") {
            let at = path.child("distinguisherMethod").child("type");
            errors.not_supported(&at, method, &["ByNamespace", "ByUser"]);
        }
        let at = path.child("priorityLevelConfiguration").child("name");
        match text(&spec["priorityLevelConfiguration"]["name"]) {
            "" => errors.required(&at, "must reference a priority level"),
            name => formatted(name, names::dns1123_subdomain, &at, errors),
        }
        for (index, rule) in items(&spec["rules"]).iter().enumerate() {
            rules(rule, &path.child("rules").index(index), errors);
        }
        if let Some(fixed) = defaults::mandatory_flow_schema(object.name())
            && fixed["spec"] != *spec
        {
            let detail = format!("spec of '{}' must equal the fixed value", object.name());
            errors.invalid_raw(&path, "flowcontrol.FlowSchemaSpec{}", &detail);
        }
        conditions(object, errors);
    }

    fn validate_status(&self, object: &Value, _old: &Value, errors: &mut Errors) {
        conditions(object, errors);
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let spec = &object["spec"];
        let dangling = object.list("/status/conditions").iter().find(|one| text(&one["type"]) == "Dangling");
        vec![
            object["metadata"]["name"].clone(),
            table::string(&spec["priorityLevelConfiguration"]["name"]),
            table::number(&spec["matchingPrecedence"]),
            table::or(&spec["distinguisherMethod"]["type"], "<none>"),
            table::age(object, now),
            dangling.map_or("?", |one| text(&one["status"])).into(),
        ]
    }
}

fn rules(rule: &Value, path: &Path, errors: &mut Errors) {
    let subjects = items(&rule["subjects"]);
    if subjects.is_empty() {
        errors.required(&path.child("subjects"), "subjects must contain at least one value");
    }
    for (index, one) in subjects.iter().enumerate() {
        subject(one, &path.child("subjects").index(index), errors);
    }
    if is_empty(&rule["resourceRules"]) && is_empty(&rule["nonResourceRules"]) {
        errors.required(path, "at least one of resourceRules and nonResourceRules has to be non-empty");
    }
    for (index, one) in items(&rule["resourceRules"]).iter().enumerate() {
        resource_rule(one, &path.child("resourceRules").index(index), errors);
    }
    for (index, one) in items(&rule["nonResourceRules"]).iter().enumerate() {
        let path = path.child("nonResourceRules").index(index);
        verbs(one, &path, errors);
        let (urls, at) = (items(&one["nonResourceURLs"]), path.child("nonResourceURLs"));
        if urls.is_empty() {
            errors.required(&at, "nonResourceURLs must contain at least one value");
        } else if has_all(urls) {
            if urls.len() > 1 {
                let detail = "if '*' is present, must not specify other non-resource URLs";
                errors.invalid(&at, &one["nonResourceURLs"], detail);
            }
        } else {
            for (index, url) in urls.iter().enumerate() {
                if let Some(fault) = url_fault(text(url)) {
                    errors.invalid(&at.index(index), url, fault);
                }
            }
        }
    }
}

fn subject(subject: &Value, path: &Path, errors: &mut Errors) {
    const KINDS: [(&str, &str); 3] = [("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")];
    let kind = text(&subject["kind"]);
    let Some((_, field)) = KINDS.iter().find(|(known, _)| *known == kind) else {
        return errors.not_supported(&path.child("kind"), &kind.into(), &["Group", "ServiceAccount", "User"]);
    };
    let (said, at) = (&subject[*field], path.child(field));
    if said.is_null() {
        errors.required(&at, &format!("{field} is required when subject kind is '{kind}'"));
    } else {
        match text(&said["name"]) {
            "" => errors.required(&at.child("name"), ""),
            name if kind == "ServiceAccount" && name != "*" => {
                formatted(name, names::dns1123_subdomain, &at.child("name"), errors);
            }
            _ => {}
        }
        if kind == "ServiceAccount" {
            match text(&said["namespace"]) {
                "" => errors.required(&at.child("namespace"), "must specify namespace for service account"),
                name => formatted(name, names::dns1123_label, &at.child("namespace"), errors),
            }
        }
    }
    let others: &[(&str, &str)] = match kind {
        "ServiceAccount" => &[("user", "User"), ("group", "Group")],
        "User" => &[("serviceAccount", "ServiceAccount"), ("group", "Group")],
        _ => &[("serviceAccount", "ServiceAccount"), ("user", "User")],
    };
    for (field, kind) in others.iter().filter(|(field, _)| !subject[*field].is_null()) {
        errors.forbidden(&path.child(field), &format!("{field} is forbidden when subject kind is not '{kind}'"));
    }
}

fn verbs(rule: &Value, path: &Path, errors: &mut Errors) {
    let (list, at) = (items(&rule["verbs"]), path.child("verbs"));
    if list.is_empty() {
        errors.required(&at, "verbs must contain at least one value");
    } else if has_all(list) {
        if list.len() > 1 {
            errors.invalid(&at, &rule["verbs"], "if '*' is present, must not specify other verbs");
        }
    } else if !list.iter().all(|verb| VERBS.contains(&text(verb))) {
        errors.not_supported(&at, &rule["verbs"], VERBS);
    }
}

fn resource_rule(rule: &Value, path: &Path, errors: &mut Errors) {
    verbs(rule, path, errors);
    for (field, one, many) in [("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")] {
        let (list, at) = (items(&rule[field]), path.child(field));
        if list.is_empty() {
            errors.required(&at, &format!("resource rules must supply at least one {one}"));
        } else if list.len() > 1 && has_all(list) {
            errors.invalid(&at, &rule[field], &format!("if '*' is present, must not specify other {many}"));
        }
    }
    let (list, at) = (items(&rule["namespaces"]), path.child("namespaces"));
    if list.is_empty() && rule["clusterScope"] != true {
        errors.required(&at, "resource rules that are not cluster scoped must supply at least one namespace");
    } else if has_all(list) {
        if list.len() > 1 {
            errors.invalid(&at, &rule["namespaces"], "if '*' is present, must not specify other namespaces");
        }
    } else {
        for (index, name) in list.iter().enumerate() {
            for fault in names::dns1123_label(text(name)) {
                let detail = format!("each member of this list must be '*' or a DNS-1123 label; {fault}");
                errors.invalid(&at.index(index), name, &detail);
            }
        }
    }
}

fn has_all(list: &[Value]) -> bool {
    list.iter().any(|word| text(word) == "*")
}

fn url_fault(url: &str) -> Option<&'static str> {
    let stars = url.matches('*').count();
    match url {
        "" => Some("must not be empty"),
        "/" => None,
        _ if !url.starts_with('/') => Some("must start with slash"),
        _ if url.contains(' ') => Some("must not contain white-space"),
        _ if url.contains("//") => Some("must not contain double slash"),
        _ if stars > 1 || (stars == 1 && !url.ends_with("/*")) => Some("wildcard can only do suffix matching"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(schema: &Value) -> Vec<String> {
        let mut errors = Errors::new();
        FlowSchema.validate(schema, &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_schema_needs_a_level_and_rules_that_say_who_and_what() {
        let mut schema = json!({"metadata": {"name": "a"}, "spec": {"rules": [
            {"subjects": [{"kind": "User", "user": {"name": "u"}, "group": {"name": "g"}}],
             "resourceRules": [{"verbs": ["*", "get"], "apiGroups": ["*"], "resources": [], "namespaces": ["A"]}]},
            {"subjects": [{"kind": "Robot"}]},
        ]}});
        FlowSchema.default(&mut schema);
        let said = said(&schema);
        assert_eq!(said[0], "spec.priorityLevelConfiguration.name: Required value: must reference a priority level");
        assert_eq!(
            said[1],
            "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'"
        );
        assert!(said[2].starts_with("spec.rules[0].resourceRules[0].verbs: Invalid value: [\"*\",\"get\"]"));
        assert!(said[3].starts_with("spec.rules[0].resourceRules[0].resources: Required value"));
        assert!(said[4].starts_with("spec.rules[0].resourceRules[0].namespaces[0]: Invalid value: \"A\": each member"));
        assert!(said[5].starts_with("spec.rules[1].subjects[0].kind: Unsupported value: \"Robot\""));
        assert!(said[6].starts_with("spec.rules[1]: Required value: at least one of resourceRules"));
        assert_eq!(said.len(), 7);
    }

    #[test]
    fn the_schemas_of_a_cluster_keep_the_rules() {
        for schema in defaults::flow_schemas() {
            let mut whole = schema.clone();
            FlowSchema.default(&mut whole);
            assert_eq!(said(&whole), [""; 0], "{}", schema.name());
        }
    }

    #[test]
    fn the_schema_of_the_exempt_is_fixed() {
        let mut schema = defaults::mandatory_flow_schema("exempt").expect("it is there");
        schema["spec"]["rules"] = json!([]);
        assert_eq!(
            said(&schema),
            ["spec: Invalid value: flowcontrol.FlowSchemaSpec{}: spec of 'exempt' must equal the fixed value"]
        );
    }
}
