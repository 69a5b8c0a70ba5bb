//! Which server a request is handed on to: a pod by its address, a service by one of its ready endpoints.
//!
//! Names are `NAME`, `NAME:PORT` or `SCHEME:NAME:PORT`, as the API reference of the proxy subresources has them.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::super::Context;
use crate::registry::Target;
use crate::schema::field::quote;
use crate::schema::object::Object;
use crate::schema::status::Status;

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
}

impl Server {
    /// Address and port as they stand in a URL.
    pub fn authority(&self) -> String {
        SocketAddr::from((self.address, self.port)).to_string()
    }
}

/// A name with what it says of scheme and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Named<'a> {
    tls: bool,
    name: &'a str,
    port: &'a str,
}

fn named(id: &str) -> Option<Named<'_>> {
    let parts: Vec<&str> = id.split(':').collect();
    let (scheme, name, port) = match parts.as_slice() {
        [name] => ("", *name, ""),
        [name, port] => ("", *name, *port),
        [scheme, name, port] => (*scheme, *name, *port),
        _ => return None,
    };
    let known = matches!(scheme, "" | "http" | "https") && !name.is_empty();
    known.then_some(Named { tls: scheme == "https", name, port })
}

/// The server that a request is meant for.
///
/// # Errors
/// 400 for what is no name or has no address, 404 for what is not there, 503 for a service without endpoints.
pub async fn server(cx: &Context<'_>) -> Result<Server, Status> {
    let id = cx.info.name.as_str();
    let invalid = || Status::bad_request(format!("invalid {} request {}", cx.kind.singular, quote(id)));
    match cx.kind.plural.as_ref() {
        "pods" => {
            let named = named(id).ok_or_else(invalid)?;
            let pod = object(cx, named.name).await?;
            let server = of_pod(&pod, &named)?;
            allowed(server.address).map_err(Status::bad_request)?;
            Ok(server)
        }
        "services" => of_service(cx, &named(id).ok_or_else(invalid)?).await,
        _ => {
            let node = object(cx, named(id).ok_or_else(invalid)?.name).await?;
            let is_ip = |one: &Value| one.text("/address").parse::<IpAddr>().is_ok();
            if !node.list("/status/addresses").iter().any(is_ip) {
                return Err(Status::bad_request(NOT_ALLOWED));
            }
            let told = "error trying to reach service: this node has no kubelet that listens";
            Err(Status::new(503, "ServiceUnavailable", told))
        }
    }
}

async fn object(cx: &Context<'_>, name: &str) -> Result<Value, Status> {
    let target = Target::new(&cx.kind, &cx.info.namespace, name);
    Ok(cx.api.registry().get(&target).await?.to_value())
}

fn of_pod(pod: &Value, named: &Named<'_>) -> Result<Server, Status> {
    let address = pod.text("/status/podIP").parse().map_err(|_| Status::bad_request(NOT_ALLOWED))?;
    let port = if named.port.is_empty() {
        let ports = pod.list("/spec/containers").iter().filter_map(|container| container.list("/ports").first());
        let first = ports.filter_map(|port| port.int("/containerPort")).next();
        let usual = if named.tls { 443 } else { 80 };
        first.and_then(|port| u16::try_from(port).ok()).unwrap_or(usual)
    } else {
        let told = || format!("error trying to reach service: dial tcp: lookup tcp/{}: unknown port", named.port);
        named.port.parse().map_err(|_| Status::new(503, "ServiceUnavailable", told()))?
    };
    Ok(Server { tls: named.tls, address, port })
}

async fn of_service(cx: &Context<'_>, named: &Named<'_>) -> Result<Server, Status> {
    let service = object(cx, named.name).await?;
    let port = match named.port.parse::<i64>() {
        Ok(number) => {
            let found = service.list("/spec/ports").iter().find(|port| port.int("/port") == Some(number));
            let told = || format!("no service port {number} found for service {}", quote(named.name));
            found.ok_or_else(|| Status::new(503, "ServiceUnavailable", told()))?.text("/name").to_owned()
        }
        Err(_) => named.port.to_owned(),
    };
    let registry = cx.api.registry();
    let kind = registry.kind("discovery.k8s.io", "endpointslices")?;
    let slices = registry.all(&kind, Some(&cx.info.namespace)).await?;
    let mine = |slice: &&Value| slice.label("kubernetes.io/service-name") == Some(named.name);
    let found: Vec<SocketAddr> = slices.iter().filter(mine).flat_map(|slice| ready(slice, &port)).collect();
    let server = pick(&found).map(|address| Server { tls: named.tls, address: address.ip(), port: address.port() });
    server.ok_or_else(|| {
        let told = format!("no endpoints available for service {}", quote(&cx.info.name));
        Status::new(503, "ServiceUnavailable", told)
    })
}

