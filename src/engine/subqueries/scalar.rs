//! A scalar subquery that speaks of the outer query by something other than equality.
//!
//! `(SELECT count(*) FROM r WHERE r.k < l.k)` is an aggregate for each value of `l.k`. DataFusion 55 makes a join only of
//! equalities, and fails with a sentence of its own on the rest. Here the values that the subquery speaks of are taken
//! from the outer rows first, each once, and the aggregate is made for each of them:
//!
//! ```text
//! outer rows LEFT JOIN            on its own values, NULL like NULL
//!   what stands above the aggregate in the subquery
//!     Aggregate by the values, counting matched rows alone
//!       values LEFT JOIN the subquery's rows  on its conditions
//!         DISTINCT values of the outer rows
//! ```
//!
//! Each value has a group, also one without a matched row: there a `count` is 0, as SQL says.

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

/// What DataFusion can do about a correlated scalar subquery.
pub(super) enum ScalarShape {
    /// It makes the right join of it, in a projection or a filter.
    Plain,
    /// An aggregate without GROUP BY, over conditions that are no equalities.
    Aggregate,
}

/// # Errors
/// [`Fault::SeveralRows`]: it may have more than one row; [`Fault::Correlated`].
pub(super) fn shape(subquery: &LogicalPlan) -> Result<ScalarShape> {
    let Some(aggregate) = aggregate_of(subquery) else { return Err(refused(several_rows(subquery))) };
    match (is_plain(subquery, aggregate)?, aggregate.group_expr.is_empty()) {
        (true, _) => Ok(ScalarShape::Plain),
        (false, true) => Ok(ScalarShape::Aggregate),
        (false, false) => Err(refused(Fault::Correlated)),
    }
}

/// Whether all that the subquery says of the outer query are equalities of columns, in a filter right below the
/// aggregate.
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
        LogicalPlan::Projection(own) => several_rows(&own.input),
        LogicalPlan::SubqueryAlias(own) => several_rows(&own.input),
        LogicalPlan::Limit(_) => Fault::Correlated,
        _ => Fault::SeveralRows,
    }
}

/// The aggregate that a subquery's rows are made of.
fn aggregate_of(plan: &LogicalPlan) -> Option<&Aggregate> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => Some(aggregate),
        LogicalPlan::Projection(own) => aggregate_of(&own.input),
        LogicalPlan::Filter(own) => aggregate_of(&own.input),
        LogicalPlan::SubqueryAlias(own) => aggregate_of(&own.input),
        LogicalPlan::Subquery(own) => aggregate_of(&own.subquery),
        _ => None,
    }
}

/// `inner = outer`, each side a column alone.
fn is_equality_of_columns(condition: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else { return false };
    let pair = (left.as_ref(), right.as_ref());
    matches!(
        pair,
        (Expr::Column(_), Expr::OuterReferenceColumn(..)) | (Expr::OuterReferenceColumn(..), Expr::Column(_))
    )
}

/// The rows of `outer` with one more column, the subquery's value for each, and that column.
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

/// The rows of such a subquery for each of the values that it speaks of: its own columns, and then the values. The
/// conditions say for which values an outer row is.
pub(super) fn for_each_value(
    outer: &LogicalPlan,
    subquery: &LogicalPlan,
    names: &mut SubqueryNames,
) -> Result<Uncorrelated> {
    let mut made = Made { outer, values: Vec::new(), names };
    let plan = made.rows(subquery)?;
    let mut conditions = Vec::new();
    for (at, value) in made.values.iter().enumerate() {
        let (_, field) = outer.schema().qualified_field_from_column(value)?;
        let value = Expr::OuterReferenceColumn(Arc::clone(field), value.clone());
        let (left, right) = (Box::new(value), Box::new(key(at)));
        conditions.push(Expr::BinaryExpr(BinaryExpr::new(left, Operator::IsNotDistinctFrom, right)));
    }
    Ok(Uncorrelated { plan, conditions })
}

fn key_name(at: usize) -> String {
    format!("__outer_value_{at}")
}

fn key(at: usize) -> Expr {
    Expr::Column(Column::new_unqualified(key_name(at)))
}

/// The subquery for each of the values that it speaks of.
struct Made<'a> {
    outer: &'a LogicalPlan,
    /// The outer columns that the subquery speaks of.
    values: Vec<Column>,
    names: &'a mut SubqueryNames,
}

