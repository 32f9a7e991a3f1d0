//! Joins small batches: a page of the API has 200 rows, and a client that gets 500 batches spends more time on each than on
//! its rows.
//!
//! The first batch is passed on at once, and no row waits for others for longer than [`MAX_WAIT`].

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use datafusion::error::Result;
use futures::stream::{BoxStream, Fuse, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::wide_rows::{USUAL_BATCH_ROWS, batch_bytes};

/// The maximum size of joined batches. A larger one is passed on as it is.
const MAX_BYTES: usize = 1 << 20;

/// How long a row waits for others.
const MAX_WAIT: Duration = Duration::from_millis(50);

/// A plan's batches, the small ones joined. All have the same schema, that of the wire.
pub(super) struct Coalesced {
    batches: Fuse<BoxStream<'static, Result<RecordBatch>>>,
    /// A batch, or an error, that comes after the joined ones.
    kept: Option<Result<RecordBatch>>,
    is_first: bool,
}

impl Coalesced {
    pub(super) fn new(batches: BoxStream<'static, Result<RecordBatch>>) -> Self {
        Self { batches: batches.fuse(), kept: None, is_first: true }
    }

    /// The next batch. `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Result<RecordBatch>> {
        let first = match self.kept.take() {
            Some(kept) => kept,
            None => self.batches.next().await?,
        };
        match first {
            Ok(first) if !std::mem::replace(&mut self.is_first, false) => Some(self.join(first).await),
            first => Some(first),
        }
    }

    /// Joins a batch with those that come soon.
    async fn join(&mut self, first: RecordBatch) -> Result<RecordBatch> {
        let until = Instant::now() + MAX_WAIT;
        let (mut rows, mut bytes) = (first.num_rows(), batch_bytes(&first));
        let (schema, mut joined) = (first.schema(), vec![first]);
        while rows < USUAL_BATCH_ROWS && bytes < MAX_BYTES {
            let Ok(Some(next)) = timeout_at(until, self.batches.next()).await else { break };
            if let Ok(batch) = &next {
                rows += batch.num_rows();
                bytes += batch_bytes(batch);
            }
            match next {
                Ok(batch) if rows <= USUAL_BATCH_ROWS && bytes <= MAX_BYTES => joined.push(batch),
                other => {
                    self.kept = Some(other);
                    break;
                }
            }
        }
        match &joined[..] {
            // Joining one would copy it.
            [only] => Ok(only.clone()),
            _ => Ok(concat_batches(&schema, &joined)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};
    use datafusion::common::exec_err;
    use futures::stream;

    use super::*;

    fn batch(rows: usize) -> Result<RecordBatch> {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..i64::try_from(rows).unwrap()));
        Ok(RecordBatch::try_from_iter([("a", numbers)])?)
    }

    /// The rows of each batch, and `None` for an error.
    async fn rows_of(batches: Vec<Result<RecordBatch>>) -> Vec<Option<usize>> {
        let mut coalesced = Coalesced::new(stream::iter(batches).boxed());
        let mut rows = Vec::new();
        while let Some(next) = coalesced.next().await {
            rows.push(next.ok().map(|batch| batch.num_rows()));
        }
        rows
    }

    #[tokio::test]
    async fn small_batches_are_joined_except_for_the_first() {
        let pages = || (0..100).map(|_| batch(200)).collect();
        assert_eq!(rows_of(pages()).await, [Some(200), Some(8_000), Some(8_000), Some(3_800)]);

        let with_a_large_one = vec![batch(1), batch(2), batch(10_000), batch(3), batch(4)];
        assert_eq!(rows_of(with_a_large_one).await, [Some(1), Some(2), Some(10_000), Some(7)]);
        assert_eq!(rows_of(Vec::new()).await, []);
    }

    #[tokio::test]
    async fn rows_before_an_error_are_passed_on() {
        let batches = vec![batch(1), batch(2), batch(3), exec_err!("a page is missing"), batch(4)];
        assert_eq!(rows_of(batches).await, [Some(1), Some(5), None, Some(4)]);
    }

    #[tokio::test(start_paused = true)]
    async fn rows_do_not_wait_for_others_for_long() {
        let slow = stream::iter([1, 2, 3, 4]).then(|rows| async move {
            tokio::time::sleep(MAX_WAIT * 2).await;
            batch(rows)
        });
        let mut coalesced = Coalesced::new(slow.boxed());

        let mut rows = Vec::new();
        while let Some(next) = coalesced.next().await {
            rows.push(next.unwrap().num_rows());
        }

        assert_eq!(rows, [1, 2, 3, 4]);
    }
}
