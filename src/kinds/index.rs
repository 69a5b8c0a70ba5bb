//! The kinds that are served, one line each, in the order of discovery.

use super::Kind;
use super::admission::{policies, webhooks};
use super::apps::{controller_revision, daemon_set, deployment, replica_set, stateful_set};
use super::autoscaling::pod_autoscaler;
use super::batch::{cron_job, job};
use super::certificates::signing_request;
use super::coordination::lease;
use super::core::{
    binding as pod_binding, claim, component_status, config_map, endpoints, event, limit_range, namespace, node, pod,
    pod_template, replication_controller, resource_quota, secret, service, service_account, volume,
};
use super::discovery::endpoint_slice;
use super::flowcontrol::{flow_schema, priority_level};
use super::networking::{address, ingress, ingress_class, network_policy, service_range};
use super::policy::disruption_budget;
use super::rbac::{binding, role};
use super::review;
use super::runtime::runtime_class;
use super::scheduling::priority_class;
use super::storage::{attributes_class, capacity, csi_driver, csi_node, storage_class, volume_attachment};

/// All kinds whose defaults, rules and columns are here; the core group first.
#[must_use]
pub fn all() -> Vec<Kind> {
    vec![
        pod_binding::kind(),
        component_status::kind(),
        config_map::kind(),
        endpoints::kind(),
        event::kind(),
        limit_range::kind(),
        namespace::kind(),
        node::kind(),
        claim::kind(),
        volume::kind(),
        pod::kind(),
        pod_template::kind(),
        replication_controller::kind(),
        resource_quota::kind(),
        secret::kind(),
        service_account::kind(),
        service::kind(),
        controller_revision::kind(),
        daemon_set::kind(),
        deployment::kind(),
        replica_set::kind(),
        stateful_set::kind(),
        review::self_subject(),
        review::token(),
        review::local_access(),
        review::self_access(),
        review::self_rules(),
        review::access(),
        event::new_kind(),
        pod_autoscaler::kind(),
        pod_autoscaler::first_kind(),
        cron_job::kind(),
        job::kind(),
        signing_request::kind(),
        ingress_class::kind(),
        ingress::kind(),
        address::kind(),
        network_policy::kind(),
        service_range::kind(),
        disruption_budget::kind(),
        binding::cluster_kind(),
        role::cluster_kind(),
        binding::kind(),
        role::kind(),
        csi_driver::kind(),
        csi_node::kind(),
        capacity::kind(),
        storage_class::kind(),
        volume_attachment::kind(),
        attributes_class::kind(),
        priority_class::kind(),
        policies::mutating(),
        policies::mutating_binding(),
        webhooks::mutating(),
        policies::validating(),
        policies::validating_binding(),
        webhooks::validating(),
        lease::kind(),
        runtime_class::kind(),
        endpoint_slice::kind(),
        flow_schema::kind(),
        priority_level::kind(),
    ]
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::all;
    use crate::kinds::Verbs;
    use crate::schema::field::Errors;
    use crate::schema::table::Type;

    #[test]
    fn every_kind_is_one_of_the_api() {
        for kind in all() {
            let found = Type::builtin(&kind.group, &kind.version, &kind.kind);
            assert!(found.is_some(), "{} {}", kind.api_version(), kind.kind);
        }
    }

    #[test]
    fn no_kind_is_listed_twice() {
        let mut seen = Vec::new();
        for kind in all() {
            let name = (kind.api_version(), kind.plural.clone());
            assert!(!seen.contains(&name), "{name:?}");
            seen.push(name);
        }
    }

    /// Nothing may be taken for given: what a client sends can be as empty as this.
    #[test]
    fn an_object_with_nothing_in_it_is_looked_at_without_harm() {
        let now = Timestamp::UNIX_EPOCH;
        for kind in all() {
            let strategy = &kind.strategy;
            let bare = json!({"apiVersion": kind.api_version(), "kind": &*kind.kind, "metadata": {"name": "a"}});
            let mut object = bare.clone();
            strategy.default(&mut object);
            strategy.prepare_create(&mut object);
            let again = {
                let mut again = object.clone();
                strategy.default(&mut again);
                again
            };
            assert_eq!(object, again, "defaults of {} are filled in once", kind.kind);
            let mut errors = Errors::new();
            for (new, old) in [(&object, &bare), (&bare, &object), (&object, &object)] {
                let mut changed = new.clone();
                strategy.prepare_update(&mut changed, old);
                strategy.prepare_status(&mut changed, old);
                strategy.validate(new, &mut errors);
                strategy.validate_update(new, old, &mut errors);
                strategy.validate_status(new, old, &mut errors);
                strategy.warnings(new, Some(old));
                strategy.counts_generation(new, old);
                assert_eq!(strategy.columns().len(), strategy.cells(new, now).len(), "{}", kind.kind);
                for field in &kind.selectable {
                    strategy.field(new, field);
                }
            }
            let questions = kind.verbs == Verbs::CreateOnly;
            assert!(questions || strategy.row_conditions(&object).is_empty(), "{}", kind.kind);
        }
    }
}
