//! Lists that were proved to be shorter than their totals say, so that the next query need not prove it again.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::api::{Request, Short};

/// Findings beyond this many are forgotten, and proved again.
const MOST: usize = 1_000;
/// A total that is wrong today may be right tomorrow.
const LIFE: Duration = Duration::from_secs(600);

/// The findings of one account, by path and query.
#[derive(Debug, Default)]
pub(super) struct Findings(Mutex<HashMap<String, Finding>>);

#[derive(Debug)]
struct Finding {
    short: Short,
    until: Instant,
}

impl Findings {
    /// Keeps what was found of a list. What is known already does not live longer for being met again: it was not
    /// proved again.
    pub(super) fn keep(&self, list: &Request, short: Short) {
        let mut findings = self.0.lock().expect("nothing panics while it is held");
        let now = Instant::now();
        findings.retain(|_, finding| finding.until > now);
        if findings.len() >= MOST {
            findings.clear();
        }
        let finding = findings.entry(list.at().path).or_insert(Finding { short, until: now + LIFE });
        if finding.short != short {
            *finding = Finding { short, until: now + LIFE };
        }
    }

    /// What is known of a list.
    pub(super) fn of(&self, list: &Request) -> Option<Short> {
        let findings = self.0.lock().expect("nothing panics while it is held");
        findings.get(&list.at().path).filter(|finding| finding.until > Instant::now()).map(|finding| finding.short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(query: &str) -> Request {
        Request::new("/v2/things".into()).with_query(vec![("tag".into(), query.into())])
    }

    const SHORT: Short = Short { rows: 300, total: 302 };

    #[tokio::test(start_paused = true)]
    async fn a_finding_is_kept_for_ten_minutes_and_not_longer_for_being_used() {
        let findings = Findings::default();
        findings.keep(&list("a"), SHORT);
        tokio::time::advance(LIFE / 2).await;
        findings.keep(&list("a"), SHORT);
        assert_eq!((findings.of(&list("a")), findings.of(&list("b"))), (Some(SHORT), None));

        tokio::time::advance(LIFE / 2).await;

        assert_eq!(findings.of(&list("a")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_finding_takes_the_place_of_the_old_one() {
        let findings = Findings::default();
        let other = Short { rows: 301, total: 303 };
        findings.keep(&list("a"), SHORT);
        tokio::time::advance(LIFE / 2).await;

        findings.keep(&list("a"), other);

        tokio::time::advance(LIFE / 2).await;
        assert_eq!(findings.of(&list("a")), Some(other));
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_never_more_than_so_many() {
        let findings = Findings::default();

        (0..MOST + 5).for_each(|number| findings.keep(&list(&number.to_string()), SHORT));

        assert!(findings.0.lock().unwrap().len() <= MOST);
        assert_eq!(findings.of(&list(&(MOST + 4).to_string())), Some(SHORT));
    }
}
