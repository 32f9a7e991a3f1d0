//! Predicates with a subquery as joins over the rows that they are asked for.

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

/// Rows, and the joins over them that answer subqueries. Marks and values are columns behind those of the rows.
pub(super) struct Joins<'a> {
    plan: LogicalPlan,
    scalars: Scalars,
    names: &'a mut SubqueryNames,
}

/// Where a correlated scalar subquery may stand that DataFusion can make a join of.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Scalars {
    /// Where it is written: in a projection, in a filter.
    InPlace,
    /// In a projection below: everywhere else.
    AsColumns,
}

/// The right side of a join: a subquery under an alias, and what it is asked.
struct Side {
    plan: LogicalPlan,
    /// The subquery's column.
    value: Expr,
    /// What the subquery says of the left side's columns.
    conditions: Vec<Expr>,
}

/// A comparison with each row of a subquery.
struct Comparison {
    left: Expr,
    op: Operator,
    subquery: LogicalPlan,
}

impl<'a> Joins<'a> {
    /// No join yet.
    pub(super) fn new(plan: LogicalPlan, scalars: Scalars, names: &'a mut SubqueryNames) -> Self {
        Self { plan, scalars, names }
    }

    /// The rows with all marks.
    pub(super) fn into_plan(self) -> LogicalPlan {
        self.plan
    }

    /// Keeps the rows for which a term is true. What a join cannot tell is a condition that is left.
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
                let left = self.plain(left)?;
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

    /// A condition that is true for the same rows, of which nobody asks whether it is false or NULL.
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

    /// As [`Joins::value`], as a column of the rows.
    pub(super) fn column(&mut self, expr: Expr) -> Result<Expr> {
        let value = self.value(expr)?;
        self.as_column(value)
    }

    fn scalar(&mut self, subquery: Subquery) -> Result<Expr> {
        match scalar::shape(&subquery.subquery)? {
            ScalarShape::Plain if self.scalars == Scalars::InPlace => Ok(Expr::ScalarSubquery(subquery)),
            ScalarShape::Plain => self.as_column(Expr::ScalarSubquery(subquery)),
            ScalarShape::Aggregate => {
                // The values that the subquery speaks of are read apart from the rows themselves.
                check_repeatable(&lit(true), &self.plan)?;
                let outer = std::mem::take(&mut self.plan);
                let (plan, value) = scalar::with_value(outer, &subquery.subquery, self.names)?;
                self.plan = plan;
                Ok(value)
            }
        }
    }

