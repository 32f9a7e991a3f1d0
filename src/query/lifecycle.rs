//! A query: its statement, limits, state, and what it reports to its client.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{Span, error_span};

use super::places::{NoPlace, Place, Places};
use super::{Counts, Ledger, Limits, Principal, RequestLimitReached};
use crate::error;

/// Maximum number of notices: a query over thousands of keys must not keep thousands of them.
const MAX_NOTICES: usize = 20;

/// The number of a query, unique within its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u64);

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The state of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryState {
    /// The statement is being planned.
    Planning,
    /// The plan is executed, or waits for the client to poll.
    Running,
    /// The last row was consumed, the query failed, reached its timeout or was cancelled, or the client disconnected.
    Ended,
}

/// The query was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

/// Why the server has stopped a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// [`Query::cancel`] was called.
    Cancelled,
    /// It has waited for this long until it may compute for long.
    NoPlace(Duration),
    /// The process has allocated more than it may, and this query has much of it.
    NoMemory,
}

/// A statement that is being planned or executed. Created by [`super::Queries::begin`].
#[derive(Debug)]
pub struct Query {
    id: QueryId,
    text: Arc<str>,
    principal: Principal,
    began: Instant,
    limits_of_planning: Limits,
    /// Set when the plan is known.
    limits_of_run: OnceLock<Limits>,
    span: Span,
    cancelled: CancellationToken,
    place: Place,
    /// Its counters.
    pub counts: Counts,
    /// The number of requests that it is known to need.
    pub ledger: Ledger,
    /// A hash of its ticket, if it is executed for one.
    ticket: OnceLock<u64>,
    /// How long its tasks have computed, in nanoseconds.
    computed: AtomicU64,
    /// What its tasks have allocated, less what they have freed or passed on, in bytes.
    held: AtomicI64,
    has_wide_rows: AtomicBool,
    report: Mutex<QueryReport>,
}

/// What the query reports while it runs: its current activity, notes, and the outcome of an EXEC.
#[derive(Debug, Default)]
struct QueryReport {
    /// When its last row was taken, or when it was stopped. Its timeout is not noted.
    ended: Option<Instant>,
    stop_reason: Option<StopReason>,
    activity: Option<String>,
    exec_outcome: Option<error::Result<String>>,
    notices: Vec<String>,
}

impl Query {
    pub(super) fn new(id: QueryId, principal: Principal, text: Arc<str>, limits: Limits, places: Places) -> Self {
        Self {
            id,
            text,
            place: Place::new(places, principal.clone()),
            principal,
            began: Instant::now(),
            limits_of_planning: limits,
            limits_of_run: OnceLock::new(),
            // At the highest level, because the log filter drops spans below its level, and their lines would lack the
            // id.
            span: error_span!("query", %id),
            cancelled: CancellationToken::new(),
            counts: Counts::default(),
            ledger: Ledger::default(),
            ticket: OnceLock::new(),
            computed: AtomicU64::new(0),
            held: AtomicI64::new(0),
            has_wide_rows: AtomicBool::new(false),
            report: Mutex::default(),
        }
    }

    /// Its number.
    pub fn id(&self) -> QueryId {
        self.id
    }

    /// The statement as the client sent it.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The client.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// It is executed for a ticket with this hash.
    pub(crate) fn set_ticket(&self, digest: u64) {
        let _ = self.ticket.set(digest);
    }

    /// The hash of its ticket, if it is executed for one.
    pub(crate) fn ticket(&self) -> Option<u64> {
        self.ticket.get().copied()
    }

    /// Its current state.
    pub fn state(&self) -> QueryState {
        match self.limits_of_run.get() {
            _ if self.has_ended() => QueryState::Ended,
            Some(_) => QueryState::Running,
            None => QueryState::Planning,
        }
    }

    /// Whether the query has ended, reached its timeout or was cancelled. Nothing is done for it any more, except for a
    /// POST that was started. The client may not have been informed yet.
    pub fn has_ended(&self) -> bool {
        self.ended_for().is_some()
    }

    /// How long ago the query has ended, as in [`Query::has_ended`].
    pub fn ended_for(&self) -> Option<Duration> {
        let (noted, deadline) = (self.report().ended, self.deadline());
        let ended = noted.map_or(deadline, |noted| noted.min(deadline));
        Instant::now().checked_duration_since(ended)
    }

    /// Starts the execution of its plan, with these limits.
    pub fn start_running(&self, limits: Limits) {
        // Only the first call has an effect: a query is executed once.
        let _ = self.limits_of_run.set(limits);
    }

    pub(super) fn end(&self) {
        self.report().ended.get_or_insert_with(Instant::now);
        self.place.leave();
    }

    /// The limits of the execution, or those of the planning before that.
    pub fn limits(&self) -> &Limits {
        self.limits_of_run.get().unwrap_or(&self.limits_of_planning)
    }

