//! What the interface of the pod network needs so that services work from the host and between
//! pods: a route, and a few of the kernel's switches.

use std::fs;
use std::net::IpAddr;

use super::run::run;
use super::{ApplyError, checked};
use crate::network::addresses::Network;

/// The IPv4 interfaces, a folder each; unlike `/sys/class/net` that of the network namespace we are in.
const INTERFACES: &str = "/proc/sys/net/ipv4/conf";
const FILTERED: &str = "/proc/sys/net/bridge/bridge-nf-call-iptables";

/// Whether frames between two ports of a bridge pass through the IP packet filter.
pub(super) fn is_filtered() -> bool {
    fs::read_to_string(FILTERED).is_ok_and(|value| value.trim() == "1")
}

/// Sets the switches, and the route without which the host could not send to a cluster IP while it
/// has no default route.
pub(super) async fn prepare(bridge: &str, gateway: Option<IpAddr>, ranges: &[Network]) -> Result<(), ApplyError> {
    // Answers to 127.0.0.1 come in by the bridge.
    set(bridge, "route_localnet", "1");
    // A packet for a service leaves by the interface by which it came. The kernel would tell the pod
    // of a shorter way, which there is not, and then withhold the refusals for a second. The
    // switch for all interfaces counts beside their own, and theirs stay as they are.
    set(bridge, "send_redirects", "0");
    set("all", "send_redirects", "0");
    let Some(gateway) = gateway.map(|address| address.to_string()) else { return Ok(()) };
    if !std::path::Path::new(INTERFACES).join(bridge).exists() {
        return Err(ApplyError::NoBridge(bridge.to_owned()));
    }
    for range in ranges.iter().filter(|range| range.base().is_ipv4()) {
        let range = range.to_string();
        let arguments = ["route", "replace", &range, "dev", bridge, "src", &gateway];
        checked("ip", "iproute2", run("ip", &arguments, "").await)?;
    }
    Ok(())
}

/// Takes the routes away. One that is not there is what is wanted.
pub(super) async fn leave(bridge: &str, ranges: &[Network]) {
    for range in ranges {
        _ = run("ip", &["route", "del", &range.to_string(), "dev", bridge], "").await;
    }
}

/// Lets a frame go back by the port by which it came: a pod that reaches itself through a service
/// on a bridge that is filtered. On others such a packet is routed and needs no leave.
pub(super) async fn let_pods_reach_themselves(bridge: &str) {
    let listed = run("ip", &["-o", "-d", "link", "show", "master", bridge], "").await;
    let batch: String = listed.map(|output| ports(&output.stdout)).unwrap_or_default();
    if !batch.is_empty() {
        _ = run("ip", &["-batch", "-"], &batch).await;
    }
}

/// The commands for the ports that do not have the leave yet, from `ip -o -d link`.
fn ports(listing: &str) -> String {
    let without = listing.lines().filter(|line| line.contains(" hairpin off "));
    // `7: veth1a2b@if6: <BROADCAST,…`
    let names = without.filter_map(|line| line.split(": ").nth(1)?.split('@').next());
    names.map(|name| format!("link set dev {name} type bridge_slave hairpin on\n")).collect()
}

/// Writes a switch that differs; a kernel that has not got it is none the worse.
fn set(interface: &str, switch: &str, value: &str) {
    let path = format!("{INTERFACES}/{interface}/{switch}");
    let differs = |now: String| now.trim() != value;
    if !interface.contains('/') && fs::read_to_string(&path).is_ok_and(differs) {
        _ = fs::write(path, value);
    }
}

#[cfg(test)]
mod tests {
    use super::ports;

    #[test]
    fn only_ports_without_the_leave_are_changed() {
        let listing = "7: veth1@if6: <BROADCAST,UP> mtu 1500 master br0 \\ link/ether 02:00:00:00:00:01 \\ veth \
            bridge_slave state forwarding hairpin off guard off\n\
            9: veth2@if8: <BROADCAST,UP> mtu 1500 master br0 \\ bridge_slave hairpin on guard off\n";
        assert_eq!(ports(listing), "link set dev veth1 type bridge_slave hairpin on\n");
        assert_eq!(ports(""), "");
    }
}
