//! The rules of what an autoscaler measures.

use serde_json::Value;

use crate::kinds::parts::amount;
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::rules::{formatted, text};

const SOURCES: &[(&str, &str)] = &[
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];

/// The rules of a reference by version, kind and name.
pub fn reference(reference: &Value, group: bool, path: &Path, errors: &mut Errors) {
    for field in ["kind", "name"] {
        match text(&reference[field]) {
            "" => errors.required(&path.child(field), ""),
            given => formatted(given, names::path_segment, &path.child(field), errors),
        }
    }
    let (version, at) = (text(&reference["apiVersion"]), path.child("apiVersion"));
    if version.matches('/').count() > 1 {
        errors.invalid_text(&at, version, &format!("unexpected GroupVersion string: {version}"));
    } else if group && !version.contains('/') {
        errors.invalid_text(&at, version, "apiVersion must specify API group");
    }
}

/// The rules of one metric.
pub fn validate(metric: &Value, path: &Path, errors: &mut Errors) {
    let kind = text(&metric["type"]);
    if kind.is_empty() {
        errors.required(&path.child("type"), "must specify a metric source type");
    }
    if !SOURCES.iter().any(|(known, _)| *known == kind) {
        let supported = ["ContainerResource", "External", "Object", "Pods", "Resource"];
        errors.not_supported(&path.child("type"), &kind.into(), &supported);
    }
    let given: Vec<&str> = SOURCES.iter().map(|(_, field)| *field).filter(|field| !metric[*field].is_null()).collect();
    if let Some(first) = given.first() {
        source(first, &metric[*first], &path.child(first), errors);
    }
    let expected = SOURCES.iter().find(|(known, _)| *known == kind).map_or("", |(_, field)| *field);
    if !expected.is_empty() && metric[expected].is_null() {
        errors.required(&path.child(expected), "must populate information for the given metric source");
    }
    if given.len() != 1 {
        for field in given.iter().filter(|field| **field != expected) {
            errors.forbidden(&path.child(field), "must populate the given metric source only");
        }
    }
}

fn source(which: &str, source: &Value, path: &Path, errors: &mut Errors) {
    let (wanted, at) = (&source["target"], path.child("target"));
    let has = |field: &str| !wanted[field].is_null();
    match which {
        "resource" | "containerResource" => {
            if text(&source["name"]).is_empty() {
                errors.required(&path.child("name"), "must specify a resource name");
            }
            if which == "containerResource" && text(&source["container"]).is_empty() {
                errors.required(&path.child("container"), "must specify a container");
            }
            target(wanted, &at, errors);
            match (has("averageUtilization"), has("averageValue")) {
                (false, false) => errors.required(
                    &at.child("averageUtilization"),
                    "must set either a target raw value or a target utilization",
                ),
                (true, true) => errors.forbidden(
                    &at.child("averageValue"),
                    "may not set both a target raw value and a target utilization",
                ),
                _ => {}
            }
        }
        "pods" => {
            identifier(&source["metric"], &path.child("metric"), errors);
            target(wanted, &at, errors);
            if !has("averageValue") || amount::nano(&wanted["averageValue"]) <= 0 {
                errors.required(&at.child("averageValue"), "must specify a positive target averageValue");
            }
        }
        "object" => {
            reference(&source["describedObject"], false, &path.child("describedObject"), errors);
            identifier(&source["metric"], &path.child("metric"), errors);
            target(wanted, &at, errors);
            match (has("value"), has("averageValue")) {
                (true, true) => {
                    errors.forbidden(&at.child("averageValue"), "may not set both value and averageValue");
                }
                (false, false) => {
                    errors.required(&at.child("averageValue"), "must set either a target value or averageValue");
                }
                _ => {}
            }
        }
        _ => {
            identifier(&source["metric"], &path.child("metric"), errors);
            target(wanted, &at, errors);
            match (has("value"), has("averageValue")) {
                (true, true) => errors
                    .forbidden(&at.child("value"), "may not set both a target value for metric and a per-pod target"),
                (false, false) => errors.required(
                    &at.child("averageValue"),
                    "must set either a target value for metric or a per-pod target",
                ),
                _ => {}
            }
        }
    }
}

fn identifier(metric: &Value, path: &Path, errors: &mut Errors) {
    match text(&metric["name"]) {
        "" => errors.required(&path.child("name"), ""),
        name => formatted(name, names::path_segment, &path.child("name"), errors),
    }
    crate::kinds::parts::selector::validate(&metric["selector"], &path.child("selector"), errors);
}

fn target(target: &Value, path: &Path, errors: &mut Errors) {
    let kind = text(&target["type"]);
    if kind.is_empty() {
        errors.required(&path.child("type"), "must specify a metric target type");
    }
    if !matches!(kind, "Utilization" | "Value" | "AverageValue") {
        errors.invalid_text(&path.child("type"), kind, "must be either Utilization, Value, or AverageValue");
    }
    for field in ["value", "averageValue"] {
        if !target[field].is_null() && amount::nano(&target[field]) <= 0 {
            errors.invalid_text(&path.child(field), &amount::show(&target[field]), "must be positive");
        }
    }
    if let Some(percent) = target["averageUtilization"].as_i64().filter(|percent| *percent < 1) {
        errors.invalid(&path.child("averageUtilization"), &percent.into(), "must be greater than 0");
    }
}
