//! k2d makes one Docker or Podman host answer as a small single-node Kubernetes cluster.
//!
//! Modules depend downwards only; `tests/arrows.rs` checks it.

pub mod kinds;
pub mod schema;
