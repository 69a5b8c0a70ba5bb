//! A container of a pod as the engine is asked for it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde_json::Value;

use super::env::Variables;
use super::names::{self, Owner, Role};
use super::{Place, Refusal, resources, security};
use crate::engine::{
    ContainerSpec, Dns, ImageDetail, IpcMode, Mount, NetworkMode, NetworkTarget, PidMode, Protocol, PublishedPort,
    RestartPolicy,
};
use crate::kinds::core::pod::quality;
use crate::schema::object::Object;

/// How pods reach the network.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Name of the engine network.
    pub name: String,
    /// Resolver for names of the cluster; empty leaves it to the engine.
    pub resolver: String,
    /// Such as `cluster.local`.
    pub domain: String,
}

/// What a container is made from besides its pod.
pub struct Inputs<'a> {
    /// Whose labels it gets.
    pub owner: &'a Owner,
    /// What it is in the pod.
    pub role: Role,
    /// How often it was started before.
    pub restarts: u64,
    /// Its image, which is present.
    pub image: &'a ImageDetail,
    /// Its variables.
    pub variables: Variables,
    /// Its mounts.
    pub mounts: Vec<Mount>,
    /// The pod network.
    pub network: &'a Network,
    /// The pod's address, if it has one of its own.
    pub address: Option<Ipv4Addr>,
    /// The container whose network (and processes, if they are shared) it joins.
    pub joins: Option<&'a str>,
    /// What the pod knows of the node.
    pub place: &'a Place,
    /// Gives the text of a seccomp profile of the host.
    pub profile: &'a dyn Fn(&str) -> Option<String>,
}

/// The container as the engine is asked for it.
///
/// # Errors
/// A field that cannot be honoured.
pub fn spec(pod: &Value, container: &Value, inputs: Inputs<'_>) -> Result<ContainerSpec, Refusal> {
    let name = container.text("/name");
    let rights = security::rights(pod, container, inputs.image, inputs.profile)?;
    let texts = |key: &str| -> Option<Vec<String>> {
        let list = container.list(&format!("/{key}"));
        let text = list.iter().filter_map(Value::as_str).map(|text| inputs.variables.expand(text));
        (!list.is_empty()).then(|| text.collect())
    };
    let (entrypoint, args) = (texts("command"), texts("args"));
    let hash = names::spec_hash(container);
    let mut labels = names::labels(inputs.owner, pod, name, inputs.role, &hash, inputs.restarts);
    if let Some(address) = inputs.address {
        labels.insert(names::ADDRESS.to_owned(), address.to_string());
    }
    let mut spec = ContainerSpec {
        name: names::container_name(pod, name),
        image: image_name(inputs.image, container.text("/image")),
        entrypoint,
        args,
        env: inputs.variables.into_vec(),
        working_dir: Some(container.text("/workingDir")).filter(|path| !path.is_empty()).map(str::to_owned),
        user: rights.user,
        labels,
        tty: container["tty"] == true,
        stdin: container["stdin"] == true,
        stdin_once: container["stdinOnce"] == true,
        mounts: inputs.mounts,
        restart: restart(pod, inputs.role),
        stop_signal: container.pointer("/lifecycle/stopSignal").and_then(Value::as_str).map(str::to_owned),
        stop_timeout: Some(grace(pod)),
        resources: resources::limits(container),
        security: rights.security,
        oom_score_adj: Some(oom_score(pod, container, inputs.place)),
        no_healthcheck: true,
        ..ContainerSpec::default()
    };
    place(pod, &mut spec, inputs.network, inputs.address, inputs.joins, true);
    Ok(spec)
}

/// No lower than the engine may set it.
fn oom_score(pod: &Value, container: &Value, place: &Place) -> i64 {
    resources::oom_score(quality::class(pod), container, place.memory_capacity).max(place.lowest_oom_score)
}