impl Made<'_> {
    fn rows(&mut self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        match plan {
            LogicalPlan::Subquery(own) => self.rows(&own.subquery),
            LogicalPlan::Aggregate(own) => self.aggregate(own),
            LogicalPlan::Filter(own) => {
                let input = self.rows(&own.input)?;
                LogicalPlanBuilder::from(input).filter(self.own(own.predicate.clone())?)?.build()
            }
            LogicalPlan::Projection(own) => {
                let input = self.rows(&own.input)?;
                let mut columns = Vec::new();
                for expr in &own.expr {
                    columns.push(self.own(expr.clone())?);
                }
                columns.extend((0..self.values.len()).map(key));
                LogicalPlanBuilder::from(input).project(columns)?.build()
            }
            LogicalPlan::SubqueryAlias(own) => {
                let input = self.rows(&own.input)?;
                let aliased = SubqueryAlias::try_new(Arc::new(input), own.alias.clone())?;
                // The values keep names without a qualifier.
                let columns = aliased.schema.columns().into_iter().map(|column| match column.name.as_str() {
                    name if name.starts_with("__outer_value_") => Expr::Column(column.clone()).alias(name),
                    _ => Expr::Column(column),
                });
                let columns: Vec<Expr> = columns.collect();
                LogicalPlanBuilder::from(LogicalPlan::SubqueryAlias(aliased)).project(columns)?.build()
            }
            _ => Err(refused(Fault::Correlated)),
        }
    }

    /// Above the aggregate nothing may speak of the outer query.
    fn own(&self, expr: Expr) -> Result<Expr> {
        if expr.contains_outer() { Err(refused(Fault::Correlated)) } else { Ok(expr) }
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> Result<LogicalPlan> {
        let Uncorrelated { plan, conditions } = uncorrelated_rows(LogicalPlan::clone(&aggregate.input))?;
        let mut conditions = conditions.into_iter().map(|own| self.over_values(own)).collect::<Result<Vec<_>>>()?;
        if conditions.is_empty() {
            conditions.push(lit(true));
        }
        let mut aggregates = Vec::new();
        for own in &aggregate.aggr_expr {
            // SQL takes an aggregate of outer columns alone for one of the outer query.
            if own.contains_outer() && own.column_refs().is_empty() {
                return Err(refused(Fault::Correlated));
            }
            aggregates.push(self.over_values(own.clone())?);
        }
        let values: Vec<Expr> =
            self.values.iter().enumerate().map(|(at, own)| Expr::Column(own.clone()).alias(key_name(at))).collect();
        let values = LogicalPlanBuilder::from(self.outer.clone()).project(values)?.distinct()?.build()?;

        let matched = format!("{}_matched", self.names.next());
        let mut columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
        columns.push(lit(true).alias(matched.as_str()));
        let rows = LogicalPlanBuilder::from(plan).project(columns)?.build()?;
        let joined = LogicalPlanBuilder::from(values).join_on(rows, JoinType::Left, conditions)?.build()?;

        let matched = Expr::Column(Column::new_unqualified(matched));
        let counted = aggregates.into_iter().map(|own| of_matched(own, &matched));
        let groups: Vec<Expr> = (0..self.values.len()).map(key).collect();
        let made = LogicalPlanBuilder::from(joined).aggregate(groups, counted.collect::<Result<Vec<_>>>()?)?.build()?;
        // What stands above looks for the aggregates by their names, and for the subquery's column in the first place.
        let names = aggregate.schema.columns();
        let values = self.values.len();
        let places = made.schema().columns();
        let mut columns: Vec<Expr> = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let own = Expr::Column(places[values + at].clone());
            columns.push(own.alias_qualified(name.relation.clone(), name.name.clone()));
        }
        columns.extend((0..values).map(key));
        LogicalPlanBuilder::from(made).project(columns)?.build()
    }

    /// The condition over the values in place of outer columns.
    fn over_values(&mut self, condition: Expr) -> Result<Expr> {
        condition
            .transform(|part| match part {
                Expr::OuterReferenceColumn(_, column) => {
                    if !self.outer.schema().has_column(&column) {
                        return Err(refused(Fault::Correlated));
                    }
                    let known = self.values.iter().position(|own| *own == column);
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

/// The aggregate over matched rows alone.
fn of_matched(aggregate: Expr, matched: &Expr) -> Result<Expr> {
    aggregate
        .transform_up(|part| match part {
            Expr::AggregateFunction(mut own) => {
                let filter = match own.params.filter.take() {
                    Some(filter) => filter.and(matched.clone()),
                    None => matched.clone(),
                };
                own.params.filter = Some(Box::new(filter));
                Ok(Transformed::yes(Expr::AggregateFunction(own)))
            }
            other => Ok(Transformed::no(other)),
        })
        .data()
}
