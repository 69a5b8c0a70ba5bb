//! The latest events, in a ring that is bounded in bytes, and who waits for the next one. Everything
//! is told by it: a watch is a place in the ring, an older list is the newer one with events undone.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Error, Key, Record};

/// What an object is counted for beside its bytes, about what its key and the bookkeeping take.
const OVERHEAD: usize = 384;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It is new.
    Added,
    /// It was changed.
    Modified,
    /// It is gone.
    Deleted,
}

/// One change of one object.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The object after the change; the last state of a deleted one. Its revision is that of the event.
    pub record: Arc<Record>,
    /// The object before the change; `None` for one that is new.
    pub previous: Option<Arc<Record>>,
    /// Revision of the change.
    pub revision: u64,
}

/// The history, shared by the thread that writes it and by those who watch.
#[derive(Clone)]
pub(super) struct History(Arc<Mutex<Ring>>);

/// The ring and its readers.
pub(super) struct Ring {
    events: VecDeque<Entry>,
    bytes: usize,
    budget: usize,
    /// Revision of the latest change.
    revision: u64,
    floors: Floors,
    topics: HashMap<Arc<str>, Topic>,
    closed: bool,
}

/// An event with the bytes that go when it goes.
struct Entry {
    event: Event,
    cost: usize,
}

/// A resource that is watched.
struct Topic {
    wake: Arc<Notify>,
    watches: usize,
}

/// For each resource the revision from which the ring tells all of its changes: that of the latest
/// one that the ring does not have. So the history of what seldom changes reaches far back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Floors {
    /// That of the resources that are not in the map.
    pub(super) rest: u64,
    /// That of the others.
    pub(super) own: HashMap<Arc<str>, u64>,
}

impl Floors {
    /// No change is known from before this revision.
    pub(super) fn at(revision: u64) -> Self {
        Self { rest: revision, own: HashMap::new() }
    }

    fn of(&self, resource: &str) -> u64 {
        self.own.get(resource).copied().unwrap_or(self.rest)
    }

    /// Puts that of a resource up.
    pub(super) fn lift(&mut self, resource: &Arc<str>, revision: u64) {
        match self.own.get_mut(resource) {
            Some(floor) => *floor = revision,
            None => {
                self.own.insert(resource.clone(), revision);
            }
        }
    }
}

impl History {
    /// An empty history.
    pub(super) fn new(budget: usize) -> Self {
        Self(Arc::new(Mutex::new(Ring {
            events: VecDeque::new(),
            bytes: 0,
            budget,
            revision: 1,
            floors: Floors::at(1),
            topics: HashMap::new(),
            closed: false,
        })))
    }

    /// Access to the ring, never held across an await or a read of the disk.
    pub(super) fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says where the store stands when it is opened.
    pub(super) fn start(&self, revision: u64, floors: Floors) {
        let mut ring = self.lock();
        ring.revision = revision;
        ring.floors = floors;
    }

    /// Forgets what was before now: who asks for it must list.
    pub(super) fn begin(&self) {
        let mut ring = self.lock();
        ring.events.clear();
        ring.bytes = 0;
        ring.floors = Floors::at(ring.revision);
    }

    /// Appends events, sorted by revision, and wakes those who watch their resources.
    pub(super) fn publish(&self, events: Vec<Event>) {
        let mut wake: Vec<Arc<Notify>> = Vec::new();
        {
            let mut ring = self.lock();
            for event in events {
                if let Some(topic) = ring.topics.get(&event.record.key.resource)
                    && !wake.iter().any(|known| Arc::ptr_eq(known, &topic.wake))
                {
                    wake.push(topic.wake.clone());
                }
                ring.push(event);
            }
        }
        for one in wake {
            one.notify_waiters();
        }
    }

    /// Ends all watches once they have told what they still have to tell.
    pub(super) fn close(&self) {
        let mut ring = self.lock();
        ring.closed = true;
        for topic in ring.topics.values() {
            topic.wake.notify_waiters();
        }
    }

    /// Begins a watch of what comes after `from`, or after now.
    pub(super) fn watch(&self, resource: &str, from: Option<u64>) -> Result<Watch, Error> {
        let mut ring = self.lock();
        if ring.closed {
            return Err(Error::Closed);
        }
        let position = from.unwrap_or(ring.revision);
        if position > ring.revision {
            return Err(Error::TooLarge { current: ring.revision });
        }
        let oldest = ring.floors.of(resource);
        if position < oldest {
            return Err(Error::Expired { oldest });
        }
        let resource: Arc<str> = Arc::from(resource);
        let topic =
            ring.topics.entry(resource.clone()).or_insert_with(|| Topic { wake: Arc::new(Notify::new()), watches: 0 });
        topic.watches += 1;
        let wake = topic.wake.clone();
        Ok(Watch { history: self.clone(), resource, wake, position, done: false })
    }
}

/// What a history holds, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryFacts {
    /// Bytes that it counts.
    pub bytes: usize,
    /// Events.
    pub events: usize,
    /// Watches by resource, sorted.
    pub watches: Vec<(Arc<str>, usize)>,
}

