//! The kinds of the `rbac.authorization.k8s.io` group: roles and who has them.

pub mod binding;
pub mod role;

/// The group.
pub const GROUP: &str = "rbac.authorization.k8s.io";
