//! What all requests of one query share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::error;

/// A query's time limit and patience, and what happened on its behalf so far.
#[derive(Debug)]
pub struct QueryContext {
    deadline: Instant,
    /// How long the whole query may take.
    pub timeout: Duration,
    /// How long one of its requests may wait for the account's budget.
    pub max_wait: Duration,
    /// How many requests it may send.
    pub max_requests: u64,
    /// Counted while it runs.
    pub counts: Arc<Counts>,
    /// Of a part of a query, the query.
    whole: Option<Arc<QueryContext>>,
    notices: Mutex<Vec<String>>,
    activity: Mutex<Option<String>>,
    written: Mutex<Option<error::Result<String>>>,
}

/// Counted while a query runs.
#[derive(Debug, Default)]
pub struct Counts {
    /// Requests that were sent, those sent again included.
    pub requests: Count,
    /// Requests that were sent again.
    pub retries: Count,
    /// Pages and single objects that were read.
    pub pages: Count,
    /// Rows in them.
    pub rows: Count,
    /// Requests that it is known to take so far, sent or not.
    pub needed: Count,
    /// Milliseconds that its requests waited for the account's budget, side by side and so perhaps more than passed.
    pub waited_ms: Count,
}

/// A query that has sent all the requests that it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentEnough {
    /// How many it may send.
    pub most: u64,
    /// How many it takes at least.
    pub needed: u64,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds `more`.
    pub fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    /// The number so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds one, unless that is more than `most`.
    fn add_one_within(&self, most: u64) -> bool {
        let more = |number: u64| (number < most).then_some(number + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

impl QueryContext {
    /// Of a query that began at this time.
    pub fn new(began: Instant, timeout: Duration, max_wait: Duration, max_requests: u64) -> Self {
        let deadline = began + timeout;
        Self {
            deadline,
            timeout,
            max_wait,
            max_requests,
            counts: Arc::default(),
            whole: None,
            notices: Mutex::default(),
            activity: Mutex::default(),
            written: Mutex::default(),
        }
    }

    /// A part of a query, which also counts for itself, in `counts`.
    pub fn part(whole: &Arc<Self>, counts: Arc<Counts>) -> Self {
        let Self { deadline, timeout, max_wait, max_requests, .. } = **whole;
        let whole = Some(Arc::clone(whole));
        let (notices, activity, written) = Default::default();
        Self { deadline, timeout, max_wait, max_requests, counts, whole, notices, activity, written }
    }

    /// The query that this is a part of, or this: what is told is told of all of it.
    fn whole(&self) -> &Self {
        self.whole.as_deref().unwrap_or(self)
    }

    /// Counts, here and in the whole query.
    pub fn count(&self, which: fn(&Counts) -> &Count, more: usize) {
        which(&self.counts).add(more);
        if let Some(whole) = &self.whole {
            whole.count(which, more);
        }
    }

    /// Counts one more request.
    ///
    /// # Errors
    /// [`SentEnough`], and then it must not be sent.
    pub fn one_more_request(&self) -> Result<(), SentEnough> {
        match &self.whole {
            Some(whole) => {
                whole.one_more_request()?;
                self.counts.requests.add(1);
            }
            None if self.counts.requests.add_one_within(self.max_requests) => {}
            None => return Err(self.sent_enough()),
        }
        Ok(())
    }

    /// Looks whether one more request may be sent, before it queues.
    ///
    /// # Errors
    /// [`SentEnough`].
    pub fn has_requests_left(&self) -> Result<(), SentEnough> {
        match &self.whole {
            Some(whole) => whole.has_requests_left(),
            None if self.counts.requests.get() < self.max_requests => Ok(()),
            None => Err(self.sent_enough()),
        }
    }

    fn sent_enough(&self) -> SentEnough {
        let most = self.max_requests;
        SentEnough { most, needed: self.counts.needed.get().max(most + 1) }
    }

    /// When the query has taken too long.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Says what it is waiting for, in place of what it said before.
    pub fn now(&self, activity: String) {
        *self.whole().activity.lock().expect("nothing panics while it is held") = Some(activity);
    }

    /// What it is waiting for, where that is more than pages.
    pub fn activity(&self) -> Option<String> {
        self.whole().activity.lock().expect("nothing panics while it is held").clone()
    }

    /// Keeps what it has started, or why it has not, for the person who asked: should they leave before the rows,
    /// that is not undone.
    pub fn has_written(&self, what: error::Result<String>) {
        *self.whole().written.lock().expect("nothing panics while it is held") = Some(what);
    }

    /// What it has started, or why it has not.
    pub fn written(&self) -> Option<error::Result<String>> {
        self.whole().written.lock().expect("nothing panics while it is held").clone()
    }

    /// Tells the person who asked something that is not an error, once.
    pub fn notice(&self, text: String) {
        let mut notices = self.whole().notices.lock().expect("nothing panics while it is held");
        if notices.len() < MOST_NOTICES && !notices.contains(&text) {
            notices.push(text);
        }
    }

    /// What there is to tell, in order.
    pub fn notices(&self) -> Vec<String> {
        self.whole().notices.lock().expect("nothing panics while it is held").clone()
    }
}

/// A query over thousands of keys must not keep thousands of sentences.
const MOST_NOTICES: usize = 20;

impl Default for QueryContext {
    fn default() -> Self {
        Self::new(Instant::now(), Duration::from_secs(300), Duration::from_secs(60), u64::MAX)
    }
}
