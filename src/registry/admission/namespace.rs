//! NamespaceLifecycle: nothing is made in a namespace that is not there or on its way out, and the
//! namespaces that a cluster needs stay.

use std::sync::Arc;

use serde_json::Value;

use super::super::{Registry, Target};
use super::refuse;
use crate::kinds::Kind;
use crate::schema::object::Object;
use crate::schema::status::Status;

/// Namespaces that cannot be deleted.
const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];

/// Refuses a create in a namespace that is not there or is being deleted.
pub async fn exists(registry: &Registry, kind: &Arc<Kind>, object: &Value) -> Result<(), Status> {
    if !kind.is_namespaced() {
        return Ok(());
    }
    let name = object.namespace();
    let found = registry.namespace_facts(name).await?;
    let namespace = found.ok_or_else(|| Status::not_found("", "namespaces", name))?;
    if namespace.deleting {
        let detail = format!("unable to create new content in namespace {name} because it is being terminated");
        let message = format!("namespace {name} is being terminated");
        return Err(refuse(kind, object, &detail).with_cause("NamespaceTerminating", &message, "metadata.namespace"));
    }
    Ok(())
}

/// Refuses to delete what a cluster needs.
pub fn may_go(target: &Target) -> Result<(), Status> {
    let kind = &target.kind;
    if kind.group.is_empty() && kind.plural == "namespaces" && IMMORTAL.contains(&target.name.as_str()) {
        return Err(Status::forbidden("", "namespaces", &target.name, "this namespace may not be deleted"));
    }
    Ok(())
}
