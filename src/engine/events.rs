//! The stream of events: one long connection, opened again when it breaks, that goes on where it stopped.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use hyper::Method;

use super::lines::Lines;
use super::logs::unix_time;
use super::system::query;
use super::transport::{check, plain};
use super::wire::EventBody;
use super::{Engine, Error, Event, Result};

/// First and longest pause before the connection is opened again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How far back is asked, beyond the last event: Podman rounds times.
const OVERLAP_NS: i64 = 1_000_000;

/// The stream of events. It never ends: it opens its one connection again, later and later (up to 5 s) while
/// the engine is away, and goes on with what happened since.
pub struct Events {
    items: Pin<Box<dyn Stream<Item = Event> + Send>>,
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.items.as_mut().poll_next(context)
    }
}

impl Engine {
    /// Tells what happens on the engine. Each time the stream stands, also the first, it gives
    /// [`Event::Connected`]: whoever lists after that and then follows the stream misses nothing, and may be told
    /// of something that the list held already.
    pub fn events(&self) -> Events {
        let follower = Follower {
            engine: self.clone(),
            position: Position::default(),
            phase: Phase::Open,
            pause: PAUSE.0,
            told: false,
        };
        let items = futures_util::stream::unfold(follower, |mut follower| async move {
            let event = follower.next().await;
            Some((event, follower))
        });
        Events { items: Box::pin(items) }
    }
}

struct Follower {
    engine: Engine,
    position: Position,
    phase: Phase,
    pause: Duration,
    /// The break was told already.
    told: bool,
}

enum Phase {
    Open,
    Wait,
    Follow(Lines),
}

impl Follower {
    async fn next(&mut self) -> Event {
        loop {
            match &mut self.phase {
                Phase::Open => match self.open().await {
                    Ok(lines) => {
                        self.phase = Phase::Follow(lines);
                        self.told = false;
                        return Event::Connected;
                    }
                    Err(error) => {
                        self.phase = Phase::Wait;
                        if !std::mem::replace(&mut self.told, true) {
                            return Event::Disconnected { reason: error.to_string() };
                        }
                    }
                },
                Phase::Wait => {
                    tokio::time::sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(PAUSE.1);
                    self.phase = Phase::Open;
                }
                Phase::Follow(lines) => match read(lines).await {
                    Ok(body) => {
                        self.pause = PAUSE.0;
                        if self.position.is_new(&body)
                            && let Some(event) = body.into_event()
                        {
                            return event;
                        }
                    }
                    Err(error) => {
                        self.phase = Phase::Wait;
                        self.told = true;
                        return Event::Disconnected { reason: error.to_string() };
                    }
                },
            }
        }
    }

    async fn open(&mut self) -> Result<Lines> {
        let transport = &self.engine.transport;
        // Another engine may stand there by now.
        transport.forget();
        let since = self.position.resume(jiff::Timestamp::now());
        let kinds = r#"{"type":["container","image","volume","network"]}"#;
        let path = format!("/events?{}", query(&[("since", &since), ("filters", kinds)]));
        let open = async { check(transport.send_alone(plain(Method::GET, &path)).await?).await };
        let response = self.engine.limited(transport.timeout(), open).await?;
        Ok(Lines::new(response.into_body()))
    }
}

async fn read(lines: &mut Lines) -> Result<EventBody> {
    match lines.next().await {
        Some(line) => serde_json::from_slice(&line?).map_err(|cause| Error::Protocol(cause.to_string())),
        None => Err(Error::Broken("the stream of events ended".to_owned())),
    }
}

/// How far the stream was read, so that what is told twice after a break is told on once.
#[derive(Default)]
struct Position {
    /// Time of the newest event.
    last: i64,
    /// The events of that time.
    seen: Vec<(i64, String, String)>,
    /// Events of before the break may still come.
    replaying: bool,
}

impl Position {
    /// The time from which to ask for events.
    fn resume(&mut self, now: jiff::Timestamp) -> String {
        let now = i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX);
        if self.last == 0 || self.last > now {
            // The first time; or the clock was set back, so that times of before say nothing.
            *self = Position { last: now, seen: Vec::new(), replaying: false };
        } else {
            self.replaying = true;
        }
        let from = self.last.saturating_sub(OVERLAP_NS).max(0);
        jiff::Timestamp::from_nanosecond(i128::from(from)).map(unix_time).unwrap_or_default()
    }

    fn is_new(&mut self, event: &EventBody) -> bool {
        let time = event.nanoseconds();
        if self.replaying && time < self.last {
            return false;
        }
        if time > self.last {
            self.last = time;
            self.seen.clear();
            self.replaying = false;
        }
        let identity = event.identity();
        if self.seen.contains(&identity) {
            return false;
        }
        if time == self.last {
            self.seen.push(identity);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(time: i64, id: &str, action: &str) -> EventBody {
        let text = format!(
            r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"{id}"}},"time":{},"timeNano":{time}}}"#,
            time / 1_000_000_000
        );
        serde_json::from_str(&text).unwrap()
    }

    fn at(nanoseconds: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap()
    }

    const T: i64 = 1_700_000_000_000_000_000;

    #[test]
    fn what_is_told_again_after_a_break_is_told_on_once() {
        let mut position = Position::default();
        assert_eq!(position.resume(at(T)), "1699999999.999000000");
        assert!(position.is_new(&event(T + 1, "a", "create")));
        assert!(position.is_new(&event(T + 2, "a", "start")));
        assert!(position.is_new(&event(T + 2, "b", "start")));
        assert_eq!(position.resume(at(T + 9)), "1699999999.999000002");
        let again = [(1, "a", "create"), (2, "a", "start"), (2, "b", "start"), (2, "c", "start"), (3, "a", "die")];
        let new: Vec<bool> = again.iter().map(|(t, id, action)| position.is_new(&event(T + t, id, action))).collect();
        assert_eq!(new, [false, false, false, true, true]);
    }

    #[test]
    fn a_clock_set_back_silences_nothing() {
        let mut position = Position::default();
        position.resume(at(T));
        assert!(position.is_new(&event(T + 5, "a", "start")));
        assert!(position.is_new(&event(T - 5, "a", "die")), "while connected");
        position.resume(at(T - 100));
        assert!(position.is_new(&event(T - 50, "a", "start")), "after a break");
    }
}
