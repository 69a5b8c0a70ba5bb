//! Deployment: pods of one template that are replaced bit by bit when the template changes.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::replica_set::{not_above, template_warnings};
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column, wide};
use crate::kinds::parts::{intstr, pod_defaults, selector, show, template, warnings};
use crate::kinds::{Column, Kind, SCALE, STATUS, Strategy, spec_changed};
use crate::schema::field::{Errors, Path, Reason};
use crate::schema::object::Object;
use crate::schema::rules::Rule::{At, Given, NotNegative};
use crate::schema::rules::{Fill, Fills, Rule, check, each_map, fill, number, text};

const FILLS: Fills = &[
    ("", &[("spec", Fill::Map), ("status", Fill::Map)]),
    (
        "spec",
        &[
            ("replicas", Fill::NumberPointer(1)),
            ("strategy", Fill::Map),
            ("revisionHistoryLimit", Fill::NumberPointer(10)),
            ("progressDeadlineSeconds", Fill::NumberPointer(600)),
        ],
    ),
    ("spec.strategy", &[("type", Fill::Text("RollingUpdate"))]),
];
const NUMBERS: &[Rule] = &[At("minReadySeconds", &[NotNegative]), At("revisionHistoryLimit", &[Given(&[NotNegative])])];
const COUNTS: &[Rule] = &[
    At("observedGeneration", &[NotNegative]),
    At("replicas", &[NotNegative]),
    At("updatedReplicas", &[NotNegative]),
    At("readyReplicas", &[NotNegative]),
    At("availableReplicas", &[NotNegative]),
    At("unavailableReplicas", &[NotNegative]),
    At("terminatingReplicas", &[NotNegative]),
    At("collisionCount", &[Given(&[NotNegative])]),
];
const COLUMNS: &[Row] = &[
    NAME,
    text_column("Ready", About::Text("Number of the pod with ready state")),
    text_column("Up-to-date", About::Field("api.apps.v1.DeploymentStatus", "updatedReplicas")),
    text_column("Available", About::Field("api.apps.v1.DeploymentStatus", "availableReplicas")),
    AGE,
    wide("Containers", About::Text(table::CONTAINERS)),
    wide("Images", About::Text(table::IMAGES)),
    wide("Selector", About::Field("api.apps.v1.DeploymentSpec", "selector")),
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("apps", "v1", "Deployment", "deployments", Deployment)
        .short(&["deploy"])
        .categories(&["all"])
        .subresources(&[SCALE, STATUS])
}

struct Deployment;

impl Strategy for Deployment {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
        pod_defaults::template(object.section_mut("spec").entry("template").or_insert(Value::Null));
        each_map(object, "spec.strategy", &mut |strategy| {
            if strategy.get("type").is_some_and(|kind| kind == "RollingUpdate") {
                let rolling = strategy.entry("rollingUpdate").or_insert_with(|| json!({}));
                if rolling.is_null() {
                    *rolling = json!({});
                }
                fill(
                    rolling,
                    &[("", &[("maxUnavailable", Fill::TextPointer("25%")), ("maxSurge", Fill::TextPointer("25%"))])],
                );
            }
        });
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        check(&[At("replicas", &[NotNegative])], spec, &path, errors);
        template::selector_given(&spec["selector"], "deployment", &path.child("selector"), errors);
        let at = path.child("template");
        if template::selector_works(&spec["selector"], "invalid label selector", &path.child("selector"), errors) {
            template::labels_match(&spec["selector"], &spec["template"], &at, errors);
            template::validate(&spec["template"], &at, errors);
            template::runs_forever(&spec["template"], "ReplicaSet", &at, errors);
        }
        strategy(&spec["strategy"], &path.child("strategy"), errors);
        check(NUMBERS, spec, &path, errors);
        if let Some(deadline) = spec["progressDeadlineSeconds"].as_i64() {
            let at = path.child("progressDeadlineSeconds");
            check(&[NotNegative], &spec["progressDeadlineSeconds"], &at, errors);
            if deadline <= number(&spec["minReadySeconds"]) {
                errors.invalid(&at, &deadline.into(), "must be greater than minReadySeconds");
            }
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        self.validate(object, errors);
        template::selector_stays(object, old, errors);
    }

    fn validate_status(&self, object: &Value, old: &Value, errors: &mut Errors) {
        let (status, path) = (&object["status"], Path::new("status"));
        check(COUNTS, status, &path, errors);
        let all = number(&status["replicas"]);
        for field in ["updatedReplicas", "readyReplicas", "availableReplicas"] {
            not_above(status, field, all, "status.replicas", &path, errors);
        }
        not_above(status, "availableReplicas", number(&status["readyReplicas"]), "readyReplicas", &path, errors);
        let (new, old) = (status["collisionCount"].as_i64(), old["status"]["collisionCount"].as_i64());
        if old.is_some_and(|old| new.is_none_or(|new| new < old)) {
            errors.invalid(&path.child("collisionCount"), &status["collisionCount"], "cannot be decremented");
        }
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old) || object.map("/metadata/annotations") != old.map("/metadata/annotations"))
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
        let ready = format!("{}/{}", number(&status["readyReplicas"]), number(&spec["replicas"]));
        vec![
            object["metadata"]["name"].clone(),
            ready.into(),
            table::number(&status["updatedReplicas"]),
            table::number(&status["availableReplicas"]),
            table::age(object, now),
            containers,
            images,
            selector::cell(&spec["selector"]).into(),
        ]
    }
}

fn strategy(strategy: &Value, path: &Path, errors: &mut Errors) {
    let (rolling, at) = (&strategy["rollingUpdate"], path.child("rollingUpdate"));
    match text(&strategy["type"]) {
        "Recreate" => {
            if !rolling.is_null() {
                errors.forbidden(&at, "may not be specified when strategy `type` is 'Recreate'");
            }
        }
        "RollingUpdate" => {
            let (unavailable, surge) = (&rolling["maxUnavailable"], &rolling["maxSurge"]);
            intstr::count(unavailable, &at.child("maxUnavailable"), errors);
            intstr::count(surge, &at.child("maxSurge"), errors);
            if intstr::amount(unavailable) == 0
                && intstr::amount(surge) == 0
                && is_count(unavailable)
                && is_count(surge)
            {
                errors.invalid(&at.child("maxUnavailable"), unavailable, "may not be 0 when `maxSurge` is 0");
            }
            intstr::at_most_whole(unavailable, &at.child("maxUnavailable"), errors);
        }
        _ => {
            let shown = show::line(strategy, "apps.v1.DeploymentStrategy");
            let message = format!("Unsupported value: {shown}: supported values: \"Recreate\", \"RollingUpdate\"");
            errors.push(Reason::NotSupported, path, message);
        }
    }
}

/// Whether the value is a number or a percentage.
fn is_count(value: &Value) -> bool {
    value.is_number() || intstr::percent(value).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_rolls_by_default() {
        let mut deployment = json!({"spec": {}});
        Deployment.default(&mut deployment);
        assert_eq!(
            deployment["spec"]["strategy"],
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}})
        );
    }
}
