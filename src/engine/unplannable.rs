//! Finds what DataFusion cannot plan in an optimized plan: outer references and subqueries that no rule has removed.
//!
//! Its planner says so with the expression's name in a text. Here the plan itself is looked at.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::Fault;

/// The fault that a plan's own expressions show, where DataFusion can't plan it: a column of the outer row for which no join
/// was made, or a subquery that is still one.
pub(super) fn left_over(plan: &LogicalPlan) -> Option<Fault> {
    let mut found = None;
    // Nothing in the walk fails.
    let _ = plan.apply(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                found = fault_of(part);
                Ok(next(found.is_some()))
            })?;
            Ok(next(found.is_some()))
        })?;
        Ok(next(found.is_some()))
    });
    found
}

fn next(found: bool) -> TreeNodeRecursion {
    if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue }
}

fn fault_of(expr: &Expr) -> Option<Fault> {
    match expr {
        Expr::OuterReferenceColumn(..) => Some(Fault::Correlated),
        Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_) => Some(Fault::Subquery),
        // DataFusion runs one that depends on no outer row before the query.
        Expr::ScalarSubquery(own) if own.outer_ref_columns.is_empty() => left_over(&own.subquery),
        Expr::ScalarSubquery(_) => Some(Fault::Subquery),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field};
    use datafusion::common::Column;
    use datafusion::logical_expr::{LogicalPlanBuilder, col, exists, in_subquery, lit, scalar_subquery};

    use super::*;

    fn selecting(expr: Expr) -> LogicalPlan {
        LogicalPlanBuilder::empty(true).project([expr.alias("x")]).unwrap().build().unwrap()
    }

    fn outer() -> Expr {
        let field = Arc::new(Field::new("id", DataType::Int64, true));
        Expr::OuterReferenceColumn(field, Column::from_name("id"))
    }

    #[test]
    fn a_subquery_or_an_outer_column_is_found_wherever_it_is_left() {
        let one = || Arc::new(selecting(lit(1_i64)));
        let correlated = || Arc::new(selecting(outer()));

        assert!(matches!(left_over(&selecting(exists(one()))), Some(Fault::Subquery)));
        assert!(matches!(left_over(&selecting(lit(2) + scalar_subquery(correlated()))), Some(Fault::Subquery)));
        assert!(matches!(left_over(&correlated()), Some(Fault::Correlated)));
        let within = scalar_subquery(Arc::new(selecting(in_subquery(lit(1_i64), one()))));
        assert!(matches!(left_over(&selecting(within)), Some(Fault::Subquery)));
    }

    #[test]
    fn what_datafusion_plans_is_not_left_over() {
        let one = Arc::new(selecting(lit(1_i64)));
        let above = LogicalPlanBuilder::from(selecting(scalar_subquery(one))).filter(col("x").is_not_null()).unwrap();

        assert!(left_over(&above.build().unwrap()).is_none());
    }
}
