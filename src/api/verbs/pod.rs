//! The subresources of pods that are written with a kind of their own: `binding` and `eviction`.

use bytes::Bytes;
use hyper::Response;
use serde_json::{Value, json};

use super::super::body::Body;
use super::super::{Context, decode};
use super::write::{Options, done};
use crate::kinds::Propagation;
use crate::registry::delete::DeleteOptions;
use crate::registry::evict::Evicted;
use crate::registry::{Changed, Part, Target, label};
use crate::schema::decode::body::Expected;
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;
use crate::schema::status::Status;

const BINDING: Expected<'static> = Expected { group: "", version: "v1", kind: "Binding" };
const SEVERAL_BUDGETS: &str =
    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
const EVICTION: Expected<'static> = Expected { group: "policy", version: "v1", kind: "Eviction" };

/// Binds a pod to a node, by `pods/NAME/binding` or by `bindings`.
///
/// # Errors
/// 409 where it is bound already or on its way out.
pub async fn bind(cx: &Context<'_>, bytes: Bytes) -> Result<Response<Body>, Status> {
    let options = Options::read(cx, "CreateOptions", None)?;
    let mut warnings = Vec::new();
    let binding = decode::other(cx, &bytes, &BINDING, options.validation, &mut warnings)?;
    let name = if cx.info.name.is_empty() { binding.name() } else { cx.info.name.as_str() };
    if binding.name() != name {
        return Err(Status::bad_request("name in URL does not match name in Binding object"));
    }
    check_binding(&binding)?;
    let target = cx.api.registry().target("", "pods", &cx.info.namespace, name)?;
    let node = binding.text("/target/name").to_owned();
    let topology = cx.api.registry().topology_of(&node).await?;
    let uid = Some(binding.uid().to_owned()).filter(|uid| !uid.is_empty());
    let mut change = |old: &Value| {
        if uid.as_deref().is_none_or(|uid| uid == old.uid()) {
            check_free(old, name)?;
        }
        let mut object = old.clone();
        object.section_mut("spec").insert("nodeName".into(), node.clone().into());
        if let Some(annotations) = binding.map("/metadata/annotations").filter(|map| !map.is_empty()) {
            let meta = object.metadata_mut();
            if let Some(own) = meta.entry("annotations").or_insert_with(|| json!({})).as_object_mut() {
                own.extend(annotations.clone());
            }
        }
        label(&mut object, &topology);
        scheduled(&mut object);
        Ok(Changed { object, managed: true, uid: uid.clone() })
    };
    let write = cx.write_options(options.dry_run);
    cx.api.registry().update(&target, Part::Sub("binding"), &mut change, &write).await?;
    Ok(done(cx, 201, &created(), &warnings))
}

/// Success without an object.
fn created() -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success", "code": 201})
}

fn check_binding(binding: &Value) -> Result<(), Status> {
    let mut errors = Errors::new();
    let target = Path::new("target");
    let kind = binding.text("/target/kind");
    if !kind.is_empty() && kind != "Node" {
        errors.not_supported(&target.child("kind"), &kind.into(), &["Node", "<empty>"]);
    }
    if binding.text("/target/name").is_empty() {
        errors.required(&target.child("name"), "");
    }
    match errors.iter().next() {
        // Upstream does not make a status of this one.
        Some(error) => Err(Status::unclassified(error.to_string())),
        None => Ok(()),
    }
}

fn check_free(pod: &Value, name: &str) -> Result<(), Status> {
    let refuse = |detail: String| Err(Status::conflict("", "pods/binding", name, &detail));
    if pod.is_deleting() {
        return refuse(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    let node = pod.text("/spec/nodeName");
    if !node.is_empty() {
        return refuse(format!("pod {name} is already assigned to node {node:?}"));
    }
    if !pod.list("/spec/schedulingGates").is_empty() {
        return refuse(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    Ok(())
}

/// Sets the condition `PodScheduled`.
fn scheduled(pod: &mut Value) {
    let now = crate::registry::timestamp();
    let condition = json!({"type": "PodScheduled", "status": "True", "lastTransitionTime": now, "lastProbeTime": null});
    let status = pod.section_mut("status");
    if let Some(list) = status.entry("conditions").or_insert_with(|| json!([])).as_array_mut() {
        match list.iter_mut().find(|own| own["type"] == "PodScheduled") {
            Some(own) if own["status"] == "True" => {}
            Some(own) => *own = condition,
            None => list.push(condition),
        }
    }
}

/// Evicts a pod: a delete that respects disruption budgets.
///
/// # Errors
/// 429 where a budget does not allow it.
pub async fn evict(cx: &Context<'_>, bytes: Bytes) -> Result<Response<Body>, Status> {
    let options = Options::read(cx, "CreateOptions", None)?;
    let mut warnings = Vec::new();
    let eviction = decode::other(cx, &bytes, &EVICTION, options.validation, &mut warnings)?;
    if eviction.name() != cx.info.name {
        return Err(Status::bad_request("name in URL does not match name in Eviction object"));
    }
    let target = Target::new(&cx.kind, &cx.info.namespace, &cx.info.name);
    let dry_run = options.dry_run || !eviction.list("/deleteOptions/dryRun").is_empty();
    let text = |pointer: &str| eviction.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned);
    let delete = DeleteOptions {
        grace_period_seconds: eviction.int("/deleteOptions/gracePeriodSeconds"),
        uid: text("/deleteOptions/preconditions/uid"),
        resource_version: text("/deleteOptions/preconditions/resourceVersion"),
        propagation: propagation(&eviction),
    };
    let evicted = cx.api.registry().evict(&target, &delete, &cx.write_options(dry_run)).await?;
    match evicted {
        Evicted::Done => Ok(done(cx, 201, &created(), &warnings)),
        Evicted::Ambiguous => Err(Status::unclassified(SEVERAL_BUDGETS)),
    }
}

fn propagation(eviction: &Value) -> Option<Propagation> {
    match eviction.text("/deleteOptions/propagationPolicy") {
        "Background" => Some(Propagation::Background),
        "Foreground" => Some(Propagation::Foreground),
        "Orphan" => Some(Propagation::Orphan),
        _ => None,
    }
}
