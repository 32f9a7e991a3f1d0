//! Whether a subquery has the same rows each time that it is read.
//!
//! A predicate that may be NULL asks two or three questions about its subquery, and so reads it as often. What is read
//! from the API is the same each time (a query's lists are kept), but two things are not: a volatile function, and a
//! LIMIT that does not say which rows it keeps.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, Limit, LogicalPlan, Sort};

use super::refused;
use crate::engine::fault::Fault;

/// # Errors
/// [`Fault::Unrepeatable`].
pub(super) fn check_repeatable(left: &Expr, subquery: &LogicalPlan) -> Result<()> {
    if left.is_volatile() {
        return Err(refused(Fault::Unrepeatable { why: "a volatile function" }));
    }
    subquery.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node
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

/// Whether the rows are ordered by columns of which the table says that no two rows have the same.
fn is_ordered_by_key(sort: &Sort) -> bool {
    let schema = sort.input.schema();
    let place = |own: &datafusion::logical_expr::SortExpr| match &own.expr {
        Expr::Column(column) => schema.maybe_index_of_column(column),
        _ => None,
    };
    let ordered: Vec<usize> = sort.expr.iter().filter_map(place).collect();
    let dependencies = schema.functional_dependencies();
    dependencies.iter().any(|own| {
        let all = own.target_indices.len() == schema.fields().len();
        let single = own.mode == datafusion::common::Dependency::Single;
        all && single && own.source_indices.iter().all(|source| ordered.contains(source))
    })
}
