//! Whether a subquery returns the same rows each time it is read.
//!
//! A predicate that may be NULL becomes two or three joins, and so reads its subquery two or three times. Rows of the
//! API are the same each time, because a query caches its lists. But a volatile function returns another value, and a
//! LIMIT without a total order may keep other rows.

use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, Limit, LogicalPlan, Sort};

use super::{SUBQUERY, refused};
use crate::engine::fault::Fault;
use crate::table::ResourceTable;

/// Checks that `left` and `subquery` can be evaluated several times.
///
/// # Errors
/// [`Fault::Unrepeatable`].
pub(super) fn check_repeatable(left: &Expr, subquery: &LogicalPlan) -> Result<()> {
    if left.is_volatile() {
        return Err(refused(Fault::Unrepeatable { why: "a volatile function" }));
    }
    subquery.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node
            && !is_limit_of_joins(limit)
            && !is_total(limit)
        {
            return Err(refused(Fault::Unrepeatable {
                why: "a LIMIT without an ORDER BY that distinguishes all rows",
            }));
        }
        if node.expressions().iter().any(Expr::is_volatile) {
            return Err(refused(Fault::Unrepeatable { why: "a volatile function" }));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Whether it is a LIMIT 1 that `joins` has added, where any row will do.
fn is_limit_of_joins(limit: &Limit) -> bool {
    let rows = match limit.input.as_ref() {
        LogicalPlan::Filter(filter) => filter.input.as_ref(),
        other => other,
    };
    matches!(rows, LogicalPlan::SubqueryAlias(alias) if alias.alias.table().starts_with(SUBQUERY))
}

/// Whether the LIMIT always keeps the same rows: rows with equal sort keys are identical, or there are none.
fn is_total(limit: &Limit) -> bool {
    let mut input = limit.input.as_ref();
    let mut selects_all_columns = true;
    loop {
        input = match input {
            LogicalPlan::SubqueryAlias(alias) => alias.input.as_ref(),
            LogicalPlan::Projection(projection) => {
                selects_all_columns = false;
                projection.input.as_ref()
            }
            LogicalPlan::Sort(sort) => return (selects_all_columns && orders_all(sort)) || is_ordered_by_key(sort),
            _ => return false,
        };
    }
}

/// Whether the rows are ordered by all of their columns.
fn orders_all(sort: &Sort) -> bool {
    let columns = sort.input.schema().columns();
    columns.iter().all(|column| sort.expr.iter().any(|key| key.expr == Expr::Column(column.clone())))
}

/// Whether the rows are those of one table, ordered by its unique column.
fn is_ordered_by_key(sort: &Sort) -> bool {
    sort.expr.iter().any(|key| match &key.expr {
        Expr::Column(column) => {
            let place = sort.input.schema().maybe_index_of_column(column);
            place.is_some_and(|place| is_key(&sort.input, place))
        }
        _ => false,
    })
}

fn is_key(plan: &LogicalPlan, at: usize) -> bool {
    match plan {
        LogicalPlan::Filter(filter) => is_key(&filter.input, at),
        LogicalPlan::SubqueryAlias(alias) => is_key(&alias.input, at),
        LogicalPlan::Projection(projection) => match &projection.expr[at] {
            Expr::Column(column) => {
                projection.input.schema().maybe_index_of_column(column).is_some_and(|at| is_key(&projection.input, at))
            }
            _ => false,
        },
        LogicalPlan::TableScan(scan) => {
            let name = scan.projected_schema.field(at).name();
            let provider = source_as_provider(&scan.source).ok();
            provider.is_some_and(|provider| {
                provider.downcast_ref::<ResourceTable>().is_some_and(|table| table.is_unique(name))
            })
        }
        _ => false,
    }
}
