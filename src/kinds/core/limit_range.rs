//! LimitRange: how much one container, pod or claim of a namespace may ask for.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::parts::table::{self, CREATED, NAME};
use crate::kinds::parts::{amount, resources};
use crate::kinds::{Column, Kind, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::rules::{each_map, entries, formatted, items, text};

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new("", "v1", "LimitRange", "limitranges", LimitRange).short(&["limits"])
}

struct LimitRange;

impl Strategy for LimitRange {
    fn default(&self, object: &mut Value) {
        each_map(object, "spec.limits.*", &mut |limit| {
            if limit.get("type").is_none_or(|kind| kind != "Container") {
                return;
            }
            for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
                let Some(given) = limit.get(from).and_then(Value::as_object).cloned() else { continue };
                let target = limit.entry(to).or_insert(Value::Null);
                if !target.is_object() {
                    *target = Value::Object(serde_json::Map::new());
                }
                for (name, amount) in given {
                    if target.get(&name).is_none() {
                        target[name] = amount;
                    }
                }
            }
        });
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let limits = items(&object["spec"]["limits"]);
        for (index, limit) in limits.iter().enumerate() {
            let at = Path::new("spec").child("limits").index(index);
            type_name(limit, &at, errors);
            if limits.iter().take(index).any(|other| other["type"] == limit["type"]) {
                errors.duplicate(&at.child("type"), &limit["type"]);
            }
            one(limit, &at, errors);
        }
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(&[NAME, CREATED])
    }

    fn cells(&self, object: &Value, _now: Timestamp) -> Vec<Value> {
        vec![object["metadata"]["name"].clone(), object["metadata"]["creationTimestamp"].clone()]
    }
}

fn type_name(limit: &Value, path: &Path, errors: &mut Errors) {
    let (kind, at, before) = (text(&limit["type"]), path.child("type"), errors.len());
    formatted(kind, names::qualified_name, &at, errors);
    let standard = matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim");
    if errors.len() == before && !kind.contains('/') && !standard {
        errors.invalid_text(&at, kind, "must be a standard limit type or fully qualified");
    }
}

fn one(limit: &Value, path: &Path, errors: &mut Errors) {
    let kind = text(&limit["type"]);
    let named = |field: &str, errors: &mut Errors| {
        for (name, _) in entries(&limit[field]) {
            let at = path.child(field).key(name);
            if matches!(kind, "Pod" | "Container") {
                resources::container_name(name, &at, errors);
            } else {
                resources::name(name, &at, errors);
            }
        }
    };
    named("max", errors);
    named("min", errors);
    for field in ["default", "defaultRequest"] {
        if kind != "Pod" {
            named(field, errors);
        } else if entries(&limit[field]).next().is_some() {
            errors.forbidden(&path.child(field), "may not be specified when `type` is 'Pod'");
        }
    }
    if kind == "PersistentVolumeClaim" && limit["min"]["storage"].is_null() && limit["max"]["storage"].is_null() {
        let detail = "either minimum or maximum storage value is required, but neither was provided";
        errors.required(&path.child("limits"), detail);
    }
    named("maxLimitRequestRatio", errors);
    let mut all: Vec<&String> = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"]
        .iter()
        .flat_map(|field| entries(&limit[*field]).map(|(name, _)| name))
        .collect();
    all.sort_unstable();
    all.dedup();
    for name in all {
        amounts(limit, name, path, errors);
    }
}

/// The rules between the amounts of one resource.
fn amounts(limit: &Value, name: &str, path: &Path, errors: &mut Errors) {
    let pod = limit["type"] == "Pod";
    let get = |field: &str| -> Option<&Value> {
        let skip = pod && field.starts_with("default");
        limit[field].get(name).filter(|_| !skip)
    };
    let (min, max, default, request) = (get("min"), get("max"), get("default"), get("defaultRequest"));
    let above = |left: &Value, right: &Value| amount::compare(left, right) == Ordering::Greater;
    let mut rule = |field: &str, shown: Option<&Value>, left: (&str, Option<&Value>), right: (&str, Option<&Value>)| {
        if let (Some(shown), Some(a), Some(b)) = (shown, left.1, right.1)
            && above(a, b)
        {
            let detail =
                format!("{} value {} is greater than {} value {}", left.0, amount::show(a), right.0, amount::show(b));
            errors.invalid_text(&path.child(field).key(name), &amount::show(shown), &detail);
        }
    };
    rule("min", min, ("min", min), ("max", max));
    rule("defaultRequest", request, ("min", min), ("default request", request));
    rule("defaultRequest", request, ("default request", request), ("max", max));
    rule("defaultRequest", request, ("default request", request), ("default limit", default));
    rule("default", min, ("min", min), ("default", default));
    rule("default", max, ("default", default), ("max", max));
    let Some(ratio) = get("maxLimitRequestRatio") else { return };
    let (at, shown) = (path.child("maxLimitRequestRatio").key(name), amount::show(ratio));
    if amount::milli(ratio) < 1000 {
        errors.invalid_text(&at, &shown, &format!("ratio {shown} is less than 1"));
    }
    if let (Some(min), Some(max)) = (min, max) {
        #[allow(clippy::cast_precision_loss)]
        let (most, given) = (amount::nano(max) as f64 / amount::nano(min) as f64, amount::nano(ratio) as f64 / 1e9);
        if given > most {
            errors.invalid_text(&at, &shown, &format!("ratio {shown} is greater than max/min = {most:.6}"));
        }
    }
    if let (Some(default), Some(request)) = (default, request)
        && !resources::allows_overcommit(name)
        && !amount::same(default, request)
    {
        let shown = amount::show(request);
        let detail =
            format!("default value {} must equal to defaultRequest value {shown} in {name}", amount::show(default));
        errors.invalid_text(&path.child("defaultRequest").key(name), &shown, &detail);
    }
}
