//! RoleBinding and ClusterRoleBinding: who has a role.

use jiff::Timestamp;
use serde_json::Value;

use super::GROUP;
use crate::kinds::parts::show;
use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column, wide};
use crate::kinds::{Column, Kind, NameRule, Strategy};
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::rules::{Fill, Fills, each_map, fill, formatted, items, text};

const FILLS: Fills = &[("", &[("roleRef", Fill::Map)]), ("roleRef", &[("apiGroup", Fill::Text(GROUP))])];
const COLUMNS: &[Row] = &columns([
    "roleRef can reference a Role in the current namespace or a ClusterRole in the global namespace. If the RoleRef \
     cannot be resolved, the Authorizer must return an error.",
    "Users in the roleBinding",
    "Groups in the roleBinding",
    "ServiceAccounts in the roleBinding",
]);
const CLUSTER_COLUMNS: &[Row] = &columns([
    "roleRef can only reference a ClusterRole in the global namespace. If the RoleRef cannot be resolved, the \
     Authorizer must return an error.",
    "Users in the clusterRoleBinding",
    "Groups in the clusterRoleBinding",
    "ServiceAccounts in the clusterRoleBinding",
]);

const fn columns([role, users, groups, accounts]: [&'static str; 4]) -> [Row; 6] {
    [
        NAME,
        text_column("Role", About::Text(role)),
        AGE,
        wide("Users", About::Text(users)),
        wide("Groups", About::Text(groups)),
        wide("ServiceAccounts", About::Text(accounts)),
    ]
}

/// RoleBinding: a role within a namespace.
#[must_use]
pub fn kind() -> Kind {
    Kind::new(GROUP, "v1", "RoleBinding", "rolebindings", Binding { namespaced: true }).names(NameRule::PathSegment)
}

/// ClusterRoleBinding: a role in the cluster.
#[must_use]
pub fn cluster_kind() -> Kind {
    Kind::new(GROUP, "v1", "ClusterRoleBinding", "clusterrolebindings", Binding { namespaced: false })
        .cluster()
        .names(NameRule::PathSegment)
}

struct Binding {
    namespaced: bool,
}

impl Strategy for Binding {
    fn default(&self, object: &mut Value) {
        fill(object, FILLS);
        each_map(object, "subjects.*", &mut |subject| {
            let kind = subject.get("kind").map(text).unwrap_or_default();
            if matches!(kind, "User" | "Group") {
                Fill::Text(GROUP).apply(subject, "apiGroup");
            }
        });
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (role, path) = (&object["roleRef"], Path::new("roleRef"));
        if text(&role["apiGroup"]) != GROUP {
            errors.not_supported(&path.child("apiGroup"), &role["apiGroup"], &[GROUP]);
        }
        let kinds: &[&str] = if self.namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
        if !kinds.contains(&text(&role["kind"])) {
            errors.not_supported(&path.child("kind"), &text(&role["kind"]).into(), kinds);
        }
        if !text(&role["name"]).is_empty() {
            formatted(text(&role["name"]), names::path_segment, &path.child("name"), errors);
        }
        let subjects = Path::new("subjects");
        for (index, subject) in items(&object["subjects"]).iter().enumerate() {
            self.subject(subject, &subjects.index(index), errors);
        }
        // What is merely required is told behind the rest.
        let unnamed = |value: &Value| text(&value["name"]).is_empty();
        for (index, _) in items(&object["subjects"]).iter().enumerate().filter(|(_, subject)| unnamed(subject)) {
            errors.required(&subjects.index(index).child("name"), "");
        }
        if unnamed(role) {
            errors.required(&path.child("name"), "");
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, errors: &mut Errors) {
        self.validate(object, errors);
        if object["roleRef"] != old["roleRef"] {
            let shown = show::line(&object["roleRef"], "rbac.v1.RoleRef");
            errors.invalid_raw(&Path::new("roleRef"), &shown, "field is immutable");
        }
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(if self.namespaced { COLUMNS } else { CLUSTER_COLUMNS })
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let role = &object["roleRef"];
        let of = |kind: &str| -> Value {
            let all: Vec<String> = items(&object["subjects"])
                .iter()
                .filter(|subject| subject["kind"] == kind)
                .map(|subject| match kind {
                    "ServiceAccount" => format!("{}/{}", text(&subject["namespace"]), text(&subject["name"])),
                    _ => text(&subject["name"]).to_owned(),
                })
                .collect();
            all.join(", ").into()
        };
        vec![
            object["metadata"]["name"].clone(),
            format!("{}/{}", text(&role["kind"]), text(&role["name"])).into(),
            table::age(object, now),
            of("User"),
            of("Group"),
            of("ServiceAccount"),
        ]
    }
}

impl Binding {
    fn subject(&self, subject: &Value, path: &Path, errors: &mut Errors) {
        let (name, group) = (text(&subject["name"]), text(&subject["apiGroup"]));
        match text(&subject["kind"]) {
            "ServiceAccount" => {
                if !name.is_empty() {
                    formatted(name, names::dns1123_subdomain, &path.child("name"), errors);
                }
                if !group.is_empty() {
                    errors.not_supported(&path.child("apiGroup"), &group.into(), &[""]);
                }
                if !self.namespaced && text(&subject["namespace"]).is_empty() {
                    errors.required(&path.child("namespace"), "");
                }
            }
            "User" | "Group" => {
                if group != GROUP {
                    errors.not_supported(&path.child("apiGroup"), &group.into(), &[GROUP]);
                }
            }
            other => {
                errors.not_supported(&path.child("kind"), &other.into(), &["ServiceAccount", "User", "Group"]);
            }
        }
    }
}
