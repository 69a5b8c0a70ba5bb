//! The kinds of the `policy` group.

pub mod disruption_budget;
