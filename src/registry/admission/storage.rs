//! DefaultStorageClass, DefaultIngressClass, StorageObjectInUseProtection and
//! PersistentVolumeClaimResize.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::super::{Registry, Target};
use super::index::Mark;
use super::{Change, refuse};
use crate::schema::object::Object;
use crate::schema::quantity::Quantity;
use crate::schema::status::Status;

const CLASS_BETA: &str = "volume.beta.kubernetes.io/storage-class";

/// An ingress that names its class in the old way.
const INGRESS_CLASS: &str = "kubernetes.io/ingress.class";

/// Gives a claim that names no class the default one.
pub async fn default_class(registry: &Registry, claim: &mut Value) -> Result<(), Status> {
    if claim.pointer("/spec/storageClassName").is_some() || claim.annotation(CLASS_BETA).is_some() {
        return Ok(());
    }
    if let Some(name) = youngest(registry, Mark::DefaultStorage, ("storage.k8s.io", "storageclasses")).await? {
        claim.section_mut("spec").insert("storageClassName".into(), name.into());
    }
    Ok(())
}

/// Gives an ingress that names no class the default one.
pub async fn default_ingress_class(registry: &Registry, ingress: &mut Value) -> Result<(), Status> {
    if ingress.pointer("/spec/ingressClassName").is_some() || ingress.annotation(INGRESS_CLASS).is_some() {
        return Ok(());
    }
    let class = youngest(registry, Mark::DefaultIngress, ("networking.k8s.io", "ingressclasses")).await?;
    if let Some(name) = class {
        ingress.section_mut("spec").insert("ingressClassName".into(), name.into());
    }
    Ok(())
}

/// The default of a kind; of several the youngest, then the first by name.
async fn youngest(registry: &Registry, mark: Mark, (group, plural): (&str, &str)) -> Result<Option<String>, Status> {
    let mut names = registry.marked(mark, "").await?;
    if names.len() < 2 {
        return Ok(names.pop());
    }
    let kind = registry.kind(group, plural)?;
    let mut best: Option<(Reverse<String>, String)> = None;
    for name in names {
        let found = registry.read(&Target::new(&kind, "", &name)).await?;
        let Some(class) = found else { continue };
        let place = (Reverse(class.text("/metadata/creationTimestamp").to_owned()), name);
        if best.as_ref().is_none_or(|best| place < *best) {
            best = Some(place);
        }
    }
    Ok(best.map(|(_, name)| name))
}

/// Refuses to let a claim grow that cannot.
pub async fn resize(registry: &Registry, change: &Change<'_>) -> Result<(), Status> {
    let Change { kind, object, .. } = *change;
    let Some(old) = change.old else { return Ok(()) };
    let size = |claim: &Value| Quantity::of(&claim["spec"]["resources"]["requests"]["storage"]).unwrap_or_default();
    if size(object) <= size(old) {
        return Ok(());
    }
    if old.text("/status/phase") != "Bound" {
        return Err(refuse(kind, object, "Only bound persistent volume claims can be expanded"));
    }
    let class = class_of(object);
    let mut grows = false;
    if !class.is_empty() && class == class_of(old) {
        let target = registry.target("storage.k8s.io", "storageclasses", "", class)?;
        grows = registry.read(&target).await?.is_some_and(|class| class["allowVolumeExpansion"] == true);
    }
    if grows {
        return Ok(());
    }
    let detail = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must \
                  support resize";
    Err(refuse(kind, object, detail))
}

fn class_of(claim: &Value) -> &str {
    claim.annotation(CLASS_BETA).unwrap_or_else(|| claim.text("/spec/storageClassName"))
}

/// Adds the finalizer that keeps a volume or claim while it is in use.
pub fn protect(object: &mut Value, finalizer: &str) {
    let meta = object.metadata_mut();
    if let Some(list) = meta.entry("finalizers").or_insert_with(|| json!([])).as_array_mut()
        && !list.iter().any(|name| name == finalizer)
    {
        list.push(finalizer.into());
    }
}
