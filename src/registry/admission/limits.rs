//! LimitRanger: containers that say nothing get what the limit ranges of their namespace say, and
//! what is outside their bounds is refused. Source: the API reference of LimitRange and the words of
//! the plugin.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::super::{Part, Registry};
use super::index::Mark;
use super::{Change, refuse};
use crate::kinds::Kind;
use crate::kinds::parts::demand::{self, Amounts};
use crate::schema::object::Object;
use crate::schema::quantity::Quantity;
use crate::schema::rules::{entries, items, text};
use crate::schema::status::Status;

/// What was filled in stands here.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// Amounts of one container, pod or claim.
struct Asked {
    requests: Amounts,
    limits: Amounts,
}

/// Whether limit ranges have something to say of such a write. Containers of a stored pod only
/// change by `resize`.
fn concerns(kind: &Kind, part: Part, old: Option<&Value>) -> bool {
    if !kind.group.is_empty() || old.is_some_and(Object::is_deleting) {
        return false;
    }
    match (kind.plural.as_ref(), part) {
        ("pods", Part::Main) => old.is_none(),
        ("pods", Part::Sub("resize")) | ("persistentvolumeclaims", Part::Main) => true,
        _ => false,
    }
}

/// The limit ranges of a namespace; nothing is read where there is none.
async fn ranges(registry: &Registry, namespace: &str) -> Result<Vec<Value>, Status> {
    let look = registry.marked(Mark::LimitRange, namespace).await?;
    if look.is_empty() {
        return Ok(Vec::new());
    }
    registry.all(&*registry.kind("", "limitranges")?, Some(namespace)).await
}

/// Fills in what containers leave out.
pub async fn fill(
    registry: &Registry,
    kind: &Kind,
    part: Part,
    object: &mut Value,
    old: Option<&Value>,
) -> Result<(), Status> {
    if kind.plural == "pods" && concerns(kind, part, old) {
        for range in ranges(registry, object.namespace()).await? {
            fill_pod(&range, object);
        }
    }
    Ok(())
}

fn fill_pod(range: &Value, pod: &mut Value) {
    let (mut requests, mut limits) = (Map::new(), Map::new());
    for limit in items(&range["spec"]["limits"]).iter().filter(|limit| limit["type"] == "Container") {
        requests.extend(entries(&limit["defaultRequest"]).map(|(name, amount)| (name.clone(), amount.clone())));
        limits.extend(entries(&limit["default"]).map(|(name, amount)| (name.clone(), amount.clone())));
    }
    if requests.is_empty() && limits.is_empty() {
        return;
    }
    let mut told = Vec::new();
    for (list, word) in [("containers", "container"), ("initContainers", "init container")] {
        let containers = pod.section_mut("spec").get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let name = text(&container["name"]).to_owned();
            for (field, defaults, what) in [("requests", &requests, "request"), ("limits", &limits, "limit")] {
                let set = fill_amounts(container, field, defaults);
                if !set.is_empty() {
                    told.push(format!("{} {what} for {word} {name}", set.join(", ")));
                }
            }
        }
    }
    if !told.is_empty() {
        let note = format!("LimitRanger plugin set: {}", told.join("; "));
        let annotations = pod.metadata_mut().entry("annotations").or_insert(Value::Null);
        if !annotations.is_object() {
            *annotations = Value::Object(Map::new());
        }
        annotations[ANNOTATION] = note.into();
    }
}

/// The names of what was missing, in order.
fn fill_amounts(container: &mut Value, field: &str, defaults: &Map<String, Value>) -> Vec<String> {
    let missing: Vec<(String, Value)> = defaults
        .iter()
        .filter(|(name, _)| container["resources"][field].get(name.as_str()).is_none())
        .map(|(name, amount)| (name.clone(), amount.clone()))
        .collect();
    if !missing.is_empty()
        && let Some(list) =
            container.section_mut("resources").entry(field).or_insert_with(|| Map::new().into()).as_object_mut()
    {
        list.extend(missing.iter().cloned());
    }
    missing.into_iter().map(|(name, _)| name).collect()
}

