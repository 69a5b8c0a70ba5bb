//! Events do not stay: each goes when nothing was added to it for a while. Upstream: the lease that
//! kube-apiserver gives events in etcd (`--event-ttl`).

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::Value;

use super::cluster::Cluster;
use super::{Controller, ObjectKey, Source};
use crate::registry::Registry;
use crate::schema::object::Object;
use crate::schema::status::Status;

/// The controller.
pub struct EventExpiry {
    cluster: Cluster,
    after: Duration,
}

impl EventExpiry {
    /// Lets events go `after` that time.
    #[must_use]
    pub fn new(registry: &Registry, after: Duration) -> Self {
        Self { cluster: Cluster::new(registry, "event-expiry"), after }
    }

    async fn sync(&self, key: &ObjectKey) -> Result<Option<Duration>, Status> {
        let Some(event) = self.cluster.get("", "events", (&key.namespace, &key.name)).await? else {
            return Ok(None);
        };
        let left = left(&event, self.after, Timestamp::now());
        if left.is_some() {
            return Ok(left);
        }
        let target = self.cluster.registry.target("", "events", &key.namespace, &key.name)?;
        self.cluster.delete(&target, event.uid(), None).await?;
        Ok(None)
    }
}

/// How long an event still stays.
fn left(event: &Value, after: Duration, now: Timestamp) -> Option<Duration> {
    let times = ["/lastTimestamp", "/series/lastObservedTime", "/eventTime", "/metadata/creationTimestamp"];
    let last = times.iter().filter_map(|at| event.text(at).parse::<Timestamp>().ok()).max();
    let age = last.map_or(Duration::ZERO, |last| Duration::try_from(now.duration_since(last)).unwrap_or_default());
    after.checked_sub(age).filter(|left| !left.is_zero())
}

impl Controller for EventExpiry {
    fn name(&self) -> &'static str {
        "event-expiry"
    }

    fn sources(&self) -> Vec<Source> {
        vec![Source::own("", "events")]
    }

    fn reconcile<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>> {
        Box::pin(self.sync(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_time_counts() {
        let event = json!({"lastTimestamp": "1970-01-01T01:00:00Z",
            "metadata": {"creationTimestamp": "1970-01-01T00:00:00Z"}});
        let at = |second| Timestamp::from_second(second).expect("a time");
        let hour = Duration::from_secs(3600);
        assert_eq!(left(&event, hour, at(5400)), Some(Duration::from_secs(1800)));
        assert_eq!(left(&event, hour, at(7200)), None);
    }
}
