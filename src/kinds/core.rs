//! The core group, `v1`.

pub mod claim;
pub mod config_map;
pub mod namespace;
pub mod pod;
pub mod secret;
pub mod service;
pub mod service_account;
pub mod volume;
