//! Predicates with a subquery as joins over the rows that they are asked for.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::{BinaryExpr, Expr, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, when};
use datafusion::prelude::lit;

use super::correlation::{Uncorrelated, is_correlated, resolved, uncorrelated};
use super::nullability::{column_is as column_is_never_null, is_never_null};
use super::predicate::{Predicate, has_predicate};
use super::repeatable::check_repeatable;
use super::{Names, connective, refused};
use crate::engine::fault::Fault;

/// Rows, and the joins over them that answer predicates. Marks are columns behind those of the rows.
pub(super) struct Joins<'a> {
    plan: LogicalPlan,
    names: &'a mut Names,
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
#[derive(Clone)]
struct Comparison {
    left: Expr,
    op: Operator,
    subquery: LogicalPlan,
}

impl<'a> Joins<'a> {
    /// No join yet.
    pub(super) fn new(plan: LogicalPlan, names: &'a mut Names) -> Self {
        Self { plan, names }
    }

    /// The rows with all marks.
    pub(super) fn into_plan(self) -> LogicalPlan {
        self.plan
    }

    /// Keeps the rows for which a predicate is true. A condition is left where the predicate is none of a join.
    pub(super) fn keep(&mut self, predicate: Predicate) -> Result<Option<Expr>> {
        match predicate {
            Predicate::Exists { subquery, negated } if is_one_row(&subquery) => Ok(Some(lit(!negated))),
            Predicate::Exists { subquery, negated } => {
                let side = self.side(subquery)?;
                let kept = if negated { JoinType::LeftAnti } else { JoinType::LeftSemi };
                self.join(side, kept, None)?;
                Ok(None)
            }
            Predicate::Any { left, op, subquery, negated } => {
                let comparison = Comparison { left, op, subquery };
                if let Some(scalar) = comparison.with_the_only_row(negated)? {
                    return Ok(Some(scalar));
                }
                if !negated {
                    self.matches(&comparison, JoinType::LeftSemi)?;
                    return Ok(None);
                }
                self.check(&comparison)?;
                self.matches(&comparison, JoinType::LeftAnti)?;
                self.unknown(&comparison, JoinType::LeftAnti)?;
                Ok(None)
            }
        }
    }

