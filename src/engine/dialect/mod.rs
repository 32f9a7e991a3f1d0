//! Syntax of other SQL dialects, and syntax that the parser gets wrong. It is rewritten in the syntax tree if the
//! result means the same, and rejected with a suggestion otherwise.
//!
//! ```text
//!     check_statement     DDL, DML, transactions, USE            rejected before table names are looked up
//!     each expression     {fn UCASE(x)}                          escape_functions, escape_keywords
//!     each query          FETCH, TOP ──► LIMIT                   fetch_and_top
//!                         second column of one name ──► name_2   column_names, unnests
//!     each table          TABLESAMPLE, PIVOT, UNNEST of columns  rejected
//!     each expression     IS DISTINCT FROM … AND …               precedence
//!                         unknown functions                      functions
//! ```
//!
//! The order matters in two places. The escapes come first, in a pass of their own, because a column has the name of what
//! an escape becomes: `{fn CONVERT(id, SQL_VARCHAR)}` has that of `id`. And expressions are visited from the outside in, because `precedence` rebuilds the
//! outermost expression of a chain and with it the ones inside.

mod column_names;
mod escape_functions;
mod escape_keywords;
mod fetch_and_top;
mod functions;
mod precedence;
mod unnests;

use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{Expr, Query, Statement, TableFactor, VisitorMut};

use self::escape_functions::EscapeTranslator;
pub use self::escape_functions::{ESCAPE_FUNCTIONS, EscapeFunction, EscapeKind};
use super::Fault;
use crate::sql::{statement_of_mut, visit_mut};

/// Rewrites a statement to DataFusion's dialect.
///
/// # Errors
/// [`Fault::ReadOnly`], [`Fault::Dialect`] and [`Fault::UnknownFunction`].
pub(super) fn translate(state: &SessionState, ast: &mut Ast) -> Result<(), Fault> {
    let Some(statement) = statement_of_mut(ast) else { return Ok(()) };
    check_statement(statement)?;
    translated(visit_mut(statement, &mut EscapeTranslator::default()))?;
    translated(visit_mut(statement, &mut DialectTranslator { state }))
}

fn translated(flow: ControlFlow<Fault>) -> Result<(), Fault> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(fault) => Err(fault),
    }
}

/// Rewrites an expression, such as an argument of an EXEC.
///
/// # Errors
/// As [`translate`].
pub(super) fn translate_expression(state: &SessionState, expr: &mut Expr) -> Result<(), Fault> {
    translated(visit_mut(expr, &mut EscapeTranslator::default()))?;
    translated(visit_mut(expr, &mut DialectTranslator { state }))
}

/// Rejects a statement that is not a query. This runs before the lookup of table names, whose error would be
/// misleading.
fn check_statement(statement: &Statement) -> Result<(), Fault> {
    let first_words = |count| statement.to_string().split_whitespace().take(count).collect::<Vec<_>>().join(" ");
    match statement {
        Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Merge(_)
        | Statement::Truncate(_)
        | Statement::CreateTable(_)
        | Statement::CreateView(_)
        | Statement::CreateIndex(_)
        | Statement::CreateSchema { .. }
        | Statement::CreateDatabase { .. }
        | Statement::AlterTable(_)
        | Statement::Set(_)
        | Statement::Drop { .. } => Err(Fault::ReadOnly(first_words(2))),
        Statement::StartTransaction { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Savepoint { .. } => {
            Err(Fault::Dialect { written: first_words(1), instead: "leave it out: there are no transactions".into() })
        }
        Statement::Use(_) => Err(Fault::Dialect {
            written: "USE".into(),
            instead: "write a table's name in full: `catalog.schema.table`; `SHOW TABLES` lists them".into(),
        }),
        _ => Ok(()),
    }
}

struct DialectTranslator<'a> {
    state: &'a SessionState,
}

impl VisitorMut for DialectTranslator<'_> {
    type Break = Fault;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Fault> {
        let result = fetch_and_top::limit_of_fetch(query)
            .and_then(|()| fetch_and_top::limit_of_top(query))
            .and_then(|()| fetch_and_top::check_limit(query))
            .and_then(|()| column_names::number_columns(&mut query.body));
        result.map_or_else(ControlFlow::Break, ControlFlow::Continue)
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Fault> {
        match table {
            TableFactor::UNNEST { array_exprs, .. } if array_exprs.iter().any(unnests::refers_to_columns) => {
                ControlFlow::Break(Fault::Dialect {
                    written: table.to_string(),
                    instead: "select it: `SELECT t.id, unnest(t.list) AS x FROM t`, as a derived table \
                              where its rows are filtered"
                        .into(),
                })
            }
            TableFactor::Table { sample: Some(_), .. } => ControlFlow::Break(Fault::Dialect {
                written: "TABLESAMPLE".into(),
                instead: "some rows by chance are `SELECT … ORDER BY random() LIMIT 10`".into(),
            }),
            TableFactor::Pivot { .. } => ControlFlow::Break(Fault::Dialect {
                written: "PIVOT".into(),
                instead: "write a column for each value: `sum(x) FILTER (WHERE status = 'completed')`".into(),
            }),
            TableFactor::Unpivot { .. } => ControlFlow::Break(Fault::Dialect {
                written: "UNPIVOT".into(),
                instead: "write a SELECT for each column, with UNION ALL between them".into(),
            }),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Fault> {
        precedence::bind_distinct(expr);
        match expr {
            Expr::Function(function) => {
                functions::check(self.state, function).map_or_else(ControlFlow::Break, ControlFlow::Continue)
            }
            Expr::Identifier(name) if name.value.starts_with("@@") => ControlFlow::Break(Fault::Dialect {
                written: name.value.clone(),
                instead: "`SELECT version()` returns the version of the engine, `SHOW ALL` its settings".into(),
            }),
            _ => ControlFlow::Continue(()),
        }
    }
}
