//! Key pushdown: follows join keys from a join down to the scans whose path parameters they can supply.
//!
//! A key is pushed through an operator only if the operator returns the same rows for that key whether or not its input
//! has rows with other keys. Then the scan may leave out the other keys. That excludes LIMIT, and the nullable side of
//! an outer join: it would return NULLs instead of the rows that are left out.
//!
//! | operator | keys that pass |
//! |---|---|
//! | projection, filter, union, sort without LIMIT | those that are columns of the input, perhaps cast once |
//! | aggregate | those in GROUP BY, without grouping sets |
//! | window | those in every PARTITION BY |
//! | hash join | those of the preserved side; those of the other side if the join condition makes columns equal |
//! | anything else | none |

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::JoinType;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};

use crate::table::ResourceScan;
use crate::table::key_cast::identifies_value;
use crate::table::key_source::{BoundColumn, KeyProvider};
use crate::table::scan_calls::data_type;

/// A column of a plan that is equal to a key.
#[derive(Clone, Debug)]
pub(super) struct KeyColumn {
    /// The column's index in the plan's schema.
    pub(super) column: usize,
    /// The key's index among the keys of the join.
    pub(super) number: usize,
    /// The key's type.
    pub(super) data_type: DataType,
    /// Whether the key is equal to a cast of the column, not to the column.
    pub(super) cast: bool,
}

impl KeyColumn {
    /// The key that an expression is equal to, if the expression is a column, possibly cast.
    pub(super) fn of(expr: &Arc<dyn PhysicalExpr>, number: usize, data_type: DataType) -> Option<Self> {
        let (column, cast) = column(expr)?;
        Some(Self { column, number, data_type, cast })
    }

    fn at(&self, column: usize) -> Self {
        Self { column, ..self.clone() }
    }
}

/// Makes the source of a scan's keys from the columns that keys have reached, and the expressions of its values if it
/// is a runtime key.
pub(super) type Make<'a> = dyn Fn(Vec<BoundColumn>) -> (KeyProvider, Vec<Arc<dyn PhysicalExpr>>) + 'a;

/// Binds the keys to the scans that they reach, and returns the new plan; `None` if they reach no scan.
pub(super) fn bind(
    plan: &Arc<dyn ExecutionPlan>,
    keys: &[KeyColumn],
    make: &Make<'_>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if keys.is_empty() {
        return Ok(None);
    }
    if let Some(scan) = plan.downcast_ref::<ResourceScan>() {
        return Ok(bind_scan(scan, keys, make).map(|scan| Arc::new(scan) as _));
    }
    let children: Vec<_> = plan.children().into_iter().cloned().collect();
    let mut bound = Vec::with_capacity(children.len());
    let mut any = false;
    for (child, keys) in children.iter().zip(keys_of_children(plan, keys)) {
        let found = bind(child, &keys, make)?;
        any |= found.is_some();
        bound.push(found.unwrap_or_else(|| Arc::clone(child)));
    }
    if any { replace_children_if_necessary(Arc::clone(plan), bound).map(Some) } else { Ok(None) }
}

/// The scan with one more source for its keys: of each column that lacks a value, the first key that is equal to it.
fn bind_scan(scan: &ResourceScan, keys: &[KeyColumn], make: &Make<'_>) -> Option<ResourceScan> {
    let mut from: Vec<BoundColumn> = Vec::new();
    for (at, column) in scan.bindable_columns() {
        if from.iter().any(|bound| bound.column == column) {
            continue;
        }
        let wanted = data_type(&scan.resolved, &column);
        let key = keys.iter().find(|key| key.column == at && identifies_value(&key.data_type, &wanted));
        from.extend(key.map(|key| BoundColumn { column, key: key.number }));
    }
    if from.is_empty() {
        return None;
    }
    let (source, expressions) = make(from);
    scan.bound_by(source, expressions)
}

/// For each child, the keys that may be pushed through this operator, as columns of the child.
fn keys_of_children(plan: &Arc<dyn ExecutionPlan>, keys: &[KeyColumn]) -> Vec<Vec<KeyColumn>> {
    let none = || vec![Vec::new(); plan.children().len()];
    if plan.fetch().is_some() {
        return none();
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let exprs = projection.expr();
        return vec![keys.iter().filter_map(|key| through_expr(key, &exprs.get(key.column)?.expr)).collect()];
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        return vec![projected(keys, filter.projection().as_ref().map(AsRef::as_ref))];
    }
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        return vec![through_aggregate(aggregate, keys)];
    }
    if let Some(window) = plan.downcast_ref::<WindowAggExec>() {
        let partitions: Vec<_> = window.window_expr().iter().map(|expr| expr.partition_by()).collect();
        return vec![through_window(&partitions, keys)];
    }
    if let Some(window) = plan.downcast_ref::<BoundedWindowAggExec>() {
        let partitions: Vec<_> = window.window_expr().iter().map(|expr| expr.partition_by()).collect();
        return vec![through_window(&partitions, keys)];
    }
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        return through_join(join, keys);
    }
    let keeps = plan.is::<UnionExec>()
        || plan.is::<RepartitionExec>()
        || plan.is::<CoalescePartitionsExec>()
        || plan.is::<CooperativeExec>()
        || plan.is::<SortExec>();
    if keeps { vec![keys.to_vec(); plan.children().len()] } else { none() }
}

/// The key as a column of the child, if the operator computes it by this expression. A cast of a cast is not followed.
fn through_expr(key: &KeyColumn, expr: &Arc<dyn PhysicalExpr>) -> Option<KeyColumn> {
    let (column, cast) = column(expr)?;
    (!(key.cast && cast)).then(|| KeyColumn { column, cast: key.cast || cast, ..key.clone() })
}

