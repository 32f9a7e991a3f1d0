//! Parameter rows of prepared statements, for clients that keep using the handle from before DoPut.
//!
//! DoPut answers a new handle that holds the bound row, and a client is to go on
//! with that one. flightsql-dbapi 0.2 (Superset) does not read the answer and asks
//! GetFlightInfo with the handle from before: so the row is remembered as well, by
//! the number that all handles of one preparation share.
//!
//! JDBC goes on with the new handle but closes the first one. Closing forgets the
//! row here, and the new handle still holds its own.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;

/// The most statements that are remembered; the oldest is forgotten first.
const ENTRIES: usize = 1_024;

/// The most memory for their rows, in bytes.
const BYTES: usize = 64 << 20;

/// What is bound to which statement. Lost with the process, as a client's connection is.
#[derive(Debug, Default)]
pub(super) struct BoundParameters(Mutex<VecDeque<(u64, RecordBatch)>>);

impl BoundParameters {
    /// Remembers the rows in place of what was bound to `nonce` before.
    pub(super) fn remember(&self, nonce: u64, row: RecordBatch) {
        let mut rows = self.lock();
        rows.retain(|(other, _)| *other != nonce);
        rows.push_back((nonce, row));
        while rows.len() > ENTRIES || (rows.len() > 1 && bytes(&rows) > BYTES) {
            rows.pop_front();
        }
    }

    /// What is bound to `nonce`.
    pub(super) fn rows(&self, nonce: u64) -> Option<RecordBatch> {
        self.lock().iter().find(|(other, _)| *other == nonce).map(|(_, row)| row.clone())
    }

    /// Forgets what is bound to `nonce`.
    pub(super) fn forget(&self, nonce: u64) {
        self.lock().retain(|(other, _)| *other != nonce);
    }

    /// A panic elsewhere leaves whole entries behind: nothing here is half done.
    fn lock(&self) -> MutexGuard<'_, VecDeque<(u64, RecordBatch)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes(rows: &VecDeque<(u64, RecordBatch)>) -> usize {
    rows.iter().map(|(_, row)| row.get_array_memory_size()).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn row(number: i64) -> RecordBatch {
        RecordBatch::try_from_iter([("1", Arc::new(Int64Array::from(vec![number])) as _)]).unwrap()
    }

    #[test]
    fn the_last_row_bound_is_the_one_remembered() {
        let bound = BoundParameters::default();
        bound.remember(1, row(10));
        bound.remember(2, row(20));
        bound.remember(1, row(11));

        assert_eq!(bound.rows(1), Some(row(11)));
        assert_eq!(bound.rows(2), Some(row(20)));
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let bound = BoundParameters::default();
        for nonce in 0..=ENTRIES as u64 {
            bound.remember(nonce, row(0));
        }

        assert_eq!(bound.rows(0), None);
        assert_eq!(bound.rows(1), Some(row(0)));
    }

    #[test]
    fn large_rows_push_out_others_sooner() {
        let bound = BoundParameters::default();
        let text = StringArray::from(vec!["x".repeat(BYTES - 1_000)]);
        let large = RecordBatch::try_from_iter([("1", Arc::new(text) as _)]).unwrap();
        for nonce in 0..10 {
            bound.remember(nonce, large.clone());
        }

        assert_eq!(bound.rows(8), None);
        assert_eq!(bound.rows(9), Some(large));
    }

    #[test]
    fn what_is_closed_is_forgotten() {
        let bound = BoundParameters::default();
        bound.remember(1, row(10));

        bound.forget(1);

        assert_eq!(bound.rows(1), None);
    }
}
