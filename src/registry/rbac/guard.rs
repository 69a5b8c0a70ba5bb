//! Nobody gives away more than one has: who writes a role must hold all that it allows (or may
//! `escalate`), and who binds one must hold it too (or may `bind` it). Refusals in upstream's words.

use serde_json::Value;

use super::rules::{Rule, Rules};
use super::{Attributes, Grants, is_master};
use crate::kinds::rbac::GROUP;
use crate::registry::{Registry, Target, WriteOptions};
use crate::schema::field::quote;
use crate::schema::object::Object;
use crate::schema::rules::{items, text};
use crate::schema::status::Status;

/// How many single rights of a rule are told apart. A rule of more is taken as a whole, so that a
/// hostile one costs no more than it should.
const RIGHTS_MAX: usize = 10_000;

impl Registry {
    /// Refuses a role or binding that gives away more than its writer has. `old` is what is there
    /// before an update.
    pub(in crate::registry) async fn guard(
        &self,
        target: &Target,
        object: &Value,
        old: Option<&Value>,
        options: &WriteOptions,
    ) -> Result<(), Status> {
        if target.kind.group != GROUP || is_master(&options.user) || old.is_some_and(|old| only_collected(object, old))
        {
            return Ok(());
        }
        match target.kind.plural.as_ref() {
            "roles" | "clusterroles" => self.guard_role(target, object, old, options).await,
            _ => self.guard_binding(target, object, options).await,
        }
    }