/// Refuses what is outside the bounds.
pub async fn validate(registry: &Registry, change: &Change<'_>) -> Result<(), Status> {
    let Change { kind, part, object, old } = *change;
    if !concerns(kind, part, old) {
        return Ok(());
    }
    for range in ranges(registry, object.namespace()).await? {
        let found = if kind.plural == "pods" { check_pod(&range, object) } else { check_claim(&range, object) };
        let words = match found.as_slice() {
            [] => continue,
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        return Err(refuse(kind, object, &words));
    }
    Ok(())
}

fn check_pod(range: &Value, pod: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for limit in items(&range["spec"]["limits"]) {
        match text(&limit["type"]) {
            "Container" => {
                let lists = ["containers", "initContainers"].map(|list| items(&pod["spec"][list]));
                for container in lists.into_iter().flatten() {
                    let own = |field: &str| demand::amounts(&container["resources"][field]);
                    bounds(limit, &Asked { requests: own("requests"), limits: own("limits") }, &mut found);
                }
            }
            "Pod" => {
                let asked = Asked { requests: demand::of(pod, "requests"), limits: demand::of(pod, "limits") };
                bounds(limit, &asked, &mut found);
            }
            _ => {}
        }
    }
    unique(found)
}

fn check_claim(range: &Value, claim: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let requests = demand::amounts(&claim["spec"]["resources"]["requests"]);
    let asked = Asked { requests, limits: Amounts::new() };
    for limit in items(&range["spec"]["limits"]).iter().filter(|limit| limit["type"] == "PersistentVolumeClaim") {
        for (name, least) in demand::amounts(&limit["min"]) {
            found.extend(minimum(limit, &name, &least, &asked));
        }
        for (name, most) in demand::amounts(&limit["max"]) {
            let subject = format!("maximum {name} usage per {} is {most}", text(&limit["type"]));
            match asked.requests.get(&name) {
                None => found.push(format!("{subject}.  No request is specified")),
                Some(request) if *request > most => found.push(format!("{subject}, but request is {request}")),
                Some(_) => {}
            }
        }
    }
    unique(found)
}

fn bounds(limit: &Value, asked: &Asked, found: &mut Vec<String>) {
    for (name, least) in demand::amounts(&limit["min"]) {
        found.extend(minimum(limit, &name, &least, asked));
    }
    for (name, most) in demand::amounts(&limit["max"]) {
        let subject = format!("maximum {name} usage per {} is {most}", text(&limit["type"]));
        match (asked.limits.get(&name), asked.requests.get(&name)) {
            (None, _) => found.push(format!("{subject}.  No limit is specified")),
            (Some(limit), _) if *limit > most => found.push(format!("{subject}, but limit is {limit}")),
            (_, Some(request)) if *request > most => found.push(format!("{subject}, but request is {request}")),
            _ => {}
        }
    }
    for (name, ratio) in demand::amounts(&limit["maxLimitRequestRatio"]) {
        found.extend(over_ratio(limit, &name, &ratio, asked));
    }
}

fn minimum(limit: &Value, name: &str, least: &Quantity, asked: &Asked) -> Option<String> {
    let subject = format!("minimum {name} usage per {} is {least}", text(&limit["type"]));
    let below = |amount: &&Quantity| (*amount).cmp(least) == Ordering::Less;
    let Some(request) = asked.requests.get(name) else {
        return Some(format!("{subject}.  No request is specified"));
    };
    if below(&request) {
        return Some(format!("{subject}, but request is {request}"));
    }
    asked.limits.get(name).filter(below).map(|limit| format!("{subject}, but limit is {limit}"))
}

fn over_ratio(limit: &Value, name: &str, ratio: &Quantity, asked: &Asked) -> Option<String> {
    let subject = format!("{name} max limit to request ratio per {} is {ratio}", text(&limit["type"]));
    let given = |amounts: &Amounts| amounts.get(name).filter(|amount| !amount.is_zero()).map(Quantity::approximate);
    let Some(request) = given(&asked.requests) else {
        return Some(format!("{subject}, but no request is specified or request is 0"));
    };
    let Some(limit) = given(&asked.limits) else {
        return Some(format!("{subject}, but no limit is specified or limit is 0"));
    };
    let provided = limit / request;
    (provided > ratio.approximate()).then(|| format!("{subject}, but provided ratio is {provided:.6}"))
}

/// Each sentence once, as upstream shows several errors.
fn unique(sentences: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(sentences.len());
    for sentence in sentences {
        if !out.contains(&sentence) {
            out.push(sentence);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn range() -> Value {
        json!({"spec": {"limits": [
            {"type": "Container", "default": {"cpu": "500m", "memory": "256Mi"}, "defaultRequest": {"cpu": "100m"},
                "max": {"memory": "512Mi"}, "min": {"cpu": "50m"}, "maxLimitRequestRatio": {"cpu": "10"}},
            {"type": "Pod", "max": {"memory": "1Gi"}},
            {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "5Gi"}},
        ]}})
    }

    #[test]
    fn what_is_missing_is_filled_in_and_told() {
        let mut pod = json!({"spec": {"containers": [{"name": "a"}],
            "initContainers": [{"name": "i", "resources": {"limits": {"cpu": "1", "memory": "1Mi"}}}]}});
        fill_pod(&range(), &mut pod);
        assert_eq!(pod["spec"]["containers"][0]["resources"]["limits"], json!({"cpu": "500m", "memory": "256Mi"}));
        assert_eq!(
            pod.annotation(ANNOTATION),
            Some(
                "LimitRanger plugin set: cpu request for container a; cpu, memory limit for container a; cpu request \
                 for init container i"
            )
        );
    }

    #[test]
    fn nothing_missing_leaves_no_note() {
        let mut pod = json!({"spec": {"containers": [{"name": "a", "resources": {
            "limits": {"cpu": "1", "memory": "1Mi"}, "requests": {"cpu": "1"}}}]}});
        let before = pod.clone();
        fill_pod(&range(), &mut pod);
        assert_eq!(pod, before);
    }

    #[test]
    fn bounds_are_told_in_order() {
        let container = |request: &str, limit: &str, memory: &str| {
            json!({"name": "a", "resources": {
                "requests": {"cpu": request}, "limits": {"cpu": limit, "memory": memory}}})
        };
        let said = |containers: Vec<Value>| check_pod(&range(), &json!({"spec": {"containers": containers}}));
        assert_eq!(
            said(vec![container("10m", "20m", "1Mi")]),
            ["minimum cpu usage per Container is 50m, but request is 10m"]
        );
        assert_eq!(
            said(vec![container("50m", "1", "1Gi")]),
            [
                "maximum memory usage per Container is 512Mi, but limit is 1Gi",
                "cpu max limit to request ratio per Container is 10, but provided ratio is 20.000000",
            ]
        );
        assert_eq!(
            said(vec![container("1", "1", "512Mi"); 3]),
            ["maximum memory usage per Pod is 1Gi, but limit is 1536Mi"]
        );
        assert_eq!(
            said(vec![json!({})]),
            [
                "minimum cpu usage per Container is 50m.  No request is specified",
                "maximum memory usage per Container is 512Mi.  No limit is specified",
                "cpu max limit to request ratio per Container is 10, but no request is specified or request is 0",
                "maximum memory usage per Pod is 1Gi.  No limit is specified",
            ]
        );
    }

    #[test]
    fn claims_have_bounds_too() {
        let said = |size: &str| check_claim(&range(), &json!({"spec": {"resources": {"requests": {"storage": size}}}}));
        assert_eq!(said("500Mi"), ["minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 500Mi"]);
        assert_eq!(said("50Gi"), ["maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 50Gi"]);
        assert!(said("5Gi").is_empty());
    }
}
