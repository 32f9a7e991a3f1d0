//! FETCH and TOP, rewritten to LIMIT.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Fetch, LimitClause, Query, SetExpr, Top, TopQuantity, Value};

use crate::engine::Fault;
use crate::sql::visit_expressions;

/// Rewrites `FETCH FIRST 3 ROWS ONLY` to a LIMIT.
pub(super) fn limit_of_fetch(query: &mut Query) -> Result<(), Fault> {
    match query.fetch.take() {
        None => Ok(()),
        Some(Fetch { with_ties: false, percent: false, quantity }) => {
            set_limit(query, quantity.unwrap_or_else(|| Expr::value(Value::Number("1".into(), false))))
        }
        Some(fetch) => Err(unsupported_ties(&fetch.to_string())),
    }
}

/// Rewrites `SELECT TOP 3 …` to a LIMIT of the same query.
pub(super) fn limit_of_top(query: &mut Query) -> Result<(), Fault> {
    let SetExpr::Select(select) = query.body.as_mut() else { return Ok(()) };
    match select.top.take() {
        None => Ok(()),
        Some(Top { with_ties: false, percent: false, quantity: Some(TopQuantity::Constant(rows)) }) => {
            set_limit(query, Expr::value(Value::Number(rows.to_string(), false)))
        }
        Some(Top { with_ties: false, percent: false, quantity: Some(TopQuantity::Expr(rows)) }) => {
            set_limit(query, rows)
        }
        Some(top) => Err(unsupported_ties(&top.to_string())),
    }
}

fn set_limit(query: &mut Query, rows: Expr) -> Result<(), Fault> {
    match &mut query.limit_clause {
        None => {
            query.limit_clause =
                Some(LimitClause::LimitOffset { limit: Some(rows), offset: None, limit_by: Vec::new() });
            Ok(())
        }
        Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => {
            *limit = Some(rows);
            Ok(())
        }
        Some(_) => {
            Err(Fault::Dialect { written: "a LIMIT beside FETCH or TOP".into(), instead: "write one of them".into() })
        }
    }
}

/// Rejects a subquery in LIMIT or OFFSET: DataFusion needs the number of rows before the query runs.
pub(super) fn check_limit(query: &Query) -> Result<(), Fault> {
    let is_subquery = |expr: &Expr| match expr {
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    match &query.limit_clause {
        Some(clause) if visit_expressions(clause, is_subquery).is_break() => Err(Fault::Dialect {
            written: "a subquery in LIMIT or OFFSET".into(),
            instead: "write the number, or bind it to a parameter: `LIMIT ?`".into(),
        }),
        Some(_) | None => Ok(()),
    }
}

fn unsupported_ties(written: &str) -> Fault {
    Fault::Dialect {
        written: written.to_owned(),
        instead: "number the rows with rank() OVER (ORDER BY …) in a derived table, and filter by that".into(),
    }
}
