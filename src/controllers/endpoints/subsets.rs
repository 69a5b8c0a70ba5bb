//! The subsets of Endpoints: addresses packed by the ports that they share. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::controllers::endpoint_slices::behind::{self, target_port};
use crate::controllers::pods;
use crate::controllers::template_hash::dump;
use crate::schema::object::Object;
use crate::schema::table::{Shape, Struct, Type};

/// Addresses, each with whether it is ready.
type Listed = Vec<(Value, bool)>;

/// Addresses with the ports that they share.
type Packed = Vec<(Listed, Vec<Value>)>;

/// The subsets of a service with these pods.
pub fn of(service: &Value, pods: &[Value]) -> Vec<Value> {
    // Addresses by port, each with whether it is ready.
    let mut by_port: Vec<(Option<Value>, Listed)> = Vec::new();
    let publish = behind::publishes_not_ready(service);
    for pod in pods.iter().filter(|pod| publish || !pod.is_deleting()) {
        let Some(address) = address(service, pod) else { continue };
        let ready = publish || pods::is_ready(pod);
        for port in ports(service, pod) {
            match by_port.iter_mut().find(|(known, _)| *known == port) {
                Some((_, addresses)) => addresses.push((address.clone(), ready)),
                None => by_port.push((port, vec![(address.clone(), ready)])),
            }
        }
    }
    let mut packed: Packed = Vec::new();
    for (port, mut addresses) in by_port {
        addresses.sort_by(|left, right| by_ip(&left.0, &right.0));
        match packed.iter_mut().find(|(known, _)| *known == addresses) {
            Some((_, ports)) => ports.extend(port),
            None => packed.push((addresses, port.into_iter().collect())),
        }
    }
    sorted(packed)
}

/// The ports of a service at a pod; a headless service without ports has one that is none.
fn ports(service: &Value, pod: &Value) -> Vec<Option<Value>> {
    let ports = service.list("/spec/ports");
    if ports.is_empty() && service.text("/spec/clusterIP") == "None" {
        return vec![None];
    }
    let entry = |port: &Value| {
        let mut entry = json!({"port": target_port(pod, port)?, "protocol": port["protocol"]});
        for key in ["name", "appProtocol"] {
            if !port.text(&format!("/{key}")).is_empty() {
                entry[key] = port[key].clone();
            }
        }
        Some(Some(entry))
    };
    ports.iter().filter_map(entry).collect()
}

fn address(service: &Value, pod: &Value) -> Option<Value> {
    let family = service.text("/spec/ipFamilies/0");
    let ip = behind::addresses(pod, if family.is_empty() { "IPv4" } else { family }).into_iter().next()?;
    let mut address = json!({"ip": ip, "targetRef": behind::target_reference(pod)});
    if !pod.text("/spec/nodeName").is_empty() {
        address["nodeName"] = pod["spec"]["nodeName"].clone();
    }
    if let Some(hostname) = behind::hostname(service, pod) {
        address["hostname"] = hostname.into();
    }
    Some(address)
}

fn by_ip(left: &Value, right: &Value) -> std::cmp::Ordering {
    let uid = |address: &Value| address.text("/targetRef/uid").to_owned();
    left.text("/ip").cmp(right.text("/ip")).then_with(|| uid(left).cmp(&uid(right)))
}

/// Ports by their hashes, subsets by theirs.
fn sorted(packed: Packed) -> Vec<Value> {
    let of = |name: &str| list_item("Endpoints", &["subsets"]).and_then(|subset| item(subset, name));
    let (subset_type, port_type) = (list_item("Endpoints", &["subsets"]), of("ports"));
    let mut subsets: BTreeMap<(u128, usize), Value> = BTreeMap::new();
    for (index, (addresses, mut ports)) in packed.into_iter().enumerate() {
        ports.sort_by_cached_key(|port| hash(port_type, port));
        let pick = |wanted: bool| -> Vec<Value> {
            addresses.iter().filter(|(_, ready)| *ready == wanted).map(|(address, _)| address.clone()).collect()
        };
        let mut subset = json!({});
        for (key, list) in [("addresses", pick(true)), ("notReadyAddresses", pick(false)), ("ports", ports)] {
            if !list.is_empty() {
                subset[key] = list.into();
            }
        }
        subsets.insert((hash(subset_type, &subset), index), subset);
    }
    subsets.into_values().collect()
}

/// FNV-1a with 128 bits over what spew prints.
fn hash(ty: Option<Struct<'static>>, value: &Value) -> u128 {
    const PRIME: u128 = 0x0100_0000_0000_0000_0000_013b;
    let mut text = String::new();
    if let Some(ty) = ty {
        dump(&mut text, ty, value);
    }
    let begin = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    text.bytes().fold(begin, |hash: u128, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

fn list_item(kind: &str, path: &[&str]) -> Option<Struct<'static>> {
    let mut ty = Type::builtin("", "v1", kind)?.as_struct()?;
    for name in path {
        ty = item(ty, name)?;
    }
    Some(ty)
}

fn item(of: Struct<'static>, name: &str) -> Option<Struct<'static>> {
    match of.field(name)?.ty().shape() {
        Shape::List { item, .. } => item.as_struct(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_share_their_addresses_share_a_subset() {
        let service = json!({
            "metadata": {"name": "broker", "namespace": "n"},
            "spec": {"clusterIP": "10.43.0.9", "ipFamilies": ["IPv4"], "ports": [
                {"name": "mqtt", "port": 1883, "protocol": "TCP", "targetPort": "mqtt"},
                {"name": "ws", "port": 80, "protocol": "TCP", "targetPort": 9001}]},
        });
        let pod = |name: &str, ip: &str, ready: &str| {
            json!({
                "metadata": {"name": name, "namespace": "n", "uid": name},
                "spec": {"nodeName": "e", "containers": [{"ports": [
                    {"name": "mqtt", "containerPort": 1883, "protocol": "TCP"}]}]},
                "status": {"podIPs": [{"ip": ip}], "conditions": [{"type": "Ready", "status": ready}]},
            })
        };
        let pods = [pod("b", "192.0.2.2", "False"), pod("a", "192.0.2.1", "True")];
        let subsets = of(&service, &pods);
        assert_eq!(subsets.len(), 1);
        assert_eq!(subsets[0]["addresses"][0]["ip"], "192.0.2.1");
        assert_eq!(subsets[0]["notReadyAddresses"][0]["targetRef"]["name"], "b");
        // By hash, as upstream orders them.
        assert_eq!(
            subsets[0]["ports"],
            json!([
            {"name": "ws", "port": 9001, "protocol": "TCP"}, {"name": "mqtt", "port": 1883, "protocol": "TCP"}])
        );
    }
}
