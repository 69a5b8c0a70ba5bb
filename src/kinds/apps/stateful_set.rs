//! StatefulSet: pods with names and storage of their own.

use jiff::Timestamp;
use serde_json::Value;

use super::replica_set::{not_above, template_warnings};
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column, wide};
use crate::kinds::parts::{intstr, pod_defaults, show, template};
use crate::kinds::{Column, Kind, SCALE, STATUS, Strategy, spec_changed};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::object::Object;
use crate::schema::rules::Fill::{self, NumberPointer, Text, TextPointer};
use crate::schema::rules::Rule::{At, Given, NotNegative, OneOf};
use crate::schema::rules::{Fills, Rule, check, each_map, fill, formatted, number, text};

const FILLS: Fills = &[
    ("", &[("spec", Fill::Map), ("status", Fill::Map)]),
    (
        "spec",
        &[
            ("podManagementPolicy", Text("OrderedReady")),
            ("updateStrategy", Fill::Map),
            ("persistentVolumeClaimRetentionPolicy", Fill::Map),
            ("replicas", NumberPointer(1)),
            ("revisionHistoryLimit", NumberPointer(10)),
        ],
    ),
    ("spec.updateStrategy", &[("type", Text("RollingUpdate"))]),
    ("spec.persistentVolumeClaimRetentionPolicy", &[("whenDeleted", Text("Retain")), ("whenScaled", Text("Retain"))]),
    (
        "spec.volumeClaimTemplates.*",
        &[
            ("apiVersion", Text("v1")),
            ("kind", Text("PersistentVolumeClaim")),
            ("metadata", Fill::Map),
            ("status", Fill::Map),
        ],
    ),
    ("spec.volumeClaimTemplates.*.spec", &[("volumeMode", TextPointer("Filesystem"))]),
    ("spec.volumeClaimTemplates.*.status", &[("phase", Text("Pending"))]),
];
const RETENTION: &[Rule] =
    &[At("whenDeleted", &[OneOf(&["Delete", "Retain"])]), At("whenScaled", &[OneOf(&["Delete", "Retain"])])];
const NUMBERS: &[Rule] = &[
    At("replicas", &[NotNegative]),
    At("minReadySeconds", &[NotNegative]),
    At("ordinals", &[Given(&[At("start", &[NotNegative])])]),
];
const COUNTS: &[Rule] = &[
    At("replicas", &[NotNegative]),
    At("readyReplicas", &[NotNegative]),
    At("currentReplicas", &[NotNegative]),
    At("updatedReplicas", &[NotNegative]),
    At("availableReplicas", &[NotNegative]),
    At("observedGeneration", &[Given(&[NotNegative])]),
    At("collisionCount", &[Given(&[NotNegative])]),
];
const COLUMNS: &[Row] = &[
    NAME,
    text_column("Ready", About::Text("Number of the pod with ready state")),
    AGE,
    wide("Containers", About::Text(table::CONTAINERS)),
    wide("Images", About::Text(table::IMAGES)),
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("apps", "v1", "StatefulSet", "statefulsets", StatefulSet)
        .short(&["sts"])
        .categories(&["all"])
        .subresources(&[SCALE, STATUS])
}

struct StatefulSet;

/// Claim templates in the notation of messages, which has no type in each.
fn claims(list: &Value) -> String {
    let mut list = list.clone();
    for claim in list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        claim.retain(|key, _| key != "apiVersion" && key != "kind");
    }
    show::list(&list, "core.v1.PersistentVolumeClaim")
}

