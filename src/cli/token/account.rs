//! `k2d token account`: prints a token of a service account, signed by the server that runs.

use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use crate::app::identity;
use crate::cli::client::Client;
use crate::cli::{Usage, print};
use crate::config::Config;
use crate::host::pki::Folder;

#[derive(Args, Debug)]
pub(super) struct Flags {
    /// Name of the service account
    name: String,
    /// Its namespace
    #[arg(long, short, value_name = "NAME", default_value = "default")]
    namespace: String,
    /// How long the token holds, in seconds, at least 600
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    duration: u64,
}

pub(super) fn run(flags: Flags, config: &Config) -> anyhow::Result<ExitCode> {
    let now = SystemTime::now();
    let folder = Folder::open(&config.data_dir, now).context("run it as root, where k2d runs")?;
    let pair = folder.admin(now)?;
    let client = Client::new(identity::local(config), folder.authority().certificate(), Some(&pair))?;
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [], "expirationSeconds": flags.duration},
    });
    let path =
        format!("/api/v1/namespaces/{}/serviceaccounts/{}/token", segment(&flags.namespace)?, segment(&flags.name)?);
    let answer = client.object("POST", &path, Some(&request))?;
    let token = answer["status"]["token"].as_str().context("the server gave no token")?;
    print(&format!("{token}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// A name that can stand in a path as it is, as all names of these kinds can.
fn segment(name: &str) -> Result<&str, Usage> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    if !name.is_empty() && name.bytes().all(fits) {
        Ok(name)
    } else {
        Err(Usage(format!("`{name}` is not the name of an object")))
    }
}
