//! Admission: what a default cluster does to objects that are written, and refuses, by looking at
//! other objects. One plugin a file, in upstream's order.
//!
//! ```text
//! create, update   fill in, before the rules of the kind
//! validate         refuse and warn, after them
//! charge           quotas, last of all; stored together with the object
//! ```

mod certificates;
mod index;
mod limits;
mod namespace;
mod node;
mod pod;
mod pod_security;
mod quota;
mod runtime_class;
mod service_account;
mod storage;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;

use super::{Part, Registry, Target, WriteOptions};
use crate::kinds::Kind;
use crate::kinds::scheduling::priority_class;
use crate::schema::object::Object;
use crate::schema::status::Status;

pub(super) use index::{Index, Mark, Namespace};
pub use node::{label, topology};
pub(super) use quota::{Charged, charge};

/// A write that follows the rules of its kind.
#[derive(Clone, Copy)]
pub(super) struct Change<'c> {
    /// The kind.
    pub kind: &'c Kind,
    /// Which part is written.
    pub part: Part,
    /// The object as it is to be.
    pub object: &'c Value,
    /// The object as it was; `None` on a create.
    pub old: Option<&'c Value>,
}

/// Fills in and refuses on a create.
pub(super) async fn create(
    registry: &Registry,
    kind: &Arc<Kind>,
    object: &mut Value,
    options: &WriteOptions,
) -> Result<(), Status> {
    namespace::exists(registry, kind, object).await?;
    certificates::create(kind, object)?;
    certificates::stamp(kind, object, &options.user);
    match (kind.group.as_ref(), kind.plural.as_ref()) {
        ("", "pods") => {
            limits::fill(registry, kind, Part::Main, object, None).await?;
            service_account::admit(registry, object).await?;
            pod::priority(registry, object).await?;
            pod::tolerations(object);
            runtime_class::fill(registry, object).await?;
            let labels = node::topology(registry, object.text("/spec/nodeName")).await?;
            node::label(object, &labels);
        }
        ("", "nodes") => node::taint(object),
        ("", "persistentvolumeclaims") => {
            storage::default_class(registry, object).await?;
            storage::protect(object, "kubernetes.io/pvc-protection");
        }
        ("", "persistentvolumes") => storage::protect(object, "kubernetes.io/pv-protection"),
        ("networking.k8s.io", "ingresses") => storage::default_ingress_class(registry, object).await?,
        _ => {}
    }
    Ok(())
}

/// Fills in and refuses on an update.
pub(super) async fn update(
    registry: &Registry,
    kind: &Kind,
    part: Part,
    object: &mut Value,
    old: &Value,
    options: &WriteOptions,
) -> Result<(), Status> {
    certificates::update(registry, kind, part, object, old, options).await?;
    if !kind.group.is_empty() || kind.plural != "pods" {
        return Ok(());
    }
    limits::fill(registry, kind, part, object, Some(old)).await?;
    if part == Part::Main {
        pod::keep_priority(object, old);
        pod::tolerations(object);
    }
    Ok(())
}

/// Refuses what may not be beside other objects; what is only to be warned of is given back.
pub(super) async fn validate(registry: &Registry, change: &Change<'_>) -> Result<Vec<String>, Status> {
    let Change { kind, part, object, old } = *change;
    limits::validate(registry, change).await?;
    let warnings = pod_security::validate(registry, change).await?;
    match (kind.group.as_ref(), kind.plural.as_ref()) {
        ("", "pods") if old.is_none() => runtime_class::validate(registry, object).await?,
        ("", "persistentvolumeclaims") if part == Part::Main => storage::resize(registry, change).await?,
        ("scheduling.k8s.io", "priorityclasses") => pod::one_default(registry, change).await?,
        _ => {}
    }
    Ok(warnings)
}

/// Refuses a delete.
pub(super) fn delete(target: &Target) -> Result<(), Status> {
    let kind = &target.kind;
    let system = priority_class::SYSTEM.iter().any(|(name, _)| *name == target.name);
    if system && kind.plural == "priorityclasses" && kind.group == "scheduling.k8s.io" {
        let detail = "this is a system priority class and cannot be deleted";
        return Err(Status::forbidden(&kind.group, &kind.plural, &target.name, detail));
    }
    namespace::may_go(target)
}

/// 403 about the object that is being written.
fn refuse(kind: &Kind, object: &Value, detail: &str) -> Status {
    Status::forbidden(&kind.group, &kind.plural, name_of(object), detail)
}

/// 403 about a pod that is being created.
fn refuse_pod(object: &Value, detail: &str) -> Status {
    Status::forbidden("", "pods", name_of(object), detail)
}

/// The name of an object, or how it begins where it is still to be generated.
fn name_of(object: &Value) -> &str {
    let names = [object.name(), object.text("/metadata/generateName"), "Unknown"];
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
}
