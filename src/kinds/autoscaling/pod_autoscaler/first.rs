//! The first version of the autoscaler, which knows a target for the processor alone: the way to
//! the stored version and back. What it has no field for goes in annotations, as JSON whose members
//! stand in the order of the API's types.

use serde_json::{Map, Value, json};

use super::texts;
use crate::kinds::conversion::Conversion;
use crate::schema::object::Object;
use crate::schema::rules::{items, text};

/// All metrics but the first target for the processor.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
/// How fast it scales.
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
/// What was measured.
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
/// Conditions of the status.
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
/// Percent of the requested processor time that is aimed at where nothing is said.
const CPU_DEFAULT: i64 = 80;

/// `autoscaling/v1`, stored as `autoscaling/v2`.
pub struct First;

impl Conversion for First {
    fn group(&self) -> &'static str {
        "autoscaling"
    }

    fn version(&self) -> &'static str {
        "v2"
    }

    fn store(&self, object: &mut Value) {
        let carried = take_annotations(object);
        let spec = object.section_mut("spec");
        let mut metrics: Vec<Value> =
            spec.remove("targetCPUUtilizationPercentage").map(cpu_target).into_iter().collect();
        if let Some(others) = carried.metrics {
            metrics.extend(items(&others).iter().map(|metric| texts::read_metric(metric, false)));
        }
        if metrics.is_empty() {
            metrics.push(cpu_target(CPU_DEFAULT.into()));
        }
        spec.insert("metrics".into(), metrics.into());
        if let Some(behavior) = carried.behavior.as_ref().and_then(texts::read_behavior) {
            spec.insert("behavior".into(), behavior);
        }
        let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) else { return };
        let cpu = status.remove("currentCPUUtilizationPercentage");
        let current = match carried.current {
            Some(current) => items(&current).iter().map(|metric| texts::read_metric(metric, true)).collect(),
            None => cpu.map(cpu_current).into_iter().collect::<Vec<Value>>(),
        };
        if !current.is_empty() {
            status.insert("currentMetrics".into(), current.into());
        }
        if let Some(conditions) = carried.conditions {
            status.insert("conditions".into(), conditions);
        }
    }

    fn show(&self, object: &mut Value) {
        take_annotations(object);
        let mut notes = Map::new();
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
            let metrics = spec.remove("metrics").unwrap_or_default();
            let cpu = items(&metrics).iter().find(|metric| is_cpu(metric));
            let percent = cpu.map(|metric| &metric["resource"]["target"]["averageUtilization"]);
            if let Some(percent) = percent.filter(|percent| !percent.is_null()) {
                spec.insert("targetCPUUtilizationPercentage".into(), percent.clone());
            }
            let carried =
                |metric: &&Value| !is_cpu(metric) || metric["resource"]["target"]["averageUtilization"].is_null();
            let others: Vec<String> =
                items(&metrics).iter().filter(carried).map(|metric| texts::metric(metric, false)).collect();
            note(&mut notes, METRICS, &others);
            if let Some(behavior) = spec.remove("behavior").filter(|behavior| !behavior.is_null()) {
                notes.insert(BEHAVIOR.into(), texts::behavior(&behavior).into());
            }
        }
        if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
            let current = status.remove("currentMetrics").unwrap_or_default();
            let measured = |metric: &Value| metric["resource"]["current"]["averageUtilization"].clone();
            let percents = items(&current).iter().filter(|metric| is_cpu(metric)).map(measured);
            if let Some(percent) = percents.filter(|percent| !percent.is_null()).last() {
                status.insert("currentCPUUtilizationPercentage".into(), percent);
            }
            let all: Vec<String> = items(&current).iter().map(|metric| texts::metric(metric, true)).collect();
            note(&mut notes, CURRENT, &all);
            let conditions = status.remove("conditions").unwrap_or_default();
            let all: Vec<String> = items(&conditions).iter().map(texts::condition).collect();
            note(&mut notes, CONDITIONS, &all);
        }
        if !notes.is_empty() {
            let annotations = object.metadata_mut().entry("annotations").or_insert_with(|| json!({}));
            if let Some(annotations) = annotations.as_object_mut() {
                annotations.extend(notes);
            }
        }
    }
}

/// What annotations carry, read.
#[derive(Default)]
struct Carried {
    metrics: Option<Value>,
    behavior: Option<Value>,
    current: Option<Value>,
    conditions: Option<Value>,
}

