//! Puts the roles, bindings, priority classes and flow schemas of every cluster into the store, and brings them up
//! to date after an upgrade: what is missing is added, what people have added stays, and where nothing
//! is missing nothing is written. All of it is one commit.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::policy::{self, AUTO_UPDATE};
use crate::kinds::Kind;
use crate::kinds::flowcontrol;
use crate::kinds::rbac::GROUP;
use crate::kinds::scheduling::priority_class;
use crate::registry::create::{normalise, prepare_type};
use crate::registry::rbac::rules::Rules;
use crate::registry::{Catalog, Part, Registry, Target, WriteOptions, failed, fields, meta, now};
use crate::schema::object::Object;
use crate::schema::rules::items;
use crate::schema::status::Status;
use crate::store::{Record, Write};

/// Who manages the flow schemas and priority levels.
const FLOW_MANAGER: &str = "api-priority-and-fairness-config-producer-v1";

impl Registry {
    /// Makes and mends the objects that every cluster has beside its namespaces.
    ///
    /// # Errors
    /// Where the store fails.
    pub(super) async fn bootstrap_objects(&self, options: &WriteOptions) -> Result<(), Status> {
        let sets = [
            (GROUP, "clusterroles", policy::cluster_roles()),
            (GROUP, "clusterrolebindings", policy::cluster_role_bindings()),
            (GROUP, "roles", policy::roles()),
            ("scheduling.k8s.io", "priorityclasses", priority_classes()),
            (flowcontrol::GROUP, "prioritylevelconfigurations", flowcontrol::defaults::levels()),
            (flowcontrol::GROUP, "flowschemas", flow_schemas(now())),
        ];
        let (catalog, at) = (self.catalog(), now());
        let mut writes = Vec::new();
        for (group, plural, wanted) in sets {
            // A kind that is not served has no objects.
            let Ok(kind) = self.kind(group, plural) else { continue };
            let existing = self.all(&kind, None).await?;
            for object in wanted {
                let same = |one: &&Value| one.name() == object.name() && one.namespace() == object.namespace();
                writes.extend(match existing.iter().find(same) {
                    None => Some(create(&catalog, &kind, object, options, at)),
                    Some(old) => mend(&catalog, &kind, old, &object, options, at),
                });
            }
        }
        if !writes.is_empty() {
            self.store().commit(writes).await.map_err(|error| failed(&error))?;
        }
        Ok(())
    }
}

/// The classes of the system, in upstream's words.
fn priority_classes() -> Vec<Value> {
    let class = |(name, value): &(&str, i64)| {
        let description = match *name {
            "system-node-critical" => "Used for system critical pods that must not be moved from their current node.",
            _ => {
                "Used for system critical pods that must run in the cluster, but can be moved to another node if \
                 necessary."
            }
        };
        json!({"metadata": {"name": name}, "value": value, "description": description})
    };
    priority_class::SYSTEM.iter().map(class).collect()
}

/// The flow schemas, all of whose levels are there as of now.
fn flow_schemas(at: Timestamp) -> Vec<Value> {
    let mut schemas = flowcontrol::defaults::flow_schemas();
    for schema in &mut schemas {
        schema["status"]["conditions"][0]["lastTransitionTime"] = at.to_string().into();
    }
    schemas
}

fn create(catalog: &Catalog, kind: &Arc<Kind>, mut object: Value, options: &WriteOptions, at: Timestamp) -> Write {
    let namespace = object.namespace().to_owned();
    prepare_type(kind, &mut object);
    kind.strategy.default(&mut object);
    normalise(kind, &mut object);
    let manager = if kind.group == flowcontrol::GROUP { FLOW_MANAGER } else { &options.manager };
    let options = WriteOptions { manager: manager.to_owned(), ..options.clone() };
    fields::created(catalog, kind, &mut object, &options, at);
    meta::fill(&mut object, &namespace, at);
    if kind.strategy.counts_generation(&object, &object).is_some() {
        object.metadata_mut().insert("generation".into(), json!(1));
    }
    normalise(kind, &mut object);
    let key = Target::new(kind, &namespace, object.name()).key();
    Write::Create { record: Record::from_value(key, &object) }
}

