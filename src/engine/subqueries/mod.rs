//! IN, EXISTS, ANY and ALL with a subquery, rewritten to joins that keep SQL's three-valued logic.
//!
//! DataFusion 55 has rules for this, and answers wrong where NULLs matter: a NOT IN below OR or IS NULL, a correlated
//! NOT IN, an ANY over the table of the outer query (apache/datafusion issues 25347, 25480, 25336, 25474). So each such
//! predicate is rewritten here, after type coercion and before any rule of the optimizer sees it.
//!
//! # What a predicate means
//!
//! All of them ask whether some row of the subquery meets a condition. With `x` on the left and `c` the subquery's
//! column, and `t`, `u` for two such questions:
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
//! # What becomes of it
//!
//! A question becomes a join, whose right side is the subquery under an alias of its own (`joins`):
//!
//! - a term of a WHERE needs to know only what is true: a semi join for `t`, an anti join for `NOT t` and `NOT u`;
//! - everywhere else (below OR, NOT, IS NULL, CASE, in a SELECT list, in an aggregate) it is a mark join, which adds a
//!   column that says for each row whether there is a match.
//!
//! What a subquery says of the outer query's columns is taken out of it and into the join's condition (`correlation`).
//! Where that is not possible, the statement is refused with a hint. So is a subquery that would have to be read twice
//! and may answer differently the second time (`repeatable`).
//!
//! Scalar subqueries are DataFusion's to join, except where it cannot (`scalar`). LATERAL is a join, too (`lateral`).

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
use self::predicate::asks;
use super::fault::{Fault, to_datafusion as refused};

/// Rewrites every predicate with a subquery. It has to run after type coercion, which makes both sides of a comparison
/// the same type.
#[derive(Debug)]
pub(super) struct SubqueriesToJoins;

impl AnalyzerRule for SubqueriesToJoins {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let mut names = SubqueryNames::default();
        // From the innermost subquery outwards: what is left of an inner one are joins.
        plan.transform_up_with_subqueries(|node| rewrite(node, &mut names)).data()
    }

    fn name(&self) -> &str {
        "subqueries_to_joins"
    }
}

/// What the names of subqueries begin with that have become a join's side.
const SUBQUERY: &str = "__subquery_";

/// Names that no statement has: one for each subquery that becomes a join's side.
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
    let mut any = false;
    for expr in node.expressions() {
        any |= asks(&expr)?;
    }
    if !any {
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
            without_marks(sorted(with_columns_asked_about(sort)?, names)?, columns)
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

/// The rows of `input` for which all `terms` are true.
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

/// A node whose expressions ask subqueries, over an input that has a column for each of these.
fn computed(node: LogicalPlan, scalars: Scalars, names: &mut SubqueryNames) -> Result<LogicalPlan> {
    let [input] = node.inputs()[..] else { return Err(refused(Fault::Subquery)) };
    let preserver = NamePreserver::new(&node);
    let mut joins = Joins::new(input.clone(), scalars, names);
    let mut expressions = Vec::new();
    for expression in node.expressions() {
        let name = preserver.save(&expression);
        let expression = if asks(&expression)? { joins.value(expression)? } else { expression };
        expressions.push(name.restore(expression));
    }
    node.with_new_exprs(expressions, vec![joins.into_plan()])
}

/// A sort by what subqueries tell, each of which is a column below: DataFusion loses track of an order that is more than
/// that above some joins.
fn sorted(mut sort: Sort, names: &mut SubqueryNames) -> Result<LogicalPlan> {
    let mut joins = Joins::new(LogicalPlan::clone(&sort.input), Scalars::AsColumns, names);
    for own in &mut sort.expr {
        if asks(&own.expr)? {
            own.expr = joins.column(own.expr.clone())?;
        }
    }
    Ok(LogicalPlan::Sort(Sort { input: Arc::new(joins.into_plan()), ..sort }))
}

/// A node that passes its input's columns on, with those dropped that were added behind the first `columns`.
fn without_marks(node: LogicalPlan, columns: usize) -> Result<LogicalPlan> {
    let [input] = node.inputs()[..] else { return Ok(node) };
    let marked = input.schema().fields().len();
    let own = node.schema().columns().into_iter().enumerate();
    let kept = own.filter(|(place, _)| *place < columns || *place >= marked).map(|(_, column)| Expr::Column(column));
    let kept: Vec<Expr> = kept.collect();
    LogicalPlanBuilder::from(node).project(kept)?.build()
}

/// ORDER BY may speak of columns that are not selected. DataFusion adds those that it names itself, but not those that
/// its subqueries name.
fn with_columns_asked_about(sort: Sort) -> Result<Sort> {
    let LogicalPlan::Projection(projection) = sort.input.as_ref() else { return Ok(sort) };
    let mut missing = HashSet::new();
    for own in &sort.expr {
        own.expr.apply(|part| {
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

/// A join that asks subqueries in its ON: for an inner join that is a filter above it; for an outer join it can be
/// answered on the side that is spoken of.
fn joined(join: Join, names: &mut SubqueryNames) -> Result<LogicalPlan> {
    let (mut asking, mut plain) = (Vec::new(), Vec::new());
    for term in join.filter.clone().map(split_conjunction_owned).unwrap_or_default() {
        if asks(&term)? { asking.push(term) } else { plain.push(term) }
    }
    for (left, right) in &join.on {
        if asks(left)? || asks(right)? {
            return Err(refused(Fault::Subquery));
        }
    }
    if join.join_type == JoinType::Inner {
        let inner = LogicalPlan::Join(Join { filter: conjunction(plain), ..join });
        return filtered(inner, asking, names);
    }
    let columns = join.schema.columns();
    let (mut left, mut right) = (LogicalPlan::clone(&join.left), LogicalPlan::clone(&join.right));
    let mut filter = plain;
    for term in asking {
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

/// `a AND b`, `a OR b`.
fn connective(expr: &Expr) -> Option<(&Expr, Operator, &Expr)> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            Some((left, *op, right))
        }
        _ => None,
    }
}
