//! The plan runtime: the threads that statements are planned and run on.
//!
//! DataFusion computes inside `poll`, sometimes for minutes: a join over an inequality, a chain of a thousand
//! operators. On the threads that serve gRPC, timers and signals, two such queries blocked a server with two cores,
//! even for Ctrl-C. So plans run on a separate tokio runtime, and the main runtime stays responsive:
//!
//! ```text
//! main runtime                              plan runtime (64 MiB stacks)
//!   gRPC, timers, signals, HTTP  ──spawn──►   planning; polling of plans
//!   awaits the next batch        ◄─channel─   one batch at a time, when the client reads (`plan_driver`)
//! ```
//!
//! There are more threads than cores, because a poll cannot be interrupted: see [`super::turns`].
//!
//! Invariants:
//!
//! - A POST never runs here: a busy poll would delay it past its timeout. `table::exec::writer` uses the main runtime.
//! - A plan is dropped here ([`DroppedOnPlanThread`]): dropping recurses as deep as the plan is nested, and other
//!   threads have smaller stacks.
//! - The runtime is never shut down: a shutdown waits for a plan that is busy in `poll`.

use std::num::NonZero;
use std::ops::Deref;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::turns::{Turns, abandoned_polls};
use crate::heap;
use crate::query::Query;

/// The stack size of a thread. The system reserves memory only for the part that is used. Planning recurses over an
/// expression, and `a OR b OR …` is as deep as it is long. This is enough for the deepest statement that `sql` accepts,
/// also in a debug build.
const STACK_BYTES: usize = 64 << 20;

/// The number of threads beside those of long queries: for short queries, and for polls that go on after their query has
/// ended.
const SPARE_THREADS: usize = 8;

/// The maximum number of threads that read and write the files of operators that spill. Each has a stack of the same size.
const BLOCKING_THREADS: usize = 4;

/// The number of polls that may go on after their query has ended, before new queries have to wait.
const MAX_ABANDONED_POLLS: usize = SPARE_THREADS / 2;

/// The number of cores that this process may use.
pub(super) fn cores() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// How long a new query waits for threads that compute for queries that have ended.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// How often a query that waits for threads checks whether they are free.
const BETWEEN_CHECKS: Duration = Duration::from_millis(50);

/// Waits while so many threads compute for queries that have ended that a new query might find none. Returns whether the
/// query may go on: false after [`MAX_WAIT`], or when the query ends.
pub(super) async fn wait_for_threads(query: &Query) -> bool {
    wait_while(query, || abandoned_polls() >= MAX_ABANDONED_POLLS).await
}

async fn wait_while(query: &Query, are_taken: impl Fn() -> bool + Send + Sync) -> bool {
    let free = async {
        while are_taken() {
            sleep(BETWEEN_CHECKS).await;
        }
    };
    query.unless_ended(timeout(MAX_WAIT, free)).await.is_some_and(|waited| waited.is_ok())
}

/// The plan runtime of this process.
static PLAN_RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_multi_thread();
    let plans = builder
        .worker_threads(cores() + SPARE_THREADS)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .on_thread_park(heap::give_back)
        .on_thread_stop(heap::end_of_thread)
        .thread_name("plans")
        .thread_stack_size(STACK_BYTES)
        .build();
    plans.expect("a system that cannot start a thread cannot run a query")
});

/// How long after the last query memory is given back: another query may need it again, and its last results are still sent.
const GIVE_BACK_AFTER: Duration = Duration::from_secs(2);

/// The runtime that awaits plans: in the program, the main one.
static MAIN_RUNTIME: OnceLock<Handle> = OnceLock::new();

/// Lets all threads give back the memory that they have freed. A thread that has nothing to do does not notice that other
/// threads have freed its memory, so all are woken.
pub(super) fn give_memory_back() {
    static IS_DUE: AtomicBool = AtomicBool::new(false);
    if IS_DUE.swap(true, Ordering::Relaxed) {
        return;
    }
    PLAN_RUNTIME.spawn(async {
        // mimalloc lets one thread at a time return pages to the system, and others do not wait for it: their pages are
        // returned the second time.
        for _ in 0..2 {
            sleep(GIVE_BACK_AFTER).await;
            // What is freed from now on is given back later.
            IS_DUE.store(false, Ordering::Relaxed);
            heap::ask_to_give_back();
            wake_all(PLAN_RUNTIME.handle());
            MAIN_RUNTIME.get().into_iter().for_each(wake_all);
        }
    });
}

