//! The places of a statement that can have a parameter, and those that cannot.
//!
//! DataFusion evaluates some parts of a statement while it plans, before a value is bound: the text of an INTERVAL, a
//! time zone, the arguments of a table function. If there is an equivalent that is evaluated later, the statement is
//! rewritten: `INTERVAL ?` becomes `CAST(? AS INTERVAL)`. In other places a parameter is rejected, with a statement
//! that works.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, Distinct, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr,
    Interval, OrderByExpr, OrderByKind, Query, Select, TableFactor, TypedString, Value, ValueWithSpan, Visit,
    VisitorMut, WindowFrameBound, WindowType,
};

use super::interval_parameters;
use super::series_parameters;
use crate::engine::fault::Fault;
use crate::sql::{identifier, statement_of_mut, visit_expressions, visit_mut};

/// Rewrites or rejects the places of parameters, in a statement that still has placeholders.
///
/// # Errors
/// [`Fault::ParameterPlace`]
pub(super) fn prepare(ast: &mut Ast) -> Result<(), Fault> {
    let Some(statement) = statement_of_mut(ast) else { return Ok(()) };
    match visit_mut(statement, &mut PlaceChecker) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(fault) => Err(fault),
    }
}

/// Whether an expression is a parameter, perhaps in parentheses.
pub(super) fn is_parameter(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => is_placeholder(value),
        Expr::Nested(inner) => is_parameter(inner),
        _ => false,
    }
}

