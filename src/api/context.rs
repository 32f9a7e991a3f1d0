//! What all requests of one query share.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Result;

/// A query's time limit and patience, and what happened on its behalf so far.
#[derive(Debug)]
pub struct QueryContext {
    deadline: Instant,
    /// How long the whole query may take.
    pub timeout: Duration,
    /// How long one of its requests may wait for the account's budget.
    pub max_wait: Duration,
    /// Counted while it runs.
    pub counts: Counts,
    notices: Mutex<Vec<String>>,
    activity: Mutex<Option<String>>,
    written: Mutex<Option<Result<String>>>,
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
}

impl QueryContext {
    /// Of a query that starts now.
    pub fn new(timeout: Duration, max_wait: Duration) -> Self {
        let deadline = Instant::now() + timeout;
        Self {
            deadline,
            timeout,
            max_wait,
            counts: Counts::default(),
            notices: Mutex::default(),
            activity: Mutex::default(),
            written: Mutex::default(),
        }
    }

    /// When the query has taken too long.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Says what it is waiting for, in place of what it said before.
    pub fn now(&self, activity: String) {
        *self.activity.lock().expect("nothing panics while it is held") = Some(activity);
    }

    /// What it is waiting for, where that is more than pages.
    pub fn activity(&self) -> Option<String> {
        self.activity.lock().expect("nothing panics while it is held").clone()
    }

    /// Keeps what it has started, or why it has not, for the person who asked: should they leave before the rows,
    /// that is not undone.
    pub fn has_written(&self, what: Result<String>) {
        *self.written.lock().expect("nothing panics while it is held") = Some(what);
    }

    /// What it has started, or why it has not.
    pub fn written(&self) -> Option<Result<String>> {
        self.written.lock().expect("nothing panics while it is held").clone()
    }

    /// Tells the person who asked something that is not an error, once.
    pub fn notice(&self, text: String) {
        let mut notices = self.notices.lock().expect("nothing panics while it is held");
        if notices.len() < MOST_NOTICES && !notices.contains(&text) {
            notices.push(text);
        }
    }

    /// What there is to tell, in order.
    pub fn notices(&self) -> Vec<String> {
        self.notices.lock().expect("nothing panics while it is held").clone()
    }
}

/// A query over thousands of keys must not keep thousands of sentences.
const MOST_NOTICES: usize = 20;

impl Default for QueryContext {
    fn default() -> Self {
        Self::new(Duration::from_secs(300), Duration::from_secs(60))
    }
}
