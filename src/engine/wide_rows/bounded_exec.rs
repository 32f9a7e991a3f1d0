//! An operator that bounds the rows that it passes on.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use futures::stream::{self, StreamExt};

use super::split_lists::{ListColumns, split};
use super::width::{widest_row, widest_value};
use crate::engine::fault::{Fault, to_datafusion};
use crate::engine::function_guards::max_batch_bytes;
use crate::heap;

/// What is bounded.
#[derive(Clone, Debug)]
pub(in crate::engine) enum Bound {
    /// The bytes of a row: a row that is too wide is an error.
    Width,
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
#[derive(Clone, Debug)]
pub(in crate::engine) struct BoundedExec {
    input: Arc<dyn ExecutionPlan>,
    bound: Bound,
}

impl BoundedExec {
    pub(super) fn new(input: Arc<dyn ExecutionPlan>, bound: Bound) -> Self {
        Self { input, bound }
    }
}

/// What was passed on so far.
struct PassedOn {
    rows: u64,
    widest: u64,
    /// The memory of the rows that the operator above keeps.
    kept: MemoryReservation,
}

/// A window makes one batch of all that it has read, and so needs twice the memory of its rows for a moment.
const COPIES_OF_A_WINDOW: usize = 2;

impl Bound {
    /// The rows of a batch in bounded batches. `batch_rows` is the number of rows of the query's batches.
    fn apply(&self, batch: RecordBatch, batch_rows: usize, passed_on: &mut PassedOn) -> Result<Vec<RecordBatch>> {
        match self {
            Self::Kept => {
                passed_on.kept.try_grow(COPIES_OF_A_WINDOW * batch.get_array_memory_size())?;
                Ok(vec![batch])
            }
            Self::Repeated { constants } => {
                passed_on.rows += batch.num_rows() as u64;
                passed_on.widest = passed_on.widest.max(widest_value(&batch) as u64).max(*constants);
                let bytes = passed_on.rows.saturating_mul(passed_on.widest);
                heap::check_room(bytes).map_err(|_| to_datafusion(Fault::NoMemory))?;
                Ok(vec![batch])
            }
            // A sort or a filter above may make a full batch of single rows.
            Self::Width => {
                check_width(&batch, batch_rows).map_err(to_datafusion)?;
                Ok(vec![batch])
            }
            Self::Rows => {
                let starts = (0..batch.num_rows().max(1)).step_by(batch_rows);
                Ok(starts.map(|start| batch.slice(start, batch_rows.min(batch.num_rows() - start))).collect())
            }
            Self::Lists(columns) => split(&batch, columns, batch_rows),
        }
    }
}

/// # Errors
/// [`Fault::WideRows`].
fn check_width(batch: &RecordBatch, rows: usize) -> Result<(), Fault> {
    let (bytes, most) = (widest_row(batch) as u64, max_batch_bytes() / rows.max(1) as u64);
    if bytes > most { Err(Fault::WideRows { bytes, most }) } else { Ok(()) }
}

impl DisplayAs for BoundedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.bound {
            Bound::Width => f.write_str("BoundedExec: width"),
            Bound::Kept => f.write_str("BoundedExec: kept rows"),
            Bound::Repeated { .. } => f.write_str("BoundedExec: repeated values"),
            Bound::Rows => f.write_str("BoundedExec: rows"),
            Bound::Lists(_) => f.write_str("BoundedExec: lists"),
        }
    }
}

impl ExecutionPlan for BoundedExec {
    fn name(&self) -> &'static str {
        "BoundedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        match self.bound {
            Bound::Width | Bound::Rows | Bound::Kept | Bound::Repeated { .. } => CardinalityEffect::Equal,
            Bound::Lists(_) => CardinalityEffect::GreaterEqual,
        }
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.pop() {
            Some(input) if children.is_empty() => Ok(Arc::new(Self { input, ..self.as_ref().clone() })),
            _ => internal_err!("a BoundedExec has one input"),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let batch_rows = context.session_config().batch_size();
        let (input, bound) = (self.input.execute(partition, Arc::clone(&context))?, self.bound.clone());
        let kept = MemoryConsumer::new("window").register(context.memory_pool());
        let mut passed_on = PassedOn { rows: 0, widest: 0, kept };
        let bounded = input.flat_map(move |batch| {
            let batches = match batch.and_then(|batch| bound.apply(batch, batch_rows, &mut passed_on)) {
                Ok(batches) => batches.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            stream::iter(batches)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), bounded)))
    }
}
