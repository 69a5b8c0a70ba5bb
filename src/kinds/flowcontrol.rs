//! The kinds of the `flowcontrol.apiserver.k8s.io` group, and the objects of it that every cluster
//! has. k2d serves them for tools that read them; it does not queue requests by them.

pub mod defaults;
pub mod flow_schema;
pub mod priority_level;

/// The API group.
pub const GROUP: &str = "flowcontrol.apiserver.k8s.io";

use serde_json::Value;

use crate::schema::field::{Errors, Path};
use crate::schema::rules::{items, text};

/// The rules of the conditions in the status of both kinds.
fn conditions(object: &Value, errors: &mut Errors) {
    let (list, path) = (items(&object["status"]["conditions"]), Path::new("status").child("conditions"));
    for (index, one) in list.iter().enumerate() {
        let at = path.index(index).child("type");
        if list.iter().take(index).any(|other| other["type"] == one["type"]) {
            errors.duplicate(&at, &one["type"]);
        }
        if text(&one["type"]).is_empty() {
            errors.required(&at, "must not be empty");
        }
    }
}
