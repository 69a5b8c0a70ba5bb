//! When a job counts as failed or as succeeded.

use serde_json::Value;

use super::qualified;
use super::status::bare;
use crate::schema::field::{Errors, Path, quote};
use crate::schema::names;
use crate::schema::rules::{Rule, check, items, number, text};

const RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
const INDEXES_MAX: usize = 64 * 1024;

/// A path whose first part is a DNS subdomain, such as `example.com/controller`.
pub fn prefixed_path(given: &str, path: &Path, errors: &mut Errors) {
    if given.is_empty() {
        errors.required(path, "");
        return;
    }
    let Some((domain, rest)) = given.split_once('/').filter(|(domain, rest)| !domain.is_empty() && !rest.is_empty())
    else {
        errors.invalid_text(path, given, "must be a domain-prefixed path (such as \"acme.io/foo\")");
        return;
    };
    for fault in names::dns1123_subdomain(domain) {
        errors.invalid_text(path, domain, &fault);
    }
    let fits = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte));
    if !fits {
        errors.invalid_text(
            path,
            rest,
            "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')",
        );
    }
}

/// The rules of `podFailurePolicy`.
pub fn failure(spec: &Value, path: &Path, errors: &mut Errors) {
    let (rules, at) = (items(&spec["podFailurePolicy"]["rules"]), path.child("rules"));
    if rules.len() > RULES_MAX {
        errors.too_many(&at, rules.len(), RULES_MAX);
    }
    let inner = &spec["template"]["spec"];
    let containers: Vec<&str> = ["containers", "initContainers"]
        .iter()
        .flat_map(|list| items(&inner[*list]))
        .map(|container| text(&container["name"]))
        .collect();
    for (index, rule) in rules.iter().enumerate() {
        let at = at.index(index);
        let action = at.child("action");
        match text(&rule["action"]) {
            "" => errors.required(&action, "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]"),
            "FailIndex" if spec["backoffLimitPerIndex"].is_null() => {
                errors.invalid_text(&action, "FailIndex", "requires the backoffLimitPerIndex to be set");
            }
            "Count" | "FailIndex" | "FailJob" | "Ignore" => {}
            other => errors.not_supported(&action, &other.into(), &["Count", "FailIndex", "FailJob", "Ignore"]),
        }
        let (codes, conditions) = (&rule["onExitCodes"], items(&rule["onPodConditions"]));
        if !codes.is_null() {
            exit_codes(codes, &containers, &at.child("onExitCodes"), errors);
        }
        pod_conditions(conditions, &at.child("onPodConditions"), errors);
        match (codes.is_null(), conditions.is_empty()) {
            (false, false) => bare(&at, "specifying both OnExitCodes and OnPodConditions is not supported", errors),
            (true, true) => bare(&at, "specifying one of OnExitCodes and OnPodConditions is required", errors),
            _ => {}
        }
    }
}

fn exit_codes(given: &Value, containers: &[&str], path: &Path, errors: &mut Errors) {
    let operator = text(&given["operator"]);
    let at = path.child("operator");
    match operator {
        "" => errors.required(&at, "valid values: [\"In\" \"NotIn\"]"),
        "In" | "NotIn" => {}
        other => errors.not_supported(&at, &other.into(), &["In", "NotIn"]),
    }
    if let Some(name) = given["containerName"].as_str().filter(|name| !containers.contains(name)) {
        let detail = "must be one of the container or initContainer names in the pod template";
        errors.invalid_text(&path.child("containerName"), name, detail);
    }
    let (values, at) = (items(&given["values"]), path.child("values"));
    if values.is_empty() {
        errors.invalid(&at, &given["values"], "at least one value is required");
    } else if values.len() > EXIT_CODES_MAX {
        errors.too_many(&at, values.len(), EXIT_CODES_MAX);
    }
    for (index, value) in values.iter().enumerate() {
        if values.iter().take(index).any(|other| other == value) {
            errors.duplicate(&at.index(index), value);
        }
        if operator == "In" && number(value) == 0 {
            errors.invalid(&at.index(index), value, "must not be 0 for the In operator");
        }
    }
    if !values.is_sorted_by_key(number) {
        errors.invalid(&at, &given["values"], "must be ordered");
    }
}

