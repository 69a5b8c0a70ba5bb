//! A device of the host that pods may ask for: one line of `node.devices`.

/// Something that is given to one container at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The extended resource of which it is one, such as `k2d.io/serial`.
    pub resource: String,
    /// What tells it from the others: its first path, or its name in the Container Device Interface.
    pub name: String,
    /// Its nodes.
    pub nodes: Vec<DeviceNode>,
    /// Its name in the Container Device Interface, such as `nvidia.com/gpu=0`.
    pub cdi: Option<String>,
}

/// A device node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceNode {
    /// Path on the host.
    pub host: String,
    /// Path in the container.
    pub container: String,
    /// Of `r`, `w` and `m`.
    pub permissions: String,
}

impl Device {
    /// Reads `RESOURCE=PATH[:PATH IN CONTAINER[:PERMISSIONS]]`, with several paths joined by `+`, or
    /// `RESOURCE=cdi:NAME`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| Err(format!("`{text}`: {what}"));
        let Some((resource, what)) = text.split_once('=') else {
            return wrong("expected RESOURCE=PATH or RESOURCE=cdi:NAME");
        };
        if !is_extended(resource) {
            return wrong("the resource needs a domain of its own, such as `example.com/serial`");
        }
        let resource = resource.to_owned();
        if let Some(name) = what.strip_prefix("cdi:") {
            if name.split_once('=').is_none_or(|(kind, device)| !kind.contains('/') || device.is_empty()) {
                return wrong("expected a name such as `cdi:nvidia.com/gpu=0`");
            }
            return Ok(Self { resource, name: name.to_owned(), nodes: Vec::new(), cdi: Some(name.to_owned()) });
        }
        let mut nodes = Vec::new();
        for one in what.split('+') {
            let mut parts = one.split(':');
            let host = parts.next().unwrap_or_default();
            let container = parts.next().filter(|path| !path.is_empty()).unwrap_or(host);
            let permissions = parts.next().unwrap_or("rw");
            if !host.starts_with("/dev/") || !container.starts_with('/') || parts.next().is_some() {
                return wrong("expected a path below /dev");
            }
            if permissions.is_empty() || permissions.chars().any(|letter| !"rwm".contains(letter)) {
                return wrong("permissions are some of `r`, `w` and `m`");
            }
            let [host, container, permissions] = [host, container, permissions].map(str::to_owned);
            nodes.push(DeviceNode { host, container, permissions });
        }
        let name = nodes.first().map(|node| node.host.clone()).unwrap_or_default();
        Ok(Self { resource, name, nodes, cdi: None })
    }
}

/// Whether that is the name of an extended resource (Kubernetes documentation, "Extended resources").
fn is_extended(name: &str) -> bool {
    let letters = |text: &str, more: &str| {
        !text.is_empty() && text.chars().all(|one| one.is_ascii_alphanumeric() || more.contains(one))
    };
    name.split_once('/').is_some_and(|(domain, rest)| {
        letters(domain, "-.") && letters(rest, "-_.") && !domain.contains("kubernetes.io") && name.len() <= 250
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_paths_or_a_cdi_device() {
        let one = Device::parse("k2d.io/serial=/dev/ttyUSB0:/dev/ttyS0:rw+/dev/gpiochip0").unwrap();
        assert_eq!((one.resource.as_str(), one.name.as_str(), one.nodes.len()), ("k2d.io/serial", "/dev/ttyUSB0", 2));
        assert_eq!(
            (one.nodes[0].container.as_str(), one.nodes[1].container.as_str()),
            ("/dev/ttyS0", "/dev/gpiochip0")
        );
        let gpu = Device::parse("nvidia.com/gpu=cdi:nvidia.com/gpu=0").unwrap();
        assert_eq!(gpu.cdi.as_deref(), Some("nvidia.com/gpu=0"));
        for wrong in [
            "a",
            "serial=/dev/a",
            "k8s.kubernetes.io/x=/dev/a",
            "a.b/c=/etc/passwd",
            "a.b/c=/dev/a::x",
            "a.b/c=cdi:gpu",
        ] {
            assert!(Device::parse(wrong).is_err(), "{wrong}");
        }
    }
}
