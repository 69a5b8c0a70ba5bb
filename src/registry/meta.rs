//! `metadata` as the server sets it.

use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Map, Value, json};

use crate::schema::object::Object;

/// The letters of generated names (no vowels, so that no words come out).
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The longest a `generateName` may be before the random letters.
const GENERATE_MAX: usize = 58;

/// Takes away what only the server says of an object.
pub fn wipe(object: &mut Value) {
    let meta = object.metadata_mut();
    for key in ["selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "creationTimestamp", "uid"] {
        meta.remove(key);
    }
}

/// Sets what the server decides of a new object: its place, identity and time.
pub fn fill(object: &mut Value, namespace: &str, now: Timestamp) {
    let generated = generated_name(object);
    place(object, namespace);
    wipe(object);
    let meta = object.metadata_mut();
    meta.remove("resourceVersion");
    if let Some(name) = generated {
        meta.insert("name".into(), name.into());
    }
    meta.insert("creationTimestamp".into(), now.to_string().into());
    meta.insert("uid".into(), uuid::Uuid::new_v4().to_string().into());
}

/// Sets the namespace.
pub fn place(object: &mut Value, namespace: &str) {
    let meta = object.metadata_mut();
    if namespace.is_empty() {
        meta.remove("namespace");
    } else {
        meta.insert("namespace".into(), namespace.into());
    }
}

/// A name made of `generateName`, where it is asked for.
fn generated_name(object: &Value) -> Option<String> {
    let prefix = object.text("/metadata/generateName");
    if prefix.is_empty() || !object.name().is_empty() {
        return None;
    }
    let mut end = prefix.len().min(GENERATE_MAX);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    Some(format!("{}{}", &prefix[..end], random_suffix(5)))
}

/// `length` random letters as they stand at the end of generated names.
#[must_use]
pub fn random_suffix(length: usize) -> String {
    let mut bytes = vec![0u8; length];
    // A failing system generator leaves zeros: names then clash, which the store tells.
    let _ = SystemRandom::new().fill(&mut bytes);
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}

/// Carries over what an update cannot change or may leave out. What it may not change stays as the
/// client has it, for the rules to refuse.
pub fn keep(object: &mut Value, old: &Value) {
    let Some(old_meta) = old.map("/metadata") else { return };
    let meta = object.metadata_mut();
    carry(meta, old_meta, "generation");
    meta.remove("selfLink");
    for key in ["uid", "namespace", "resourceVersion"] {
        if meta.get(key).and_then(Value::as_str).unwrap_or_default().is_empty() {
            carry(meta, old_meta, key);
        }
    }
    // Changes of the time of creation are passed over, not refused.
    if old_meta.contains_key("creationTimestamp") {
        carry(meta, old_meta, "creationTimestamp");
    }
    if old_meta.contains_key("deletionTimestamp") {
        carry(meta, old_meta, "deletionTimestamp");
    }
    if !meta.contains_key("deletionGracePeriodSeconds") {
        carry(meta, old_meta, "deletionGracePeriodSeconds");
    }
}

fn carry(meta: &mut Map<String, Value>, old: &Map<String, Value>, key: &str) {
    match old.get(key) {
        Some(value) => {
            meta.insert(key.to_owned(), value.clone());
        }
        None => {
            meta.remove(key);
        }
    }
}

/// Counts one more generation where the object has one.
pub fn count_generation(object: &mut Value) {
    let generation = object.generation();
    if generation > 0 {
        object.metadata_mut().insert("generation".into(), json!(generation + 1));
    }
}

/// Owner references that stand there twice; upstream keeps the first and warns.
pub fn dedup_owners(object: &mut Value) -> Option<String> {
    let list = object.metadata_mut().get_mut("ownerReferences")?.as_array_mut()?;
    let mut seen: Vec<Value> = Vec::with_capacity(list.len());
    let mut doubled: Vec<String> = Vec::new();
    for owner in list.drain(..) {
        if seen.contains(&owner) {
            let uid = owner["uid"].as_str().unwrap_or_default().to_owned();
            if !doubled.contains(&uid) {
                doubled.push(uid);
            }
        } else {
            seen.push(owner);
        }
    }
    *list = seen;
    if doubled.is_empty() {
        return None;
    }
    Some(format!(
        ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may \
         reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
        doubled.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_name_keeps_its_prefix_and_fits() {
        let mut object = json!({"metadata": {"generateName": "x".repeat(80)}});
        fill(&mut object, "ns", Timestamp::UNIX_EPOCH);
        assert_eq!(object.name().len(), 63);
        assert!(object.name().starts_with(&"x".repeat(58)));
        assert!(object.name()[58..].bytes().all(|b| LETTERS.contains(&b)));
    }

    #[test]
    fn what_the_client_says_of_server_fields_is_dropped() {
        let mut object = json!({"metadata": {"name": "a", "uid": "x", "deletionTimestamp": "2020-01-01T00:00:00Z"}});
        fill(&mut object, "", Timestamp::UNIX_EPOCH);
        assert_ne!(object.uid(), "x");
        assert!(!object.is_deleting());
        assert_eq!(object.text("/metadata/creationTimestamp"), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn doubled_owners_are_told() {
        let owner = json!({"uid": "u", "name": "n"});
        let mut object = json!({"metadata": {"ownerReferences": [owner, owner]}});
        assert!(dedup_owners(&mut object).is_some_and(|warning| warning.ends_with("observed: u")));
        assert_eq!(object.owners().len(), 1);
    }
}
