//! `k2d serve`: runs the server.

use std::process::ExitCode;

use clap::Args;

use super::{Common, resolve};
use crate::app;
use crate::config::{AuditLog, Config, LogFormat};
use crate::host::logs::{self, Sink};

#[derive(Args, Debug)]
pub(super) struct Flags {
    /// Address and port to listen on (api.listen); may be given again
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<String>,
    /// `auto`, `none` or the engine's socket (engine.socket)
    #[arg(long, value_name = "SOCKET")]
    engine: Option<String>,
    /// Serve the API and its store alone (api-only)
    #[arg(long)]
    api_only: bool,
    /// Name of this k2d on the engine (instance)
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// Name of the Node (node.name)
    #[arg(long, value_name = "NAME")]
    node_name: Option<String>,
    /// `off`, `error`, `warn`, `info`, `debug` or `trace` (log.level)
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

pub(super) fn run(flags: Flags, common: Common) -> anyhow::Result<ExitCode> {
    let config = load(flags, common)?;
    let sink = match config.log.format {
        LogFormat::Auto => Sink::Auto,
        LogFormat::Journal => Sink::Journal,
        LogFormat::Text => Sink::Text,
    };
    logs::start(config.log.level, config.log.audit != AuditLog::Off, sink)?;
    app::serve(config)?;
    Ok(ExitCode::SUCCESS)
}

fn load(flags: Flags, common: Common) -> Result<Config, crate::config::Error> {
    let listen = (!flags.listen.is_empty()).then(|| flags.listen.join(","));
    let loaded = common
        .sources()
        .flag("--listen", "api.listen", listen)
        .flag("--engine", "engine.socket", flags.engine)
        .flag("--api-only", "api-only", flags.api_only.then_some(true))
        .flag("--instance", "instance", flags.instance)
        .flag("--node-name", "node.name", flags.node_name)
        .flag("--log-level", "log.level", flags.log_level)
        .load()?;
    resolve(&loaded)
}
