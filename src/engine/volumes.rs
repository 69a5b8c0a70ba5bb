//! Calls about volumes.

use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::RemoveVolumeOptions;

use super::system::{filters, query, segment};
use super::wire::{VolumeBody, VolumesBody};
use super::{Engine, Filter, Result, VolumeDetail, VolumeSpec};

impl Engine {
    /// Lists volumes.
    pub async fn volumes(&self, filter: &Filter) -> Result<Vec<VolumeDetail>> {
        let query = query(&[("filters", &filters(filter))]);
        let list: VolumesBody = self.get(&format!("/volumes?{query}")).await?;
        Ok(list.volumes.into_iter().map(VolumeBody::into_detail).collect())
    }

    /// Tells all of a volume.
    pub async fn inspect_volume(&self, name: &str) -> Result<VolumeDetail> {
        let body: VolumeBody = self.get(&format!("/volumes/{}", segment(name)?)).await?;
        Ok(body.into_detail())
    }

    /// Makes a volume. One that has the name already is given as it is, with its own labels and options.
    pub async fn create_volume(&self, spec: &VolumeSpec) -> Result<VolumeDetail> {
        let request = VolumeCreateRequest {
            name: Some(spec.name.clone()),
            driver: (!spec.driver.is_empty()).then(|| spec.driver.clone()),
            driver_opts: Some(spec.options.clone().into_iter().collect()),
            labels: Some(spec.labels.clone().into_iter().collect()),
            ..VolumeCreateRequest::default()
        };
        self.call(self.docker()?.create_volume(request)).await?;
        self.inspect_volume(&spec.name).await
    }

    /// Removes a volume. One in use is a [`Error::Conflict`](super::Error::Conflict).
    pub async fn remove_volume(&self, name: &str) -> Result<()> {
        self.call(self.docker()?.remove_volume(&segment(name)?, None::<RemoveVolumeOptions>)).await
    }
}
