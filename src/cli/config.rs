//! `k2d config`: what is in force, and where each value came from.

use std::process::ExitCode;

use super::{Common, print, resolve};

pub(super) fn run(common: Common) -> anyhow::Result<ExitCode> {
    let loaded = common.sources().load()?;
    resolve(&loaded)?;
    print(&loaded.report())?;
    Ok(ExitCode::SUCCESS)
}
