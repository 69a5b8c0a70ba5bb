//! `k2d version`: what this program is, and which Kubernetes it presents.

use std::process::ExitCode;

use super::print;

pub(super) fn run() -> anyhow::Result<ExitCode> {
    print(concat!("k2d ", env!("CARGO_PKG_VERSION"), "\nKubernetes API 1.37\n"))?;
    Ok(ExitCode::SUCCESS)
}
