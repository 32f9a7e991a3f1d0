//! Rewrites IN, EXISTS, ANY and ALL with a subquery to joins that keep SQL's three-valued logic.
//!
//! DataFusion 55 has rules for this, and their results are wrong if NULLs matter: a NOT IN below OR or IS NULL, a
//! correlated NOT IN, an ANY over the table of the outer query (apache/datafusion issues 25347, 25480, 25336, 25474).
//! So each such predicate is rewritten here, after type coercion and before the optimizer.
//!
//! # What a predicate means
//!
//! Each predicate depends on whether some row of the subquery satisfies a condition. Let `x` be the left side, `c` the
//! subquery's column, and `t` and `u` two such conditions:
//!
//! ```text
//! t    there is a row where x = c is true
//! u    there is a row where x = c is NULL: x is NULL and there is a row at all, or c is NULL in one
//!
//! x IN (…)        CASE WHEN t THEN true  WHEN u THEN NULL ELSE false END
//! x NOT IN (…)    CASE WHEN t THEN false WHEN u THEN NULL ELSE true  END
//! x < ANY (…)     as IN, with < in place of =
//! x < ALL (…)     as NOT IN, with >= in place of =
//! EXISTS (…)      there is a row
//! ```
//!
//! # How it is rewritten
//!
//! `t` and `u` become joins, whose right side is the subquery under a new alias (`joins`):
//!
//! ```text
//!     WHERE x IN (…)              rows LeftSemi subquery ON t
//!     WHERE x NOT IN (…)          (rows LeftAnti subquery ON t) LeftAnti subquery ON u
//!     WHERE x IN (…) OR y > 1     Filter: mark OR y > 1, above (rows LeftMark subquery ON t)
//!     SELECT x NOT IN (…)         CASE WHEN mark_t … WHEN mark_u …, above (… LeftMark … ON t) LeftMark … ON u
//! ```
//!
//! - A term of a WHERE keeps the rows for which it is true. False and NULL need not be distinguished: a semi join for
//!   `t`, anti joins for `NOT t` and `NOT u`.
//! - Everywhere else (below OR, NOT, IS NULL, CASE, in a SELECT list, in an aggregate) a mark join adds a boolean
//!   column: whether the row has a match.
//! - If the subquery is uncorrelated and the comparison is an order, one row of aggregates replaces the joins
//!   (`aggregate_facts`).
//!
//! Conditions of the subquery on outer columns move into the join's condition (`correlation`). If that is not possible,
//! the statement is rejected with a hint. So is a subquery that would have to be read twice and may return different
//! rows the second time (`repeatable`). A condition on NULL (`u`) is left out if neither side can be NULL
//! (`nullability`).
//!
//! Scalar subqueries are left to DataFusion, unless its rewrite is wrong or missing (`scalar`). LATERAL becomes a join,
//! too (`lateral`).
//!
//! Do not change without thinking:
//!
//! - Subqueries are rewritten from the inside out: an outer one may contain the joins of an inner one.
//! - Columns that a rewrite adds are always behind the node's own columns, and are dropped again by a projection, so
//!   that the schema of the node stays the same.
//! - Every right side gets a new alias with new column names: the subquery may read the table of the outer query.

mod aggregate_facts;
mod correlation;
mod joins;
mod lateral;
mod nullability;
mod predicate;
mod repeatable;
mod scalar;

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, Projection, Sort,
};
use datafusion::optimizer::AnalyzerRule;

use self::joins::{Joins, Scalars};
use self::predicate::needs_join;
use super::fault::{Fault, to_datafusion as refused};

/// The rule. It has to run after type coercion, which gives both sides of a comparison the same type.
#[derive(Debug)]
pub(super) struct SubqueriesToJoins;

impl AnalyzerRule for SubqueriesToJoins {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let mut names = SubqueryNames::default();
        // From the innermost subquery outwards: an outer one then contains joins instead of inner subqueries.
        plan.transform_up_with_subqueries(|node| rewrite(node, &mut names)).data()
    }

    fn name(&self) -> &str {
        "subqueries_to_joins"
    }
}

