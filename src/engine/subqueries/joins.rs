//! Builds the joins of predicates with a subquery.
//!
//! [`Joins`] holds a plan of rows, and each rewritten predicate adds a join above it:
//!
//! ```text
//!     keep(term)     in a WHERE:   semi and anti joins; returns a condition if a join cannot express the term
//!     value(expr)    elsewhere:    mark joins; returns the expression over their columns
//! ```
//!
//! A comparison is handled by the first of these that applies: it is NULL for every row; the subquery has exactly one
//! row (a scalar comparison); aggregates are enough (`aggregate_facts`); joins. Each join reads the subquery again, so
//! a comparison that needs several joins is checked to be repeatable first ([`Joins::check`]).

use std::ops::Not;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Spans};
use datafusion::error::Result;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    BinaryExpr, Distinct, Expr, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, when,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::prelude::lit;

use super::aggregate_facts::{self, Facts};
use super::correlation::{Uncorrelated, is_correlated, resolved, uncorrelated};
use super::nullability::{column_is_never_null, is_never_null};
use super::predicate::Predicate;
use super::repeatable::check_repeatable;
use super::scalar::{self, ScalarShape};
use super::{SubqueryNames, connective, refused};
use crate::engine::fault::Fault;

/// A plan of rows, and the joins above them. The columns that joins add are behind those of the rows.
pub(super) struct Joins<'a> {
    plan: LogicalPlan,
    scalars: Scalars,
    names: &'a mut SubqueryNames,
}

/// Where a correlated scalar subquery that DataFusion can rewrite may be.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Scalars {
    /// In the expression itself: the node is a projection or a filter.
    InPlace,
    /// In a projection below: the node is another one, which DataFusion does not rewrite.
    AsColumns,
}

/// The right side of a join: a subquery under a new alias.
struct Side {
    plan: LogicalPlan,
    /// The subquery's column.
    value: Expr,
    /// The subquery's conditions on columns of the left side.
    conditions: Vec<Expr>,
}

/// A comparison with each row of a subquery.
struct Comparison {
    left: Expr,
    op: Operator,
    subquery: LogicalPlan,
}

impl<'a> Joins<'a> {
    /// The rows of `plan`, without joins yet.
    pub(super) fn new(plan: LogicalPlan, scalars: Scalars, names: &'a mut SubqueryNames) -> Self {
        Self { plan, scalars, names }
    }

    /// The rows, with the columns that the joins added.
    pub(super) fn into_plan(self) -> LogicalPlan {
        self.plan
    }

    /// Keeps the rows for which a term is true. Returns a condition to filter by if the joins do not express all of the
    /// term.
    pub(super) fn keep(&mut self, term: Expr) -> Result<Option<Expr>> {
        match Predicate::of(&term)? {
            None => self.condition(term).map(Some),
            Some(Predicate::Exists { subquery, negated }) if is_one_row(&subquery) => Ok(Some(lit(!negated))),
            Some(Predicate::Exists { subquery, negated }) => {
                let side = self.side(rows_of(subquery))?;
                let kept = if negated { JoinType::LeftAnti } else { JoinType::LeftSemi };
                self.join(side, kept, None)?;
                Ok(None)
            }
            Some(Predicate::Any { left, op, subquery, negated }) => {
                let left = self.without_subquery(left)?;
                self.keep_compared(&Comparison { left, op, subquery }, negated)
            }
        }
    }

    fn keep_compared(&mut self, comparison: &Comparison, negated: bool) -> Result<Option<Expr>> {
        if let Some(scalar) = comparison.with_the_only_row(negated)? {
            return self.value(scalar).map(Some);
        }
        if comparison.is_never_true()? && !negated {
            return Ok(Some(lit(false)));
        }
        if let Some((is_true, is_unknown)) = self.facts(comparison, !negated)? {
            return Ok(Some(if negated { is_true.or(is_unknown).not() } else { is_true }));
        }
        if !negated {
            self.matches(comparison, JoinType::LeftSemi)?;
            return Ok(None);
        }
        self.check(comparison)?;
        if !comparison.is_never_true()? {
            self.matches(comparison, JoinType::LeftAnti)?;
        }
        self.unknown(comparison, JoinType::LeftAnti)?;
        Ok(None)
    }

