//! Whether a column is never NULL, as far as a plan shows it.
//!
//! DataFusion plans with every column nullable (see ARCHITECTURE.md), and where it says "not null" of an expression it
//! is sometimes wrong (apache/datafusion issue 25474). So this looks at what cannot be wrong: a table's own promise,
//! constants, and conditions that no NULL meets. A wrong "perhaps" costs another join, a wrong "never" an answer.

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
        // A value that the type cannot hold is an error, not a NULL.
        Expr::Cast(Cast { expr, .. }) => is_never_null(expr, plan),
        _ => false,
    }
}

/// Whether the column at this place is never NULL.
pub(super) fn column_is_never_null(plan: &LogicalPlan, at: usize) -> bool {
    match plan {
        LogicalPlan::TableScan(scan) => promised(scan, at),
        LogicalPlan::Filter(filter) => is_required(filter, at) || column_is_never_null(&filter.input, at),
        LogicalPlan::Projection(own) => own.expr.get(at).is_some_and(|expr| is_never_null(expr, &own.input)),
        LogicalPlan::Aggregate(own) => match &own.group_expr[..] {
            [Expr::GroupingSet(_)] => false,
            groups => groups.get(at).is_some_and(|group| is_never_null(group, &own.input)),
        },
        LogicalPlan::Join(join) => of_join(join, at),
        LogicalPlan::Window(own) => at < own.input.schema().fields().len() && column_is_never_null(&own.input, at),
        LogicalPlan::Union(own) => own.inputs.iter().all(|input| column_is_never_null(input, at)),
        LogicalPlan::Values(Values { values, .. }) => {
            values.iter().all(|row| row.get(at).is_some_and(|value| is_never_null(value, plan)))
        }
        LogicalPlan::SubqueryAlias(own) => column_is_never_null(&own.input, at),
        LogicalPlan::Subquery(own) => column_is_never_null(&own.subquery, at),
        LogicalPlan::Sort(own) => column_is_never_null(&own.input, at),
        LogicalPlan::Limit(own) => column_is_never_null(&own.input, at),
        LogicalPlan::Distinct(datafusion::logical_expr::Distinct::All(input)) => column_is_never_null(input, at),
        _ => false,
    }
}

fn promised(scan: &TableScan, at: usize) -> bool {
    let Ok(provider) = source_as_provider(&scan.source) else { return false };
    let name = scan.projected_schema.field(at).name();
    provider.downcast_ref::<ResourceTable>().is_some_and(|table| table.is_never_null(name))
}

/// Whether the filter keeps no row in which the column is NULL.
fn is_required(filter: &Filter, at: usize) -> bool {
    let (qualifier, field) = filter.input.schema().qualified_field(at);
    let column = Expr::Column(Column::from((qualifier, field)));
    split_conjunction(&filter.predicate).into_iter().any(|term| match term {
        Expr::IsNotNull(inner) => **inner == column,
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            is_null_of_null(*op) && (**left == column || **right == column)
        }
        _ => false,
    })
}

/// Whether a comparison with NULL is NULL.
fn is_null_of_null(op: Operator) -> bool {
    matches!(op, Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
}

fn of_join(join: &Join, at: usize) -> bool {
    let left = join.left.schema().fields().len();
    let (of_left, of_right) = match join.join_type {
        JoinType::Inner => (true, true),
        JoinType::Left => (true, false),
        JoinType::Right => (false, true),
        JoinType::Full => (false, false),
        // Behind the left columns there is the mark.
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
