//! Volumes of the engine for the controllers.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::controllers::LocalVolumes;
use crate::engine::{Engine, Error, VolumeSpec};
use crate::pods::translate::names::INSTANCE;

/// Makes and removes volumes of an engine, for one instance.
struct EngineVolumes {
    engine: Engine,
    instance: String,
}

/// The volumes of an engine, for one instance.
pub fn local(engine: &Engine, instance: &str) -> Arc<dyn LocalVolumes> {
    Arc::new(EngineVolumes { engine: engine.clone(), instance: instance.to_owned() })
}

impl LocalVolumes for EngineVolumes {
    fn create(&self, name: &str, mut labels: BTreeMap<String, String>) -> BoxFuture<'_, Result<(), String>> {
        labels.insert(INSTANCE.into(), self.instance.clone());
        let spec = VolumeSpec { name: name.to_owned(), labels, ..VolumeSpec::default() };
        Box::pin(async move { self.engine.create_volume(&spec).await.map(drop).map_err(|error| error.to_string()) })
    }

    fn remove(&self, name: &str) -> BoxFuture<'_, Result<(), String>> {
        let name = name.to_owned();
        Box::pin(async move {
            match self.engine.remove_volume(&name).await {
                Err(Error::NotFound(_)) | Ok(()) => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        })
    }
}
