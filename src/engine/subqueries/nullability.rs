//! Whether a column can be NULL.
//!
//! DataFusion plans with every column nullable (see ARCHITECTURE.md), and if it infers "not null" for an expression it
//! is sometimes wrong (apache/datafusion issue 25474). So this module uses only reliable facts: the declaration of a
//! table, constants, and conditions that are never true for NULL. A wrong "may be NULL" costs another join, a wrong
//! "never NULL" returns a wrong result.

use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::Column;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    BinaryExpr, Cast, Expr, Filter, Join, JoinType, LogicalPlan, Operator, TableScan, Values,
};

use crate::table::ResourceTable;

/// Whether an expression over the columns of `plan` is never NULL.
pub(super) fn is_never_null(expr: &Expr, plan: &LogicalPlan) -> bool {
    match expr {
        Expr::Literal(value, _) => !value.is_null(),
        Expr::Column(column) => {
            plan.schema().maybe_index_of_column(column).is_some_and(|at| column_is_never_null(plan, at))
        }
        Expr::Alias(alias) => is_never_null(&alias.expr, plan),
        // A failing cast is an error, not a NULL.
        Expr::Cast(Cast { expr, .. }) => is_never_null(expr, plan),
        _ => false,
    }
}

/// Whether the column at this index is never NULL.
pub(super) fn column_is_never_null(plan: &LogicalPlan, at: usize) -> bool {
    match plan {
        LogicalPlan::TableScan(scan) => is_declared_not_null(scan, at),
        LogicalPlan::Filter(filter) => removes_nulls(filter, at) || column_is_never_null(&filter.input, at),
        LogicalPlan::Projection(projection) => {
            projection.expr.get(at).is_some_and(|expr| is_never_null(expr, &projection.input))
        }
        LogicalPlan::Aggregate(aggregate) => match &aggregate.group_expr[..] {
            [Expr::GroupingSet(_)] => false,
            groups => groups.get(at).is_some_and(|group| is_never_null(group, &aggregate.input)),
        },
        LogicalPlan::Join(join) => join_column_is_never_null(join, at),
        LogicalPlan::Window(window) => {
            at < window.input.schema().fields().len() && column_is_never_null(&window.input, at)
        }
        LogicalPlan::Union(union) => union.inputs.iter().all(|input| column_is_never_null(input, at)),
        LogicalPlan::Values(Values { values, .. }) => {
            values.iter().all(|row| row.get(at).is_some_and(|value| is_never_null(value, plan)))
        }
        LogicalPlan::SubqueryAlias(alias) => column_is_never_null(&alias.input, at),
        LogicalPlan::Subquery(subquery) => column_is_never_null(&subquery.subquery, at),
        LogicalPlan::Sort(sort) => column_is_never_null(&sort.input, at),
        LogicalPlan::Limit(limit) => column_is_never_null(&limit.input, at),
        LogicalPlan::Distinct(datafusion::logical_expr::Distinct::All(input)) => column_is_never_null(input, at),
        _ => false,
    }
}

fn is_declared_not_null(scan: &TableScan, at: usize) -> bool {
    let Ok(provider) = source_as_provider(&scan.source) else { return false };
    let name = scan.projected_schema.field(at).name();
    provider.downcast_ref::<ResourceTable>().is_some_and(|table| table.is_never_null(name))
}

/// Whether the filter removes every row in which the column is NULL.
fn removes_nulls(filter: &Filter, at: usize) -> bool {
    let (qualifier, field) = filter.input.schema().qualified_field(at);
    let column = Expr::Column(Column::from((qualifier, field)));
    split_conjunction(&filter.predicate).into_iter().any(|term| match term {
        Expr::IsNotNull(inner) => **inner == column,
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            is_null_for_null(*op) && (**left == column || **right == column)
        }
        _ => false,
    })
}

/// Whether a comparison by this operator is NULL if an operand is.
fn is_null_for_null(op: Operator) -> bool {
    matches!(op, Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
}

fn join_column_is_never_null(join: &Join, at: usize) -> bool {
    let left = join.left.schema().fields().len();
    let (of_left, of_right) = match join.join_type {
        JoinType::Inner => (true, true),
        JoinType::Left => (true, false),
        JoinType::Right => (false, true),
        JoinType::Full => (false, false),
        // The mark, which is never NULL, comes after the left columns.
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
            return at >= left || column_is_never_null(&join.left, at);
        }
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
            return at >= join.right.schema().fields().len() || column_is_never_null(&join.right, at);
        }
    };
    if at < left {
        of_left && column_is_never_null(&join.left, at)
    } else {
        of_right && column_is_never_null(&join.right, at - left)
    }
}