impl Ring {
    /// What it holds.
    pub(super) fn facts(&self) -> HistoryFacts {
        let mut watches: Vec<_> =
            self.topics.iter().map(|(resource, topic)| (Arc::clone(resource), topic.watches)).collect();
        watches.sort();
        HistoryFacts { bytes: self.bytes, events: self.events.len(), watches }
    }

    /// Revision of the latest change.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// The floors of a history that has no event any more.
    pub(super) fn final_floors(&self) -> Floors {
        let mut floors = self.floors.clone();
        for Entry { event, .. } in &self.events {
            floors.lift(&event.record.key.resource, event.revision);
        }
        floors
    }

    /// The object as it became at exactly this revision, if the ring still has it.
    pub(super) fn record(&self, key: &Key, revision: u64) -> Option<Arc<Record>> {
        let at = self.events.binary_search_by_key(&revision, |entry| entry.event.revision).ok()?;
        let record = &self.events.get(at)?.event.record;
        (record.key == *key).then(|| record.clone())
    }

    /// What was at the paths between `low` and `high` that changed after the revision `at`.
    pub(super) fn undo(
        &self,
        resource: &str,
        at: u64,
        low: &str,
        high: &str,
    ) -> Result<BTreeMap<String, Option<Arc<Record>>>, Error> {
        if at > self.revision {
            return Err(Error::TooLarge { current: self.revision });
        }
        let oldest = self.floors.of(resource);
        if at < oldest {
            return Err(Error::Expired { oldest });
        }
        let mut older = BTreeMap::new();
        for entry in self.after(at).filter(|entry| &*entry.event.record.key.resource == resource) {
            let path = entry.event.record.key.path();
            if path.as_str() > low && path.as_str() < high {
                older.entry(path).or_insert_with(|| entry.event.previous.clone());
            }
        }
        Ok(older)
    }

    /// The events above a revision.
    fn after(&self, revision: u64) -> impl Iterator<Item = &Entry> {
        let start = self.events.partition_point(|entry| entry.event.revision <= revision);
        self.events.range(start..)
    }

    fn push(&mut self, event: Event) {
        let mut cost = OVERHEAD + event.record.size();
        if let Some(previous) = &event.previous {
            if previous.head.as_ptr() == event.record.head.as_ptr() {
                cost -= event.record.head.len();
            }
            let known = self.record(&previous.key, previous.revision);
            if !known.is_some_and(|known| Arc::ptr_eq(&known, previous)) {
                cost += OVERHEAD + previous.size();
            }
        }
        self.bytes += cost;
        self.revision = event.revision;
        self.events.push_back(Entry { event, cost });
        while self.bytes > self.budget && self.events.len() > 1 {
            self.evict();
        }
    }

    fn evict(&mut self) {
        let Some(Entry { event, cost }) = self.events.pop_front() else { return };
        self.bytes -= cost;
        self.floors.lift(&event.record.key.resource, event.revision);
        // What a later event still holds as its previous state is now counted there.
        let holds = |entry: &&mut Entry| entry.event.previous.as_ref().is_some_and(|p| Arc::ptr_eq(p, &event.record));
        if let Some(next) = self.events.iter_mut().find(holds) {
            next.cost += OVERHEAD + event.record.size();
            self.bytes += OVERHEAD + event.record.size();
        }
    }
}

/// A place in the history of one resource. It holds nothing back: whoever reads too slowly is told
/// [`Error::Expired`] once, and the watch is over.
pub struct Watch {
    history: History,
    resource: Arc<str>,
    wake: Arc<Notify>,
    position: u64,
    done: bool,
}

impl Watch {
    /// The next event; waits for it. `None` when the watch is over, by an error before or because the
    /// store was closed. Can be dropped at any await without losing an event.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        let wake = self.wake.clone();
        loop {
            // Made before the look at the ring, so that a change right after it is not missed.
            let changed = wake.notified();
            if let Some(event) = self.try_next() {
                return Some(event);
            }
            if self.done {
                return None;
            }
            changed.await;
        }
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<Result<Event, Error>> {
        if self.done {
            return None;
        }
        let ring = self.history.lock();
        let oldest = ring.floors.of(&self.resource);
        if self.position < oldest {
            self.done = true;
            return Some(Err(Error::Expired { oldest }));
        }
        let found = ring.after(self.position).find(|entry| entry.event.record.key.resource == self.resource);
        match found {
            Some(entry) => {
                self.position = entry.event.revision;
                Some(Ok(entry.event.clone()))
            }
            None => {
                self.position = ring.revision;
                self.done = ring.closed;
                None
            }
        }
    }

    /// All events of the resource up to this revision were told. It is brought up to date by each
    /// call of [`Watch::try_next`] that finds nothing, so that a bookmark can follow it.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut ring = self.history.lock();
        if let Some(topic) = ring.topics.get_mut(&self.resource) {
            topic.watches -= 1;
            if topic.watches == 0 {
                ring.topics.remove(&self.resource);
            }
        }
    }
}
