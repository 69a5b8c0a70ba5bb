//! Admission: what a default cluster does to objects that are written, and refuses, by looking at
//! other objects. One plugin a file, in upstream's order.

mod certificates;
mod namespace;
mod pod;
mod service_account;
mod storage;

use std::sync::Arc;

use serde_json::Value;

use super::{Part, Registry, Target, WriteOptions};
use crate::kinds::Kind;
use crate::kinds::scheduling::priority_class;
use crate::schema::object::Object;
use crate::schema::status::Status;

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
            service_account::admit(registry, object).await?;
            pod::tolerations(object);
            pod::priority(registry, object).await?;
        }
        ("", "persistentvolumeclaims") => {
            storage::default_class(registry, object).await?;
            storage::protect(object, "kubernetes.io/pvc-protection");
        }
        ("", "persistentvolumes") => storage::protect(object, "kubernetes.io/pv-protection"),
        _ => {}
    }
    Ok(())
}

/// Refuses on an update.
pub(super) async fn update(
    registry: &Registry,
    kind: &Kind,
    part: Part,
    object: &Value,
    old: &Value,
    options: &WriteOptions,
) -> Result<(), Status> {
    certificates::update(registry, kind, part, object, old, options).await
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
    if object.name().is_empty() { object.text("/metadata/generateName") } else { object.name() }
}
