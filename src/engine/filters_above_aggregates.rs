//! Prevents DataFusion's filter push-down from moving a constant condition below an aggregate that returns a row for
//! empty input.
//!
//! DataFusion 55 moves a condition below an aggregate if all of its columns are grouped by, which is true of a
//! condition without columns. But an aggregate without GROUP BY returns a row even if the condition removes all of its
//! input: `… LEFT JOIN (SELECT count(*) AS n FROM t) ON false` returned n = 0 instead of NULL. GROUPING SETS may
//! contain such a group, too.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// DataFusion's rule `push_down_filter`, which runs only if its result is right.
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
        if must_not_move(&plan) { Ok(Transformed::no(plan)) } else { self.0.rewrite(plan, config) }
    }
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
