//! PriorityClass: how important pods are.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column, whole};
use crate::kinds::{Column, Kind, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;
use crate::schema::rules::Fill::TextPointer;
use crate::schema::rules::{Fills, fill, number};

/// The classes of the system: name and value.
pub const SYSTEM: &[(&str, i64)] =
    &[("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];
const USER_MAX: i64 = 1_000_000_000;
const FILLS: Fills = &[("", &[("preemptionPolicy", TextPointer("PreemptLowerPriority"))])];
const CLASS: &str = "api.scheduling.v1.PriorityClass";
const COLUMNS: &[Row] = &[
    NAME,
    whole("Value", About::Field(CLASS, "value")),
    ("Global-Default", "boolean", "", 0, About::Field(CLASS, "globalDefault")),
    AGE,
    text_column("PreemptionPolicy", About::Field(CLASS, "preemptionPolicy")),
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", PriorityClass).cluster().short(&["pc"])
}

struct PriorityClass;

impl Strategy for PriorityClass {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (name, value) = (object.name(), number(&object["value"]));
        if name.starts_with("system-") {
            if let Some(fault) = unknown(name, value, object["globalDefault"] == true) {
                let detail = format!(
                    "priority class names with 'system-' prefix are reserved for system use only. error: {fault}"
                );
                errors.forbidden(&Path::new("metadata").child("name"), &detail);
            }
        } else if value > USER_MAX {
            let detail = format!("maximum allowed value of a user defined priority is {USER_MAX}");
            errors.forbidden(&Path::new("value"), &detail);
        }
        if let Some(policy) = object["preemptionPolicy"].as_str() {
            let at = Path::new("preemptionPolicy");
            match policy {
                "PreemptLowerPriority" | "Never" => {}
                "" => errors.required(&at, ""),
                other => errors.not_supported(&at, &other.into(), &["PreemptLowerPriority", "Never"]),
            }
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        if number(&object["value"]) != number(&old["value"]) {
            errors.forbidden(&Path::new("value"), "may not be changed in an update.");
        }
        if object["preemptionPolicy"] != old["preemptionPolicy"] {
            errors.invalid(&Path::new("preemptionPolicy"), &object["preemptionPolicy"], "field is immutable");
        }
    }

    fn counts_generation(&self, _object: &Value, _old: &Value) -> Option<bool> {
        Some(false)
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        vec![
            object["metadata"]["name"].clone(),
            table::number(&object["value"]),
            (object["globalDefault"] == true).into(),
            table::age(object, now),
            table::string(&object["preemptionPolicy"]),
        ]
    }
}

/// Why a class is none of the system's.
fn unknown(name: &str, value: i64, global: bool) -> Option<String> {
    match SYSTEM.iter().find(|(known, _)| *known == name) {
        None => Some(format!("{name} is not a known system priority class")),
        Some((_, wanted)) if *wanted != value => Some(format!("value of {name} PriorityClass must be {wanted}")),
        Some(_) if global => Some(format!("globalDefault of {name} PriorityClass must be false")),
        Some(_) => None,
    }
}
