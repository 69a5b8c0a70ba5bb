//! From a specification to the engine's words. Pure: which engine it is comes as a parameter, and what that
//! engine cannot do is an error here, before anything is asked of it.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, DeviceMapping as DeviceBody, DeviceRequest, EndpointIpamConfig, EndpointSettings,
    HealthConfig, HostConfig, HostConfigLogConfig, Mount as MountBody, MountBindOptions,
    MountBindOptionsPropagationEnum as BindPropagation, MountImageOptions, MountType, MountVolumeOptions,
    NetworkingConfig, PortBinding, ResourcesUlimits, RestartPolicy as RestartBody,
    RestartPolicyNameEnum as RestartName,
};

use super::types::whole_seconds;
use super::{
    ApiVersion, ContainerSpec, EngineKind, Error, IpcMode, Mount, NetworkMode, NetworkTarget, PidMode, Propagation,
    RecursiveReadOnly, RestartPolicy, Result, Seccomp, Security, Version,
};

/// The body of a request that makes a container.
pub(super) fn body(spec: &ContainerSpec, version: &Version) -> Result<ContainerCreateBody> {
    let mut exposed: Vec<String> = Vec::new();
    for port in &spec.ports {
        let key = format!("{}/{}", port.container_port, port.protocol.as_str());
        if !exposed.contains(&key) {
            exposed.push(key);
        }
    }
    Ok(ContainerCreateBody {
        image: Some(spec.image.clone()),
        entrypoint: spec.entrypoint.clone(),
        cmd: spec.args.clone(),
        env: some(spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        working_dir: spec.working_dir.clone(),
        user: spec.user.clone(),
        labels: Some(spec.labels.clone().into_iter().collect()),
        tty: Some(spec.tty),
        open_stdin: Some(spec.stdin),
        stdin_once: Some(spec.stdin_once),
        hostname: spec.hostname.clone(),
        domainname: spec.domainname.clone(),
        exposed_ports: some(exposed),
        stop_signal: spec.stop_signal.clone(),
        stop_timeout: spec.stop_timeout.map(|time| i64::try_from(whole_seconds(time)).unwrap_or(i64::MAX)),
        healthcheck: spec
            .no_healthcheck
            .then(|| HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        host_config: Some(host(spec, version)?),
        networking_config: match &spec.network {
            NetworkMode::Network(target) => Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([(
                    target.network.clone(),
                    lasting(endpoint(target), target, version),
                )])),
            }),
            _ => None,
        },
        ..ContainerCreateBody::default()
    })
}

/// Podman gives a container another hardware address each time it starts, and who spoke to it before asks the old
/// one for half a minute: one that follows from its address stays.
fn lasting(mut endpoint: EndpointSettings, target: &NetworkTarget, version: &Version) -> EndpointSettings {
    if let (EngineKind::Podman, None, Some(address)) = (version.kind, &endpoint.mac_address, target.ipv4) {
        let [a, b, c, d] = address.octets();
        endpoint.mac_address = Some(format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}"));
    }
    endpoint
}

/// A place in a network.
pub(super) fn endpoint(target: &NetworkTarget) -> EndpointSettings {
    EndpointSettings {
        ipam_config: target
            .ipv4
            .map(|ip| EndpointIpamConfig { ipv4_address: Some(ip.to_string()), ..EndpointIpamConfig::default() }),
        aliases: some(target.aliases.clone()),
        mac_address: target.mac.clone(),
        ..EndpointSettings::default()
    }
}

