//! Cluster IPs and node ports: given out when a Service is stored, kept while it needs them, refused
//! when they are taken. What is in use is read from the stored Services, so nothing can leak.

use std::net::IpAddr;
use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};
use tokio::sync::MutexGuard;

use super::Registry;
use crate::kinds::Kind;
use crate::network::addresses::{AddressPool, AllocationError, Network, PortPool};
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;
use crate::schema::status::Status;

/// Held from the choice of addresses until the Service is stored.
pub type Held<'a> = Option<MutexGuard<'a, ()>>;

/// What Services have been given.
struct Pools {
    addresses: AddressPool,
    ports: PortPool,
}

impl Registry {
    /// Gives a new Service its addresses and ports.
    pub(super) async fn allocate_on_create(&self, kind: &Arc<Kind>, object: &mut Value) -> Result<Held<'_>, Status> {
        if !is_service(kind) {
            return Ok(None);
        }
        let held = self.0.services.lock().await;
        let mut pools = self.pools(kind, None).await?;
        families(object, None, self.family())?;
        give_ips(&mut pools, object)?;
        give_ports(&mut pools, object)?;
        Ok(Some(held))
    }

    /// The family of addresses of the service range.
    fn family(&self) -> &'static str {
        if self.settings().service_network.contains(':') { "IPv6" } else { "IPv4" }
    }

    /// Gives a changed Service what it lacks; what it has no use for any more is free again.
    pub(super) async fn allocate_on_update(
        &self,
        kind: &Arc<Kind>,
        object: &mut Value,
        old: &Value,
    ) -> Result<Held<'_>, Status> {
        if !is_service(kind) {
            return Ok(None);
        }
        let held = self.0.services.lock().await;
        let mut pools = self.pools(kind, Some(old.uid())).await?;
        families(object, Some(old), self.family())?;
        give_ips(&mut pools, object)?;
        give_ports(&mut pools, object)?;
        Ok(Some(held))
    }

    /// The pools with everything taken that Services other than `except` hold.
    async fn pools(&self, kind: &Kind, except: Option<&str>) -> Result<Pools, Status> {
        let settings = self.settings();
        let network: Network = settings.service_network.parse().map_err(Status::internal)?;
        let mut pools = Pools {
            addresses: AddressPool::services(network, seed()),
            ports: PortPool::new(settings.node_ports.0, settings.node_ports.1, seed()),
        };
        for service in self.all(kind, None).await? {
            if except.is_some_and(|uid| uid == service.uid()) {
                continue;
            }
            for ip in service.list("/spec/clusterIPs").iter().filter_map(Value::as_str) {
                if let Ok(ip) = ip.parse::<IpAddr>() {
                    // What two Services hold already (an old fault) is still held.
                    let _ = pools.addresses.take(ip);
                }
            }
            for port in held_ports(&service) {
                let _ = pools.ports.take(port);
            }
        }
        Ok(pools)
    }
}

fn is_service(kind: &Kind) -> bool {
    kind.group.is_empty() && kind.plural == "services"
}

fn needs_ip(service: &Value) -> bool {
    service.text("/spec/type") != "ExternalName"
}

fn gives_balancer_ports(service: &Value) -> bool {
    service.pointer("/spec/allocateLoadBalancerNodePorts").and_then(Value::as_bool).unwrap_or(true)
}

fn needs_health_port(service: &Value) -> bool {
    service.text("/spec/type") == "LoadBalancer" && service.text("/spec/externalTrafficPolicy") == "Local"
}

fn held_ports(service: &Value) -> impl Iterator<Item = u16> + '_ {
    let ports = service.list("/spec/ports").iter().filter_map(|port| port["nodePort"].as_u64());
    let health = service.int("/spec/healthCheckNodePort").and_then(|port| u64::try_from(port).ok());
    ports.chain(health).filter(|port| *port != 0).filter_map(|port| u16::try_from(port).ok())
}

