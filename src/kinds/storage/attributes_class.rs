//! VolumeAttributesClass: properties of volumes that may change.

use jiff::Timestamp;
use serde_json::Value;

use super::storage_class::provisioner;
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::rules::entries;

const COLUMNS: &[Row] =
    &[NAME, text_column("DriverName", About::Field("api.storage.v1.VolumeAttributesClass", "driverName")), AGE];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("storage.k8s.io", "v1", "VolumeAttributesClass", "volumeattributesclasses", AttributesClass)
        .cluster()
        .short(&["vac"])
}

struct AttributesClass;

impl Strategy for AttributesClass {
    fn validate(&self, object: &Value, errors: &mut Errors) {
        provisioner(&object["driverName"], &Path::new("driverName"), errors);
        if entries(&object["parameters"]).next().is_none() {
            errors.required(&Path::new("parameters"), "must contain at least one key/value pair");
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        for field in ["driverName", "parameters"] {
            if object[field] != old[field] {
                errors.invalid(&Path::new(field), &object[field], "field is immutable");
            }
        }
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        vec![object["metadata"]["name"].clone(), table::string(&object["driverName"]), table::age(object, now)]
    }
}
