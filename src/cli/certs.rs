//! `k2d certs`: shows the certificates, or makes those anew that can be without harm.

use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{Common, print};
use crate::app::identity;
use crate::host::pki::{Facts, Folder};

#[derive(Args, Debug)]
pub(super) struct Flags {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the certificates (this is done without a word, too)
    Show,
    /// Make the server's and the administrator's certificates anew
    Renew,
}

pub(super) fn run(flags: Flags, common: Common) -> anyhow::Result<ExitCode> {
    let config = common.load()?;
    let now = SystemTime::now();
    let folder = Folder::open(&config.data_dir, now).context("run it as root, where k2d runs")?;
    match flags.action.unwrap_or(Action::Show) {
        Action::Show => print(&show(&folder, now)?)?,
        Action::Renew => {
            folder.renew_server(&identity::server_names(&config), now)?;
            folder.renew_admin(now)?;
            identity::write_admin_kubeconfig(&config, &folder, now)?;
            print(&show(&folder, now)?)?;
            eprintln!("k2d: `systemctl reload k2d` lets a server that runs show its new certificate;");
            eprintln!("k2d: kubeconfigs that were written before work until their own certificates end");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(folder: &Folder, now: SystemTime) -> anyhow::Result<String> {
    let mut out = format!("authority\n  ends      {}\n", day(folder.authority().not_after()));
    out.push_str("server\n");
    match folder.server_facts()? {
        Some(facts) => {
            describe(&facts, &mut out);
            out.push_str(&format!("  names     {}\n", facts.names));
        }
        None => out.push_str("  none yet; `k2d serve` makes it\n"),
    }
    let admin = folder.admin(now)?.facts;
    out.push_str(&format!("{}\n", admin.subject.name));
    describe(&admin, &mut out);
    Ok(out)
}

fn describe(facts: &Facts, out: &mut String) {
    out.push_str(&format!("  ends      {}\n  renewal   {}\n", day(facts.not_after), day(facts.renewal())));
}

fn day(at: SystemTime) -> String {
    Timestamp::try_from(at).map_or_else(|_| "never".into(), |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string())
}