/// Wakes all threads of a runtime. They give memory back when they park again.
fn wake_all(runtime: &Handle) {
    let threads = runtime.metrics().num_workers();
    let meeting = Arc::new(Meeting::default());
    for _ in 0..threads {
        let meeting = Arc::clone(&meeting);
        runtime.spawn(async move { meeting.join(threads) });
    }
}

/// Threads that wait for each other: a runtime gives a task to a thread that sleeps only if all others are busy.
#[derive(Default)]
struct Meeting {
    present: Mutex<usize>,
    changed: Condvar,
}

/// How long a thread waits for the others: one of them may compute.
const MEETING_TIME: Duration = Duration::from_millis(20);

impl Meeting {
    /// Blocks until so many threads are here, or for [`MEETING_TIME`]. Returns whether they are.
    fn join(&self, threads: usize) -> bool {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        *present += 1;
        self.changed.notify_all();
        let wait = self.changed.wait_timeout_while(present, MEETING_TIME, |present| *present < threads);
        !wait.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

/// A task on the plan runtime. Dropping the handle aborts the task at its next await.
pub(super) struct PlanTask<T>(AbortOnDropHandle<T>);

impl<T: Send + 'static> PlanTask<T> {
    /// Spawns `work` for a query. The future is boxed by the caller, so that the compiler proves once, there, that it is `Send`.
    pub(super) fn spawn(query: Arc<Query>, work: BoxFuture<'static, T>) -> Self {
        // The first caller is outside of the plan runtime.
        if MAIN_RUNTIME.get().is_none() {
            let _ = Handle::try_current().map(|caller| MAIN_RUNTIME.set(caller));
        }
        let span = query.span().clone();
        Self(AbortOnDropHandle::new(PLAN_RUNTIME.spawn(Turns::new(query, work).instrument(span))))
    }

    /// Waits for the task and returns its output. A panic of the task continues here.
    pub(super) async fn join(self) -> T {
        match self.0.await {
            Ok(output) => output,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // Cannot happen: only dropping the handle aborts the task, and it is alive here.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// A value that is dropped on the plan runtime: dropping a plan recurses as deep as the plan is nested.
pub(super) struct DroppedOnPlanThread<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> DroppedOnPlanThread<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// The value. The caller is on the plan runtime, or moves it there.
    pub(super) fn into_inner(mut self) -> T {
        self.0.take().expect("only this function takes it")
    }
}

impl<T: Send + 'static> Deref for DroppedOnPlanThread<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("only `into_inner` takes it, and consumes `self`")
    }
}

impl<T: Send + 'static> Drop for DroppedOnPlanThread<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            PLAN_RUNTIME.spawn(async move { drop(value) });
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::query::{Limits, Principal, Queries};

    #[tokio::test(start_paused = true)]
    async fn a_query_waits_for_threads_for_a_while_and_not_after_its_end() {
        let queries = Arc::new(Queries::default());
        let begin = |timeout| queries.begin(Principal::local(), "SELECT 1", Limits { timeout, ..Limits::default() });
        let (patient, short) = (begin(4 * MAX_WAIT).unwrap(), begin(MAX_WAIT / 5).unwrap());
        let begun = Instant::now();

        assert!(!wait_while(&short, || true).await);
        assert_eq!(begun.elapsed().as_secs(), (MAX_WAIT / 5).as_secs());
        assert!(wait_while(&patient, || begun.elapsed() < MAX_WAIT / 2).await);
        assert!(begun.elapsed() < MAX_WAIT);
        assert!(!wait_while(&patient, || true).await);
        assert!(begun.elapsed() < 2 * MAX_WAIT);
    }

    #[test]
    fn a_thread_waits_for_the_others_and_not_for_long() {
        let meeting = Meeting::default();

        assert!(!meeting.join(2), "nobody else comes");
        assert!(meeting.join(2), "it is the second one");
    }
}
