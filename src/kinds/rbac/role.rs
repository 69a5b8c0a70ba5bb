//! Role and ClusterRole: what is allowed.

use serde_json::Value;

use super::GROUP;
use crate::kinds::parts::selector;
use crate::kinds::{Kind, NameRule, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::rules::items;
use crate::schema::selector::Selector;

/// Role: within a namespace.
#[must_use]
pub fn kind() -> Kind {
    Kind::new(GROUP, "v1", "Role", "roles", Role { namespaced: true }).names(NameRule::PathSegment)
}

/// ClusterRole: in the cluster, or in the namespace in which it is bound.
#[must_use]
pub fn cluster_kind() -> Kind {
    Kind::new(GROUP, "v1", "ClusterRole", "clusterroles", Role { namespaced: false })
        .cluster()
        .names(NameRule::PathSegment)
}

struct Role {
    namespaced: bool,
}

impl Strategy for Role {
    fn validate(&self, object: &Value, errors: &mut Errors) {
        for (index, rule) in items(&object["rules"]).iter().enumerate() {
            self.rule(rule, &Path::new("rules").index(index), errors);
        }
        if !self.namespaced && !object["aggregationRule"].is_null() {
            aggregation(&object["aggregationRule"], errors);
        }
        // What is merely required is told behind the rest.
        for (index, rule) in items(&object["rules"]).iter().enumerate() {
            if items(&rule["verbs"]).is_empty() {
                errors.required(&Path::new("rules").index(index).child("verbs"), "");
            }
        }
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }
}

fn aggregation(aggregation: &Value, errors: &mut Errors) {
    let selectors = items(&aggregation["clusterRoleSelectors"]);
    let at = Path::new("aggregationRule").child("clusterRoleSelectors");
    if selectors.is_empty() {
        errors.required(&at, "at least one clusterRoleSelector required if aggregationRule is non-nil");
    }
    for (index, one) in selectors.iter().enumerate() {
        selector::validate(one, &at.index(index), errors);
        if Selector::from_object(one).is_err() {
            errors.invalid(&at.index(index), &Value::Null, "invalid label selector.");
        }
    }
}

impl Role {
    fn rule(&self, rule: &Value, path: &Path, errors: &mut Errors) {
        let empty = |field: &str| items(&rule[field]).is_empty();
        if !empty("nonResourceURLs") {
            let (urls, at) = (&rule["nonResourceURLs"], path.child("nonResourceURLs"));
            if self.namespaced {
                errors.invalid(&at, urls, "namespaced rules cannot apply to non-resource URLs");
            }
            if !(empty("apiGroups") && empty("resources") && empty("resourceNames")) {
                errors.invalid(&at, urls, "rules cannot apply to both regular resources and non-resource URLs");
            }
            return;
        }
        if empty("apiGroups") {
            errors.required(&path.child("apiGroups"), "resource rules must supply at least one api group");
        }
        if empty("resources") {
            errors.required(&path.child("resources"), "resource rules must supply at least one resource");
        }
    }
}
