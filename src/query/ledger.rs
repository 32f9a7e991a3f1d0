//! Counts the requests that a query is known to need, so that an error about its limit can name the number.
//!
//! Several components learn about the same list at different times, and each reports what it knows at once:
//!
//! ```text
//! join    has the key of a list             expect_list(list)                     1 request
//! scan    makes the requests of the key     expect_requests(list, part, 1)        1 per part
//! page 1  has the number of pages           expect_requests(list, part, pages)    the largest number counts
//! retry   sends a request once more         expect_one_more()                     + 1
//! ```
//!
//! A *list* is a table with the values of its path parameters. A *part* is what one series of requests reads of the
//! list: its pages with one set of query parameters, or a single row.
//!
//! Do not change without thinking: `needed` must not depend on the order of the reports, nor on repeated ones (a
//! property test checks this). So a report only raises the number of a part, and the components need not coordinate.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Identifies a list: a table, and the values of the parameters in its path. A row that is requested by its id belongs
/// to the list that contains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListId(u64);

/// Identifies a part of a list: its pages with one set of query parameters, or a single row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartId(u64);

impl ListId {
    /// The id of the list with this hash.
    pub fn of(list: impl Hash) -> Self {
        Self(hash(list))
    }
}

impl PartId {
    /// The id of the part with this hash.
    pub fn of(part: impl Hash) -> Self {
        Self(hash(part))
    }
}

/// Two lists with the same hash would count as one. Then the number in an error's text is too small, nothing else.
fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The requests that a query is known to need, sent or not.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    lists: HashMap<ListId, ListRequests>,
    /// The requests of all lists, of earlier plans of the query, retries and repeated reads.
    needed: u64,
}

/// The requests of a list by its parts. Most lists have one part and a query may have many lists, so one part needs no
/// map.
#[derive(Debug, Default)]
enum ListRequests {
    /// No part is known yet. Counts as one request.
    #[default]
    Expected,
    One(PartId, u64),
    Several(HashMap<PartId, u64>),
}

impl Ledger {
    /// Reports that this list will be read.
    pub fn expect_list(&self, list: ListId) {
        self.entries().change(list, |_| {});
    }

    /// Reports the number of requests that a part of a list needs. An earlier report of a larger number stays.
    pub fn expect_requests(&self, list: ListId, part: PartId, requests: u64) {
        self.entries().change(list, |list| {
            let reported = list.part(part);
            *reported = requests.max(*reported);
        });
    }

    /// Reports that a part of a list is read again from its first page: the number reported before stays counted, and
    /// the part starts again at one request.
    pub fn expect_reread(&self, list: ListId, part: PartId) {
        let mut entries = self.entries();
        let mut before = 0;
        entries.change(list, |list| before = std::mem::replace(list.part(part), 1));
        entries.needed = entries.needed.saturating_add(before);
    }

    /// Reports one more request, beyond reading each list once: a page that is read again, or a retry.
    pub fn expect_one_more(&self) {
        let mut entries = self.entries();
        entries.needed = entries.needed.saturating_add(1);
    }

    /// Reports that the next plan of the same query begins. It shares no lists with the plans before, so a list that
    /// those have read counts again.
    pub fn begin_next_plan(&self) {
        self.entries().lists.clear();
    }

    /// The number of requests that the query is known to need.
    pub fn needed(&self) -> u64 {
        self.entries().needed
    }

    /// Usable after a panic: at worst one number is not up to date.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn change(&mut self, list: ListId, change: impl FnOnce(&mut ListRequests)) {
        let before = self.lists.get(&list).map_or(0, ListRequests::requests);
        let list = self.lists.entry(list).or_default();
        change(list);
        // Saturating, because the number of pages comes from a total, which may be any number in a response.
        self.needed = self.needed.saturating_sub(before).saturating_add(list.requests());
    }
}

impl ListRequests {
    /// The number of requests of a part; a new part starts at 0.
    fn part(&mut self, part: PartId) -> &mut u64 {
        match self {
            Self::One(known, _) if *known == part => {}
            Self::One(known, requests) => *self = Self::Several(HashMap::from([(*known, *requests)])),
            Self::Expected => *self = Self::One(part, 0),
            Self::Several(_) => {}
        }
        match self {
            Self::One(_, requests) => requests,
            Self::Several(parts) => parts.entry(part).or_default(),
            Self::Expected => unreachable!("it has just become a list of one part"),
        }
    }

    fn requests(&self) -> u64 {
        let sum = match self {
            Self::Expected => 0,
            Self::One(_, requests) => *requests,
            Self::Several(parts) => parts.values().fold(0, |sum: u64, part| sum.saturating_add(*part)),
        };
        sum.max(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(number: u64) -> ListId {
        ListId(number)
    }

    fn part(number: u64) -> PartId {
        PartId(number)
    }

    #[test]
    fn a_list_counts_as_one_request_until_its_parts_are_known() {
        let ledger = Ledger::default();

        ledger.expect_list(list(1));
        assert_eq!(ledger.needed(), 1);
        ledger.expect_requests(list(1), part(1), 1);
        assert_eq!(ledger.needed(), 1, "the join and the scan mean the same request");
        ledger.expect_requests(list(1), part(2), 1);
        ledger.expect_requests(list(1), part(1), 5);
        ledger.expect_list(list(1));

        assert_eq!(ledger.needed(), 6);
    }

    #[test]
    fn a_list_that_is_read_again_counts_again() {
        let ledger = Ledger::default();
        ledger.expect_requests(list(1), part(1), 3);

        ledger.expect_reread(list(1), part(1));
        assert_eq!(ledger.needed(), 4, "three were sent, and at least one will be");
        ledger.expect_requests(list(1), part(1), 2);
        ledger.expect_one_more();

        assert_eq!(ledger.needed(), 6);
    }

    #[test]
    fn the_next_plan_reads_its_lists_again_and_sums_saturate() {
        let ledger = Ledger::default();
        ledger.expect_requests(list(1), part(1), 3);
        ledger.begin_next_plan();
        ledger.expect_requests(list(1), part(1), 3);
        assert_eq!(ledger.needed(), 6);

        (0..3).for_each(|number| ledger.expect_requests(list(2), part(number), u64::MAX));
        ledger.expect_one_more();

        assert_eq!(ledger.needed(), u64::MAX);
    }

    /// Reports of lists (`None`) and of the requests of a part.
    fn reports() -> impl Strategy<Value = Vec<(u64, Option<(u64, u64)>)>> {
        prop::collection::vec((0_u64..4, prop::option::of((0_u64..3, 1_u64..9))), 0..20)
    }

    fn needed(reports: &[(u64, Option<(u64, u64)>)]) -> u64 {
        let ledger = Ledger::default();
        for (number, of_part) in reports {
            match of_part {
                None => ledger.expect_list(list(*number)),
                Some((number_of_part, requests)) => {
                    ledger.expect_requests(list(*number), part(*number_of_part), *requests)
                }
            }
        }
        ledger.needed()
    }

    proptest! {
        #[test]
        fn neither_order_nor_repetition_matters(reports in reports().prop_flat_map(|reports| {
            let twice: Vec<_> = reports.iter().chain(&reports).copied().collect();
            (Just(reports), Just(twice).prop_shuffle())
        })) {
            let (once, shuffled) = reports;

            prop_assert_eq!(needed(&shuffled), needed(&once));
        }
    }
}
