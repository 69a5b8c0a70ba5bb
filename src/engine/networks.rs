//! Calls about networks.

use std::net::Ipv4Addr;

use bollard::models::{NetworkConnectRequest, NetworkDisconnectRequest};
use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::system::{filters, query, segment};
use super::transport::{read_body, with_body};
use super::wire::{BRIDGE_NAME, NetworkBody};
use super::{Engine, EngineKind, Error, Filter, NetworkDetail, NetworkSpec, NetworkTarget, Result, create};

impl Engine {
    /// Lists networks.
    pub async fn networks(&self, filter: &Filter) -> Result<Vec<NetworkDetail>> {
        let query = query(&[("filters", &filters(filter))]);
        let list: Vec<NetworkBody> = self.get(&format!("/networks?{query}")).await?;
        let kind = self.version().await?.kind;
        Ok(list.into_iter().map(|network| network.into_detail(kind)).collect())
    }

    /// Tells all of a network, by name or id.
    pub async fn inspect_network(&self, name: &str) -> Result<NetworkDetail> {
        let name = segment(name)?;
        let body: NetworkBody = self.get(&format!("/networks/{name}")).await?;
        let kind = self.version().await?.kind;
        let mut detail = body.into_detail(kind);
        if kind == EngineKind::Podman {
            let own: LibpodBody = self.get(&format!("/libpod/networks/{name}/json")).await?;
            detail.bridge = Some(own.network_interface).filter(|bridge| !bridge.is_empty());
        }
        Ok(detail)
    }

    /// Makes a bridge network.
    pub async fn create_network(&self, spec: &NetworkSpec) -> Result<NetworkDetail> {
        let (path, body) = match self.version().await?.kind {
            EngineKind::Docker => ("/networks/create", docker_body(spec)),
            EngineKind::Podman => ("/libpod/networks/create", podman_body(spec)?),
        };
        let mut request = with_body(Method::POST, path, Bytes::from(body.to_string()));
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let create = async { read_body(self.transport.send(request).await?).await };
        self.limited(self.transport.timeout(), create).await?;
        self.inspect_network(&spec.name).await
    }

    /// Makes a bridge network if none has its name; one that has it is given as it is.
    pub async fn ensure_network(&self, spec: &NetworkSpec) -> Result<NetworkDetail> {
        match self.inspect_network(&spec.name).await {
            Err(Error::NotFound(_)) => match self.create_network(spec).await {
                Err(Error::NameTaken { .. }) => self.inspect_network(&spec.name).await,
                other => other,
            },
            other => other,
        }
    }

    /// Removes a network. One in use is a [`Error::Conflict`].
    pub async fn remove_network(&self, name: &str) -> Result<()> {
        self.call(self.docker()?.remove_network(&segment(name)?)).await
    }

    /// Joins a container to a network.
    pub async fn connect_network(&self, container: &str, target: &NetworkTarget) -> Result<()> {
        let request =
            NetworkConnectRequest { container: container.to_owned(), endpoint_config: Some(create::endpoint(target)) };
        self.call(self.docker()?.connect_network(&segment(&target.network)?, request)).await
    }

    /// Takes a container out of a network.
    pub async fn disconnect_network(&self, container: &str, network: &str, force: bool) -> Result<()> {
        let request = NetworkDisconnectRequest { container: container.to_owned(), force: Some(force) };
        self.call(self.docker()?.disconnect_network(&segment(network)?, request)).await
    }
}

/// The part of Podman's own form that Docker's lacks.
#[derive(Deserialize)]
struct LibpodBody {
    #[serde(default)]
    network_interface: String,
}

/// Bollard's own form lacks `CheckDuplicate`, without which Docker before 25 makes a second network of the same name.
fn docker_body(spec: &NetworkSpec) -> Value {
    let mut options = spec.options.clone();
    if let Some(bridge) = &spec.bridge {
        options.insert(BRIDGE_NAME.to_owned(), bridge.clone());
    }
    if let Some(mtu) = spec.mtu {
        options.insert("com.docker.network.driver.mtu".to_owned(), mtu.to_string());
    }
    let mut range = Map::new();
    for (key, value) in [("Subnet", &spec.subnet), ("Gateway", &spec.gateway), ("IPRange", &spec.ip_range)] {
        if let Some(value) = value {
            range.insert(key.to_owned(), value.as_str().into());
        }
    }
    let ranges = if range.is_empty() { json!([]) } else { json!([range]) };
    json!({
        "Name": spec.name,
        "CheckDuplicate": true,
        "Driver": "bridge",
        "Internal": spec.internal,
        "IPAM": {"Driver": "default", "Config": ranges},
        "Options": options,
        "Labels": spec.labels,
    })
}

/// Podman's own form: in Docker's it takes no name for the bridge and always answers DNS.
fn podman_body(spec: &NetworkSpec) -> Result<Value> {
    let mut options = spec.options.clone();
    if let Some(mtu) = spec.mtu {
        options.insert("mtu".to_owned(), mtu.to_string());
    }
    let mut body = json!({
        "name": spec.name,
        "driver": "bridge",
        "internal": spec.internal,
        "dns_enabled": spec.engine_dns,
        "labels": spec.labels,
        "options": options,
    });
    if let Some(bridge) = &spec.bridge {
        body["network_interface"] = bridge.as_str().into();
    }
    if let Some(subnet) = &spec.subnet {
        let mut range = json!({"subnet": subnet});
        if let Some(gateway) = &spec.gateway {
            range["gateway"] = gateway.as_str().into();
        }
        if let Some(text) = &spec.ip_range {
            let (first, last) =
                ends(text).ok_or_else(|| Error::InvalidArgument(format!("{text:?} is not an address range")))?;
            range["lease_range"] = json!({"start_ip": first, "end_ip": last});
        }
        body["subnets"] = json!([range]);
    }
    Ok(body)
}

/// First and last address of a range such as `10.42.255.0/24`.
fn ends(range: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let (address, length) = range.split_once('/')?;
    let (address, length): (Ipv4Addr, u32) = (address.parse().ok()?, length.parse().ok()?);
    let host = u32::MAX.checked_shr(length).unwrap_or_default();
    (length <= 32).then(|| (Ipv4Addr::from(u32::from(address) & !host), Ipv4Addr::from(u32::from(address) | host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podman_gets_the_ends_of_a_range() {
        let spec = NetworkSpec {
            name: "n".into(),
            subnet: Some("10.42.0.0/16".into()),
            ip_range: Some("10.42.255.7/24".into()),
            bridge: Some("k2d0".into()),
            ..NetworkSpec::default()
        };
        let body = podman_body(&spec).unwrap();
        assert_eq!(body["subnets"][0]["lease_range"], json!({"start_ip": "10.42.255.0", "end_ip": "10.42.255.255"}));
        assert_eq!((&body["dns_enabled"], &body["network_interface"]), (&json!(false), &json!("k2d0")));
        assert_eq!(ends("10.0.0.1/32"), Some(([10, 0, 0, 1].into(), [10, 0, 0, 1].into())));
        assert_eq!(ends("10.0.0.1/33"), None);
        assert_eq!(ends("10.0.0.1"), None);
    }

    #[test]
    fn docker_is_asked_to_refuse_a_second_of_the_name() {
        let body = docker_body(&NetworkSpec { name: "n".into(), mtu: Some(1400), ..NetworkSpec::default() });
        assert_eq!(body["CheckDuplicate"], json!(true));
        assert_eq!(body["IPAM"]["Config"], json!([]));
        assert_eq!(body["Options"], json!({"com.docker.network.driver.mtu": "1400"}));
    }
}