    /// A condition that is true for the same rows as `expr`. Where `expr` is NULL it may be false, which a WHERE does
    /// not distinguish.
    fn condition(&mut self, expr: Expr) -> Result<Expr> {
        if let Some((left, op, right)) = connective(&expr) {
            let (left, right) = (self.condition(left.clone())?, self.condition(right.clone())?);
            return Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))));
        }
        match Predicate::of(&expr)? {
            Some(predicate) => self.is_true(predicate),
            None => self.value(expr),
        }
    }

    /// The expression with a column, or an expression of columns, in place of each subquery.
    pub(super) fn value(&mut self, expr: Expr) -> Result<Expr> {
        expr.transform_down(|part| match (Predicate::of(&part)?, part) {
            (Some(_), Expr::Alias(alias)) => {
                let inner = self.value(*alias.expr)?;
                let aliased = inner.alias_qualified(alias.relation, alias.name);
                Ok(Transformed::new(aliased, true, TreeNodeRecursion::Jump))
            }
            (Some(predicate), _) => Ok(Transformed::new(self.three_valued(predicate)?, true, TreeNodeRecursion::Jump)),
            (None, Expr::ScalarSubquery(subquery)) if is_correlated(&subquery.subquery)? => {
                Ok(Transformed::new(self.scalar(subquery)?, true, TreeNodeRecursion::Jump))
            }
            (None, part) => Ok(Transformed::no(part)),
        })
        .data()
    }

    /// As [`Joins::value`], but the value becomes a column of the rows.
    pub(super) fn column(&mut self, expr: Expr) -> Result<Expr> {
        let value = self.value(expr)?;
        self.as_column(value)
    }

    fn scalar(&mut self, subquery: Subquery) -> Result<Expr> {
        match scalar::shape(&subquery.subquery)? {
            ScalarShape::Plain if self.scalars == Scalars::InPlace => Ok(Expr::ScalarSubquery(subquery)),
            ScalarShape::Plain => self.as_column(Expr::ScalarSubquery(subquery)),
            ScalarShape::Aggregate => {
                // The outer rows are read twice: for themselves, and for the values that the subquery refers to.
                check_repeatable(&lit(true), &self.plan)?;
                let outer = std::mem::take(&mut self.plan);
                let (plan, value) = scalar::with_value(outer, &subquery.subquery, self.names)?;
                self.plan = plan;
                Ok(value)
            }
        }
    }

    /// The expression without subqueries, so that a join's condition can contain it.
    fn without_subquery(&mut self, expr: Expr) -> Result<Expr> {
        let expr = self.value(expr)?;
        let has_subquery = expr.exists(|part| Ok(matches!(part, Expr::ScalarSubquery(_))))?;
        if has_subquery { self.as_column(expr) } else { Ok(expr) }
    }

    fn as_column(&mut self, expr: Expr) -> Result<Expr> {
        let name = self.names.next();
        let mut columns: Vec<Expr> = self.plan.schema().columns().into_iter().map(Expr::Column).collect();
        columns.push(expr.alias(name.as_str()));
        self.plan = LogicalPlanBuilder::from(std::mem::take(&mut self.plan)).project(columns)?.build()?;
        Ok(Expr::Column(Column::new_unqualified(name)))
    }

    fn is_true(&mut self, predicate: Predicate) -> Result<Expr> {
        let Predicate::Any { left, op, subquery, negated } = predicate else { return self.three_valued(predicate) };
        let left = self.without_subquery(left)?;
        let comparison = Comparison { left, op, subquery };
        if let Some(scalar) = comparison.with_the_only_row(negated)? {
            return self.value(scalar);
        }
        if let Some((is_true, is_unknown)) = self.facts(&comparison, !negated)? {
            return Ok(if negated { is_true.or(is_unknown).not() } else { is_true });
        }
        if !negated {
            return self.has_match(&comparison);
        }
        self.check(&comparison)?;
        let matches = self.has_match(&comparison)?;
        let unknown = self.unknown(&comparison, JoinType::LeftMark)?;
        Ok(unknown.into_iter().fold(matches, Expr::or).not())
    }

    fn three_valued(&mut self, predicate: Predicate) -> Result<Expr> {
        match predicate {
            Predicate::Exists { subquery, negated } if is_one_row(&subquery) => Ok(lit(!negated)),
            Predicate::Exists { subquery, negated } => {
                let side = self.side(rows_of(subquery))?;
                let exists = self.mark(|joins| joins.join(side, JoinType::LeftMark, None))?;
                Ok(if negated { exists.not() } else { exists })
            }
            Predicate::Any { left, op, subquery, negated } => {
                let left = self.without_subquery(left)?;
                self.compared(&Comparison { left, op, subquery }, negated)
            }
        }
    }

    fn compared(&mut self, comparison: &Comparison, negated: bool) -> Result<Expr> {
        if let Some(scalar) = comparison.with_the_only_row(negated)? {
            return self.value(scalar);
        }
        let (matches, unknown) = match self.facts(comparison, false)? {
            Some((is_true, is_unknown)) => (is_true, Some(is_unknown)),
            None => {
                self.check(comparison)?;
                let matches = self.has_match(comparison)?;
                (matches, self.unknown(comparison, JoinType::LeftMark)?.into_iter().reduce(Expr::or))
            }
        };
        match unknown {
            Some(unknown) => {
                when(matches, lit(!negated)).when(unknown, aggregate_facts::unknown()).otherwise(lit(negated))
            }
            None if negated => Ok(matches.not()),
            None => Ok(matches),
        }
    }

    /// Whether a comparison is true for some row, and whether it is NULL for some row, computed from aggregates. `None`
    /// if joins have to be used.
    ///
    /// An equality uses joins, unless the joins would read a subquery more than once that is not repeatable. `once`:
    /// joins would read it once.
    fn facts(&mut self, comparison: &Comparison, once: bool) -> Result<Option<(Expr, Expr)>> {
        let Comparison { left, op, subquery } = comparison;
        let column = subquery.schema().field(0).data_type();
        if !aggregate_facts::can_be_aggregated(*op, column) || left.is_volatile() || is_correlated(subquery)? {
            return Ok(None);
        }
        if *op == Operator::Eq && (once || self.check(comparison).is_ok()) {
            return Ok(None);
        }
        let outer = std::mem::take(&mut self.plan);
        let (plan, facts) = Facts::joined(outer, subquery.clone(), *op, self.names.next())?;
        self.plan = plan;
        Ok(Some((facts.is_true(left.clone(), *op), facts.is_unknown(left.clone()))))
    }

    fn has_match(&mut self, comparison: &Comparison) -> Result<Expr> {
        if comparison.is_never_true()? {
            return Ok(lit(false));
        }
        self.mark(|joins| joins.matches(comparison, JoinType::LeftMark))
    }

    /// Checks that the comparison can be evaluated several times, unless one join is enough because it is never NULL.
    fn check(&self, comparison: &Comparison) -> Result<()> {
        let needs_one_join =
            is_never_null(&comparison.left, &self.plan) && column_is_never_null(&comparison.subquery, 0);
        if needs_one_join { Ok(()) } else { check_repeatable(&comparison.left, &comparison.subquery) }
    }

    /// Adds the join for `t`: there is a row for which the comparison is true.
    fn matches(&mut self, comparison: &Comparison, join_type: JoinType) -> Result<()> {
        let side = self.side(comparison.subquery.clone())?;
        let (left, right) = (Box::new(comparison.left.clone()), Box::new(side.value.clone()));
        let condition = Expr::BinaryExpr(BinaryExpr::new(left, comparison.op, right));
        self.join(side, join_type, Some(condition))
    }

    /// Adds the joins for `u`: there is a row for which the comparison is NULL. There are two possible reasons, `left`
    /// is NULL or the subquery's value is, and one join for each that can occur. Returns their marks, if they are mark
    /// joins.
    fn unknown(&mut self, comparison: &Comparison, join_type: JoinType) -> Result<Vec<Expr>> {
        let mut marks = Vec::new();
        if !is_never_null(&comparison.left, &self.plan) {
            let side = self.side(comparison.subquery.clone())?;
            let left_is_null = comparison.left.clone().is_null();
            marks.extend(self.joined(side, join_type, Some(left_is_null))?);
        }
        if !column_is_never_null(&comparison.subquery, 0) {
            let mut side = self.side(comparison.subquery.clone())?;
            let value_is_null = side.value.clone().is_null();
            if side.refers_only_to_subquery(&value_is_null) {
                side.plan = LogicalPlanBuilder::from(side.plan).filter(value_is_null)?.build()?;
                marks.extend(self.joined(side, join_type, None)?);
            } else {
                marks.extend(self.joined(side, join_type, Some(value_is_null))?);
            }
        }
        Ok(marks)
    }

    fn joined(&mut self, side: Side, join_type: JoinType, condition: Option<Expr>) -> Result<Option<Expr>> {
        match join_type {
            JoinType::LeftMark => self.mark(|joins| joins.join(side, join_type, condition)).map(Some),
            _ => self.join(side, join_type, condition).map(|()| None),
        }
    }

    /// Adds a mark join, and returns its column.
    fn mark(&mut self, join: impl FnOnce(&mut Self) -> Result<()>) -> Result<Expr> {
        join(self)?;
        let columns = self.plan.schema().columns();
        let mark = columns.into_iter().next_back();
        Ok(Expr::Column(mark.expect("a mark join has the mark as its last column")))
    }

    /// The subquery as the right side of a join, with a new alias and new column names.
    fn side(&mut self, subquery: LogicalPlan) -> Result<Side> {
        let (subquery, outer_value) = without_outer_value(subquery)?;
        let Uncorrelated { plan, conditions } = if scalar::is_of_one_group(&subquery) && is_correlated(&subquery)? {
            check_repeatable(&lit(true), &self.plan)?;
            scalar::for_each_value(&self.plan, &subquery, self.names)?
        } else {
            uncorrelated(subquery)?
        };
        let alias = self.names.next();
        let first = plan.schema().columns().into_iter().next();
        let mut columns =
            SideColumns { alias: alias.clone(), exprs: vec![first.map_or_else(|| lit(true), Expr::Column)] };
        let mut join_conditions = Vec::new();
        for condition in conditions {
            join_conditions.push(resolved(columns.replaced(condition)?, self.plan.schema())?);
        }
        let value = match outer_value {
            Some(value) => resolved(columns.replaced(value)?, self.plan.schema())?,
            None => columns.column(0),
        };
        let plan = LogicalPlanBuilder::from(plan).project(columns.renamed())?.alias(alias.as_str())?.build()?;
        Ok(Side { plan, value, conditions: join_conditions })
    }

    fn join(&mut self, side: Side, join_type: JoinType, condition: Option<Expr>) -> Result<()> {
        let depends_on_rows = condition.iter().chain(&side.conditions).any(|expr| side.refers_to_subquery(expr));
        let right = match depends_on_rows {
            true => side.plan,
            // The condition does not depend on the subquery's rows, only on whether there is one.
            false => LogicalPlanBuilder::from(side.plan).limit(0, Some(1))?.build()?,
        };
        let conditions = condition.into_iter().chain(side.conditions).reduce(Expr::and).unwrap_or_else(|| lit(true));
        let left = std::mem::take(&mut self.plan);
        self.plan = LogicalPlanBuilder::from(left).join_on(right, join_type, [conditions])?.build()?;
        Ok(())
    }
}

