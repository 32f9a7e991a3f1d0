//! DataFusion's push-down of filters, kept from taking a condition below an aggregate that makes a row of no rows.
//!
//! A condition without a column may go below any aggregate, by DataFusion 55's rule, because all of its columns are
//! grouped by. Below an aggregate without GROUP BY it changes nothing any more, as there is a row all the same:
//! `… LEFT JOIN (SELECT count(*) AS n FROM t) ON false` gives n = 0 where it is NULL. GROUPING SETS may hold such a
//! group, too.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{Optimizer, OptimizerConfig, OptimizerRule};

/// DataFusion's rule, which is asked only where it is right.
#[derive(Debug)]
struct PushDownFilter(Arc<dyn OptimizerRule + Send + Sync>);

/// DataFusion's own rules, with that one in its place.
pub(super) fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let guarded = |rule: Arc<dyn OptimizerRule + Send + Sync>| match rule.name() {
        "push_down_filter" => Arc::new(PushDownFilter(rule)) as _,
        _ => rule,
    };
    Optimizer::new().rules.into_iter().map(guarded).collect()
}

impl OptimizerRule for PushDownFilter {
    fn name(&self) -> &str {
        self.0.name()
    }

    /// From the top down: each step takes a filter down by one operator.
    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if has_to_stay(&plan) { Ok(Transformed::no(plan)) } else { self.0.rewrite(plan, config) }
    }
}

/// Whether the plan is filters above an aggregate that they must not pass.
fn has_to_stay(plan: &LogicalPlan) -> bool {
    let mut node = plan;
    let mut speaks_of_nothing = false;
    while let LogicalPlan::Filter(filter) = node {
        speaks_of_nothing |= split_conjunction(&filter.predicate).iter().any(|term| term.column_refs().is_empty());
        node = &filter.input;
    }
    match node {
        LogicalPlan::Aggregate(aggregate) => makes_a_row_of_none(aggregate) || speaks_of_nothing,
        _ => false,
    }
}

fn makes_a_row_of_none(aggregate: &Aggregate) -> bool {
    aggregate.group_expr.is_empty() || aggregate.group_expr.iter().any(|group| matches!(group, Expr::GroupingSet(_)))
}
