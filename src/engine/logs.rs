//! The log of a container.

use hyper::Method;

use super::system::{query, segment};
use super::transport::{check, plain};
use super::{Engine, Frames, LogOptions, Result};

impl Engine {
    /// Reads the log of a container, each stream as it was written. A log driver that cannot be read is an
    /// [`Error::Unsupported`](super::Error::Unsupported).
    pub async fn logs(&self, id: &str, options: &LogOptions) -> Result<Frames> {
        let raw = self.inspect_container(id).await?.config.tty;
        let flag = |on: bool| if on { "1" } else { "0" };
        let time = |time: Option<jiff::Timestamp>| time.map(unix_time).unwrap_or_default();
        let (since, until) = (time(options.since), time(options.until));
        let tail = options.tail.map_or("all".to_owned(), |lines| lines.to_string());
        let mut pairs = vec![
            ("stdout", flag(options.stdout)),
            ("stderr", flag(options.stderr)),
            ("follow", flag(options.follow)),
            ("timestamps", flag(options.timestamps)),
            ("tail", &tail),
        ];
        if !since.is_empty() {
            pairs.push(("since", &since));
        }
        if !until.is_empty() {
            pairs.push(("until", &until));
        }
        let path = format!("/containers/{}/logs?{}", segment(id)?, query(&pairs));
        let open = async { check(self.transport.send_alone(plain(Method::GET, &path)).await?).await };
        let response = self.limited(self.transport.timeout(), open).await?;
        Ok(Frames::from_body(response.into_body(), raw))
    }
}

/// Seconds since 1970 with nine digits after the dot, as both engines read them.
pub(super) fn unix_time(time: jiff::Timestamp) -> String {
    format!("{}.{:09}", time.as_second(), time.subsec_nanosecond().unsigned_abs())
}