    /// A condition that is true for the same rows, of which nobody asks whether it is false or NULL.
    pub(super) fn condition(&mut self, expr: Expr) -> Result<Expr> {
        if let Some((left, op, right)) = connective(&expr) {
            let (left, right) = (self.condition(left.clone())?, self.condition(right.clone())?);
            return Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))));
        }
        match Predicate::of(&expr)? {
            Some(predicate) if !has_predicate(predicate.left()) => self.is_true(predicate),
            _ => self.value(expr),
        }
    }

    /// The expression with a column, or an expression of columns, in place of each predicate.
    pub(super) fn value(&mut self, expr: Expr) -> Result<Expr> {
        // The predicates of a predicate's left side come first.
        expr.transform_up(|part| match Predicate::of(&part)? {
            Some(predicate) if !matches!(part, Expr::Not(_) | Expr::Alias(_)) => {
                self.three_valued(predicate).map(Transformed::yes)
            }
            _ => Ok(Transformed::no(part)),
        })
        .data()
    }

    fn is_true(&mut self, predicate: Predicate) -> Result<Expr> {
        let Predicate::Any { left, op, subquery, negated } = predicate else { return self.three_valued(predicate) };
        let comparison = Comparison { left, op, subquery };
        if let Some(scalar) = comparison.with_the_only_row(negated)? {
            return Ok(scalar);
        }
        if !negated {
            return self.mark(|joins| joins.matches(&comparison, JoinType::LeftMark));
        }
        self.check(&comparison)?;
        let matches = self.mark(|joins| joins.matches(&comparison, JoinType::LeftMark))?;
        let unknown = self.unknown(&comparison, JoinType::LeftMark)?;
        Ok(Expr::Not(Box::new(unknown.into_iter().fold(matches, Expr::or))))
    }

    fn three_valued(&mut self, predicate: Predicate) -> Result<Expr> {
        match predicate {
            Predicate::Exists { subquery, negated } if is_one_row(&subquery) => Ok(lit(!negated)),
            Predicate::Exists { subquery, negated } => {
                let side = self.side(subquery)?;
                let exists = self.mark(|joins| joins.join(side, JoinType::LeftMark, None))?;
                Ok(if negated { Expr::Not(Box::new(exists)) } else { exists })
            }
            Predicate::Any { left, op, subquery, negated } => {
                let comparison = Comparison { left, op, subquery };
                if let Some(scalar) = comparison.with_the_only_row(negated)? {
                    return Ok(scalar);
                }
                self.check(&comparison)?;
                let matches = self.mark(|joins| joins.matches(&comparison, JoinType::LeftMark))?;
                let unknown = self.unknown(&comparison, JoinType::LeftMark)?;
                match unknown.into_iter().reduce(Expr::or) {
                    Some(unknown) => when(matches, lit(!negated))
                        .when(unknown, lit(ScalarValue::Boolean(None)))
                        .otherwise(lit(negated)),
                    None if negated => Ok(Expr::Not(Box::new(matches))),
                    None => Ok(matches),
                }
            }
        }
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
            side.plan = LogicalPlanBuilder::from(side.plan).filter(side.value.clone().is_null())?.build()?;
            marks.extend(self.joined(side, join_type, None)?);
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
        let mark = columns.into_iter().next_back().ok_or_else(|| refused(Fault::Subquery))?;
        Ok(Expr::Column(mark))
    }

    /// The subquery as the right side of a join: under a name that nothing else has, its columns, too.
    fn side(&mut self, subquery: LogicalPlan) -> Result<Side> {
        let Uncorrelated { plan, conditions } = uncorrelated(subquery)?;
        let alias = self.names.next();
        let mut columns: Vec<Column> = plan.schema().columns().into_iter().take(1).collect();
        for column in conditions.iter().flat_map(Expr::column_refs) {
            if !columns.contains(column) {
                columns.push(column.clone());
            }
        }
        let name = |place: usize| format!("column_{place}");
        let renamed = columns.iter().enumerate().map(|(place, own)| Expr::Column(own.clone()).alias(name(place)));
        let plan =
            LogicalPlanBuilder::from(plan).project(renamed.collect::<Vec<_>>())?.alias(alias.as_str())?.build()?;
        let under_alias = |column: &Column| {
            let place = columns.iter().position(|own| own == column);
            place.map(|place| Expr::Column(Column::new(Some(alias.as_str()), name(place))))
        };
        let mut conditions_of_join = Vec::new();
        for condition in conditions {
            let condition = condition.transform(|part| match &part {
                Expr::Column(column) => Ok(under_alias(column).map_or_else(|| Transformed::no(part), Transformed::yes)),
                _ => Ok(Transformed::no(part)),
            });
            conditions_of_join.push(resolved(condition.data()?, self.plan.schema())?);
        }
        let value = Expr::Column(Column::new(Some(alias.as_str()), name(0)));
        Ok(Side { plan, value, conditions: conditions_of_join })
    }

    fn join(&mut self, side: Side, join_type: JoinType, condition: Option<Expr>) -> Result<()> {
        let compares_rows = condition
            .iter()
            .chain(&side.conditions)
            .any(|own| own.column_refs().iter().any(|column| side.plan.schema().has_column(column)));
        let right = match compares_rows {
            true => side.plan,
            // One row tells as much as all of them.
            false => LogicalPlanBuilder::from(side.plan).limit(0, Some(1))?.build()?,
        };
        let conditions = condition.into_iter().chain(side.conditions).reduce(Expr::and).unwrap_or_else(|| lit(true));
        let left = std::mem::replace(&mut self.plan, LogicalPlan::default());
        self.plan = LogicalPlanBuilder::from(left).join_on(right, join_type, [conditions])?.build()?;
        Ok(())
    }
}

impl Comparison {
    /// The comparison with a subquery that always has one row: an aggregate without GROUP BY.
    fn with_the_only_row(&self, negated: bool) -> Result<Option<Expr>> {
        if !is_one_row(&self.subquery) || !is_correlated(&self.subquery)? {
            return Ok(None);
        }
        let outer_ref_columns = self.subquery.all_out_ref_exprs();
        let subquery = std::sync::Arc::new(self.subquery.clone());
        let row = Expr::ScalarSubquery(Subquery { subquery, outer_ref_columns, spans: Default::default() });
        let met = Expr::BinaryExpr(BinaryExpr::new(Box::new(self.left.clone()), self.op, Box::new(row)));
        Ok(Some(if negated { Expr::Not(Box::new(met)) } else { met }))
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