/// The container that holds the network of a pod of several containers.
pub fn pause(pod: &Value, owner: &Owner, image: &str, network: &Network, address: Option<Ipv4Addr>) -> ContainerSpec {
    let mut labels = names::labels(owner, pod, names::PAUSE, Role::Pause, "", 0);
    if let Some(address) = address {
        labels.insert(names::ADDRESS.to_owned(), address.to_string());
    }
    let mut spec = ContainerSpec {
        name: names::container_name(pod, names::PAUSE),
        image: image.to_owned(),
        labels,
        restart: RestartPolicy::UnlessStopped,
        no_healthcheck: true,
        stop_timeout: Some(Duration::from_secs(1)),
        ..ContainerSpec::default()
    };
    spec.security.read_only_root = true;
    spec.security.no_new_privileges = true;
    spec.security.cap_drop = vec!["ALL".to_owned()];
    spec.ipc = IpcMode::Shareable;
    place(pod, &mut spec, network, address, None, false);
    spec
}

/// Puts a container in its namespaces.
fn place(
    pod: &Value,
    spec: &mut ContainerSpec,
    network: &Network,
    address: Option<Ipv4Addr>,
    joins: Option<&str>,
    shares: bool,
) {
    let of = &pod["spec"];
    if of["hostPID"] == true {
        spec.pid = PidMode::Host;
    } else if let (true, Some(holder)) = (of["shareProcessNamespace"] == true && shares, joins) {
        spec.pid = PidMode::Container(holder.to_owned());
    }
    if of["hostIPC"] == true {
        spec.ipc = IpcMode::Host;
    } else if let Some(holder) = joins {
        spec.ipc = IpcMode::Container(holder.to_owned());
    }
    if let Some(holder) = joins {
        spec.network = NetworkMode::Container(holder.to_owned());
        return;
    }
    spec.sysctls = pod
        .list("/spec/securityContext/sysctls")
        .iter()
        .map(|one| (one.text("/name").to_owned(), one.text("/value").to_owned()))
        .collect::<BTreeMap<_, _>>();
    spec.extra_hosts = hosts(pod);
    spec.dns = dns(pod, network);
    if of["hostNetwork"] == true {
        spec.network = NetworkMode::Host;
        return;
    }
    spec.ports = ports(pod);
    let (host, domain) = host_name(pod, &network.domain);
    spec.hostname = Some(host);
    spec.domainname = domain;
    spec.network = NetworkMode::Network(NetworkTarget {
        network: network.name.clone(),
        ipv4: address,
        ..NetworkTarget::default()
    });
}

/// The image by its id where its name could have moved on meanwhile; people read the name in `docker ps`,
/// so it is used as long as it names the image that is meant.
fn image_name(image: &ImageDetail, asked: &str) -> String {
    let named =
        image.tags.iter().chain(&image.digests).any(|name| name == asked || name.ends_with(&format!("/{asked}")));
    let latest = format!("{asked}:latest");
    if named || image.tags.contains(&latest) || image.id.is_empty() { asked.to_owned() } else { image.id.clone() }
}

/// The engine's restart policy of a container. What people stop stays stopped.
fn restart(pod: &Value, role: Role) -> RestartPolicy {
    match (role, pod.text("/spec/restartPolicy")) {
        (Role::Sidecar | Role::Pause, _) | (Role::Main, "Always" | "") => RestartPolicy::UnlessStopped,
        (Role::Main, "OnFailure") => RestartPolicy::OnFailure { max_retries: 0 },
        _ => RestartPolicy::No,
    }
}

/// How long the containers of a pod have to end.
pub fn grace(pod: &Value) -> Duration {
    let seconds = pod.int("/spec/terminationGracePeriodSeconds").unwrap_or(30);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(1))
}

