//! The container engine: the only module that names bollard. Differences between Docker and Podman,
//! and between their versions, end here. It does not know a Kubernetes type.
//!
//! An [`Engine`] is a cheap handle. It connects when it is used, so a socket that is missing, refuses
//! or goes away is an error of one call and nothing more.
//!
//! ```text
//! containers images networks volumes system     typed calls, one verb a function
//! events logs exec archive                      streams
//!        create wire reference demux            pure: to and from what travels
//!             transport                         one pool of connections to one unix socket
//! ```

use std::sync::Arc;

mod archive;
mod containers;
mod create;
mod demux;
mod error;
mod events;
mod exec;
mod images;
mod lines;
mod logs;
mod networks;
mod reference;
mod settings;
mod system;
mod transport;
pub mod types;
mod volumes;
mod wire;

pub use demux::{Frame, Frames, StdStream};
pub use error::{Error, Result};
pub use events::Events;
pub use exec::{Duplex, Stdin};
pub use images::Pull;
pub use reference::{ImageRef, InvalidReference};
pub use settings::{Settings, Socket};
pub use types::*;

/// A handle on one engine. Cloning it is cheap; all clones share the same few connections.
#[derive(Clone)]
pub struct Engine {
    transport: Arc<transport::Transport>,
}

impl Engine {
    /// Makes a handle. Nothing is opened and nothing can fail: the first call connects.
    pub fn connect(settings: Settings) -> Engine {
        Engine { transport: Arc::new(transport::Transport::new(settings)) }
    }
}
