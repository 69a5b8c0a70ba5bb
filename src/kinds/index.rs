//! The kinds that are served, one line each, in the order of discovery.

use super::Kind;
use super::apps::{deployment, replica_set};
use super::core::{claim, config_map, namespace, pod, secret, service, service_account, volume};

/// All kinds whose defaults, rules and columns are here; the core group first.
#[must_use]
pub fn all() -> Vec<Kind> {
    vec![
        config_map::kind(),
        namespace::kind(),
        claim::kind(),
        volume::kind(),
        pod::kind(),
        secret::kind(),
        service_account::kind(),
        service::kind(),
        deployment::kind(),
        replica_set::kind(),
    ]
}
