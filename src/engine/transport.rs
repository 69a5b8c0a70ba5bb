//! Connections to the engine's socket.

use super::Settings;

pub(super) struct Transport {
    settings: Settings,
}

impl Transport {
    pub(super) fn new(settings: Settings) -> Transport {
        Transport { settings }
    }
}
