//! `k2d reset`: takes away all that this k2d has made.

use std::process::ExitCode;

use clap::Args;

use super::{Common, print};
use crate::app::reset::{self, Made};

#[derive(Args, Debug)]
pub(super) struct Flags {
    /// Do it; without this flag it is only said what would be removed
    #[arg(long)]
    yes: bool,
    /// Remove the data of claims, too
    #[arg(long)]
    volumes: bool,
}

pub(super) fn run(flags: Flags, common: Common) -> anyhow::Result<ExitCode> {
    let config = common.load()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let made = reset::find(&config).await?;
        let state = config.data_dir.display().to_string();
        print(&describe(&made, &state, flags.volumes))?;
        if !flags.yes {
            print("Nothing was removed; `k2d reset --yes` does it.\n")?;
            return Ok(ExitCode::SUCCESS);
        }
        reset::must_not_run(&config.data_dir).await?;
        let failures = reset::remove(&config, &made, flags.volumes).await;
        for failure in &failures {
            eprintln!("k2d: {failure}");
        }
        Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

fn describe(made: &Made, state: &str, volumes: bool) -> String {
    let mut out = String::new();
    let mut lines = |what: &str, names: Vec<&str>| {
        for name in names {
            out.push_str(&format!("{what:<10} {name}\n"));
        }
    };
    lines("container", made.containers.iter().map(|(_, name)| name.as_str()).collect());
    lines("network", made.networks.iter().map(String::as_str).collect());
    lines("volume", made.volumes.iter().filter(|_| volumes).map(String::as_str).collect());
    lines("state", vec![state]);
    if !volumes && !made.volumes.is_empty() {
        out.push_str(&format!("{} volumes of claims stay; `--volumes` removes them\n", made.volumes.len()));
    }
    out
}