/// The pod's host name and, where it has a subdomain, its domain.
pub fn host_name(pod: &Value, domain: &str) -> (String, Option<String>) {
    if let Some(whole) = pod["spec"]["hostnameOverride"].as_str() {
        return (whole.to_owned(), None);
    }
    let name = Some(pod.text("/spec/hostname")).filter(|name| !name.is_empty()).unwrap_or_else(|| pod.name());
    let short: String = name.chars().take(63).collect();
    let short = short.trim_end_matches(['-', '.']).to_owned();
    let sub = pod.text("/spec/subdomain");
    if sub.is_empty() {
        return (short, None);
    }
    let rest = format!("{sub}.{}.svc.{domain}", pod.namespace());
    if pod["spec"]["setHostnameAsFQDN"] == true {
        return (format!("{short}.{rest}"), None);
    }
    (short, Some(rest))
}

fn hosts(pod: &Value) -> Vec<(String, IpAddr)> {
    let aliases = pod.list("/spec/hostAliases").iter().filter_map(|alias| {
        let address: IpAddr = alias.text("/ip").parse().ok()?;
        let names = alias.list("/hostnames").iter().filter_map(Value::as_str);
        Some(names.map(move |name| (name.to_owned(), address)).collect::<Vec<_>>())
    });
    aliases.flatten().collect()
}

/// `dnsPolicy` and `dnsConfig` (API reference of `PodSpec`).
pub fn dns(pod: &Value, network: &Network) -> Dns {
    let host_network = pod["spec"]["hostNetwork"] == true;
    let cluster = match pod.text("/spec/dnsPolicy") {
        "ClusterFirstWithHostNet" => true,
        "ClusterFirst" | "" => !host_network,
        _ => false,
    };
    let mut dns = Dns::default();
    if cluster && !network.resolver.is_empty() {
        let domain = &network.domain;
        dns.servers.push(network.resolver.clone());
        dns.searches = vec![format!("{}.svc.{domain}", pod.namespace()), format!("svc.{domain}"), domain.clone()];
        dns.options.push("ndots:5".to_owned());
    }
    let config = &pod["spec"]["dnsConfig"];
    let texts = |key: &str| config.list(key).iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    for server in texts("/nameservers") {
        if !dns.servers.contains(&server) {
            dns.servers.push(server);
        }
    }
    for search in texts("/searches") {
        if !dns.searches.contains(&search) {
            dns.searches.push(search);
        }
    }
    for option in config.list("/options") {
        let name = option.text("/name");
        dns.options.retain(|known| known.split(':').next() != Some(name));
        dns.options.push(match option["value"].as_str() {
            Some(value) if !value.is_empty() => format!("{name}:{value}"),
            _ => name.to_owned(),
        });
    }
    dns
}

/// The ports of the host that lead to a pod.
pub fn ports(pod: &Value) -> Vec<PublishedPort> {
    let all = pod.list("/spec/initContainers").iter().filter(|container| is_sidecar(container));
    let all = all.chain(pod.list("/spec/containers")).flat_map(|container| container.list("/ports"));
    let published = all.filter_map(|port| {
        let host_port = u16::try_from(port.int("/hostPort")?).ok().filter(|port| *port > 0)?;
        Some(PublishedPort {
            host_ip: port.text("/hostIP").parse().ok(),
            host_port,
            container_port: u16::try_from(port.int("/containerPort")?).ok()?,
            protocol: Protocol::parse(&port.text("/protocol").to_lowercase()).unwrap_or_default(),
        })
    });
    published.collect()
}

/// Whether an init container goes on beside the others.
pub fn is_sidecar(container: &Value) -> bool {
    container["restartPolicy"] == "Always"
}

