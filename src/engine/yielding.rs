//! An optimizer rule that makes plans yield to the runtime while they compute.
//!
//! A plan is polled, and computes until it has a batch or has to wait. DataFusion's leaves yield after some number of
//! batches, whatever these cost: 128 batches under an expensive expression took half a minute, in which neither a cancel
//! nor the query's time limit had an effect. And an operator that makes many batches of one does not poll its leaf at
//! all: `SELECT count(*) FROM range(1, 100000000) CROSS JOIN range(1, 100000)` computed for minutes.
//!
//! So [`YieldExec`] is above every leaf, and above every operator that multiplies rows, cuts batches or gets them from other
//! tasks. It yields if the current poll has taken long or has allocated much.

use std::sync::Arc;
use std::task::Poll;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use futures::stream::{StreamExt, poll_fn};

use super::pass_through::{PassThrough, PassThroughExec};
use super::turns::is_turn_over;
use super::wide_rows::BoundedExec;
use crate::table;

/// Inserts [`YieldExec`]. Operators that wait for requests do not compute for long: DataFusion's `CooperativeExec` is enough
/// for them.
#[derive(Debug)]
pub(super) struct YieldInTime;

impl PhysicalOptimizerRule for YieldInTime {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            Ok(match returns_more_than_it_polls(&node) {
                true if table::waits_for_requests(&node) => Transformed::yes(Arc::new(CooperativeExec::new(node)) as _),
                true => Transformed::yes(YieldExec::above(node, Yield)),
                false => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "YieldInTime"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether an operator may return batches without polling an input: it has read them before, or another task has. DataFusion
/// has made the leaves yield that wait for requests.
fn returns_more_than_it_polls(node: &Arc<dyn ExecutionPlan>) -> bool {
    match node.children().len() {
        0 => !table::waits_for_requests(node),
        1 => node.is::<UnnestExec>() || node.is::<BoundedExec>() || is_exchange(node),
        _ => true,
    }
}

/// Whether an operator returns batches that other tasks have made.
fn is_exchange(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.is::<RepartitionExec>() || node.is::<CoalescePartitionsExec>() || node.is::<SortPreservingMergeExec>()
}

/// Yields if the current poll has taken long.
type YieldExec = PassThroughExec<Yield>;

#[derive(Clone, Debug)]
struct Yield;

impl PassThrough for Yield {
    const NAME: &'static str = "YieldExec";

    fn details(&self) -> &'static str {
        ""
    }

    fn pass(&self, mut input: SendableRecordBatchStream, _: &TaskContext) -> SendableRecordBatchStream {
        let schema = input.schema();
        let batches = poll_fn(move |context| {
            if is_turn_over() {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            input.poll_next_unpin(context)
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }
}
