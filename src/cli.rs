//! The command line: one verb a file. It parses arguments, asks the application or the files, and
//! prints; it holds no logic of the cluster.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::config::{Config, Error, Loaded, Sources};
use crate::host::facts;

mod backup;
mod certs;
mod client;
mod config;
mod doctor;
mod kubeconfig;
mod reset;
mod serve;
mod token;
mod version;

#[cfg(test)]
mod tests;

/// Exit status for wrong usage and wrong configuration (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;

/// Makes a Docker or Podman machine answer as a single-node Kubernetes cluster.
#[derive(Debug, Parser)]
#[command(name = "k2d", version, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

/// Flags that every verb takes.
#[derive(Args, Debug)]
struct Common {
    /// Configuration file [default: /etc/k2d/k2d.toml]; files in the folder FILE.d follow
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where state and certificates are kept (data-dir)
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the server
    Serve(serve::Flags),
    /// Print a kubeconfig for the administrator
    Kubeconfig(kubeconfig::Flags),
    /// Make, list and revoke bearer tokens; print tokens of service accounts
    Token(token::Flags),
    /// Copy objects, certificates and keys to a new folder, while k2d runs or not
    Backup(backup::Flags),
    /// Put a backup in the place of what is there, while k2d does not run
    Restore(backup::Flags),
    /// Remove all that this k2d has made, while it does not run
    Reset(reset::Flags),
    /// Show the certificates, or make them anew
    Certs(certs::Flags),
    /// Print the configuration in force and where each value came from
    Config,
    /// Look for what keeps k2d from working, and say what to do
    Doctor,
    /// Print versions
    Version,
}

/// Runs the program with these arguments (the first is its own name). The exit status is 64 for
/// wrong usage or configuration and 1 for other errors.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed standard output is no reason for another message.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match cli.verb.run(cli.common) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("k2d: {error:#}");
            ExitCode::from(if error.is::<Error>() || error.is::<Usage>() { USAGE } else { 1 })
        }
    }
}

impl Verb {
    fn run(self, common: Common) -> anyhow::Result<ExitCode> {
        match self {
            Self::Serve(flags) => serve::run(flags, common),
            Self::Kubeconfig(flags) => kubeconfig::run(flags, common),
            Self::Token(flags) => token::run(flags, common),
            Self::Backup(flags) => backup::backup(flags, common),
            Self::Restore(flags) => backup::restore(flags, common),
            Self::Reset(flags) => reset::run(flags, common),
            Self::Certs(flags) => certs::run(flags, common),
            Self::Config => config::run(common),
            Self::Doctor => doctor::run(common),
            Self::Version => version::run(),
        }
    }
}

impl Common {
    /// The layers of the configuration below the flags of a verb.
    fn sources(self) -> Sources {
        Sources::of_process(self.config).flag("--data-dir", "data-dir", self.data_dir)
    }

    /// The configuration that a verb without flags of its own sees.
    fn load(self) -> Result<Config, Error> {
        resolve(&self.sources().load()?)
    }
}

/// The configuration with the host's name for the Node where none is set.
fn resolve(loaded: &Loaded) -> Result<Config, Error> {
    loaded.resolve(&facts::host_name())
}

/// An argument that parses and still cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Prints to standard output. A reader that went away, such as `head`, is no error.
fn print(text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// The whole command line, for completions and the man page.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}