/// Whether a part of a statement contains a parameter.
pub(super) fn has_parameter(part: &impl Visit) -> bool {
    let found = visit_expressions(part, |expr| match is_parameter(expr) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    found.is_break()
}

pub(super) fn refused<T>(place: &'static str, instead: &'static str) -> Result<T, Fault> {
    Err(Fault::ParameterPlace { place, instead })
}

fn is_placeholder(value: &ValueWithSpan) -> bool {
    matches!(value.value, Value::Placeholder(_))
}

struct PlaceChecker;

impl VisitorMut for PlaceChecker {
    type Break = Fault;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Fault> {
        flow(check_order(query))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Fault> {
        flow(check_groups(select))
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Fault> {
        flow(check_table(table))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Fault> {
        flow(check_expr(expr))
    }
}

fn flow(result: Result<(), Fault>) -> ControlFlow<Fault> {
    result.map_or_else(ControlFlow::Break, ControlFlow::Continue)
}

fn check_expr(expr: &mut Expr) -> Result<(), Fault> {
    match expr {
        Expr::Interval(Interval { value, .. }) if has_parameter(value.as_ref()) => {
            interval_parameters::rewrite_interval(expr)
        }
        Expr::BinaryOp { op: BinaryOperator::Multiply, .. } => interval_parameters::rewrite_product(expr),
        Expr::TypedString(typed) if is_placeholder(&typed.value) => {
            *expr = cast_of(typed);
            Ok(())
        }
        Expr::AtTimeZone { time_zone, .. } if has_parameter(time_zone.as_ref()) => {
            refused("a time zone, which is a part of the result's type", "write it: `now() AT TIME ZONE 'UTC'`")
        }
        Expr::Like { escape_char: Some(escape), .. }
        | Expr::ILike { escape_char: Some(escape), .. }
        | Expr::SimilarTo { escape_char: Some(escape), .. }
            if is_placeholder(escape) =>
        {
            refused("the ESCAPE character", "write it: `name LIKE ? ESCAPE '!'`")
        }
        Expr::Function(function) => check_function(function),
        _ => Ok(()),
    }
}

/// `CAST(? AS DATE)` for `DATE ?`.
fn cast_of(typed: &TypedString) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::Value(typed.value.clone())),
        data_type: typed.data_type.clone(),
        array: false,
        format: None,
    }
}

fn check_function(function: &Function) -> Result<(), Fault> {
    if let Some(WindowType::WindowSpec(window)) = &function.over {
        check_keys(&window.order_by)?;
        let bounds = window.window_frame.iter().flat_map(|frame| [Some(&frame.start_bound), frame.end_bound.as_ref()]);
        if bounds.flatten().any(is_bound_by_parameter) {
            return refused("the bound of a window frame", "write the number: `ROWS 6 PRECEDING`");
        }
    }
    let FunctionArguments::List(list) = &function.args else { return Ok(()) };
    let parameters: Vec<bool> =
        list.args.iter().map(|argument| argument_of(argument).is_some_and(is_parameter)).collect();
    let name = function.name.0.last().and_then(|part| part.as_ident()).map(identifier).unwrap_or_default();
    let is_parameter_at = |at: usize| parameters.get(at) == Some(&true);
    match name.as_str() {
        "date_part" | "datepart" if is_parameter_at(0) => {
            refused("the part of a time that decides the result's type", "write it: `date_part('year', now())`")
        }
        "arrow_cast" | "arrow_try_cast" if is_parameter_at(1) => {
            refused("a type", "write it: `arrow_cast(x, 'Int64')`")
        }
        "grouping" if parameters.contains(&true) => refused("a column to GROUP BY", "write the column"),
        "get_field" if is_parameter_at(1) => refused("the name of a field", "write it: `get_field(x, 'slug')`"),
        "unnest" if is_parameter_at(0) => refused(LIST, UNNESTED),
        _ => Ok(()),
    }
}

const LIST: &str = "a list whose type the statement does not say";
const UNNESTED: &str = "cast its values: `unnest([CAST(? AS BIGINT), CAST(? AS BIGINT)])`";

/// The expression of an unnamed argument.
pub(super) fn argument_of(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn is_bound_by_parameter(bound: &WindowFrameBound) -> bool {
    match bound {
        WindowFrameBound::Preceding(Some(rows)) | WindowFrameBound::Following(Some(rows)) => {
            has_parameter(rows.as_ref())
        }
        WindowFrameBound::CurrentRow | WindowFrameBound::Preceding(None) | WindowFrameBound::Following(None) => false,
    }
}

fn check_order(query: &Query) -> Result<(), Fault> {
    match query.order_by.as_ref().map(|order| &order.kind) {
        Some(OrderByKind::Expressions(keys)) => check_keys(keys),
        Some(OrderByKind::All(_)) | None => Ok(()),
    }
}

/// Rejects `ORDER BY ?`: a bound value is a constant, and neither the number nor the name of a column.
fn check_keys(keys: &[OrderByExpr]) -> Result<(), Fault> {
    match keys.iter().any(|key| is_parameter(&key.expr)) {
        true => refused(
            "a column to ORDER BY",
            "write the column, or choose by the value: `ORDER BY CASE ? WHEN 'name' THEN name ELSE slug END`",
        ),
        false => Ok(()),
    }
}

fn check_groups(select: &Select) -> Result<(), Fault> {
    if let GroupByExpr::Expressions(groups, _) = &select.group_by
        && groups.iter().any(is_parameter)
    {
        return refused(
            "a column to GROUP BY",
            "write the column, or choose by the value: `GROUP BY CASE ? WHEN 'name' THEN name ELSE slug END`",
        );
    }
    match &select.distinct {
        Some(Distinct::On(keys)) if keys.iter().any(is_parameter) => {
            refused("a column of DISTINCT ON", "write the column: `SELECT DISTINCT ON (type) …`")
        }
        Some(_) | None => Ok(()),
    }
}

fn check_table(table: &mut TableFactor) -> Result<(), Fault> {
    match table {
        TableFactor::Table { args: Some(_), .. } => series_parameters::rewrite(table),
        TableFactor::UNNEST { array_exprs, .. } if array_exprs.iter().any(is_parameter) => refused(LIST, UNNESTED),
        _ => Ok(()),
    }
}
