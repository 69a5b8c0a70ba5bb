//! Namespace: a set of names; it goes away when all that lives in it is gone.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, NameRule, STATUS, SelectorWords, Strategy, Subresource, Verbs};
use crate::schema::field::{Errors, Path};
use crate::schema::meta::standard_finalizer;
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::{formatted, items, text};

const FINALIZE: Subresource = Subresource { name: "finalize", verbs: &["update"], group: "", version: "", kind: "" };
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
const COLUMNS: &[Row] = &[NAME, text_column("Status", About::Text("The status of the namespace")), AGE];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("", "v1", "Namespace", "namespaces", Namespace)
        .cluster()
        .short(&["ns"])
        .verbs(Verbs::NoDeleteCollection)
        .subresources(&[FINALIZE, STATUS])
        .selectable(&["status.phase", "name"])
        .selector_words(SelectorWords::Label)
        .names(NameRule::Label)
}

struct Namespace;

impl Strategy for Namespace {
    fn default(&self, object: &mut Value) {
        label(object);
    }

    fn prepare_create(&self, object: &mut Value) {
        label(object);
        object["status"] = json!({"phase": "Active"});
        let finalizers = object.section_mut("spec").entry("finalizers").or_insert(Value::Null);
        if !items(finalizers).iter().any(|one| one == "kubernetes") {
            match finalizers {
                Value::Array(list) => list.push("kubernetes".into()),
                other => *other = json!(["kubernetes"]),
            }
        }
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        finalizers(object, false, errors);
    }

    fn prepare_update(&self, object: &mut Value, old: &Value) {
        object["spec"] = old["spec"].clone();
        object["status"] = old["status"].clone();
    }

    fn validate_update(&self, _object: &Value, _old: &Value, _errors: &mut Errors) {}

    fn prepare_subresource(&self, subresource: &str, object: &mut Value, old: &Value) {
        if subresource == "finalize" {
            object["status"] = old["status"].clone();
        }
    }

    fn validate_subresource(&self, subresource: &str, object: &Value, _old: &Value, errors: &mut Errors) {
        if subresource == "finalize" {
            finalizers(object, true, errors);
        }
    }

    fn validate_status(&self, object: &Value, _old: &Value, errors: &mut Errors) {
        let (phase, at) = (text(&object["status"]["phase"]), Path::new("status").child("Phase"));
        if object.is_deleting() {
            if phase != "Terminating" {
                let detail = "may only be 'Terminating' if `deletionTimestamp` is not empty";
                errors.invalid_text(&at, phase, detail);
            }
        } else if phase != "Active" {
            errors.invalid_text(&at, phase, "may only be 'Active' if `deletionTimestamp` is empty");
        }
    }

    fn field(&self, object: &Value, name: &str) -> String {
        if name == "name" { object.name().to_owned() } else { crate::kinds::field_text(object, name) }
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let phase = table::string(&object["status"]["phase"]);
        vec![object["metadata"]["name"].clone(), phase, table::age(object, now)]
    }
}

/// A namespace carries its name as a label, so that selectors can name it.
fn label(object: &mut Value) {
    let name = object.name().to_owned();
    if name.is_empty() {
        return;
    }
    let labels = object.metadata_mut().entry("labels").or_insert_with(|| json!({}));
    if !labels.is_object() {
        *labels = json!({});
    }
    labels[NAME_LABEL] = name.into();
}

fn finalizers(object: &Value, each: bool, errors: &mut Errors) {
    let path = Path::new("spec").child("finalizers");
    for (index, name) in items(&object["spec"]["finalizers"]).iter().enumerate() {
        let at = if each { path.index(index) } else { path.clone() };
        formatted(text(name), names::qualified_name, &at, errors);
        standard_finalizer(text(name), &at, errors);
    }
}
