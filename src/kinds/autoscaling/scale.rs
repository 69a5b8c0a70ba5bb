//! Scale: the number of replicas of an object of another kind, as its subresource `scale` shows it.
//! It is no resource of its own.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, AGE, About, Row, text_column, whole};
use crate::kinds::{Column, Kind, Strategy};

const COLUMNS: &[Row] = &[
    text_column("Name", About::Field("apimachinery.pkg.apis.meta.v1.ObjectMeta", "name")),
    whole("Desired", About::Field("api.autoscaling.v1.ScaleSpec", "replicas")),
    whole("Available", About::Field("api.autoscaling.v1.ScaleStatus", "replicas")),
    AGE,
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("autoscaling", "v1", "Scale", "scale", Scale)
}

struct Scale;

impl Strategy for Scale {
    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        vec![
            object["metadata"]["name"].clone(),
            table::number(&object["spec"]["replicas"]),
            table::number(&object["status"]["replicas"]),
            table::age(object, now),
        ]
    }
}
