//! Moves conditions on outer columns out of a subquery.
//!
//! ```text
//!     SELECT c FROM t WHERE t.k = o.k AND t.z > 5
//!
//!     plan:        SELECT c, t.k AS __outer_key_1 FROM t WHERE t.z > 5
//!     conditions:  __outer_key_1 = o.k                                  of the join
//! ```
//!
//! A condition may move above an operator only if that does not change whether a matching row exists, and, below an
//! aggregate, how many there are:
//!
//! - filters, projections, aliases, sorts and inner joins: any condition;
//! - DISTINCT and semi joins: if the number of rows does not matter; otherwise DISTINCT is treated as an aggregate, and
//!   a semi join as one with a preserved side;
//! - the preserved side of an outer, semi or anti join;
//! - an aggregate with GROUP BY, if each condition is an equality: the aggregate then also groups by the inner side of
//!   the equality, so that a condition is true for all rows of a group or for none.
//!
//! A LIMIT, a window, a UNION or an aggregate without GROUP BY returns other rows for a larger input: no condition can
//! move above them.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, NullEquality};
use datafusion::error::Result;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Distinct, Expr, Filter, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Operator,
    Projection, SubqueryAlias,
};

use super::refused;
use crate::engine::fault::Fault;

/// A subquery without references to outer columns, and the conditions that contained them.
pub(super) struct Uncorrelated {
    /// The subquery. Its first column is still the selected one; there may be additional columns.
    pub(super) plan: LogicalPlan,
    /// Conditions over the plan's columns and outer columns (`OuterReferenceColumn`).
    pub(super) conditions: Vec<Expr>,
}

/// Moves a subquery's conditions on outer columns out of it. The plan may return a row more or less often than the
/// subquery.
///
/// # Errors
/// [`Fault::Correlated`] if it refers to outer columns in a place from which no condition can move up.
pub(super) fn uncorrelated(subquery: LogicalPlan) -> Result<Uncorrelated> {
    Decorrelation { made: 0, rows_count: false }.decorrelate(subquery)
}

/// As [`uncorrelated`], for rows that are counted or aggregated: each is returned as often as in the subquery.
///
/// # Errors
/// As [`uncorrelated`].
pub(super) fn uncorrelated_rows(rows: LogicalPlan) -> Result<Uncorrelated> {
    Decorrelation { made: 0, rows_count: true }.decorrelate(rows)
}