    /// When it reaches its timeout.
    pub fn deadline(&self) -> Instant {
        self.began + self.limits().timeout
    }

    /// The span of its log lines.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Cancels it: its plan and its requests are dropped, and the client gets CANCELLED. A POST that was started
    /// continues.
    pub fn cancel(&self) {
        self.stop(StopReason::Cancelled);
    }

    /// As [`Query::cancel`], for another reason. The first reason counts.
    pub fn stop(&self, reason: StopReason) {
        {
            let mut report = self.report();
            report.stop_reason.get_or_insert(reason);
            report.ended.get_or_insert_with(Instant::now);
        }
        self.cancelled.cancel();
    }

    /// Why the query was stopped.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.report().stop_reason
    }

    /// Frees its place: it computes no more.
    pub fn leave_place(&self) {
        self.place.leave();
    }

    /// Waits until it may compute for long. If that takes too long, the query is stopped.
    pub async fn take_place(self: Arc<Self>) {
        if let Err(NoPlace(waited)) = self.place.take().await {
            self.stop(StopReason::NoPlace(waited));
        }
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Waits for `work`, or until the query is cancelled.
    ///
    /// # Errors
    /// [`Cancelled`]. `work` is dropped then.
    pub async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, Cancelled> {
        tokio::select! {
            biased;
            () = self.cancelled.cancelled() => Err(Cancelled),
            output = work => Ok(output),
        }
    }

    /// Waits for `work`, or until the query is cancelled or reaches its timeout: `None` then, and `work` is dropped.
    pub async fn unless_ended<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.cancelled.cancelled() => None,
            () = sleep_until(self.deadline()) => None,
            output = work => Some(output),
        }
    }

    /// Checks that one more request may be sent, before it waits for the budget.
    ///
    /// # Errors
    /// [`RequestLimitReached`] if the limit is reached.
    pub fn check_request_limit(&self) -> Result<(), RequestLimitReached> {
        if self.counts.requests.get() < self.limits().max_requests { Ok(()) } else { Err(self.limit_reached()) }
    }

    /// Counts one more request.
    ///
    /// # Errors
    /// [`RequestLimitReached`] if the limit is reached. The request must not be sent then.
    pub fn count_request(&self) -> Result<(), RequestLimitReached> {
        if self.counts.requests.add_one_within(self.limits().max_requests) { Ok(()) } else { Err(self.limit_reached()) }
    }

    fn limit_reached(&self) -> RequestLimitReached {
        let limit = self.limits().max_requests;
        RequestLimitReached { limit, needed: self.ledger.needed().max(limit + 1) }
    }

    /// How long its tasks have computed. Two tasks that compute at the same time both count.
    pub fn computed(&self) -> Duration {
        Duration::from_nanos(self.computed.load(Ordering::Relaxed))
    }

    /// Adds the time that one of its tasks has computed.
    pub fn add_computed(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.computed.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Whether its rows are wide: it needs much memory for each batch.
    pub fn has_wide_rows(&self) -> bool {
        self.has_wide_rows.load(Ordering::Relaxed)
    }

    /// Notes that its rows are wide.
    pub fn set_wide_rows(&self) {
        self.has_wide_rows.store(true, Ordering::Relaxed);
    }

    /// An estimate of the memory that it holds, in bytes: what its tasks have allocated, less what they have freed or
    /// passed on to the client.
    pub fn held(&self) -> i64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Adds what one of its tasks has allocated; a negative number is what it has freed or passed on.
    pub fn add_held(&self, bytes: i64) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Sets the current activity, which replaces the one before.
    pub fn set_activity(&self, activity: String) {
        self.report().activity = Some(activity);
    }

    /// What the query is waiting for, if it is something other than pages.
    pub fn activity(&self) -> Option<String> {
        self.report().activity.clone()
    }

    /// Stores what an EXEC has started, or why it failed. This is reported even if the client disconnects before the
    /// row arrives, because the action is not undone.
    pub fn set_exec_outcome(&self, outcome: error::Result<String>) {
        self.report().exec_outcome = Some(outcome);
    }

    /// What an EXEC has started, or why it failed.
    pub fn exec_outcome(&self) -> Option<error::Result<String>> {
        self.report().exec_outcome.clone()
    }

    /// Adds a notice to the result, unless it has the same one already.
    pub fn add_notice(&self, text: String) {
        let notices = &mut self.report().notices;
        if notices.len() < MAX_NOTICES && !notices.contains(&text) {
            notices.push(text);
        }
    }

    /// The notices, in order.
    pub fn notices(&self) -> Vec<String> {
        self.report().notices.clone()
    }

    /// Usable after a panic: each change is a single assignment or push.
    fn report(&self) -> MutexGuard<'_, QueryReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
