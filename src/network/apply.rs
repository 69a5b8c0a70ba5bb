//! Brings the packet rules into the kernel, and everything on the host that they need: Docker's
//! leave for node ports, the route to the service range, 127.0.0.1. It knows no services, only
//! snapshots and [`super::rules`].
//!
//! Nothing here watches or polls. [`Applier::apply`] writes when the rules differ from what it wrote
//! last; [`Applier::recheck`] asks the kernel and the engine's firewall again, for the start and for
//! each time the engine comes back.
//!
//! Node ports answer on 127.0.0.1 as well, which upstream's nftables mode leaves out, since people
//! on a gateway try `localhost` first. That needs `route_localnet` on the bridge; the chain `guard`
//! keeps pods from reaching the host's loopback through it.

use std::io;

use crate::network::addresses::Network;
use crate::network::model::Snapshot;
use crate::network::rules::{Family, Ruleset, Settings, UdpFlow, removal};

mod affinity;
mod bridge;
mod conntrack;
mod docker;
mod run;

use run::{Output, run};

/// Why the rules are not in the kernel.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The engine has not made the interface of the pod network yet; Podman does with the first container.
    #[error("there is no interface {0} yet")]
    NoBridge(String),
    /// A program is not there.
    #[error("the program {program:?} is not installed: install the package that has it, such as {package}")]
    NotInstalled {
        /// The program.
        program: &'static str,
        /// The package of most distributions that has it.
        package: &'static str,
    },
    /// The kernel does not let us.
    #[error("{program} is not permitted to change the packet rules: k2d needs CAP_NET_ADMIN ({message})")]
    NotPermitted {
        /// The program.
        program: &'static str,
        /// Its own words.
        message: String,
    },
    /// The kernel is built without a part that is needed.
    #[error("this kernel lacks nf_tables, or its nat, fib, numgen or reject expressions ({0})")]
    NotSupported(String),
    /// Anything else that the program said.
    #[error("{program} failed: {message}")]
    Failed {
        /// The program.
        program: &'static str,
        /// Its own words.
        message: String,
    },
    /// The program could not be run.
    #[error("cannot run {program}: {source}")]
    Run {
        /// The program.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// What [`Applier::apply`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The rules were those of last time; nothing was run.
    Unchanged,
    /// The table was replaced.
    Replaced,
}

/// Holds what was written last, so that only changes are written.
#[derive(Debug)]
pub struct Applier {
    settings: Settings,
    families: Vec<Family>,
    /// The digest of the rules in the kernel by family, as far as known.
    applied: Vec<(Family, String)>,
    /// The UDP flows of those rules; none until they are known.
    flows: Option<Vec<UdpFlow>>,
}