fn pod_conditions(given: &[Value], path: &Path, errors: &mut Errors) {
    if given.len() > RULES_MAX {
        errors.too_many(path, given.len(), RULES_MAX);
    }
    for (index, one) in given.iter().enumerate() {
        let at = path.index(index);
        qualified(text(&one["type"]), &at.child("type"), errors);
        match text(&one["status"]) {
            "" => errors.required(&at.child("status"), "valid values: [\"False\" \"True\" \"Unknown\"]"),
            "False" | "True" | "Unknown" => {}
            other => errors.not_supported(&at.child("status"), &other.into(), &["False", "True", "Unknown"]),
        }
    }
}

/// The rules of `successPolicy`.
pub fn success(spec: &Value, path: &Path, errors: &mut Errors) {
    let (rules, at) = (items(&spec["successPolicy"]["rules"]), path.child("rules"));
    if rules.is_empty() {
        errors.required(&at, "at least one rules must be specified when the successPolicy is specified");
    }
    if rules.len() > RULES_MAX {
        errors.too_many(&at, rules.len(), RULES_MAX);
    }
    let completions = number(&spec["completions"]);
    for (index, rule) in rules.iter().enumerate() {
        let at = at.index(index);
        let (count, indexes) = (rule["succeededCount"].as_i64(), rule["succeededIndexes"].as_str());
        if count.is_none() && indexes.is_none() {
            errors.required(&at, "at least one of succeededCount or succeededIndexes must be specified");
        }
        let of_count = at.child("succeededCount");
        if let Some(count) = count {
            check(&[Rule::NotNegative], &count.into(), &of_count, errors);
            if count > completions {
                let detail =
                    format!("must be less than or equal to {completions} (the number of specified completions)");
                errors.invalid(&of_count, &count.into(), &detail);
            }
        }
        let Some(indexes) = indexes else { continue };
        let at = at.child("succeededIndexes");
        if indexes.len() > INDEXES_MAX {
            errors.too_long(&at, INDEXES_MAX);
        }
        match total(indexes, completions) {
            Err(fault) => errors.invalid_text(&at, indexes, &format!("error parsing succeededIndexes: {fault}")),
            Ok(total) => {
                if let Some(count) = count.filter(|count| *count > total) {
                    let detail = format!(
                        "must be less than or equal to {total} (the number of indexes in the specified \
                         succeededIndexes field)"
                    );
                    errors.invalid(&of_count, &count.into(), &detail);
                }
            }
        }
    }
}

/// How many indexes a text such as `0,2-4` names.
fn total(given: &str, completions: i64) -> Result<i64, String> {
    if given.is_empty() {
        return Ok(0);
    }
    let index = |text: &str| -> Result<i64, String> {
        let number: i64 =
            text.parse().map_err(|_| format!("cannot convert string to integer for index: {}", quote(text)))?;
        if number >= completions { Err(format!("too large index: {}", quote(text))) } else { Ok(number) }
    };
    let (mut last, mut total) = (None, 0);
    for part in given.split(',') {
        let limits: Vec<&str> = part.split('-').collect();
        if limits.len() > 2 {
            return Err(format!(
                "the fragment {} violates the requirement that an index interval can have at most two parts separated \
                 by '-'",
                quote(part)
            ));
        }
        let first = index(limits[0])?;
        if let Some(last) = last.filter(|last| first <= *last) {
            return Err(format!("non-increasing order, previous: {last}, current: {first}"));
        }
        total += 1;
        last = Some(first);
        if let Some(second) = limits.get(1) {
            let second = index(second)?;
            if first >= second {
                return Err(format!("non-increasing order, previous: {first}, current: {second}"));
            }
            total += second - first;
            last = Some(second);
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn indexes_are_counted() {
        assert_eq!(total("0,2-4", 10), Ok(4));
        assert_eq!(total("5-2", 3), Err("too large index: \"5\"".to_owned()));
        assert_eq!(total("1,1", 3), Err("non-increasing order, previous: 1, current: 1".to_owned()));
    }
}