    async fn guard_role(
        &self,
        target: &Target,
        object: &Value,
        old: Option<&Value>,
        options: &WriteOptions,
    ) -> Result<(), Status> {
        let may = Attributes {
            verb: "escalate",
            group: GROUP,
            resource: &target.kind.plural,
            namespace: &target.namespace,
            name: &target.name,
            ..Attributes::default()
        };
        if self.authorize(&options.user, &may).await?.allowed {
            return Ok(());
        }
        let held = self.0.rbac.grants(self.store(), &options.user, &target.namespace).await?;
        let refuse = |detail: &str| Status::forbidden(GROUP, &target.kind.plural, object.name(), detail);
        confirm(&held, &Rules::read(&object["rules"]), options).map_err(|detail| refuse(&detail))?;
        if aggregates(object) || old.is_some_and(aggregates) {
            let all = Rules::read(&serde_json::json!([
                {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
                {"verbs": ["*"], "nonResourceURLs": ["*"]},
            ]));
            confirm(&held, &all, options)
                .map_err(|_| refuse("must have cluster-admin privileges to use the aggregationRule"))?;
        }
        Ok(())
    }

    async fn guard_binding(&self, target: &Target, object: &Value, options: &WriteOptions) -> Result<(), Status> {
        let (kind, name) = (object.text("/roleRef/kind"), object.text("/roleRef/name"));
        let (plural, namespace) = match kind {
            "Role" => ("roles", target.namespace.as_str()),
            "ClusterRole" => ("clusterroles", ""),
            // The rules of the kind refuse it.
            _ => return Ok(()),
        };
        let may = Attributes {
            verb: "bind",
            group: object.text("/roleRef/apiGroup"),
            resource: plural,
            namespace: &target.namespace,
            name,
            ..Attributes::default()
        };
        if self.authorize(&options.user, &may).await?.allowed {
            return Ok(());
        }
        let role = self.get(&self.target(GROUP, plural, namespace, name)?).await?.to_value();
        let held = self.0.rbac.grants(self.store(), &options.user, &target.namespace).await?;
        confirm(&held, &Rules::read(&role["rules"]), options)
            .map_err(|detail| Status::forbidden(GROUP, &target.kind.plural, object.name(), &detail))
    }
}

/// Whether an update changes only what the collector of garbage changes.
fn only_collected(object: &Value, old: &Value) -> bool {
    let rest = |value: &Value| {
        let mut value = value.clone();
        for key in ["ownerReferences", "finalizers", "managedFields", "resourceVersion"] {
            value.metadata_mut().remove(key);
        }
        value
    };
    rest(object) == rest(old)
}

fn aggregates(role: &Value) -> bool {
    !role.list("/aggregationRule/clusterRoleSelectors").is_empty()
}

/// Whether the grants hold all rights of the rules; else the refusal.
fn confirm(held: &Grants, rules: &Rules, options: &WriteOptions) -> Result<(), String> {
    let covered = |rule: &Rule<'_>| held.list.iter().any(|grant| grant.rules.iter().any(|own| own.covers(rule)));
    let mut missing = Missing::default();
    for rule in rules.iter().filter(|rule| !covered(rule)) {
        if rights(&rule) > RIGHTS_MAX {
            missing.add_whole(&rule);
            continue;
        }
        for right in break_down(&rule) {
            let single = Rules::read(&Value::from(vec![right.clone()]));
            if !single.iter().all(|rule| covered(&rule)) {
                missing.add(&right);
            }
        }
    }
    if missing.0.is_empty() {
        return Ok(());
    }
    let groups: Vec<String> = options.user.groups.iter().map(|group| quote(group)).collect();
    let mut detail = format!(
        "user {} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
        quote(&options.user.name),
        groups.join(" "),
        missing.lines().join("\n")
    );
    if !held.errors.is_empty() {
        detail.push_str(&format!("; resolution errors: [{}]", held.error()));
    }
    Err(detail)
}

/// How many single rights a rule has.
fn rights(rule: &Rule<'_>) -> usize {
    let count = |words: super::rules::Words<'_>| words.iter().count();
    let resources = count(rule.groups).saturating_mul(count(rule.resources)).saturating_mul(count(rule.names).max(1));
    count(rule.verbs).saturating_mul(resources.saturating_add(count(rule.urls)))
}

/// The single rights of a rule, each a rule of one verb on one resource (or name, or path).
fn break_down(rule: &Rule<'_>) -> Vec<Value> {
    let mut out = Vec::new();
    for group in rule.groups.iter() {
        for resource in rule.resources.iter() {
            for verb in rule.verbs.iter() {
                let right = serde_json::json!({"apiGroups": [group], "resources": [resource], "verbs": [verb]});
                if rule.names.is_empty() {
                    out.push(right);
                    continue;
                }
                out.extend(rule.names.iter().map(|name| {
                    let mut right = right.clone();
                    right["resourceNames"] = Value::from(vec![name]);
                    right
                }));
            }
        }
    }
    for url in rule.urls.iter() {
        out.extend(rule.verbs.iter().map(|verb| serde_json::json!({"nonResourceURLs": [url], "verbs": [verb]})));
    }
    out
}

/// The rights that are missing; those that differ only in their verb are one.
#[derive(Default)]
struct Missing(Vec<Value>);

impl Missing {
    fn add(&mut self, right: &Value) {
        let same = |one: &Value, key: &str| one[key] == right[key];
        let known = self.0.iter_mut().find(|one| {
            !right["resources"].is_null()
                && ["apiGroups", "resources", "resourceNames", "nonResourceURLs"].iter().all(|key| same(one, key))
        });
        match known.and_then(|one| one["verbs"].as_array_mut()) {
            Some(verbs) => verbs.extend(items(&right["verbs"]).iter().cloned()),
            None => self.0.push(right.clone()),
        }
    }

    fn add_whole(&mut self, rule: &Rule<'_>) {
        self.0.push(rule.to_value());
    }

    /// One line each, sorted, none twice.
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.0.iter().map(line).collect();
        lines.sort();
        lines.dedup();
        lines
    }
}

/// A rule on one line, in Go's notation.
fn line(rule: &Value) -> String {
    let lists = [
        ("APIGroups", "apiGroups"),
        ("Resources", "resources"),
        ("NonResourceURLs", "nonResourceURLs"),
        ("ResourceNames", "resourceNames"),
        ("Verbs", "verbs"),
    ];
    let shown = lists.iter().filter(|(_, key)| !items(&rule[*key]).is_empty()).map(|(name, key)| {
        let words: Vec<String> = items(&rule[*key]).iter().map(|word| quote(text(word))).collect();
        format!("{name}:[{}]", words.join(" "))
    });
    format!("{{{}}}", shown.collect::<Vec<_>>().join(", "))
}
