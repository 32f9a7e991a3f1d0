//! Prevents DataFusion's filter push-down from moving a constant condition below an aggregate that returns a row for
//! empty input.
//!
//! DataFusion 55 moves a condition below an aggregate if all of its columns are grouped by, which is true of a
//! condition without columns. But an aggregate without GROUP BY returns a row even if the condition removes all of its
//! input: `… LEFT JOIN (SELECT count(*) AS n FROM t) ON false` returned n = 0 instead of NULL. GROUPING SETS may
//! contain such a group, too.
//!
//! The same rule may also make a condition as large as two to the power of the nested queries, so its result is bounded.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::fault::to_datafusion;
use super::limit_fault::LimitFault;

/// DataFusion's rule `push_down_filter`, which runs only if its result is right, and not too large.
#[derive(Debug)]
pub(super) struct PushDownFilter(pub(super) Arc<dyn OptimizerRule + Send + Sync>);

impl OptimizerRule for PushDownFilter {
    fn name(&self) -> &str {
        self.0.name()
    }

    /// Top down: each step moves a filter below one operator.
    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if must_not_move(&plan) {
            return Ok(Transformed::no(plan));
        }
        let pushed = self.0.rewrite(plan, config)?;
        check_size(&pushed.data).map_err(to_datafusion)?;
        Ok(pushed)
    }
}

/// The maximum number of parts of a condition, constants not counted.
const MAX_PARTS: usize = 100_000;

/// Refuses a condition that has grown too much. Below a projection, it has the projection's expressions in place of its
/// columns: in `SELECT x + x AS x FROM (SELECT x + x AS x FROM …) WHERE x > 0` each level doubles it.
///
/// # Errors
/// [`LimitFault::LargeCondition`].
fn check_size(plan: &LogicalPlan) -> Result<(), LimitFault> {
    for node in [plan].into_iter().chain(plan.inputs()) {
        let LogicalPlan::Filter(filter) = node else { continue };
        let mut parts = 0;
        let counted = filter.predicate.apply(|part| {
            parts += usize::from(!matches!(part, Expr::Literal(..)));
            Ok(if parts > MAX_PARTS { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        });
        if counted.is_err() || parts > MAX_PARTS {
            return Err(LimitFault::LargeCondition { most: MAX_PARTS });
        }
    }
    Ok(())
}

/// Whether the plan is one or more filters above an aggregate that they must not pass.
fn must_not_move(plan: &LogicalPlan) -> bool {
    let mut node = plan;
    let mut has_constant_term = false;
    while let LogicalPlan::Filter(filter) = node {
        has_constant_term |= split_conjunction(&filter.predicate).iter().any(|term| term.column_refs().is_empty());
        node = &filter.input;
    }
    match node {
        LogicalPlan::Aggregate(aggregate) => returns_row_for_empty_input(aggregate) || has_constant_term,
        _ => false,
    }
}

fn returns_row_for_empty_input(aggregate: &Aggregate) -> bool {
    aggregate.group_expr.is_empty() || aggregate.group_expr.iter().any(|group| matches!(group, Expr::GroupingSet(_)))
}
