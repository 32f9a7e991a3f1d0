//! The lengths that lists had when they were last read, for the estimates of EXPLAIN.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::api::Request;

/// Maximum number of remembered lists. Beyond it EXPLAIN has no estimate for some lists; results do not change.
const MOST: usize = 10_000;

/// The totals of one account's lists, by the request of page 1.
#[derive(Debug, Default)]
pub(super) struct ListLengths(Mutex<HashMap<String, u64>>);

impl ListLengths {
    /// Stores the total that a page of a list has.
    pub(super) fn keep(&self, list: &Request, total: u64) {
        let mut totals = self.0.lock().expect("nothing panics while it is held");
        if totals.len() >= MOST {
            totals.clear();
        }
        totals.insert(name(list), total);
    }

    /// The last total of a list.
    pub(super) fn of(&self, list: &Request) -> Option<u64> {
        self.0.lock().expect("nothing panics while it is held").get(&name(list)).copied()
    }
}

/// The path of a list's first page identifies the list.
fn name(list: &Request) -> String {
    list.page(1).at().path
}
