//! The group `apps`, `v1`: workloads.

pub mod deployment;
pub mod replica_set;
