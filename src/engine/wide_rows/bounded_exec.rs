//! An operator that bounds the rows that it passes on.

use arrow::array::RecordBatch;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::{self, StreamExt};

use super::max_batch_bytes;
use super::split_lists::{ListColumns, split};
use super::width::{batch_bytes, widest_row, widest_value};
use crate::engine::fault::to_datafusion;
use crate::engine::function_guards::max_value_bytes;
use crate::engine::limit_fault::LimitFault;
use crate::engine::pass_through::{PassThrough, PassThroughExec};
use crate::heap;

/// What is bounded.
#[derive(Clone, Debug)]
pub(in crate::engine) enum Bound {
    /// The bytes of a row: a row that is too wide is an error, unless all rows together are as small as a batch.
    Width {
        /// The number of values that may be as long as the longest of the row.
        copies: usize,
    },
    /// The bytes of a row that a join may repeat for each row of a batch.
    RepeatedWidth,
    /// The rows of a batch: a batch with more is cut.
    Rows,
    /// The memory of all rows: a window keeps them, and DataFusion does not count them.
    Kept,
    /// The rows of all batches together, if each had the widest value: a window may repeat a value for each of its rows.
    Repeated {
        /// The size of the constants that the window may repeat, in bytes.
        constants: u64,
    },
    /// The rows that UNNEST makes of a batch: lists that are too long are cut.
    Lists(ListColumns),
}

/// Passes on the rows of its input, bounded.
pub(in crate::engine) type BoundedExec = PassThroughExec<Bound>;

/// What was passed on so far.
struct PassedOn {
    rows: u64,
    widest: u64,
    /// The memory of the rows that the operator above keeps.
    kept: MemoryReservation,
}

/// A window makes one batch of all that it has read, and so needs twice the memory of its rows for a moment.
const COPIES_OF_A_WINDOW: usize = 2;

/// Batches that are made when they are read.
type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

impl Bound {
    /// The rows of a batch in bounded batches. `batch_rows` is the number of rows of the query's batches.
    fn apply(&self, batch: RecordBatch, batch_rows: usize, passed_on: &mut PassedOn) -> Result<Batches> {
        match self {
            Self::Kept => passed_on.kept.try_grow(COPIES_OF_A_WINDOW * batch_bytes(&batch))?,
            Self::Repeated { constants } => {
                passed_on.rows += batch.num_rows() as u64;
                passed_on.widest = passed_on.widest.max(widest_value(&batch) as u64).max(*constants);
                let bytes = passed_on.rows.saturating_mul(passed_on.widest);
                heap::check_room(bytes).map_err(|_| to_datafusion(LimitFault::NoMemory))?;
            }
            Self::Width { copies } => {
                check_width(&batch, *copies, batch_rows, passed_on).map_err(to_datafusion)?;
            }
            Self::RepeatedWidth => {
                let (bytes, most) = (widest_row(&batch) as u64, max_value_bytes() / batch_rows.max(1) as u64);
                if bytes > most {
                    return Err(to_datafusion(LimitFault::WideRows { bytes, most }));
                }
            }
            Self::Rows => {
                let starts = (0..batch.num_rows().max(1)).step_by(batch_rows);
                let slices = starts.map(move |start| batch.slice(start, batch_rows.min(batch.num_rows() - start)));
                return Ok(Box::new(slices.map(Ok)));
            }
            Self::Lists(columns) => return split(batch, columns),
        }
        Ok(Box::new(std::iter::once(Ok(batch))))
    }
}

/// Checks the width of rows. A sort above may make a full batch of rows that come one by one; but no batch is larger than
/// all rows together.
///
/// # Errors
/// [`LimitFault::WideRows`].
fn check_width(
    batch: &RecordBatch,
    copies: usize,
    batch_rows: usize,
    passed_on: &mut PassedOn,
) -> Result<(), LimitFault> {
    let bytes = widest_row(batch).max(widest_value(batch).saturating_mul(copies)) as u64;
    passed_on.rows += batch.num_rows() as u64;
    passed_on.widest = passed_on.widest.max(bytes);
    let (rows, most) = (batch_rows.max(1) as u64, max_batch_bytes(batch_rows));
    if passed_on.widest.saturating_mul(passed_on.rows.min(rows)) > most {
        return Err(LimitFault::WideRows { bytes: passed_on.widest, most: most / rows });
    }
    Ok(())
}

impl PassThrough for Bound {
    const NAME: &'static str = "BoundedExec";

    fn details(&self) -> &'static str {
        match self {
            Self::Width { .. } => "width",
            Self::RepeatedWidth => "repeated width",
            Self::Kept => "kept rows",
            Self::Repeated { .. } => "repeated values",
            Self::Rows => "rows",
            Self::Lists(_) => "lists",
        }
    }

    fn pass(&self, input: SendableRecordBatchStream, context: &TaskContext) -> SendableRecordBatchStream {
        let (schema, bound, batch_rows) = (input.schema(), self.clone(), context.session_config().batch_size());
        let kept = MemoryConsumer::new("window").register(context.memory_pool());
        let mut passed_on = PassedOn { rows: 0, widest: 0, kept };
        let bounded = input.flat_map(move |batch| {
            let batches = batch.and_then(|batch| bound.apply(batch, batch_rows, &mut passed_on));
            stream::iter(batches.unwrap_or_else(|error| Box::new(std::iter::once(Err(error)))))
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, bounded))
    }
}
