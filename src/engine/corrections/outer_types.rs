//! The analyzer rule that updates the types of outer columns after type coercion.
//!
//! A subquery's reference to an outer column contains the column's type before coercion. If coercion of a UNION or a
//! CASE below the outer query has changed the type, `r.c = outer.v` compares an integer with a float, and fails at run
//! time. So this rule updates the types, and coerces the plan again if any has changed.

use std::cell::Cell;
use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;

use super::rewritten;

/// The rule.
#[derive(Debug)]
pub(in crate::engine) struct OuterTypes;

impl AnalyzerRule for OuterTypes {
    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let changed = Cell::new(false);
        let current = rewritten(plan, |expr, schema| {
            expr.transform_up(|part| match part {
                Expr::ScalarSubquery(subquery) => {
                    up_to_date(subquery, schema, &changed).map(|updated| updated.update_data(Expr::ScalarSubquery))
                }
                Expr::Exists(Exists { subquery, negated }) => {
                    let updated = up_to_date(subquery, schema, &changed)?;
                    Ok(updated.update_data(|subquery| Expr::Exists(Exists { subquery, negated })))
                }
                Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                    let updated = up_to_date(subquery, schema, &changed)?;
                    Ok(updated.update_data(|subquery| Expr::InSubquery(InSubquery { expr, subquery, negated })))
                }
                Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => {
                    let updated = up_to_date(subquery, schema, &changed)?;
                    Ok(updated
                        .update_data(|subquery| Expr::SetComparison(SetComparison { expr, subquery, op, quantifier })))
                }
                other => Ok(Transformed::no(other)),
            })
        })?;
        if changed.get() { TypeCoercion::new().analyze(current, config) } else { Ok(current) }
    }

    fn name(&self) -> &str {
        "outer_types"
    }
}

/// The subquery with the types that the outer columns have in `schema`. Sets `changed` if any differs.
fn up_to_date(subquery: Subquery, schema: &DFSchema, changed: &Cell<bool>) -> Result<Transformed<Subquery>> {
    let changed_before = changed.get();
    let update = |expr: Expr| with_current_types(expr, schema, changed);
    let plan = LogicalPlan::clone(&subquery.subquery)
        .transform_up_with_subqueries(|node| node.map_expressions(update))
        .data()?;
    let mut outer_ref_columns = Vec::with_capacity(subquery.outer_ref_columns.len());
    for column in &subquery.outer_ref_columns {
        outer_ref_columns.push(update(column.clone()).data()?);
    }
    let current = Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: subquery.spans };
    Ok(Transformed::new_transformed(current, changed.get() != changed_before))
}

/// The expression with the types that its outer columns have in `schema`.
fn with_current_types(expr: Expr, schema: &DFSchema, changed: &Cell<bool>) -> Result<Transformed<Expr>> {
    expr.transform_up(|part| {
        let Expr::OuterReferenceColumn(field, column) = part else { return Ok(Transformed::no(part)) };
        match schema.qualified_field_from_column(&column) {
            Ok((_, current)) if current.data_type() != field.data_type() => {
                changed.set(true);
                Ok(Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(current), column)))
            }
            Ok(_) | Err(_) => Ok(Transformed::no(Expr::OuterReferenceColumn(field, column))),
        }
    })
}
