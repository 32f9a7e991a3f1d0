//! Remembers lists with fewer rows than their totals: that this was proved, or why it cannot be. So the next query need
//! not request the pages of that proof again.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::fault::Lack;
use crate::api::{Request, ShortBy};

/// Maximum number of findings. Beyond it all of them are forgotten, and proved again.
const MOST: usize = 1_000;
/// How long a finding is kept: a wrong total may be corrected.
const LIFE: Duration = Duration::from_secs(600);

/// The findings of one account, by path and query.
#[derive(Debug, Default)]
pub(super) struct ShortLists(Mutex<HashMap<String, KeptFinding>>);

/// What was found about a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShortList {
    /// Its rows and its reported total. The finding applies only while both are the same.
    pub(super) short: ShortBy,
    /// Why the list is incomplete; `None` if these rows are proved to be the whole list.
    pub(super) lack: Option<Lack>,
}

#[derive(Debug)]
struct KeptFinding {
    finding: ShortList,
    until: Instant,
}

impl ShortLists {
    /// Stores a finding about a list. A finding that is known already does not live longer: it was not proved again.
    pub(super) fn keep(&self, list: &Request, finding: ShortList) {
        let mut findings = self.0.lock().expect("nothing panics while it is held");
        let now = Instant::now();
        findings.retain(|_, kept| kept.until > now);
        if findings.len() >= MOST {
            findings.clear();
        }
        let new = || KeptFinding { finding, until: now + LIFE };
        let kept = findings.entry(list.at().path).or_insert_with(new);
        if kept.finding != finding {
            *kept = new();
        }
    }

    /// The finding about a list, if there is one.
    pub(super) fn of(&self, list: &Request) -> Option<ShortList> {
        let findings = self.0.lock().expect("nothing panics while it is held");
        findings.get(&list.at().path).filter(|kept| kept.until > Instant::now()).map(|kept| kept.finding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(query: &str) -> Request {
        Request::new("/v2/things".into()).with_query(vec![("tag".into(), query.into())])
    }

    const SHORT: ShortList = ShortList { short: ShortBy { rows: 300, total: 302 }, lack: None };

    #[tokio::test(start_paused = true)]
    async fn a_finding_is_kept_for_ten_minutes_and_not_longer_for_being_used() {
        let findings = ShortLists::default();
        findings.keep(&list("a"), SHORT);
        tokio::time::advance(LIFE / 2).await;
        findings.keep(&list("a"), SHORT);
        assert_eq!((findings.of(&list("a")), findings.of(&list("b"))), (Some(SHORT), None));

        tokio::time::advance(LIFE / 2).await;

        assert_eq!(findings.of(&list("a")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_finding_replaces_the_old_one() {
        let findings = ShortLists::default();
        let others = [
            ShortList { short: ShortBy { rows: 301, total: 303 }, ..SHORT },
            ShortList { lack: Some(Lack::Unknown), ..SHORT },
        ];
        for other in others {
            findings.keep(&list("a"), SHORT);
            tokio::time::advance(LIFE / 2).await;

            findings.keep(&list("a"), other);

            tokio::time::advance(LIFE / 2).await;
            assert_eq!(findings.of(&list("a")), Some(other));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_a_maximum_number_of_findings() {
        let findings = ShortLists::default();

        (0..MOST + 5).for_each(|number| findings.keep(&list(&number.to_string()), SHORT));

        assert!(findings.0.lock().unwrap().len() <= MOST);
        assert_eq!(findings.of(&list(&(MOST + 4).to_string())), Some(SHORT));
    }
}
