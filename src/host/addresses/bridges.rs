//! Which interfaces are bridges of containers: nothing but ends of virtual cables hangs on them, so that
//! no other machine comes in by them. Read from sysfs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where the kernel describes its interfaces.
pub const INTERFACES: &str = "/sys/class/net";

/// The numbers of those interfaces.
pub fn of_containers(interfaces: &Path) -> BTreeSet<u32> {
    let Ok(entries) = fs::read_dir(interfaces) else { return BTreeSet::new() };
    let bridges = entries.flatten().map(|entry| entry.path()).filter(|path| path.join("bridge").is_dir());
    bridges.filter(|bridge| !leads_out(interfaces, bridge)).filter_map(|bridge| number(&bridge)).collect()
}

fn number(interface: &Path) -> Option<u32> {
    fs::read_to_string(interface.join("ifindex")).ok()?.trim().parse().ok()
}

/// Whether a bridge has a port that is hardware, or stands on another interface (a VLAN, a bond).
fn leads_out(interfaces: &Path, bridge: &Path) -> bool {
    let Ok(ports) = fs::read_dir(bridge.join("brif")) else { return false };
    ports.flatten().any(|port| {
        let port = interfaces.join(port.file_name());
        let Ok(mut parts) = fs::read_dir(port) else { return false };
        parts.any(|part| {
            part.is_ok_and(|part| {
                let name = part.file_name();
                name == "device" || name.to_string_lossy().starts_with("lower_")
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files::tests::Dir;

    #[test]
    fn a_bridge_with_a_wire_is_none_of_containers() {
        let dir = Dir::new();
        let make = |path: &str| fs::create_dir_all(dir.0.join(path)).unwrap();
        for (index, name) in ["docker0", "br-cafe", "br0", "br1", "eth0"].iter().enumerate() {
            make(name);
            fs::write(dir.0.join(name).join("ifindex"), format!("{index}\n")).unwrap();
        }
        for path in [
            "docker0/bridge",
            "docker0/brif",
            "br-cafe/bridge",
            "br-cafe/brif/veth1",
            "veth1/statistics",
            "br0/bridge",
            "br0/brif/eth0",
            "eth0/device",
            "br1/bridge",
            "br1/brif/eth0.7",
            "eth0.7/lower_eth0",
        ] {
            make(path);
        }
        assert_eq!(of_containers(&dir.0), BTreeSet::from([0, 1]));
        assert!(of_containers(&dir.0.join("none")).is_empty());
    }
}
