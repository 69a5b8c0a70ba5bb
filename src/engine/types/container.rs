//! A container as the engine's list tells it, and the small words around it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::{Endpoint, MountPoint};

/// A container in a list. A list costs the engine little; what is not here is in
/// [`ContainerDetail`](super::ContainerDetail).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerSummary {
    /// Id, 64 hexadecimal digits.
    pub id: String,
    /// Names without the leading slash; the first is the container's own.
    pub names: Vec<String>,
    /// Image as it was asked for, or an id when its name moved on.
    pub image: String,
    /// Image id (`sha256:…`).
    pub image_id: String,
    /// The command, for people.
    pub command: String,
    /// Labels, those of the image included.
    pub labels: BTreeMap<String, String>,
    /// State.
    pub state: ContainerState,
    /// State for people, such as `Up 5 minutes`.
    pub status: String,
    /// When it was made.
    pub created: Option<jiff::Timestamp>,
    /// Where it is in networks, by the name of the network.
    pub networks: BTreeMap<String, Endpoint>,
    /// Network mode as asked for, such as `host` or `container:…`.
    pub network_mode: String,
    /// Ports.
    pub ports: Vec<PortMapping>,
    /// Mounts.
    pub mounts: Vec<MountPoint>,
}

impl ContainerSummary {
    /// Its own name, empty when the engine tells none.
    pub fn name(&self) -> &str {
        self.names.first().map(String::as_str).unwrap_or_default()
    }
}

/// State of a container, the same words for both engines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, never started. Podman's `configured` and `initialized` too.
    #[default]
    Created,
    /// Running.
    Running,
    /// Frozen.
    Paused,
    /// Ended, and the engine is about to start it again.
    Restarting,
    /// On its way out. Podman's `stopping` is `Running`: its process still lives.
    Removing,
    /// Ended. Podman's `stopped` too.
    Exited,
    /// Could not be removed.
    Dead,
    /// A word that is not known here.
    Unknown(String),
}

impl ContainerState {
    /// Reads the word of either engine.
    pub fn parse(word: &str) -> ContainerState {
        match word.to_ascii_lowercase().as_str() {
            "created" | "configured" | "initialized" => ContainerState::Created,
            "running" | "stopping" => ContainerState::Running,
            "paused" => ContainerState::Paused,
            "restarting" => ContainerState::Restarting,
            "removing" => ContainerState::Removing,
            "exited" | "stopped" => ContainerState::Exited,
            "dead" => ContainerState::Dead,
            _ => ContainerState::Unknown(word.to_owned()),
        }
    }

    /// Whether a process is there: running, or frozen.
    pub fn is_alive(&self) -> bool {
        matches!(self, ContainerState::Running | ContainerState::Paused)
    }
}

/// A port of a container, and where it is reached from the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortMapping {
    /// Port in the container.
    pub container_port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Address of the host, if the port is published.
    pub host_ip: Option<IpAddr>,
    /// Port of the host, if the port is published.
    pub host_port: Option<u16>,
}

/// Protocol of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// The engine's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }

    /// Reads the engine's word; `None` for one that is not known.
    pub fn parse(word: &str) -> Option<Protocol> {
        match word {
            "tcp" => Some(Protocol::Tcp),
            "udp" => Some(Protocol::Udp),
            "sctp" => Some(Protocol::Sctp),
            _ => None,
        }
    }
}

/// Which things a list tells. All given conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Labels that must be there; with a value, must have it.
    pub labels: Vec<(String, Option<String>)>,
    /// One of these names (a part of the name is enough for the engine, as in `docker ps`).
    pub names: Vec<String>,
    /// One of these ids.
    pub ids: Vec<String>,
}

impl Filter {
    /// Those with this label, whatever its value.
    pub fn label(key: impl Into<String>) -> Filter {
        Filter { labels: vec![(key.into(), None)], ..Filter::default() }
    }

    /// Those whose label has this value.
    pub fn label_value(key: impl Into<String>, value: impl Into<String>) -> Filter {
        Filter { labels: vec![(key.into(), Some(value.into()))], ..Filter::default() }
    }
}

/// How to remove a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoveOptions {
    /// Kills it first if it runs.
    pub force: bool,
    /// Removes its anonymous volumes too.
    pub volumes: bool,
}

/// How a container ended, as a wait tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitResult {
    /// Exit code.
    pub exit_code: i64,
    /// The engine's error, if it had one.
    pub error: Option<String>,
}

/// Whole seconds, rounded up, as the engines take times.
pub(in crate::engine) fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_both_engines_are_known_and_others_survive() {
        assert_eq!(ContainerState::parse("stopped"), ContainerState::Exited);
        assert_eq!(ContainerState::parse("configured"), ContainerState::Created);
        assert_eq!(ContainerState::parse("initialized"), ContainerState::Created);
        assert_eq!(ContainerState::parse("Running"), ContainerState::Running);
        assert_eq!(ContainerState::parse("thawing"), ContainerState::Unknown("thawing".into()));
        assert!(ContainerState::parse("paused").is_alive());
        assert!(!ContainerState::parse("restarting").is_alive());
    }

    #[test]
    fn seconds_round_up() {
        assert_eq!(whole_seconds(Duration::from_millis(0)), 0);
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_millis(2000)), 2);
    }
}
