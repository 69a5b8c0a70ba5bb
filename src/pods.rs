//! The node's part: pods become containers, and what the engine tells becomes statuses. It does not
//! know HTTP and not who asks.

pub mod translate;
