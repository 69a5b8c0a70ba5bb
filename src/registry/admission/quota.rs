//! ResourceQuota: what is written is charged to the quotas of its namespace, and what would exceed
//! one is refused. The new count is stored in one commit with the object, and quotas are looked at
//! one write at a time, so that however many come at once none gets past.

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::MutexGuard;

use super::super::quota::{self, Counted};
use super::super::{Part, Registry, WriteOptions, catalog, failed, fields};
use super::{Change, refuse};
use crate::kinds::parts::demand::{self, Amounts};
use crate::kinds::{Kind, Verbs};
use crate::schema::object::Object;
use crate::schema::status::Status;
use crate::store::{Key, Record, Write};

/// The name under which the counts are written.
const MANAGER: &str = "kube-apiserver";

/// What is to be stored together with the object; quotas wait while it is held.
#[derive(Default)]
pub struct Charged<'r> {
    writes: Vec<Write>,
    held: Option<MutexGuard<'r, ()>>,
}

impl<'r> Charged<'r> {
    /// The quotas as they become, and what must be held until they are stored.
    pub fn into_parts(self) -> (Vec<Write>, Option<MutexGuard<'r, ()>>) {
        (self.writes, self.held)
    }

    /// Whether quotas change with the object.
    #[must_use]
    pub fn is_some(&self) -> bool {
        !self.writes.is_empty()
    }
}

/// Charges a write.
///
/// # Errors
/// 403 for a quota that would be exceeded, that does not know yet what is used, or that asks of
/// containers what they do not say.
pub async fn charge<'r>(registry: &'r Registry, change: &Change<'_>) -> Result<Charged<'r>, Status> {
    let Change { kind, object, .. } = *change;
    if !is_charged(change) {
        return Ok(Charged::default());
    }
    let namespace = object.namespace();
    if registry.quota_names(namespace).await?.is_empty() {
        return Ok(Charged::default());
    }
    let counted = Counted::of(kind);
    let delta = delta(&counted, change);
    let held = registry.quotas().lock().await;
    let quota_kind = registry.kind("", "resourcequotas")?;
    let mut writes = Vec::new();
    for name in registry.quota_names(namespace).await? {
        let key = Key::new(catalog::storage_name(&quota_kind), namespace, name);
        let found = registry.store().get(&key).await.map_err(|error| failed(&error))?;
        let Some(record) = found else { continue };
        let quota = record.to_value();
        if !counts(change, &counted, &quota)? {
            continue;
        }
        let charged = quota::charge(&quota, &delta).map_err(|detail| refuse(kind, object, &detail))?;
        if let Some(charged) = charged {
            writes.push(write(registry, &quota_kind, &record, &quota, charged));
        }
    }
    Ok(Charged { writes, held: Some(held) })
}

fn hard(quota: &Value) -> impl Iterator<Item = &String> {
    crate::schema::rules::entries(&quota["status"]["hard"]).map(|(name, _)| name)
}

/// Whether such a write can change what is counted.
fn is_charged(change: &Change<'_>) -> bool {
    let Change { kind, part, old, .. } = *change;
    let core = kind.group.is_empty();
    if !kind.is_namespaced() || kind.plural == "events" || kind.verbs == Verbs::CreateOnly {
        return false;
    }
    match (old.is_some(), part) {
        (false, Part::Main) => true,
        (true, Part::Main) => core && matches!(kind.plural.as_ref(), "services" | "persistentvolumeclaims"),
        (true, Part::Sub("resize")) => core && kind.plural == "pods",
        _ => false,
    }
}

/// What the write adds to what is used; what stays the same is left out.
fn delta(counted: &Counted, change: &Change<'_>) -> Amounts {
    let now = Timestamp::now();
    let mut delta = counted.usage(change.object, now);
    if let Some(old) = change.old {
        let before = counted.usage(old, now).into_iter().map(|(name, amount)| (name, amount.neg())).collect();
        demand::add(&mut delta, &before);
    }
    delta.retain(|_, amount| !amount.is_zero());
    delta
}

/// Whether the quota is about the object; refuses where it cannot tell.
fn counts(change: &Change<'_>, counted: &Counted, quota: &Value) -> Result<bool, Status> {
    let Change { kind, object, .. } = *change;
    let names = quota::resources(counted, hard(quota));
    if names.is_empty() || !quota::covers(quota, counted, object) {
        return Ok(false);
    }
    if counted.is("pods")
        && let Some(unsaid) = quota::unsaid(&names, object)
    {
        return Err(refuse(kind, object, &format!("failed quota: {}: {unsaid}", quota.name())));
    }
    let used = &quota["status"]["used"];
    if names.iter().any(|name| used.get(name.as_str()).is_none()) {
        let detail = format!("status unknown for quota: {}, resources: {}", quota.name(), names.join(","));
        return Err(refuse(kind, object, &detail));
    }
    Ok(true)
}

fn write(registry: &Registry, kind: &Kind, record: &Record, quota: &Value, charged: quota::Charge) -> Write {
    let mut next = quota.clone();
    next.section_mut("status").insert("used".into(), charged.used.into());
    let options = WriteOptions::internal(MANAGER);
    fields::updated(&registry.catalog(), kind, Part::Status, quota, &mut next, &options, super::super::now());
    Write::Update { record: Record::from_value(record.key.clone(), &next), expect: record.revision }
}
