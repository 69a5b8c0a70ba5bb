//! PodDisruptionBudget: how many pods of a kind must stay while others are moved.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::parts::conditions::conditions;
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column, whole};
use crate::kinds::parts::{intstr, selector, show};
use crate::kinds::{Column, Kind, STATUS, Strategy, spec_changed};
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;
use crate::schema::rules::Rule::{At, NotNegative};
use crate::schema::rules::{Fill, Fills, Rule, check, fill};

const FILLS: Fills = &[("", &[("spec", Fill::Map), ("status", Fill::Map)])];
const POLICIES: &[&str] = &["AlwaysAllow", "IfHealthyBudget"];
const COUNTS: &[Rule] = &[
    At("disruptionsAllowed", &[NotNegative]),
    At("currentHealthy", &[NotNegative]),
    At("desiredHealthy", &[NotNegative]),
    At("expectedPods", &[NotNegative]),
];
const COLUMNS: &[Row] = &[
    NAME,
    text_column("Min Available", About::Text("The minimum number of pods that must be available.")),
    text_column("Max Unavailable", About::Text("The maximum number of pods that may be unavailable.")),
    whole("Allowed Disruptions", About::Text("Calculated number of pods that may be disrupted at this time.")),
    AGE,
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", PodDisruptionBudget)
        .short(&["pdb"])
        .subresources(&[STATUS])
}

struct PodDisruptionBudget;

impl Strategy for PodDisruptionBudget {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
    }

    fn prepare_create(&self, object: &mut Value) {
        object["status"] =
            json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0});
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
            let shown = show::line(spec, "policy.v1.PodDisruptionBudgetSpec");
            errors.invalid_raw(&path, &shown, "minAvailable and maxUnavailable cannot be both set");
        }
        for field in ["minAvailable", "maxUnavailable"] {
            if !spec[field].is_null() {
                intstr::count(&spec[field], &path.child(field), errors);
                intstr::at_most_whole(&spec[field], &path.child(field), errors);
            }
        }
        selector::validate(&spec["selector"], &path.child("selector"), errors);
        if let Some(policy) = spec["unhealthyPodEvictionPolicy"].as_str()
            && !POLICIES.contains(&policy)
        {
            errors.not_supported(&path.child("unhealthyPodEvictionPolicy"), &policy.into(), POLICIES);
        }
    }

    fn validate_status(&self, object: &Value, _old: &Value, errors: &mut Errors) {
        let (status, path) = (&object["status"], Path::new("status"));
        conditions(&status["conditions"], &path.child("conditions"), errors);
        check(COUNTS, status, &path, errors);
    }

    fn counts_generation(&self, object: &Value, old: &Value) -> Option<bool> {
        Some(spec_changed(object, old))
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let spec = &object["spec"];
        vec![
            object["metadata"]["name"].clone(),
            amount(&spec["minAvailable"]),
            amount(&spec["maxUnavailable"]),
            table::number(&object["status"]["disruptionsAllowed"]),
            table::age(object, now),
        ]
    }
}

/// Sets the condition that says whether a pod may go now, from `status.disruptionsAllowed`; its time
/// is that of the last change.
pub fn show_allowed(budget: &mut Value, now: &str) {
    let allowed = budget["status"]["disruptionsAllowed"].as_i64().unwrap_or(0) > 0;
    let (status, reason) = if allowed { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    show_condition(budget, (status, reason, ""), now);
}

/// Sets the condition `DisruptionAllowed` to a status, a reason and a message.
pub fn show_condition(budget: &mut Value, (status, reason, message): (&str, &str, &str), now: &str) {
    let generation = budget["status"]["observedGeneration"].as_i64().unwrap_or(0);
    let list = budget.section_mut("status").entry("conditions").or_insert_with(|| json!([]));
    if !list.is_array() {
        *list = json!([]);
    }
    let Some(list) = list.as_array_mut() else { return };
    let at = list.iter().position(|one| one["type"] == "DisruptionAllowed");
    let old = at.and_then(|at| list.get(at)).filter(|old| old["status"] == status);
    let since = old.map_or_else(|| now.into(), |old| old["lastTransitionTime"].clone());
    let mut condition = json!({
        "type": "DisruptionAllowed", "status": status, "reason": reason, "message": message,
        "lastTransitionTime": since,
    });
    if generation > 0 {
        condition["observedGeneration"] = generation.into();
    }
    match at.and_then(|at| list.get_mut(at)) {
        Some(place) => *place = condition,
        None => list.push(condition),
    }
}

fn amount(value: &Value) -> Value {
    match value {
        Value::Null => "N/A".into(),
        Value::String(text) => text.as_str().into(),
        other => other.to_string().into(),
    }
}
