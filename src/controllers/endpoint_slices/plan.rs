//! Which slices to make, change and delete, with as few writes as may be: what is there is kept, what
//! has room is filled, and a slice that would go is used again.

use serde_json::{Value, json};

use super::GROUP;
use crate::controllers::cluster::Cluster;
use crate::schema::object::Object;
use crate::schema::status::Status;

/// Endpoints in a slice at the most, as upstream's default.
const MOST: usize = 100;
const TRIGGER: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// Endpoints that share their ports.
pub struct Wanted {
    /// The ports.
    pub ports: Vec<Value>,
    /// The endpoints.
    pub endpoints: Vec<Value>,
}

/// What is to be written.
#[derive(Debug, Default)]
pub struct Plan {
    /// New slices.
    pub create: Vec<Value>,
    /// Changed ones.
    pub update: Vec<Value>,
    /// Those that go.
    pub delete: Vec<Value>,
}

impl Plan {
    /// Adds what it takes to get from `existing` to `wanted`. `empty` is a new slice without endpoints.
    pub fn add(&mut self, empty: &Value, wanted: Vec<Wanted>, existing: Vec<Value>, trigger: Option<&str>) {
        let mut left = existing;
        let (mut create, mut update, mut kept) = (Vec::new(), Vec::new(), 0);
        for Wanted { ports, mut endpoints } in wanted {
            let (same, others): (Vec<Value>, Vec<Value>) =
                left.into_iter().partition(|slice| slice.list("/ports") == ports.as_slice());
            left = others;
            let mut used: Vec<(Value, Vec<Value>)> = Vec::new();
            for slice in same {
                let stays = keep(&slice, &mut endpoints);
                if stays.is_empty() {
                    left.push(slice);
                } else {
                    used.push((slice, stays));
                }
            }
            fill(&mut used, &mut endpoints);
            for (slice, list) in used {
                let changed = list.as_slice() != slice.list("/endpoints") || relabelled(&slice, empty);
                if changed {
                    update.push(like(&slice, empty, &ports, list));
                } else {
                    kept += 1;
                }
            }
            for part in endpoints.chunks(MOST) {
                create.push(filled(empty, &ports, part.to_vec()));
            }
        }
        if create.is_empty() && update.is_empty() && kept == 0 {
            // A service without endpoints shows so by an empty slice.
            let found = left.iter().position(|slice| {
                slice.list("/endpoints").is_empty() && slice.list("/ports").is_empty() && !relabelled(slice, empty)
            });
            match found {
                Some(at) => drop(left.remove(at)),
                None => create.push(filled(empty, &[], Vec::new())),
            }
        }
        while let (Some(_), Some(_)) = (left.first(), create.last()) {
            let old = left.remove(0);
            if let Some(new) = create.pop() {
                update.push(like(&old, &new, new.list("/ports"), new.list("/endpoints").to_vec()));
            }
        }
        for slice in create.iter_mut().chain(&mut update) {
            note(slice, trigger);
        }
        self.create.extend(create);
        self.update.extend(update);
        self.delete.extend(left);
    }

    /// Writes it.
    ///
    /// # Errors
    /// What the registry says.
    pub async fn apply(self, cluster: &Cluster) -> Result<(), Status> {
        for slice in self.create {
            cluster.create(GROUP, "endpointslices", slice).await?;
        }
        for slice in &self.update {
            cluster.update(GROUP, "endpointslices", slice).await?;
        }
        for slice in self.delete {
            let target = cluster.registry.target(GROUP, "endpointslices", slice.namespace(), slice.name())?;
            cluster.delete(&target, slice.uid(), None).await?;
        }
        Ok(())
    }
}

/// What tells an endpoint from others.
fn identity(endpoint: &Value) -> (&Value, &Value) {
    (&endpoint["addresses"], &endpoint["targetRef"]["uid"])
}

/// The endpoints of a slice that are still wanted, as they are wanted now; they leave `wanted`.
fn keep(slice: &Value, wanted: &mut Vec<Value>) -> Vec<Value> {
    let mut stays = Vec::new();
    for endpoint in slice.list("/endpoints") {
        let same = wanted.iter().position(|other| identity(other) == identity(endpoint));
        stays.extend(same.map(|at| wanted.remove(at)));
    }
    stays
}

