//! Calls about volumes.

use super::containers::pending;
use super::{Engine, Filter, Result, VolumeDetail, VolumeSpec};

impl Engine {
    /// Lists volumes.
    pub async fn volumes(&self, filter: &Filter) -> Result<Vec<VolumeDetail>> {
        let _ = filter;
        Err(pending())
    }

    /// Tells all of a volume.
    pub async fn inspect_volume(&self, name: &str) -> Result<VolumeDetail> {
        let _ = name;
        Err(pending())
    }

    /// Makes a volume. One that has the name already is given as it is, with its own labels and options.
    pub async fn create_volume(&self, spec: &VolumeSpec) -> Result<VolumeDetail> {
        let _ = spec;
        Err(pending())
    }

    /// Removes a volume. One in use is a [`Error::Conflict`](super::Error::Conflict).
    pub async fn remove_volume(&self, name: &str) -> Result<()> {
        let _ = name;
        Err(pending())
    }
}
