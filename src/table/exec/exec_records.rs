//! Records of the POSTs that were started, so that each execution starts one POST.
//!
//! ```text
//! GetFlightInfo ─► mint ─► Once, in the ticket
//! DoGet 1 ─► start ─► no record: spawn the POST's task, store a record ─► PendingOutcome ─► row or error
//! DoGet 2 ─► start ─► a record of this number ──────────────────────────► PendingOutcome ─► the same
//! ```
//!
//! A ticket is valid for [`TICKET_LIFE`], and its record is kept for [`SLACK`] longer. A [`Once`] contains the process
//! that has minted it, so a ticket from before a restart is rejected.
//!
//! Do not change without thinking:
//! - a record must outlive its ticket: a valid ticket without a record would start a second POST;
//! - looking up a record, storing it and checking for a shutdown happen under one lock;
//! - the task of a POST is never aborted. A reader may drop its [`PendingOutcome`]; a shutdown waits for the task.

use std::collections::HashMap;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arrow::array::RecordBatch;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, warn};

use super::Fault;
use crate::error::{Error, Result};

/// How long the ticket of an EXEC is valid.
pub const TICKET_LIFE: Duration = Duration::from_secs(600);

/// How much longer than its ticket a record is kept.
const SLACK: Duration = Duration::from_secs(60);

/// The number of one execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Once {
    /// The process that minted it.
    pub process: u64,
    /// Random and unguessable: a client that has it can read the result.
    pub number: u64,
    /// When it expires, in milliseconds since the process started.
    pub expires_ms: u64,
}

/// The execution of a statement that a run of its plan belongs to.
#[derive(Clone, Copy, Debug)]
pub enum Execution {
    /// A new one for each run.
    New,
    /// The one of a ticket.
    Ticket {
        /// The number in the ticket, if the ticket was made for an EXEC.
        once: Option<Once>,
        /// A hash of the whole ticket. It detects a forged ticket that combines a number with another statement. The
        /// request would not do: with `now()` as an argument it differs each time.
        digest: u64,
    },
}

/// The row of a response, or the reason why there is no row.
type Outcome = Result<RecordBatch>;

/// The POSTs of this process.
#[derive(Debug)]
pub(super) struct Records {
    process: u64,
    begin: Instant,
    started: Mutex<ExecRecords>,
    /// Set to true under the lock of `started`: no POST is started afterwards.
    stopping: watch::Sender<bool>,
    /// The tasks of the POSTs.
    tasks: TaskTracker,
    /// The number of POSTs without an outcome. `tasks` counts a task until shortly after that.
    unanswered: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct ExecRecords {
    by_number: HashMap<u64, Record>,
}

#[derive(Debug)]
struct Record {
    digest: u64,
    expires: Instant,
    outcome: PendingOutcome,
}

/// The outcome of a POST, which may still run.
#[derive(Clone, Debug)]
pub(super) struct PendingOutcome {
    what: String,
    outcome: watch::Receiver<Option<Outcome>>,
}

impl Default for Records {
    fn default() -> Self {
        let (started, stopping, tasks) = (Mutex::default(), watch::Sender::default(), TaskTracker::new());
        Self { process: random(), begin: Instant::now(), started, stopping, tasks, unanswered: Arc::default() }
    }
}

/// A random number of the operating system, which a client cannot guess.
fn random() -> u64 {
    getrandom::u64().expect("the operating system has random numbers")
}

impl Records {
    /// The number of a new execution.
    pub(super) fn mint(&self) -> Once {
        let expires = self.begin.elapsed() + TICKET_LIFE;
        let expires_ms = u64::try_from(expires.as_millis()).unwrap_or(u64::MAX);
        Once { process: self.process, number: random(), expires_ms }
    }

