//! Scalar subqueries that are correlated by something other than equality.
//!
//! `(SELECT count(*) FROM r WHERE r.k < l.k)` is one aggregate for each value of `l.k`. DataFusion 55 can only rewrite
//! equalities to a join, and fails on other conditions. Here the distinct values of the outer columns are selected
//! first, and the aggregate is computed for each of them:
//!
//! ```text
//! outer rows LEFT JOIN                           ON the row's values, NULL equal to NULL
//!   the operators above the aggregate in the subquery
//!     Aggregate, GROUP BY the values             FILTER (WHERE matched)
//!       values LEFT JOIN the subquery's rows     ON the subquery's conditions
//!         DISTINCT values of the outer columns
//! ```
//!
//! Each value has a group, even if no row matches: its `count` is 0, as SQL requires. That is why the inner join is a
//! LEFT JOIN, and why the aggregates count only matched rows.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Expr, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, SubqueryAlias,
};
use datafusion::prelude::lit;

use super::correlation::{Uncorrelated, is_correlated, resolved, uncorrelated_rows};
use super::{SubqueryNames, refused};
use crate::engine::fault::Fault;

/// How a correlated scalar subquery is rewritten.
pub(super) enum ScalarShape {
    /// DataFusion rewrites it correctly, if it is in a projection or a filter.
    Plain,
    /// An aggregate without GROUP BY whose conditions are not all equalities: rewritten here.
    Aggregate,
}

/// How a correlated scalar subquery can be rewritten.
///
/// # Errors
/// [`Fault::SeveralRows`] if it may return more than one row; [`Fault::Correlated`].
pub(super) fn shape(subquery: &LogicalPlan) -> Result<ScalarShape> {
    let Some(aggregate) = aggregate_of(subquery) else { return Err(refused(several_rows(subquery))) };
    match (is_plain(subquery, aggregate)?, aggregate.group_expr.is_empty()) {
        (true, _) => Ok(ScalarShape::Plain),
        (false, true) => Ok(ScalarShape::Aggregate),
        (false, false) => Err(refused(Fault::Correlated)),
    }
}

/// Whether the subquery refers to the outer query only in equalities of columns, in a filter right below the aggregate.
fn is_plain(subquery: &LogicalPlan, aggregate: &Aggregate) -> Result<bool> {
    let LogicalPlan::Filter(filter) = aggregate.input.as_ref() else { return Ok(false) };
    let mut above = aggregate.aggr_expr.iter().chain(&aggregate.group_expr).any(Expr::contains_outer);
    let mut node = subquery;
    while !matches!(node, LogicalPlan::Aggregate(_)) {
        above |= node.contains_outer_reference();
        let [input] = node.inputs()[..] else { return Ok(false) };
        node = input;
    }
    let terms = split_conjunction(&filter.predicate);
    let equalities = terms.into_iter().filter(|term| term.contains_outer()).all(is_equality_of_columns);
    Ok(!above && equalities && !is_correlated(&filter.input)?)
}

fn several_rows(subquery: &LogicalPlan) -> Fault {
    match subquery {
        LogicalPlan::Projection(projection) => several_rows(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => several_rows(&alias.input),
        LogicalPlan::Limit(_) => Fault::Correlated,
        _ => Fault::SeveralRows,
    }
}

/// The aggregate that computes a subquery's rows.
fn aggregate_of(plan: &LogicalPlan) -> Option<&Aggregate> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => Some(aggregate),
        LogicalPlan::Projection(projection) => aggregate_of(&projection.input),
        LogicalPlan::Filter(filter) => aggregate_of(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => aggregate_of(&alias.input),
        LogicalPlan::Subquery(subquery) => aggregate_of(&subquery.subquery),
        _ => None,
    }
}

/// `inner = outer`, where each side is a column.
fn is_equality_of_columns(condition: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else { return false };
    let pair = (left.as_ref(), right.as_ref());
    matches!(
        pair,
        (Expr::Column(_), Expr::OuterReferenceColumn(..)) | (Expr::OuterReferenceColumn(..), Expr::Column(_))
    )
}

