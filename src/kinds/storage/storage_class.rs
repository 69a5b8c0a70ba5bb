//! StorageClass: a way in which storage is made.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::Fill::TextPointer;
use crate::schema::rules::Rule::{At, Given, OneOf, Required};
use crate::schema::rules::{Fills, Rule, check, entries, fill, formatted, items, text};

const FILLS: Fills =
    &[("", &[("reclaimPolicy", TextPointer("Delete")), ("volumeBindingMode", TextPointer("Immediate"))])];
const POLICIES: &[Rule] = &[At("reclaimPolicy", &[Given(&[OneOf(&["Delete", "Retain"])])])];
const BINDING: &[Rule] = &[At("volumeBindingMode", &[Required(""), OneOf(&["Immediate", "WaitForFirstConsumer"])])];
const PARAMETERS_MAX: usize = 256 * 1024;
const CLASS: &str = "api.storage.v1.StorageClass";
const COLUMNS: &[Row] = &[
    NAME,
    text_column("Provisioner", About::Field(CLASS, "provisioner")),
    text_column("ReclaimPolicy", About::Field(CLASS, "reclaimPolicy")),
    text_column("VolumeBindingMode", About::Field(CLASS, "volumeBindingMode")),
    text_column("AllowVolumeExpansion", About::Field(CLASS, "allowVolumeExpansion")),
    AGE,
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("storage.k8s.io", "v1", "StorageClass", "storageclasses", StorageClass).cluster().short(&["sc"])
}

struct StorageClass;

impl Strategy for StorageClass {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        provisioner(&object["provisioner"], &Path::new("provisioner"), errors);
        let at = Path::new("parameters");
        let all: Vec<(&String, &Value)> = entries(&object["parameters"]).collect();
        if all.len() > 512 {
            errors.push(crate::schema::field::Reason::TooLong, &at, "Too long: may not be more than 512 bytes");
        } else {
            if all.iter().any(|(key, _)| key.is_empty()) {
                errors.invalid_text(&at, "", "field can not be empty.");
            }
            let size: usize = all.iter().map(|(key, value)| key.len() + text(value).len()).sum();
            if size > PARAMETERS_MAX {
                errors.too_long(&at, PARAMETERS_MAX);
            }
        }
        check(POLICIES, object, &Path::root(), errors);
        check(BINDING, object, &Path::root(), errors);
        topologies(&object["allowedTopologies"], errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        for (field, forbidden) in
            [("parameters", true), ("provisioner", true), ("reclaimPolicy", true), ("volumeBindingMode", false)]
        {
            if object[field] == old[field] {
                continue;
            }
            if forbidden {
                errors.forbidden(&Path::new(field), &format!("updates to {field} are forbidden."));
            } else {
                errors.invalid(&Path::new(field), &object[field], "field is immutable");
            }
        }
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let default =
            ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"]
                .iter()
                .any(|key| object.annotation(key) == Some("true"));
        let name = if default { format!("{} (default)", object.name()) } else { object.name().to_owned() };
        vec![
            name.into(),
            table::string(&object["provisioner"]),
            table::or(&object["reclaimPolicy"], "Delete"),
            table::or(&object["volumeBindingMode"], "Immediate"),
            (object["allowVolumeExpansion"] == true).into(),
            table::age(object, now),
        ]
    }
}

/// The rules of the name of what makes volumes.
pub fn provisioner(given: &Value, path: &Path, errors: &mut Errors) {
    let name = text(given);
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    for fault in names::qualified_name(&name.to_lowercase()) {
        errors.invalid_text(path, name, &fault);
    }
}

fn topologies(list: &Value, errors: &mut Errors) {
    for (index, term) in items(list).iter().enumerate() {
        let at = Path::new("allowedTopologies").index(index).child("matchLabelExpressions");
        let mut keys: Vec<&str> = Vec::new();
        for (index, one) in items(&term["matchLabelExpressions"]).iter().enumerate() {
            let at = at.index(index);
            let values = items(&one["values"]);
            if values.is_empty() {
                errors.required(&at.child("values"), "");
            }
            for (index, value) in values.iter().enumerate() {
                if values.iter().take(index).any(|other| other == value) {
                    errors.duplicate(&at.child("values").index(index), value);
                }
            }
            formatted(text(&one["key"]), names::qualified_name, &at.child("key"), errors);
            if keys.contains(&text(&one["key"])) {
                errors.duplicate(&at.child("key"), &one["key"]);
            }
            keys.push(text(&one["key"]));
        }
    }
}
