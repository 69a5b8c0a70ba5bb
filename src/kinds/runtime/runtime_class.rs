//! RuntimeClass: the way in which containers are run.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::affinity;
use crate::kinds::parts::pod;
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::meta;
use crate::schema::names;
use crate::schema::rules::{formatted, items, text};

const COLUMNS: &[Row] = &[NAME, text_column("Handler", About::Text("")), AGE];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", RuntimeClass).cluster()
}

struct RuntimeClass;

impl Strategy for RuntimeClass {
    fn validate(&self, object: &Value, errors: &mut Errors) {
        if !object["overhead"].is_null() {
            pod::overhead(&object["overhead"]["podFixed"], &Path::new("overhead"), errors);
        }
        let scheduling = &object["scheduling"];
        if !scheduling.is_null() {
            let path = Path::new("scheduling");
            meta::labels(&scheduling["nodeSelector"], &path.child("nodeSelector"), errors);
            let (list, at) = (items(&scheduling["tolerations"]), path.child("tolerations"));
            for (index, one) in list.iter().enumerate() {
                if list.iter().take(index).any(|other| other == one) {
                    errors.duplicate(&at.index(index), one);
                }
            }
            affinity::tolerations(&scheduling["tolerations"], &at, errors);
        }
        match text(&object["handler"]) {
            "" => errors.required(&Path::new("handler"), ""),
            handler => formatted(handler, names::dns1123_label, &Path::new("handler"), errors),
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        if object["handler"] != old["handler"] {
            errors.invalid(&Path::new("handler"), &Value::Null, "field is immutable");
        }
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        vec![object["metadata"]["name"].clone(), table::string(&object["handler"]), table::age(object, now)]
    }
}
