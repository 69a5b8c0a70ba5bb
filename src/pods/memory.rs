//! What the node remembers of a pod between two looks. All of it can be lost: it comes back from the
//! engine, from labels and from files, or is only a pause that begins anew.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::backoff::Backoff;
use super::sync::resize::Pending;
use super::translate::names;
use super::translate::refs::References;
use super::translate::status::terminated;
use crate::engine::{ContainerDetail, ContainerState};

/// Of a pod.
#[derive(Debug, Default)]
pub(super) struct PodMemory {
    /// Whose memory it is.
    pub(super) uid: String,
    /// What the pod refers to.
    pub(super) refs: References,
    /// Its address.
    pub(super) address: Option<Ipv4Addr>,
    /// By name of the container.
    pub(super) containers: HashMap<String, ContainerMemory>,
    /// When its containers must have ended, once they are being stopped.
    pub(super) ends: Option<Timestamp>,
    /// Failures of its volumes.
    pub(super) volumes_failed: u32,
    /// The node has taken it.
    pub(super) admitted: bool,
    /// When the disk that it takes was measured last.
    pub(super) measured: Option<tokio::time::Instant>,
    /// Resizes that are not done, by container.
    pub(super) resizes: BTreeMap<String, Pending>,
    /// Why it was not bound.
    pub(super) unbound: String,
}

/// Of a container.
#[derive(Debug, Default)]
pub(super) struct ContainerMemory {
    /// Id and start of the run that was seen last.
    run: Option<(String, Option<Timestamp>)>,
    /// How that run ended.
    end: Option<Value>,
    /// When the engine told of that.
    ended: Option<Timestamp>,
    /// The end that it told before, of a run that was too short to be seen.
    before: Option<Value>,
    /// How the run before it ended.
    pub(super) last: Option<Value>,
    /// The count as it was shown last.
    shown: u64,
    /// The engine's count when that run began.
    count: u64,
    /// What is added to the engine's count, which begins anew when people start a container.
    added: u64,
    /// The kernel killed a process of the run.
    oom: bool,
    /// The exited container whose end was counted as a failure.
    pub(super) counted: String,
    /// Failures to create or start it.
    pub(super) backoff: Backoff,
    /// Id of a container that the engine refused to start by a fault of its own, and how often.
    refused: (String, u32),
    /// The least count of restarts that the next container of it may begin with.
    pub(super) floor: u64,
    /// Reason and message of the latest failure.
    pub(super) failure: Option<(String, String)>,
    /// The container of the engine that is to be ended, and why: the one in its place is not to blame.
    pub(super) kill: Option<(String, String)>,
    /// Its readiness probe has succeeded.
    pub(super) ready: Option<bool>,
    /// Its startup probe has succeeded.
    pub(super) started: Option<bool>,
    /// What it said of its end.
    pub(super) message: String,
    /// The run whose hook after the start was run.
    pub(super) hooked: Option<String>,
    /// That hook is at work.
    pub(super) hooks: bool,
    /// Image id and the digest that is shown for it.
    pub(super) image: Option<(String, String)>,
}

impl ContainerMemory {
    /// Takes in what the engine tells of it now; gives how often it was started again. `said` reads what it
    /// left as its last message.
    pub(super) fn observe(&mut self, detail: &ContainerDetail, said: impl FnOnce() -> String) -> u64 {
        let run = (detail.id.clone(), detail.state.started_at);
        let ran = self.run.as_ref().is_some_and(|(_, begun)| begun.is_some());
        let again = ran && self.run.as_ref() != Some(&run);
        let base = detail.config.labels.get(names::RESTARTS).and_then(|count| count.parse().ok()).unwrap_or(0u64);
        let count = base.saturating_add(detail.restart_count);
        // The engine counts a restart before it makes it, but nothing that people start.
        let by_hand = again && count <= self.count;
        if self.run.as_ref() != Some(&run) {
            if self.run.is_some() || detail.restart_count > 0 {
                // What the engine told may be the end of this very run, which nobody saw begin.
                let begun = detail.state.started_at;
                let own = begun.is_some() && self.ended >= begun;
                let ended = if own { self.before.take() } else { self.end.take() };
                let restarted = detail.restart_count > 0 || self.run.is_some();
                if ended.is_some() {
                    self.last = ended;
                } else if restarted && self.last.is_none() && detail.state.started_at.is_some() {
                    self.last = unknown_end(detail);
                }
            }
            self.end = None;
            self.before = None;
            self.oom = false;
            self.ready = None;
            self.started = None;
            self.message.clear();
            self.run = Some(run);
            self.count = count.saturating_sub(u64::from(detail.state.state == ContainerState::Restarting));
        }
        if matches!(detail.state.state, ContainerState::Exited | ContainerState::Restarting | ContainerState::Dead)
            && detail.state.started_at.is_some()
        {
            if self.message.is_empty() {
                self.message = said();
            }
            // A start that failed leaves its own code and cause, which are not how the run ended.
            let kept = self.end.take().filter(|_| !detail.state.error.is_empty());
            let end = kept.unwrap_or_else(|| terminated(detail, &self.message));
            if detail.state.state == ContainerState::Restarting {
                self.last = Some(end.clone());
            }
            self.end = Some(end);
        }
        let seen = count.saturating_add(self.added);
        if seen < self.shown || (by_hand && seen == self.shown) {
            self.added = (self.shown + 1).saturating_sub(count);
        }
        self.shown = count.saturating_add(self.added);
        self.shown
    }

