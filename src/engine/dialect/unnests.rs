//! UNNEST in places that DataFusion does not support, or where it loses the column's name.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Function, Select, SelectItem};

use crate::engine::Fault;
use crate::sql::visit_expressions;

/// Whether an expression refers to a column.
pub(super) fn refers_to_columns(expr: &Expr) -> bool {
    let found = visit_expressions(expr, |part| match part {
        Expr::CompoundIdentifier(_) | Expr::Identifier(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// Rejects `unnest(unnest(…)) AS x`: DataFusion loses the name `x`.
pub(super) fn check_names(select: &Select) -> Result<(), Fault> {
    match select.projection.iter().any(is_named_nested_unnest) {
        false => Ok(()),
        true => Err(Fault::Dialect {
            written: "unnest(unnest(…)) AS …".into(),
            instead:
                "unnest the inner list in a derived table: `SELECT unnest(x) AS y FROM (SELECT unnest(…) AS x FROM …)`"
                    .into(),
        }),
    }
}

/// Whether a selected item is `unnest(unnest(…)) AS x`.
fn is_named_nested_unnest(item: &SelectItem) -> bool {
    match item {
        SelectItem::ExprWithAlias { expr: Expr::Function(outer), .. } if is_unnest(outer) => {
            outer.args.to_string().to_lowercase().trim_start_matches('(').starts_with("unnest(")
        }
        _ => false,
    }
}

fn is_unnest(function: &Function) -> bool {
    function.name.to_string().eq_ignore_ascii_case("unnest")
}
