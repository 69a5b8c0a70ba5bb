//! ControllerRevision: a past state of a workload, kept for a way back.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;
use crate::schema::rules::Rule::{At, NotNegative};
use crate::schema::rules::{check, text};

const COLUMNS: &[Row] = &[
    NAME,
    text_column("Controller", About::Text("Controller of the object")),
    text_column("Revision", About::Field("api.apps.v1.ControllerRevision", "revision")),
    AGE,
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("apps", "v1", "ControllerRevision", "controllerrevisions", ControllerRevision)
}

struct ControllerRevision;

impl Strategy for ControllerRevision {
    fn validate(&self, object: &Value, errors: &mut Errors) {
        if object["data"].is_null() {
            errors.required(&Path::new("data"), "data is mandatory");
        }
        check(&[At("revision", &[NotNegative])], object, &Path::root(), errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        self.validate(object, errors);
        if object["data"] != old["data"] {
            errors.invalid(&Path::new("data"), &object["data"], "field is immutable");
        }
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let controller = object.controller().map_or_else(
            || "<none>".to_owned(),
            |owner| {
                let kind = text(&owner["kind"]).to_lowercase();
                let group = text(&owner["apiVersion"]).split_once('/').map(|(group, _)| format!(".{group}"));
                format!("{kind}{}/{}", group.unwrap_or_default(), text(&owner["name"]))
            },
        );
        vec![
            object["metadata"]["name"].clone(),
            controller.into(),
            table::number(&object["revision"]),
            table::age(object, now),
        ]
    }
}
