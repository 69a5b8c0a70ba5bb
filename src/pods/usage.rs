//! What containers and the node use, measured when somebody asks: processor time is what was added between two
//! readings, so the reading of the last time somebody asked is kept for a while, and where there is none, a second
//! one is taken a moment later. Nothing is read while nobody asks.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Inner, Node};
use crate::host::facts::Load;
use crate::schema::object::Object;

/// The shortest time over which processor time is counted; a reading younger than this is not taken anew.
const SHORTEST: SignedDuration = SignedDuration::from_secs(1);
/// The longest time over which it is counted.
const LONGEST: SignedDuration = SignedDuration::from_secs(90);
/// Readings that are under way at a time.
const AT_ONCE: usize = 8;
/// The key of the node among the ids of containers.
const NODE: &str = "";

/// What something used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// When it was read.
    pub time: Timestamp,
    /// The time before that over which processor time was counted.
    pub window: Duration,
    /// Processor time used per second, nanoseconds.
    pub cpu: u64,
    /// Bytes of the working set.
    pub memory: u64,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    time: Timestamp,
    /// Processor time since the beginning, nanoseconds.
    cpu: u64,
    memory: u64,
}

/// The latest two readings of something.
#[derive(Clone, Copy, Debug)]
struct Track {
    before: Option<Reading>,
    latest: Reading,
}

/// The readings that are kept.
#[derive(Default)]
pub(super) struct Usages(tokio::sync::Mutex<HashMap<String, Track>>);

impl Track {
    /// The track with another reading.
    fn with(self, reading: Reading) -> Self {
        let follows = reading.cpu >= self.latest.cpu && reading.time > self.latest.time;
        // A counter that begins anew is that of another run.
        Self { before: follows.then_some(self.latest), latest: reading }
    }

    fn usage(&self) -> Option<Usage> {
        let (before, latest) = (self.before?, self.latest);
        let window = Duration::try_from(latest.time.duration_since(before.time)).ok()?;
        let used = u128::from(latest.cpu.saturating_sub(before.cpu)) * 1_000_000_000;
        let cpu = u64::try_from(used.checked_div(window.as_nanos())?).ok()?;
        Some(Usage { time: latest.time, window, cpu, memory: latest.memory })
    }
}

impl Node {
    /// What each container of these pods uses, by name, in the order of the pods; nothing for a pod of which some
    /// container that runs could not be measured.
    pub async fn pod_usage(&self, pods: &[Value]) -> Vec<Vec<(String, Usage)>> {
        let wanted: Vec<Vec<(String, String)>> = pods.iter().map(running).collect();
        let ids = wanted.iter().flatten().map(|(_, id)| id.clone()).collect();
        let mut used = self.0.measure(ids).await;
        let mut of_pod = |pod: Vec<(String, String)>| -> Option<Vec<(String, Usage)>> {
            pod.into_iter().map(|(name, id)| Some((name, used.remove(&id)?))).collect()
        };
        wanted.into_iter().map(|pod| of_pod(pod).unwrap_or_default()).collect()
    }

    /// What the node uses; `None` where the kernel does not tell.
    pub async fn usage(&self) -> Option<Usage> {
        self.0.measure(vec![NODE.to_owned()]).await.remove(NODE)
    }
}

/// Name and id of the containers of a pod that run.
fn running(pod: &Value) -> Vec<(String, String)> {
    let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let statuses = lists.iter().flat_map(|list| pod.list(list));
    let running = statuses.filter(|status| status.pointer("/state/running").is_some());
    running
        .filter_map(|status| {
            let (_, id) = status.text("/containerID").split_once("://")?;
            Some((status.text("/name").to_owned(), id.to_owned()))
        })
        .collect()
}

impl Inner {
    async fn measure(&self, ids: Vec<String>) -> HashMap<String, Usage> {
        // Those who ask at the same time wait for one another, and find the readings fresh.
        let mut tracks = self.usages.0.lock().await;
        let now = Timestamp::now();
        let age = |track: &Track| now.duration_since(track.latest.time);
        tracks.retain(|_, track| (SignedDuration::ZERO..LONGEST).contains(&age(track)));
        let stale = ids.iter().filter(|id| tracks.get(*id).is_none_or(|track| age(track) >= SHORTEST));
        self.read(stale.cloned().collect(), &mut tracks).await;
        let alone = ids.iter().filter(|id| tracks.get(*id).is_some_and(|track| track.before.is_none()));
        let alone: Vec<String> = alone.cloned().collect();
        if !alone.is_empty() {
            tokio::time::sleep(SHORTEST.unsigned_abs()).await;
            self.read(alone, &mut tracks).await;
        }
        ids.into_iter().filter_map(|id| Some((tracks.get(&id)?.usage()?, id))).map(|(usage, id)| (id, usage)).collect()
    }

    async fn read(&self, ids: Vec<String>, tracks: &mut HashMap<String, Track>) {
        let readings = stream::iter(ids).map(|id| async { (self.reading(&id).await, id) });
        let mut readings = std::pin::pin!(readings.buffer_unordered(AT_ONCE));
        while let Some((reading, id)) = readings.next().await {
            match reading {
                Some(latest) => {
                    let track = tracks.get(&id).map_or(Track { before: None, latest }, |track| track.with(latest));
                    tracks.insert(id, track);
                }
                None => _ = tracks.remove(&id),
            }
        }
    }

    async fn reading(&self, id: &str) -> Option<Reading> {
        if id == NODE {
            let load = Load::read()?;
            return Some(Reading { time: Timestamp::now(), cpu: load.cpu, memory: load.memory });
        }
        let stats = match self.engine.container_stats(id).await {
            Ok(stats) => stats,
            Err(error) => {
                tracing::debug!(container = id, %error, "cannot measure");
                return None;
            }
        };
        Some(Reading {
            time: stats.read.unwrap_or_else(Timestamp::now),
            cpu: stats.cpu_ns,
            memory: stats.memory_working_set,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64, cpu: u64) -> Reading {
        Reading { time: Timestamp::from_second(second).expect("a time"), cpu, memory: 7 }
    }

    #[test]
    fn processor_time_is_what_was_added_in_the_window() {
        let track = Track { before: None, latest: at(10, 1_000_000_000) };
        assert_eq!(track.usage(), None);
        let track = track.with(at(14, 3_000_000_000));
        let usage = track.usage().expect("two readings");
        assert_eq!((usage.cpu, usage.window, usage.memory), (500_000_000, Duration::from_secs(4), 7));
        assert_eq!(track.with(at(15, 5)).usage(), None, "another run");
        assert_eq!(track.with(at(14, 3_000_000_000)).usage(), None, "no time has passed");
    }

    #[test]
    fn only_what_runs_is_measured() {
        let pod = json!({"status": {
            "initContainerStatuses": [{"name": "i", "containerID": "docker://1", "state": {"terminated": {}}}],
            "containerStatuses": [
                {"name": "a", "containerID": "docker://2", "state": {"running": {}}},
                {"name": "b", "state": {"waiting": {}}}]}});
        assert_eq!(running(&pod), [("a".to_owned(), "2".to_owned())]);
    }
}
