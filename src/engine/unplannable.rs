//! Finds the expressions of an optimized plan that DataFusion cannot plan: outer references and subqueries that no rule
//! has removed.
//!
//! DataFusion's planner reports them only in the text of its error. This module looks at the plan instead.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::Fault;

/// The fault that explains why DataFusion cannot plan `plan`: it still contains a column of an outer row, or a
/// subquery.
pub(super) fn left_over(plan: &LogicalPlan) -> Option<Fault> {
    let mut found = None;
    // The closures return no errors.
    let _ = plan.apply(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                found = fault_of(part);
                Ok(stop_if(found.is_some()))
            })?;
            Ok(stop_if(found.is_some()))
        })?;
        Ok(stop_if(found.is_some()))
    });
    found
}

fn stop_if(found: bool) -> TreeNodeRecursion {
    if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue }
}

fn fault_of(expr: &Expr) -> Option<Fault> {
    match expr {
        Expr::OuterReferenceColumn(..) => Some(Fault::Correlated),
        Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_) => Some(Fault::Subquery),
        // DataFusion runs an uncorrelated scalar subquery before the query.
        Expr::ScalarSubquery(scalar) if scalar.outer_ref_columns.is_empty() => left_over(&scalar.subquery),
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
    fn an_uncorrelated_scalar_subquery_is_not_left_over() {
        let one = Arc::new(selecting(lit(1_i64)));
        let above = LogicalPlanBuilder::from(selecting(scalar_subquery(one))).filter(col("x").is_not_null()).unwrap();

        assert!(left_over(&above.build().unwrap()).is_none());
    }
}
