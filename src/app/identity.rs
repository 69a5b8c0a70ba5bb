//! What certificates and kubeconfigs of this k2d say, from its configuration and the machine's facts.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::SystemTime;

use crate::config::Config;
use crate::host::pki::{self, ADMIN_NAME, Folder, Names, TEST_ADMIN_NAME};
use crate::host::{addresses, facts, files, kubeconfig};

/// The names and addresses by which the server is called now.
#[must_use]
pub fn server_names(config: &Config) -> Names {
    let found = addresses::list().unwrap_or_else(|error| {
        tracing::warn!("cannot list the addresses of this machine: {error}");
        Default::default()
    });
    let addresses::Addresses { mut own, bridges } = found;
    own.extend(config.api.advertise_address);
    // Where pods see this machine; its bridge may not be there yet.
    own.insert(config.network.gateway().into());
    own.extend(config.api.listen.iter().map(SocketAddr::ip).filter(|ip| !ip.is_unspecified()));
    let network = &config.network;
    let mut names =
        Names::of_server(&network.cluster_domain, network.api_service(), &config.api.names, &facts::host_names(), &own);
    names.add(&config.node.name);
    names.passing = bridges;
    names
}

/// The address that other machines and pods are told.
#[must_use]
pub fn advertised(config: &Config) -> IpAddr {
    config.api.advertise_address.unwrap_or_else(addresses::best)
}

/// The port that goes with [`advertised`].
#[must_use]
pub fn port(config: &Config) -> u16 {
    config.api.listen.first().map_or(kubeconfig::PORT, SocketAddr::port)
}

/// Where a client on this machine reaches the server.
#[must_use]
pub fn local(config: &Config) -> SocketAddr {
    kubeconfig::local_address(&config.api.listen)
}

/// Path of the administrator's kubeconfig for use on this machine.
#[must_use]
pub fn admin_kubeconfig(config: &Config) -> PathBuf {
    config.data_dir.join("admin.kubeconfig")
}

/// The administrator's name: `kubernetes-admin`, as kubeadm has it, or where the API alone is served the
/// name that the tests of operators know from envtest.
#[must_use]
pub fn admin_name(config: &Config) -> &'static str {
    if config.api_only { TEST_ADMIN_NAME } else { ADMIN_NAME }
}

/// Writes the administrator's kubeconfig for use on this machine, if it is not there as it should be.
///
/// # Errors
/// A file cannot be read or written.
pub fn write_admin_kubeconfig(config: &Config, folder: &Folder, now: SystemTime) -> Result<(), pki::Error> {
    let path = admin_kubeconfig(config);
    let text = kubeconfig_text(config, folder, &format!("https://{}", local(config)), now)?;
    if files::read_private(&path)?.as_deref() != Some(&text) {
        files::write_private(&path, text.as_bytes())?;
    }
    Ok(())
}

/// The text of the administrator's kubeconfig for a server's URL.
///
/// # Errors
/// The administrator's certificate cannot be read or made.
pub fn kubeconfig_text(config: &Config, folder: &Folder, url: &str, now: SystemTime) -> Result<String, pki::Error> {
    let pair = folder.admin(now)?;
    Ok(kubeconfig::render(&config.instance, &pair.facts.subject.name, url, folder.authority().pem(), &pair))
}
