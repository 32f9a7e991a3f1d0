//! What is written in other dialects of SQL, or read wrongly by the parser: rewritten where that is sound, else refused
//! with what to write instead.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Fetch, Function, Ident, LimitClause, Query, Select, SelectItem, SetExpr, Statement,
    TableFactor, Top, TopQuantity, UnaryOperator, Value, VisitMut, VisitorMut, visit_expressions,
};

use super::{Fault, function_names};
use crate::sql::{identifier, statement_of_mut};

/// Rewrites a statement into the dialect that is planned.
///
/// # Errors
/// [`Fault::ReadOnly`], [`Fault::Dialect`] and [`Fault::UnknownFunction`].
pub(super) fn translate(state: &SessionState, ast: &mut Ast) -> Result<(), Fault> {
    let Some(statement) = statement_of_mut(ast) else { return Ok(()) };
    check_statement(statement)?;
    match statement.visit(&mut Translating { state }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(fault) => Err(fault),
    }
}

/// What is no query says why it is refused before anybody looks for its tables.
fn check_statement(statement: &Statement) -> Result<(), Fault> {
    let words = |count| statement.to_string().split_whitespace().take(count).collect::<Vec<_>>().join(" ");
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
        | Statement::Drop { .. } => Err(Fault::ReadOnly(words(2))),
        Statement::StartTransaction { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Savepoint { .. } => Err(Fault::Dialect {
            written: words(1),
            instead: "leave it out: each statement is one of its own, there are no transactions".into(),
        }),
        Statement::Use(_) => Err(Fault::Dialect {
            written: "USE".into(),
            instead: "write a table's name in full: `catalog.schema.table`; `SHOW TABLES` lists them".into(),
        }),
        _ => Ok(()),
    }
}

struct Translating<'a> {
    state: &'a SessionState,
}

