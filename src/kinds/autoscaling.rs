//! The kinds of the `autoscaling` group.

pub mod pod_autoscaler;
pub mod scale;