/// The prefix of the aliases of subqueries that have become a join's right side.
const SUBQUERY: &str = "__subquery_";

/// Generates a new alias for each subquery that becomes a join's right side.
#[derive(Debug, Default)]
struct SubqueryNames(usize);

impl SubqueryNames {
    fn next(&mut self) -> String {
        self.0 += 1;
        format!("{SUBQUERY}{}", self.0)
    }
}

fn rewrite(node: LogicalPlan, names: &mut SubqueryNames) -> Result<Transformed<LogicalPlan>> {
    if matches!(node, LogicalPlan::Values(_)) && node.expressions().iter().any(holds_subquery) {
        return Err(refused(Fault::Subquery)); // DataFusion computes the rows of VALUES before any subquery
    }
    if let LogicalPlan::Join(join) = &node
        && let Some(subquery) = lateral::subquery(join)?
    {
        return lateral::joined(join, subquery, names).map(Transformed::yes);
    }
    let mut has_subquery = false;
    for expr in node.expressions() {
        has_subquery |= needs_join(&expr)?;
    }
    if !has_subquery {
        return Ok(Transformed::no(node));
    }
    let rewritten = match node {
        LogicalPlan::Filter(filter) => {
            filtered(LogicalPlan::clone(&filter.input), split_conjunction_owned(filter.predicate), names)
        }
        LogicalPlan::Join(join) => joined(join, names),
        LogicalPlan::Projection(_) => computed(node, Scalars::InPlace, names),
        LogicalPlan::Aggregate(_) => computed(node, Scalars::AsColumns, names),
        LogicalPlan::Sort(sort) => {
            let columns = sort.input.schema().fields().len();
            without_marks(sorted(with_columns_of_subqueries(sort)?, names)?, columns)
        }
        LogicalPlan::Window(window) => {
            let columns = window.input.schema().fields().len();
            without_marks(computed(LogicalPlan::Window(window), Scalars::AsColumns, names)?, columns)
        }
        _ => Err(refused(Fault::Subquery)),
    };
    rewritten.map(Transformed::yes)
}

fn holds_subquery(expr: &Expr) -> bool {
    expr.exists(|part| Ok(matches!(part, Expr::ScalarSubquery(_)))).unwrap_or(true)
}

/// The rows of `input` for which all `terms` are true, without the columns that the joins added.
fn filtered(input: LogicalPlan, terms: Vec<Expr>, names: &mut SubqueryNames) -> Result<LogicalPlan> {
    let columns = input.schema().columns();
    let mut joins = Joins::new(input, Scalars::InPlace, names);
    let mut others = Vec::new();
    for term in terms {
        others.extend(joins.keep(term)?);
    }
    let input = joins.into_plan();
    let kept = match conjunction(others) {
        Some(condition) => LogicalPlanBuilder::from(input).filter(condition)?.build()?,
        None => input,
    };
    if kept.schema().fields().len() == columns.len() {
        return Ok(kept);
    }
    LogicalPlanBuilder::from(kept).project(columns.into_iter().map(Expr::Column))?.build()
}

/// A node whose expressions contain subqueries, rewritten over an input that has a column for each subquery.
fn computed(node: LogicalPlan, scalars: Scalars, names: &mut SubqueryNames) -> Result<LogicalPlan> {
    let [input] = node.inputs()[..] else { return Err(refused(Fault::Subquery)) };
    let preserver = NamePreserver::new(&node);
    let mut joins = Joins::new(input.clone(), scalars, names);
    let mut expressions = Vec::new();
    for expression in node.expressions() {
        let name = preserver.save(&expression);
        let expression = if needs_join(&expression)? { joins.value(expression)? } else { expression };
        expressions.push(name.restore(expression));
    }
    node.with_new_exprs(expressions, vec![joins.into_plan()])
}

