//! What happens on the engine.

use std::collections::BTreeMap;

/// One item of the stream of events.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The stream stands. What happened while it did not may be missing: list again.
    Connected,
    /// The stream broke, or could not be opened; it is being opened again.
    Disconnected {
        /// Why, for people.
        reason: String,
    },
    /// Something happened to a container.
    Container {
        /// What.
        action: ContainerAction,
        /// Id of the container.
        id: String,
        /// Its name at that time.
        name: String,
        /// Image as it was asked for.
        image: String,
        /// Labels of the container and facts of the event, in one map as the engines tell them.
        attributes: BTreeMap<String, String>,
        /// When, by the engine's clock.
        time: Option<jiff::Timestamp>,
    },
    /// Something happened to an image.
    Image {
        /// What.
        action: ObjectAction,
        /// Reference or id.
        id: String,
    },
    /// Something happened to a volume.
    Volume {
        /// What.
        action: ObjectAction,
        /// Name.
        name: String,
    },
    /// Something happened to a network.
    Network {
        /// What.
        action: ObjectAction,
        /// Id.
        id: String,
        /// Name.
        name: String,
        /// The container that came or went.
        container: Option<String>,
    },
}

/// What happened to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerAction {
    /// Made.
    Create,
    /// Started.
    Start,
    /// Ended.
    Die {
        /// Exit code, if the engine told it.
        exit_code: Option<i64>,
    },
    /// The kernel killed a process of it because memory was short.
    Oom,
    /// A signal was sent.
    Kill {
        /// Its number, if the engine told it.
        signal: Option<i64>,
    },
    /// Stopped on demand. Comes after `Die`.
    Stop,
    /// Restarted on demand. Comes after `Start`.
    Restart,
    /// Frozen.
    Pause,
    /// Thawed.
    Unpause,
    /// Has a new name, the one in the event.
    Rename {
        /// The old one, empty where the engine does not tell it.
        old: String,
    },
    /// Limits or restart policy changed.
    Update,
    /// Removed.
    Destroy,
    /// Its health check changed its mind: `healthy`, `unhealthy`, …
    Health(String),
    /// A program was prepared to run in it.
    ExecCreate,
    /// A program was run in it.
    ExecStart,
    /// A program run in it has ended.
    ExecDie {
        /// Id of the exec.
        exec: String,
        /// Exit code.
        exit_code: Option<i64>,
    },
    /// Something else, in the engine's word.
    Other(String),
}

/// What happened to an image, volume or network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectAction {
    /// Made, pulled, loaded or imported.
    Create,
    /// Removed.
    Remove,
    /// Given a name.
    Tag,
    /// Lost a name.
    Untag,
    /// Taken into use: a volume mounted, a container joined to a network.
    Connect,
    /// No longer used.
    Disconnect,
    /// Something else, in the engine's word.
    Other(String),
}
