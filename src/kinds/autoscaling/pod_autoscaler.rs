//! HorizontalPodAutoscaler: a number of replicas that follows measurements.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::parts::amount;
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, STATUS, Strategy, spec_changed};
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;
use crate::schema::rules::Fill::{NumberPointer, TextPointer};
use crate::schema::rules::{Fill, Fills, fill, items, number, text};

mod first;
mod metric;
mod texts;

const FILLS: Fills = &[
    ("", &[("spec", Fill::Map), ("status", Fill::Map)]),
    ("spec", &[("minReplicas", NumberPointer(1)), ("scaleTargetRef", Fill::Map)]),
    ("spec.behavior", &[("scaleUp", Fill::Map), ("scaleDown", Fill::Map)]),
    (
        "spec.behavior.scaleUp",
        &[("stabilizationWindowSeconds", NumberPointer(0)), ("selectPolicy", TextPointer("Max"))],
    ),
    ("spec.behavior.scaleDown", &[("selectPolicy", TextPointer("Max"))]),
];
const FIRST_FILLS: Fills = &[
    ("", &[("spec", Fill::Map), ("status", Fill::Map)]),
    ("spec", &[("minReplicas", NumberPointer(1)), ("scaleTargetRef", Fill::Map)]),
];
const WINDOW_MAX: i64 = 3600;
const PERIOD_MAX: i64 = 1800;
const OF_SPEC: &str = "api.autoscaling.v2.HorizontalPodAutoscalerSpec";
const COLUMNS: &[Row] = &[
    NAME,
    text_column("Reference", About::Field(OF_SPEC, "scaleTargetRef")),
    text_column("Targets", About::Field(OF_SPEC, "metrics")),
    text_column("MinPods", About::Field(OF_SPEC, "minReplicas")),
    text_column("MaxPods", About::Field(OF_SPEC, "maxReplicas")),
    text_column("Replicas", About::Field("api.autoscaling.v2.HorizontalPodAutoscalerStatus", "currentReplicas")),
    AGE,
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new(
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        HorizontalPodAutoscaler { first: false },
    )
    .short(&["hpa"])
    .categories(&["all"])
    .subresources(&[STATUS])
}

/// The kind in its first version.
#[must_use]
pub fn first_kind() -> Kind {
    Kind::new(
        "autoscaling",
        "v1",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        HorizontalPodAutoscaler { first: true },
    )
    .short(&["hpa"])
    .categories(&["all"])
    .subresources(&[STATUS])
    .converted(&first::First)
}

struct HorizontalPodAutoscaler {
    first: bool,
}

