//! Places for queries that compute for long.
//!
//! A query needs none at first. Once it has computed for a while, it waits for a place, and keeps it until it ends. So a
//! point query does not wait behind scans, and the number of queries that hold much memory is bounded.
//!
//! A free place goes to the client that has the fewest, and of its queries to the one that has waited longest: a client
//! with a hundred queries does not delay the only query of another one by all of its own.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{OnceCell, oneshot};
use tokio::time::{Instant, timeout_at};

use super::Principal;

/// The places of one engine.
#[derive(Clone, Debug)]
pub(super) struct Places {
    queue: Arc<Mutex<Queue>>,
    max_wait: Duration,
}

#[derive(Debug)]
struct Queue {
    free: usize,
    /// The clients of the queries that have a place, once for each place.
    holders: Vec<Principal>,
    /// The queries that wait, in the order in which they came.
    waiting: Vec<(Principal, oneshot::Sender<TakenPlace>)>,
}

/// A place that is taken. Dropping it gives it to the next query.
#[derive(Debug)]
struct TakenPlace {
    queue: Arc<Mutex<Queue>>,
    client: Principal,
}

impl Places {
    pub(super) fn new(count: usize, max_wait: Duration) -> Self {
        let queue = Queue { free: count, holders: Vec::new(), waiting: Vec::new() };
        Self { queue: Arc::new(Mutex::new(queue)), max_wait }
    }

    /// Enters the queue, for a query of this client.
    fn enter(&self, client: Principal) -> Waiting {
        let (give, given) = oneshot::channel();
        locked(&self.queue).waiting.push((client, give));
        give_free_places(&self.queue);
        Waiting { given, until: Instant::now().checked_add(self.max_wait) }
    }
}

/// A position in the queue. Dropping it leaves the queue.
#[derive(Debug)]
struct Waiting {
    given: oneshot::Receiver<TakenPlace>,
    /// None: it may wait forever.
    until: Option<Instant>,
}

impl Queue {
    /// The position of the query that is to have the next place.
    fn next(&self) -> Option<usize> {
        let places_of = |client: &Principal| self.holders.iter().filter(|holder| holder.is_same_client(client)).count();
        // Of equal ones `min_by_key` returns the first, which has waited longest.
        (0..self.waiting.len()).min_by_key(|&position| places_of(&self.waiting[position].0))
    }
}

/// Gives free places to the queries that wait.
fn give_free_places(queue: &Arc<Mutex<Queue>>) {
    loop {
        let mut state = locked(queue);
        // A query that has ended waits no more.
        state.waiting.retain(|(_, give)| !give.is_closed());
        let Some(next) = state.next().filter(|_| state.free > 0) else { return };
        let (client, give) = state.waiting.remove(next);
        state.free -= 1;
        state.holders.push(client.clone());
        // Without the lock: a place that nobody receives is dropped, which takes the lock.
        drop(state);
        let _ = give.send(TakenPlace { queue: Arc::clone(queue), client });
    }
}

impl Drop for TakenPlace {
    fn drop(&mut self) {
        {
            let mut queue = locked(&self.queue);
            queue.free += 1;
            if let Some(position) = queue.holders.iter().position(|holder| *holder == self.client) {
                queue.holders.swap_remove(position);
            }
        }
        give_free_places(&self.queue);
    }
}

/// Usable after a panic: no change calls code that can panic.
fn locked(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The place of one query.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    client: Principal,
    /// Set once the query has a place. Its tasks wait for it one after another: the queue wakes one of them.
    taken: OnceCell<()>,
    state: Mutex<PlaceState>,
}

/// A query keeps its position in the queue when the task that waits stops waiting for a while.
#[derive(Debug)]
enum PlaceState {
    NotNeededYet,
    Waiting(Waiting),
    Taken {
        _place: TakenPlace,
    },
    /// The query has ended, and gets no place any more.
    Left,
}

/// The query has waited for a place for this long, and there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoPlace(pub(super) Duration);

impl Place {
    pub(super) fn new(places: Places, client: Principal) -> Self {
        Self { places, client, taken: OnceCell::new(), state: Mutex::new(PlaceState::NotNeededYet) }
    }

    /// Waits for a place.
    pub(super) async fn take(&self) -> Result<(), NoPlace> {
        let take = || async {
            let (until, given) = (self.begin_to_wait(), poll_fn(|context| self.poll_given(context)));
            let Some(until) = until else {
                given.await;
                return Ok(());
            };
            timeout_at(until, given).await.map_err(|_| {
                self.leave();
                NoPlace(self.places.max_wait)
            })
        };
        self.taken.get_or_try_init(take).await.copied()
    }

    /// Enters the queue, unless the query is in it. Returns until when the query waits.
    fn begin_to_wait(&self) -> Option<Instant> {
        let mut state = self.state();
        if matches!(*state, PlaceState::NotNeededYet) {
            *state = PlaceState::Waiting(self.places.enter(self.client.clone()));
        }
        match &*state {
            PlaceState::Waiting(waiting) => waiting.until,
            PlaceState::NotNeededYet | PlaceState::Taken { .. } | PlaceState::Left => None,
        }
    }

    fn poll_given(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        let PlaceState::Waiting(waiting) = &mut *state else { return Poll::Ready(()) };
        // The queue drops a sender only after it has sent a place.
        if let Ok(place) = ready!(waiting.given.poll_unpin(context)) {
            *state = PlaceState::Taken { _place: place };
        }
        Poll::Ready(())
    }

    /// Frees the place, or leaves the queue.
    pub(super) fn leave(&self) {
        let before = std::mem::replace(&mut *self.state(), PlaceState::Left);
        // Without the lock: the next query may take the place at once.
        drop(before);
    }

    /// Usable after a panic: each change is a single assignment.
    fn state(&self) -> MutexGuard<'_, PlaceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
