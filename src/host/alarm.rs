//! Waiting for an instant of the wall clock. A wait ends at once when somebody sets the clock, so a
//! board that starts in 1970 and learns the time later acts on the true time without polling.

use std::io;
use std::os::fd::OwnedFd;
use std::time::SystemTime;

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The instant has come.
    Due,
    /// The clock was set; the instant may lie ahead still.
    ClockSet,
}

/// A timer on the wall clock (`timerfd_create(2)` with `CLOCK_REALTIME`).
#[derive(Debug)]
pub struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    /// A timer that is not set. Needs a tokio runtime with its driver of events.
    ///
    /// # Errors
    /// No file descriptor is left.
    pub fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self(super::register(timer)?))
    }

    /// Waits until the clock shows `at`, which may be in the past, or is set. May be dropped.
    ///
    /// # Errors
    /// The kernel refuses the timer.
    pub async fn until(&self, at: SystemTime) -> io::Result<Wake> {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // A value of zero would disarm the timer.
        let value = Timespec {
            tv_sec: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(since.subsec_nanos().max(1)) as _,
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &once)?;
        loop {
            let mut ready = self.0.readable().await?;
            let mut ticks = [0_u8; 8];
            match rustix::io::read(self.0.get_ref(), &mut ticks) {
                Ok(_) => return Ok(Wake::Due),
                Err(Errno::CANCELED) => return Ok(Wake::ClockSet),
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn rings_at_an_instant_that_has_passed_and_at_one_to_come() {
        let alarm = Alarm::new().unwrap();
        assert_eq!(alarm.until(SystemTime::UNIX_EPOCH).await.unwrap(), Wake::Due);
        let at = SystemTime::now() + Duration::from_millis(20);
        assert_eq!(alarm.until(at).await.unwrap(), Wake::Due);
        assert!(SystemTime::now() >= at);
    }
}