/// The index of the column that an expression is, and whether it is cast.
fn column(expr: &Arc<dyn PhysicalExpr>) -> Option<(usize, bool)> {
    if let Some(column) = expr.downcast_ref::<Column>() {
        return Some((column.index(), false));
    }
    // Not TRY_CAST: it makes NULLs, which `IS NOT DISTINCT FROM` and INTERSECT match with each other. No request can
    // select the rows whose cast is NULL.
    let inner = expr.downcast_ref::<CastExpr>().map(CastExpr::expr)?;
    inner.downcast_ref::<Column>().map(|column| (column.index(), true))
}

/// The keys as columns of an operator's output before its projection.
fn projected(keys: &[KeyColumn], projection: Option<&[usize]>) -> Vec<KeyColumn> {
    match projection {
        Some(projection) => keys.iter().filter_map(|key| Some(key.at(*projection.get(key.column)?))).collect(),
        None => keys.to_vec(),
    }
}

/// The keys of an aggregate that are in GROUP BY: all rows of a group have the same key. With grouping sets there are
/// also groups of rows with different keys.
fn through_aggregate(aggregate: &AggregateExec, keys: &[KeyColumn]) -> Vec<KeyColumn> {
    let group_by = aggregate.group_expr();
    if !group_by.is_single() || aggregate.limit_options().is_some() {
        return Vec::new();
    }
    let groups = group_by.expr();
    let mut pushed = Vec::new();
    for key in keys {
        let group = if key.column < groups.len() { Some(key.column) } else { picked_group(aggregate, key) };
        let group = group.and_then(|at| groups.get(at));
        pushed.extend(group.and_then(|(expr, _)| through_expr(key, expr)));
    }
    pushed
}

/// The GROUP BY column whose value an aggregate function returns unchanged, such as `first_value(id)` of rows grouped
/// by id. DataFusion plans DISTINCT ON with `first_value`.
fn picked_group(aggregate: &AggregateExec, key: &KeyColumn) -> Option<usize> {
    let at = key.column - aggregate.group_expr().expr().len();
    let function = aggregate.aggr_expr().get(at)?;
    let picks_one_value = matches!(function.fun().name(), "first_value" | "last_value" | "min" | "max");
    let is_filtered = aggregate.filter_expr().get(at).is_none_or(Option::is_some);
    if !picks_one_value || is_filtered {
        return None;
    }
    // A final aggregate groups by the output columns of the partial one below it. The function's arguments are still
    // expressions over the input of the partial one, so they are compared with its groups.
    let first = match aggregate.mode() {
        AggregateMode::Final | AggregateMode::FinalPartitioned => aggregate.input().downcast_ref::<AggregateExec>()?,
        _ => aggregate,
    };
    let arguments = function.expressions();
    let argument = arguments.first()?;
    first.group_expr().expr().iter().position(|(group, _)| argument.eq(group))
}

/// The keys of a window operator that are in every PARTITION BY: all rows of a partition have the same key.
fn through_window(partitions: &[&[Arc<dyn PhysicalExpr>]], keys: &[KeyColumn]) -> Vec<KeyColumn> {
    let is_in = |column: usize, partition: &[Arc<dyn PhysicalExpr>]| {
        partition.iter().any(|expr| expr.downcast_ref::<Column>().is_some_and(|expr| expr.index() == column))
    };
    // This drops columns that the window adds as well: no PARTITION BY has them.
    let kept = keys.iter().filter(|key| partitions.iter().all(|partition| is_in(key.column, partition)));
    kept.cloned().collect()
}

/// The keys that may be pushed into the left and the right side of a join.
///
/// A key of the preserved side is pushed into that side: the join keeps or drops each of its rows without looking at
/// rows with other keys. If the join condition makes a column of the other side equal to the key (`across`), the key is
/// pushed into that side too: its other rows have no match. A null-aware join (NOT IN) looks at all rows of a side.
fn through_join(join: &HashJoinExec, keys: &[KeyColumn]) -> Vec<Vec<KeyColumn>> {
    let (left_is_preserved, right_is_preserved) = match join.join_type() {
        JoinType::Inner => (true, true),
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => (true, false),
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => (false, true),
        JoinType::Full => (false, false),
    };
    if join.null_aware {
        return vec![Vec::new(); 2];
    }
    let returns_left = !matches!(join.join_type(), JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark);
    // The output has the columns of the left side, if the join returns them, and then those of the right side. A mark
    // column follows, which is a column of neither.
    let left_columns = if returns_left { join.left().schema().fields().len() } else { 0 };
    let right_columns = join.right().schema().fields().len();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for key in projected(keys, join.projection.as_ref().map(AsRef::as_ref)) {
        if key.column < left_columns {
            left.extend(left_is_preserved.then_some(key));
        } else if right_is_preserved && key.column - left_columns < right_columns {
            right.push(key.at(key.column - left_columns));
        }
    }
    let (from_left, from_right) = (across(join, &left, true), across(join, &right, false));
    right.extend(from_left);
    left.extend(from_right);
    vec![left, right]
}

/// The keys of one side, as columns of the other side that the join condition makes equal to them. Casts are not
/// followed.
fn across(join: &HashJoinExec, keys: &[KeyColumn], from_left: bool) -> Vec<KeyColumn> {
    let mut found = Vec::new();
    for (left, right) in join.on() {
        let (from, to) = if from_left { (left, right) } else { (right, left) };
        let (Some((from, false)), Some((to, false))) = (column(from), column(to)) else { continue };
        found.extend(keys.iter().filter(|key| key.column == from).map(|key| key.at(to)));
    }
    found
}
