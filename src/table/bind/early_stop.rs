//! Which operators of a plan may stop reading before the end of their input: LIMIT, and the operators that pass its
//! early stop down to their input.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::EmissionType;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;

/// The row count after which an operator's input may be dropped: its own LIMIT, or the one above it. `None` for an
/// operator that needs all of its input before its first row. An aggregate with a LIMIT on its groups stops early as
/// well.
pub(super) fn passes_on(plan: &Arc<dyn ExecutionPlan>, limited: Option<usize>) -> Option<usize> {
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

/// Whether a child is read only as far as rows are wanted.
pub(super) fn follows(plan: &Arc<dyn ExecutionPlan>, child: usize) -> bool {
    !reads_left_side_first(plan) || child == 1
}

/// The joins that hold their left side in memory before they read the right one.
pub(super) fn reads_left_side_first(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<HashJoinExec>() || plan.is::<NestedLoopJoinExec>() || plan.is::<CrossJoinExec>()
}
