//! The log of a container.

use super::containers::pending;
use super::{Engine, Frames, LogOptions, Result};

impl Engine {
    /// Reads the log of a container. A log driver that cannot be read is an
    /// [`Error::Unsupported`](super::Error::Unsupported).
    pub async fn logs(&self, id: &str, options: &LogOptions) -> Result<Frames> {
        let _ = (id, options);
        Err(pending())
    }
}