impl VisitorMut for Translating<'_> {
    type Break = Fault;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Fault> {
        let result = limit_of_fetch(query)
            .and_then(|()| limit_of_top(query))
            .and_then(|()| check_limit(query))
            .and_then(|()| number_columns(&mut query.body));
        result.map_or_else(ControlFlow::Break, ControlFlow::Continue)
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Fault> {
        match table {
            TableFactor::UNNEST { array_exprs, .. } if array_exprs.iter().any(speaks_of_columns) => {
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
        bind_distinct(expr);
        match expr {
            Expr::Function(function) => {
                function_names::check(self.state, function).map_or_else(ControlFlow::Break, ControlFlow::Continue)
            }
            Expr::Identifier(name) if name.value.starts_with("@@") => ControlFlow::Break(Fault::Dialect {
                written: name.value.clone(),
                instead: "`SELECT version()` tells the version of the engine; `SHOW ALL` its settings".into(),
            }),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// `FETCH FIRST 3 ROWS ONLY` is a LIMIT.
fn limit_of_fetch(query: &mut Query) -> Result<(), Fault> {
    match query.fetch.take() {
        None => Ok(()),
        Some(Fetch { with_ties: false, percent: false, quantity }) => {
            limit(query, quantity.unwrap_or_else(|| Expr::value(Value::Number("1".into(), false))))
        }
        Some(fetch) => Err(ties(&fetch.to_string())),
    }
}

/// `SELECT TOP 3 …` is a LIMIT of the query that it is in.
fn limit_of_top(query: &mut Query) -> Result<(), Fault> {
    let SetExpr::Select(select) = query.body.as_mut() else { return Ok(()) };
    match select.top.take() {
        None => Ok(()),
        Some(Top { with_ties: false, percent: false, quantity: Some(TopQuantity::Constant(rows)) }) => {
            limit(query, Expr::value(Value::Number(rows.to_string(), false)))
        }
        Some(Top { with_ties: false, percent: false, quantity: Some(TopQuantity::Expr(rows)) }) => limit(query, rows),
        Some(top) => Err(ties(&top.to_string())),
    }
}

fn limit(query: &mut Query, rows: Expr) -> Result<(), Fault> {
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

/// The number of rows is known before the query runs.
fn check_limit(query: &Query) -> Result<(), Fault> {
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

fn ties(written: &str) -> Fault {
    Fault::Dialect {
        written: written.to_owned(),
        instead: "number the rows with rank() OVER (ORDER BY …) in a derived table, and filter by that".into(),
    }
}

/// A second column of the same name gets a number: DataFusion takes no two of one name, other databases do.
fn number_columns(body: &mut SetExpr) -> Result<(), Fault> {
    match body {
        SetExpr::Select(select) => {
            check_unnests(select)?;
            number_columns_of(select);
        }
        SetExpr::SetOperation { left, right, .. } => {
            for branch in [left, right] {
                if let SetExpr::Select(select) = branch.as_ref()
                    && let Some(top) = &select.top
                {
                    let instead = "put the branch in brackets, with a LIMIT".into();
                    return Err(Fault::Dialect { written: top.to_string(), instead });
                }
                number_columns(branch)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn number_columns_of(select: &mut Select) {
    let names: Vec<Option<String>> = select.projection.iter().map(item_name).collect();
    let mut taken: Vec<String> = names.iter().flatten().cloned().collect();
    for (at, item) in select.projection.iter_mut().enumerate() {
        let (Some(name), SelectItem::UnnamedExpr(expr)) = (&names[at], &*item) else { continue };
        if !names[..at].iter().flatten().any(|other| is_alike(other, name)) {
            continue;
        }
        let own = name.rsplit('.').next().unwrap_or(name);
        let free =
            (2..).map(|number| format!("{own}_{number}")).find(|free| !taken.iter().any(|own| is_alike(own, free)));
        let Some(free) = free else { continue };
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', free.as_str()) };
        taken.push(free);
    }
}

fn item_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(expr) => Some(column_name(expr)),
        SelectItem::ExprWithAlias { alias, .. } => Some(identifier(alias)),
        _ => None,
    }
}

/// The name that DataFusion gives a column, as far as two of them can be alike: a cast has its column's.
fn column_name(expr: &Expr) -> String {
    match expr {
        Expr::Nested(inner) => column_name(inner),
        Expr::Cast { expr, .. } => column_name(expr),
        Expr::Identifier(name) => identifier(name),
        Expr::CompoundIdentifier(parts) => parts.iter().map(identifier).collect::<Vec<_>>().join("."),
        Expr::Function(_) => expr.to_string().to_lowercase(),
        other => other.to_string(),
    }
}

/// Whether two names are of one column: `a` may be that of `l.a`, but `l.a` is not `r.a`.
fn is_alike(one: &str, other: &str) -> bool {
    let bare = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    one == other || (one.contains('.') != other.contains('.') && bare(one) == bare(other))
}

/// The parser reads `a IS DISTINCT FROM b AND c` as `a IS DISTINCT FROM (b AND c)`. So the terms of such an expression
/// are put in a row again, as they were written, and bound anew: NOT, then AND, then XOR, then OR. An AND in brackets
/// stays where it is.
fn bind_distinct(expr: &mut Expr) {
    if !holds_wrong_distinct(expr) {
        return;
    }
    let mut terms = VecDeque::new();
    in_a_row(std::mem::replace(expr, Expr::value(Value::Null)), &mut terms);
    *expr = bound(&mut terms, 0);
}

/// A part of an expression outside of brackets.
enum Term {
    Operator(BinaryOperator),
    Not,
    Value(Box<Expr>),
}

fn is_logic(op: &BinaryOperator) -> bool {
    matches!(op, BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Xor)
}

fn holds_wrong_distinct(expr: &Expr) -> bool {
    match expr {
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) => {
            matches!(right.as_ref(), Expr::BinaryOp { op, .. } if is_logic(op)) || holds_wrong_distinct(right)
        }
        Expr::BinaryOp { left, op, right } if is_logic(op) => holds_wrong_distinct(left) || holds_wrong_distinct(right),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => holds_wrong_distinct(expr),
        _ => false,
    }
}

fn in_a_row(expr: Expr, terms: &mut VecDeque<Term>) {
    match expr {
        Expr::BinaryOp { left, op, right } if is_logic(&op) => {
            in_a_row(*left, terms);
            terms.push_back(Term::Operator(op));
            in_a_row(*right, terms);
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
            terms.push_back(Term::Not);
            in_a_row(*expr, terms);
        }
        Expr::IsDistinctFrom(left, right) => compared(*right, terms, |right| Expr::IsDistinctFrom(left, right)),
        Expr::IsNotDistinctFrom(left, right) => compared(*right, terms, |right| Expr::IsNotDistinctFrom(left, right)),
        other => terms.push_back(Term::Value(Box::new(other))),
    }
}

/// The first term of the right side is what is compared with.
fn compared(right: Expr, terms: &mut VecDeque<Term>, compare: impl FnOnce(Box<Expr>) -> Expr) {
    let mut right_terms = VecDeque::new();
    in_a_row(right, &mut right_terms);
    let mut first = right_terms.pop_front();
    let mut nots = 0;
    while let Some(Term::Not) = first {
        nots += 1;
        first = right_terms.pop_front();
    }
    if let Some(Term::Value(mut value)) = first {
        for _ in 0..nots {
            value = Box::new(Expr::UnaryOp { op: UnaryOperator::Not, expr: value });
        }
        terms.push_back(Term::Value(Box::new(compare(value))));
    }
    terms.extend(right_terms);
}

const LEVELS: [BinaryOperator; 3] = [BinaryOperator::Or, BinaryOperator::Xor, BinaryOperator::And];

fn bound(terms: &mut VecDeque<Term>, level: usize) -> Expr {
    let Some(own) = LEVELS.get(level) else { return bound_not(terms) };
    let mut expr = bound(terms, level + 1);
    while matches!(terms.front(), Some(Term::Operator(op)) if op == own) {
        terms.pop_front();
        let right = Box::new(bound(terms, level + 1));
        expr = Expr::BinaryOp { left: Box::new(expr), op: own.clone(), right };
    }
    expr
}

fn bound_not(terms: &mut VecDeque<Term>) -> Expr {
    match terms.pop_front() {
        Some(Term::Not) => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(bound_not(terms)) },
        Some(Term::Value(value)) => *value,
        // The parser has put a value between any two operators.
        Some(Term::Operator(_)) | None => Expr::value(Value::Null),
    }
}

/// Whether an expression speaks of a table's column.
fn speaks_of_columns(expr: &Expr) -> bool {
    let found = visit_expressions(expr, |part| match part {
        Expr::CompoundIdentifier(_) | Expr::Identifier(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// DataFusion loses the name of `unnest(unnest(…)) AS x`.
fn check_unnests(select: &Select) -> Result<(), Fault> {
    let is_unnest = |function: &Function| function.name.to_string().eq_ignore_ascii_case("unnest");
    let nested = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { expr: Expr::Function(outer), .. } if is_unnest(outer) => {
            outer.args.to_string().to_lowercase().trim_start_matches('(').starts_with("unnest(")
        }
        _ => false,
    };
    match select.projection.iter().any(nested) {
        false => Ok(()),
        true => Err(Fault::Dialect {
            written: "unnest(unnest(…)) AS …".into(),
            instead:
                "unnest the inner list in a derived table: `SELECT unnest(x) AS y FROM (SELECT unnest(…) AS x FROM …)`"
                    .into(),
        }),
    }
}
