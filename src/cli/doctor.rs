//! `k2d doctor`: looks for what keeps k2d from working. Each line says how something is; what is
//! wrong comes with what to do. It changes nothing.

use std::path::Path;
use std::process::ExitCode;

use super::{Common, print};
use crate::host::facts::{Facts, Memory};

mod engine;
mod files;
mod machine;
mod ports;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    /// As it should be.
    Good(&'static str, String),
    /// Works, but: what and what to do.
    Note(&'static str, String, String),
    /// Does not work: what and what to do.
    Wrong(&'static str, String, String),
}

impl Finding {
    fn good(topic: &'static str, text: impl Into<String>) -> Self {
        Self::Good(topic, text.into())
    }

    fn note(topic: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Note(topic, text.into(), advice.into())
    }

    fn wrong(topic: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Wrong(topic, text.into(), advice.into())
    }

    fn line(&self) -> String {
        match self {
            Self::Good(topic, text) => format!("good   {topic:<14} {text}\n"),
            Self::Note(topic, text, advice) => format!("note   {topic:<14} {text}\n{:22}→ {advice}\n", ""),
            Self::Wrong(topic, text, advice) => format!("WRONG  {topic:<14} {text}\n{:22}→ {advice}\n", ""),
        }
    }
}

pub(super) fn run(common: Common) -> anyhow::Result<ExitCode> {
    let config = common.load()?;
    let mut found = vec![Finding::good("configuration", "can be used")];
    if !rustix::process::geteuid().is_root() {
        found.push(Finding::note("user", "not root: files and ports cannot all be looked at", "run it as root"));
    }
    found.extend(files::check(&config.data_dir));
    found.extend(ports::check(&config));
    if !config.api_only {
        found.extend(engine::check(&config.engine.socket));
        found.extend(machine::programs(std::env::var_os("PATH").as_deref()));
        found.extend(machine::forwarding(&read("/proc/sys/net/ipv4/ip_forward")));
        found.extend(machine::cgroup(&read("/sys/fs/cgroup/cgroup.controllers"), &read("/proc/cgroups")));
    }
    found.extend(machine::clock(std::time::SystemTime::now(), Path::new("/run/systemd/timesync")));
    found.extend(machine::memory(Memory::read()));
    found.push(machine::system(&Facts::read()));

    let mut text: String = found.iter().map(Finding::line).collect();
    let wrong = found.iter().filter(|finding| matches!(finding, Finding::Wrong(..))).count();
    text.push_str(&match wrong {
        0 => "\nNothing is wrong.\n".to_owned(),
        1 => "\n1 thing is wrong.\n".to_owned(),
        many => format!("\n{many} things are wrong.\n"),
    });
    print(&text)?;
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
