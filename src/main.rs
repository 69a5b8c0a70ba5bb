//! The program `k2d`.

use std::process::ExitCode;

fn main() -> ExitCode {
    k2d::cli::run(std::env::args_os())
}
