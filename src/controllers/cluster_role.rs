//! Cluster roles that are the sum of others (`aggregationRule`): their rules are those of the roles that
//! their selectors pick. Upstream: clusterrole-aggregation-controller.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::{Controller, ObjectKey, Source};
use crate::kinds::rbac::GROUP;
use crate::registry::{Changed, Part, WriteOptions, fields};
use crate::registry::{Registry, Target};
use crate::schema::object::Object;
use crate::schema::rules::items;
use crate::schema::selector::Selector;
use crate::schema::status::Status;

const NAME: &str = "clusterrole-aggregation-controller";

/// The controller. Any cluster role may be part of any sum, so there is one key for all.
pub struct ClusterRoleController {
    cluster: Cluster,
    options: WriteOptions,
}

impl ClusterRoleController {
    /// The controller.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self { cluster: Cluster::new(registry, NAME), options: WriteOptions::internal(NAME) }
    }

    async fn sync(&self) -> Result<Option<Duration>, Status> {
        let roles = self.cluster.all(GROUP, "clusterroles", None).await?;
        for role in roles.iter().filter(|role| !role["aggregationRule"].is_null()) {
            let rules = sum(role, &roles);
            if rules != items(&role["rules"]) {
                self.write(role, rules).await?;
            }
        }
        Ok(None)
    }

    /// Applies the rules, and takes them from whoever else had set them.
    async fn write(&self, role: &Value, rules: Vec<Value>) -> Result<(), Status> {
        let kind = self.cluster.registry.kind(GROUP, "clusterroles")?;
        let target = Target::new(&kind, "", role.name());
        let mut patch = json!({"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {"name": role.name()}});
        // Upstream's has no rules where there are none: what somebody else has set then stays.
        if !rules.is_empty() {
            patch["rules"] = rules.into();
        }
        let catalog = self.cluster.registry.catalog();
        let mut change = |old: &Value| {
            let object = fields::applied(&catalog, &kind, Part::Main, Some(old), &patch, &self.options, true)?;
            Ok(Changed { object, managed: true, uid: Some(role.uid().to_owned()) })
        };
        match self.cluster.registry.update(&target, Part::Main, &mut change, &self.options).await {
            Err(status) if status.code == 404 => Ok(()),
            other => other.map(drop),
        }
    }
}

/// The rules of the roles that a role's selectors pick: each selector's by name, none twice.
fn sum(role: &Value, roles: &[Value]) -> Vec<Value> {
    let mut rules: Vec<Value> = Vec::new();
    for selector in role.list("/aggregationRule/clusterRoleSelectors") {
        let Ok(selector) = Selector::from_object(selector) else { continue };
        let picked = |other: &&Value| other.name() != role.name() && selector.matches(other.map("/metadata/labels"));
        let mut parts: Vec<&Value> = roles.iter().filter(picked).collect();
        parts.sort_by_key(|part| part.name());
        for rule in parts.into_iter().flat_map(|part| items(&part["rules"])) {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
    }
    rules
}

impl Controller for ClusterRoleController {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sources(&self) -> Vec<Source> {
        vec![Source::new(GROUP, "clusterroles", |_| vec![ObjectKey::default()])]
    }

    fn reconcile<'a>(&'a self, _key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>> {
        Box::pin(self.sync())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, label: &str, verb: &str) -> Value {
        json!({"metadata": {"name": name, "labels": {"to": label}}, "rules": [{"verbs": [verb]}]})
    }

    #[test]
    fn a_sum_is_made_of_what_its_selectors_pick_in_order_and_once() {
        let mut all = vec![role("c", "x", "list"), role("a", "x", "get"), role("b", "y", "get"), role("d", "z", "no")];
        let selectors = json!([{"matchLabels": {"to": "x"}}, {"matchLabels": {"to": "y"}}]);
        let mut sum_role = role("a-sum", "x", "own");
        sum_role["aggregationRule"] = json!({"clusterRoleSelectors": selectors});
        all.push(sum_role.clone());
        assert_eq!(sum(&sum_role, &all), [json!({"verbs": ["get"]}), json!({"verbs": ["list"]})]);
    }
}
