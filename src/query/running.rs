//! One query.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Span, error_span};

use super::{Counts, Ledger, Limits, Principal, SentEnough};
use crate::error;

/// A query over thousands of keys must not keep thousands of sentences.
const MOST_NOTICES: usize = 20;

/// The number of a query, which no other query of its engine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u64);

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far a query is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryState {
    /// It becomes a plan.
    Planning,
    /// Its plan runs, or waits for its client.
    Running,
    /// Its last row was taken, it failed, its client disconnected, its time is over, or it was cancelled.
    Ended,
}

/// Somebody has cancelled the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

/// A statement that is planned or runs. [`super::Queries`] makes them.
#[derive(Debug)]
pub struct Query {
    id: QueryId,
    text: Arc<str>,
    principal: Principal,
    began: Instant,
    planning: Limits,
    /// Known when its plan is.
    running: OnceLock<Limits>,
    span: Span,
    cancelled: CancellationToken,
    /// Counted while it runs.
    pub counts: Counts,
    /// How many requests it is known to need.
    pub ledger: Ledger,
    told: Mutex<QueryReport>,
}

/// What the query reports while it runs: its current activity, notes, and the outcome of an EXEC.
#[derive(Debug, Default)]
struct QueryReport {
    has_ended: bool,
    activity: Option<String>,
    written: Option<error::Result<String>>,
    notices: Vec<String>,
}

impl Query {
    pub(super) fn new(id: QueryId, principal: Principal, text: Arc<str>, limits: Limits) -> Self {
        Self {
            id,
            text,
            principal,
            began: Instant::now(),
            planning: limits,
            running: OnceLock::new(),
            // Of the highest level: the filter of the log drops spans below its own, and their lines would lose the id.
            span: error_span!("query", %id),
            cancelled: CancellationToken::new(),
            counts: Counts::default(),
            ledger: Ledger::default(),
            told: Mutex::default(),
        }
    }

    /// Its number.
    pub fn id(&self) -> QueryId {
        self.id
    }

    /// The statement as it was written.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Who asks.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// How far it is.
    pub fn state(&self) -> QueryState {
        match self.running.get() {
            _ if self.has_ended() => QueryState::Ended,
            Some(_) => QueryState::Running,
            None => QueryState::Planning,
        }
    }

    /// Whether nothing is done for it any more, but for a POST that was begun. Its client may not know it yet.
    pub fn has_ended(&self) -> bool {
        self.told().has_ended || self.is_cancelled() || Instant::now() >= self.deadline()
    }

    /// Its plan begins to run, within these limits.
    pub fn runs_within(&self, limits: Limits) {
        // A query runs once: whoever says so first is right.
        let _ = self.running.set(limits);
    }

    pub(super) fn end(&self) {
        self.told().has_ended = true;
    }

    /// What it may take: of a query that is still planned, what planning may.
    pub fn limits(&self) -> &Limits {
        self.running.get().unwrap_or(&self.planning)
    }

    /// When it has taken too long.
    pub fn deadline(&self) -> Instant {
        self.began + self.limits().timeout
    }

    /// What the log lines are in that are written on its behalf.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Ends it: its plan and its requests are dropped, and its client gets CANCELLED. A POST that was begun continues.
    pub fn cancel(&self) {
        self.cancelled.cancel();
    }

    /// Whether somebody has cancelled it.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Waits for `work`, or until somebody cancels the query.
    ///
    /// # Errors
    /// [`Cancelled`]; the work is dropped then.
    pub async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, Cancelled> {
        tokio::select! {
            biased;
            () = self.cancelled.cancelled() => Err(Cancelled),
            output = work => Ok(output),
        }
    }

    /// Looks whether one more request may be sent, before it queues.
    ///
    /// # Errors
    /// [`SentEnough`].
    pub fn has_requests_left(&self) -> Result<(), SentEnough> {
        if self.counts.requests.get() < self.limits().max_requests { Ok(()) } else { Err(self.sent_enough()) }
    }

    /// Counts one more request.
    ///
    /// # Errors
    /// [`SentEnough`], and then it must not be sent.
    pub fn one_more_request(&self) -> Result<(), SentEnough> {
        if self.counts.requests.add_one_within(self.limits().max_requests) { Ok(()) } else { Err(self.sent_enough()) }
    }

    fn sent_enough(&self) -> SentEnough {
        let most = self.limits().max_requests;
        SentEnough { most, needed: self.ledger.needed().max(most + 1) }
    }

    /// Says what it is waiting for, in place of what it said before.
    pub fn now(&self, activity: String) {
        self.told().activity = Some(activity);
    }

    /// What it is waiting for, where that is more than pages.
    pub fn activity(&self) -> Option<String> {
        self.told().activity.clone()
    }

    /// Stores what an EXEC has started, or why it failed. It is reported even if the client disconnects before the row
    /// arrives, because the action is not undone.
    pub fn has_written(&self, what: error::Result<String>) {
        self.told().written = Some(what);
    }

    /// What it has started, or why it has not.
    pub fn written(&self) -> Option<error::Result<String>> {
        self.told().written.clone()
    }

    /// Adds a note to the result, unless the same note is there already.
    pub fn notice(&self, text: String) {
        let notices = &mut self.told().notices;
        if notices.len() < MOST_NOTICES && !notices.contains(&text) {
            notices.push(text);
        }
    }

    /// What there is to tell, in order.
    pub fn notices(&self) -> Vec<String> {
        self.told().notices.clone()
    }

    /// A panic leaves it as it was before or after a change, so it can be used after one.
    fn told(&self) -> MutexGuard<'_, QueryReport> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
