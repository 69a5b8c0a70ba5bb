//! A container in a list, and the parts that a list and an inspect share.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use super::{Strings, address, image_id, nullable, seconds};
use crate::engine::{ContainerState, ContainerSummary, Endpoint, MountPoint, PortMapping, Protocol};

/// An item of `GET /containers/json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::engine) struct ListBody {
    #[serde(default)]
    id: String,
    #[serde(default, deserialize_with = "nullable")]
    names: Vec<String>,
    #[serde(default)]
    image: String,
    #[serde(default, rename = "ImageID")]
    image_id: String,
    #[serde(default)]
    command: Strings,
    #[serde(default)]
    created: i64,
    #[serde(default, deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    state: String,
    #[serde(default)]
    status: String,
    #[serde(default, deserialize_with = "nullable")]
    host_config: HostBody,
    #[serde(default, deserialize_with = "nullable")]
    network_settings: NetworksBody,
    #[serde(default, deserialize_with = "nullable")]
    ports: Vec<PortBody>,
    #[serde(default, deserialize_with = "nullable")]
    mounts: Vec<MountBody>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostBody {
    #[serde(default)]
    network_mode: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworksBody {
    #[serde(default, deserialize_with = "nullable")]
    networks: BTreeMap<String, Option<EndpointBody>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PortBody {
    #[serde(default, rename = "IP")]
    ip: String,
    #[serde(default)]
    private_port: u16,
    #[serde(default)]
    public_port: u16,
    #[serde(default, rename = "Type")]
    protocol: String,
}

/// A mount in force.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MountBody {
    #[serde(default, rename = "Type")]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    destination: String,
    #[serde(default, rename = "RW")]
    writable: bool,
    #[serde(default)]
    propagation: String,
}

impl MountBody {
    pub(super) fn into_mount(self) -> MountPoint {
        MountPoint {
            kind: self.kind,
            name: self.name,
            source: self.source,
            target: self.destination,
            writable: self.writable,
            propagation: self.propagation,
        }
    }
}

/// A place in a network.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EndpointBody {
    #[serde(default, rename = "NetworkID")]
    network_id: String,
    #[serde(default, rename = "IPAddress")]
    ip: String,
    #[serde(default, rename = "GlobalIPv6Address")]
    ipv6: String,
    #[serde(default)]
    gateway: String,
    #[serde(default)]
    mac_address: String,
    #[serde(default, deserialize_with = "nullable", rename = "IPAMConfig")]
    ipam: IpamBody,
    #[serde(default, deserialize_with = "nullable")]
    aliases: Vec<String>,
}

#[derive(Default, Deserialize)]
struct IpamBody {
    #[serde(default, rename = "IPv4Address")]
    ipv4: String,
}

impl EndpointBody {
    pub(super) fn into_endpoint(self) -> Endpoint {
        let v4 = |text: &str| match address(text) {
            Some(IpAddr::V4(v4)) => Some(v4),
            _ => None,
        };
        Endpoint {
            ipv4: v4(&self.ip),
            ipv6: address(&self.ipv6),
            gateway: address(&self.gateway),
            static_ipv4: v4(&self.ipam.ipv4),
            network_id: self.network_id,
            mac: self.mac_address,
            aliases: self.aliases,
        }
    }
}

impl ListBody {
    pub(in crate::engine) fn into_summary(self) -> ContainerSummary {
        ContainerSummary {
            id: self.id,
            names: self.names.into_iter().map(|name| name.trim_start_matches('/').to_owned()).collect(),
            image: self.image,
            image_id: image_id(self.image_id),
            command: self.command.0.join(" "),
            labels: self.labels,
            state: ContainerState::parse(&self.state),
            status: self.status,
            created: seconds(self.created),
            networks: self
                .network_settings
                .networks
                .into_iter()
                .map(|(name, endpoint)| (name, endpoint.unwrap_or_default().into_endpoint()))
                .collect(),
            network_mode: self.host_config.network_mode,
            ports: self.ports.into_iter().filter_map(PortBody::into_port).collect(),
            mounts: self.mounts.into_iter().map(MountBody::into_mount).collect(),
        }
    }
}

impl PortBody {
    fn into_port(self) -> Option<PortMapping> {
        Some(PortMapping {
            container_port: self.private_port,
            protocol: Protocol::parse(&self.protocol)?,
            host_ip: address(&self.ip),
            host_port: (self.public_port != 0).then_some(self.public_port),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_survives_nulls_and_words_that_are_not_known() {
        let text = r#"[
            {"Id":"a","Names":["/one"],"State":"stopped","Labels":null,"Ports":null,"Mounts":null,
             "Command":"sh -c x","Created":1700000000,"HostConfig":null,
             "NetworkSettings":{"Networks":{"n":null}}},
            {"Id":"b","Names":null,"State":"thawing","Command":["a","b"],"ImageID":
             "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
             "Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},
                      {"PrivatePort":53,"Type":"udp"},{"PrivatePort":1,"Type":"quic"}],
             "NetworkSettings":{"Networks":{"n":{"IPAddress":"10.1.0.5","IPAMConfig":{"IPv4Address":"10.1.0.5"}}}}}]"#;
        let list: Vec<ListBody> = serde_json::from_str(text).unwrap();
        let list: Vec<_> = list.into_iter().map(ListBody::into_summary).collect();
        assert_eq!(list[0].name(), "one");
        assert_eq!(list[0].state, ContainerState::Exited);
        assert_eq!(list[0].networks["n"], Endpoint::default());
        assert_eq!(list[1].name(), "");
        assert_eq!(list[1].state, ContainerState::Unknown("thawing".into()));
        assert_eq!(list[1].command, "a b");
        assert!(list[1].image_id.starts_with("sha256:0123"));
        let ports: Vec<_> = list[1].ports.iter().map(|p| (p.container_port, p.host_port)).collect();
        assert_eq!(ports, [(80, Some(8080)), (53, None)]);
        assert_eq!(list[1].networks["n"].static_ipv4, Some([10, 1, 0, 5].into()));
    }
}