    /// An expression without subqueries, which a join's condition may hold.
    fn plain(&mut self, expr: Expr) -> Result<Expr> {
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
        let left = self.plain(left)?;
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
                let left = self.plain(left)?;
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

    /// The two questions about a comparison, whether it is true for some row and whether it is NULL for some, answered
    /// from facts about all rows where the subquery has the same for every outer row.
    ///
    /// An equality is left to a join, unless that would read a subquery twice which may answer differently. `once`:
    /// a join would read it once.
    fn facts(&mut self, comparison: &Comparison, once: bool) -> Result<Option<(Expr, Expr)>> {
        let Comparison { left, op, subquery } = comparison;
        let column = subquery.schema().field(0).data_type();
        if !aggregate_facts::can_be_told(*op, column) || left.is_volatile() || is_correlated(subquery)? {
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

    /// Whether a row may be asked about more than once.
    fn check(&self, comparison: &Comparison) -> Result<()> {
        let asks_once = is_never_null(&comparison.left, &self.plan) && column_is_never_null(&comparison.subquery, 0);
        if asks_once { Ok(()) } else { check_repeatable(&comparison.left, &comparison.subquery) }
    }

    /// There is a row that meets the comparison.
    fn matches(&mut self, comparison: &Comparison, join_type: JoinType) -> Result<()> {
        let side = self.side(comparison.subquery.clone())?;
        let (left, right) = (Box::new(comparison.left.clone()), Box::new(side.value.clone()));
        let condition = Expr::BinaryExpr(BinaryExpr::new(left, comparison.op, right));
        self.join(side, join_type, Some(condition))
    }

    /// There is a row for which the comparison is NULL: a join for each of the two reasons that there may be, or its
    /// mark.
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
            if side.is_of_subquery(&value_is_null) {
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

    /// The column that a mark join has added.
    fn mark(&mut self, join: impl FnOnce(&mut Self) -> Result<()>) -> Result<Expr> {
        join(self)?;
        let columns = self.plan.schema().columns();
        let mark = columns.into_iter().next_back();
        Ok(Expr::Column(mark.expect("a mark join has the mark as its last column")))
    }

    /// The subquery as the right side of a join: under a name that nothing else has, its columns, too.
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
        let mut columns = Columns { alias: alias.clone(), own: vec![first.map_or_else(|| lit(true), Expr::Column)] };
        let mut conditions_of_join = Vec::new();
        for condition in conditions {
            conditions_of_join.push(resolved(columns.replaced(condition)?, self.plan.schema())?);
        }
        let value = match outer_value {
            Some(value) => resolved(columns.replaced(value)?, self.plan.schema())?,
            None => columns.column(0),
        };
        let renamed = columns.own.into_iter().enumerate().map(|(place, own)| own.alias(column_name(place)));
        let renamed: Vec<Expr> = renamed.collect();
        let plan = LogicalPlanBuilder::from(plan).project(renamed)?.alias(alias.as_str())?.build()?;
        Ok(Side { plan, value, conditions: conditions_of_join })
    }

    fn join(&mut self, side: Side, join_type: JoinType, condition: Option<Expr>) -> Result<()> {
        let compares_rows = condition.iter().chain(&side.conditions).any(|own| side.speaks_of_subquery(own));
        let right = match compares_rows {
            true => side.plan,
            // One row tells as much as all of them.
            false => LogicalPlanBuilder::from(side.plan).limit(0, Some(1))?.build()?,
        };
        let conditions = condition.into_iter().chain(side.conditions).reduce(Expr::and).unwrap_or_else(|| lit(true));
        let left = std::mem::take(&mut self.plan);
        self.plan = LogicalPlanBuilder::from(left).join_on(right, join_type, [conditions])?.build()?;
        Ok(())
    }
}

impl Side {
    fn speaks_of_subquery(&self, expr: &Expr) -> bool {
        expr.column_refs().iter().any(|column| self.plan.schema().has_column(column))
    }

    fn is_of_subquery(&self, expr: &Expr) -> bool {
        expr.column_refs().iter().all(|column| self.plan.schema().has_column(column)) && !expr.contains_outer()
    }
}

/// A subquery that selects something of the outer query, as its rows without that, and what it selects.
fn without_outer_value(subquery: LogicalPlan) -> Result<(LogicalPlan, Option<Expr>)> {
    match subquery {
        LogicalPlan::Subquery(own) => without_outer_value(Arc::unwrap_or_clone(own.subquery)),
        // How often a value comes, and in which order, does not matter.
        LogicalPlan::Distinct(Distinct::All(input)) => without_outer_value(Arc::unwrap_or_clone(input)),
        LogicalPlan::Sort(own) if own.fetch.is_none() => without_outer_value(Arc::unwrap_or_clone(own.input)),
        LogicalPlan::Projection(own) if own.expr.first().is_some_and(Expr::contains_outer) => {
            let value = own.expr[0].clone().unalias();
            let has_subquery = value.exists(|part| Ok(matches!(part, Expr::ScalarSubquery(_))))?;
            if has_subquery {
                return Err(refused(Fault::Correlated));
            }
            Ok((Arc::unwrap_or_clone(own.input), Some(value)))
        }
        other => Ok((other, None)),
    }
}

/// The columns of a join's right side, which are made as conditions need them.
struct Columns {
    alias: String,
    own: Vec<Expr>,
}

impl Columns {
    /// The condition with a column in place of whatever speaks of the subquery alone.
    ///
    /// Not only in place of its columns: DataFusion would compute the rest (a field of a struct) below the join, in a
    /// projection that loses the alias which tells one mark from another.
    fn replaced(&mut self, condition: Expr) -> Result<Expr> {
        condition
            .transform_down(|part| {
                if part.contains_outer() || part.column_refs().is_empty() {
                    return Ok(Transformed::no(part));
                }
                let known = self.own.iter().position(|own| *own == part);
                let place = known.unwrap_or_else(|| {
                    self.own.push(part);
                    self.own.len() - 1
                });
                Ok(Transformed::new(self.column(place), true, TreeNodeRecursion::Jump))
            })
            .data()
    }

    fn column(&self, place: usize) -> Expr {
        Expr::Column(Column::new(Some(self.alias.as_str()), column_name(place)))
    }
}

fn column_name(place: usize) -> String {
    format!("column_{place}")
}

impl Comparison {
    /// Whether the left side is NULL whatever the row: `x = c` is then NULL for every row of the subquery.
    ///
    /// As a join's condition it would be a constant, which DataFusion takes below an aggregate without GROUP BY.
    fn is_never_true(&self) -> Result<bool> {
        let speaks_of_rows = !self.left.column_refs().is_empty() || self.left.contains_outer();
        if speaks_of_rows || self.left.is_volatile() {
            return Ok(false);
        }
        let simplified = ExprSimplifier::new(SimplifyContext::default()).simplify(self.left.clone())?;
        Ok(matches!(simplified, Expr::Literal(value, _) if value.is_null()))
    }

    /// The comparison with a subquery that always has one row: an aggregate without GROUP BY.
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

/// A query that has a row exactly where this one has, whatever it selects.
fn rows_of(plan: LogicalPlan) -> LogicalPlan {
    match plan {
        LogicalPlan::Projection(own) => rows_of(Arc::unwrap_or_clone(own.input)),
        LogicalPlan::Subquery(own) => rows_of(Arc::unwrap_or_clone(own.subquery)),
        LogicalPlan::Distinct(Distinct::All(input)) => rows_of(Arc::unwrap_or_clone(input)),
        LogicalPlan::Sort(own) if own.fetch.is_none() => rows_of(Arc::unwrap_or_clone(own.input)),
        other => other,
    }
}

/// Whether a query has one row, whatever it reads.
fn is_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::Projection(own) => is_one_row(&own.input),
        LogicalPlan::SubqueryAlias(own) => is_one_row(&own.input),
        LogicalPlan::Sort(own) => is_one_row(&own.input) && own.fetch.is_none(),
        LogicalPlan::Subquery(own) => is_one_row(&own.subquery),
        _ => false,
    }
}
