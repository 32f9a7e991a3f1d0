//! The requests that an account got, for tests and for `GET /_demo/requests`.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

/// The newest so many requests are kept: a demo may run for weeks.
const KEPT: usize = 100_000;

/// A request as it came, and what was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// In capitals.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Without the question mark; empty if there is none.
    pub query: String,
    /// The page that the query names.
    pub page: Option<u32>,
    /// What was answered; `None` while nothing is, and where nothing ever was.
    pub status: Option<u16>,
    /// Whether there was an `authorization` header, right or wrong.
    pub authorized: bool,
}

/// What was counted since the start or the last `clear`.
#[derive(Debug, Default)]
pub(super) struct Requests {
    kept: VecDeque<Recorded>,
    /// The number of the first kept request; numbers go on over a `clear`.
    first: u64,
    received: usize,
    refused: usize,
    posts: usize,
}

impl Requests {
    /// Takes note of a request; its number is for `answered`.
    pub(super) fn note(&mut self, request: Recorded) -> u64 {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
            self.first += 1;
        }
        self.kept.push_back(request);
        self.received += 1;
        self.first + self.kept.len() as u64 - 1
    }

    pub(super) fn answered(&mut self, number: u64, status: u16) {
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        let Some(request) = place.and_then(|place| self.kept.get_mut(place)) else { return };
        request.status = Some(status);
        self.refused += usize::from(status == 429);
    }

    pub(super) fn carried_out(&mut self) {
        self.posts += 1;
    }

    pub(super) fn clear(&mut self) {
        let first = self.first + self.kept.len() as u64;
        *self = Self { first, ..Self::default() };
    }

    pub(super) fn all(&self) -> Vec<Recorded> {
        self.kept.iter().cloned().collect()
    }

    pub(super) fn refused(&self) -> usize {
        self.refused
    }

    pub(super) fn posts(&self) -> usize {
        self.posts
    }

    /// Counts for people; by path of the requests that are kept.
    pub(super) fn summary(&self) -> Value {
        let mut by_path: BTreeMap<String, usize> = BTreeMap::new();
        for request in &self.kept {
            *by_path.entry(format!("{} {}", request.method, request.path)).or_default() += 1;
        }
        json!({ "total": self.received, "by_path": by_path, "refused": self.refused, "posts": self.posts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str) -> Recorded {
        Recorded {
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
        let mut requests = Requests::default();
        for _ in 0..KEPT + 5 {
            requests.note(request("/v2/images"));
        }

        assert_eq!(requests.all().len(), KEPT);
        assert_eq!(requests.summary()["total"], KEPT + 5);
    }

    #[test]
    fn an_answer_finds_its_request_though_others_were_dropped() {
        let mut requests = Requests::default();
        for _ in 0..KEPT {
            requests.note(request("/v2/images"));
        }
        let number = requests.note(request("/v2/regions"));

        requests.answered(number, 429);

        let last = requests.all().pop().unwrap();
        assert_eq!((last.path.as_str(), last.status), ("/v2/regions", Some(429)));
        assert_eq!(requests.refused(), 1);
    }

    #[test]
    fn an_answer_after_a_clear_is_counted_nowhere() {
        let mut requests = Requests::default();
        let number = requests.note(request("/v2/images"));
        requests.clear();
        requests.note(request("/v2/regions"));

        requests.answered(number, 429);

        assert_eq!((requests.refused(), requests.all()[0].status), (0, None));
    }
}
