//! Whether a subquery has the same rows each time that it is read.
//!
//! A predicate that may be NULL asks two or three questions about its subquery, and so reads it as often. What is read
//! from the API is the same each time (a query's lists are kept), but two things are not: a volatile function, and a
//! LIMIT that does not say which rows it keeps.

use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, Limit, LogicalPlan, Sort};

use super::{SUBQUERY, refused};
use crate::engine::fault::Fault;
use crate::table::ResourceTable;

/// # Errors
/// [`Fault::Unrepeatable`].
pub(super) fn check_repeatable(left: &Expr, subquery: &LogicalPlan) -> Result<()> {
    if left.is_volatile() {
        return Err(refused(Fault::Unrepeatable { why: "a volatile function" }));
    }
    subquery.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node
            && !is_of_question(limit)
            && !is_total(limit)
        {
            return Err(refused(Fault::Unrepeatable { why: "a LIMIT without an ORDER BY that tells all rows apart" }));
        }
        if node.expressions().iter().any(Expr::is_volatile) {
            return Err(refused(Fault::Unrepeatable { why: "a volatile function" }));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Whether it is the LIMIT that `joins` puts where one row tells as much as all.
fn is_of_question(limit: &Limit) -> bool {
    let rows = match limit.input.as_ref() {
        LogicalPlan::Filter(own) => own.input.as_ref(),
        other => other,
    };
    matches!(rows, LogicalPlan::SubqueryAlias(own) if own.alias.table().starts_with(SUBQUERY))
}

/// Whether rows that an ORDER BY leaves in any order are alike, so that it does not matter which of them are kept.
fn is_total(limit: &Limit) -> bool {
    let mut input = limit.input.as_ref();
    let mut same_columns = true;
    loop {
        input = match input {
            LogicalPlan::SubqueryAlias(own) => own.input.as_ref(),
            LogicalPlan::Projection(own) => {
                same_columns = false;
                own.input.as_ref()
            }
            LogicalPlan::Sort(sort) => return (same_columns && orders_all(sort)) || is_ordered_by_key(sort),
            _ => return false,
        };
    }
}

/// Whether each column of the rows is one that they are ordered by.
fn orders_all(sort: &Sort) -> bool {
    let columns = sort.input.schema().columns();
    columns.iter().all(|column| sort.expr.iter().any(|own| own.expr == Expr::Column(column.clone())))
}

/// Whether the rows are those of one table, ordered by the column that tells its rows apart.
fn is_ordered_by_key(sort: &Sort) -> bool {
    sort.expr.iter().any(|own| match &own.expr {
        Expr::Column(column) => {
            let place = sort.input.schema().maybe_index_of_column(column);
            place.is_some_and(|place| is_key(&sort.input, place))
        }
        _ => false,
    })
}

fn is_key(plan: &LogicalPlan, at: usize) -> bool {
    match plan {
        LogicalPlan::Filter(own) => is_key(&own.input, at),
        LogicalPlan::SubqueryAlias(own) => is_key(&own.input, at),
        LogicalPlan::Projection(own) => match &own.expr[at] {
            Expr::Column(column) => {
                own.input.schema().maybe_index_of_column(column).is_some_and(|at| is_key(&own.input, at))
            }
            _ => false,
        },
        LogicalPlan::TableScan(scan) => {
            let name = scan.projected_schema.field(at).name();
            let provider = source_as_provider(&scan.source).ok();
            provider.is_some_and(|own| own.downcast_ref::<ResourceTable>().is_some_and(|own| own.is_unique(name)))
        }
        _ => false,
    }
}
