//! CSIStorageCapacity: how much storage of a class is left in a part of the cluster.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, About, NAME, Row, text_column};
use crate::kinds::parts::{amount, resources, selector};
use crate::kinds::{Column, Kind, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::rules::{formatted, text};

const CAPACITY: &str = "api.storage.v1.CSIStorageCapacity";
const COLUMNS: &[Row] = &[
    NAME,
    text_column("StorageClassName", About::Field(CAPACITY, "storageClassName")),
    text_column("Capacity", About::Field(CAPACITY, "capacity")),
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("storage.k8s.io", "v1", "CSIStorageCapacity", "csistoragecapacities", StorageCapacity)
}

struct StorageCapacity;

impl Strategy for StorageCapacity {
    fn validate(&self, object: &Value, errors: &mut Errors) {
        formatted(text(&object["storageClassName"]), names::dns1123_subdomain, &Path::new("storageClassName"), errors);
        selector::validate(&object["nodeTopology"], &Path::new("nodeTopology"), errors);
        for field in ["capacity", "maximumVolumeSize"] {
            if !object[field].is_null() {
                resources::not_negative(&object[field], &Path::new(field), errors);
            }
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        self.validate(object, errors);
        for field in ["nodeTopology", "storageClassName"] {
            if object[field] != old[field] {
                errors.invalid(&Path::new(field), &object[field], "field is immutable");
            }
        }
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, _now: Timestamp) -> Vec<Value> {
        let size = &object["capacity"];
        vec![
            object["metadata"]["name"].clone(),
            table::string(&object["storageClassName"]),
            if size.is_null() { "<unset>".into() } else { amount::show(size).into() },
        ]
    }
}
