//! Images, networks, volumes and small answers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Strings, image_id, nullable, seconds, time};
use crate::engine::{
    EngineKind, ExecState, ImageDetail, ImageSummary, NetworkDetail, Processes, Subnet, VolumeDetail, WaitResult,
};

/// An item of `GET /images/json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::engine) struct ImageListBody {
    id: String,
    #[serde(default, deserialize_with = "nullable")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    repo_digests: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    size: i64,
    #[serde(default)]
    created: i64,
}

/// Leaves out the names that Docker writes for none.
fn names(names: Vec<String>) -> Vec<String> {
    names.into_iter().filter(|name| !name.contains("<none>")).collect()
}

fn bytes(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

impl ImageListBody {
    pub(in crate::engine) fn into_summary(self) -> ImageSummary {
        ImageSummary {
            id: image_id(self.id),
            tags: names(self.repo_tags),
            digests: names(self.repo_digests),
            labels: self.labels,
            size: bytes(self.size),
            created: seconds(self.created),
        }
    }
}

/// Answer of `GET /images/NAME/json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::engine) struct ImageBody {
    id: String,
    #[serde(default, deserialize_with = "nullable")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    repo_digests: Vec<String>,
    #[serde(default)]
    size: i64,
    #[serde(default)]
    architecture: String,
    #[serde(default, deserialize_with = "nullable")]
    config: ImageConfigBody,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ImageConfigBody {
    user: String,
    entrypoint: Strings,
    cmd: Strings,
    #[serde(deserialize_with = "nullable")]
    env: Vec<String>,
    working_dir: String,
    #[serde(deserialize_with = "nullable")]
    exposed_ports: BTreeMap<String, IgnoredAny>,
    #[serde(deserialize_with = "nullable")]
    volumes: BTreeMap<String, IgnoredAny>,
    #[serde(deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    stop_signal: String,
    #[serde(deserialize_with = "nullable")]
    healthcheck: HealthcheckBody,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HealthcheckBody {
    test: Strings,
}

impl ImageBody {
    pub(in crate::engine) fn into_detail(self) -> ImageDetail {
        let config = self.config;
        ImageDetail {
            id: image_id(self.id),
            tags: names(self.repo_tags),
            digests: names(self.repo_digests),
            size: bytes(self.size),
            architecture: self.architecture,
            user: config.user,
            entrypoint: config.entrypoint.0,
            args: config.cmd.0,
            env: config.env,
            working_dir: config.working_dir,
            exposed_ports: config.exposed_ports.into_keys().collect(),
            volumes: config.volumes.into_keys().collect(),
            labels: config.labels,
            stop_signal: config.stop_signal,
            has_healthcheck: config.healthcheck.test.0.first().is_some_and(|first| first != "NONE"),
        }
    }
}

/// An item of `GET /networks` and answer of `GET /networks/NAME`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::engine) struct NetworkBody {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    driver: String,
    #[serde(default)]
    internal: bool,
    #[serde(default, deserialize_with = "nullable", rename = "IPAM")]
    ipam: IpamBody,
    #[serde(default, deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nullable")]
    options: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nullable")]
    containers: BTreeMap<String, IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct IpamBody {
    #[serde(deserialize_with = "nullable")]
    config: Vec<SubnetBody>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SubnetBody {
    subnet: String,
    gateway: String,
    #[serde(rename = "IPRange")]
    ip_range: String,
}

/// Option that names the bridge, the same for both engines.
pub(in crate::engine) const BRIDGE_NAME: &str = "com.docker.network.bridge.name";

impl NetworkBody {
    pub(in crate::engine) fn into_detail(self, kind: EngineKind) -> NetworkDetail {
        let bridge = match self.options.get(BRIDGE_NAME) {
            Some(name) => Some(name.clone()),
            // Docker names a bridge after the network's id if it is not told otherwise.
            None if kind == EngineKind::Docker && self.driver == "bridge" => {
                self.id.get(..12).map(|start| format!("br-{start}"))
            }
            None => None,
        };
        NetworkDetail {
            id: self.id,
            name: self.name,
            driver: self.driver,
            subnets: self
                .ipam
                .config
                .into_iter()
                .map(|s| Subnet { subnet: s.subnet, gateway: s.gateway, ip_range: s.ip_range })
                .collect(),
            internal: self.internal,
            bridge,
            labels: self.labels,
            options: self.options,
            containers: self.containers.into_keys().collect(),
        }
    }
}

/// Answer of `GET /volumes`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::engine) struct VolumesBody {
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::engine) volumes: Vec<VolumeBody>,
}

/// Answer of `GET /volumes/NAME`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::engine) struct VolumeBody {
    name: String,
    #[serde(default)]
    driver: String,
    #[serde(default)]
    mountpoint: String,
    #[serde(default, deserialize_with = "nullable")]
    options: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nullable")]
    created_at: String,
}

impl VolumeBody {
    pub(in crate::engine) fn into_detail(self) -> VolumeDetail {
        VolumeDetail {
            name: self.name,
            driver: self.driver,
            mountpoint: self.mountpoint,
            options: self.options,
            labels: self.labels,
            created: time(&self.created_at),
        }
    }
}

/// Answer of `GET /exec/ID/json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::engine) struct ExecBody {
    #[serde(default)]
    running: bool,
    exit_code: Option<i64>,
    #[serde(default)]
    pid: i64,
}

impl ExecBody {
    pub(in crate::engine) fn into_state(self) -> ExecState {
        ExecState { running: self.running, exit_code: if self.running { None } else { self.exit_code }, pid: self.pid }
    }
}

/// Answer of `POST /containers/ID/wait`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::engine) struct WaitBody {
    status_code: i64,
    #[serde(default, deserialize_with = "nullable")]
    error: WaitErrorBody,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct WaitErrorBody {
    message: String,
}

impl WaitBody {
    pub(in crate::engine) fn into_result(self) -> WaitResult {
        let error = self.error.message;
        WaitResult { exit_code: self.status_code, error: (!error.is_empty()).then_some(error) }
    }
}

/// Answer of `GET /containers/ID/top`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::engine) struct TopBody {
    #[serde(default, deserialize_with = "nullable")]
    titles: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    processes: Vec<Vec<String>>,
}

impl TopBody {
    pub(in crate::engine) fn into_processes(self) -> Processes {
        Processes { titles: self.titles, rows: self.processes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_has_dockers_name_unless_told() {
        let read = |options: &str, kind| {
            let text = format!(r#"{{"Id":"0123456789abcdef","Name":"n","Driver":"bridge","Options":{options}}}"#);
            serde_json::from_str::<NetworkBody>(&text).unwrap().into_detail(kind).bridge
        };
        assert_eq!(read("null", EngineKind::Docker).as_deref(), Some("br-0123456789ab"));
        let named = r#"{"com.docker.network.bridge.name":"k2d0"}"#;
        assert_eq!(read(named, EngineKind::Docker).as_deref(), Some("k2d0"));
        assert_eq!(read("null", EngineKind::Podman), None);
    }

    #[test]
    fn names_that_say_none_are_none() {
        let text = r#"{"Id":"sha256:a","RepoTags":["<none>:<none>"],"RepoDigests":["<none>@<none>"]}"#;
        let image = serde_json::from_str::<ImageListBody>(text).unwrap().into_summary();
        assert!(image.tags.is_empty() && image.digests.is_empty());
    }
}
