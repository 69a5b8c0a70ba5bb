//! The rules of the status of a job.

use serde_json::Value;

use super::indexed;
use crate::kinds::parts::show;
use crate::schema::field::{Errors, Path, Reason};
use crate::schema::rules::Rule::{At, Given, NotNegative};
use crate::schema::rules::{Rule, check, items, number, text};

const COUNTS: &[Rule] = &[
    At("active", &[NotNegative]),
    At("succeeded", &[NotNegative]),
    At("failed", &[NotNegative]),
    At("ready", &[Given(&[NotNegative])]),
    At("terminating", &[Given(&[NotNegative])]),
];

/// The rules of an update of the status.
pub fn validate(object: &Value, old: &Value, errors: &mut Errors) {
    by_itself(object, errors);
    let path = Path::new("status");
    for condition in ["Failed", "Complete", "FailureTarget"] {
        if holds(old, condition) && !holds(object, condition) {
            let detail = format!("cannot disable the terminal {condition}=True condition");
            bare(&path.child("conditions"), &detail, errors);
        }
    }
    let (new, was) = (&object["status"], &old["status"]);
    if number(&new["failed"]) < number(&was["failed"]) {
        errors.invalid(&path.child("failed"), &number(&new["failed"]).into(), "cannot decrease the failed counter");
    }
    if number(&new["succeeded"]) < number(&was["succeeded"]) {
        let count = number(&new["succeeded"]).into();
        errors.invalid(&path.child("succeeded"), &count, "cannot decrease the succeeded counter");
    }
    if object["spec"]["suspend"] != true && !was["startTime"].is_null() {
        let at = path.child("startTime");
        if new["startTime"].is_null() {
            errors.required(&at, "startTime cannot be removed for unsuspended job");
        } else if new["startTime"] != was["startTime"] {
            errors.required(&at, "startTime cannot be modified for unsuspended job");
        }
    }
    if !was["completionTime"].is_null() && new["completionTime"] != was["completionTime"] && holds(old, "Complete") {
        errors.invalid(&path.child("completionTime"), &new["completionTime"], "field is immutable");
    }
}

/// Whether a condition of the job is true.
pub fn holds(object: &Value, condition: &str) -> bool {
    items(&object["status"]["conditions"]).iter().any(|one| one["type"] == condition && one["status"] == "True")
}

/// A mistake whose value is not shown.
pub fn bare(path: &Path, detail: &str, errors: &mut Errors) {
    errors.push(Reason::Invalid, path, format!("Invalid value: {detail}"));
}

fn by_itself(object: &Value, errors: &mut Errors) {
    let (status, path) = (&object["status"], Path::new("status"));
    check(COUNTS, status, &path, errors);
    let uncounted = path.child("uncountedTerminatedPods");
    let mut seen: Vec<&str> = Vec::new();
    for list in ["succeeded", "failed"] {
        for (index, uid) in items(&status["uncountedTerminatedPods"][list]).iter().enumerate() {
            let at = uncounted.child(list).index(index);
            match text(uid) {
                "" => errors.invalid_text(&at, "", "must not be empty"),
                known if seen.contains(&known) => errors.duplicate(&at, uid),
                fresh => seen.push(fresh),
            }
        }
    }
    let (complete, failed) = (holds(object, "Complete"), holds(object, "Failed"));
    let conditions = path.child("conditions");
    if complete && failed {
        bare(&conditions, "cannot set Complete=True and Failed=true conditions", errors);
    }
    if complete && holds(object, "FailureTarget") {
        bare(&conditions, "cannot set Complete=True and FailureTarget=true conditions", errors);
    }
    let (start, end) = (&status["startTime"], &status["completionTime"]);
    let at = path.child("completionTime");
    if !end.is_null() && !complete {
        errors.invalid(&at, end, "cannot set completionTime when there is no Complete=True condition");
    }
    if end.is_null() && complete {
        errors.required(&at, "completionTime is required for Complete jobs");
    }
    if !end.is_null() && !start.is_null() && text(end) < text(start) {
        errors.invalid(&at, end, "completionTime cannot be set before startTime");
    }
    if failed && !holds(object, "FailureTarget") {
        bare(&conditions, "cannot set Failed=True condition without the FailureTarget=true condition", errors);
    }
    if complete && !holds(object, "SuccessCriteriaMet") {
        bare(&conditions, "cannot set Complete=True condition without the SuccessCriteriaMet=true condition", errors);
    }
    if holds(object, "SuccessCriteriaMet") && (failed || holds(object, "FailureTarget")) {
        let other = if failed { "Failed" } else { "FailureTarget" };
        bare(&conditions, &format!("cannot set SuccessCriteriaMet=True and {other}=true conditions"), errors);
    }
    if complete || failed {
        if number(&status["active"]) > 0 {
            errors.invalid(&path.child("active"), &status["active"], "active>0 is invalid for finished job");
        }
        if start.is_null() {
            errors.required(&path.child("startTime"), "startTime is required for finished job");
        }
        if !seen.is_empty() {
            let shown = show::line(&status["uncountedTerminatedPods"], "batch.v1.UncountedTerminatedPods");
            errors.invalid_raw(&uncounted, &shown, "uncountedTerminatedPods needs to be empty for finished job");
        }
        if number(&status["terminating"]) > 0 {
            let at = path.child("terminating");
            errors.invalid(&at, &status["terminating"], "terminating>0 is invalid for finished job");
        }
    }
    if number(&status["ready"]) > number(&status["active"]) {
        errors.invalid(&path.child("ready"), &status["ready"], "cannot set more ready pods than active");
    }
    for field in ["completedIndexes", "failedIndexes"] {
        if !text(&status[field]).is_empty() && !indexed(&object["spec"]) {
            let detail = format!("cannot set non-empty {field} when non-indexed completion mode");
            errors.invalid(&path.child(field), &status[field], &detail);
        }
    }
}
