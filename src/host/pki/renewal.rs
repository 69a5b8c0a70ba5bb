//! Keeping the server's certificate right while k2d runs: addresses come and go, time passes, and
//! somebody sets the clock. Nothing is polled.

use std::time::{Duration, SystemTime};

use super::{Error, Names, Pki};
use crate::host::addresses::Changes;
use crate::host::alarm::Alarm;

/// Addresses mostly change several at a time.
const SETTLE: Duration = Duration::from_secs(1);
/// A renewal that failed (a full disk) is tried again.
const RETRY: Duration = Duration::from_secs(3600);

/// Renews the server's certificate whenever it is due: when `names` holds one that it lacks (asked
/// when addresses change), when two thirds of its life are over, and when the clock was set. Also
/// calls `renewed` after each renewal. Never ends but by an error; may be dropped.
///
/// # Errors
/// The kernel gives no route socket or timer, or takes one away.
pub async fn keep_renewed(pki: &Pki, mut names: impl FnMut() -> Names, mut renewed: impl FnMut()) -> Result<(), Error> {
    let changes = Changes::subscribe().map_err(Error::Watch)?;
    let alarm = Alarm::new().map_err(Error::Watch)?;
    // What changed between the first certificate and the subscription is looked at once.
    let mut at = renew(pki, &names(), &mut renewed);
    loop {
        tokio::select! {
            change = changes.next() => {
                change.map_err(Error::Watch)?;
                tokio::time::sleep(SETTLE).await;
            }
            wake = alarm.until(at) => {
                wake.map_err(Error::Watch)?;
            }
        }
        at = renew(pki, &names(), &mut renewed);
    }
}

/// Renews if it is due, and answers when to look again.
fn renew(pki: &Pki, names: &Names, renewed: &mut impl FnMut()) -> SystemTime {
    let now = SystemTime::now();
    match pki.server().renew(pki.authority(), names, now) {
        Ok(None) => {}
        Ok(Some(due)) => {
            tracing::info!("made the server's certificate anew: {due}");
            renewed();
        }
        Err(error) => {
            tracing::error!("the server's certificate could not be made anew: {error}");
            return now + RETRY;
        }
    }
    let at = pki.server().facts().renewal();
    // An authority near its own end gives ever shorter lives.
    if at > now { at } else { now + RETRY }
}
