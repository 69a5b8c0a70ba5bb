//! The scopes of a quota and its scope selector: which objects it is about.

use serde_json::{Value, json};

use super::Counted;
use crate::kinds::core::pod::quality;
use crate::schema::object::Object;
use crate::schema::rules::{items, text};
use crate::schema::selector::Selector;

/// One condition.
pub(super) struct Scope<'q> {
    name: &'q str,
    operator: &'q str,
    values: &'q [Value],
}

/// The conditions of a quota.
pub(super) fn of(quota: &Value) -> Vec<Scope<'_>> {
    let spec = &quota["spec"];
    let plain = items(&spec["scopes"]).iter().map(|name| Scope { name: text(name), operator: "Exists", values: &[] });
    let selected = items(&spec["scopeSelector"]["matchExpressions"]).iter().map(|one| Scope {
        name: text(&one["scopeName"]),
        operator: text(&one["operator"]),
        values: items(&one["values"]),
    });
    plain.chain(selected).collect()
}

/// Whether an object is within a scope. Only pods and claims are in any.
pub(super) fn covers(scope: &Scope<'_>, counted: &Counted, object: &Value) -> bool {
    if counted.is("persistentvolumeclaims") {
        return scope.name == "VolumeAttributesClass" && matches_classes(scope, &attributes_classes(object));
    }
    if !counted.is("pods") {
        return false;
    }
    let ends = object.int("/spec/activeDeadlineSeconds").is_some_and(|seconds| seconds >= 0);
    let best_effort = || quality::class(object) == "BestEffort";
    match scope.name {
        "Terminating" => ends,
        "NotTerminating" => !ends,
        "BestEffort" => best_effort(),
        "NotBestEffort" => !best_effort(),
        "PriorityClass" => {
            let class = object.text("/spec/priorityClassName");
            let class: &[&str] = if class.is_empty() { &[] } else { &[class] };
            matches_classes(scope, class)
        }
        "CrossNamespacePodAffinity" => reaches_out(object),
        _ => false,
    }
}

/// Whether one of the classes (or that there is none) is what the scope asks for.
fn matches_classes(scope: &Scope<'_>, classes: &[&str]) -> bool {
    if scope.operator == "Exists" {
        return !classes.is_empty();
    }
    let selector = json!({"matchExpressions": [
        {"key": scope.name, "operator": scope.operator, "values": scope.values}]});
    let Ok(selector) = Selector::from_object(&selector) else { return false };
    match classes {
        [] => selector.matches_with(|_| None),
        classes => classes.iter().any(|class| selector.matches_with(|key| (key == scope.name).then_some(*class))),
    }
}

fn attributes_classes(claim: &Value) -> Vec<&str> {
    let places = [
        "/spec/volumeAttributesClassName",
        "/status/currentVolumeAttributesClassName",
        "/status/modifyVolumeStatus/targetVolumeAttributesClassName",
    ];
    places.into_iter().map(|place| claim.text(place)).filter(|name| !name.is_empty()).collect()
}

/// Whether a term of affinity between pods looks at other namespaces.
fn reaches_out(pod: &Value) -> bool {
    let affinity = &pod["spec"]["affinity"];
    ["podAffinity", "podAntiAffinity"].into_iter().any(|kind| {
        let required = items(&affinity[kind]["requiredDuringSchedulingIgnoredDuringExecution"]).iter();
        let preferred = items(&affinity[kind]["preferredDuringSchedulingIgnoredDuringExecution"]).iter();
        required
            .chain(preferred.map(|one| &one["podAffinityTerm"]))
            .any(|term| !items(&term["namespaces"]).is_empty() || !term["namespaceSelector"].is_null())
    })
}
