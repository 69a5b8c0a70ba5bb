//! PodTemplate: a template that stands by itself.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, About, NAME, Row, text_column};
use crate::kinds::parts::{pod_defaults, selector, template, warnings};
use crate::kinds::{Column, Kind, Strategy};
use crate::schema::field::{Errors, Path};

const COLUMNS: &[Row] = &[
    NAME,
    text_column("Containers", About::Text(table::CONTAINERS)),
    text_column("Images", About::Text(table::IMAGES)),
    text_column("Pod Labels", About::Text("The labels for the pod template.")),
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("", "v1", "PodTemplate", "podtemplates", PodTemplate)
}

struct PodTemplate;

impl Strategy for PodTemplate {
    fn default(&self, object: &mut Value) {
        let Some(map) = object.as_object_mut() else { return };
        pod_defaults::template(map.entry("template").or_insert(Value::Null));
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        template::validate(&object["template"], &Path::new("template"), errors);
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(object["template"] != old["template"])
    }

    fn returns_deleted(&self) -> bool {
        true
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>) -> Vec<String> {
        let template = &object["template"];
        warnings::pod(&template["metadata"], &template["spec"], &Path::new("template"))
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, _now: Timestamp) -> Vec<Value> {
        let (containers, images) = table::containers(&object["template"]);
        let labels = selector::labels_cell(&object["template"]["metadata"]["labels"]);
        vec![object["metadata"]["name"].clone(), containers, images, labels.into()]
    }
}
