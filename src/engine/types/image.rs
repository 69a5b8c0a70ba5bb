//! Images, and what pulling one takes.

use std::collections::BTreeMap;

/// An image in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSummary {
    /// Id (`sha256:…`).
    pub id: String,
    /// Names with tags.
    pub tags: Vec<String>,
    /// Names with digests.
    pub digests: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Bytes on disk.
    pub size: u64,
    /// When it was made.
    pub created: Option<jiff::Timestamp>,
}

/// All that is told of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageDetail {
    /// Id (`sha256:…`).
    pub id: String,
    /// Names with tags.
    pub tags: Vec<String>,
    /// Names with digests, such as `docker.io/library/redis@sha256:…` or in the engine's short form.
    pub digests: Vec<String>,
    /// Bytes on disk.
    pub size: u64,
    /// Processor architecture in Go's words.
    pub architecture: String,
    /// User.
    pub user: String,
    /// Entry point.
    pub entrypoint: Vec<String>,
    /// Arguments.
    pub args: Vec<String>,
    /// Variables as `NAME=value`.
    pub env: Vec<String>,
    /// Working directory.
    pub working_dir: String,
    /// Ports as `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// Paths for which the engine makes anonymous volumes.
    pub volumes: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Signal that asks a container of it to stop, empty for the default.
    pub stop_signal: String,
    /// Brings a health check along.
    pub has_healthcheck: bool,
}

/// What a registry wants to see. It is never printed: `Debug` hides all but the user.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password or access token.
    pub password: String,
    /// A token that stands for both (`identitytoken` in a docker config).
    pub identity_token: String,
    /// A bearer token for the registry (`registrytoken`).
    pub registry_token: String,
    /// Address of the registry.
    pub server: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}@{})", self.username, self.server)
    }
}

/// A step of a pull.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullProgress {
    /// Layer or tag that the step is about, if any.
    pub id: String,
    /// What is being done.
    pub status: String,
    /// Bytes done.
    pub current: Option<u64>,
    /// Bytes in all.
    pub total: Option<u64>,
}
