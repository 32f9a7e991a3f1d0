//! Parameter rows of prepared statements, for clients that keep using the handle from before DoPut.
//!
//! ```text
//!   CreatePreparedStatement ──► handle A (nonce 7)
//!   DoPut(A, row)           ──► handle B (nonce 7, row)        and here: 7 ─► row
//!   GetFlightInfo(B)            the row is in the handle
//!   GetFlightInfo(A)            the row is taken from here
//! ```
//!
//! DoPut returns a new handle that contains the bound row, and the specification requires clients to use it.
//! flightsql-dbapi 0.2 (Superset) does not read the response, and calls GetFlightInfo with the old handle. So the row
//! is also stored here, under the nonce that all handles of one preparation have.
//!
//! JDBC uses the new handle, but closes the first one. Closing a handle removes the row from here; the new handle still
//! contains it.
//!
//! Do not change without thinking: a row in a handle has precedence over a row that is stored here
//! (`prepared::current`), so a server that has restarted, or another replica, runs a new handle with the same row. The
//! nonce must be unguessable, because handles are not signed.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;

/// The maximum number of statements with stored rows; the oldest is removed first.
const ENTRIES: usize = 1_024;

/// The maximum memory for stored rows, in bytes. One larger batch is kept if it is the only one.
const BYTES: usize = 64 << 20;

/// The bound rows by nonce, the oldest first. They are lost when the process ends, like a client's connection.
#[derive(Debug, Default)]
pub(super) struct BoundParameters(Mutex<VecDeque<(u64, RecordBatch)>>);

impl BoundParameters {
    /// Stores the rows for `nonce`, in place of earlier ones.
    pub(super) fn remember(&self, nonce: u64, row: RecordBatch) {
        let mut rows = self.lock();
        rows.retain(|(other, _)| *other != nonce);
        rows.push_back((nonce, row));
        while rows.len() > ENTRIES || (rows.len() > 1 && bytes(&rows) > BYTES) {
            rows.pop_front();
        }
    }

    /// Returns the rows that are stored for `nonce`.
    pub(super) fn rows(&self, nonce: u64) -> Option<RecordBatch> {
        self.lock().iter().find(|(other, _)| *other == nonce).map(|(_, row)| row.clone())
    }

    /// Removes the rows of `nonce`.
    pub(super) fn forget(&self, nonce: u64) {
        self.lock().retain(|(other, _)| *other != nonce);
    }

    /// Ignores poisoning: no method leaves an entry half written.
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
    fn the_last_bound_row_is_stored() {
        let bound = BoundParameters::default();
        bound.remember(1, row(10));
        bound.remember(2, row(20));
        bound.remember(1, row(11));

        assert_eq!(bound.rows(1), Some(row(11)));
        assert_eq!(bound.rows(2), Some(row(20)));
    }

    #[test]
    fn the_oldest_entry_is_removed_first() {
        let bound = BoundParameters::default();
        for nonce in 0..=ENTRIES as u64 {
            bound.remember(nonce, row(0));
        }

        assert_eq!(bound.rows(0), None);
        assert_eq!(bound.rows(1), Some(row(0)));
    }

    #[test]
    fn large_rows_are_limited_by_their_bytes() {
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
    fn closing_removes_the_rows() {
        let bound = BoundParameters::default();
        bound.remember(1, row(10));

        bound.forget(1);

        assert_eq!(bound.rows(1), None);
    }
}
