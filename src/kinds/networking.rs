//! The kinds of the `networking.k8s.io` group.

pub mod address;
pub mod ingress;
pub mod ingress_class;
pub mod network_policy;
pub mod service_range;
