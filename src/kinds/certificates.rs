//! The kinds of the `certificates.k8s.io` group.

pub mod signing_request;