/// Settles the policy and the families of addresses of a Service in a cluster that has one family, and
/// refuses what needs another one. Headless Services without a selector may be of any.
fn families(service: &mut Value, old: Option<&Value>, own: &str) -> Result<(), Status> {
    if service.text("/spec/type") == "ExternalName" || prefers_as_before(service, old) {
        return Ok(());
    }
    let free = service.text("/spec/clusterIP") == "None"
        && service.map("/spec/selector").is_none_or(serde_json::Map::is_empty);
    let before = old.map(|old| old.text("/spec/ipFamilyPolicy")).unwrap_or_default();
    let policy = match (service.text("/spec/ipFamilyPolicy"), before) {
        ("", "") if free => "RequireDualStack",
        ("", "") => "SingleStack",
        ("", before) => before,
        (said, _) => said,
    };
    let (policy, single) = (policy.to_owned(), policy == "SingleStack");
    let mut ips = texts(service, "/spec/clusterIPs");
    let mut families = texts(service, "/spec/ipFamilies");
    let path = Path::new("spec");
    let at = path.child("ipFamilyPolicy");
    let shown = Value::from(policy.as_str());
    let mut errors = Errors::new();
    if let Some(old) = old {
        let (had, knew) = (texts(old, "/spec/clusterIPs"), texts(old, "/spec/ipFamilies"));
        if single {
            if had == ips {
                ips.truncate(1);
            }
            if knew == families {
                families.truncate(1);
            }
        } else {
            for (less, what) in [
                (had.len() > 1 && ips.len() == 1, "secondary cluster IP"),
                (knew.len() > 1 && families.len() == 1, "secondary IP family"),
            ] {
                if less {
                    errors.invalid(&at, &shown, &format!("must be 'SingleStack' to release the {what}"));
                }
            }
        }
    }
    if single {
        for (many, what) in [(ips.len() == 2, "cluster IPs"), (families.len() == 2, "IP families")] {
            if many {
                let detail =
                    format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified");
                errors.invalid(&at, &shown, &detail);
            }
        }
    }
    for (index, ip) in ips.iter().enumerate().take_while(|(_, ip)| *ip != "None") {
        let family = if ip.contains(':') { "IPv6" } else { "IPv4" };
        if index < families.len() || ip.parse::<IpAddr>().is_err() {
            continue;
        }
        if family == own {
            families.push(family.to_owned());
        } else {
            let detail = format!("{family} is not configured on this cluster");
            errors.invalid(&path.child("clusterIPs").index(index), &service["spec"]["clusterIPs"], &detail);
        }
    }
    if errors.is_empty() && !free {
        if policy == "RequireDualStack" {
            errors.invalid(&at, &shown, "this cluster is not configured for dual-stack services");
        }
        for (index, family) in
            families.iter().enumerate().filter(|(_, family)| matches!(family.as_str(), "IPv4" | "IPv6"))
        {
            if family != own {
                let at = path.child("ipFamilies").index(index);
                errors.invalid_text(&at, family, "not configured on this cluster");
            }
        }
    }
    if !errors.is_empty() {
        return Err(Status::invalid("", "Service", service.name(), &errors));
    }
    if families.is_empty() {
        families.push(own.to_owned());
    }
    if free && !single && families.len() < 2 {
        let other = if families.first().is_some_and(|family| family == "IPv4") { "IPv6" } else { "IPv4" };
        families.push(other.to_owned());
    }
    let spec = service.section_mut("spec");
    spec.insert("ipFamilyPolicy".into(), policy.into());
    spec.insert("ipFamilies".into(), families.into());
    if spec.get("clusterIPs").and_then(Value::as_array).is_some_and(|given| given.len() != ips.len()) {
        spec.insert("clusterIPs".into(), ips.into());
    }
    Ok(())
}

