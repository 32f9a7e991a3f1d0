//! Bounds the aggregates of a statement.
//!
//! DataFusion compares each expression of a SELECT list with all others, by their names, and cannot be interrupted while it
//! does. A column's name is short; an aggregate's has all of its arguments: 500 take 1.3 seconds, 900 take 4.

use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{Expr, Function, ObjectNamePart};

use super::limit_fault::LimitFault;
use crate::sql::{identifier, statement_of, visit_expressions};

/// The maximum number of aggregates of a statement. Those of windows are bounded by `sql`.
const MAX_AGGREGATES: usize = 500;

/// Rejects a statement with more aggregates.
///
/// # Errors
/// [`LimitFault::ManyAggregates`].
pub(super) fn check_aggregates(state: &SessionState, ast: &Ast) -> Result<(), LimitFault> {
    let Some(statement) = statement_of(ast) else { return Ok(()) };
    let mut found = 0;
    let counted = visit_expressions(statement, |expr| {
        found += usize::from(is_aggregate(state, expr));
        if found > MAX_AGGREGATES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match counted {
        ControlFlow::Break(()) => Err(LimitFault::ManyAggregates { most: MAX_AGGREGATES }),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn is_aggregate(state: &SessionState, expr: &Expr) -> bool {
    let Expr::Function(Function { name, over: None, .. }) = expr else { return false };
    match &name.0[..] {
        [ObjectNamePart::Identifier(name)] => state.aggregate_functions().contains_key(&identifier(name)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::sql::{StatementBody, parse};

    fn check(sql: &str) -> Result<(), LimitFault> {
        let StatementBody::Sql(ast) = parse(sql).unwrap().body else { panic!("{sql}") };
        check_aggregates(&SessionContext::new().state(), &ast)
    }

    #[test]
    fn aggregates_are_counted_wherever_they_are_and_other_calls_are_not() {
        let sums = |count: usize| vec!["sum(x)"; count].join(", ");
        let refused = |sql: &str| matches!(check(sql), Err(LimitFault::ManyAggregates { most: 500 }));

        assert!(check(&format!("SELECT {} FROM t", sums(500))).is_ok());
        assert!(refused(&format!("SELECT {} FROM t", sums(501))));
        assert!(refused(&format!("EXPLAIN SELECT * FROM (SELECT {} FROM t) ORDER BY 1", sums(501))));
        assert!(refused(&format!("SELECT {0} FROM t UNION ALL SELECT {0} FROM t", sums(251))));
        assert!(check(&format!("SELECT {} FROM t", vec!["abs(x)"; 501].join(", "))).is_ok());
        assert!(check(&format!("SELECT {} FROM t", vec!["sum(x) OVER ()"; 501].join(", "))).is_ok());
    }
}