/// Puts endpoints where a slice has room for them.
fn fill(used: &mut [(Value, Vec<Value>)], endpoints: &mut Vec<Value>) {
    if endpoints.is_empty() {
        return;
    }
    for (slice, list) in used.iter_mut() {
        // One that is written anyway takes what it can; another only if it takes all.
        let changes = list.as_slice() != slice.list("/endpoints");
        let room = MOST.saturating_sub(list.len());
        if changes || room >= endpoints.len() {
            list.extend(endpoints.drain(..room.min(endpoints.len())));
        }
    }
}

fn relabelled(slice: &Value, empty: &Value) -> bool {
    let of = |slice: &Value| (slice["metadata"]["labels"].clone(), slice["metadata"]["ownerReferences"].clone());
    of(slice) != of(empty)
}

fn filled(empty: &Value, ports: &[Value], endpoints: Vec<Value>) -> Value {
    let mut slice = empty.clone();
    slice["ports"] = if ports.is_empty() { Value::Null } else { json!(ports) };
    slice["endpoints"] = if endpoints.is_empty() { Value::Null } else { endpoints.into() };
    slice
}

/// The slice `old` with what `new` says.
fn like(old: &Value, new: &Value, ports: &[Value], endpoints: Vec<Value>) -> Value {
    let mut slice = filled(old, ports, endpoints);
    let meta = slice.metadata_mut();
    for key in ["labels", "ownerReferences"] {
        meta.insert(key.into(), new["metadata"][key].clone());
    }
    slice
}

fn note(slice: &mut Value, trigger: Option<&str>) {
    let meta = slice.metadata_mut();
    let annotations = meta.entry("annotations").or_insert_with(|| json!({}));
    match (annotations.as_object_mut(), trigger) {
        (Some(annotations), Some(trigger)) => drop(annotations.insert(TRIGGER.into(), trigger.into())),
        (Some(annotations), None) => drop(annotations.remove(TRIGGER)),
        _ => {}
    }
    if meta.get("annotations").and_then(Value::as_object).is_some_and(serde_json::Map::is_empty) {
        meta.remove("annotations");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(range: std::ops::Range<u32>) -> Vec<Value> {
        range.map(|n| json!({"addresses": [format!("10.0.0.{n}")], "conditions": {"ready": true}})).collect()
    }

    fn empty() -> Value {
        json!({"metadata": {"generateName": "s-", "labels": {"a": "b"}}, "addressType": "IPv4"})
    }

    fn stored(name: &str, list: Vec<Value>, ports: &[Value]) -> Value {
        let mut slice = filled(&empty(), ports, list);
        slice["metadata"]["name"] = name.into();
        slice
    }

    fn plan(wanted: Vec<Value>, existing: Vec<Value>) -> Plan {
        let ports = vec![json!({"name": "", "port": 80, "protocol": "TCP"})];
        let mut plan = Plan::default();
        let wanted = if wanted.is_empty() { Vec::new() } else { vec![Wanted { ports, endpoints: wanted }] };
        plan.add(&empty(), wanted, existing, None);
        plan
    }

    #[test]
    fn a_service_without_endpoints_has_one_empty_slice() {
        let made = plan(Vec::new(), Vec::new());
        assert_eq!(made.create.len(), 1);
        assert_eq!(made.create[0]["endpoints"], Value::Null);
        let again = plan(Vec::new(), vec![stored("s-1", Vec::new(), &[])]);
        assert!(again.create.is_empty() && again.update.is_empty() && again.delete.is_empty());
    }

    #[test]
    fn the_empty_slice_is_used_for_the_first_endpoints() {
        let made = plan(endpoints(0..2), vec![stored("s-1", Vec::new(), &[])]);
        assert!(made.create.is_empty() && made.delete.is_empty());
        assert_eq!(made.update[0]["metadata"]["name"], "s-1");
        assert_eq!(made.update[0].list("/endpoints").len(), 2);
    }

    #[test]
    fn slices_hold_a_hundred_and_only_what_changes_is_written() {
        let made = plan(endpoints(0..250), Vec::new());
        let sizes: Vec<usize> = made.create.iter().map(|slice| slice.list("/endpoints").len()).collect();
        assert_eq!(sizes, [100, 100, 50]);
        let ports = [json!({"name": "", "port": 80, "protocol": "TCP"})];
        let existing = vec![stored("s-1", endpoints(0..100), &ports), stored("s-2", endpoints(100..150), &ports)];
        let made = plan(endpoints(0..151), existing);
        assert!(made.create.is_empty() && made.delete.is_empty());
        assert_eq!(made.update.len(), 1);
        assert_eq!(made.update[0]["metadata"]["name"], "s-2");
    }
}