impl Side {
    fn refers_to_subquery(&self, expr: &Expr) -> bool {
        expr.column_refs().iter().any(|column| self.plan.schema().has_column(column))
    }

    fn refers_only_to_subquery(&self, expr: &Expr) -> bool {
        expr.column_refs().iter().all(|column| self.plan.schema().has_column(column)) && !expr.contains_outer()
    }
}

/// Splits a subquery that selects an expression of outer columns into its rows and that expression.
fn without_outer_value(subquery: LogicalPlan) -> Result<(LogicalPlan, Option<Expr>)> {
    match subquery {
        LogicalPlan::Subquery(subquery) => without_outer_value(Arc::unwrap_or_clone(subquery.subquery)),
        // Duplicates and the order do not matter for a predicate.
        LogicalPlan::Distinct(Distinct::All(input)) => without_outer_value(Arc::unwrap_or_clone(input)),
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => without_outer_value(Arc::unwrap_or_clone(sort.input)),
        LogicalPlan::Projection(projection) if projection.expr.first().is_some_and(Expr::contains_outer) => {
            let value = projection.expr[0].clone().unalias();
            let has_subquery = value.exists(|part| Ok(matches!(part, Expr::ScalarSubquery(_))))?;
            if has_subquery {
                return Err(refused(Fault::Correlated));
            }
            Ok((Arc::unwrap_or_clone(projection.input), Some(value)))
        }
        other => Ok((other, None)),
    }
}

