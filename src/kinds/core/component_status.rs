//! ComponentStatus: the health of parts of the control plane. Deprecated; k2d has no such parts.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, Strategy, Verbs};
use crate::schema::rules::{items, text};

const COLUMNS: &[Row] = &[
    NAME,
    text_column("Status", About::Text("Status of the component conditions")),
    text_column("Message", About::Text("Message of the component conditions")),
    text_column("Error", About::Text("Error of the component conditions")),
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("", "v1", "ComponentStatus", "componentstatuses", ComponentStatus)
        .cluster()
        .short(&["cs"])
        .verbs(Verbs::ReadOnly)
        .deprecated("v1 ComponentStatus is deprecated in v1.19+")
}

struct ComponentStatus;

impl Strategy for ComponentStatus {
    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, _now: Timestamp) -> Vec<Value> {
        let healthy = items(&object["conditions"]).iter().find(|one| one["type"] == "Healthy");
        let none = Value::Null;
        let one = healthy.unwrap_or(&none);
        let status = match text(&one["status"]) {
            "True" => "Healthy",
            "False" => "Unhealthy",
            _ => "Unknown",
        };
        vec![
            object["metadata"]["name"].clone(),
            status.into(),
            table::string(&one["message"]),
            table::string(&one["error"]),
        ]
    }
}
