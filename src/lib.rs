//! k2d makes one Docker or Podman host answer as a small single-node Kubernetes cluster.
//!
//! Modules depend downwards only, in the order in which they stand here (a later one never imports
//! an earlier one); `tests/arrows.rs` checks it.

pub mod cli;

pub mod app;

pub mod api;

pub mod controllers;
pub mod pods;

pub mod registry;

pub mod config;
pub mod engine;
pub mod host;
pub mod kinds;
pub mod network;
pub mod store;

pub mod schema;

pub mod sys;

pub mod failpoint;