/// The columns of a join's right side. The subquery's column is the first; others are added as conditions need them.
struct SideColumns {
    alias: String,
    exprs: Vec<Expr>,
}

impl SideColumns {
    /// The condition with a column in place of each expression over the subquery only.
    ///
    /// Whole expressions and not only columns are replaced: DataFusion would move the rest (a field of a struct) into a
    /// projection below the join, which loses the alias that distinguishes marks.
    fn replaced(&mut self, condition: Expr) -> Result<Expr> {
        condition
            .transform_down(|part| {
                if part.contains_outer() || part.column_refs().is_empty() {
                    return Ok(Transformed::no(part));
                }
                let known = self.exprs.iter().position(|expr| *expr == part);
                let place = known.unwrap_or_else(|| {
                    self.exprs.push(part);
                    self.exprs.len() - 1
                });
                Ok(Transformed::new(self.column(place), true, TreeNodeRecursion::Jump))
            })
            .data()
    }

    /// The expressions of the columns, each under its new name.
    fn renamed(self) -> Vec<Expr> {
        self.exprs.into_iter().enumerate().map(|(place, expr)| expr.alias(column_name(place))).collect()
    }

    fn column(&self, place: usize) -> Expr {
        Expr::Column(Column::new(Some(self.alias.as_str()), column_name(place)))
    }
}

