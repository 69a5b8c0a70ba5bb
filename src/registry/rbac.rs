//! Role-based access control: what the roles that a user is bound to allow. It knows nothing of
//! HTTP; who the user is has been found out before.
//!
//! ```text
//! rules      the rules of a role, and what one of them allows
//! cache      bindings and roles in memory, fresh as the store
//! guard      nobody gives away more than one has (escalation, bind)
//! ```

mod cache;
mod guard;
pub mod rules;

use std::sync::Arc;

use serde_json::Value;

use self::cache::{Binding, Cache};
use self::rules::Rules;
use super::{Registry, User};
use crate::schema::status::Status;
use crate::store::Store;

/// The group whose members may do everything.
pub const MASTERS: &str = "system:masters";

/// What is to be done to what, as authorisation sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    /// `get`, `list`, …
    pub verb: &'a str,
    /// Group.
    pub group: &'a str,
    /// Resource.
    pub resource: &'a str,
    /// Subresource.
    pub subresource: &'a str,
    /// Namespace; empty for the cluster or all namespaces.
    pub namespace: &'a str,
    /// Name; empty for all.
    pub name: &'a str,
    /// The path, where it is about no resource.
    pub path: Option<&'a str>,
}

/// Whether something is allowed, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is.
    pub allowed: bool,
    /// By what, or what could not be looked at; often empty.
    pub reason: String,
}

/// The rules of a user, in the form of a SelfSubjectRulesReview.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleList {
    /// Rules about resources.
    pub resources: Vec<Value>,
    /// Rules about paths.
    pub paths: Vec<Value>,
    /// What could not be looked at; mostly empty.
    pub error: String,
}

/// What is known of bindings and roles; empty until it is asked.
#[derive(Default)]
pub struct Rbac(tokio::sync::Mutex<Option<Cache>>);

/// The rules of one binding of a user.
struct Grant {
    binding: Arc<Binding>,
    rules: Arc<Rules>,
}

/// The grants of a user, and the roles that are bound and not there.
#[derive(Default)]
struct Grants {
    list: Vec<Grant>,
    errors: Vec<String>,
}

impl Rbac {
    /// What a user has in a namespace (or in the cluster).
    async fn grants(&self, store: &Store, user: &User, namespace: &str) -> Result<Grants, Status> {
        let mut guard = self.0.lock().await;
        if guard.as_mut().is_none_or(|cache| !cache.refresh()) {
            *guard = Some(Cache::load(store).await?);
        }
        let Some(cache) = guard.as_mut() else { return Ok(Grants::default()) };
        let mut grants = Grants::default();
        for binding in cache.of(user, namespace) {
            match cache.role(store, binding.role_place()).await? {
                Some(rules) => grants.list.push(Grant { binding, rules }),
                None => grants.missing(&binding),
            }
        }
        Ok(grants)
    }
}

impl Grants {
    fn missing(&mut self, binding: &Binding) {
        let kind = binding.role_kind.to_lowercase();
        let error = format!("{kind}.rbac.authorization.k8s.io {:?} not found", binding.role);
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// The errors as Go shows several at once.
    fn error(&self) -> String {
        match self.errors.as_slice() {
            [] => String::new(),
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        }
    }
}

impl Registry {
    /// Whether a user may do that, by the roles and by nothing else than them and `system:masters`.
    ///
    /// # Errors
    /// 500 where the roles cannot be read.
    pub async fn authorize(&self, user: &User, what: &Attributes<'_>) -> Result<Verdict, Status> {
        if is_master(user) {
            return Ok(Verdict { allowed: true, reason: String::new() });
        }
        let grants = self.0.rbac.grants(self.store(), user, what.namespace).await?;
        let grant = grants.list.iter().find(|grant| grant.rules.iter().any(|rule| rule.allows(what)));
        if let Some(grant) = grant {
            return Ok(Verdict { allowed: true, reason: allowed_by(&grant.binding, user) });
        }
        let error = grants.error();
        let reason = if error.is_empty() { error } else { format!("RBAC: {error}") };
        Ok(Verdict { allowed: false, reason })
    }

    /// All that a user may do in a namespace.
    ///
    /// # Errors
    /// 500 where the roles cannot be read.
    pub async fn rules_of(&self, user: &User, namespace: &str) -> Result<RuleList, Status> {
        let grants = self.0.rbac.grants(self.store(), user, namespace).await?;
        let mut list = RuleList { error: grants.error(), ..RuleList::default() };
        for rule in grants.list.iter().flat_map(|grant| grant.rules.iter()) {
            let shown = rule.to_value();
            if !rule.resources.is_empty() {
                list.resources.push(shown);
            } else if !rule.urls.is_empty() {
                list.paths.push(shown);
            }
        }
        Ok(list)
    }
}

fn is_master(user: &User) -> bool {
    user.groups.iter().any(|group| group == MASTERS)
}

/// Why something is allowed, as upstream says it.
fn allowed_by(binding: &Binding, user: &User) -> String {
    let (kind, name) = if binding.namespace.is_empty() {
        ("ClusterRoleBinding", binding.name.to_string())
    } else {
        ("RoleBinding", format!("{}/{}", binding.name, binding.namespace))
    };
    let subject = binding.applies_to(user).map_or_else(String::new, |subject| {
        let namespace = if subject.namespace.is_empty() { &binding.namespace } else { &subject.namespace };
        if *subject.kind == *"ServiceAccount" {
            format!("{} {:?}", subject.kind, format!("{}/{namespace}", subject.name))
        } else {
            format!("{} {:?}", subject.kind, subject.name)
        }
    });
    format!("RBAC: allowed by {kind} {name:?} of {} {:?} to {subject}", binding.role_kind, binding.role)
}

#[cfg(test)]
mod tests;
