//! What a subquery says of the outer query's columns, taken out of it.
//!
//! `SELECT c FROM t WHERE t.k = o.k AND t.z > 5` asks about `t.k = o.k` in the join's condition, and about `t.z > 5`
//! below it. A condition may move above an operator only if that does not change whether a matching row exists, and
//! below an aggregate, how many there are:
//!
//! - filters, projections, aliases, sorts and inner joins, whatever the condition;
//! - DISTINCT and semi joins, where nothing counts the rows; where something does, DISTINCT is an aggregate;
//! - the kept side of an outer, semi or anti join;
//! - an aggregate with GROUP BY, if each condition is an equality: then the rows of a group all meet it or none does,
//!   once the aggregate groups by the equality's inner side, too.
//!
//! A LIMIT, a window, a UNION or an aggregate without GROUP BY gives other rows when it is given more: nothing is taken
//! up through them.

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

/// A subquery that speaks of no outer column any more, and the conditions that did.
pub(super) struct Uncorrelated {
    /// The subquery, whose first column is still the one it selects; it may have further ones.
    pub(super) plan: LogicalPlan,
    /// Conditions over the plan's columns and outer ones, which are `OuterReferenceColumn`s.
    pub(super) conditions: Vec<Expr>,
}

/// Takes a subquery's conditions on outer columns out of it.
///
/// # Errors
/// [`Fault::Correlated`]: it speaks of outer columns where no condition can be taken up from.
pub(super) fn uncorrelated(subquery: LogicalPlan) -> Result<Uncorrelated> {
    Taking { made: 0, rows_count: false }.take(subquery)
}

/// The same for rows that are counted, or otherwise aggregated: each comes as often as in the subquery.
///
/// # Errors
/// As [`uncorrelated`].
pub(super) fn uncorrelated_rows(rows: LogicalPlan) -> Result<Uncorrelated> {
    Taking { made: 0, rows_count: true }.take(rows)
}

/// Whether a subquery speaks of outer columns.
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

