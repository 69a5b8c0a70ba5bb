//! Where a pod may run: node selectors, affinity, spreading, tolerations and taints.

use serde_json::Value;

use super::{selector, show};
use crate::schema::field::{Errors, Path, Reason};
use crate::schema::names;
use crate::schema::rules::{Rule, check, entries, formatted, items, number, text};

const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// The rules of `affinity`; an absent one is right.
pub fn affinity(affinity: &Value, path: &Path, errors: &mut Errors) {
    let (node, at) = (&affinity["nodeAffinity"], path.child("nodeAffinity"));
    if !node[REQUIRED].is_null() {
        node_selector(&node[REQUIRED], &at.child(REQUIRED), errors);
    }
    for (index, term) in items(&node[PREFERRED]).iter().enumerate() {
        let at = at.child(PREFERRED).index(index);
        weight(term, &at, errors);
        node_selector_term(&term["preference"], false, &at.child("preference"), errors);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let (pods, at) = (&affinity[kind], path.child(kind));
        for (index, term) in items(&pods[REQUIRED]).iter().enumerate() {
            pod_term(term, &at.child(REQUIRED).index(index), errors);
        }
        for (index, term) in items(&pods[PREFERRED]).iter().enumerate() {
            let at = at.child(PREFERRED).index(index);
            weight(term, &at, errors);
            pod_term(&term["podAffinityTerm"], &at.child("podAffinityTerm"), errors);
        }
    }
}

fn weight(term: &Value, path: &Path, errors: &mut Errors) {
    let weight = number(&term["weight"]);
    if !(1..=100).contains(&weight) {
        errors.invalid(&path.child("weight"), &weight.into(), "must be in the range 1-100");
    }
}

/// The rules of a node selector (also of a volume's node affinity).
pub fn node_selector(selector: &Value, path: &Path, errors: &mut Errors) {
    let terms = items(&selector["nodeSelectorTerms"]);
    let at = path.child("nodeSelectorTerms");
    if terms.is_empty() {
        errors.required(&at, "must have at least one node selector term");
    }
    for (index, term) in terms.iter().enumerate() {
        node_selector_term(term, true, &at.index(index), errors);
    }
}

fn node_selector_term(term: &Value, values: bool, path: &Path, errors: &mut Errors) {
    for (index, one) in items(&term["matchExpressions"]).iter().enumerate() {
        let at = path.child("matchExpressions").index(index);
        let given = items(&one["values"]);
        match text(&one["operator"]) {
            "In" | "NotIn" => {
                if given.is_empty() {
                    errors.required(&at.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
                }
            }
            "Exists" | "DoesNotExist" => {
                if !given.is_empty() {
                    let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                    errors.forbidden(&at.child("values"), detail);
                }
            }
            "Gt" | "Lt" => {
                if given.len() != 1 {
                    let detail = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                    errors.required(&at.child("values"), detail);
                }
            }
            other => errors.invalid_text(&at.child("operator"), other, "not a valid selector operator"),
        }
        formatted(text(&one["key"]), names::qualified_name, &at.child("key"), errors);
        if values {
            check(&[Rule::Each(&[Rule::Format(names::label_value)])], &one["values"], &at.child("values"), errors);
        }
    }
    for (index, one) in items(&term["matchFields"]).iter().enumerate() {
        let at = path.child("matchFields").index(index);
        match text(&one["operator"]) {
            "In" | "NotIn" => {
                if items(&one["values"]).len() != 1 {
                    let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                    errors.required(&at.child("values"), detail);
                }
            }
            other => errors.invalid_text(&at.child("operator"), other, "not a valid selector operator"),
        }
        if one["key"] == "metadata.name" {
            let names = &[Rule::Each(&[Rule::Format(names::dns1123_subdomain)])];
            check(names, &one["values"], &at.child("values"), errors);
        } else {
            errors.invalid_text(&at.child("key"), text(&one["key"]), "not a valid field selector key");
        }
    }
}

fn pod_term(term: &Value, path: &Path, errors: &mut Errors) {
    selector::validate(&term["labelSelector"], &path.child("labelSelector"), errors);
    selector::validate(&term["namespaceSelector"], &path.child("namespaceSelector"), errors);
    for name in items(&term["namespaces"]) {
        formatted(text(name), names::dns1123_label, &path.child("namespace"), errors);
    }
    label_keys(term, path, errors);
    if text(&term["topologyKey"]).is_empty() {
        errors.required(&path.child("topologyKey"), "can not be empty");
    }
    formatted(text(&term["topologyKey"]), names::qualified_name, &path.child("topologyKey"), errors);
}

fn label_keys(term: &Value, path: &Path, errors: &mut Errors) {
    let selector = &term["labelSelector"];
    for field in ["matchLabelKeys", "mismatchLabelKeys"] {
        let (keys, at) = (&term[field], path.child(field));
        if items(keys).is_empty() {
            continue;
        }
        if selector.is_null() {
            errors.forbidden(&at, "must not be specified when labelSelector is not set");
        } else {
            check(&[Rule::Each(&[Rule::Format(names::qualified_name)])], keys, &at, errors);
        }
    }
    let matching = items(&term["matchLabelKeys"]);
    let mut seen: Vec<&str> = entries(&selector["matchLabels"]).map(|(key, _)| key.as_str()).collect();
    for expression in items(&selector["matchExpressions"]) {
        let key = text(&expression["key"]);
        if let Some(index) = matching.iter().position(|one| one == key)
            && seen.contains(&key)
        {
            errors.invalid_text(&path.index(index), key, "exists in both matchLabelKeys and labelSelector");
        }
        seen.push(key);
    }
    for (index, key) in matching.iter().enumerate() {
        if items(&term["mismatchLabelKeys"]).contains(key) {
            let at = path.child("matchLabelKeys").index(index);
            errors.invalid(&at, key, "exists in both matchLabelKeys and mismatchLabelKeys");
        }
    }
}

/// The rules of `tolerations`.
pub fn tolerations(list: &Value, path: &Path, errors: &mut Errors) {
    for (index, one) in items(list).iter().enumerate() {
        let at = path.index(index);
        let (key, operator, effect) = (text(&one["key"]), text(&one["operator"]), text(&one["effect"]));
        if !key.is_empty() {
            formatted(key, names::qualified_name, &at.child("key"), errors);
        }
        if key.is_empty() && operator != "Exists" {
            errors.invalid_text(
                &at.child("operator"),
                operator,
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
            );
        }
        if !one["tolerationSeconds"].is_null() && effect != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.invalid_text(&at.child("effect"), effect, detail);
        }
        let value = text(&one["value"]);
        match operator {
            "Equal" | "" => {
                let faults = names::label_value(value);
                if !faults.is_empty() {
                    errors.invalid_text(&at.child("operator"), value, &faults.join(";"));
                }
            }
            "Exists" => {
                if !value.is_empty() {
                    let detail = "value must be empty when `operator` is 'Exists'";
                    errors.invalid_text(&at.child("operator"), value, detail);
                }
            }
            other => errors.not_supported(&at.child("operator"), &other.into(), &["Equal", "Exists"]),
        }
        if !effect.is_empty() {
            check(&[Rule::At("effect", &[Rule::OneOf(EFFECTS)])], one, &at, errors);
        }
    }
}

