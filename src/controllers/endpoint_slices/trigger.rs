//! When the change began that an object of endpoints shows, for measuring how long it took. Source:
//! the annotation `endpoints.kubernetes.io/last-change-trigger-time` in the API reference.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::Value;

use crate::controllers::pods;
use crate::schema::object::Object;

/// What was known of each service when it was last looked after.
#[derive(Default)]
pub struct Triggers(Mutex<HashMap<(String, String), Known>>);

#[derive(Default)]
struct Known {
    service: Option<Timestamp>,
    pods: HashMap<String, Timestamp>,
}

impl Triggers {
    /// The earliest time among what changed since the last call; nothing where nothing did.
    pub fn changed(&self, service: &Value, pods: &[Value]) -> Option<String> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (service.namespace().to_owned(), service.name().to_owned());
        let created = service.text("/metadata/creationTimestamp").parse().ok();
        let first = !known.contains_key(&key);
        let state = known.entry(key).or_default();
        let times: HashMap<String, Timestamp> =
            pods.iter().filter_map(|pod| Some((pod.name().to_owned(), time(pod)?))).collect();
        let newer = times.iter().filter(|(name, at)| state.pods.get(*name).is_none_or(|before| *at > before));
        let mut changed: Option<Timestamp> = newer.map(|(_, at)| *at).min();
        if created > state.service {
            changed = changed.into_iter().chain(created).min();
        }
        *state = Known { service: created, pods: times };
        if first { created } else { changed }.map(|at| at.to_string())
    }

    /// Forgets a service.
    pub fn forget(&self, namespace: &str, name: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&(namespace.to_owned(), name.to_owned()));
    }
}

fn time(pod: &Value) -> Option<Timestamp> {
    match pods::condition(pod, "Ready") {
        Some(ready) => ready.text("/lastTransitionTime").parse().ok(),
        None => pod.text("/metadata/creationTimestamp").parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_changed_last_counts() {
        let triggers = Triggers::default();
        let service = json!({"metadata": {"name": "s", "creationTimestamp": "2026-01-01T00:00:00Z"}});
        let pod = |at: &str| {
            json!({"metadata": {"name": "p"}, "status": {"conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": at}]}})
        };
        assert_eq!(triggers.changed(&service, &[]).as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(triggers.changed(&service, &[]), None);
        let pods = [pod("2026-01-02T00:00:00Z")];
        assert_eq!(triggers.changed(&service, &pods).as_deref(), Some("2026-01-02T00:00:00Z"));
        assert_eq!(triggers.changed(&service, &pods), None);
    }
}
