//! How long lists were when they were last read: what EXPLAIN estimates from.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::api::Request;

/// Maximum number of remembered lists. Beyond it EXPLAIN has no estimate for some lists; results do not change.
const MOST: usize = 10_000;

/// The lengths of one account's lists, as page 1 told them.
#[derive(Debug, Default)]
pub(super) struct ListLengths(Mutex<HashMap<String, u64>>);

impl ListLengths {
    /// Keeps what a page of a list told.
    pub(super) fn keep(&self, list: &Request, total: u64) {
        let mut totals = self.0.lock().expect("nothing panics while it is held");
        if totals.len() >= MOST {
            totals.clear();
        }
        totals.insert(name(list), total);
    }

    /// How many rows a list had.
    pub(super) fn of(&self, list: &Request) -> Option<u64> {
        self.0.lock().expect("nothing panics while it is held").get(&name(list)).copied()
    }
}

/// The list's first page stands for it.
fn name(list: &Request) -> String {
    list.page(1).at().path
}
