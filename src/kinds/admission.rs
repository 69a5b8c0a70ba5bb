//! The kinds of the `admissionregistration.k8s.io` group.

pub mod webhooks;
