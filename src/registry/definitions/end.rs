//! The end of a definition: its objects go, then it goes. Source: the finalizing controller of
//! apiextensions-apiserver.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tracing::warn;

use crate::kinds::Kind;
use crate::kinds::apiextensions::definition::{CLEANUP, status};
use crate::kinds::custom;
use crate::registry::delete::DeleteOptions;
use crate::registry::filter::Filter;
use crate::registry::list::ListOptions;
use crate::registry::{Registry, Target, WriteOptions, now};
use crate::schema::object::Object;
use crate::schema::status::Status;

/// Between tries where something fails.
const PAUSE: Duration = Duration::from_secs(1);

/// Sees a definition to its end.
pub(super) fn end(registry: Registry, name: String) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        while let Err(error) = run(&registry, &name).await {
            warn!(definition = name, error = %error, "cannot end the definition yet");
            tokio::time::sleep(PAUSE).await;
        }
    })
}

async fn run(registry: &Registry, name: &str) -> Result<(), Status> {
    let target = registry.target("apiextensions.k8s.io", "customresourcedefinitions", "", name)?;
    let Some(definition) = registry.read(&target).await?.filter(Object::is_deleting) else { return Ok(()) };
    let at = || now().to_string();
    if definition.finalizers().contains(&CLEANUP) {
        let message = "CustomResource deletion is in progress";
        let progress = |object: &mut serde_json::Value| {
            status::set(object, "Terminating", "True", "InstanceDeletionInProgress", message, &at());
        };
        registry.change_status(&target, progress).await?;
        // Served or not, objects may lie in the version in which they are stored.
        let kinds = custom::kinds(&definition, &registry.0.definitions.cache);
        if let Some(kind) = kinds.into_iter().next() {
            empty(registry, &Arc::new(kind)).await?;
        }
        let last = |object: &mut serde_json::Value| {
            status::set(object, "Terminating", "False", "InstanceDeletionCompleted", "removed all instances", &at());
            if let Some(list) = object.metadata_mut().get_mut("finalizers").and_then(serde_json::Value::as_array_mut) {
                list.retain(|one| one != CLEANUP);
            }
            if object.finalizers().is_empty() {
                object.metadata_mut().remove("finalizers");
            }
        };
        registry.change_status(&target, last).await?;
    }
    registry.written(&target.kind, name).await
}

/// Deletes all objects of a kind and waits until the last is gone.
async fn empty(registry: &Registry, kind: &Arc<Kind>) -> Result<(), Status> {
    let options = WriteOptions::internal("kube-apiserver");
    loop {
        let mut list = registry.list(kind, Filter::everything(None), ListOptions::default()).await?;
        let mut left = 0;
        while let Some(record) = list.next().await? {
            let target = Target::new(kind, &record.key.namespace, &record.key.name);
            match registry.delete(&target, &DeleteOptions::default(), &options).await {
                Ok(crate::registry::delete::Deleted::Waiting(_)) => left += 1,
                Ok(_) => {}
                Err(status) if status.code == 404 => {}
                Err(status) => return Err(status),
            }
        }
        if left == 0 {
            return Ok(());
        }
        // The kind may be served no more, which would end a watch of its own: the store is asked itself.
        let resource = crate::registry::catalog::storage_name(kind);
        let watch = registry.0.store.watch(&resource, Some(list.revision()));
        let mut watch = watch.map_err(|error| crate::registry::failed(&error))?;
        while left > 0 {
            match watch.next().await {
                Some(Ok(event)) if event.kind == crate::store::EventKind::Deleted => left -= 1,
                Some(Ok(_)) => {}
                Some(Err(_)) => break,
                None => return Ok(()),
            }
        }
    }
}