impl Applier {
    /// For the IPv4 table, which is not looked at yet.
    pub fn new(settings: Settings) -> Self {
        Applier { settings, families: vec![Family::V4], applied: Vec::new(), flows: None }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes the settings, as when the engine made the bridge anew under another name. The next
    /// [`Applier::apply`] writes what follows from it; call [`Applier::recheck`] first.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Makes the kernel's rules those of the snapshot. Open connections go on: what was decided
    /// for them is kept by the connection tracking, not by the table.
    ///
    /// # Errors
    /// Any [`ApplyError`]; the old rules are then in force unchanged.
    pub async fn apply(&mut self, snapshot: &Snapshot) -> Result<Outcome, ApplyError> {
        let mut outcome = Outcome::Unchanged;
        for family in self.families.clone() {
            let rules = Ruleset::new(&self.settings, family, snapshot);
            let digest = rules.digest();
            let flows = rules.udp_flows();
            if !self.applied.contains(&(family, digest.clone())) {
                self.replace(&rules, digest).await?;
                outcome = Outcome::Replaced;
                if let Some(before) = &self.flows {
                    conntrack::forget(family, before, &flows).await;
                }
            }
            let known = self.flows.get_or_insert_default();
            known.retain(|flow| !family.holds(flow.endpoint.ip()));
            known.extend(flows);
        }
        Ok(outcome)
    }

    /// Looks at the host again: which rules are in the kernel (none, after somebody flushed them),
    /// and whether Docker's firewall, the route and the bridge are as needed.
    ///
    /// # Errors
    /// Any [`ApplyError`] of the parts other than the table; they are all tried.
    pub async fn recheck(&mut self) -> Result<(), ApplyError> {
        self.applied.clear();
        for family in self.families.clone() {
            if let Some(digest) = self.digest_in_kernel(family).await {
                self.applied.push((family, digest));
            }
        }
        let leave = docker::allow(&self.settings.table, &self.v4_pods()).await;
        let Some(name) = self.settings.bridge.clone() else { return leave };
        self.settings.bridge_filtered = bridge::is_filtered();
        self.ports_changed().await;
        let gateway = self.v4_pods().first().and_then(|network| network.nth(1));
        leave.and(bridge::prepare(&name, gateway, &self.settings.service_ranges).await)
    }

    /// Lets a container that was started, and so has a new port on the bridge, reach itself through
    /// its services. [`Applier::apply`] does so too when it writes; after a restart that changed no
    /// endpoint nobody else does.
    pub async fn ports_changed(&self) {
        if let (true, Some(name)) = (self.settings.bridge_filtered, &self.settings.bridge) {
            bridge::let_pods_reach_themselves(name).await;
        }
    }

    /// Takes everything away that this instance put into the host's network, there or not.
    ///
    /// # Errors
    /// The first [`ApplyError`]; all parts are tried.
    pub async fn reset(&mut self) -> Result<(), ApplyError> {
        self.applied.clear();
        self.flows = None;
        let mut result = Ok(());
        for family in &self.families {
            result = result.and(nft(&removal(&self.settings.table, *family)).await);
        }
        result = result.and(docker::allow(&self.settings.table, &[]).await);
        if let Some(name) = &self.settings.bridge {
            bridge::leave(name, &self.settings.service_ranges).await;
        }
        result
    }

    async fn replace(&mut self, rules: &Ruleset, digest: String) -> Result<(), ApplyError> {
        let family = rules.family();
        let bound = if rules.has_affinity() { affinity::bound(&self.settings.table, family).await } else { vec![] };
        nft(&rules.transaction(&bound)).await?;
        self.applied.retain(|(other, _)| *other != family);
        self.applied.push((family, digest));
        self.ports_changed().await;
        Ok(())
    }

    fn v4_pods(&self) -> Vec<Network> {
        self.settings.pod_networks.iter().copied().filter(|network| Family::V4.holds(network.base())).collect()
    }

    /// The comment in the chain `state` of the table.
    async fn digest_in_kernel(&self, family: Family) -> Option<String> {
        let arguments = ["list", "chain", family.as_str(), &self.settings.table, "state"];
        let output = run("nft", &arguments, "").await.ok()?;
        if !output.success {
            return None;
        }
        let (_, comment) = output.stdout.split_once("comment \"")?;
        comment.split_once('"').map(|(digest, _)| digest.to_owned())
    }
}

async fn nft(text: &str) -> Result<(), ApplyError> {
    checked("nft", "nftables", run("nft", &["-f", "-"], text).await).map(drop)
}

/// Turns how a program ended into what a reader can act on.
fn checked(program: &'static str, package: &'static str, result: io::Result<Output>) -> Result<Output, ApplyError> {
    let output = result.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ApplyError::NotInstalled { program, package },
        _ => ApplyError::Run { program, source },
    })?;
    if output.success {
        return Ok(output);
    }
    let message: String =
        output.stderr.lines().map(str::trim).filter(|line| !line.is_empty()).take(2).collect::<Vec<_>>().join("; ");
    let says = |words: &[&str]| words.iter().any(|word| output.stderr.contains(word));
    if says(&["Operation not permitted", "Permission denied", "you must be root"]) {
        return Err(ApplyError::NotPermitted { program, message });
    }
    if program == "nft" && says(&["not supported", "No such file or directory", "Invalid argument"]) {
        return Err(ApplyError::NotSupported(message));
    }
    Err(ApplyError::Failed { program, message })
}

#[cfg(test)]
mod tests {
    use super::{ApplyError, Output, checked};
    use std::io;

    fn ended(stderr: &str) -> ApplyError {
        let output = Output { success: false, stdout: String::new(), stderr: stderr.to_owned() };
        checked("nft", "nftables", Ok(output)).unwrap_err()
    }

    #[test]
    fn errors_say_what_to_do() {
        let missing = checked("nft", "nftables", Err(io::ErrorKind::NotFound.into())).unwrap_err();
        assert!(missing.to_string().contains("install"), "{missing}");
        let refused = "Operation not permitted (you must be root)\nnetlink: Error: cache initialization failed";
        assert!(matches!(ended(refused), ApplyError::NotPermitted { .. }));
        let old = "netlink: Error: cache initialization failed: Protocol not supported";
        assert!(matches!(ended(old), ApplyError::NotSupported(_)));
        let ApplyError::Failed { message, .. } = ended("\n/dev/stdin:1:1-3: Error: syntax error\nfoo\n^^^\n") else {
            panic!("not a plain failure")
        };
        assert_eq!(message, "/dev/stdin:1:1-3: Error: syntax error; foo");
    }
}
