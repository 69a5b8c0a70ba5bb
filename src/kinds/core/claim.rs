//! PersistentVolumeClaim: a wish for storage.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::volume::{access_modes, class_annotation};
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column, wide};
use crate::kinds::parts::{amount, resources, selector, show};
use crate::kinds::{Column, Kind, STATUS, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::Fill::{self, TextPointer};
use crate::schema::rules::Rule::{At, Filled, Format, Given, OneOf};
use crate::schema::rules::{Fills, Rule, check, entries, fill, formatted, items, text};

const FILLS: Fills = &[("", &[("spec", Fill::Map)]), ("spec", &[("volumeMode", TextPointer("Filesystem"))])];
const CLASS: &[Rule] = &[
    At("storageClassName", &[Filled(&[Format(names::dns1123_subdomain)])]),
    At("volumeMode", &[Given(&[OneOf(&["Block", "Filesystem"])])]),
];
const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const SPEC: &str = "api.core.v1.PersistentVolumeClaimSpec";
const CLAIM_STATUS: &str = "api.core.v1.PersistentVolumeClaimStatus";
const COLUMNS: &[Row] = &[
    NAME,
    text_column("Status", About::Field(CLAIM_STATUS, "phase")),
    text_column("Volume", About::Field(SPEC, "volumeName")),
    text_column("Capacity", About::Field(CLAIM_STATUS, "capacity")),
    text_column("Access Modes", About::Field(CLAIM_STATUS, "accessModes")),
    text_column("StorageClass", About::Text("StorageClass of the pvc")),
    text_column("VolumeAttributesClass", About::Text("VolumeAttributesClass of the pvc")),
    AGE,
    wide("VolumeMode", About::Field(SPEC, "volumeMode")),
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", Claim)
        .short(&["pvc"])
        .subresources(&[STATUS])
}

struct Claim;

impl Strategy for Claim {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
        if object["status"]["phase"].is_null() {
            object.section_mut("status").insert("phase".to_owned(), "Pending".into());
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        object["status"] = json!({"phase": "Pending"});
        sources(object);
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        spec(&object["spec"], &Path::new("spec"), errors);
    }

    fn prepare_update(&self, object: &mut Value, old: &Value) {
        object["status"] = old["status"].clone();
        sources(object);
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        self.validate(object, errors);
        update(object, old, errors);
    }

    fn validate_status(&self, object: &Value, _old: &Value, errors: &mut Errors) {
        if items(&object["spec"]["accessModes"]).is_empty() {
            errors.required(&Path::new("Spec").child("accessModes"), "");
        }
        for (name, value) in entries(&object["status"]["capacity"]) {
            let at = Path::new("status").child("capacity").key(name);
            if amount::nano(value) < 0 {
                let units = i64::try_from(amount::units(value)).unwrap_or(i64::MIN);
                errors.invalid(&at, &units.into(), "must be a valid resource quantity");
            }
        }
    }

    fn returns_deleted(&self) -> bool {
        true
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>) -> Vec<String> {
        let mut out = Vec::new();
        if object.annotation(BETA_CLASS).is_some() {
            out.push(format!(
                "metadata.annotations[{BETA_CLASS}]: deprecated since v1.8; use \"storageClassName\" attribute instead"
            ));
        }
        let storage = &object["spec"]["resources"]["requests"]["storage"];
        if !storage.is_null() && !amount::is_whole(storage) {
            out.push(format!(
                "spec.resources.requests[storage]: fractional byte value {:?} is invalid, must be an integer",
                amount::show(storage)
            ));
        }
        out
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let (spec, status) = (&object["spec"], &object["status"]);
        let phase = if object.is_deleting() { "Terminating".into() } else { table::string(&status["phase"]) };
        let bound = !text(&spec["volumeName"]).is_empty();
        let (capacity, modes) = if bound {
            let capacity = &status["capacity"]["storage"];
            let shown = if capacity.is_null() { "0".to_owned() } else { amount::show(capacity) };
            (shown, access_modes(&status["accessModes"]))
        } else {
            (String::new(), String::new())
        };
        let mode = &spec["volumeMode"];
        vec![
            object["metadata"]["name"].clone(),
            phase,
            table::string(&spec["volumeName"]),
            capacity.into(),
            modes.into(),
            class_annotation(object).into(),
            table::or(&spec["volumeAttributesClassName"], "<unset>"),
            table::age(object, now),
            table::or(mode, "<unset>"),
        ]
    }
}

/// The rules of the `spec` of a claim, also in a template.
pub fn spec(spec: &Value, path: &Path, errors: &mut Errors) {
    let modes = items(&spec["accessModes"]);
    if modes.is_empty() {
        errors.required(&path.child("accessModes"), "at least 1 access mode is required");
    }
    if !spec["selector"].is_null() {
        selector::validate(&spec["selector"], &path.child("selector"), errors);
    }
    access_mode_rules(&spec["accessModes"], &path.child("accessModes"), errors);
    let (storage, at) = (&spec["resources"]["requests"]["storage"], path.child("resources").key("storage"));
    if storage.is_null() {
        errors.required(&at, "");
    } else {
        resources::positive(storage, &at, errors);
    }
    check(CLASS, spec, path, errors);
    for field in ["dataSource", "dataSourceRef"] {
        data_source(&spec[field], &path.child(field), errors);
    }
    let (source, reference) = (&spec["dataSource"], &spec["dataSourceRef"]);
    if !source.is_null() && !reference.is_null() {
        let same = ["apiGroup", "kind", "name"].iter().all(|field| source[*field] == reference[*field]);
        let shown = path.child("dataSource").to_string();
        if !text(&reference["namespace"]).is_empty() {
            errors.invalid_text(path, &shown, "may not be specified when dataSourceRef.namespace is specified");
        } else if !same {
            errors.invalid_text(path, &shown, "must match dataSourceRef");
        }
    }
    let class = &[At("volumeAttributesClassName", &[Filled(&[Format(names::dns1123_subdomain)])])];
    check(class, spec, path, errors);
}

/// Access modes are known ones, and the exclusive one stands alone.
pub fn access_mode_rules(list: &Value, path: &Path, errors: &mut Errors) {
    for mode in items(list) {
        if !MODES.contains(&text(mode)) {
            errors.not_supported(path, mode, MODES);
        }
    }
    let known: Vec<&str> = items(list).iter().map(text).filter(|mode| MODES.contains(mode)).collect();
    if known.contains(&"ReadWriteOncePod") && known.iter().any(|mode| *mode != "ReadWriteOncePod") {
        errors.forbidden(path, "may not use ReadWriteOncePod with other access modes");
    }
}

fn data_source(source: &Value, path: &Path, errors: &mut Errors) {
    if source.is_null() {
        return;
    }
    for field in ["name", "kind"] {
        if text(&source[field]).is_empty() {
            errors.required(&path.child(field), "");
        }
    }
    let (group, kind) = (text(&source["apiGroup"]), text(&source["kind"]));
    if group.is_empty() && kind != "PersistentVolumeClaim" {
        let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        errors.invalid_text(path, kind, detail);
    }
    if !group.is_empty() {
        formatted(group, names::dns1123_subdomain, &path.child("apiGroup"), errors);
    }
    if !text(&source["namespace"]).is_empty() {
        formatted(text(&source["namespace"]), names::dns1123_label, &path.child("namespace"), errors);
    }
}

/// `dataSource` and `dataSourceRef` mean the same where the source is of this namespace.
fn sources(object: &mut Value) {
    let spec = object.section_mut("spec");
    let get = |field: &str| spec.get(field).filter(|value| !value.is_null()).cloned();
    match (get("dataSource"), get("dataSourceRef")) {
        (Some(source), None) => {
            spec.insert("dataSourceRef".to_owned(), source);
        }
        (None, Some(reference)) if text(&reference["namespace"]).is_empty() => {
            let mut source = reference;
            if let Some(map) = source.as_object_mut() {
                map.remove("namespace");
            }
            spec.insert("dataSource".to_owned(), source);
        }
        _ => {}
    }
}

fn update(object: &Value, old: &Value, errors: &mut Errors) {
    let (mut new_spec, mut old_spec) = (object["spec"].clone(), old["spec"].clone());
    let bound = object["status"]["phase"] == "Bound";
    if text(&old_spec["volumeName"]).is_empty() {
        old_spec["volumeName"] = new_spec["volumeName"].clone();
    }
    let beta = |claim: &Value| claim.annotation(BETA_CLASS).map(ToOwned::to_owned);
    let (new_class, old_class) = (new_spec["storageClassName"].clone(), old_spec["storageClassName"].clone());
    let from_annotation = beta(old).is_some_and(|class| {
        old_class.is_null() && new_class == class.as_str() && beta(object).is_none_or(|new| new == class)
    });
    if from_annotation {
        new_spec["storageClassName"] = Value::Null;
    } else {
        if beta(object) != beta(old) {
            let at = Path::new("metadata").child("annotations").child(BETA_CLASS);
            errors.invalid_text(&at, &beta(object).unwrap_or_default(), "field is immutable");
        }
        if !new_class.is_null() && old_class.is_null() && beta(old).is_none_or(|class| new_class == class.as_str()) {
            new_spec["storageClassName"] = old_class;
        }
    }
    if bound {
        if !new_spec["resources"]["requests"].is_null() {
            new_spec["resources"]["requests"]["storage"] = old["spec"]["resources"]["requests"]["storage"].clone();
        }
        if !new_spec["volumeAttributesClassName"].is_null() {
            new_spec["volumeAttributesClassName"] = old_spec["volumeAttributesClassName"].clone();
        }
    }
    drop_nulls(&mut new_spec);
    drop_nulls(&mut old_spec);
    if new_spec != old_spec {
        errors.forbidden(
            &Path::new("spec"),
            &format!(
                "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound \
                 claims\n{}",
                show::difference(&old_spec, &new_spec, "core.v1.PersistentVolumeClaimSpec")
            ),
        );
    }
    let size = |claim: &Value| claim["spec"]["resources"]["requests"]["storage"].clone();
    if amount::compare(&size(object), &size(old)) == Ordering::Less
        && amount::compare(&size(object), &old["status"]["capacity"]["storage"]) != Ordering::Greater
    {
        let at = Path::new("spec").child("resources").child("requests").child("storage");
        errors.forbidden(&at, "field can not be less than status.capacity");
    }
    if object["spec"]["volumeMode"] != old["spec"]["volumeMode"] {
        errors.invalid(&Path::new("volumeMode"), &object["spec"]["volumeMode"], "field is immutable");
    }
    let class = |claim: &Value| claim["spec"]["volumeAttributesClassName"].clone();
    if !class(old).is_null() && class(object) != class(old) {
        let at = Path::new("spec").child("volumeAttributesClassName");
        if class(object).is_null() {
            errors.forbidden(&at, "update from non-nil value to nil is forbidden");
        } else if text(&class(object)).is_empty() {
            errors.forbidden(&at, "update from non-nil value to an empty string is forbidden");
        }
    }
}

fn drop_nulls(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|_, value| !value.is_null());
    }
}
