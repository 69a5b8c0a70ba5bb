//! Versions, information and errors.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::nullable;
use crate::engine::{ApiVersion, EngineKind, Error, Info, Result, Version};

/// An error answer. Podman adds the innermost cause.
#[derive(Deserialize)]
pub(in crate::engine) struct ErrorBody {
    message: String,
}

impl ErrorBody {
    pub(in crate::engine) fn into_message(self) -> String {
        self.message
    }
}

/// Answer of `GET /version`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::engine) struct VersionBody {
    #[serde(default)]
    version: String,
    #[serde(default)]
    api_version: String,
    #[serde(default, rename = "MinAPIVersion")]
    min_api_version: String,
    #[serde(default, deserialize_with = "nullable")]
    components: Vec<Component>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Component {
    #[serde(default)]
    name: String,
}

impl VersionBody {
    /// Chooses the newest version of the API that both sides know.
    pub(in crate::engine) fn into_version(self) -> Result<Version> {
        let podman = self.components.iter().any(|c| c.name.to_ascii_lowercase().contains("podman"));
        let offered = ApiVersion::parse(&self.api_version)
            .ok_or_else(|| Error::Protocol(format!("API version {:?}", self.api_version)))?;
        let api = offered.min(ApiVersion::NEWEST);
        let least = ApiVersion::parse(&self.min_api_version).unwrap_or(api);
        Ok(Version {
            kind: if podman { EngineKind::Podman } else { EngineKind::Docker },
            version: self.version,
            api: api.max(least),
        })
    }
}

/// Answer of `GET /info`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::engine) struct InfoBody {
    #[serde(default)]
    name: String,
    #[serde(default)]
    operating_system: String,
    #[serde(default)]
    kernel_version: String,
    #[serde(default)]
    architecture: String,
    #[serde(default, rename = "NCPU")]
    cpus: u64,
    #[serde(default)]
    mem_total: u64,
    #[serde(default)]
    cgroup_version: String,
    #[serde(default)]
    cgroup_driver: String,
    #[serde(default)]
    driver: String,
    #[serde(default)]
    logging_driver: String,
    #[serde(default, deserialize_with = "nullable")]
    runtimes: BTreeMap<String, IgnoredAny>,
    #[serde(default)]
    default_runtime: String,
    #[serde(default, deserialize_with = "nullable")]
    security_options: Vec<String>,
    #[serde(default)]
    docker_root_dir: String,
    #[serde(default)]
    rootless: bool,
    #[serde(default)]
    live_restore_enabled: bool,
    #[serde(default)]
    swap_limit: bool,
    #[serde(default)]
    pids_limit: bool,
}

impl InfoBody {
    pub(in crate::engine) fn into_info(self, version: &Version) -> Info {
        // Each is a list of facts such as `name=seccomp,profile=default`.
        let security: Vec<String> = self
            .security_options
            .iter()
            .filter_map(|option| option.split(',').find_map(|fact| fact.strip_prefix("name=")))
            .map(str::to_owned)
            .collect();
        Info {
            kind: version.kind,
            version: version.version.clone(),
            api: version.api,
            name: self.name,
            operating_system: self.operating_system.trim_matches('"').to_owned(),
            kernel: self.kernel_version,
            architecture: self.architecture,
            cpus: self.cpus,
            memory: self.mem_total,
            cgroup_version: if self.cgroup_version == "2" { 2 } else { 1 },
            cgroup_driver: self.cgroup_driver,
            storage_driver: self.driver,
            log_driver: self.logging_driver,
            runtimes: self.runtimes.into_keys().collect(),
            default_runtime: self.default_runtime,
            rootless: self.rootless || security.iter().any(|name| name == "rootless"),
            security,
            root_dir: self.docker_root_dir,
            live_restore: self.live_restore_enabled,
            swap_limit: self.swap_limit,
            pids_limit: self.pids_limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(api: &str, least: &str, component: &str) -> Version {
        let text = format!(
            r#"{{"Version":"1","ApiVersion":"{api}","MinAPIVersion":"{least}","Components":[{{"Name":"{component}"}}]}}"#
        );
        serde_json::from_str::<VersionBody>(&text).unwrap().into_version().unwrap()
    }

    #[test]
    fn the_newest_common_version_is_spoken() {
        assert_eq!(version("1.41", "1.12", "Engine").api.to_string(), "1.41");
        assert_eq!(version("1.60", "1.44", "Engine").api, ApiVersion::NEWEST);
        assert_eq!(version("1.70", "1.60", "Engine").api.to_string(), "1.60");
        assert_eq!(version("1.41", "1.24", "Podman Engine").kind, EngineKind::Podman);
        assert_eq!(version("1.41", "1.24", "Engine").kind, EngineKind::Docker);
    }

    #[test]
    fn an_answer_without_a_version_is_an_error() {
        let body: VersionBody = serde_json::from_str("{}").unwrap();
        assert!(matches!(body.into_version(), Err(Error::Protocol(_))));
    }
}