/// Whether an expression, with the subqueries in it, speaks of columns of `schema` alone.
pub(super) fn is_of(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    let mut own = true;
    expr.apply(|part| {
        own &= match part {
            Expr::Column(column) => schema.has_column(column),
            _ => outer_columns(part).iter().all(|column| schema.has_column(column)),
        };
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(own)
}

/// The condition with the columns of `schema` as what they are; columns of queries further out stay outer ones.
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

/// The way down a subquery, and its conditions on their way up.
struct Taking {
    /// How many columns were made for conditions.
    made: usize,
    /// Whether it matters how often a row comes: below an aggregate.
    rows_count: bool,
}

impl Taking {
    fn take(&mut self, plan: LogicalPlan) -> Result<Uncorrelated> {
        if !is_correlated(&plan)? {
            return Ok(Uncorrelated { plan, conditions: Vec::new() });
        }
        match plan {
            LogicalPlan::Filter(filter) => self.through_filter(filter),
            LogicalPlan::Projection(projection) => self.through_projection(projection),
            LogicalPlan::SubqueryAlias(alias) => self.through_alias(alias),
            // A value may come more than once where only its being there matters.
            LogicalPlan::Distinct(Distinct::All(input)) if !self.rows_count => self.take(Arc::unwrap_or_clone(input)),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let columns = input.schema().columns().into_iter().map(Expr::Column).collect();
                self.through_aggregate(Aggregate::try_new(input, columns, Vec::new())?)
            }
            LogicalPlan::Sort(sort)
                if sort.fetch.is_none() && !speaks_of_outer(&sort.expr.iter().map(|own| &own.expr), &sort.input)? =>
            {
                self.take(Arc::unwrap_or_clone(sort.input))
            }
            LogicalPlan::Aggregate(aggregate) => self.through_aggregate(aggregate),
            LogicalPlan::Join(join) => self.through_join(join),
            _ => Err(refused(Fault::Correlated)),
        }
    }

    fn through_filter(&mut self, filter: Filter) -> Result<Uncorrelated> {
        let Uncorrelated { plan, mut conditions } = self.take(Arc::unwrap_or_clone(filter.input))?;
        let (outer, own) = split(split_conjunction_owned(filter.predicate), plan.schema())?;
        conditions.extend(outer);
        let plan = match conjunction(own) {
            Some(own) => LogicalPlanBuilder::from(plan).filter(own)?.build()?,
            None => plan,
        };
        Ok(Uncorrelated { plan, conditions })
    }

    fn through_projection(&mut self, projection: Projection) -> Result<Uncorrelated> {
        let Uncorrelated { plan, conditions } = self.take(Arc::unwrap_or_clone(projection.input))?;
        if speaks_of_outer(&projection.expr.iter(), &plan)? {
            return Err(refused(Fault::Correlated));
        }
        let mut columns = projection.expr;
        let conditions = carried(conditions, &mut columns, &mut self.made)?;
        Ok(Uncorrelated { plan: LogicalPlanBuilder::from(plan).project(columns)?.build()?, conditions })
    }

    fn through_alias(&mut self, alias: SubqueryAlias) -> Result<Uncorrelated> {
        let Uncorrelated { plan, conditions } = self.take(Arc::unwrap_or_clone(alias.input))?;
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
        let Uncorrelated { plan, conditions } = self.take(Arc::unwrap_or_clone(aggregate.input))?;
        let expressions = aggregate.group_expr.iter().chain(&aggregate.aggr_expr);
        if aggregate.group_expr.is_empty() || grouping_sets || speaks_of_outer(&expressions, &plan)? {
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
        // An inner join has a row exactly where a semi join has one, but perhaps several.
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
        let (left, right) = (self.take(left)?, self.take(right)?);
        let both = left.plan.schema().join(right.plan.schema())?;
        let terms = join.filter.map(split_conjunction_owned).unwrap_or_default();
        let (outer, mut own) = split(terms, &both)?;
        let keys_are_own = !speaks_of_outer(&join.on.iter().flat_map(|(left, right)| [left, right]), &left.plan)?;
        if !keys_are_own || (!outer.is_empty() && join_type != JoinType::Inner) {
            return Err(refused(Fault::Correlated));
        }
        let mut keys = join.on;
        if join.null_equality == NullEquality::NullEqualsNull {
            // INTERSECT and EXCEPT take NULL for equal to NULL, which a join's keys do not.
            own.extend(keys.drain(..).map(|(left, right)| {
                Expr::BinaryExpr(BinaryExpr::new(Box::new(left), Operator::IsNotDistinctFrom, Box::new(right)))
            }));
        }
        let conditions = [left.conditions, right.conditions, outer].concat();
        let builder = LogicalPlanBuilder::from(left.plan);
        let plan = match (keys.is_empty(), conjunction(own)) {
            (true, None) if join_type == JoinType::Inner => builder.cross_join(right.plan)?,
            (_, own) => builder.join_with_expr_keys(right.plan, join_type, keys.into_iter().unzip(), own)?,
        };
        Ok(Uncorrelated { plan: plan.build()?, conditions })
    }
}

/// Terms that speak of outer columns, and those that do not.
fn split(terms: Vec<Expr>, schema: &DFSchema) -> Result<(Vec<Expr>, Vec<Expr>)> {
    let (mut outer, mut own) = (Vec::new(), Vec::new());
    for term in terms {
        if !is_outer(&term, schema)? {
            own.push(term);
        } else if term.exists(|part| Ok(subquery_of(part).is_some()))? {
            // A subquery within a subquery that speaks of both outer queries.
            return Err(refused(Fault::Correlated));
        } else {
            outer.push(term);
        }
    }
    Ok((outer, own))
}

/// The conditions over new columns, which are added to those that an operator passes on.
fn carried(conditions: Vec<Expr>, columns: &mut Vec<Expr>, made: &mut usize) -> Result<Vec<Expr>> {
    let mut names: Vec<(Column, Column)> = Vec::new();
    let mut carry = |condition: Expr| {
        condition
            .transform(|part| {
                let Expr::Column(column) = part else { return Ok(Transformed::no(part)) };
                let known = names.iter().find(|(own, _)| *own == column).map(|(_, name)| name.clone());
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
    conditions.into_iter().map(&mut carry).collect()
}

fn key_name(made: &mut usize) -> Column {
    *made += 1;
    Column::new_unqualified(format!("__outer_key_{made}"))
}

/// The inner and the outer side of `inner = outer`.
fn sides(condition: Expr, schema: &DFSchema) -> Result<(Expr, Expr)> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else {
        return Err(refused(Fault::Correlated));
    };
    let is_inner = |expr: &Expr| Ok::<_, datafusion::error::DataFusionError>(!is_outer(expr, schema)?);
    let speaks_of_inner = |expr: &Expr| !expr.column_refs().is_empty();
    match (is_inner(&left)?, is_inner(&right)?) {
        (true, false) if !speaks_of_inner(&right) => Ok((*left, *right)),
        (false, true) if !speaks_of_inner(&left) => Ok((*right, *left)),
        _ => Err(refused(Fault::Correlated)),
    }
}

fn speaks_of_outer<'a>(expressions: &(impl Iterator<Item = &'a Expr> + Clone), input: &LogicalPlan) -> Result<bool> {
    for expr in expressions.clone() {
        if is_outer(expr, input.schema())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether an expression over `inputs` speaks of a query further out, itself or in a subquery of its own.
fn is_outer(expr: &Expr, inputs: &DFSchema) -> Result<bool> {
    expr.exists(|part| {
        Ok(match part {
            Expr::OuterReferenceColumn(..) => true,
            _ => outer_columns(part).iter().any(|column| !inputs.has_column(column)),
        })
    })
}

/// The outer columns that an expression speaks of, itself or in a subquery of its own.
pub(super) fn outer_columns(expr: &Expr) -> Vec<Column> {
    let outer = match expr {
        Expr::OuterReferenceColumn(..) => vec![expr.clone()],
        _ => subquery_of(expr).map(LogicalPlan::all_out_ref_exprs).unwrap_or_default(),
    };
    let column = |own: Expr| match own {
        Expr::OuterReferenceColumn(_, column) => Some(column),
        _ => None,
    };
    outer.into_iter().filter_map(column).collect()
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

/// The columns that a node's expressions can speak of.
fn inputs_schema(node: &LogicalPlan) -> DFSchema {
    let mut schema = DFSchema::empty();
    for input in node.inputs() {
        schema.merge(input.schema());
    }
    schema
}
