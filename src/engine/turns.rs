//! Shares the plan threads among queries: a query that computes for long waits for its turn.
//!
//! ```text
//!     first 100 ms, first 16 MiB              polled as soon as a thread is free (first 2 MiB while memory is scarce)
//!     after that                              it waits for one of `query.max_long_queries` places, and keeps it; and
//!                                             each poll takes one of as many permits as there are cores, first come,
//!                                             first served
//! ```
//!
//! Queries whose rows are wide (`wide_rows`) have one permit for all of them, from the beginning; so have all long queries
//! while the process has more memory than it may.
//!
//! There are more plan threads than permits (`plan_threads`). So a point query finds a free thread, however many long
//! queries there are, and the operating system gives it its share of the cores.
//!
//! A poll cannot be interrupted. One that goes on after its query has ended keeps its thread and its permit; such polls
//! are counted ([`abandoned_polls`]), and new queries wait while there are too many.
//!
//! Do not change without thinking: a task holds a permit only while it is polled. If it kept the permit while it waits
//! for another task, which waits for a permit, neither would continue.

use std::cell::OnceCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::largest_query;
use super::plan_threads::{self, cores};
use crate::heap::{self, ThreadCount};
use crate::query::Query;

/// The time that a query may compute before it has to wait for its turns.
const WITHOUT_A_TURN: Duration = Duration::from_millis(100);

/// The memory that a query may have before it has to wait for its turns, in bytes. A vector that grows has three times its
/// size for a moment: many queries must not grow theirs at the same time.
const BYTES_WITHOUT_A_TURN: i64 = 16 << 20;

/// The same while the process has more than half of what it may: two hundred queries must not have 16 MiB each.
const BYTES_WITHOUT_A_TURN_IF_SCARCE: i64 = 2 << 20;

/// How often a query that waits only because memory is scarce checks whether it still is.
const BETWEEN_CHECKS: Duration = Duration::from_millis(100);

/// A poll ends after this time, at the next batch of a plan.
const TURN: Duration = Duration::from_millis(50);

/// A poll ends after it has allocated so many bytes, too: then its query may have to wait.
const BYTES_OF_A_TURN: i64 = 8 << 20;

/// A poll that goes on for this long after its query has ended is abandoned.
const ABANDONED_AFTER: Duration = Duration::from_secs(1);

static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(cores())));

/// Queries with wide rows need much memory while they are polled: they are polled one at a time. So are all long queries
/// while the process has more memory than it may.
static SINGLE_TURN: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(1)));

/// A task of a query. It works for the query, and takes turns once the query has computed for long.
pub(super) struct Turns<T> {
    query: Arc<Query>,
    /// `None` only while it is dropped.
    work: Option<BoxFuture<'static, T>>,
    /// Waits for the next turn. Kept while the task waits: a permit that is given to a future which is not polled is lost
    /// until the future is dropped.
    waiting: Option<BoxFuture<'static, Turn>>,
}

/// Held during a poll. `None` if the query has ended, or may need no turn any more.
type Turn = Option<OwnedSemaphorePermit>;

/// Waits for the turn of a query that computes for long, or for the end of the query.
async fn wait_for_turn(query: Arc<Query>) -> Turn {
    let turn = async {
        Arc::clone(&query).take_place().await;
        let turns = if query.has_wide_rows() || heap::check_limit().is_err() { &SINGLE_TURN } else { &TURNS };
        // The semaphores are never closed.
        Arc::clone(turns).acquire_owned().await.ok()
    };
    // Others may free memory, and then this query need not wait any more.
    let until_checked = async {
        match needs_a_turn_anyway(&query) {
            true => std::future::pending().await,
            false => sleep(BETWEEN_CHECKS).await,
        }
    };
    tokio::select! {
        turn = query.unless_ended(turn) => turn.flatten(),
        () = until_checked => None,
    }
}

/// Whether the query needs a turn however much memory there is.
fn needs_a_turn_anyway(query: &Query) -> bool {
    query.has_wide_rows() || query.held() > BYTES_WITHOUT_A_TURN || query.computed() > WITHOUT_A_TURN
}

