//! What tests read from an account and change in it.

use super::requests::Traffic;
use super::{Change, RecordedRequest};
use crate::account::{Account, lock};

impl Account {
    /// The newest 100,000 requests since `clear_requests`, oldest first.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.recorder().log).all()
    }

    /// Clears the log of requests, their counts and the peak.
    pub fn clear_requests(&self) {
        lock(&self.recorder().log).clear();
        self.recorder().traffic.send_modify(|traffic| {
            *traffic = Traffic { received: 0, peak: traffic.in_flight, ..*traffic };
        });
    }

    /// The number of responses with 429, from the rate limits or from a fault.
    pub fn refused(&self) -> usize {
        lock(&self.recorder().log).refused()
    }

    /// The number of POSTs that were executed, with or without a response.
    pub fn posts(&self) -> usize {
        lock(&self.recorder().log).posts()
    }

    /// The number of requests that wait for the head of their response.
    pub fn in_flight(&self) -> usize {
        self.recorder().traffic.borrow().in_flight
    }

    /// The largest number of requests in flight at once.
    pub fn in_flight_peak(&self) -> usize {
        self.recorder().traffic.borrow().peak
    }

    /// Waits until `count` requests were received since `clear_requests`: a test that holds requests back needs no
    /// sleep to know that they arrived.
    pub async fn received(&self, count: usize) {
        self.until(|traffic| traffic.received >= count).await;
    }

    /// Waits until no request is in flight.
    pub async fn idle(&self) {
        self.until(|traffic| traffic.in_flight == 0).await;
    }

    async fn until(&self, reached: impl Fn(&Traffic) -> bool + Send + Sync) {
        let mut traffic = self.recorder().traffic.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        let _ = traffic.wait_for(|traffic| reached(traffic)).await;
    }

    /// Removes all faults; requests that already hang or are held stay so.
    pub fn clear_faults(&self) {
        self.faults().clear();
    }

    /// Adds rows to a list or removes them; false if there is no such list.
    pub fn change(&self, table: &str, parent: Option<&str>, change: Change) -> bool {
        let mut tables = self.tables();
        let table = tables.find(table);
        table.is_some_and(|table| tables.change(table, parent, change))
    }
}
