//! The log of the requests that the account received, for tests and for `GET /_demo/requests`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::Broken;
use crate::account::{Account, lock};
use crate::handler::Outcome;
use crate::request::ApiRequest;

/// The number of requests that are kept: a demo may run for weeks.
const KEPT: usize = 100_000;

/// A request as it was received, and the status of its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// In capitals.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Without the question mark; empty if there is none.
    pub query: String,
    /// The query parameter `page`.
    pub page: Option<u32>,
    /// The status of the response; `None` if none was sent.
    pub status: Option<u16>,
    /// Whether there was an `authorization` header, valid or not.
    pub authorized: bool,
}

impl RecordedRequest {
    fn of(request: &ApiRequest) -> Self {
        Self {
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.raw_query.clone(),
            page: request.page,
            status: None,
            authorized: request.authorized,
        }
    }
}

/// Counts since the start or the last `clear`.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    kept: VecDeque<RecordedRequest>,
    /// The number of the first request that is kept; `clear` does not reset the numbers.
    first: u64,
    received: usize,
    refused: usize,
    posts: usize,
}

impl RequestLog {
    /// Adds a request and returns its number, which `responded` takes.
    fn add(&mut self, request: RecordedRequest) -> u64 {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
            self.first += 1;
        }
        self.kept.push_back(request);
        self.received += 1;
        self.first + self.kept.len() as u64 - 1
    }

    fn responded(&mut self, number: u64, status: u16) {
        let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let Some(request) = index.and_then(|index| self.kept.get_mut(index)) else { return };
        request.status = Some(status);
        self.refused += usize::from(status == 429);
    }

    pub(crate) fn clear(&mut self) {
        let first = self.first + self.kept.len() as u64;
        *self = Self { first, ..Self::default() };
    }

    pub(crate) fn all(&self) -> Vec<RecordedRequest> {
        self.kept.iter().cloned().collect()
    }

    pub(crate) fn refused(&self) -> usize {
        self.refused
    }

    pub(crate) fn posts(&self) -> usize {
        self.posts
    }

    /// The counts as JSON; `by_path` covers the requests that are kept.
    pub(crate) fn summary(&self) -> Value {
        let mut by_path: BTreeMap<String, usize> = BTreeMap::new();
        for request in &self.kept {
            *by_path.entry(format!("{} {}", request.method, request.path)).or_default() += 1;
        }
        json!({ "total": self.received, "by_path": by_path, "refused": self.refused, "posts": self.posts })
    }
}

/// Records all requests of an account.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(super) log: Mutex<RequestLog>,
    pub(super) traffic: watch::Sender<Traffic>,
}

/// Counts of requests that tests wait for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traffic {
    pub(super) received: usize,
    pub(super) in_flight: usize,
    pub(super) peak: usize,
}

impl Recorder {
    /// Counts a POST that was executed.
    pub(crate) fn posted(&self) {
        lock(&self.log).posts += 1;
    }
}

/// A request without a response yet. Dropping it ends the request, also when the client disconnects.
#[derive(Debug)]
pub(crate) struct InFlight {
    account: Account,
    number: u64,
}

impl InFlight {
    /// Records a request, which is in flight until the returned value is dropped.
    pub(crate) fn begin(account: &Account, request: &ApiRequest) -> Self {
        let recorder = account.recorder();
        let number = lock(&recorder.log).add(RecordedRequest::of(request));
        recorder.traffic.send_modify(|traffic| {
            traffic.received += 1;
            traffic.in_flight += 1;
            traffic.peak = traffic.peak.max(traffic.in_flight);
        });
        Self { account: account.clone(), number }
    }

    /// Records the status of the response, if there is one.
    pub(crate) fn record(&self, outcome: &Outcome) {
        let status = match outcome {
            Outcome::Response(response) | Outcome::Broken(Broken::Body(response, _)) => response.status,
            Outcome::Broken(Broken::Hang | Broken::Close) => return,
        };
        lock(&self.account.recorder().log).responded(self.number, status);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.account.recorder().traffic.send_modify(|traffic| traffic.in_flight -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str) -> RecordedRequest {
        RecordedRequest {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: String::new(),
            page: None,
            status: None,
            authorized: true,
        }
    }

    #[test]
    fn only_the_newest_are_kept_and_all_are_counted() {
        let mut requests = RequestLog::default();
        for _ in 0..KEPT + 5 {
            requests.add(request("/v2/images"));
        }

        assert_eq!(requests.all().len(), KEPT);
        assert_eq!(requests.summary()["total"], KEPT + 5);
    }

    #[test]
    fn a_response_finds_its_request_after_others_were_dropped() {
        let mut requests = RequestLog::default();
        for _ in 0..KEPT {
            requests.add(request("/v2/images"));
        }
        let number = requests.add(request("/v2/regions"));

        requests.responded(number, 429);

        let last = requests.all().pop().unwrap();
        assert_eq!((last.path.as_str(), last.status), ("/v2/regions", Some(429)));
        assert_eq!(requests.refused(), 1);
    }

    #[test]
    fn a_response_after_a_clear_is_not_counted() {
        let mut requests = RequestLog::default();
        let number = requests.add(request("/v2/images"));
        requests.clear();
        requests.add(request("/v2/regions"));

        requests.responded(number, 429);

        assert_eq!((requests.refused(), requests.all()[0].status), (0, None));
    }
}
