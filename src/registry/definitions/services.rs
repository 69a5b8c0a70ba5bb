//! The APIServices of what k2d serves by itself: one for each group version.

use crate::kinds::apiregistration::{self, api_service};
use crate::registry::delete::DeleteOptions;
use crate::registry::{Registry, WriteOptions};
use crate::schema::object::Object;
use crate::schema::status::Status;

impl Registry {
    /// Makes the APIServices that are missing and takes away those of groups that are gone.
    pub(super) async fn keep_services(&self) -> Result<(), Status> {
        let options = WriteOptions::internal("kube-apiserver");
        let served = self.group_versions();
        let kind = self.kind(apiregistration::GROUP, "apiservices")?;
        let present = self.all(&kind, None).await?;
        for (group, version, custom) in &served {
            let object = api_service::local(group, version, *custom);
            if present.iter().any(|one| one.name() == object.name()) {
                continue;
            }
            let target = self.target(apiregistration::GROUP, "apiservices", "", "")?;
            match Box::pin(self.create(&target, object, &options)).await {
                Err(status) if status.reason != "AlreadyExists" => return Err(status),
                _ => {}
            }
        }
        for object in present.iter().filter(|one| one.label(api_service::MANAGED).is_some()) {
            let (group, version) = (object.text("/spec/group"), object.text("/spec/version"));
            if served.iter().any(|(g, v, _)| g == group && v == version) {
                continue;
            }
            let target = self.target(apiregistration::GROUP, "apiservices", "", object.name())?;
            match Box::pin(self.delete(&target, &DeleteOptions::default(), &options)).await {
                Err(status) if status.code != 404 => return Err(status),
                _ => {}
            }
        }
        Ok(())
    }
}
