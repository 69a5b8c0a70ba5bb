//! The node's part.

pub mod translate;
