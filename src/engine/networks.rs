//! Calls about networks.

use bollard::models::{NetworkConnectRequest, NetworkDisconnectRequest};
use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};

use super::system::{filters, query, segment};
use super::transport::{read_body, with_body};
use super::wire::{BRIDGE_NAME, NetworkBody};
use super::{Engine, Error, Filter, NetworkDetail, NetworkSpec, NetworkTarget, Result, create};

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
        let body: NetworkBody = self.get(&format!("/networks/{}", segment(name)?)).await?;
        Ok(body.into_detail(self.version().await?.kind))
    }

    /// Makes a bridge network.
    pub async fn create_network(&self, spec: &NetworkSpec) -> Result<NetworkDetail> {
        let body = Bytes::from(network_body(spec).to_string());
        let mut request = with_body(Method::POST, "/networks/create", body);
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

/// Bollard's own form lacks `CheckDuplicate`, without which Docker before 25 makes a second network of the same name.
fn network_body(spec: &NetworkSpec) -> Value {
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
