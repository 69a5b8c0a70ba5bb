//! The kinds of the `admissionregistration.k8s.io` group.

pub mod policies;
pub mod webhooks;