/// Whether a subquery refers to outer columns.
pub(super) fn is_correlated(subquery: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    subquery.apply(|node| {
        let inputs = inputs_schema(node);
        node.apply_expressions(|expr| {
            found |= is_outer(expr, &inputs)?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// Whether an expression, including its subqueries, refers only to columns of `schema`.
pub(super) fn is_of(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    let mut is_local = true;
    expr.apply(|part| {
        is_local &= match part {
            Expr::Column(column) => schema.has_column(column),
            _ => outer_columns(part).iter().all(|column| schema.has_column(column)),
        };
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(is_local)
}

/// The condition with outer references to columns of `schema` replaced by plain columns. References to queries further
/// out stay.
pub(super) fn resolved(condition: Expr, schema: &DFSchema) -> Result<Expr> {
    condition
        .transform(|part| {
            Ok(match part {
                Expr::OuterReferenceColumn(_, column) if schema.has_column(&column) => {
                    Transformed::yes(Expr::Column(column))
                }
                other => Transformed::no(other),
            })
        })
        .data()
}

/// Moves conditions up through the operators of a subquery.
struct Decorrelation {
    /// The number of key columns that were added for conditions.
    made: usize,
    /// Whether the number of times that a row is returned matters: below an aggregate.
    rows_count: bool,
}

impl Decorrelation {
    fn decorrelate(&mut self, plan: LogicalPlan) -> Result<Uncorrelated> {
        if !is_correlated(&plan)? {
            return Ok(Uncorrelated { plan, conditions: Vec::new() });
        }
        match plan {
            LogicalPlan::Filter(filter) => self.through_filter(filter),
            LogicalPlan::Projection(projection) => self.through_projection(projection),
            LogicalPlan::SubqueryAlias(alias) => self.through_alias(alias),
            // Duplicates do not matter, so DISTINCT can be left out.
            LogicalPlan::Distinct(Distinct::All(input)) if !self.rows_count => {
                self.decorrelate(Arc::unwrap_or_clone(input))
            }
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let columns = input.schema().columns().into_iter().map(Expr::Column).collect();
                self.through_aggregate(Aggregate::try_new(input, columns, Vec::new())?)
            }
            LogicalPlan::Sort(sort)
                if sort.fetch.is_none() && !refers_to_outer(&sort.expr.iter().map(|key| &key.expr), &sort.input)? =>
            {
                self.decorrelate(Arc::unwrap_or_clone(sort.input))
            }
            LogicalPlan::Aggregate(aggregate) => self.through_aggregate(aggregate),
            LogicalPlan::Join(join) => self.through_join(join),
            _ => Err(refused(Fault::Correlated)),
        }
    }

    fn through_filter(&mut self, filter: Filter) -> Result<Uncorrelated> {
        let Uncorrelated { plan, mut conditions } = self.decorrelate(Arc::unwrap_or_clone(filter.input))?;
        let (outer, local) = split(split_conjunction_owned(filter.predicate), plan.schema())?;
        conditions.extend(outer);
        let plan = match conjunction(local) {
            Some(condition) => LogicalPlanBuilder::from(plan).filter(condition)?.build()?,
            None => plan,
        };
        Ok(Uncorrelated { plan, conditions })
    }

    fn through_projection(&mut self, projection: Projection) -> Result<Uncorrelated> {
        let Uncorrelated { plan, conditions } = self.decorrelate(Arc::unwrap_or_clone(projection.input))?;
        if refers_to_outer(&projection.expr.iter(), &plan)? {
            return Err(refused(Fault::Correlated));
        }
        let mut columns = projection.expr;
        let conditions = over_key_columns(conditions, &mut columns, &mut self.made)?;
        Ok(Uncorrelated { plan: LogicalPlanBuilder::from(plan).project(columns)?.build()?, conditions })
    }

    fn through_alias(&mut self, alias: SubqueryAlias) -> Result<Uncorrelated> {
        let Uncorrelated { plan, conditions } = self.decorrelate(Arc::unwrap_or_clone(alias.input))?;
        let plan = LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(plan), alias.alias.clone())?);
        let mut under_alias = |condition: Expr| {
            condition
                .transform(|part| {
                    let Expr::Column(column) = part else { return Ok(Transformed::no(part)) };
                    Ok(Transformed::yes(Expr::Column(Column::new(Some(alias.alias.clone()), column.name))))
                })
                .data()
        };
        Ok(Uncorrelated { plan, conditions: conditions.into_iter().map(&mut under_alias).collect::<Result<_>>()? })
    }

    fn through_aggregate(&mut self, aggregate: Aggregate) -> Result<Uncorrelated> {
        let grouping_sets = matches!(aggregate.group_expr[..], [Expr::GroupingSet(_)]);
        self.rows_count = true;
        let Uncorrelated { plan, conditions } = self.decorrelate(Arc::unwrap_or_clone(aggregate.input))?;
        let expressions = aggregate.group_expr.iter().chain(&aggregate.aggr_expr);
        if aggregate.group_expr.is_empty() || grouping_sets || refers_to_outer(&expressions, &plan)? {
            return Err(refused(Fault::Correlated));
        }
        let mut groups = aggregate.group_expr;
        let mut above = Vec::new();
        for condition in conditions {
            if condition.column_refs().is_empty() {
                above.push(condition); // all rows of every group meet it, or none does
                continue;
            }
            let (inner, outer) = sides(condition, plan.schema())?;
            let name = key_name(&mut self.made);
            groups.push(inner.alias(name.name.clone()));
            above.push(Expr::Column(name).eq(outer));
        }
        let plan = LogicalPlanBuilder::from(plan).aggregate(groups, aggregate.aggr_expr)?.build()?;
        Ok(Uncorrelated { plan, conditions: above })
    }

    fn through_join(&mut self, join: Join) -> Result<Uncorrelated> {
        let (left, right) = (Arc::unwrap_or_clone(join.left), Arc::unwrap_or_clone(join.right));
        // An inner join returns the rows of a semi join, perhaps several times. It lets conditions of both sides move
        // up.
        let join_type = match join.join_type {
            JoinType::LeftSemi if !self.rows_count => JoinType::Inner,
            other => other,
        };
        let (takes_left, takes_right) = match join_type {
            JoinType::Inner => (true, true),
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => (true, false),
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => (false, true),
            JoinType::Full => (false, false),
        };
        if (is_correlated(&left)? && !takes_left) || (is_correlated(&right)? && !takes_right) {
            return Err(refused(Fault::Correlated));
        }
        let (left, right) = (self.decorrelate(left)?, self.decorrelate(right)?);
        let both = left.plan.schema().join(right.plan.schema())?;
        let terms = join.filter.map(split_conjunction_owned).unwrap_or_default();
        let (outer, mut local) = split(terms, &both)?;
        let keys_are_local = !refers_to_outer(&join.on.iter().flat_map(|(left, right)| [left, right]), &left.plan)?;
        if !keys_are_local || (!outer.is_empty() && join_type != JoinType::Inner) {
            return Err(refused(Fault::Correlated));
        }
        let mut keys = join.on;
        if join.null_equality == NullEquality::NullEqualsNull {
            // INTERSECT and EXCEPT treat NULLs as equal, unlike the keys of a join.
            local.extend(keys.drain(..).map(|(left, right)| {
                Expr::BinaryExpr(BinaryExpr::new(Box::new(left), Operator::IsNotDistinctFrom, Box::new(right)))
            }));
        }
        let conditions = [left.conditions, right.conditions, outer].concat();
        let builder = LogicalPlanBuilder::from(left.plan);
        let plan = match (keys.is_empty(), conjunction(local)) {
            (true, None) if join_type == JoinType::Inner => builder.cross_join(right.plan)?,
            (_, filter) => builder.join_with_expr_keys(right.plan, join_type, keys.into_iter().unzip(), filter)?,
        };
        Ok(Uncorrelated { plan: plan.build()?, conditions })
    }
}

/// Splits terms into those that refer to outer columns, and the others.
fn split(terms: Vec<Expr>, schema: &DFSchema) -> Result<(Vec<Expr>, Vec<Expr>)> {
    let (mut outer, mut local) = (Vec::new(), Vec::new());
    for term in terms {
        if !is_outer(&term, schema)? {
            local.push(term);
        } else if term.exists(|part| Ok(subquery_of(part).is_some()))? {
            // A nested subquery that refers to both outer queries.
            return Err(refused(Fault::Correlated));
        } else {
            outer.push(term);
        }
    }
    Ok((outer, local))
}

/// The conditions over new key columns, which are added to the columns of a projection.
fn over_key_columns(conditions: Vec<Expr>, columns: &mut Vec<Expr>, made: &mut usize) -> Result<Vec<Expr>> {
    let mut names: Vec<(Column, Column)> = Vec::new();
    let mut over_keys = |condition: Expr| {
        condition
            .transform(|part| {
                let Expr::Column(column) = part else { return Ok(Transformed::no(part)) };
                let known = names.iter().find(|(known, _)| *known == column).map(|(_, name)| name.clone());
                let name = known.unwrap_or_else(|| {
                    let name = key_name(made);
                    columns.push(Expr::Column(column.clone()).alias(name.name.clone()));
                    names.push((column, name.clone()));
                    name
                });
                Ok(Transformed::yes(Expr::Column(name)))
            })
            .data()
    };
    conditions.into_iter().map(&mut over_keys).collect()
}

fn key_name(made: &mut usize) -> Column {
    *made += 1;
    Column::new_unqualified(format!("__outer_key_{made}"))
}

/// The inner and outer side of `inner = outer`.
fn sides(condition: Expr, schema: &DFSchema) -> Result<(Expr, Expr)> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else {
        return Err(refused(Fault::Correlated));
    };
    // The outer side must not refer to inner columns as well.
    match (is_outer(&left, schema)?, is_outer(&right, schema)?) {
        (false, true) if right.column_refs().is_empty() => Ok((*left, *right)),
        (true, false) if left.column_refs().is_empty() => Ok((*right, *left)),
        _ => Err(refused(Fault::Correlated)),
    }
}

fn refers_to_outer<'a>(expressions: &(impl Iterator<Item = &'a Expr> + Clone), input: &LogicalPlan) -> Result<bool> {
    for expr in expressions.clone() {
        if is_outer(expr, input.schema())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether an expression over `inputs` refers to an outer query, itself or in a nested subquery.
fn is_outer(expr: &Expr, inputs: &DFSchema) -> Result<bool> {
    expr.exists(|part| {
        Ok(match part {
            Expr::OuterReferenceColumn(..) => true,
            _ => outer_columns(part).iter().any(|column| !inputs.has_column(column)),
        })
    })
}

/// The outer columns that an expression refers to, itself or in a nested subquery.
pub(super) fn outer_columns(expr: &Expr) -> Vec<Column> {
    let references = match expr {
        Expr::OuterReferenceColumn(..) => vec![expr.clone()],
        _ => subquery_of(expr).map(LogicalPlan::all_out_ref_exprs).unwrap_or_default(),
    };
    let mut columns = Vec::new();
    for reference in references {
        if let Expr::OuterReferenceColumn(_, column) = reference {
            columns.push(column);
        }
    }
    columns
}

fn subquery_of(expr: &Expr) -> Option<&LogicalPlan> {
    match expr {
        Expr::ScalarSubquery(subquery) => Some(&subquery.subquery),
        Expr::Exists(exists) => Some(&exists.subquery.subquery),
        Expr::InSubquery(predicate) => Some(&predicate.subquery.subquery),
        Expr::SetComparison(comparison) => Some(&comparison.subquery.subquery),
        _ => None,
    }
}

/// The columns that a node's expressions can refer to.
fn inputs_schema(node: &LogicalPlan) -> DFSchema {
    let mut schema = DFSchema::empty();
    for input in node.inputs() {
        schema.merge(input.schema());
    }
    schema
}
