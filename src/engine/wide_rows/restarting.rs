//! Runs a plan, and starts it again with fewer rows to a batch if its rows are too wide.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use futures::stream::{self, StreamExt};

use super::literals::bytes_of_constants;
use super::{BATCH_ROWS, USUAL_BATCH_ROWS};
use crate::engine::fault::{Fault, carried};
use crate::engine::function_guards::max_batch_bytes;
use crate::engine::limit_fault::LimitFault;
use crate::query;

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
    /// The numbers of rows to try if the rows are too wide.
    fewer_rows: &'static [usize],
    rows: SendableRecordBatchStream,
    /// Whether a batch was passed on: then the plan cannot start again.
    has_returned: bool,
}

/// The rows of a plan. A plan that writes must not be started again: `may_restart` is false.
pub(in crate::engine) fn restarting(
    plan: Arc<dyn ExecutionPlan>,
    context: impl MakeContext,
    may_restart: bool,
) -> Result<SendableRecordBatchStream> {
    let (first, fewer_rows) = first_rows(bytes_of_constants(&plan)?);
    if first < USUAL_BATCH_ROWS {
        note_wide_rows();
    }
    let rows = execute_stream(Arc::clone(&plan), context(first))?;
    let schema = rows.schema();
    let fewer_rows = if may_restart { fewer_rows } else { &[] };
    let run = Run { plan, context, fewer_rows, rows, has_returned: false };
    let rows = stream::unfold(run, |mut run| async move { Some((run.next().await?, run)) });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
}

/// The number of rows to begin with, and the smaller ones.
fn first_rows(bytes_of_constants: usize) -> (usize, &'static [usize]) {
    let fits = |rows: &usize| bytes_of_constants.saturating_mul(*rows) as u64 <= max_batch_bytes();
    let first = BATCH_ROWS.iter().position(fits).unwrap_or(BATCH_ROWS.len() - 1);
    (BATCH_ROWS[first], &BATCH_ROWS[first + 1..])
}

impl<C: MakeContext> Run<C> {
    async fn next(&mut self) -> Option<Result<RecordBatch>> {
        loop {
            let batch = self.rows.next().await?;
            match (batch, self.fewer_rows) {
                (Err(error), [rows, fewer @ ..]) if !self.has_returned && is_too_wide(&error) => {
                    self.fewer_rows = fewer;
                    if let Err(error) = self.restart(*rows) {
                        return Some(Err(error));
                    }
                }
                (batch, _) => {
                    self.has_returned = true;
                    return Some(batch);
                }
            }
        }
    }

    fn restart(&mut self, rows: usize) -> Result<()> {
        // Operators keep state between executions, such as the built side of a hash join.
        note_wide_rows();
        self.plan = reset_plan_states(Arc::clone(&self.plan))?;
        self.rows = execute_stream(Arc::clone(&self.plan), (self.context)(rows))?;
        Ok(())
    }
}

fn note_wide_rows() {
    if let Some(query) = query::current() {
        query.set_wide_rows();
    }
}

/// Whether smaller batches may help.
fn is_too_wide(error: &DataFusionError) -> bool {
    let fault = carried(error.find_root());
    let fault = fault.as_ref().and_then(|error| error.downcast_ref::<Fault>());
    matches!(fault, Some(Fault::Limit(LimitFault::WideRows { .. } | LimitFault::LargeBatch { .. })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_constants_begin_with_fewer_rows() {
        let (mebibyte, fewer) = (1 << 20, |bytes| first_rows(bytes).0);

        assert_eq!(fewer(0), 8_192);
        assert_eq!(fewer(8 << 10), 8_192);
        assert_eq!(fewer((8 << 10) + 1), 128);
        assert_eq!(fewer(mebibyte / 2), 128);
        assert_eq!(fewer(64 * mebibyte), 1);
        assert_eq!(fewer(usize::MAX), 1);
        assert_eq!(first_rows(0).1, [128, 1]);
    }
}