impl<T> Turns<T> {
    pub(super) fn new(query: Arc<Query>, work: BoxFuture<'static, T>) -> Self {
        largest_query::begin_task(&query);
        Self { query, work: Some(work), waiting: None }
    }

    /// Whether the query has computed for long, or has much memory. A query that has ended needs none to be dropped.
    fn needs_a_turn(&self) -> bool {
        let query = &self.query;
        let is_large = || heap::is_scarce() && query.held() > BYTES_WITHOUT_A_TURN_IF_SCARCE;
        (needs_a_turn_anyway(query) || is_large()) && !query.has_ended()
    }

    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<Turn> {
        let waiting = self.waiting.get_or_insert_with(|| wait_for_turn(Arc::clone(&self.query)).boxed());
        let turn = ready!(waiting.poll_unpin(context));
        self.waiting = None;
        Poll::Ready(turn)
    }
}

impl<T> Future for Turns<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        largest_query::stop_if_exceeded();
        // Held until the poll ends.
        let mut turn = None;
        while turn.is_none() && self.needs_a_turn() {
            turn = ready!(self.poll_turn(context));
        }
        // Freed memory may end the need. A future that stays in the queue would get a permit, and keep it from the others.
        self.waiting = None;
        let Self { query, work, .. } = &mut *self;
        let _poll = CurrentPoll::begin(query);
        let work = work.as_mut().expect("it is dropped last");
        Arc::clone(query).in_scope(|| work.poll_unpin(context))
    }
}

impl<T> Drop for Turns<T> {
    /// Drops the work as a part of the query, so that what it frees is no longer counted as the query's.
    fn drop(&mut self) {
        {
            let _poll = CurrentPoll::begin(&self.query);
            self.work = None;
        }
        let is_last = largest_query::end_task(&self.query);
        if is_last && heap::has_freed_much() {
            plan_threads::give_memory_back();
        }
    }
}

/// What a thread polls now.
type Slot = Mutex<Option<PollStart>>;

/// The beginning of a poll.
struct PollStart {
    query: Arc<Query>,
    began: Instant,
    thread: ThreadCount,
    /// What the thread had allocated before.
    allocated_before: i64,
}

impl PollStart {
    fn now(query: Arc<Query>) -> Self {
        let thread = ThreadCount::of_this_thread();
        Self { query, began: Instant::now(), thread, allocated_before: thread.bytes() }
    }

    /// The bytes that were allocated since then, less those that were freed.
    fn allocated(&self) -> i64 {
        self.thread.bytes() - self.allocated_before
    }
}

/// The slots of all threads that have polled a task.
static SLOTS: Mutex<Vec<Arc<Slot>>> = Mutex::new(Vec::new());

thread_local! {
    static SLOT: OnceCell<Arc<Slot>> = const { OnceCell::new() };
}

/// Usable after a panic: each change is a single assignment or push.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A poll that goes on. Its time and what it has allocated are added to the query's when it ends.
struct CurrentPoll {
    slot: Arc<Slot>,
    /// The poll that this one is part of: a task may poll another task itself.
    outer: Option<PollStart>,
}

impl CurrentPoll {
    fn begin(query: &Arc<Query>) -> Self {
        let slot = SLOT.with(|slot| Arc::clone(slot.get_or_init(new_slot)));
        let outer = locked(&slot).replace(PollStart::now(Arc::clone(query)));
        Self { slot, outer }
    }
}

impl Drop for CurrentPoll {
    fn drop(&mut self) {
        let ended = std::mem::replace(&mut *locked(&self.slot), self.outer.take());
        if let Some(poll) = ended {
            poll.query.add_computed(poll.began.elapsed());
            poll.query.add_held(poll.allocated());
        }
    }
}

/// Whether the current poll has taken so long, or has allocated so much, that its task should yield. False outside of a
/// query.
pub(super) fn is_turn_over() -> bool {
    let is_over = |poll: &PollStart| poll.began.elapsed() > TURN || poll.allocated() > BYTES_OF_A_TURN;
    SLOT.with(|slot| locked(slot.get()?).as_ref().map(is_over)).unwrap_or(false)
}

