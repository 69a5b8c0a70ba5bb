//! CustomResourceDefinition: a kind of a user's own.
//!
//! ```text
//! rules    names, versions, subresources, columns, conversion
//! schema   what may stand in a schema at all
//! shape    what makes a schema structural
//! status   names that are accepted, and the conditions that follow (used by the registry)
//! ```

mod defaults;
mod expressions;
mod rules;
mod schema;
mod shape;
pub mod status;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, wide};
use crate::kinds::{Column, Kind, NameRule, STATUS, Strategy, spec_changed};
use crate::schema::field::Errors;
use crate::schema::object::Object;
use crate::schema::rules::is_empty;

/// The finalizer that keeps a definition until its objects are gone.
pub const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

const COLUMNS: &[Row] = &[
    NAME,
    ("Scope", "string", "", 0, About::Text("Cluster/Namespaced")),
    ("Versions", "string", "", 0, About::Text("Served versions")),
    ("Created At", "date", "", 0, AGE.4),
    wide("Group", About::Text("API group")),
    wide("Kind", About::Text("CustomResource kind")),
    wide("ShortNames", About::Text("Short names")),
    ("Established", "boolean", "", 1, About::Text("Established status")),
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", Definition)
        .cluster()
        .short(&["crd", "crds"])
        .categories(&["api-extensions"])
        .subresources(&[STATUS])
        .names(NameRule::Own)
}

/// Whether a kind is this one.
#[must_use]
pub fn is(kind: &Kind) -> bool {
    kind.group == "apiextensions.k8s.io" && kind.plural == "customresourcedefinitions"
}

struct Definition;

impl Strategy for Definition {
    fn default(&self, object: &mut Value) {
        let kind = object.text("/spec/names/kind").to_owned();
        let spec = object.section_mut("spec");
        let names = spec.entry("names").or_insert_with(|| json!({}));
        if !kind.is_empty() && names.is_object() {
            if is_empty(&names["singular"]) {
                names["singular"] = kind.to_lowercase().into();
            }
            if is_empty(&names["listKind"]) {
                names["listKind"] = format!("{kind}List").into();
            }
        }
        if spec.get("conversion").is_none_or(Value::is_null) {
            spec.insert("conversion".into(), json!({"strategy": "None"}));
        }
        let service =
            spec.get_mut("conversion").and_then(|conversion| conversion.pointer_mut("/webhook/clientConfig/service"));
        if let Some(service) = service.filter(|service| service.is_object())
            && is_empty(&service["port"])
        {
            service["port"] = 443.into();
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        object["status"] = json!({
            "acceptedNames": {"kind": "", "plural": ""}, "conditions": null, "storedVersions": [],
        });
        note_storage(object);
    }

    fn prepare_update(&self, object: &mut Value, _old: &Value) {
        note_storage(object);
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        rules::create(object, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        rules::update(object, old, errors);
    }

    fn validate_status(&self, object: &Value, _old: &Value, errors: &mut Errors) {
        rules::status(object, errors);
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
    }

    fn allows_unconditional_update(&self) -> bool {
        false
    }

    fn returns_deleted(&self) -> bool {
        false
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>) -> Vec<String> {
        if object.text("/spec/conversion/strategy") != "Webhook" {
            return Vec::new();
        }
        vec!["k2d calls no conversion webhook: objects of this kind are served in one version alone".to_owned()]
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, _now: Timestamp) -> Vec<Value> {
        let versions =
            object.list("/spec/versions").iter().filter(|version| version["served"] == true).map(|version| {
                let stored = if version["storage"] == true { "(storage)" } else { "" };
                format!("{}{stored}", version.text("/name"))
            });
        let versions: Vec<String> = versions.collect();
        let short: Vec<&str> = object.list("/spec/names/shortNames").iter().filter_map(Value::as_str).collect();
        let established = status::holds(object, "Established");
        vec![
            object.name().into(),
            object.text("/spec/scope").into(),
            versions.join(",").into(),
            object.text("/metadata/creationTimestamp").into(),
            object.text("/spec/group").into(),
            object.text("/spec/names/kind").into(),
            short.join(",").into(),
            established.into(),
        ]
    }
}

/// Adds the version in which objects are stored to those in which some may be.
fn note_storage(object: &mut Value) {
    let storage = object.list("/spec/versions").iter().find(|version| version["storage"] == true);
    let Some(name) = storage.map(|version| version["name"].clone()) else { return };
    let status = object.section_mut("status");
    let stored = status.entry("storedVersions").or_insert_with(|| json!([]));
    if !stored.is_array() {
        *stored = json!([]);
    }
    if let Some(list) = stored.as_array_mut()
        && !list.contains(&name)
    {
        list.push(name);
    }
}
