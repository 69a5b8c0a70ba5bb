//! CSINode: the storage drivers of a node.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, whole};
use crate::kinds::parts::volume;
use crate::kinds::{Column, Kind, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::rules::{formatted, items, not_negative, text};

const NODE_ID_MAX: usize = 192;
const COLUMNS: &[Row] =
    &[NAME, whole("Drivers", About::Text("Drivers indicates the number of CSI drivers registered on the node")), AGE];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("storage.k8s.io", "v1", "CSINode", "csinodes", CsiNode).cluster()
}

struct CsiNode;

impl Strategy for CsiNode {
    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (drivers, path) = (items(&object["spec"]["drivers"]), Path::new("spec").child("drivers"));
        for (index, one) in drivers.iter().enumerate() {
            let at = path.index(index);
            volume::driver_name(&one["name"], &at.child("name"), errors);
            let id = text(&one["nodeID"]);
            if id.is_empty() {
                errors.required(&at.child("nodeID"), "");
            } else if id.len() > NODE_ID_MAX {
                let detail = format!("must be {NODE_ID_MAX} characters or less");
                errors.invalid_text(&at.child("nodeID"), id, &detail);
            }
            if !one["allocatable"]["count"].is_null() {
                not_negative(&one["allocatable"]["count"], &at.child("allocatable").child("count"), errors);
            }
            let name = text(&one["name"]);
            if !name.is_empty() && drivers.iter().take(index).any(|other| text(&other["name"]) == name) {
                errors.duplicate(&at.child("name"), &one["name"]);
            }
            let (keys, at) = (items(&one["topologyKeys"]), at.child("topologyKeys"));
            for (index, key) in keys.iter().enumerate() {
                if text(key).is_empty() {
                    errors.required(&at, "");
                } else if keys.iter().take(index).any(|other| other == key) {
                    errors.duplicate(&at, key);
                } else {
                    formatted(text(key), names::qualified_name, &at, errors);
                }
            }
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        self.validate(object, errors);
        let new = items(&object["spec"]["drivers"]);
        for was in items(&old["spec"]["drivers"]) {
            for (index, one) in new.iter().enumerate().filter(|(_, one)| one["name"] == was["name"]) {
                let same = ["nodeID", "topologyKeys"].iter().all(|field| one[*field] == was[*field]);
                if !same {
                    let at = Path::new("spec").child("drivers").index(index);
                    errors.invalid(&at, one, "field is immutable");
                }
            }
        }
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let count = items(&object["spec"]["drivers"]).len();
        vec![object["metadata"]["name"].clone(), count.into(), table::age(object, now)]
    }
}
