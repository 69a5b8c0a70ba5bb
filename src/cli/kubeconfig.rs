//! `k2d kubeconfig`: prints a kubeconfig for the administrator that works from another machine.

use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use clap::Args;

use super::{Common, Usage, print};
use crate::app::identity;
use crate::host::kubeconfig::{host_of, server_url};
use crate::host::pki::{Folder, Names};

#[derive(Args, Debug)]
pub(super) struct Flags {
    /// How the server is reached: a name or an address, with a port or without [default: the address
    /// of this machine]
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
}

pub(super) fn run(flags: Flags, common: Common) -> anyhow::Result<ExitCode> {
    let config = common.load()?;
    let name = flags.server.unwrap_or_else(|| identity::advertised(&config).to_string());
    let url = server_url(&name, identity::port(&config))
        .ok_or_else(|| Usage(format!("--server: `{name}` is neither a name nor an address")))?;
    let now = SystemTime::now();
    let folder = Folder::open(&config.data_dir, now).context("run it as root, where k2d runs")?;
    let mut wanted = Names::default();
    wanted.add(host_of(&url));
    if !identity::server_names(&config).cover(&wanted) {
        eprintln!("k2d: the server's certificate does not name {wanted}; add it to `names` under [api] in k2d.toml");
    }
    print(&identity::kubeconfig_text(&config, &folder, &url, now)?)?;
    Ok(ExitCode::SUCCESS)
}
