//! Which operators of a plan may stop reading before the end of their input: LIMIT, and the operators that pass its
//! early stop down to their input.
//!
//! ```text
//! GlobalLimitExec: fetch=10      passes 10 on
//!   HashJoinExec                 passes 10 on, but only to its right child: the left one is read whole
//!     SortExec                   passes nothing on: it needs all of its input before its first row
//!     ResourceScan               may be stopped after 10 rows
//! ```
//!
//! The row count never changes the rows that a query returns: a scan that may stop early reads fewer pages ahead, and a
//! bind join starts with small chunks. A wrong `Some` costs time. A wrong `None` costs requests, and `minimum_requests`
//! may reject a query that would have stopped in time.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::EmissionType;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;

/// The row count after which an operator may drop its input: its own LIMIT, or the one above it (`limited`). `None` for
/// an operator that needs all of its input before its first row. An aggregate with a LIMIT on its groups, in no order,
/// stops as soon as it has them.
pub(super) fn rows_wanted_above(plan: &Arc<dyn ExecutionPlan>, limited: Option<usize>) -> Option<usize> {
    let groups = plan.downcast_ref::<AggregateExec>().and_then(AggregateExec::limit_options);
    if let Some(groups) = groups.filter(|groups| groups.descending().is_none()) {
        return Some(groups.limit());
    }
    let needs_all = plan.is::<SortExec>() || plan.properties().emission_type == EmissionType::Final;
    let own = match plan.downcast_ref::<GlobalLimitExec>() {
        Some(limit) => limit.fetch().map(|rows| rows + limit.skip()),
        None => plan.fetch(),
    };
    if needs_all { None } else { own.or(limited) }
}

/// Whether a child may be stopped early when its parent is.
pub(super) fn stops_with_parent(plan: &Arc<dyn ExecutionPlan>, child: usize) -> bool {
    !reads_left_side_first(plan) || child == 1
}

/// Whether the operator is a join that reads its whole left side into memory before it reads the right side.
pub(super) fn reads_left_side_first(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<HashJoinExec>() || plan.is::<NestedLoopJoinExec>() || plan.is::<CrossJoinExec>()
}