fn column_name(place: usize) -> String {
    format!("column_{place}")
}

impl Comparison {
    /// Whether the left side is a NULL constant: `x = c` is then NULL for every row of the subquery.
    ///
    /// As a join's condition it would be a constant, which DataFusion moves below an aggregate without GROUP BY.
    fn is_never_true(&self) -> Result<bool> {
        let refers_to_rows = !self.left.column_refs().is_empty() || self.left.contains_outer();
        if refers_to_rows || self.left.is_volatile() {
            return Ok(false);
        }
        let simplified = ExprSimplifier::new(SimplifyContext::default()).simplify(self.left.clone())?;
        Ok(matches!(simplified, Expr::Literal(value, _) if value.is_null()))
    }

    /// The scalar comparison with a correlated subquery that always has one row: an aggregate without GROUP BY.
    fn with_the_only_row(&self, negated: bool) -> Result<Option<Expr>> {
        if !is_one_row(&self.subquery) || !is_correlated(&self.subquery)? {
            return Ok(None);
        }
        let outer_ref_columns = self.subquery.all_out_ref_exprs();
        let subquery = Arc::new(self.subquery.clone());
        let row = Expr::ScalarSubquery(Subquery { subquery, outer_ref_columns, spans: Spans::new() });
        let met = Expr::BinaryExpr(BinaryExpr::new(Box::new(self.left.clone()), self.op, Box::new(row)));
        Ok(Some(if negated { met.not() } else { met }))
    }
}

/// A plan that has rows exactly if `plan` has rows, without its projections, DISTINCT and order.
fn rows_of(plan: LogicalPlan) -> LogicalPlan {
    match plan {
        LogicalPlan::Projection(projection) => rows_of(Arc::unwrap_or_clone(projection.input)),
        LogicalPlan::Subquery(subquery) => rows_of(Arc::unwrap_or_clone(subquery.subquery)),
        LogicalPlan::Distinct(Distinct::All(input)) => rows_of(Arc::unwrap_or_clone(input)),
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => rows_of(Arc::unwrap_or_clone(sort.input)),
        other => other,
    }
}

/// Whether a plan always returns exactly one row.
fn is_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::Projection(projection) => is_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_one_row(&alias.input),
        LogicalPlan::Sort(sort) => is_one_row(&sort.input) && sort.fetch.is_none(),
        LogicalPlan::Subquery(subquery) => is_one_row(&subquery.subquery),
        _ => false,
    }
}
