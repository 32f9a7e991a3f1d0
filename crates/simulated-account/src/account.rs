//! The account: the state that the requests, the tests and `/_demo` share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::connection::Line;
use super::fault::{Fault, Faults};
use super::fixture::{self, Error};
use super::limit::{Budget, Standing};
use super::options::Options;
use super::requests::{Recorded, Requests};
use super::route::Routes;
use super::rows::Change;
use super::tables::{Clock, Tables};

/// A simulated account. A clone is the same account.
#[derive(Debug, Clone)]
pub struct Account(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: Options,
    routes: Routes,
    clock: Clock,
    tables: Mutex<Tables>,
    faults: Mutex<Faults>,
    /// By token, as the API counts.
    budgets: Mutex<HashMap<String, Budget>>,
    requests: Mutex<Requests>,
    /// Goes up with each request and down with each answer.
    traffic: watch::Sender<Traffic>,
    lines: Mutex<Vec<Line>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Traffic {
    received: usize,
    in_flight: usize,
    peak: usize,
}

impl Account {
    /// An account with the rows of the fixtures.
    ///
    /// # Errors
    /// A fixture that cannot be read, or a total for a list that does not exist.
    pub fn new(options: Options) -> Result<Self, Error> {
        let clock = Clock::start();
        let tables = Tables::new(fixture::load()?, &options.totals, clock)?;
        let mut faults = Faults::default();
        options.faults.iter().cloned().for_each(|fault| faults.inject(fault));
        Ok(Self(Arc::new(Shared {
            routes: Routes::of(&tables),
            options,
            clock,
            tables: Mutex::new(tables),
            faults: Mutex::new(faults),
            budgets: Mutex::default(),
            requests: Mutex::default(),
            traffic: watch::Sender::default(),
            lines: Mutex::default(),
        })))
    }

    /// The requests so far, oldest first: the newest 100,000 since `clear_requests`.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.0.requests).all()
    }

    /// Forgets the requests so far, and their counts and the peak.
    pub fn clear_requests(&self) {
        lock(&self.0.requests).clear();
        self.0.traffic.send_modify(|traffic| {
            *traffic = Traffic { received: 0, peak: traffic.in_flight, ..*traffic };
        });
    }

    /// How many requests were answered with 429, by the limits or by a fault.
    pub fn refused(&self) -> usize {
        lock(&self.0.requests).refused()
    }

    /// How many POSTs were carried out, answered or not.
    pub fn posts(&self) -> usize {
        lock(&self.0.requests).posts()
    }

    /// How many requests wait for the head of their answer.
    pub fn in_flight(&self) -> usize {
        self.0.traffic.borrow().in_flight
    }

    /// The most that were in flight at once.
    pub fn in_flight_peak(&self) -> usize {
        self.0.traffic.borrow().peak
    }

    /// Waits until so many requests came in since `clear_requests`: a test that holds
    /// requests back needs no sleep to know that they are there.
    pub async fn received(&self, count: usize) {
        self.until(|traffic| traffic.received >= count).await;
    }

    /// Waits until no request is in flight.
    pub async fn idle(&self) {
        self.until(|traffic| traffic.in_flight == 0).await;
    }

    async fn until(&self, reached: impl Fn(&Traffic) -> bool + Send + Sync) {
        let mut traffic = self.0.traffic.subscribe();
        // The sender lives as long as `self`: this cannot fail while anybody waits.
        let _ = traffic.wait_for(|traffic| reached(traffic)).await;
    }

    /// Lets something go wrong from now on.
    pub fn inject(&self, fault: Fault) {
        lock(&self.0.faults).inject(fault);
    }

    /// Lets all go right from now on; requests that already hang or are held stay so.
    pub fn clear_faults(&self) {
        lock(&self.0.faults).clear();
    }

    /// The rows of a table as the API would serve them now, below `parent` where the
    /// table has parents; `None` if there is no such table or no such parent. Those that
    /// the API serves only when asked for by a query parameter are among them.
    pub fn rows(&self, table: &str, parent: Option<&str>) -> Option<Vec<Value>> {
        let tables = self.tables();
        let table = tables.find(table)?;
        tables.select(table, parent, &[], |total| 0..total).map(|(rows, _)| rows)
    }

    /// How many rows there are now, without rendering them.
    pub fn count(&self, table: &str, parent: Option<&str>) -> Option<usize> {
        let tables = self.tables();
        let table = tables.find(table)?;
        tables.select(table, parent, &[], |_| 0..0).map(|(_, total)| total)
    }

    /// Lets a list gain or lose rows; false if there is no such list.
    pub fn change(&self, table: &str, parent: Option<&str>, change: Change) -> bool {
        let mut tables = self.tables();
        let table = tables.find(table);
        table.is_some_and(|table| tables.change(table, parent, change))
    }

    /// What can be asked, such as `GET /v2/images`.
    pub fn routes(&self) -> Vec<String> {
        self.0.routes.list()
    }

    pub(super) fn options(&self) -> &Options {
        &self.0.options
    }

    pub(super) fn paths(&self) -> &Routes {
        &self.0.routes
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.0.faults)
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Requests> {
        lock(&self.0.requests)
    }

    /// The tables, with all completed that is due.
    pub(super) fn tables(&self) -> MutexGuard<'_, Tables> {
        let mut tables = lock(&self.0.tables);
        tables.advance(Instant::now());
        tables
    }

    /// Counts a request of this token, or says how long there is no room for it.
    pub(super) fn admit(&self, token: &str) -> Result<(), Duration> {
        self.budget(token, |budget| budget.admit(Instant::now()))
    }

    pub(super) fn standing(&self, token: &str) -> (Standing, i64) {
        let standing = self.budget(token, |budget| budget.standing(Instant::now()));
        let reset = self.0.clock.at(Instant::now() + standing.reset);
        (standing, reset.timestamp())
    }

    fn budget<T>(&self, token: &str, with: impl FnOnce(&mut Budget) -> T) -> T {
        let mut budgets = lock(&self.0.budgets);
        let limits = self.0.options.limits;
        with(budgets.entry(token.to_owned()).or_insert_with(|| Budget::new(limits)))
    }

    /// Takes note of a request that is in flight until the guard goes.
    pub(super) fn arrive(&self, request: Recorded) -> InFlight {
        let number = lock(&self.0.requests).note(request);
        self.0.traffic.send_modify(|traffic| {
            traffic.received += 1;
            traffic.in_flight += 1;
            traffic.peak = traffic.peak.max(traffic.in_flight);
        });
        InFlight { account: self.clone(), number }
    }

    pub(super) fn connected(&self, line: &Line) {
        let mut lines = lock(&self.0.lines);
        lines.retain(Line::is_open);
        lines.push(line.clone());
    }

    /// Drops every connection.
    pub(super) fn hang_up(&self) {
        lock(&self.0.lines).drain(..).for_each(|line| line.cut());
    }
}

/// A request that is not answered yet. A client that goes away ends it as well.
#[derive(Debug)]
pub(super) struct InFlight {
    account: Account,
    number: u64,
}

impl InFlight {
    pub(super) fn answered(&self, status: u16) {
        lock(&self.account.0.requests).answered(self.number, status);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.account.0.traffic.send_modify(|traffic| traffic.in_flight -= 1);
    }
}

/// A panic elsewhere leaves plain data behind, which is still good to read.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