    /// Starts `post`, unless this execution has started it before. `what` is for the log.
    ///
    /// # Errors
    /// The ticket is not valid, or the process is shutting down. Nothing was started.
    pub(super) fn start(
        &self,
        execution: &Execution,
        what: String,
        runtime: &Handle,
        post: impl Future<Output = Outcome> + Send + 'static,
    ) -> Result<PendingOutcome, Fault> {
        let mut started = self.lock();
        let now = Instant::now();
        let once = match execution {
            Execution::New => None,
            Execution::Ticket { once: None, .. } => return Err(Fault::NoOnce),
            Execution::Ticket { once: Some(once), digest } => Some((once.number, self.expires(once, now)?, *digest)),
        };
        started.by_number.retain(|_, record| record.expires + SLACK > now);
        if let Some((number, _, digest)) = once
            && let Some(record) = started.by_number.get(&number)
        {
            return if record.digest == digest { Ok(record.outcome.clone()) } else { Err(Fault::OtherStatement) };
        }
        if *self.stopping.borrow() {
            return Err(Fault::Stopping);
        }
        let (sender, outcome) = watch::channel(None);
        let pending = PendingOutcome { what, outcome };
        if let Some((number, expires, digest)) = once {
            started.by_number.insert(number, Record { digest, expires, outcome: pending.clone() });
        }
        let receivers_of_record = usize::from(once.is_some());
        let name = pending.what.clone();
        let unanswered = Unanswered::new(&self.unanswered);
        let task = async move {
            let outcome = post.await;
            drop(unanswered);
            if sender.receiver_count() <= receivers_of_record {
                warn_unread(&name, &outcome);
            }
            sender.send_replace(Some(outcome));
        };
        self.tasks.spawn_on(task.in_current_span(), runtime);
        Ok(pending)
    }

    /// When a ticket expires.
    fn expires(&self, once: &Once, now: Instant) -> Result<Instant, Fault> {
        if once.process != self.process {
            return Err(Fault::OtherProcess);
        }
        let expires = self.begin.checked_add(Duration::from_millis(once.expires_ms)).ok_or(Fault::Expired)?;
        // Every minted ticket expires within `TICKET_LIFE`. A forged one with a later time would outlive its record.
        let minted = now < expires && expires <= now + TICKET_LIFE;
        minted.then_some(expires).ok_or(Fault::Expired)
    }

