//! A container as inspect tells it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::list::{EndpointBody, MountBody};
use super::ports::{PortsBody, mappings, published};
use super::{Strings, image_id, nullable, set, time};
use crate::engine::{
    ConfigFacts, ContainerDetail, ContainerState, DeviceMapping, Health, HostFacts, LogConfig, Resources,
    RestartPolicy, StateDetail, Ulimit,
};

/// Answer of `GET /containers/ID/json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::engine) struct InspectBody {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    created: String,
    #[serde(default)]
    image: String,
    #[serde(default, deserialize_with = "nullable")]
    state: StateBody,
    #[serde(default)]
    restart_count: i64,
    #[serde(default)]
    log_path: String,
    #[serde(default, deserialize_with = "nullable")]
    config: ConfigBody,
    #[serde(default, deserialize_with = "nullable")]
    host_config: HostBody,
    #[serde(default, deserialize_with = "nullable")]
    mounts: Vec<MountBody>,
    #[serde(default, deserialize_with = "nullable")]
    network_settings: NetworkBody,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct StateBody {
    status: String,
    pid: i64,
    exit_code: i64,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    error: String,
    started_at: String,
    finished_at: String,
    #[serde(alias = "Healthcheck", deserialize_with = "nullable")]
    health: HealthBody,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HealthBody {
    status: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ConfigBody {
    image: String,
    entrypoint: Strings,
    cmd: Strings,
    #[serde(deserialize_with = "nullable")]
    env: Vec<String>,
    working_dir: String,
    user: String,
    #[serde(deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
    tty: bool,
    open_stdin: bool,
    stdin_once: bool,
    hostname: String,
    #[serde(deserialize_with = "signal")]
    stop_signal: String,
    stop_timeout: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HostBody {
    network_mode: String,
    pid_mode: String,
    ipc_mode: String,
    #[serde(deserialize_with = "nullable")]
    restart_policy: RestartBody,
    auto_remove: bool,
    #[serde(deserialize_with = "nullable")]
    port_bindings: PortsBody,
    #[serde(deserialize_with = "nullable")]
    log_config: LogBody,
    cpu_shares: i64,
    cpu_quota: i64,
    cpu_period: i64,
    cpuset_cpus: String,
    nano_cpus: i64,
    memory: i64,
    memory_swap: i64,
    memory_reservation: i64,
    pids_limit: Option<i64>,
    privileged: bool,
    #[serde(deserialize_with = "nullable")]
    cap_add: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    cap_drop: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    security_opt: Vec<String>,
    readonly_rootfs: bool,
    #[serde(deserialize_with = "nullable")]
    group_add: Vec<String>,
    oom_score_adj: i64,
    #[serde(deserialize_with = "nullable")]
    sysctls: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    ulimits: Vec<UlimitBody>,
    #[serde(deserialize_with = "nullable")]
    devices: Vec<DeviceBody>,
    shm_size: u64,
    #[serde(deserialize_with = "nullable")]
    dns: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    extra_hosts: Vec<String>,
    masked_paths: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RestartBody {
    name: String,
    maximum_retry_count: u32,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct LogBody {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(deserialize_with = "nullable")]
    config: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct UlimitBody {
    name: String,
    soft: i64,
    hard: i64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DeviceBody {
    path_on_host: String,
    path_in_container: String,
    cgroup_permissions: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkBody {
    #[serde(deserialize_with = "nullable")]
    networks: BTreeMap<String, Option<EndpointBody>>,
    #[serde(deserialize_with = "nullable")]
    ports: PortsBody,
}

/// Docker writes a signal's name, Podman its number; 0 is none.
fn signal<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(name) if name != "0" => name,
        serde_json::Value::Number(number) if number.as_i64() != Some(0) => number.to_string(),
        _ => String::new(),
    })
}

impl InspectBody {
    pub(in crate::engine) fn into_detail(self) -> ContainerDetail {
        let (host, log) = self.host_config.into_facts();
        let state = self.state.into_state();
        // Docker counts a start when it sets out to wait for it.
        let early = u64::from(state.state == ContainerState::Restarting);
        let restart_count = u64::try_from(self.restart_count).unwrap_or_default().saturating_sub(early);
        ContainerDetail {
            id: self.id,
            name: self.name.trim_start_matches('/').to_owned(),
            created: time(&self.created),
            image_id: image_id(self.image),
            state,
            restart_count,
            log,
            log_path: self.log_path,
            config: self.config.into_facts(),
            host,
            mounts: self.mounts.into_iter().map(MountBody::into_mount).collect(),
            networks: self
                .network_settings
                .networks
                .into_iter()
                .map(|(name, endpoint)| (name, endpoint.unwrap_or_default().into_endpoint()))
                .collect(),
            ports: mappings(self.network_settings.ports),
        }
    }
}

impl StateBody {
    fn into_state(self) -> StateDetail {
        let state = ContainerState::parse(&self.status);
        // A container that was never stopped is told with the start of Unix time by some versions.
        let finished_at = time(&self.finished_at).filter(|time| time.as_second() > 0);
        let mut started_at = time(&self.started_at);
        // Docker writes down a start a little late: after the end, for a program that ends at once.
        if !matches!(state, ContainerState::Running | ContainerState::Paused | ContainerState::Created)
            && let (Some(started), Some(finished)) = (started_at, finished_at)
        {
            started_at = Some(started.min(finished));
        }
        StateDetail {
            pid: self.pid,
            exit_code: self.exit_code,
            oom_killed: self.oom_killed,
            error: self.error,
            started_at,
            finished_at,
            health: match self.health.status.as_str() {
                "starting" => Some(Health::Starting),
                "healthy" => Some(Health::Healthy),
                "unhealthy" => Some(Health::Unhealthy),
                _ => None,
            },
            state,
        }
    }
}

impl ConfigBody {
    fn into_facts(self) -> ConfigFacts {
        ConfigFacts {
            image: self.image,
            entrypoint: self.entrypoint.0,
            args: self.cmd.0,
            env: self.env,
            working_dir: self.working_dir,
            user: self.user,
            labels: self.labels,
            tty: self.tty,
            stdin: self.open_stdin,
            stdin_once: self.stdin_once,
            hostname: self.hostname,
            stop_signal: self.stop_signal,
            stop_timeout: self.stop_timeout,
        }
    }
}

impl HostBody {
    fn into_facts(self) -> (HostFacts, LogConfig) {
        let log = LogConfig { driver: self.log_config.kind, options: self.log_config.config };
        let facts = HostFacts {
            network_mode: self.network_mode,
            pid_mode: if self.pid_mode == "private" { String::new() } else { self.pid_mode },
            ipc_mode: self.ipc_mode,
            restart: match self.restart_policy.name.as_str() {
                "always" => RestartPolicy::Always,
                "unless-stopped" => RestartPolicy::UnlessStopped,
                "on-failure" => RestartPolicy::OnFailure { max_retries: self.restart_policy.maximum_retry_count },
                _ => RestartPolicy::No,
            },
            auto_remove: self.auto_remove,
            ports: published(self.port_bindings),
            resources: Resources {
                cpu_shares: set(self.cpu_shares),
                cpu_quota: set(self.cpu_quota),
                cpu_period: set(self.cpu_period),
                cpuset_cpus: (!self.cpuset_cpus.is_empty()).then_some(self.cpuset_cpus),
                memory: set(self.memory),
                memory_swap: set(self.memory_swap),
                memory_reservation: set(self.memory_reservation),
                pids_limit: self.pids_limit.and_then(set),
            },
            nano_cpus: set(self.nano_cpus),
            privileged: self.privileged,
            cap_add: self.cap_add,
            cap_drop: self.cap_drop,
            security_opt: self.security_opt,
            read_only_root: self.readonly_rootfs,
            groups: self.group_add,
            oom_score_adj: self.oom_score_adj,
            sysctls: self.sysctls,
            ulimits: self
                .ulimits
                .into_iter()
                .map(|limit| Ulimit {
                    // Podman tells them as `RLIMIT_NOFILE`.
                    name: limit.name.trim_start_matches("RLIMIT_").to_ascii_lowercase(),
                    soft: limit.soft,
                    hard: limit.hard,
                })
                .collect(),
            devices: self
                .devices
                .into_iter()
                .map(|device| DeviceMapping {
                    host: device.path_on_host,
                    container: device.path_in_container,
                    permissions: device.cgroup_permissions,
                })
                .collect(),
            shm_size: self.shm_size,
            dns: self.dns,
            extra_hosts: self.extra_hosts,
            masked_paths: self.masked_paths,
        };
        (facts, log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::PortMapping;

    #[test]
    fn an_inspect_survives_nulls() {
        let text = r#"{"Id":"a","Name":"/n","State":{"Status":"stopped","ExitCode":137,"OOMKilled":true,
            "StartedAt":"2026-11-22T22:36:52.1Z","FinishedAt":"0001-01-01T00:00:00Z","Health":null},
            "Config":{"Entrypoint":null,"Cmd":["a"],"Env":null,"Labels":null,"StopSignal":15},
            "HostConfig":{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3},"PidsLimit":null,
              "PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}],"1/x":null},"Memory":0,
              "Ulimits":[{"Name":"RLIMIT_NOFILE","Soft":1,"Hard":2}]},
            "Mounts":null,"NetworkSettings":{"Networks":null,"Ports":{"80/tcp":null}}}"#;
        let detail = serde_json::from_str::<InspectBody>(text).unwrap().into_detail();
        assert_eq!(detail.name, "n");
        assert_eq!(detail.state.state, ContainerState::Exited);
        assert!(detail.state.oom_killed);
        assert!(detail.state.started_at.is_some());
        assert_eq!(detail.state.finished_at, None);
        assert_eq!(detail.state.health, None);
        assert_eq!(detail.config.stop_signal, "15");
        assert_eq!(detail.host.restart, RestartPolicy::OnFailure { max_retries: 3 });
        assert_eq!(detail.host.resources, Resources::default());
        assert_eq!(detail.host.ports.len(), 1);
        assert_eq!(detail.host.ulimits[0].name, "nofile");
        assert_eq!(detail.ports, [PortMapping { container_port: 80, ..PortMapping::default() }]);
    }

    #[test]
    fn nothing_starts_after_its_end() {
        let read = |status: &str| {
            let text = format!(
                r#"{{"Id":"a","State":{{"Status":"{status}","StartedAt":"2026-01-01T00:00:02Z","FinishedAt":"2026-01-01T00:00:01Z"}}}}"#
            );
            let state = serde_json::from_str::<InspectBody>(&text).unwrap().into_detail().state;
            state.started_at > state.finished_at
        };
        assert!(!read("exited"), "the run that ended");
        assert!(read("running"), "a new run after one that ended");
    }
}
