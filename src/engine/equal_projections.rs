//! Prevents DataFusion's rule `optimize_projections` from dropping one of two equal projections.
//!
//! DataFusion 55 takes a projection above an equal one for a repetition. It is one only if it computes nothing:
//! `SELECT x + 1 AS x FROM (SELECT x + 1 AS x FROM (SELECT 1 AS x))` returned 2 instead of 3 (mended for a later version
//! by apache/datafusion pull request 24686).

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// DataFusion's rule `optimize_projections`, for which no two projections are equal.
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
        let mut number = 0;
        let marked = plan.transform_up_with_subqueries(|node| with_marked_input(node, &mut number))?;
        let was_marked = marked.transformed;
        let rewritten = self.0.rewrite(marked.data, config)?;
        if !was_marked {
            return Ok(rewritten);
        }
        let data = rewritten.data.transform_up_with_subqueries(without_marks)?.data;
        Ok(Transformed::new(data, rewritten.transformed, rewritten.tnr))
    }
}

/// How the names of the marks begin. No name of a statement does.
const MARK: &str = "\u{1}equal_projections#";

/// A projection below another one gets marks: each computed expression has one more alias, with a name that is unique in the
/// plan. DataFusion merges a chain of projections step by step, and compares each result with the next projection below,
/// so all that are below another one are marked.
fn with_marked_input(plan: LogicalPlan, number: &mut usize) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Projection(upper) = &plan else { return Ok(Transformed::no(plan)) };
    let LogicalPlan::Projection(lower) = upper.input.as_ref() else { return Ok(Transformed::no(plan)) };
    if lower.expr.iter().all(returns_a_column) {
        return Ok(Transformed::no(plan));
    }
    *number += 1;
    let expressions = lower.expr.iter().map(|expr| marked(expr, *number)).collect();
    let schema = Arc::clone(&lower.schema);
    let lower = Projection::try_new_with_schema(expressions, Arc::clone(&lower.input), schema)?;
    let input = Arc::new(LogicalPlan::Projection(lower));
    let upper = Projection::try_new_with_schema(upper.expr.clone(), input, Arc::clone(&upper.schema))?;
    Ok(Transformed::yes(LogicalPlan::Projection(upper)))
}

fn returns_a_column(expr: &Expr) -> bool {
    matches!(expr, Expr::Column(_))
}

fn marked(expr: &Expr, number: usize) -> Expr {
    let mark = format!("{MARK}{number}");
    match expr {
        Expr::Column(_) => expr.clone(),
        Expr::Alias(alias) => {
            let mut alias = alias.clone();
            alias.expr = Box::new(alias.expr.alias(mark));
            Expr::Alias(alias)
        }
        other => {
            let (relation, name) = other.qualified_name();
            other.clone().alias(mark).alias_qualified(relation, name)
        }
    }
}

/// The node without marks.
fn without_marks(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    plan.map_expressions(|expr| {
        expr.transform_up(|part| match part {
            Expr::Alias(alias) if alias.name.starts_with(MARK) => Ok(Transformed::yes(*alias.expr)),
            Expr::Alias(alias) if alias.metadata.is_none() && is_own_name(&alias) => Ok(Transformed::yes(*alias.expr)),
            other => Ok(Transformed::no(other)),
        })
    })
}

/// Whether an alias gives an expression the name that it has anyway.
fn is_own_name(alias: &Alias) -> bool {
    !matches!(*alias.expr, Expr::Alias(_))
        && alias.expr.qualified_name() == (alias.relation.clone(), alias.name.clone())
}