    /// Takes in that the engine told of its end.
    pub(super) fn died(&mut self, id: &str, exit_code: i64, at: Option<Timestamp>) {
        let begun = self.run.as_ref().filter(|(run, _)| run == id).and_then(|(_, begun)| *begun);
        let reason = match exit_code {
            _ if self.oom => "OOMKilled",
            0 => "Completed",
            _ => "Error",
        };
        let time = |at: Option<Timestamp>| at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        let of_before = at.is_some() && at < begun;
        let begun = if of_before { at } else { begun.or(at) };
        let end = json!({
            "exitCode": exit_code, "reason": reason, "startedAt": time(begun), "finishedAt": time(at),
            "containerID": format!("docker://{id}"),
        });
        if of_before {
            // The next run was seen before this was told.
            self.last = Some(end);
            return;
        }
        self.before = self.end.take();
        self.ended = at;
        self.end = Some(end);
    }

    /// How the run that was seen last ended, if it has.
    pub(super) fn ended(&self) -> Option<Value> {
        self.end.clone()
    }

    /// Counts that the engine refused to start a container by a fault of its own.
    pub(super) fn refuse(&mut self, id: &str) {
        if self.refused.0 != id {
            self.refused = (id.to_owned(), 0);
        }
        self.refused.1 += 1;
    }

    /// How often the engine refused to start that container by a fault of its own.
    pub(super) fn refusals(&self, id: &str) -> u32 {
        if self.refused.0 == id { self.refused.1 } else { 0 }
    }

    /// Takes in that the kernel killed a process of it.
    pub(super) fn out_of_memory(&mut self) {
        self.oom = true;
    }

    /// How often it was started again, as it was shown last.
    pub(super) fn restarts(&self) -> u64 {
        self.shown
    }
}

fn unknown_end(detail: &ContainerDetail) -> Option<Value> {
    let ended = detail.state.finished_at?;
    Some(json!({
        "exitCode": 137,
        "reason": "ContainerStatusUnknown",
        "message": "The container ended while nobody looked: its exit code is not known",
        "startedAt": null,
        "finishedAt": ended.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "containerID": format!("docker://{}", detail.id),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::StateDetail;

    fn run(begun: i64, count: u64, state: ContainerState) -> ContainerDetail {
        ContainerDetail {
            id: "c".into(),
            restart_count: count,
            state: StateDetail {
                state,
                exit_code: 3,
                started_at: Timestamp::from_second(begun).ok(),
                finished_at: Timestamp::from_second(begun + 1).ok(),
                ..StateDetail::default()
            },
            ..ContainerDetail::default()
        }
    }

    #[test]
    fn the_count_never_falls() {
        let mut memory = ContainerMemory::default();
        assert_eq!(memory.observe(&run(1, 0, ContainerState::Running), String::new), 0);
        assert_eq!(memory.observe(&run(2, 1, ContainerState::Running), String::new), 1);
        assert_eq!(memory.observe(&run(3, 2, ContainerState::Running), String::new), 2);
        // Stopped and started by hand: the engine counts from 0.
        assert_eq!(memory.observe(&run(9, 0, ContainerState::Running), String::new), 3);
        assert_eq!(memory.observe(&run(10, 1, ContainerState::Running), String::new), 4);
        assert_eq!(memory.observe(&run(12, 1, ContainerState::Running), String::new), 5);
        assert_eq!(memory.observe(&run(12, 1, ContainerState::Running), String::new), 5);
    }

    #[test]
    fn a_restart_that_is_seen_before_it_is_made_counts_once() {
        let mut memory = ContainerMemory::default();
        memory.observe(&run(1, 0, ContainerState::Running), String::new);
        assert_eq!(memory.observe(&run(1, 1, ContainerState::Restarting), String::new), 1);
        assert_eq!(memory.observe(&run(3, 1, ContainerState::Running), String::new), 1);
        assert_eq!(memory.observe(&run(3, 2, ContainerState::Restarting), String::new), 2);
        let mut fresh = ContainerMemory::default();
        assert_eq!(fresh.observe(&run(1, 1, ContainerState::Restarting), String::new), 1);
        assert_eq!(fresh.observe(&run(3, 1, ContainerState::Running), String::new), 1);
        assert_eq!(fresh.observe(&run(5, 1, ContainerState::Running), String::new), 2);
    }

    #[test]
    fn the_end_of_a_run_is_told_with_the_next_one() {
        let mut memory = ContainerMemory::default();
        memory.observe(&run(1, 0, ContainerState::Running), String::new);
        memory.died("c", 7, Timestamp::from_second(5).ok());
        memory.observe(&run(6, 1, ContainerState::Running), String::new);
        let last = memory.last.expect("an end");
        assert_eq!((last["exitCode"].as_i64(), last["startedAt"].as_str()), (Some(7), Some("1970-01-01T00:00:01Z")));
    }

    #[test]
    fn the_end_of_a_run_that_nobody_saw_begin_is_its_own() {
        let mut memory = ContainerMemory::default();
        memory.observe(&run(1, 0, ContainerState::Running), String::new);
        memory.died("c", 7, Timestamp::from_second(2).ok());
        memory.died("c", 3, Timestamp::from_second(7).ok());
        memory.observe(&run(6, 1, ContainerState::Exited), String::new);
        assert_eq!(memory.last.expect("an end")["exitCode"], 7);
    }

    #[test]
    fn an_end_that_nobody_saw_is_told_as_unknown() {
        let mut memory = ContainerMemory::default();
        memory.observe(&run(6, 2, ContainerState::Running), String::new);
        assert_eq!(memory.last.expect("an end")["reason"], "ContainerStatusUnknown");
        let mut fresh = ContainerMemory::default();
        fresh.observe(&run(6, 0, ContainerState::Running), String::new);
        assert!(fresh.last.is_none());
    }
}