/// Takes the annotations out that stand for fields. One that is no JSON counts as not there.
fn take_annotations(object: &mut Value) -> Carried {
    let meta = object.metadata_mut();
    let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) else {
        return Carried::default();
    };
    let mut take = |name: &str| annotations.remove(name).and_then(|said| serde_json::from_str(text(&said)).ok());
    let carried = Carried {
        metrics: take(METRICS),
        behavior: take(BEHAVIOR),
        current: take(CURRENT),
        conditions: take(CONDITIONS),
    };
    if annotations.is_empty() {
        meta.remove("annotations");
    }
    carried
}

fn note(notes: &mut Map<String, Value>, name: &str, all: &[String]) {
    if !all.is_empty() {
        notes.insert(name.to_owned(), format!("[{}]", all.join(",")).into());
    }
}

fn is_cpu(metric: &Value) -> bool {
    text(&metric["type"]) == "Resource" && text(&metric["resource"]["name"]) == "cpu"
}

fn cpu_target(percent: Value) -> Value {
    let target = json!({"type": "Utilization", "averageUtilization": percent});
    json!({"type": "Resource", "resource": {"name": "cpu", "target": target}})
}

fn cpu_current(percent: Value) -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": percent}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(stored: &Value) -> Value {
        let mut object = stored.clone();
        First.show(&mut object);
        object
    }

    #[test]
    fn what_the_first_version_cannot_say_comes_back_from_annotations() {
        let stored = json!({
            "metadata": {"name": "h", "annotations": {"own": "1"}},
            "spec": {
                "maxReplicas": 4,
                "metrics": [
                    {"type": "Resource", "resource": {"name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": 50}}},
                    {"type": "Pods", "pods": {"metric": {"name": "p", "selector": {"matchLabels": {"a": "b"}}},
                        "target": {"type": "AverageValue", "averageValue": "5"}}},
                    {"type": "External", "external": {"metric": {"name": "e"},
                        "target": {"type": "Value", "value": "7"}}},
                ],
                "behavior": {"scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max",
                    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}},
            },
            "status": {
                "desiredReplicas": 1,
                "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu",
                    "current": {"averageUtilization": 40, "averageValue": "4m"}}}],
                "conditions": [{"type": "AbleToScale", "status": "True", "lastTransitionTime": null}],
            },
        });
        let mut object = shown(&stored);
        assert_eq!(object["spec"], json!({"maxReplicas": 4, "targetCPUUtilizationPercentage": 50}));
        assert_eq!(object["status"], json!({"desiredReplicas": 1, "currentCPUUtilizationPercentage": 40}));
        assert_eq!(
            object["metadata"]["annotations"],
            json!({
                "own": "1",
                METRICS: "[{\"type\":\"Pods\",\"pods\":{\"metricName\":\"p\",\"targetAverageValue\":\"5\",\"selector\":\
                    {\"matchLabels\":{\"a\":\"b\"}}}},{\"type\":\"External\",\"external\":{\"metricName\":\"e\",\
                    \"targetValue\":\"7\"}}]",
                BEHAVIOR: "{\"ScaleUp\":{\"StabilizationWindowSeconds\":0,\"SelectPolicy\":\"Max\",\"Policies\":[{\
                    \"Type\":\"Percent\",\"Value\":100,\"PeriodSeconds\":15}],\"Tolerance\":null},\"ScaleDown\":null}",
                CURRENT: "[{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"currentAverageUtilization\":40,\
                    \"currentAverageValue\":\"4m\"}}]",
                CONDITIONS: "[{\"type\":\"AbleToScale\",\"status\":\"True\",\"lastTransitionTime\":null}]",
            })
        );
        First.store(&mut object);
        assert_eq!(object, stored);
    }

    #[test]
    fn without_any_metric_the_processor_is_aimed_at() {
        let mut object = json!({"metadata": {"name": "h"}, "spec": {"maxReplicas": 4}});
        First.store(&mut object);
        assert_eq!(object["spec"]["metrics"], json!([cpu_target(80.into())]));
        assert_eq!(shown(&object)["spec"], json!({"maxReplicas": 4, "targetCPUUtilizationPercentage": 80}));
    }

    #[test]
    fn annotations_that_are_no_json_are_dropped() {
        let mut object = json!({"metadata": {"annotations": {METRICS: "{", BEHAVIOR: "[]"}},
            "spec": {"targetCPUUtilizationPercentage": 10}});
        First.store(&mut object);
        assert_eq!(object, json!({"metadata": {}, "spec": {"metrics": [cpu_target(10.into())]}}));
    }
}
