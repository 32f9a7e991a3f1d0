//! What is written in other dialects of SQL, or read wrongly by the parser: rewritten where that is sound, else refused
//! with what to write instead.

use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use datafusion::sql::parser::{ExplainStatement, Statement as Ast};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Fetch, Function, Ident, LimitClause, ObjectNamePart, Query, Select, SelectItem, SetExpr,
    Statement, TableFactor, Top, TopQuantity, Value, VisitMut, VisitorMut,
};

use super::Fault;
use crate::error::nearest;

/// Rewrites a statement into the dialect that is planned.
///
/// # Errors
/// [`Fault::ReadOnly`], [`Fault::Dialect`] and [`Fault::UnknownFunction`].
pub(super) fn translate(state: &SessionState, ast: &mut Ast) -> Result<(), Fault> {
    match ast {
        Ast::Statement(statement) => {
            check_statement(statement)?;
            match Statement::visit(statement, &mut Translating { state }) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(fault) => Err(fault),
            }
        }
        Ast::Explain(ExplainStatement { statement, .. }) => translate(state, statement),
        Ast::CreateExternalTable(_) | Ast::CopyTo(_) | Ast::Reset(_) => Ok(()),
    }
}

/// What is no query says why it is refused before anybody looks for its tables.
fn check_statement(statement: &Statement) -> Result<(), Fault> {
    let text = statement.to_string();
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
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
        | Statement::Drop { .. } => Err(Fault::ReadOnly(words.join(" "))),
        Statement::StartTransaction { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Savepoint { .. } => Err(Fault::Dialect {
            written: words[0].to_owned(),
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
        let result = limit_of_fetch(query).and_then(|()| limit_of_top(query)).and_then(|()| named(&mut query.body));
        result.map_or_else(ControlFlow::Break, ControlFlow::Continue)
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Fault> {
        match table {
            TableFactor::UNNEST { array_exprs, .. } if array_exprs.iter().any(is_column) => {
                ControlFlow::Break(Fault::Dialect {
                    written: table.to_string(),
                    instead: "select it: `SELECT i.id, unnest(i.regions) AS region FROM images i`, as a derived table \
                              where its rows are filtered"
                        .into(),
                })
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Fault> {
        turn_distinct(expr);
        match expr {
            Expr::Function(function) => match self.check_function(function) {
                Ok(()) => ControlFlow::Continue(()),
                Err(fault) => ControlFlow::Break(fault),
            },
            Expr::Identifier(name) if name.value.starts_with("@@") => ControlFlow::Break(Fault::Dialect {
                written: name.value.clone(),
                instead: "`SELECT version()` tells the version of the engine; `SHOW ALL` its settings".into(),
            }),
            _ => ControlFlow::Continue(()),
        }
    }
}

impl Translating<'_> {
    fn check_function(&self, function: &Function) -> Result<(), Fault> {
        let [ObjectNamePart::Identifier(ident)] = &function.name.0[..] else { return Ok(()) };
        let name = if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() };
        if name == "unnest" && calls_unnest(function) {
            return Err(Fault::Dialect {
                written: "unnest(unnest(…))".into(),
                instead: "unnest the inner list in a derived table, and its elements outside: `SELECT unnest(x) FROM \
                          (SELECT unnest(…) AS x FROM …)`"
                    .into(),
            });
        }
        if self.is_known(&name) {
            return Ok(());
        }
        let near = elsewhere(&name).map(str::to_owned).or_else(|| self.nearest(&name).map(|near| format!("`{near}`?")));
        Err(Fault::UnknownFunction { name, instead: near })
    }

    fn is_known(&self, name: &str) -> bool {
        // A parameter, and what the planner knows without a function of that name.
        name.starts_with('$')
            || PLANNED.contains(&name)
            || self.state.scalar_functions().contains_key(name)
            || self.state.aggregate_functions().contains_key(name)
            || self.state.window_functions().contains_key(name)
            || self.state.higher_order_functions().contains_key(name)
            || self.state.table_functions().contains_key(name)
    }

    fn nearest(&self, name: &str) -> Option<String> {
        let scalars = self.state.scalar_functions().keys().map(String::as_str);
        let aggregates = self.state.aggregate_functions().keys().map(String::as_str);
        let windows = self.state.window_functions().keys().map(String::as_str);
        let near = nearest(name, scalars.chain(aggregates).chain(windows))?;
        (strsim::normalized_damerau_levenshtein(name, near) >= 0.7).then(|| near.to_owned())
    }
}

/// What DataFusion plans by itself.
const PLANNED: [&str; 6] = ["unnest", "struct", "row", "grouping", "cube", "rollup"];

/// What other dialects call something that there is.
fn elsewhere(name: &str) -> Option<&'static str> {
    Some(match name {
        "year" | "month" | "day" | "hour" | "minute" | "second" | "week" | "quarter" | "dayofweek" | "dayofyear" => {
            "`date_part('year', x)`, `'month'` and so on"
        }
        "getdate" | "sysdate" | "sysdatetime" | "systimestamp" | "utc_timestamp" => "`now()`",
        "curdate" => "`current_date`",
        "dateadd" | "date_add" | "adddate" => "`x + INTERVAL '1 day'`",
        "datediff" | "timestampdiff" | "date_diff" => "`date_part('epoch', a - b)`, in seconds",
        "isnull" | "nz" | "zeroifnull" => "`coalesce(x, …)`",
        "iif" | "if" | "decode" => "`CASE WHEN … THEN … ELSE … END`",
        "len" | "datalength" => "`length(x)`",
        "charindex" | "locate" => "`strpos(text, part)`",
        "group_concat" | "listagg" => "`string_agg(x, ',')`",
        "convert" | "to_number" | "safe_cast" => "`CAST(x AS type)`, or TRY_CAST for NULL where it fails",
        "ucase" => "`upper(x)`",
        "lcase" => "`lower(x)`",
        "array_contains_all" => "`array_has_all(list, …)`",
        "any_value" => "`first_value(x)`",
        "toyear" => "`date_part('year', x)`",
        "unix_timestamp" => "`to_unixtime(x)`",
        "strftime" | "date_format" | "format_datetime" => "`to_char(x, '%Y-%m-%d')`",
        "json_extract" | "json_value" | "get_json_object" => "`x['field']` of a struct",
        _ => return None,
    })
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

fn ties(written: &str) -> Fault {
    Fault::Dialect {
        written: written.to_owned(),
        instead: "number the rows with rank() OVER (ORDER BY …) in a derived table, and filter by that".into(),
    }
}

/// A second column of the same name gets a number: DataFusion takes no two of one name, other databases do.
fn named(body: &mut SetExpr) -> Result<(), Fault> {
    match body {
        SetExpr::Select(select) => number_columns(select),
        SetExpr::SetOperation { left, right, .. } => {
            named(left)?;
            named(right)?;
        }
        _ => {}
    }
    Ok(())
}

fn number_columns(select: &mut Select) {
    let mut names: Vec<String> = Vec::new();
    for item in &mut select.projection {
        let name = match item {
            SelectItem::UnnamedExpr(expr) => column_name(expr),
            SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
            _ => continue,
        };
        let mut number = 1;
        let numbered = |number: usize| if number == 1 { name.clone() } else { format!("{name}_{number}") };
        while names.contains(&numbered(number)) {
            number += 1;
        }
        if let (SelectItem::UnnamedExpr(expr), true) = (&*item, number > 1) {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', numbered(number)) };
        }
        names.push(numbered(number));
    }
}

/// The name that DataFusion gives a column, as far as two of them can be alike: a cast has its column's.
fn column_name(expr: &Expr) -> String {
    match expr {
        Expr::Nested(inner) => column_name(inner),
        Expr::Cast { expr, .. } => column_name(expr),
        other => other.to_string(),
    }
}

/// `a IS DISTINCT FROM b AND c` is read as `a IS DISTINCT FROM (b AND c)`. What is in brackets is told apart.
fn turn_distinct(expr: &mut Expr) {
    while let Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) = expr {
        let Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Xor, .. } = right.as_ref()
        else {
            return;
        };
        let negated = matches!(expr, Expr::IsNotDistinctFrom(..));
        let (Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right)) =
            std::mem::replace(expr, Expr::value(Value::Null))
        else {
            return;
        };
        let Expr::BinaryOp { left: middle, op, right } = *right else { return };
        let mut inner =
            if negated { Expr::IsNotDistinctFrom(left, middle) } else { Expr::IsDistinctFrom(left, middle) };
        turn_distinct(&mut inner);
        *expr = Expr::BinaryOp { left: Box::new(inner), op, right };
    }
}

/// Whether an expression speaks of a table's column.
fn is_column(expr: &Expr) -> bool {
    matches!(expr, Expr::CompoundIdentifier(_) | Expr::Identifier(_))
}

fn calls_unnest(function: &Function) -> bool {
    function.args.to_string().to_lowercase().trim_start_matches('(').starts_with("unnest(")
}
