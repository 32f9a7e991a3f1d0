//! Runs a plan, and starts it again with fewer rows to a batch if its rows are too wide.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use futures::stream::{self, StreamExt};

use super::batch_rows;
use super::row_bytes::bytes_of_a_row;
use crate::engine::fault::{Fault, carried};
use crate::engine::limit_fault::LimitFault;
use crate::query;

/// How often a plan may start again. The last time, its batches have one row.
const MAX_RESTARTS: usize = 4;

/// Makes the context of an execution with this number of rows to a batch.
pub(in crate::engine) trait MakeContext:
    Fn(usize) -> Arc<TaskContext> + Send + Sync + 'static
{
}

impl<F: Fn(usize) -> Arc<TaskContext> + Send + Sync + 'static> MakeContext for F {}

/// A plan that runs.
struct Run<C> {
    plan: Arc<dyn ExecutionPlan>,
    context: C,
    /// The number of rows of its batches.
    batch_rows: usize,
    /// How often it may start again.
    restarts: usize,
    rows: SendableRecordBatchStream,
    /// Whether rows were passed on: then the plan cannot start again.
    has_returned: bool,
}

/// The rows of a plan. A plan that writes must not be started again: `may_restart` is false.
pub(in crate::engine) fn restarting(
    plan: Arc<dyn ExecutionPlan>,
    context: impl MakeContext,
    may_restart: bool,
) -> Result<SendableRecordBatchStream> {
    let batch_rows = batch_rows(bytes_of_a_row(&plan)? as u64);
    note_wide_rows(batch_rows);
    let plan = with_batch_rows(plan, batch_rows)?;
    let rows = execute_stream(Arc::clone(&plan), context(batch_rows))?;
    let schema = rows.schema();
    let restarts = if may_restart { MAX_RESTARTS } else { 0 };
    let run = Run { plan, context, batch_rows, restarts, rows, has_returned: false };
    let rows = stream::unfold(run, |mut run| async move { Some((run.next().await?, run)) });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
}

impl<C: MakeContext> Run<C> {
    async fn next(&mut self) -> Option<Result<RecordBatch>> {
        loop {
            let batch = self.rows.next().await?;
            let fewer_rows = match &batch {
                Err(error) if !self.has_returned => {
                    bytes_of_wide_row(error).and_then(|bytes| fewer_rows(bytes, self.batch_rows, self.restarts))
                }
                Ok(_) | Err(_) => None,
            };
            let Some(rows) = fewer_rows else {
                self.has_returned |= !matches!(&batch, Ok(batch) if batch.num_rows() == 0);
                return Some(batch);
            };
            if let Err(error) = self.restart(rows) {
                return Some(Err(error));
            }
        }
    }

    fn restart(&mut self, batch_rows: usize) -> Result<()> {
        self.restarts -= 1;
        self.batch_rows = batch_rows;
        note_wide_rows(batch_rows);
        // Operators keep state between executions, such as the built side of a hash join.
        self.plan = with_batch_rows(reset_plan_states(Arc::clone(&self.plan))?, batch_rows)?;
        self.rows = execute_stream(Arc::clone(&self.plan), (self.context)(batch_rows))?;
        Ok(())
    }
}

/// The number of rows to try if a row has so many bytes. `None` if fewer rows are not possible.
fn fewer_rows(bytes_of_a_row: u64, rows: usize, restarts: usize) -> Option<usize> {
    let fewer = match restarts {
        0 => return None,
        1 => 1,
        // Wider rows may come: the next attempt should be the last.
        _ => batch_rows(bytes_of_a_row.saturating_mul(2)).min(rows / 2).max(1),
    };
    (fewer < rows).then_some(fewer)
}

/// The plan with batches of so many rows. Most operators ask the context for the number; a filter has its own.
fn with_batch_rows(plan: Arc<dyn ExecutionPlan>, batch_rows: usize) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        Ok(match node.downcast_ref::<FilterExec>() {
            Some(filter) if filter.batch_size() != batch_rows => {
                Transformed::yes(Arc::new(filter.with_batch_size(batch_rows)?) as _)
            }
            Some(_) | None => Transformed::no(node),
        })
    })
    .data()
}

/// A query with fewer rows to a batch is polled alone.
const ROWS_OF_WIDE_BATCHES: usize = 128;

fn note_wide_rows(batch_rows: usize) {
    if let Some(query) = query::current()
        && batch_rows < ROWS_OF_WIDE_BATCHES
    {
        query.set_wide_rows();
    }
}

/// The size of a row, in bytes, if an error says that rows are too wide: then smaller batches may help.
fn bytes_of_wide_row(error: &DataFusionError) -> Option<u64> {
    let fault = carried(error.find_root())?;
    match fault.downcast_ref::<Fault>()? {
        Fault::Limit(LimitFault::WideRows { bytes, .. }) => Some(*bytes),
        Fault::Limit(LimitFault::LargeBatch { rows, bytes, .. }) => Some(bytes / (*rows).max(1) as u64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIBIBYTE: u64 = 1 << 10;

    #[test]
    fn a_plan_starts_again_with_rows_that_fit_and_at_last_with_single_rows() {
        assert_eq!(fewer_rows(4 * KIBIBYTE, 8_192, 4), Some(2_048), "16 MiB of rows that are twice as wide");
        assert_eq!(fewer_rows(16 * KIBIBYTE, 2_048, 3), Some(512));
        assert_eq!(fewer_rows(KIBIBYTE, 512, 2), Some(256), "half as many at least");
        assert_eq!(fewer_rows(KIBIBYTE, 256, 1), Some(1));
        assert_eq!(fewer_rows(u64::MAX, 8_192, 4), Some(1));
    }

    #[test]
    fn a_plan_does_not_start_again_if_it_has_single_rows_or_has_started_too_often() {
        assert_eq!(fewer_rows(u64::MAX, 1, 3), None);
        assert_eq!(fewer_rows(4 * KIBIBYTE, 8_192, 0), None);
    }
}
