//! Calls about the engine itself.

use super::containers::pending;
use super::{Engine, Info, Result, Version};

impl Engine {
    /// Which engine it is and which API is spoken with it. Asked once, and anew after the engine went away.
    pub async fn version(&self) -> Result<Version> {
        Err(pending())
    }

    /// What the engine tells of itself and its machine.
    pub async fn info(&self) -> Result<Info> {
        Err(pending())
    }
}
