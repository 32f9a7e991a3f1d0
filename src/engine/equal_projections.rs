//! Prevents DataFusion's rule `optimize_projections` from dropping one of two equal projections.
//!
//! DataFusion 55 takes a projection above an equal one for a repetition. It is one only if it computes nothing:
//! `SELECT x + 1 AS x FROM (SELECT x + 1 AS x FROM (SELECT 1 AS x))` returned 2 instead of 3 (mended for a later version
//! by apache/datafusion pull request 24686).

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// DataFusion's rule `optimize_projections`, for which equal projections are made to differ.
#[derive(Debug)]
pub(super) struct OptimizeProjections(pub(super) Arc<dyn OptimizerRule + Send + Sync>);

impl OptimizerRule for OptimizeProjections {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let plan = plan.transform_up(with_different_input)?;
        plan.transform_data(|plan| self.0.rewrite(plan, config))
    }
}

/// A projection above an equal one gets an input with other expressions of the same value: an alias has one more alias.
fn with_different_input(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Projection(upper) = &plan else { return Ok(Transformed::no(plan)) };
    let LogicalPlan::Projection(lower) = upper.input.as_ref() else { return Ok(Transformed::no(plan)) };
    if upper.expr != lower.expr || upper.expr.iter().all(returns_a_column) {
        return Ok(Transformed::no(plan));
    }
    let expressions =
        lower.expr.iter().map(|expr| if returns_a_column(expr) { expr.clone() } else { aliased_again(expr) });
    let schema = Arc::clone(&lower.schema);
    let lower = Projection::try_new_with_schema(expressions.collect(), Arc::clone(&lower.input), schema)?;
    let input = Arc::new(LogicalPlan::Projection(lower));
    let upper = Projection::try_new_with_schema(upper.expr.clone(), input, Arc::clone(&upper.schema))?;
    Ok(Transformed::yes(LogicalPlan::Projection(upper)))
}

fn returns_a_column(expr: &Expr) -> bool {
    matches!(expr, Expr::Column(_))
}

fn aliased_again(expr: &Expr) -> Expr {
    match expr {
        Expr::Alias(alias) => expr.clone().alias_qualified(alias.relation.clone(), alias.name.clone()),
        other => {
            let (relation, name) = other.qualified_name();
            other.clone().alias_qualified(relation, name)
        }
    }
}