/// The rows of `outer` with the subquery's value as one more column, and that column.
pub(super) fn with_value(
    outer: LogicalPlan,
    subquery: &LogicalPlan,
    names: &mut SubqueryNames,
) -> Result<(LogicalPlan, Expr)> {
    let Uncorrelated { plan, conditions } = for_each_value(&outer, subquery, names)?;
    let alias = names.next();
    let mut columns = plan.schema().columns().into_iter().map(Expr::Column);
    let value = columns.next().ok_or_else(|| refused(Fault::Correlated))?.alias("value");
    let plan = LogicalPlanBuilder::from(plan).project(std::iter::once(value).chain(columns))?.alias(alias.as_str())?;
    let under_alias = |condition: Expr| {
        let condition = condition.transform(|part| match part {
            Expr::Column(column) => Ok(Transformed::yes(Expr::Column(Column::new(Some(alias.as_str()), column.name)))),
            other => Ok(Transformed::no(other)),
        });
        resolved(condition.data()?, outer.schema())
    };
    let same = conditions.into_iter().map(under_alias).collect::<Result<Vec<_>>>()?;
    let plan = LogicalPlanBuilder::from(outer.clone()).join_on(plan.build()?, JoinType::Left, same)?.build()?;
    Ok((plan, Expr::Column(Column::new(Some(alias.as_str()), "value"))))
}

/// Whether a subquery is an aggregate without GROUP BY, with perhaps a HAVING above it.
pub(super) fn is_of_one_group(subquery: &LogicalPlan) -> bool {
    aggregate_of(subquery).is_some_and(|aggregate| aggregate.group_expr.is_empty())
}

/// The rows of a subquery that [`is_of_one_group`], for each combination of values of the outer columns that it refers
/// to. The plan has the subquery's columns, and then the values. The conditions match an outer row to its values.
pub(super) fn for_each_value(
    outer: &LogicalPlan,
    subquery: &LogicalPlan,
    names: &mut SubqueryNames,
) -> Result<Uncorrelated> {
    let mut per_value = PerValue { outer, values: Vec::new(), names };
    let plan = per_value.rows(subquery)?;
    let mut conditions = Vec::new();
    for (at, value) in per_value.values.iter().enumerate() {
        let (_, field) = outer.schema().qualified_field_from_column(value)?;
        let value = Expr::OuterReferenceColumn(Arc::clone(field), value.clone());
        let (left, right) = (Box::new(value), Box::new(key(at)));
        conditions.push(Expr::BinaryExpr(BinaryExpr::new(left, Operator::IsNotDistinctFrom, right)));
    }
    Ok(Uncorrelated { plan, conditions })
}

/// The prefix of the columns that hold the values of outer columns.
const KEY_PREFIX: &str = "__outer_value_";

fn key_name(at: usize) -> String {
    format!("{KEY_PREFIX}{at}")
}

fn key(at: usize) -> Expr {
    Expr::Column(Column::new_unqualified(key_name(at)))
}

/// Rewrites a subquery to compute its rows for each combination of outer values.
struct PerValue<'a> {
    outer: &'a LogicalPlan,
    /// The outer columns that the subquery refers to.
    values: Vec<Column>,
    names: &'a mut SubqueryNames,
}

