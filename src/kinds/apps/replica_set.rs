//! ReplicaSet: a number of pods of one template.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, whole, wide};
use crate::kinds::parts::{pod_defaults, selector, template, warnings};
use crate::kinds::{Column, Kind, SCALE, STATUS, Strategy, spec_changed};
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;
use crate::schema::rules::Rule::{At, NotNegative};
use crate::schema::rules::{Fill, Fills, Rule, check, fill, number};

const FILLS: Fills = &[
    ("", &[("spec", Fill::Map), ("status", Fill::Map)]),
    ("spec", &[("replicas", Fill::NumberPointer(1))]),
    ("status", &[("replicas", Fill::NumberPointer(0))]),
];
const SPEC: &[Rule] = &[At("replicas", &[NotNegative]), At("minReadySeconds", &[NotNegative])];
const COUNTS: &[Rule] = &[
    At("replicas", &[NotNegative]),
    At("fullyLabeledReplicas", &[NotNegative]),
    At("readyReplicas", &[NotNegative]),
    At("availableReplicas", &[NotNegative]),
    At("terminatingReplicas", &[NotNegative]),
    At("observedGeneration", &[NotNegative]),
];
const COLUMNS: &[Row] = &[
    NAME,
    whole("Desired", About::Field("api.apps.v1.ReplicaSetSpec", "replicas")),
    whole("Current", About::Field("api.apps.v1.ReplicaSetStatus", "replicas")),
    whole("Ready", About::Field("api.apps.v1.ReplicaSetStatus", "readyReplicas")),
    AGE,
    wide("Containers", About::Text(table::CONTAINERS)),
    wide("Images", About::Text(table::IMAGES)),
    wide("Selector", About::Field("api.apps.v1.ReplicaSetSpec", "selector")),
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("apps", "v1", "ReplicaSet", "replicasets", ReplicaSet)
        .short(&["rs"])
        .categories(&["all"])
        .subresources(&[SCALE, STATUS])
}

struct ReplicaSet;

impl Strategy for ReplicaSet {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
        pod_defaults::template(object.section_mut("spec").entry("template").or_insert(Value::Null));
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        check(SPEC, spec, &path, errors);
        template::selector_given(&spec["selector"], "deployment", &path.child("selector"), errors);
        let at = path.child("template");
        if template::selector_works(&spec["selector"], "invalid label selector", &path.child("selector"), errors) {
            template::labels_match(&spec["selector"], &spec["template"], &at, errors);
            template::validate(&spec["template"], &at, errors);
            template::runs_forever(&spec["template"], "ReplicaSet", &at, errors);
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        self.validate(object, errors);
        template::selector_stays(object, old, errors);
    }

    fn validate_status(&self, object: &Value, _old: &Value, errors: &mut Errors) {
        replica_counts(&object["status"], &Path::new("status"), errors);
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
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
            selector::cell(&spec["selector"]).into(),
        ]
    }
}

/// The rules of the counts in the status of replica sets and replication controllers.
pub fn replica_counts(status: &Value, path: &Path, errors: &mut Errors) {
    check(COUNTS, status, path, errors);
    let all = number(&status["replicas"]);
    for field in ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"] {
        not_above(status, field, all, "status.replicas", path, errors);
    }
    not_above(status, "availableReplicas", number(&status["readyReplicas"]), "readyReplicas", path, errors);
}

/// A count that cannot be above another one.
pub fn not_above(status: &Value, field: &str, max: i64, other: &str, path: &Path, errors: &mut Errors) {
    let count = number(&status[field]);
    if count > max {
        errors.invalid(&path.child(field), &count.into(), &format!("cannot be greater than {other}"));
    }
}

/// Warnings about the pod template of a workload, on a create and where an update changes the spec.
#[must_use]
pub fn template_warnings(object: &Value, old: Option<&Value>) -> Vec<String> {
    if old.is_some_and(|old| !spec_changed(object, old)) {
        return Vec::new();
    }
    let template = &object["spec"]["template"];
    warnings::pod(&template["metadata"], &template["spec"], &Path::new("spec").child("template"))
}
