//! DefaultStorageClass and StorageObjectInUseProtection.

use serde_json::{Value, json};

use super::super::Registry;
use crate::schema::object::Object;
use crate::schema::status::Status;

const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
const DEFAULT_CLASS_BETA: &str = "storageclass.beta.kubernetes.io/is-default-class";
const CLASS_BETA: &str = "volume.beta.kubernetes.io/storage-class";

/// Gives a claim that names no class the default one; of several the youngest, then the first by name.
pub async fn default_class(registry: &Registry, claim: &mut Value) -> Result<(), Status> {
    if claim.pointer("/spec/storageClassName").is_some() || claim.annotation(CLASS_BETA).is_some() {
        return Ok(());
    }
    let Ok(kind) = registry.kind("storage.k8s.io", "storageclasses") else { return Ok(()) };
    let mut classes = registry.all(&kind, None).await?;
    classes.retain(|class| {
        class.annotation(DEFAULT_CLASS) == Some("true") || class.annotation(DEFAULT_CLASS_BETA) == Some("true")
    });
    classes.sort_by(|a, b| {
        let age = |class: &Value| class.text("/metadata/creationTimestamp").to_owned();
        age(b).cmp(&age(a)).then_with(|| a.name().cmp(b.name()))
    });
    if let Some(class) = classes.first() {
        claim.section_mut("spec").insert("storageClassName".into(), class.name().into());
    }
    Ok(())
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