/// The rules of the taints of a node.
pub fn taints(list: &Value, path: &Path, errors: &mut Errors) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (index, one) in items(list).iter().enumerate() {
        let at = path.index(index);
        formatted(text(&one["key"]), names::qualified_name, &at.child("key"), errors);
        let faults = names::label_value(text(&one["value"]));
        if !faults.is_empty() {
            errors.invalid_text(&at.child("value"), text(&one["value"]), &faults.join(";"));
        }
        check(&[Rule::At("effect", &[Rule::Required(""), Rule::OneOf(EFFECTS)])], one, &at, errors);
        let pair = (text(&one["key"]), text(&one["effect"]));
        if seen.contains(&pair) {
            let shown = show::line(one, "core.v1.Taint");
            let message = format!("Duplicate value: {shown}: taints must be unique by key and effect pair");
            errors.push(Reason::Duplicate, &at, message);
        }
        seen.push(pair);
    }
}

/// The rules of `topologySpreadConstraints`.
pub fn spread(list: &Value, path: &Path, errors: &mut Errors) {
    for (index, one) in items(list).iter().enumerate() {
        let at = path.index(index);
        let skew = number(&one["maxSkew"]);
        if skew <= 0 {
            errors.invalid(&at.child("maxSkew"), &skew.into(), "must be greater than zero");
        }
        let (key, action) = (text(&one["topologyKey"]), text(&one["whenUnsatisfiable"]));
        if key.is_empty() {
            errors.required(&at.child("topologyKey"), "can not be empty");
        }
        let actions = &[Rule::At("whenUnsatisfiable", &[Rule::OneOf(&["DoNotSchedule", "ScheduleAnyway"])])];
        check(actions, one, &at, errors);
        let again = items(list)
            .iter()
            .skip(index + 1)
            .any(|other| other["topologyKey"] == one["topologyKey"] && text(&other["whenUnsatisfiable"]) == action);
        if again {
            let pair = format!("{{{key}, {action}}}");
            errors.duplicate(&at.child("{topologyKey, whenUnsatisfiable}"), &pair.into());
        }
        if let Some(domains) = one["minDomains"].as_i64() {
            let at = at.child("minDomains");
            if domains <= 0 {
                errors.invalid(&at, &domains.into(), "must be greater than zero");
            }
            if action != "DoNotSchedule" {
                let detail = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
                errors.invalid(&at, &domains.into(), &detail);
            }
        }
        let policies = &[
            Rule::At("nodeAffinityPolicy", &[Rule::Given(&[Rule::OneOf(&["Honor", "Ignore"])])]),
            Rule::At("nodeTaintsPolicy", &[Rule::Given(&[Rule::OneOf(&["Honor", "Ignore"])])]),
        ];
        check(policies, one, &at, errors);
        spread_keys(one, &at.child("matchLabelKeys"), errors);
        selector::validate(&one["labelSelector"], &at.child("labelSelector"), errors);
    }
}

fn spread_keys(one: &Value, path: &Path, errors: &mut Errors) {
    let (keys, selector) = (items(&one["matchLabelKeys"]), &one["labelSelector"]);
    if keys.is_empty() {
        return;
    }
    if selector.is_null() {
        errors.forbidden(path, "must not be specified when labelSelector is not set");
    }
    for (index, key) in keys.iter().enumerate() {
        let at = path.index(index);
        formatted(text(key), names::qualified_name, &at, errors);
        let named = selector["matchLabels"].get(text(key)).is_some()
            || items(&selector["matchExpressions"]).iter().any(|one| one["key"] == *key);
        if named {
            errors.invalid(&at, key, "exists in both matchLabelKeys and labelSelector");
        }
    }
}