    /// Rejects new POSTs from now on, and waits for the running ones.
    pub(super) async fn finish(&self) {
        {
            let _started = self.lock();
            self.stopping.send_replace(true);
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Waits until `finish` is called.
    pub(super) async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // It fails only without a sender, and `self` has one.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    /// The number of POSTs without an outcome.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, ExecRecords> {
        self.started.lock().expect("nothing panics while it is held")
    }
}

/// Counts a POST until it is dropped: when the POST has an outcome, or panics.
struct Unanswered(Arc<AtomicUsize>);

impl Unanswered {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Logs an outcome that no client waits for.
fn warn_unread(what: &str, outcome: &Outcome) {
    match outcome {
        Ok(_) => warn!(what, "executed, and no client waits for the response"),
        Err(error) => warn!(what, report = error.report(), "failed, and no client waits for the response"),
    }
}

impl PendingOutcome {
    /// Waits for the outcome.
    pub(super) async fn outcome(mut self) -> Outcome {
        let outcome = self.outcome.wait_for(Option::is_some).await.map(|outcome| outcome.clone());
        match outcome {
            Ok(Some(outcome)) => outcome,
            // The task panicked, and dropped the sender.
            Ok(None) | Err(_) => Err(Error::from(Fault::Vanished { what: self.what })),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Schema;
    use tokio::sync::Notify;
    use tokio::time::advance;

    use super::*;

    fn row() -> RecordBatch {
        RecordBatch::new_empty(Arc::new(Schema::empty()))
    }

    /// A POST that counts its executions.
    fn counted(count: &Arc<AtomicUsize>) -> impl Future<Output = Outcome> + Send + use<> {
        let count = Arc::clone(count);
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(row())
        }
    }

    fn start(records: &Records, once: Option<Once>, count: &Arc<AtomicUsize>) -> Result<PendingOutcome, Fault> {
        start_other(records, once, 7, count)
    }

    fn start_other(
        records: &Records,
        once: Option<Once>,
        digest: u64,
        count: &Arc<AtomicUsize>,
    ) -> Result<PendingOutcome, Fault> {
        records.start(&Execution::Ticket { once, digest }, "POST /a".into(), &Handle::current(), counted(count))
    }

    #[tokio::test(start_paused = true)]
    async fn a_ticket_starts_once_and_returns_its_outcome_until_it_expires() {
        let (records, count) = (Records::default(), Arc::default());
        let once = Some(records.mint());

        for _ in 0..3 {
            start(&records, once, &count).unwrap().outcome().await.unwrap();
        }
        advance(TICKET_LIFE - Duration::from_millis(2)).await;
        start(&records, once, &count).unwrap().outcome().await.unwrap();
        advance(Duration::from_millis(2)).await;
        assert!(matches!(start(&records, once, &count), Err(Fault::Expired)));
        advance(SLACK).await;
        assert!(matches!(start(&records, once, &count), Err(Fault::Expired)));

        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_is_kept_while_its_ticket_is_valid() {
        let (records, count) = (Records::default(), Arc::default());
        let once = Some(records.mint());
        advance(TICKET_LIFE - Duration::from_secs(1)).await;
        start(&records, once, &count).unwrap().outcome().await.unwrap();

        advance(Duration::from_millis(999)).await;
        start(&records, Some(records.mint()), &count).unwrap().outcome().await.unwrap();
        start(&records, once, &count).unwrap().outcome().await.unwrap();

        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn two_numbers_start_twice_and_no_number_every_time() {
        let (records, count) = (Records::default(), Arc::default());

        for _ in 0..2 {
            start(&records, Some(records.mint()), &count).unwrap().outcome().await.unwrap();
            let new = records.start(&Execution::New, "a".into(), &Handle::current(), counted(&count));
            new.unwrap().outcome().await.unwrap();
        }

        assert_eq!(count.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn a_ticket_that_was_not_minted_here_is_rejected() {
        let (records, count) = (Records::default(), Arc::default());
        let once = records.mint();

        assert!(matches!(start(&records, None, &count), Err(Fault::NoOnce)));
        assert!(matches!(start(&records, Some(Records::default().mint()), &count), Err(Fault::OtherProcess)));
        let longer = Once { expires_ms: once.expires_ms + 3_600_000, ..once };
        assert!(matches!(start(&records, Some(longer), &count), Err(Fault::Expired)));
        let forever = Once { expires_ms: u64::MAX, ..once };
        assert!(matches!(start(&records, Some(forever), &count), Err(Fault::Expired)));
        start(&records, Some(once), &count).unwrap().outcome().await.unwrap();
        assert!(matches!(start_other(&records, Some(once), 8, &count), Err(Fault::OtherStatement)));

        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_post_without_a_reader_runs_to_its_end_and_a_shutdown_waits_for_it() {
        let records = Arc::new(Records::default());
        let (go, ended) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let (may_go, count) = (Arc::clone(&go), Arc::clone(&ended));
        let post = async move {
            may_go.notified().await;
            count.store(1, Ordering::SeqCst);
            Ok(row())
        };
        drop(records.start(&Execution::New, "a".into(), &Handle::current(), post).unwrap());

        let finishing = tokio::spawn({
            let records = Arc::clone(&records);
            async move { records.finish().await }
        });
        records.stopped().await;
        assert_eq!((records.unanswered(), finishing.is_finished()), (1, false));
        assert!(matches!(start(&records, Some(records.mint()), &Arc::default()), Err(Fault::Stopping)));
        go.notify_one();
        finishing.await.unwrap();

        assert_eq!(ended.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn removing_a_record_ends_neither_its_post_nor_the_wait_for_it() {
        let (records, go) = (Records::default(), Arc::new(Notify::new()));
        let (may_go, count) = (Arc::clone(&go), Arc::default());
        let post = async move {
            may_go.notified().await;
            Ok(row())
        };
        let ticket = Execution::Ticket { once: Some(records.mint()), digest: 7 };
        let pending = records.start(&ticket, "a".into(), &Handle::current(), post).unwrap();

        advance(TICKET_LIFE + SLACK).await;
        let other = records.mint();
        start(&records, Some(other), &count).unwrap().outcome().await.unwrap();
        let kept: Vec<u64> = records.lock().by_number.keys().copied().collect();
        assert_eq!((kept, records.unanswered()), (vec![other.number], 1));
        go.notify_one();

        pending.outcome().await.unwrap();
    }

    #[tokio::test]
    async fn a_task_that_panics_leaves_an_error() {
        let records = Records::default();

        let pending =
            records.start(&Execution::New, "POST /a".into(), &Handle::current(), async { panic!("injected") });

        let error = pending.unwrap().outcome().await.unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Unknown);
    }
}
