//! LATERAL: a derived table that refers to the rows on its left.
//!
//! DataFusion 55 moves the conditions out of it as if it were an EXISTS: a DISTINCT then returns duplicates, a window
//! counts rows of other outer rows, a HAVING is dropped (apache/datafusion issue 21198), and an aggregate over an
//! inequality fails. Here each row of the derived table is returned exactly as often as it should be:
//!
//! ```text
//! left JOIN LATERAL (SELECT f(left, rows) FROM rows WHERE condition(left, rows)) t ON on(left, t)
//!
//! inner: SELECT left, t FROM (SELECT left, f(left, rows) AS t FROM left JOIN rows ON condition(left, rows)) WHERE on(left, t)
//! left:  SELECT left, f(left, rows) AS t FROM left LEFT JOIN rows ON condition(left, rows) AND on(left, f(left, rows))
//! ```
//!
//! A left join evaluates `f` twice, so `f` must not be volatile, and its ON must not contain a subquery.
//!
//! An aggregate without GROUP BY is computed for each combination of outer values (`scalar`).

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr, when};
use datafusion::prelude::lit;

use super::correlation::{Uncorrelated, is_correlated, resolved, uncorrelated_rows};
use super::predicate::needs_join;
use super::repeatable::check_repeatable;
use super::{SubqueryNames, filtered, holds_subquery, refused, scalar};
use crate::engine::fault::Fault;

/// The derived table on a join's right side, if it is correlated.
pub(super) fn subquery(join: &Join) -> Result<Option<&LogicalPlan>> {
    let right = match join.right.as_ref() {
        LogicalPlan::SubqueryAlias(alias) => alias.input.as_ref(),
        other => other,
    };
    let LogicalPlan::Subquery(subquery) = right else { return Ok(None) };
    Ok(is_correlated(&subquery.subquery)?.then_some(subquery.subquery.as_ref()))
}

/// The join with the derived table's rows.
///
/// # Errors
/// [`Fault::Correlated`] if its conditions cannot be moved out of it.
pub(super) fn joined(join: &Join, subquery: &LogicalPlan, names: &mut SubqueryNames) -> Result<LogicalPlan> {
    if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
        return Err(refused(Fault::Correlated));
    }
    let left = LogicalPlan::clone(&join.left);
    let right = LateralRows::new(&left, subquery, names)?;
    let keys = join.on.iter().map(|(left, right)| binary_expr(left.clone(), Operator::Eq, right.clone()));
    let on: Vec<Expr> = keys.chain(join.filter.clone().map(split_conjunction_owned).into_iter().flatten()).collect();

    let mut conditions = right.conditions.clone();
    if join.join_type == JoinType::Left {
        if right.values.iter().any(Expr::is_volatile) {
            return Err(refused(Fault::Unrepeatable { why: "a volatile function" }));
        }
        for term in &on {
            if needs_join(term)? || holds_subquery(term) {
                return Err(refused(Fault::Subquery));
            }
            conditions.push(right.over_values(join, term.clone())?);
        }
    }
    let conditions = conditions.into_iter().reduce(Expr::and).unwrap_or_else(|| lit(true));

    let mut columns: Vec<Expr> = left.schema().columns().into_iter().map(Expr::Column).collect();
    for (value, name) in right.values.iter().zip(join.right.schema().columns()) {
        let value = match join.join_type {
            JoinType::Left => when(right.matched.clone(), value.clone()).end()?,
            _ => value.clone(),
        };
        columns.push(value.alias_qualified(name.relation, name.name));
    }
    let rows =
        LogicalPlanBuilder::from(left).join_on(right.plan, join.join_type, [conditions])?.project(columns)?.build()?;
    match join.join_type {
        JoinType::Inner if !on.is_empty() => filtered(rows, on, names),
        _ => Ok(rows),
    }
}

/// The rows of the derived table for all outer rows.
struct LateralRows {
    plan: LogicalPlan,
    /// The derived table's conditions on outer columns.
    conditions: Vec<Expr>,
    /// The derived table's columns, as expressions over `plan` and the outer rows.
    values: Vec<Expr>,
    /// A column that is true for a match, and NULL for an outer row without a match.
    matched: Expr,
}

impl LateralRows {
    fn new(left: &LogicalPlan, subquery: &LogicalPlan, names: &mut SubqueryNames) -> Result<Self> {
        let (rows, values) = without_outer_values(subquery)?;
        let Uncorrelated { plan, conditions } = match is_correlated(rows)? {
            true if scalar::is_of_one_group(rows) => {
                check_repeatable(&lit(true), left)?;
                scalar::for_each_value(left, rows, names)?
            }
            _ => uncorrelated_rows(rows.clone())?,
        };
        let (alias, schema) = (names.next(), Arc::clone(plan.schema()));
        let column = |place: usize| Expr::Column(Column::new(Some(alias.as_str()), format!("column_{place}")));
        let renamed = |expr: Expr| {
            let renamed = expr.transform(|part| match part {
                Expr::Column(inner) => Ok(Transformed::yes(column(schema.index_of_column(&inner)?))),
                other => Ok(Transformed::no(other)),
            });
            resolved(renamed.data()?, left.schema())
        };
        let conditions = conditions.into_iter().map(renamed).collect::<Result<_>>()?;
        let values = match values {
            Some(values) => values.iter().cloned().map(|value| renamed(value.unalias())).collect::<Result<_>>()?,
            None => (0..rows.schema().fields().len()).map(column).collect(),
        };
        let mut columns: Vec<Expr> = Vec::new();
        for (place, inner) in schema.columns().into_iter().enumerate() {
            columns.push(Expr::Column(inner).alias(format!("column_{place}")));
        }
        let matched = column(columns.len());
        columns.push(lit(true).alias(format!("column_{}", columns.len())));
        let plan = LogicalPlanBuilder::from(plan).project(columns)?.alias(alias.as_str())?.build()?;
        Ok(Self { plan, conditions, values, matched })
    }

    /// A condition of the join's ON, with the values of the derived table's columns in place of the columns.
    fn over_values(&self, join: &Join, condition: Expr) -> Result<Expr> {
        let named = join.right.schema();
        condition
            .transform(|part| match part {
                Expr::Column(column) if named.has_column(&column) => {
                    Ok(Transformed::yes(self.values[named.index_of_column(&column)?].clone()))
                }
                other => Ok(Transformed::no(other)),
            })
            .data()
    }
}

/// Splits a derived table that computes expressions of outer columns into its rows and its select list.
fn without_outer_values(subquery: &LogicalPlan) -> Result<(&LogicalPlan, Option<&[Expr]>)> {
    match subquery {
        LogicalPlan::Projection(projection) if projection.expr.iter().any(Expr::contains_outer) => {
            if projection.expr.iter().any(holds_subquery) {
                return Err(refused(Fault::Correlated));
            }
            Ok((projection.input.as_ref(), Some(&projection.expr)))
        }
        _ => Ok((subquery, None)),
    }
}