/// The rules that hold on a create and on an update.
fn common(object: &Value, errors: &mut Errors) {
    let (spec, path) = (&object["spec"], Path::new("spec"));
    let policy = text(&spec["podManagementPolicy"]);
    if !matches!(policy, "OrderedReady" | "Parallel") {
        let detail = "must be 'OrderedReady' or 'Parallel'";
        errors.invalid_text(&path.child("podManagementPolicy"), policy, detail);
    }
    strategy(&spec["updateStrategy"], &path.child("updateStrategy"), errors);
    let retention = "persistentVolumeClaimRetentionPolicy";
    check(RETENTION, &spec[retention], &path.child(retention), errors);
    check(NUMBERS, spec, &path, errors);
    template::selector_given(&spec["selector"], "statefulset", &path.child("selector"), errors);
    let at = path.child("template");
    if template::selector_works(&spec["selector"], "", &path.child("selector"), errors) {
        template::labels_match(&spec["selector"], &spec["template"], &at, errors);
        template::validate(&spec["template"], &at, errors);
        template::runs_forever(&spec["template"], "StatefulSet", &at, errors);
    }
}

impl Strategy for StatefulSet {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
        pod_defaults::template(object.section_mut("spec").entry("template").or_insert(Value::Null));
        each_map(object, "spec.updateStrategy", &mut |strategy| {
            if strategy.get("type").is_some_and(|kind| kind == "RollingUpdate") {
                Fill::Map.apply(strategy, "rollingUpdate");
                if let Some(Value::Object(rolling)) = strategy.get_mut("rollingUpdate") {
                    NumberPointer(0).apply(rolling, "partition");
                    NumberPointer(1).apply(rolling, "maxUnavailable");
                }
            }
        });
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        common(object, errors);
        // Older objects may have any name there.
        let service = text(&object["spec"]["serviceName"]);
        if !service.is_empty() {
            formatted(service, names::dns1123_label, &Path::new("spec").child("serviceName"), errors);
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        common(object, errors);
        template::selector_stays(object, old, errors);
        for field in ["volumeClaimTemplates", "serviceName", "podManagementPolicy"] {
            if object["spec"][field] != old["spec"][field] {
                let value = &object["spec"][field];
                let shown = if field == "volumeClaimTemplates" { claims(value) } else { value.to_string() };
                errors.invalid_raw(&Path::new("spec").child(field), &shown, "field is immutable");
            }
        }
    }

    fn validate_status(&self, object: &Value, _old: &Value, errors: &mut Errors) {
        let (status, path) = (&object["status"], Path::new("status"));
        check(COUNTS, status, &path, errors);
        let all = number(&status["replicas"]);
        for field in ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"] {
            not_above(status, field, all, "status.replicas", &path, errors);
        }
        not_above(status, "availableReplicas", number(&status["readyReplicas"]), "status.readyReplicas", &path, errors);
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        let mut out = template_warnings(object, old);
        if object["spec"]["revisionHistoryLimit"].as_i64().is_some_and(|limit| limit < 0) {
            out.push("spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended".to_owned());
        }
        out
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let (containers, images) = table::containers(&object["spec"]["template"]);
        let ready = format!("{}/{}", number(&object["status"]["readyReplicas"]), number(&object["spec"]["replicas"]));
        vec![object["metadata"]["name"].clone(), ready.into(), table::age(object, now), containers, images]
    }
}

fn strategy(strategy: &Value, path: &Path, errors: &mut Errors) {
    let (rolling, at) = (&strategy["rollingUpdate"], path.child("rollingUpdate"));
    match text(&strategy["type"]) {
        "OnDelete" => {
            if !rolling.is_null() {
                let shown = show::line(rolling, "apps.v1.RollingUpdateStatefulSetStrategy");
                errors.invalid_raw(&at, &shown, "only allowed for updateStrategy 'RollingUpdate'");
            }
        }
        "RollingUpdate" => {
            check(&[At("partition", &[NotNegative])], rolling, &at, errors);
            let (unavailable, at) = (&rolling["maxUnavailable"], at.child("maxUnavailable"));
            if !unavailable.is_null() {
                intstr::count(unavailable, &at, errors);
                if intstr::amount(unavailable) == 0 {
                    errors.invalid(&at, unavailable, "cannot be 0");
                }
                intstr::at_most_whole(unavailable, &at, errors);
            }
        }
        _ => {
            let shown = show::line(strategy, "apps.v1.StatefulSetUpdateStrategy");
            errors.invalid_raw(path, &shown, "must be 'RollingUpdate' or 'OnDelete'");
        }
    }
}