/// Whether a pod needs a container that holds its network for the others.
pub fn needs_pause(pod: &Value) -> bool {
    let sidecars = pod.list("/spec/initContainers").iter().filter(|container| is_sidecar(container)).count();
    let together = pod.list("/spec/containers").len() + sidecars > 1;
    let shares = pod["spec"]["shareProcessNamespace"] == true;
    (together && pod["spec"]["hostNetwork"] != true) || shares
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(spec: Value) -> Value {
        json!({"metadata": {"name": "p", "namespace": "ns", "uid": "u"}, "spec": spec})
    }

    fn made(pod: &Value, joins: Option<&str>) -> ContainerSpec {
        let owner = Owner { instance: "i".into(), cluster: "c".into() };
        let network = Network { name: "k2d".into(), resolver: "10.42.0.1".into(), domain: "cluster.local".into() };
        let inputs = Inputs {
            owner: &owner,
            role: Role::Main,
            restarts: 3,
            image: &ImageDetail { id: "sha256:1".into(), tags: vec!["app:1".into()], ..ImageDetail::default() },
            variables: Variables::default(),
            mounts: Vec::new(),
            network: &network,
            address: Some(Ipv4Addr::new(10, 42, 1, 2)),
            joins,
            place: &Place::default(),
            profile: &|_| None,
        };
        spec(pod, &pod["spec"]["containers"][0], inputs).expect("a container")
    }

    #[test]
    fn a_single_container_has_the_pods_address_and_name() {
        let pod = pod(json!({"containers": [{"name": "c", "image": "app:1", "command": ["run"],
            "ports": [{"containerPort": 80, "hostPort": 8080, "protocol": "TCP"}]}]}));
        let got = made(&pod, None);
        assert_eq!((got.name.as_str(), got.image.as_str(), got.hostname.as_deref()), ("ns.p.c", "app:1", Some("p")));
        assert!(matches!(&got.network, NetworkMode::Network(at) if at.ipv4 == Some(Ipv4Addr::new(10, 42, 1, 2))));
        assert_eq!(got.restart, RestartPolicy::UnlessStopped);
        assert_eq!(got.ports[0].host_port, 8080);
        assert_eq!(got.labels[names::RESTARTS], "3");
        assert_eq!(got.labels[names::CONTAINER], "c");
        assert_eq!(got.dns.searches, ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local"]);
        assert_eq!(got.entrypoint, Some(vec!["run".to_owned()]));
    }

    #[test]
    fn one_of_several_joins_the_holder_of_the_network() {
        let pod = pod(json!({"restartPolicy": "OnFailure", "shareProcessNamespace": true,
            "containers": [{"name": "c", "image": "moved:1"}, {"name": "d"}]}));
        assert!(needs_pause(&pod));
        let got = made(&pod, Some("holder"));
        assert_eq!(got.network, NetworkMode::Container("holder".into()));
        assert_eq!(got.pid, PidMode::Container("holder".into()));
        assert_eq!((got.hostname, got.ports.len()), (None, 0));
        assert_eq!(got.image, "sha256:1");
        assert_eq!(got.restart, RestartPolicy::OnFailure { max_retries: 0 });
    }

    #[test]
    fn resolvers_follow_policy_and_config() {
        let network = Network { resolver: "10.42.0.1".into(), domain: "cluster.local".into(), ..Network::default() };
        let of = |spec| dns(&pod(spec), &network);
        assert_eq!(of(json!({"dnsPolicy": "Default"})), Dns::default());
        assert_eq!(of(json!({"hostNetwork": true})), Dns::default());
        let own = of(json!({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["a.b"],
            "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}}));
        assert_eq!((own.servers, own.searches), (vec!["1.1.1.1".to_owned()], vec!["a.b".to_owned()]));
        assert_eq!(own.options, ["ndots:2", "edns0"]);
        let both = of(json!({"dnsConfig": {"options": [{"name": "ndots", "value": "1"}]}}));
        assert_eq!(both.options, ["ndots:1"]);
    }

    #[test]
    fn a_subdomain_gives_a_domain() {
        let sub = json!({"subdomain": "web", "hostname": "h"});
        assert_eq!(host_name(&pod(sub), "c.l"), ("h".into(), Some("web.ns.svc.c.l".into())));
        assert_eq!(host_name(&pod(json!({})), "c.l"), ("p".into(), None));
    }
}