/// A sort by expressions with subqueries. Each becomes a column below the sort: above some joins, DataFusion loses an
/// order that is not by a column.
fn sorted(mut sort: Sort, names: &mut SubqueryNames) -> Result<LogicalPlan> {
    let mut joins = Joins::new(LogicalPlan::clone(&sort.input), Scalars::AsColumns, names);
    for key in &mut sort.expr {
        if needs_join(&key.expr)? {
            key.expr = joins.column(key.expr.clone())?;
        }
    }
    Ok(LogicalPlan::Sort(Sort { input: Arc::new(joins.into_plan()), ..sort }))
}

/// A node that passes through its input's columns, without those that were added after the first `columns`.
fn without_marks(node: LogicalPlan, columns: usize) -> Result<LogicalPlan> {
    let [input] = node.inputs()[..] else { return Ok(node) };
    let marked = input.schema().fields().len();
    let mut kept = Vec::new();
    for (place, column) in node.schema().columns().into_iter().enumerate() {
        if place < columns || place >= marked {
            kept.push(Expr::Column(column));
        }
    }
    LogicalPlanBuilder::from(node).project(kept)?.build()
}

/// Adds the columns that subqueries of an ORDER BY refer to, and that are not selected. DataFusion adds only those that
/// the ORDER BY refers to itself.
fn with_columns_of_subqueries(sort: Sort) -> Result<Sort> {
    let LogicalPlan::Projection(projection) = sort.input.as_ref() else { return Ok(sort) };
    let mut missing = HashSet::new();
    for key in &sort.expr {
        key.expr.apply(|part| {
            for outer in correlation::outer_columns(part) {
                if !sort.input.schema().has_column(&outer) && projection.input.schema().has_column(&outer) {
                    missing.insert(outer);
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    let mut missing: Vec<Column> = missing.into_iter().collect();
    missing.sort();
    let columns = projection.expr.iter().cloned().chain(missing.into_iter().map(Expr::Column)).collect();
    let projection = Projection::try_new(columns, Arc::clone(&projection.input))?;
    Ok(Sort { input: Arc::new(LogicalPlan::Projection(projection)), ..sort })
}

/// A join with subqueries in its ON. For an inner join they become a filter above it. For an outer join each becomes a
/// column of the side that it refers to; one that refers to both sides is rejected.
fn joined(join: Join, names: &mut SubqueryNames) -> Result<LogicalPlan> {
    let (mut with_subquery, mut without_subquery) = (Vec::new(), Vec::new());
    for term in join.filter.clone().map(split_conjunction_owned).unwrap_or_default() {
        if needs_join(&term)? { with_subquery.push(term) } else { without_subquery.push(term) }
    }
    for (left, right) in &join.on {
        if needs_join(left)? || needs_join(right)? {
            return Err(refused(Fault::Subquery));
        }
    }
    if join.join_type == JoinType::Inner {
        let inner = LogicalPlan::Join(Join { filter: conjunction(without_subquery), ..join });
        return filtered(inner, with_subquery, names);
    }
    let columns = join.schema.columns();
    let (mut left, mut right) = (LogicalPlan::clone(&join.left), LogicalPlan::clone(&join.right));
    let mut filter = without_subquery;
    for term in with_subquery {
        let side = if correlation::is_of(&term, left.schema())? { &mut left } else { &mut right };
        if !correlation::is_of(&term, side.schema())? {
            return Err(refused(Fault::Subquery));
        }
        let mut joins = Joins::new(side.clone(), Scalars::AsColumns, names);
        filter.push(joins.value(term)?);
        *side = joins.into_plan();
    }
    let join = LogicalPlanBuilder::from(left).join_with_expr_keys(
        right,
        join.join_type,
        join.on.into_iter().unzip(),
        conjunction(filter),
    )?;
    join.project(columns.into_iter().map(Expr::Column))?.build()
}

/// The operands of `a AND b` or `a OR b`.
fn connective(expr: &Expr) -> Option<(&Expr, Operator, &Expr)> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            Some((left, *op, right))
        }
        _ => None,
    }
}
