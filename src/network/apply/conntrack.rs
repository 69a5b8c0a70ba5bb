//! UDP has no end of a connection: a sender that never pauses keeps its old way through the
//! connection tracking for ever. What changed is forgotten with the program `conntrack`, where it
//! is installed.

use super::run::run;
use crate::network::rules::{Family, UdpFlow};

/// Forgets flows whose endpoint is gone, and flows to addresses and ports that had no endpoint
/// before and so went past the service.
pub(super) async fn forget(family: Family, before: &[UdpFlow], now: &[UdpFlow]) {
    for arguments in stale(family, before, now) {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        // It fails too when no flow is found.
        if run("conntrack", &arguments, "").await.is_err() {
            return;
        }
    }
}

fn stale(family: Family, before: &[UdpFlow], now: &[UdpFlow]) -> Vec<Vec<String>> {
    let ours = |flow: &&UdpFlow| family.holds(flow.endpoint.ip());
    let gone = before.iter().filter(ours).filter(|flow| !now.contains(flow)).map(|flow| {
        let mut arguments = original(family, flow);
        arguments.extend(["--dst-nat".to_owned(), flow.endpoint.ip().to_string()]);
        arguments
    });
    let same_front = |a: &UdpFlow, b: &UdpFlow| (a.address, a.port) == (b.address, b.port);
    let fresh = now.iter().filter(|flow| !before.iter().any(|old| same_front(old, flow)));
    let mut fresh: Vec<Vec<String>> = fresh.map(|flow| original(family, flow)).collect();
    fresh.dedup();
    gone.chain(fresh).collect()
}

/// `conntrack -D` for the flows to a service's address and port.
fn original(family: Family, flow: &UdpFlow) -> Vec<String> {
    let family = match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    };
    let mut arguments: Vec<String> = ["-D", "-f", family, "-p", "udp"].map(str::to_owned).into();
    if let Some(address) = flow.address {
        arguments.extend(["--orig-dst".to_owned(), address.to_string()]);
    }
    arguments.extend(["--orig-port-dst".to_owned(), flow.port.to_string()]);
    arguments
}

#[cfg(test)]
mod tests {
    use super::stale;
    use crate::network::rules::{Family, UdpFlow};

    #[test]
    fn gone_endpoints_and_new_services_are_forgotten() {
        let flow = |address: Option<&str>, port, endpoint: &str| UdpFlow {
            address: address.map(|address| address.parse().unwrap()),
            port,
            endpoint: endpoint.parse().unwrap(),
        };
        let kept = flow(Some("10.43.0.9"), 53, "10.42.1.1:53");
        let gone = flow(Some("10.43.0.9"), 53, "10.42.1.2:53");
        let fresh = flow(None, 30514, "10.42.1.3:514");
        let second = flow(None, 30514, "10.42.1.4:514");
        let joined = |commands: Vec<Vec<String>>| commands.iter().map(|c| c.join(" ")).collect::<Vec<_>>();
        assert_eq!(
            joined(stale(Family::V4, &[kept.clone(), gone], &[kept.clone(), fresh, second])),
            [
                "-D -f ipv4 -p udp --orig-dst 10.43.0.9 --orig-port-dst 53 --dst-nat 10.42.1.2",
                "-D -f ipv4 -p udp --orig-port-dst 30514",
            ]
        );
        assert_eq!(
            stale(Family::V4, std::slice::from_ref(&kept), std::slice::from_ref(&kept)),
            Vec::<Vec<String>>::new()
        );
    }
}