impl PerValue<'_> {
    fn rows(&mut self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        match plan {
            LogicalPlan::Subquery(subquery) => self.rows(&subquery.subquery),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Filter(filter) => {
                let input = self.rows(&filter.input)?;
                LogicalPlanBuilder::from(input).filter(self.uncorrelated(filter.predicate.clone())?)?.build()
            }
            LogicalPlan::Projection(projection) => {
                let input = self.rows(&projection.input)?;
                let mut columns = Vec::new();
                for expr in &projection.expr {
                    columns.push(self.uncorrelated(expr.clone())?);
                }
                columns.extend((0..self.values.len()).map(key));
                LogicalPlanBuilder::from(input).project(columns)?.build()
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let input = self.rows(&alias.input)?;
                let aliased = SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?;
                // The columns of the values keep unqualified names, which [`key`] refers to.
                let mut columns = Vec::new();
                for column in aliased.schema.columns() {
                    columns.push(match column.name.as_str() {
                        name if name.starts_with(KEY_PREFIX) => Expr::Column(column.clone()).alias(name),
                        _ => Expr::Column(column),
                    });
                }
                LogicalPlanBuilder::from(LogicalPlan::SubqueryAlias(aliased)).project(columns)?.build()
            }
            _ => Err(refused(Fault::Correlated)),
        }
    }

    /// An expression above the aggregate, which must not refer to the outer query.
    fn uncorrelated(&self, expr: Expr) -> Result<Expr> {
        if expr.contains_outer() { Err(refused(Fault::Correlated)) } else { Ok(expr) }
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> Result<LogicalPlan> {
        let Uncorrelated { plan, conditions } = uncorrelated_rows(LogicalPlan::clone(&aggregate.input))?;
        let mut join_conditions = Vec::new();
        for condition in conditions {
            join_conditions.push(self.over_values(condition)?);
        }
        if join_conditions.is_empty() {
            join_conditions.push(lit(true));
        }
        let matched = format!("{}_matched", self.names.next());
        let is_matched = Expr::Column(Column::new_unqualified(matched.as_str()));
        let mut aggregates = Vec::new();
        for expr in &aggregate.aggr_expr {
            // SQL defines an aggregate of outer columns only as an aggregate of the outer query.
            if expr.contains_outer() && expr.column_refs().is_empty() {
                return Err(refused(Fault::Correlated));
            }
            aggregates.push(over_matched_rows(self.over_values(expr.clone())?, &is_matched)?);
        }
        // `over_values` has collected the outer columns, so all of them are known from here on.
        let groups: Vec<Expr> = (0..self.values.len()).map(key).collect();
        let grouped = LogicalPlanBuilder::from(self.distinct_values()?)
            .join_on(with_column(plan, lit(true), &matched)?, JoinType::Left, join_conditions)?
            .aggregate(groups, aggregates)?
            .build()?;
        self.with_aggregates_first(grouped, aggregate)
    }

    /// The distinct values of the outer columns that the subquery refers to.
    fn distinct_values(&self) -> Result<LogicalPlan> {
        let mut columns = Vec::new();
        for (at, column) in self.values.iter().enumerate() {
            columns.push(Expr::Column(column.clone()).alias(key_name(at)));
        }
        LogicalPlanBuilder::from(self.outer.clone()).project(columns)?.distinct()?.build()
    }

    /// The columns of `grouped` in the order of `aggregate`, with its names, and then the values.
    ///
    /// The operators above refer to the aggregates by name, and the subquery's column must be the first one.
    fn with_aggregates_first(&self, grouped: LogicalPlan, aggregate: &Aggregate) -> Result<LogicalPlan> {
        let values = self.values.len();
        let grouped_columns = grouped.schema().columns();
        let mut columns: Vec<Expr> = Vec::new();
        for (at, name) in aggregate.schema.columns().into_iter().enumerate() {
            let value = Expr::Column(grouped_columns[values + at].clone());
            columns.push(value.alias_qualified(name.relation, name.name));
        }
        columns.extend((0..values).map(key));
        LogicalPlanBuilder::from(grouped).project(columns)?.build()
    }

    /// The condition with the value columns in place of outer columns.
    fn over_values(&mut self, condition: Expr) -> Result<Expr> {
        condition
            .transform(|part| match part {
                Expr::OuterReferenceColumn(_, column) => {
                    if !self.outer.schema().has_column(&column) {
                        return Err(refused(Fault::Correlated));
                    }
                    let known = self.values.iter().position(|known| *known == column);
                    let at = known.unwrap_or_else(|| {
                        self.values.push(column);
                        self.values.len() - 1
                    });
                    Ok(Transformed::yes(key(at)))
                }
                other => Ok(Transformed::no(other)),
            })
            .data()
    }
}

/// The rows of `plan` with one more column.
fn with_column(plan: LogicalPlan, value: Expr, name: &str) -> Result<LogicalPlan> {
    let mut columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
    columns.push(value.alias(name));
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// The aggregate with a FILTER for matched rows.
fn over_matched_rows(aggregate: Expr, matched: &Expr) -> Result<Expr> {
    aggregate
        .transform_up(|part| match part {
            Expr::AggregateFunction(mut call) => {
                let filter = match call.params.filter.take() {
                    Some(filter) => filter.and(matched.clone()),
                    None => matched.clone(),
                };
                call.params.filter = Some(Box::new(filter));
                Ok(Transformed::yes(Expr::AggregateFunction(call)))
            }
            other => Ok(Transformed::no(other)),
        })
        .data()
}
