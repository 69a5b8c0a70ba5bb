//! Memory given back after work. What a burst of work leaves behind in the allocator stays counted as the
//! process's own until it is told to let go; this tells it once things are quiet, and costs no wake-up otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Notify;

use crate::sys;

/// So much work on a processor is worth looking at what it left, in milliseconds.
const WORK: u64 = 20;
/// With less work than this in a [`PAUSE`] things are quiet, in milliseconds.
const QUIET: u64 = 5;
/// From one look to the next while they are not.
const PAUSE: Duration = Duration::from_secs(2);
/// So many looks at the most: what is always busy lets go now and then all the same.
const LOOKS: usize = 15;

/// What is to be called whenever the runtime has nothing to do, and the task that gives memory back.
pub fn trimmer() -> (impl Fn() + Send + Sync + 'static, impl Future<Output = ()> + Send + 'static) {
    let due = Arc::new(AtomicU64::new(WORK));
    let wake = Arc::new(Notify::new());
    let on_idle = {
        let (due, wake) = (Arc::clone(&due), Arc::clone(&wake));
        move || {
            if worked() >= due.load(Ordering::Relaxed) {
                // Until the task has done its part.
                due.store(u64::MAX, Ordering::Relaxed);
                wake.notify_one();
            }
        }
    };
    let task = async move {
        loop {
            wake.notified().await;
            for _ in 0..LOOKS {
                let before = worked();
                tokio::time::sleep(PAUSE).await;
                if worked().saturating_sub(before) < QUIET {
                    break;
                }
            }
            sys::release_freed_memory();
            sys::release_code();
            due.store(worked().saturating_add(WORK), Ordering::Relaxed);
        }
    };
    (on_idle, task)
}

/// Time of the whole process on processors, in milliseconds.
fn worked() -> u64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanoseconds) = (u64::try_from(spent.tv_sec), u64::try_from(spent.tv_nsec));
    seconds.unwrap_or(0) * 1000 + nanoseconds.unwrap_or(0) / 1_000_000
}