impl Strategy for HorizontalPodAutoscaler {
    fn default(&self, object: &mut Value) {
        if self.first {
            fill(object, FIRST_FILLS);
            return;
        }
        fill(object, FILLS);
        let spec = object.section_mut("spec");
        if spec.get("metrics").is_none_or(|metrics| items(metrics).is_empty()) {
            let target = json!({"type": "Utilization", "averageUtilization": 80});
            let metrics = json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
            spec.insert("metrics".to_owned(), metrics);
        }
        if let Some(behavior) = spec.get_mut("behavior").filter(|behavior| behavior.is_object()) {
            let percent = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
            let pods = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
            for (direction, policies) in [("scaleUp", json!([pods, percent])), ("scaleDown", json!([percent]))] {
                if behavior[direction]["policies"].is_null() {
                    behavior[direction]["policies"] = policies;
                }
            }
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        object["status"] = json!({"currentMetrics": null, "desiredReplicas": 0});
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        let (least, most) = (spec["minReplicas"].as_i64(), number(&spec["maxReplicas"]));
        if let Some(least) = least.filter(|least| *least < 1) {
            errors.invalid(&path.child("minReplicas"), &least.into(), "must be greater than or equal to 1");
        }
        let at = path.child("maxReplicas");
        if most < 1 {
            errors.invalid(&at, &most.into(), "must be greater than 0");
        }
        if least.is_some_and(|least| most < least) {
            errors.invalid(&at, &most.into(), "must be greater than or equal to `minReplicas`");
        }
        metric::reference(&spec["scaleTargetRef"], true, &path.child("scaleTargetRef"), errors);
        for (index, one) in items(&spec["metrics"]).iter().enumerate() {
            metric::validate(one, &path.child("metrics").index(index), errors);
        }
        for direction in ["scaleUp", "scaleDown"] {
            rules(&spec["behavior"][direction], &path.child("behavior").child(direction), errors);
        }
    }

    fn validate_status(&self, object: &Value, _old: &Value, errors: &mut Errors) {
        for field in ["currentReplicas", "desiredReplicas"] {
            let count = number(&object["status"][field]);
            if count < 0 {
                let at = Path::new("status").child(field);
                errors.invalid(&at, &count.into(), "must be greater than or equal to 0");
            }
        }
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let (spec, status) = (&object["spec"], &object["status"]);
        let target = &spec["scaleTargetRef"];
        let least = spec["minReplicas"].as_i64().map_or("<unset>".to_owned(), |least| least.to_string());
        vec![
            object["metadata"]["name"].clone(),
            format!("{}/{}", text(&target["kind"]), text(&target["name"])).into(),
            targets(items(&spec["metrics"]), items(&status["currentMetrics"])).into(),
            least.into(),
            table::number(&spec["maxReplicas"]),
            table::number(&status["currentReplicas"]),
            table::age(object, now),
        ]
    }
}

fn rules(rules: &Value, path: &Path, errors: &mut Errors) {
    if rules.is_null() {
        return;
    }
    if let Some(window) = rules["stabilizationWindowSeconds"].as_i64() {
        let at = path.child("stabilizationWindowSeconds");
        if window < 0 {
            errors.invalid(&at, &window.into(), "must be greater than or equal to zero");
        }
        if window > WINDOW_MAX {
            errors.invalid(&at, &window.into(), &format!("must be less than or equal to {WINDOW_MAX}"));
        }
    }
    let tolerance = &rules["tolerance"];
    if !tolerance.is_null() && amount::nano(tolerance) < 0 {
        let detail = "must be greater or equal to zero";
        errors.invalid_text(&path.child("tolerance"), &amount::show(tolerance), detail);
    }
    if let Some(select) = rules["selectPolicy"].as_str() {
        let supported = ["Disabled", "Max", "Min"];
        if !supported.contains(&select) {
            errors.not_supported(&path.child("selectPolicy"), &select.into(), &supported);
        }
    }
    let policies = items(&rules["policies"]);
    if policies.is_empty() {
        errors.required(&path.child("policies"), "must specify at least one Policy");
    }
    for (index, policy) in policies.iter().enumerate() {
        let at = path.child("policies").index(index);
        if !matches!(text(&policy["type"]), "Pods" | "Percent") {
            errors.not_supported(&at.child("type"), &text(&policy["type"]).into(), &["Percent", "Pods"]);
        }
        for field in ["value", "periodSeconds"] {
            if number(&policy[field]) <= 0 {
                errors.invalid(&at.child(field), &number(&policy[field]).into(), "must be greater than zero");
            }
        }
        if number(&policy["periodSeconds"]) > PERIOD_MAX {
            let detail = format!("must be less than or equal to {PERIOD_MAX}");
            errors.invalid(&at.child("periodSeconds"), &policy["periodSeconds"], &detail);
        }
    }
}

/// What is measured and what is wanted, for at most two metrics.
fn targets(metrics: &[Value], current: &[Value]) -> String {
    const MAX: usize = 2;
    if metrics.is_empty() {
        return "<none>".to_owned();
    }
    let shown: Vec<String> = metrics
        .iter()
        .take(MAX)
        .enumerate()
        .map(|(index, metric)| one_target(metric, current.get(index).unwrap_or(&Value::Null)))
        .collect();
    let shown = shown.join(", ");
    if metrics.len() > MAX { format!("{shown} + {} more...", metrics.len() - MAX) } else { shown }
}

fn one_target(metric: &Value, current: &Value) -> String {
    let (source, name) = match text(&metric["type"]) {
        "External" => ("external", ""),
        "Pods" => ("pods", ""),
        "Object" => ("object", ""),
        "Resource" => ("resource", text(&metric["resource"]["name"])),
        "ContainerResource" => ("containerResource", text(&metric["containerResource"]["name"])),
        _ => return "<unknown type>".to_owned(),
    };
    let prefix = if name.is_empty() { String::new() } else { format!("{name}: ") };
    let (target, now) = (&metric[source]["target"], &current[source]["current"]);
    let measured = |field: &str| {
        if now[field].is_null() { "<unknown>".to_owned() } else { amount::show(&now[field]) }
    };
    if !target["averageValue"].is_null() {
        let tail = if matches!(source, "external" | "object") { " (avg)" } else { "" };
        return format!("{prefix}{}/{}{tail}", measured("averageValue"), amount::show(&target["averageValue"]));
    }
    if matches!(source, "external" | "object") {
        return format!("{}/{}", measured("value"), amount::show(&target["value"]));
    }
    let percent = |value: &Value, none: &str| value.as_i64().map_or(none.to_owned(), |value| format!("{value}%"));
    let (now, wanted) =
        (percent(&now["averageUtilization"], "<unknown>"), percent(&target["averageUtilization"], "<auto>"));
    format!("{prefix}{now}/{wanted}")
}