/// The ready endpoints of a slice that have the port of that name.
fn ready(slice: &Value, port: &str) -> Vec<SocketAddr> {
    let ports = slice.list("/ports").iter().filter(|one| one.text("/name") == port);
    let number = ports.filter_map(|one| one.int("/port")).find_map(|port| u16::try_from(port).ok());
    let Some(number) = number else { return Vec::new() };
    let endpoints = slice.list("/endpoints").iter().filter(|one| one["conditions"]["ready"] != false);
    let addresses = endpoints.filter_map(|one| one.list("/addresses").first()?.as_str()?.parse::<IpAddr>().ok());
    addresses.filter(|address| allowed(*address).is_ok()).map(|address| SocketAddr::from((address, number))).collect()
}

/// One of several, each as likely.
fn pick(list: &[SocketAddr]) -> Option<SocketAddr> {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    let at = random.checked_rem(list.len() as u64)?;
    list.get(usize::try_from(at).ok()?).copied()
}

const NOT_ALLOWED: &str = "address not allowed";

/// Keeps requests from the machine's own loopback and link, which is not a pod's.
fn allowed(address: IpAddr) -> Result<(), &'static str> {
    let refused = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let refused = refused || address.is_loopback() || address.is_multicast() || address.is_unspecified();
    if refused { Err(NOT_ALLOWED) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_say_scheme_and_port() {
        assert_eq!(named("web"), Some(Named { tls: false, name: "web", port: "" }));
        assert_eq!(named("web:http"), Some(Named { tls: false, name: "web", port: "http" }));
        assert_eq!(named("https:web:"), Some(Named { tls: true, name: "web", port: "" }));
        assert_eq!(named("ftp:web:21"), None);
        assert_eq!(named("http::80"), None);
        assert_eq!(named("a:b:c:d"), None);
    }

    #[test]
    fn a_pod_has_its_first_port() {
        let pod = json!({"status": {"podIP": "10.42.0.7"}, "spec": {"containers": [
            {"name": "a"}, {"name": "b", "ports": [{"containerPort": 8080}, {"containerPort": 9}]}]}});
        let of = |id| of_pod(&pod, &named(id).expect("a name")).map(|server| (server.tls, server.authority()));
        assert_eq!(of("p"), Ok((false, "10.42.0.7:8080".into())));
        assert_eq!(of("https:p:8443"), Ok((true, "10.42.0.7:8443".into())));
        assert_eq!(of("p:web").expect_err("no number").code, 503);
        let none = of_pod(&json!({}), &named("p").expect("a name")).expect_err("no address");
        assert_eq!((none.code, none.message.as_str()), (400, "address not allowed"));
    }

    #[test]
    fn only_ready_endpoints_of_that_port_answer() {
        let slice = json!({
            "ports": [{"name": "http", "port": 8080}, {"name": "admin", "port": 9}],
            "endpoints": [
                {"addresses": ["10.42.0.1"], "conditions": {"ready": false}},
                {"addresses": ["10.42.0.2"], "conditions": {"ready": true}},
                {"addresses": ["10.42.0.3"]},
                {"addresses": ["127.0.0.1"], "conditions": {"ready": true}}]});
        let found: Vec<String> = ready(&slice, "http").iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.42.0.2:8080", "10.42.0.3:8080"]);
        assert_eq!(ready(&slice, "none"), []);
        assert_eq!(pick(&[]), None);
    }

    #[test]
    fn the_machine_itself_is_out_of_reach() {
        for address in ["127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "::1", "fe80::1"] {
            assert!(allowed(address.parse().expect("an address")).is_err(), "{address}");
        }
        assert!(allowed("10.42.0.9".parse().expect("an address")).is_ok());
    }
}
