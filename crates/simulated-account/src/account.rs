//! The account: the state that all requests share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::connection::ConnectionHandle;
use crate::fault::{ActiveFaults, Fault};
#[cfg(feature = "faults")]
use crate::faults::Recorder;
use crate::fixture::{self, Error};
use crate::options::Options;
use crate::rate_limit::{RateLimit, RateLimitStatus};
use crate::route::Routes;
use crate::tables::{Clock, Tables};

/// A simulated account. Clones share its state.
#[derive(Debug, Clone)]
pub struct Account(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: Options,
    routes: Routes,
    clock: Clock,
    tables: Mutex<Tables>,
    faults: Mutex<ActiveFaults>,
    /// By token, as in the API.
    rate_limits: Mutex<HashMap<String, RateLimit>>,
    connections: Mutex<Vec<ConnectionHandle>>,
    #[cfg(feature = "faults")]
    recorder: Recorder,
}

impl Account {
    /// An account with the rows of the fixtures.
    ///
    /// # Errors
    /// A fixture that cannot be read, or a total for a list that does not exist.
    pub fn new(options: Options) -> Result<Self, Error> {
        let clock = Clock::start();
        let tables = Tables::new(fixture::load()?, &options.totals, clock)?;
        let mut faults = ActiveFaults::default();
        options.faults.iter().cloned().for_each(|fault| faults.inject(fault));
        Ok(Self(Arc::new(Shared {
            routes: Routes::of(&tables),
            options,
            clock,
            tables: Mutex::new(tables),
            faults: Mutex::new(faults),
            rate_limits: Mutex::default(),
            connections: Mutex::default(),
            #[cfg(feature = "faults")]
            recorder: Recorder::default(),
        })))
    }

    /// Injects a fault, which is active from the next request on.
    pub fn inject(&self, fault: Fault) {
        self.faults().inject(fault);
    }

    /// The current rows of a table, below `parent` if the table has parents; `None` if there is no such table or parent.
    /// Rows that a list returns only for some query parameter are included.
    pub fn rows(&self, table: &str, parent: Option<&str>) -> Option<Vec<Value>> {
        let tables = self.tables();
        let table = tables.find(table)?;
        tables.select(table, parent, &[], |total| 0..total).map(|(rows, _)| rows)
    }

    /// The current number of rows, without rendering them.
    pub fn count(&self, table: &str, parent: Option<&str>) -> Option<usize> {
        let tables = self.tables();
        let table = tables.find(table)?;
        tables.select(table, parent, &[], |_| 0..0).map(|(_, total)| total)
    }

    /// The routes, such as `GET /v2/images`.
    pub fn routes(&self) -> Vec<String> {
        self.0.routes.list()
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    pub(crate) fn paths(&self) -> &Routes {
        &self.0.routes
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, ActiveFaults> {
        lock(&self.0.faults)
    }

    #[cfg(feature = "faults")]
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.0.recorder
    }

    /// The tables, after completing the actions that are due.
    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        let mut tables = lock(&self.0.tables);
        tables.advance(Instant::now());
        tables
    }

    /// Counts a request of this token, or returns how long the token has to wait.
    pub(crate) fn admit(&self, token: &str) -> Result<(), Duration> {
        self.rate_limit(token, |limit| limit.admit(Instant::now()))
    }

    /// The token's rate limit, and when it resets as a Unix timestamp.
    pub(crate) fn rate_limit_status(&self, token: &str) -> (RateLimitStatus, i64) {
        let status = self.rate_limit(token, |limit| limit.status(Instant::now()));
        let reset = self.0.clock.at(Instant::now() + status.reset);
        (status, reset.timestamp())
    }

    fn rate_limit<T>(&self, token: &str, with: impl FnOnce(&mut RateLimit) -> T) -> T {
        let mut rate_limits = lock(&self.0.rate_limits);
        let limits = self.0.options.limits;
        with(rate_limits.entry(token.to_owned()).or_insert_with(|| RateLimit::new(limits)))
    }

    pub(crate) fn connected(&self, connection: &ConnectionHandle) {
        let mut connections = lock(&self.0.connections);
        connections.retain(ConnectionHandle::is_open);
        connections.push(connection.clone());
    }

    /// Closes every connection.
    pub(crate) fn close_connections(&self) {
        lock(&self.0.connections).drain(..).for_each(|connection| connection.close());
    }
}

/// Ignores poisoning: a panic elsewhere leaves plain data behind, which is still valid.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