/// Adds what an object that is there lacks; `None` where that is nothing or it is not to be touched.
fn mend(
    catalog: &Catalog,
    kind: &Arc<Kind>,
    old: &Value,
    wanted: &Value,
    options: &WriteOptions,
    at: Timestamp,
) -> Option<Write> {
    if kind.group != GROUP || old.annotation(AUTO_UPDATE) == Some("false") {
        return None;
    }
    let mut object = old.clone();
    for key in ["labels", "annotations"] {
        for (name, value) in wanted.map(&format!("/metadata/{key}")).into_iter().flatten() {
            let own = object.metadata_mut().entry(key).or_insert_with(|| json!({}));
            if own.get(name).is_none() {
                own[name] = value.clone();
            }
        }
    }
    let aggregated = "aggregationRule";
    if wanted[aggregated].is_null() {
        add(&mut object, "rules", lacking_rules(old, wanted));
        let has = |subject: &Value| items(&old["subjects"]).contains(subject);
        add(&mut object, "subjects", items(&wanted["subjects"]).iter().filter(|one| !has(one)).cloned().collect());
    } else if old[aggregated].is_null() {
        object[aggregated] = wanted[aggregated].clone();
    }
    if object == *old {
        return None;
    }
    fields::updated(catalog, kind, Part::Main, old, &mut object, options, at);
    normalise(kind, &mut object);
    let key = Target::new(kind, old.namespace(), old.name()).key();
    let expect = old.resource_version().parse().ok()?;
    Some(Write::Update { record: Record::from_value(key, &object), expect })
}

/// The rules of `wanted` that none of the old ones covers.
fn lacking_rules(old: &Value, wanted: &Value) -> Vec<Value> {
    let own = Rules::read(&old["rules"]);
    let rules = Rules::read(&wanted["rules"]);
    let lacks = rules.iter().filter(|rule| !own.iter().any(|own| own.covers(rule)));
    lacks.map(|rule| rule.to_value()).collect()
}

fn add(object: &mut Value, list: &str, more: Vec<Value>) {
    if more.is_empty() {
        return;
    }
    let mut all = items(&object[list]).to_vec();
    all.extend(more);
    object[list] = all.into();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;
    use crate::registry::Settings;
    use crate::registry::update::Changed;
    use crate::store::Store;

    async fn cluster() -> (Registry, WriteOptions) {
        let settings = Settings { service_network: "10.43.0.0/16".into(), node_ports: (30000, 32767), acts: false };
        let registry = Registry::new(Store::in_memory().expect("a store"), Catalog::new(kinds::all()), settings);
        let options = WriteOptions::internal("kube-apiserver");
        registry.bootstrap_objects(&options).await.expect("made");
        (registry, options)
    }

    #[tokio::test]
    async fn a_second_start_writes_nothing() {
        let (registry, options) = cluster().await;
        let before = registry.store().revision();
        registry.bootstrap_objects(&options).await.expect("looked at");
        assert_eq!(registry.store().revision(), before);
    }

    #[tokio::test]
    async fn what_was_taken_away_comes_back_and_what_was_added_stays() {
        let (registry, options) = cluster().await;
        let target = registry.target(GROUP, "clusterroles", "", "system:basic-user").expect("a target");
        let extra = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]});
        let mut change = |old: &Value| {
            let mut object = old.clone();
            object["rules"] = json!([extra]);
            Ok(Changed::new(object))
        };
        registry.update(&target, Part::Main, &mut change, &options).await.expect("changed");
        registry.bootstrap_objects(&options).await.expect("mended");
        let role = registry.get(&target).await.expect("there").to_value();
        assert_eq!(items(&role["rules"]).len(), 3);
        assert!(items(&role["rules"]).contains(&extra));
    }

    #[tokio::test]
    async fn a_role_that_is_marked_stays_as_it_is() {
        let (registry, options) = cluster().await;
        let target = registry.target(GROUP, "clusterrolebindings", "", "system:discovery").expect("a target");
        let mut change = |old: &Value| {
            let mut object = old.clone();
            object["metadata"]["annotations"][AUTO_UPDATE] = "false".into();
            object["subjects"] = json!([]);
            Ok(Changed::new(object))
        };
        registry.update(&target, Part::Main, &mut change, &options).await.expect("changed");
        registry.bootstrap_objects(&options).await.expect("looked at");
        let binding = registry.get(&target).await.expect("there").to_value();
        assert!(items(&binding["subjects"]).is_empty());
    }
}
