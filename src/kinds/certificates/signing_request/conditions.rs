//! The conditions of a request: `Approved` and `Denied`, which only the subresource `approval` sets, and
//! `Failed`, which only the signer sets. None of them is ever taken back.
//!
//! Source of the rules: the API reference of `CertificateSigningRequestCondition`.

use jiff::Timestamp;
use serde_json::Value;

use crate::schema::field::{Errors, Path, quote};
use crate::schema::rules::{items, text};

const APPROVAL: [&str; 2] = ["Approved", "Denied"];
const FINAL: [&str; 3] = ["Approved", "Denied", "Failed"];

fn list(object: &Value) -> &[Value] {
    items(&object["status"]["conditions"])
}

fn of_type<'a>(object: &'a Value, kind: &str) -> Vec<&'a Value> {
    list(object).iter().filter(|one| one["type"] == kind).collect()
}

fn at() -> Path {
    Path::new("status").child("conditions")
}

/// Puts the old approval in the place of the new one, unless one came or went (which is refused later).
pub fn preserve(object: &mut Value, old: &Value) {
    for kind in APPROVAL {
        let before: Vec<Value> = of_type(old, kind).into_iter().cloned().collect();
        if before.len() != of_type(object, kind).len() {
            continue;
        }
        let Some(all) = object["status"]["conditions"].as_array_mut() else { continue };
        for (new, was) in all.iter_mut().filter(|one| one["type"] == kind).zip(before) {
            *new = was;
        }
    }
}

/// Fills in the times that the client left out.
pub fn stamp(object: &mut Value, old: &Value, now: Timestamp) {
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now).to_string();
    let Some(all) = object["status"]["conditions"].as_array_mut() else { return };
    for one in all.iter_mut().filter(|one| one.is_object()) {
        if text(&one["lastUpdateTime"]).is_empty() {
            one["lastUpdateTime"] = now.as_str().into();
        }
        if !text(&one["lastTransitionTime"]).is_empty() {
            continue;
        }
        let same = |was: &&Value| was["type"] == one["type"] && was["status"] == one["status"];
        let mut since = list(old).iter().filter(same).map(|was| text(&was["lastTransitionTime"]));
        let since = since.find(|time| !time.is_empty()).unwrap_or(&now).to_owned();
        one["lastTransitionTime"] = since.into();
    }
}

/// The rules of the conditions themselves. What was wrong before an update may stay wrong.
pub fn validate(object: &Value, old: &Value, errors: &mut Errors) {
    let (all, path) = (list(object), at());
    let both = |object: &Value| APPROVAL.iter().all(|kind| !of_type(object, kind).is_empty());
    let doubled = |all: &[Value]| all.iter().enumerate().any(|(index, one)| is_doubled(all, index, one));
    let (was_both, was_doubled) = (both(old), doubled(list(old)));
    let was_empty = list(old).iter().any(|one| text(&one["type"]).is_empty());
    for (index, one) in all.iter().enumerate() {
        let (kind, status, at) = (text(&one["type"]), text(&one["status"]), path.index(index));
        if kind.is_empty() && !was_empty {
            errors.required(&at.child("type"), "");
        }
        let allowed: &[&str] = if FINAL.contains(&kind) { &["True"] } else { &["False", "True", "Unknown"] };
        if status.is_empty() {
            errors.required(&at.child("status"), "");
        } else if !allowed.contains(&status) {
            errors.not_supported(&at.child("status"), &one["status"], allowed);
        }
        let other = match kind {
            "Approved" => "Denied",
            "Denied" => "Approved",
            _ => "",
        };
        if !was_both && !other.is_empty() && all.iter().take(index).any(|one| one["type"] == other) {
            errors.invalid_text(&path, kind, "Approved and Denied conditions are mutually exclusive");
        }
        if !was_doubled && is_doubled(all, index, one) {
            errors.duplicate(&at.child("type"), &one["type"]);
        }
    }
}

fn is_doubled(all: &[Value], index: usize, one: &Value) -> bool {
    all.iter().take(index).any(|other| other["type"] == one["type"])
}

/// What is final stays, and only the approval approves.
pub fn keep(object: &Value, old: &Value, approves: bool, errors: &mut Errors) {
    for kind in FINAL {
        if of_type(object, kind).len() < of_type(old, kind).len() {
            errors.forbidden(&at(), &format!("updates may not remove a condition of type {}", quote(kind)));
        }
    }
    if approves {
        return;
    }
    for kind in APPROVAL {
        let (new, was) = (of_type(object, kind), of_type(old, kind));
        if new.len() > was.len() {
            errors.forbidden(&at(), &format!("updates may not add a condition of type {}", quote(kind)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(conditions: Value) -> Value {
        json!({"status": {"conditions": conditions}})
    }

    fn faults(object: &Value, old: &Value, approves: bool) -> Vec<String> {
        let mut errors = Errors::new();
        validate(object, old, &mut errors);
        keep(object, old, approves, &mut errors);
        errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect()
    }

    #[test]
    fn a_decision_is_final_and_one_of_two() {
        let approved = json!({"type": "Approved", "status": "True"});
        let denied = json!({"type": "Denied", "status": "True"});
        let (none, one) = (request(json!([])), request(json!([approved])));
        assert!(faults(&one, &none, true).is_empty());
        assert_eq!(
            faults(&none, &one, true),
            ["status.conditions: Forbidden: updates may not remove a condition of type \"Approved\""]
        );
        assert_eq!(
            faults(&request(json!([approved, denied])), &one, true),
            ["status.conditions: Invalid value: \"Denied\": Approved and Denied conditions are mutually exclusive"]
        );
    }

    #[test]
    fn only_the_approval_approves() {
        let approved = request(json!([{"type": "Approved", "status": "True"}]));
        assert_eq!(
            faults(&approved, &request(json!([])), false),
            ["status.conditions: Forbidden: updates may not add a condition of type \"Approved\""]
        );
    }

    #[test]
    fn a_decision_is_true_and_other_conditions_are_anything() {
        let object = request(json!([
            {"type": "Failed", "status": "False"},
            {"type": "Seen", "status": "False"},
            {"type": "", "status": ""},
        ]));
        assert_eq!(
            faults(&object, &request(json!([])), true),
            [
                "status.conditions[0].status: Unsupported value: \"False\": supported values: \"True\"",
                "status.conditions[2].type: Required value",
                "status.conditions[2].status: Required value",
            ]
        );
    }

    #[test]
    fn times_are_those_of_the_change() {
        let old =
            request(json!([{"type": "Approved", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]));
        let mut object = request(json!([{"type": "Approved", "status": "True"}, {"type": "Failed", "status": "True"}]));
        stamp(&mut object, &old, Timestamp::UNIX_EPOCH);
        let all = list(&object);
        assert_eq!(all[0]["lastTransitionTime"], "2026-01-01T00:00:00Z");
        assert_eq!(all[0]["lastUpdateTime"], "1970-01-01T00:00:00Z");
        assert_eq!(all[1]["lastTransitionTime"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn the_signer_cannot_change_an_approval() {
        let old = request(json!([{"type": "Approved", "status": "True", "reason": "Mine"}]));
        let mut object = request(json!([{"type": "Approved", "status": "True", "reason": "Yours"}]));
        preserve(&mut object, &old);
        assert_eq!(object, old);
    }
}
