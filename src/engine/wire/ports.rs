//! Ports as inspect tells them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::address;
use crate::engine::{PortMapping, Protocol, PublishedPort};

/// Ports as `80/tcp`, each with where it is published, if it is.
pub(super) type PortsBody = BTreeMap<String, Option<Vec<BindingBody>>>;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct BindingBody {
    host_ip: String,
    host_port: String,
}

fn port_key(key: &str) -> Option<(u16, Protocol)> {
    let (port, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
    Some((port.parse().ok()?, Protocol::parse(protocol)?))
}

/// Ports as they were asked for.
pub(super) fn published(ports: PortsBody) -> Vec<PublishedPort> {
    let mut all = Vec::new();
    for (key, bindings) in ports {
        let Some((container_port, protocol)) = port_key(&key) else { continue };
        for binding in bindings.unwrap_or_default() {
            all.push(PublishedPort {
                host_ip: address(&binding.host_ip),
                host_port: binding.host_port.parse().unwrap_or_default(),
                container_port,
                protocol,
            });
        }
    }
    all
}

/// Ports as they are in force.
pub(super) fn mappings(ports: PortsBody) -> Vec<PortMapping> {
    let mut all = Vec::new();
    for (key, bindings) in ports {
        let Some((container_port, protocol)) = port_key(&key) else { continue };
        let bindings = bindings.unwrap_or_default();
        if bindings.is_empty() {
            all.push(PortMapping { container_port, protocol, host_ip: None, host_port: None });
        }
        for binding in bindings {
            all.push(PortMapping {
                container_port,
                protocol,
                host_ip: address(&binding.host_ip),
                host_port: binding.host_port.parse().ok().filter(|port| *port != 0),
            });
        }
    }
    all
}
