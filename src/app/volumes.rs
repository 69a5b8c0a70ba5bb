//! Volumes of the engine for the controllers.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;

use crate::controllers::LocalVolumes;
use crate::engine::{Engine, Error, VolumeSpec};

/// The label that names the instance which made a thing.
const INSTANCE: &str = "k2d.io/instance";

/// Makes and removes volumes of an engine, for one instance.
pub struct EngineVolumes {
    engine: Engine,
    instance: String,
}

impl EngineVolumes {
    /// On that engine.
    pub fn new(engine: &Engine, instance: &str) -> Self {
        Self { engine: engine.clone(), instance: instance.to_owned() }
    }
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
