//! The kinds of the `networking.k8s.io` group.

pub mod ingress;
pub mod ingress_class;
pub mod network_policy;
