//! Pauses that grow with each failure, and how Go prints them.

use std::time::Duration;

use tokio::time::Instant;

/// First pause after a failure, as of the kubelet.
const FIRST: Duration = Duration::from_secs(10);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(300);
/// What fails after this time without a failure fails for the first time again.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// How often something failed in a row, and until when it is left alone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// Counts a failure.
    pub(super) fn fail(&mut self) {
        if self.until.is_some_and(|until| until.elapsed() > FORGOTTEN) {
            self.failures = 0;
        }
        let pause = self.pause_of(self.failures);
        self.failures = self.failures.saturating_add(1);
        self.until = Some(Instant::now() + pause);
    }

    /// Ends the pause; the next one is longer all the same.
    pub(super) fn end_pause(&mut self) {
        if self.until.is_some() {
            self.until = Some(Instant::now());
        }
    }

    /// How long it is still left alone.
    pub(super) fn remaining(&self) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// The pause after the latest failure.
    pub(super) fn pause(&self) -> Duration {
        self.pause_of(self.failures.saturating_sub(1))
    }

    fn pause_of(self, failures: u32) -> Duration {
        FIRST.saturating_mul(1 << failures.min(10)).min(LONGEST)
    }
}

/// The pause of the engine before it starts a container again for the n-th time (Docker: from 100 ms, doubled
/// each time up to a minute).
pub(super) fn engine_pause(restarts: u64) -> Duration {
    let times = u32::try_from(restarts).unwrap_or(u32::MAX).min(16);
    Duration::from_millis(100).saturating_mul(1 << times).min(Duration::from_secs(60))
}

/// A time as Go prints it: `1m20s`, `12.8s`, `100ms`.
pub(super) fn go_duration(time: Duration) -> String {
    let millis = time.as_millis();
    if millis < 1000 {
        return format!("{millis}ms");
    }
    let (minutes, rest) = (millis / 60_000, millis % 60_000);
    let seconds = if rest % 1000 == 0 {
        format!("{}s", rest / 1000)
    } else {
        let fraction = format!("{:03}", rest % 1000);
        format!("{}.{}s", rest / 1000, fraction.trim_end_matches('0'))
    };
    match (minutes / 60, minutes % 60) {
        (0, 0) => seconds,
        (0, minutes) => format!("{minutes}m{seconds}"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_go_prints_them() {
        let print = |millis| go_duration(Duration::from_millis(millis));
        assert_eq!(print(100), "100ms");
        assert_eq!(print(12_800), "12.8s");
        assert_eq!(print(80_000), "1m20s");
        assert_eq!(print(300_000), "5m0s");
        assert_eq!(print(3_600_000), "1h0m0s");
    }

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u64> = (0..7)
            .map(|_| {
                backoff.fail();
                backoff.pause().as_secs()
            })
            .collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(engine_pause(3), Duration::from_millis(800));
        assert_eq!(engine_pause(99), Duration::from_secs(60));
    }
}
