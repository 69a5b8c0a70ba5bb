//! ReplicationController: a number of pods of one template, in the old form.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::apps::replica_set::{replica_counts, template_warnings};
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, whole, wide};
use crate::kinds::parts::{pod_defaults, selector, template, warnings};
use crate::kinds::{Column, Kind, Propagation, SCALE, STATUS, SelectorWords, Strategy, spec_changed};
use crate::schema::field::{Errors, Path};
use crate::schema::rules::Fill::{self, NumberPointer};
use crate::schema::rules::Rule::{At, NotNegative};
use crate::schema::rules::{Fills, check, fill, is_empty, number};
use crate::schema::selector::Selector;

const FILLS: Fills = &[
    ("", &[("spec", Fill::Map), ("status", Fill::Map)]),
    ("spec", &[("replicas", NumberPointer(1))]),
    ("status", &[("replicas", NumberPointer(0))]),
];
const SPEC: &str = "api.core.v1.ReplicationControllerSpec";
const COUNTS: &str = "api.core.v1.ReplicationControllerStatus";
const COLUMNS: &[Row] = &[
    NAME,
    whole("Desired", About::Field(SPEC, "replicas")),
    whole("Current", About::Field(COUNTS, "replicas")),
    whole("Ready", About::Field(COUNTS, "readyReplicas")),
    AGE,
    wide("Containers", About::Text(table::CONTAINERS)),
    wide("Images", About::Text(table::IMAGES)),
    wide("Selector", About::Field(SPEC, "selector")),
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("", "v1", "ReplicationController", "replicationcontrollers", ReplicationController)
        .short(&["rc"])
        .categories(&["all"])
        .subresources(&[SCALE, STATUS])
        .selectable(&["status.replicas"])
        .selector_words(SelectorWords::Label)
}

struct ReplicationController;

impl Strategy for ReplicationController {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
        let Some(template) = object["spec"].get_mut("template").filter(|template| template.is_object()) else { return };
        pod_defaults::template(template);
        let labels = template["metadata"]["labels"].clone();
        if is_empty(&labels) {
            return;
        }
        if is_empty(&object["spec"]["selector"]) {
            object["spec"]["selector"] = labels.clone();
        }
        if is_empty(&object["metadata"]["labels"]) {
            object["metadata"]["labels"] = labels;
        }
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        check(&[At("minReadySeconds", &[NotNegative])], spec, &path, errors);
        if is_empty(&spec["selector"]) {
            errors.required(&path.child("selector"), "");
        }
        let (given, at) = (&spec["template"], path.child("template"));
        if given.is_null() {
            errors.required(&at, "");
        } else {
            let labels = &given["metadata"]["labels"];
            let selector = spec["selector"].as_object().map(Selector::from_labels);
            if selector.is_some_and(|selector| !selector.matches(labels.as_object())) {
                let detail = "`selector` does not match template `labels`";
                errors.invalid(&at.child("metadata").child("labels"), labels, detail);
            }
            template::validate(given, &at, errors);
            template::runs_forever(given, "ReplicationController", &at, errors);
        }
        check(&[At("replicas", &[NotNegative])], spec, &path, errors);
    }

    fn validate_status(&self, object: &Value, _old: &Value, errors: &mut Errors) {
        replica_counts(&object["status"], &Path::new("status"), errors);
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
    }

    fn default_propagation(&self) -> Propagation {
        Propagation::Orphan
    }

    fn field(&self, object: &Value, name: &str) -> String {
        if name == "status.replicas" {
            return number(&object["status"]["replicas"]).to_string();
        }
        crate::kinds::field_text(object, name)
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        let mut out = warnings::pod_name(object, old);
        out.extend(template_warnings(object, old));
        out
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let (spec, status) = (&object["spec"], &object["status"]);
        let (containers, images) = table::containers(&spec["template"]);
        vec![
            object["metadata"]["name"].clone(),
            table::number(&spec["replicas"]),
            table::number(&status["replicas"]),
            table::number(&status["readyReplicas"]),
            table::age(object, now),
            containers,
            images,
            selector::labels_cell(&spec["selector"]).into(),
        ]
    }
}
