//! The log: to the journal with fields, or as lines of text on standard error.
//!
//! A field `namespace` of an event becomes `K2D_NAMESPACE` in the journal, `object` `K2D_OBJECT`, and
//! so on: `journalctl K2D_NAMESPACE=plant`. Messages of libraries appear from warnings up.

use std::io;
use std::os::fd::AsFd;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Name of this program in the journal.
const IDENTIFIER: &str = "k2d";
/// Prefix of the fields in the journal.
const PREFIX: &str = "K2D";

/// Where the log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// To the journal when standard error is connected to it, else as text.
    Auto,
    /// To the journal.
    Journal,
    /// As text on standard error.
    Text,
}

/// The target of the lines that tell who has changed what; whether they are wanted does not depend on
/// the level.
pub const AUDIT: &str = "k2d::audit";

/// Starts the log. A second call changes nothing.
///
/// # Errors
/// The journal was asked for and cannot be reached.
pub fn start(level: LevelFilter, audit: bool, sink: Sink) -> io::Result<()> {
    let targets = Targets::new()
        .with_target("k2d", level)
        .with_target(AUDIT, if audit { LevelFilter::INFO } else { LevelFilter::OFF })
        .with_default(level.min(LevelFilter::WARN));
    let journal = match sink {
        Sink::Journal => Some(journal()?),
        Sink::Auto if stderr_is_journal() => journal().ok(),
        Sink::Auto | Sink::Text => None,
    };
    let registry = tracing_subscriber::registry().with(targets);
    let started = match journal {
        Some(layer) => registry.with(layer).try_init(),
        None => {
            let layer =
                tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false).with_target(false).compact();
            registry.with(layer).try_init()
        }
    };
    if started.is_err() {
        tracing::debug!("the log had started before");
    }
    Ok(())
}

fn journal() -> io::Result<tracing_journald::Layer> {
    let layer = tracing_journald::layer()?;
    Ok(layer.with_field_prefix(Some(PREFIX.into())).with_syslog_identifier(IDENTIFIER.into()))
}

/// Whether standard error is the socket that systemd connected to the journal (`JOURNAL_STREAM`,
/// systemd.exec(5)).
fn stderr_is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(io::stderr().as_fd()).is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}