/// A restart policy.
pub(super) fn restart(policy: RestartPolicy) -> RestartBody {
    let (name, retries) = match policy {
        RestartPolicy::No => (RestartName::NO, None),
        RestartPolicy::Always => (RestartName::ALWAYS, None),
        RestartPolicy::UnlessStopped => (RestartName::UNLESS_STOPPED, None),
        RestartPolicy::OnFailure { max_retries } => (RestartName::ON_FAILURE, Some(i64::from(max_retries))),
    };
    RestartBody { name: Some(name), maximum_retry_count: retries }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn host(spec: &ContainerSpec, version: &Version) -> Result<HostConfig> {
    let resources = spec.resources.clone();
    let security = &spec.security;
    let (mounts, tmpfs) = mounts(&spec.mounts, version)?;
    let podman = version.kind == EngineKind::Podman;
    Ok(HostConfig {
        network_mode: Some(match &spec.network {
            NetworkMode::Default => "default".to_owned(),
            NetworkMode::None => "none".to_owned(),
            NetworkMode::Host => "host".to_owned(),
            NetworkMode::Container(id) => format!("container:{id}"),
            NetworkMode::Network(target) => target.network.clone(),
        }),
        port_bindings: (!spec.ports.is_empty()).then(|| ports(spec)),
        pid_mode: match &spec.pid {
            PidMode::Private => None,
            PidMode::Host => Some("host".to_owned()),
            PidMode::Container(id) => Some(format!("container:{id}")),
        },
        ipc_mode: match &spec.ipc {
            IpcMode::Default => None,
            IpcMode::Shareable => Some("shareable".to_owned()),
            IpcMode::Host => Some("host".to_owned()),
            IpcMode::Container(id) => Some(format!("container:{id}")),
        },
        dns: some(spec.dns.servers.clone()),
        dns_search: some(spec.dns.searches.clone()),
        dns_options: some(spec.dns.options.clone()),
        extra_hosts: some(spec.extra_hosts.iter().map(|(name, ip)| format!("{name}:{ip}")).collect()),
        mounts: some(mounts),
        tmpfs: (!tmpfs.is_empty()).then_some(tmpfs),
        restart_policy: Some(restart(spec.restart)),
        cpu_shares: resources.cpu_shares,
        cpu_quota: resources.cpu_quota,
        cpu_period: resources.cpu_period,
        cpuset_cpus: resources.cpuset_cpus,
        memory: resources.memory,
        memory_swap: resources.memory_swap,
        memory_reservation: resources.memory_reservation,
        pids_limit: resources.pids_limit,
        privileged: Some(security.privileged),
        cap_add: some(security.cap_add.clone()),
        cap_drop: some(security.cap_drop.clone()),
        security_opt: some(security_options(security, podman)),
        readonly_rootfs: Some(security.read_only_root),
        masked_paths: if podman { None } else { security.masked_paths.clone() },
        readonly_paths: if podman { None } else { security.readonly_paths.clone() },
        group_add: some(security.groups.clone()),
        userns_mode: security.host_users.then(|| "host".to_owned()),
        oom_score_adj: spec.oom_score_adj,
        devices: some(
            spec.devices
                .iter()
                .map(|device| DeviceBody {
                    path_on_host: Some(device.host.clone()),
                    path_in_container: Some(device.container.clone()),
                    cgroup_permissions: Some(device.permissions.clone()),
                })
                .collect(),
        ),
        device_requests: cdi(spec, version)?,
        ulimits: some(
            spec.ulimits
                .iter()
                .map(|limit| ResourcesUlimits {
                    name: Some(limit.name.clone()),
                    soft: Some(limit.soft),
                    hard: Some(limit.hard),
                })
                .collect(),
        ),
        sysctls: (!spec.sysctls.is_empty()).then(|| spec.sysctls.clone().into_iter().collect()),
        log_config: spec.log.as_ref().map(|log| HostConfigLogConfig {
            typ: Some(log.driver.clone()),
            config: Some(log.options.clone().into_iter().collect()),
        }),
        shm_size: spec.shm_size.map(|size| i64::try_from(size).unwrap_or(i64::MAX)),
        init: spec.init,
        ..HostConfig::default()
    })
}

fn ports(spec: &ContainerSpec) -> HashMap<String, Option<Vec<PortBinding>>> {
    let mut all: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in &spec.ports {
        let key = format!("{}/{}", port.container_port, port.protocol.as_str());
        all.entry(key).or_default().get_or_insert_default().push(PortBinding {
            host_ip: port.host_ip.map(|ip| ip.to_string()),
            host_port: Some(if port.host_port == 0 { String::new() } else { port.host_port.to_string() }),
        });
    }
    all
}

fn security_options(security: &Security, podman: bool) -> Vec<String> {
    let mut options = Vec::new();
    if security.no_new_privileges {
        options.push("no-new-privileges".to_owned());
    }
    match &security.seccomp {
        Seccomp::Default => {}
        Seccomp::Unconfined => options.push("seccomp=unconfined".to_owned()),
        Seccomp::Profile(json) => options.push(format!("seccomp={json}")),
    }
    if let Some(profile) = &security.apparmor {
        options.push(format!("apparmor={profile}"));
    }
    options.extend(security.selinux.iter().map(|label| format!("label={label}")));
    if podman && let Some(paths) = &security.masked_paths {
        // Podman does not take the list itself: its own is lifted and the given one put in place.
        options.push("unmask=ALL".to_owned());
        if !paths.is_empty() {
            options.push(format!("mask={}", paths.join(":")));
        }
    }
    options
}

fn cdi(spec: &ContainerSpec, version: &Version) -> Result<Option<Vec<DeviceRequest>>> {
    if spec.cdi_devices.is_empty() {
        return Ok(None);
    }
    if version.kind == EngineKind::Docker && !at_least(version, 44) {
        return Err(unsupported("devices by CDI names", version));
    }
    Ok(Some(vec![DeviceRequest {
        driver: Some("cdi".to_owned()),
        device_ids: Some(spec.cdi_devices.clone()),
        ..DeviceRequest::default()
    }]))
}

fn mounts(mounts: &[Mount], version: &Version) -> Result<(Vec<MountBody>, HashMap<String, String>)> {
    let mut bodies = Vec::new();
    let mut tmpfs = HashMap::new();
    for mount in mounts {
        match mount {
            Mount::Tmpfs { target, size, mode, exec, read_only } => {
                let mut options = vec![if *read_only { "ro" } else { "rw" }.to_owned(), "nosuid,nodev".to_owned()];
                options.push(if *exec { "exec" } else { "noexec" }.to_owned());
                options.extend(size.map(|size| format!("size={size}")));
                options.extend(mode.map(|mode| format!("mode={mode:o}")));
                tmpfs.insert(target.clone(), options.join(","));
            }
            Mount::Bind { source, target, read_only, recursive_read_only, propagation } => bodies.push(MountBody {
                typ: Some(MountType::BIND),
                source: Some(source.clone()),
                target: Some(target.clone()),
                read_only: Some(*read_only),
                bind_options: Some(bind(*read_only, *recursive_read_only, *propagation, version)?),
                ..MountBody::default()
            }),
            Mount::Volume { name, target, read_only, no_copy, subpath } => {
                if subpath.is_some() && !(version.kind == EngineKind::Docker && at_least(version, 45)) {
                    return Err(unsupported("a directory within a volume", version));
                }
                bodies.push(MountBody {
                    typ: Some(MountType::VOLUME),
                    source: Some(name.clone()),
                    target: Some(target.clone()),
                    read_only: Some(*read_only),
                    volume_options: Some(MountVolumeOptions {
                        no_copy: Some(*no_copy),
                        subpath: subpath.clone(),
                        ..MountVolumeOptions::default()
                    }),
                    ..MountBody::default()
                });
            }
            Mount::Image { image, target, subpath } => {
                if version.kind == EngineKind::Docker && !at_least(version, 48) {
                    return Err(unsupported("the files of an image as a volume", version));
                }
                bodies.push(MountBody {
                    typ: Some(MountType::IMAGE),
                    source: Some(image.clone()),
                    target: Some(target.clone()),
                    image_options: subpath.as_ref().map(|path| MountImageOptions { subpath: Some(path.clone()) }),
                    ..MountBody::default()
                });
            }
        }
    }
    Ok((bodies, tmpfs))
}

fn bind(
    read_only: bool,
    recursive: RecursiveReadOnly,
    propagation: Propagation,
    version: &Version,
) -> Result<MountBindOptions> {
    let can = version.kind == EngineKind::Docker && at_least(version, 44);
    if read_only && recursive == RecursiveReadOnly::Enabled && !can {
        return Err(unsupported("recursive read-only mounts", version));
    }
    Ok(MountBindOptions {
        propagation: match propagation {
            // Left open it is private, but for what the engine's own data are below: that it only makes a slave of.
            Propagation::Private => None,
            Propagation::HostToContainer => Some(BindPropagation::RSLAVE),
            Propagation::Bidirectional => Some(BindPropagation::RSHARED),
        },
        read_only_non_recursive: (read_only && can && recursive == RecursiveReadOnly::Disabled).then_some(true),
        read_only_force_recursive: (read_only && can && recursive == RecursiveReadOnly::Enabled).then_some(true),
        ..MountBindOptions::default()
    })
}

fn at_least(version: &Version, minor: u32) -> bool {
    version.api >= ApiVersion { major: 1, minor }
}

fn unsupported(what: &str, version: &Version) -> Error {
    Error::Unsupported(format!("{} {} does not support {what}", version.kind, version.version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Protocol, PublishedPort};

    fn version(kind: EngineKind, minor: u32) -> Version {
        Version { kind, version: "x".into(), api: ApiVersion { major: 1, minor } }
    }

    fn host_of(spec: &ContainerSpec, version: &Version) -> HostConfig {
        body(spec, version).unwrap().host_config.unwrap()
    }

    fn read_only_bind(recursive_read_only: RecursiveReadOnly) -> ContainerSpec {
        ContainerSpec {
            mounts: vec![Mount::Bind {
                source: "/a".into(),
                target: "/b".into(),
                read_only: true,
                recursive_read_only,
                propagation: Propagation::Private,
            }],
            ..ContainerSpec::default()
        }
    }

    #[test]
    fn what_was_not_asked_for_is_left_to_the_image() {
        let body = body(&ContainerSpec::default(), &version(EngineKind::Docker, 41)).unwrap();
        let json = serde_json::to_value(&body).unwrap();
        for absent in ["Entrypoint", "Cmd", "Env", "User", "WorkingDir", "Healthcheck", "StopSignal"] {
            assert_eq!(json.get(absent), None, "{absent}");
        }
        assert_eq!(json["HostConfig"].get("MaskedPaths"), None);
    }

    #[test]
    fn an_empty_list_of_masked_paths_hides_nothing() {
        let mut spec = ContainerSpec::default();
        spec.security.masked_paths = Some(Vec::new());
        let docker = host_of(&spec, &version(EngineKind::Docker, 41));
        assert_eq!(docker.masked_paths, Some(Vec::new()));
        let podman = host_of(&spec, &version(EngineKind::Podman, 41));
        assert_eq!(podman.security_opt, Some(vec!["unmask=ALL".to_owned()]));
    }

    #[test]
    fn one_container_port_can_have_several_host_ports() {
        let port = |host_port| PublishedPort { host_ip: None, host_port, container_port: 80, protocol: Protocol::Tcp };
        let spec = ContainerSpec { ports: vec![port(8080), port(0)], ..ContainerSpec::default() };
        let body = body(&spec, &version(EngineKind::Docker, 41)).unwrap();
        assert_eq!(body.exposed_ports, Some(vec!["80/tcp".to_owned()]));
        let bindings = body.host_config.unwrap().port_bindings.unwrap().remove("80/tcp").unwrap().unwrap();
        let ports: Vec<_> = bindings.iter().map(|b| b.host_port.clone().unwrap()).collect();
        assert_eq!(ports, ["8080", ""]);
    }

    #[test]
    fn a_fixed_address_goes_with_its_network() {
        let target =
            NetworkTarget { network: "n".into(), ipv4: Some([10, 1, 0, 5].into()), ..NetworkTarget::default() };
        let spec = ContainerSpec { network: NetworkMode::Network(target), ..ContainerSpec::default() };
        let endpoint_on = |kind| {
            let body = body(&spec, &version(kind, 41)).unwrap();
            assert_eq!(body.host_config.unwrap().network_mode.as_deref(), Some("n"));
            body.networking_config.unwrap().endpoints_config.unwrap().remove("n").unwrap()
        };
        let (docker, podman) = (endpoint_on(EngineKind::Docker), endpoint_on(EngineKind::Podman));
        assert_eq!(docker.ipam_config.unwrap().ipv4_address.as_deref(), Some("10.1.0.5"));
        assert_eq!(docker.mac_address, None, "Docker makes it of the address by itself");
        assert_eq!(podman.mac_address.as_deref(), Some("02:42:0a:01:00:05"));
    }

    #[test]
    fn a_protection_that_cannot_be_had_is_refused() {
        let spec = read_only_bind(RecursiveReadOnly::Enabled);
        assert!(matches!(body(&spec, &version(EngineKind::Docker, 41)), Err(Error::Unsupported(_))));
        assert!(matches!(body(&spec, &version(EngineKind::Podman, 44)), Err(Error::Unsupported(_))));
        let host = host_of(&spec, &version(EngineKind::Docker, 44));
        let options = host.mounts.unwrap().remove(0).bind_options.unwrap();
        assert_eq!(options.read_only_force_recursive, Some(true));
    }

    #[test]
    fn read_only_is_not_recursive_unless_asked() {
        let spec = read_only_bind(RecursiveReadOnly::Disabled);
        let options = |minor| {
            let host = host_of(&spec, &version(EngineKind::Docker, minor));
            host.mounts.unwrap().remove(0).bind_options.unwrap().read_only_non_recursive
        };
        assert_eq!(options(44), Some(true));
        assert_eq!(options(41), None);
    }

    #[test]
    fn memory_mounts_carry_size_and_mode() {
        let mount =
            Mount::Tmpfs { target: "/m".into(), size: Some(4096), mode: Some(0o1777), exec: true, read_only: false };
        let spec = ContainerSpec { mounts: vec![mount], ..ContainerSpec::default() };
        let host = host_of(&spec, &version(EngineKind::Docker, 41));
        assert_eq!(host.tmpfs.unwrap()["/m"], "rw,nosuid,nodev,exec,size=4096,mode=1777");
    }
}