/// The queries of the polls that go on, with what each poll has allocated so far, in bytes.
pub(super) fn current_polls() -> Vec<(Arc<Query>, i64)> {
    let allocated = |slot: &Arc<Slot>| locked(slot).as_ref().map(|poll| (Arc::clone(&poll.query), poll.allocated()));
    locked(&SLOTS).iter().filter_map(allocated).collect()
}

fn new_slot() -> Arc<Slot> {
    let slot = Arc::new(Slot::default());
    locked(&SLOTS).push(Arc::clone(&slot));
    slot
}

/// The number of polls that go on although their query has ended.
pub(super) fn abandoned_polls() -> usize {
    locked(&SLOTS).iter().filter(|slot| is_abandoned(slot)).count()
}

fn is_abandoned(slot: &Slot) -> bool {
    let goes_on = |poll: &PollStart| {
        // A query that has ended may be polled once more, to be dropped.
        let after_the_end = poll.query.ended_for().map(|ended| ended.min(poll.began.elapsed()));
        after_the_end.is_some_and(|time| time > ABANDONED_AFTER)
    };
    locked(slot).as_ref().is_some_and(goes_on)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::engine::plan_threads::PlanTask;
    use crate::query::{Limits, Principal, Queries, QueryCaps, Registered};

    fn begin(queries: &Arc<Queries>) -> Registered {
        queries.begin(Principal::local(), "SELECT 1", Limits::default()).unwrap()
    }

    #[tokio::test]
    async fn a_short_task_finds_a_thread_while_each_core_has_a_poll_that_does_not_end() {
        let queries = Arc::new(Queries::default());
        let (mut releases, mut busy) = (Vec::new(), Vec::new());
        for _ in 0..cores() {
            let (release, released) = mpsc::channel::<()>();
            let query = begin(&queries);
            // Blocks inside of a poll, as a long computation does.
            let work = async move {
                let _ = released.recv();
            }
            .boxed();
            busy.push(PlanTask::spawn(Arc::clone(&query), work));
            releases.push((release, query));
        }

        let short = begin(&queries);
        assert_eq!(PlanTask::spawn(Arc::clone(&short), async { 7 }.boxed()).join().await, 7);

        drop(releases);
        for task in busy {
            task.join().await;
        }
    }

    #[tokio::test]
    async fn a_task_that_needs_no_turn_any_more_leaves_the_queue() {
        let caps = QueryCaps { long: 1, ..QueryCaps::default() };
        let queries = Arc::new(Queries::new(caps));
        let (long, query) = (begin(&queries), begin(&queries));
        Arc::clone(&long).take_place().await;
        let held = 2 * BYTES_WITHOUT_A_TURN;
        let mut task = Turns::new(Arc::clone(&query), async { 7 }.boxed());

        query.add_held(held);
        assert!(futures::poll!(&mut task).is_pending());
        assert!(task.waiting.is_some());
        query.add_held(-held);

        assert_eq!(futures::poll!(&mut task), Poll::Ready(7));
        assert!(task.waiting.is_none());
    }

    #[tokio::test]
    async fn a_task_works_for_its_query_and_its_time_is_counted() {
        let queries = Arc::new(Queries::default());
        let query = begin(&queries);
        let work = async { crate::query::current().map(|query| query.id()) }.boxed();

        assert_eq!(PlanTask::spawn(Arc::clone(&query), work).join().await, Some(query.id()));
        assert!(query.computed() > Duration::ZERO);
        assert_eq!(crate::query::current().map(|query| query.id()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_is_abandoned_if_it_goes_on_after_its_query_has_ended() {
        let queries = Arc::new(Queries::default());
        let query = begin(&queries);
        let slot = |began: Instant| Slot::new(Some(PollStart { began, ..PollStart::now(Arc::clone(&query)) }));
        let Some(long_ago) = Instant::now().checked_sub(2 * ABANDONED_AFTER) else { return };

        assert!(!is_abandoned(&slot(long_ago)), "its query goes on, too");
        query.cancel();
        assert!(!is_abandoned(&slot(long_ago)), "its query has just ended");
        tokio::time::advance(2 * ABANDONED_AFTER).await;
        assert!(is_abandoned(&slot(long_ago)));
        assert!(!is_abandoned(&slot(Instant::now())), "it may end soon");
        assert!(!is_abandoned(&Slot::new(None)));
    }
}
