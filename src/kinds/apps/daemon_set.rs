//! DaemonSet: one pod of a template on each node.

use jiff::Timestamp;
use serde_json::Value;

use super::replica_set::template_warnings;
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column, whole, wide};
use crate::kinds::parts::{intstr, pod_defaults, selector, show, template};
use crate::kinds::{Column, Kind, STATUS, Strategy, spec_changed};
use crate::schema::field::{Errors, Path, Reason};
use crate::schema::object::Object;
use crate::schema::rules::Fill::{self, NumberPointer, Text};
use crate::schema::rules::Rule::{At, Given, NotNegative};
use crate::schema::rules::{Fills, Rule, check, each_map, fill, text};

/// Says which version of the template it is; older versions of the API had a field for it.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";
const FILLS: Fills = &[
    ("", &[("spec", Fill::Map), ("status", Fill::Map)]),
    ("spec", &[("updateStrategy", Fill::Map), ("revisionHistoryLimit", NumberPointer(10))]),
    ("spec.updateStrategy", &[("type", Text("RollingUpdate"))]),
];
const COUNTS: &[Rule] = &[
    At("currentNumberScheduled", &[NotNegative]),
    At("numberMisscheduled", &[NotNegative]),
    At("desiredNumberScheduled", &[NotNegative]),
    At("numberReady", &[NotNegative]),
    At("observedGeneration", &[NotNegative]),
    At("updatedNumberScheduled", &[NotNegative]),
    At("numberAvailable", &[NotNegative]),
    At("numberUnavailable", &[NotNegative]),
    At("collisionCount", &[Given(&[NotNegative])]),
];
const NUMBERS: &[Rule] = &[At("revisionHistoryLimit", &[Given(&[NotNegative])])];
const DAEMON_STATUS: &str = "api.apps.v1.DaemonSetStatus";
const COLUMNS: &[Row] = &[
    NAME,
    whole("Desired", About::Field(DAEMON_STATUS, "desiredNumberScheduled")),
    whole("Current", About::Field(DAEMON_STATUS, "currentNumberScheduled")),
    whole("Ready", About::Field(DAEMON_STATUS, "numberReady")),
    whole("Up-to-date", About::Field(DAEMON_STATUS, "updatedNumberScheduled")),
    whole("Available", About::Field(DAEMON_STATUS, "numberAvailable")),
    text_column("Node Selector", About::Field("api.core.v1.PodSpec", "nodeSelector")),
    AGE,
    wide("Containers", About::Text(table::CONTAINERS)),
    wide("Images", About::Text(table::IMAGES)),
    wide("Selector", About::Field("api.apps.v1.DaemonSetSpec", "selector")),
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("apps", "v1", "DaemonSet", "daemonsets", DaemonSet)
        .short(&["ds"])
        .categories(&["all"])
        .subresources(&[STATUS])
}

struct DaemonSet;

impl Strategy for DaemonSet {
    fn default(&self, object: &mut Value) {
        if object.annotation(TEMPLATE_GENERATION).is_none() {
            set_template_generation(object, 0);
        }
        fill(object, FILLS);
        pod_defaults::template(object.section_mut("spec").entry("template").or_insert(Value::Null));
        each_map(object, "spec.updateStrategy", &mut |strategy| {
            if strategy.get("type").is_some_and(|kind| kind == "RollingUpdate") {
                Fill::Map.apply(strategy, "rollingUpdate");
                if let Some(Value::Object(rolling)) = strategy.get_mut("rollingUpdate") {
                    NumberPointer(1).apply(rolling, "maxUnavailable");
                    NumberPointer(0).apply(rolling, "maxSurge");
                }
            }
        });
    }

    fn prepare_create(&self, object: &mut Value) {
        set_template_generation(object, 1);
    }

    fn field_annotations(&self) -> &'static [&'static str] {
        &[TEMPLATE_GENERATION]
    }

    fn prepare_update(&self, object: &mut Value, old: &Value) {
        let before = old.annotation(TEMPLATE_GENERATION).and_then(|text| text.parse().ok()).unwrap_or(1);
        let changed = object["spec"]["template"] != old["spec"]["template"];
        set_template_generation(object, before + i64::from(changed));
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        let at = path.child("template");
        if spec["selector"].is_null() {
            errors.required(&path.child("selector"), "");
        } else {
            selector::validate(&spec["selector"], &path.child("selector"), errors);
        }
        template::labels_match(&spec["selector"], &spec["template"], &at, errors);
        if !spec["selector"].is_null() && selector::is_empty(&spec["selector"]) {
            let shown = selector::show(&spec["selector"]);
            errors.invalid_raw(&path.child("selector"), &shown, "empty selector is invalid for daemonset");
        }
        template::validate(&spec["template"], &at, errors);
        template::runs_forever(&spec["template"], "DaemonSet", &at, errors);
        check(&[At("minReadySeconds", &[NotNegative])], spec, &path, errors);
        strategy(&spec["updateStrategy"], &path.child("updateStrategy"), errors);
        check(NUMBERS, spec, &path, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        template::selector_stays(object, old, errors);
        self.validate(object, errors);
    }

    fn validate_status(&self, object: &Value, _old: &Value, errors: &mut Errors) {
        check(COUNTS, &object["status"], &Path::new("status"), errors);
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        template_warnings(object, old)
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let (spec, status) = (&object["spec"], &object["status"]);
        let (containers, images) = table::containers(&spec["template"]);
        vec![
            object["metadata"]["name"].clone(),
            table::number(&status["desiredNumberScheduled"]),
            table::number(&status["currentNumberScheduled"]),
            table::number(&status["numberReady"]),
            table::number(&status["updatedNumberScheduled"]),
            table::number(&status["numberAvailable"]),
            selector::labels_cell(&spec["template"]["spec"]["nodeSelector"]).into(),
            table::age(object, now),
            containers,
            images,
            selector::cell(&spec["selector"]).into(),
        ]
    }
}

fn set_template_generation(object: &mut Value, generation: i64) {
    let annotations = object.metadata_mut().entry("annotations").or_insert(Value::Null);
    if !annotations.is_object() {
        *annotations = Value::Object(serde_json::Map::new());
    }
    annotations[TEMPLATE_GENERATION] = generation.to_string().into();
}

fn strategy(strategy: &Value, path: &Path, errors: &mut Errors) {
    match text(&strategy["type"]) {
        "OnDelete" => {}
        "RollingUpdate" => {
            let (rolling, at) = (&strategy["rollingUpdate"], path.child("rollingUpdate"));
            let (unavailable, surge) = (&rolling["maxUnavailable"], &rolling["maxSurge"]);
            intstr::count(unavailable, &at.child("maxUnavailable"), errors);
            intstr::count(surge, &at.child("maxSurge"), errors);
            intstr::at_most_whole(unavailable, &at.child("maxUnavailable"), errors);
            intstr::at_most_whole(surge, &at.child("maxSurge"), errors);
            match (intstr::amount(unavailable) != 0, intstr::amount(surge) != 0) {
                (true, true) => {
                    errors.invalid(&at.child("maxSurge"), surge, "may not be set when maxUnavailable is non-zero");
                }
                (false, false) => errors.required(&at.child("maxUnavailable"), "cannot be 0 when maxSurge is 0"),
                _ => {}
            }
        }
        _ => {
            let shown = show::line(strategy, "apps.v1.DaemonSetUpdateStrategy");
            let message = format!("Unsupported value: {shown}: supported values: \"RollingUpdate\", \"OnDelete\"");
            errors.push(Reason::NotSupported, path, message);
        }
    }
}