/// Whether a Service goes on preferring two families with the addresses that it has: it is not given
/// or denied a family because the cluster has changed.
fn prefers_as_before(service: &Value, old: Option<&Value>) -> bool {
    let Some(old) = old else { return false };
    let same = |field: &str| service.pointer(field) == old.pointer(field);
    let fields = ["/spec/type", "/spec/ipFamilyPolicy", "/spec/clusterIP", "/spec/clusterIPs", "/spec/ipFamilies"];
    old.text("/spec/ipFamilyPolicy") == "PreferDualStack" && fields.into_iter().all(same)
}

fn texts(object: &Value, pointer: &str) -> Vec<String> {
    object.list(pointer).iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

fn give_ips(pools: &mut Pools, service: &mut Value) -> Result<(), Status> {
    if !needs_ip(service) {
        return Ok(());
    }
    let asked = service.text("/spec/clusterIP").to_owned();
    if asked == "None" {
        if service.list("/spec/clusterIPs").is_empty() {
            service.section_mut("spec").insert("clusterIPs".into(), json!(["None"]));
        }
        return Ok(());
    }
    if asked.is_empty() {
        if !service.list("/spec/clusterIPs").is_empty() {
            // The rules refuse that.
            return Ok(());
        }
        let ip = pools
            .addresses
            .take_next()
            .map_err(|error| Status::internal(format_args!("failed to allocate a serviceIP: {error}")))?;
        let spec = service.section_mut("spec");
        spec.insert("clusterIP".into(), ip.to_string().into());
        spec.insert("clusterIPs".into(), json!([ip.to_string()]));
        return Ok(());
    }
    let taken = match asked.parse::<IpAddr>() {
        Ok(ip) => pools.addresses.take(ip).map_err(|error| match error {
            AllocationError::AddressTaken => "provided IP is already allocated".to_owned(),
            AllocationError::AddressOutside(_) => "the provided network does not match the current range".to_owned(),
            other => other.to_string(),
        }),
        Err(error) => Err(error.to_string()),
    };
    taken.map_err(|detail| {
        let path = Path::new("spec").child("clusterIPs");
        let detail = format!("failed to allocate IP {asked}: {detail}");
        refuse(service, |errors| errors.invalid(&path, &service["spec"]["clusterIPs"], &detail))
    })
}

fn give_ports(pools: &mut Pools, service: &mut Value) -> Result<(), Status> {
    let kind = service.text("/spec/type").to_owned();
    if kind == "NodePort" || kind == "LoadBalancer" {
        let all = kind == "NodePort" || gives_balancer_ports(service);
        let numbers = choose_ports(pools, service, all)?;
        if let Some(ports) = service.section_mut("spec").get_mut("ports").and_then(Value::as_array_mut) {
            for (port, number) in ports.iter_mut().zip(numbers).filter(|(_, number)| *number != 0) {
                port["nodePort"] = json!(number);
            }
        }
    }
    if !needs_health_port(service) {
        return Ok(());
    }
    let asked = service.int("/spec/healthCheckNodePort").and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    let given = match asked {
        0 => pools.ports.take_next(),
        port => pools.ports.take(port).map(|()| port),
    };
    let given = given.map_err(|error| {
        Status::internal(format_args!("failed to allocate requested HealthCheck NodePort {asked}: {error}"))
    })?;
    service.section_mut("spec").insert("healthCheckNodePort".into(), json!(given));
    Ok(())
}

/// A node port for each port, in order; 0 for one that gets none. The same port of two protocols
/// shares a node port.
fn choose_ports(pools: &mut Pools, service: &Value, all: bool) -> Result<Vec<u16>, Status> {
    let ports = service.list("/spec/ports");
    let number = |port: &Value| port["nodePort"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    let mut chosen: Vec<u16> = Vec::with_capacity(ports.len());
    let mut by_port: Vec<(i64, u16)> = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let asked = number(port);
        if asked == 0 && !all {
            chosen.push(0);
            continue;
        }
        let refused = |asked: u16, error: &AllocationError| {
            let path = Path::new("spec").child("ports").index(index).child("nodePort");
            refuse(service, |errors| errors.invalid(&path, &json!(asked), &error.to_string()))
        };
        let of = port["port"].as_i64().unwrap_or(0);
        let given = match by_port.iter().find(|(port, _)| *port == of).map(|(_, given)| *given) {
            Some(given) if asked == 0 || asked == given => given,
            Some(_) => pools.ports.take(asked).map(|()| asked).map_err(|error| refused(asked, &error))?,
            None => {
                let wanted = ports.iter().skip(index).filter(|p| p["port"] == port["port"]).map(number);
                match wanted.into_iter().find(|wanted| *wanted != 0) {
                    Some(wanted) => {
                        pools.ports.take(wanted).map(|()| wanted).map_err(|error| refused(wanted, &error))?
                    }
                    None => pools
                        .ports
                        .take_next()
                        .map_err(|error| Status::internal(format_args!("failed to allocate a nodePort: {error}")))?,
                }
            }
        };
        by_port.push((of, given));
        chosen.push(given);
    }
    Ok(chosen)
}

fn refuse(service: &Value, error: impl FnOnce(&mut Errors)) -> Status {
    let mut errors = Errors::new();
    error(&mut errors);
    Status::invalid("", "Service", service.name(), &errors)
}

/// Where a search for a free number begins; different each time, so that what was just given back is
/// not given out at once.
fn seed() -> u32 {
    let mut bytes = [0u8; 4];
    // Without randomness the search begins at the front, which is right too.
    let _ = SystemRandom::new().fill(&mut bytes);
    u32::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(spec: &Value, old: Option<&Value>) -> Result<Value, String> {
        let mut service = json!({"metadata": {"name": "s"}, "spec": spec});
        let old = old.map(|spec| json!({"spec": spec}));
        families(&mut service, old.as_ref(), "IPv4").map_err(|status| status.message)?;
        Ok(service["spec"].clone())
    }

    #[test]
    fn a_cluster_of_one_family_refuses_what_needs_two() {
        let said = settled(&json!({"type": "ClusterIP", "ipFamilyPolicy": "RequireDualStack"}), None);
        assert_eq!(
            said.expect_err("refused"),
            "Service \"s\" is invalid: spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not \
             configured for dual-stack services"
        );
        let said = settled(&json!({"type": "ClusterIP", "ipFamilies": ["IPv6"]}), None);
        assert!(said.expect_err("refused").ends_with("Invalid value: \"IPv6\": not configured on this cluster"));
        let said = settled(&json!({"type": "ClusterIP", "ipFamilies": ["IPv4", "IPv6"]}), None);
        assert!(said.expect_err("refused").contains("when multiple IP families are specified"));
        let spec = settled(&json!({"type": "ClusterIP", "ipFamilyPolicy": "PreferDualStack"}), None).expect("taken");
        assert_eq!(spec["ipFamilies"], json!(["IPv4"]));
    }

    #[test]
    fn headless_services_without_a_selector_are_of_any_family() {
        let spec = settled(&json!({"type": "ClusterIP", "clusterIP": "None"}), None).expect("taken");
        assert_eq!(spec["ipFamilies"], json!(["IPv4", "IPv6"]));
        assert_eq!(spec["ipFamilyPolicy"], "RequireDualStack");
        let selects = json!({"type": "ClusterIP", "clusterIP": "None", "selector": {"a": "b"}});
        assert_eq!(settled(&selects, None).expect("taken")["ipFamilies"], json!(["IPv4"]));
    }

    #[test]
    fn an_update_keeps_the_policy_of_before() {
        let old = json!({"type": "ClusterIP", "ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4"]});
        let spec = settled(&json!({"type": "NodePort", "ipFamilies": ["IPv4"]}), Some(&old)).expect("taken");
        assert_eq!(spec["ipFamilyPolicy"], "PreferDualStack");
    }
}
