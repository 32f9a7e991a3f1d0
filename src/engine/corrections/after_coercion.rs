//! The analyzer rule that runs after type coercion: corrects expressions whose value would be wrong, or an error.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{ScalarFunction, WindowFunction};
use datafusion::logical_expr::{
    Cast, Expr, LogicalPlan, LogicalPlanBuilder, Subquery, TryCast, WindowFunctionDefinition,
};
use datafusion::optimizer::AnalyzerRule;

use super::{checked_arithmetic, function_wrappers, interval_order, rewritten};
use crate::engine::fault::{Fault, to_datafusion as refused};
use crate::engine::function_guards::{check_arguments, concatenation, guarded_call, in_window, is_in_window};

/// The rule.
#[derive(Debug)]
pub(in crate::engine) struct AfterCoercion;

impl AnalyzerRule for AfterCoercion {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = rewritten(plan, |expr, schema| expr.transform_up(|part| corrected(part, schema)))?;
        plan.transform_up_with_subqueries(with_sort_by_length).data()
    }

    fn name(&self) -> &str {
        "correct_after_coercion"
    }
}

fn corrected(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if let Expr::WindowFunction(window) = &expr {
        interval_order::check_window(window, schema)?;
        check_arguments(window.fun.name(), &window.params.args)?;
        if let Some(window) = interruptible(window) {
            return Ok(Transformed::yes(window));
        }
    }
    if let Expr::AggregateFunction(call) = &expr {
        check_arguments(call.func.name(), &call.params.args)?;
    }
    match replacement(&expr, schema)? {
        Some(corrected) => Ok(Transformed::yes(corrected)),
        None => with_corrected_part(expr),
    }
}

/// The same window with an aggregate that stops when the query has ended.
fn interruptible(window: &WindowFunction) -> Option<Expr> {
    let WindowFunctionDefinition::AggregateUDF(aggregate) = &window.fun else { return None };
    if is_in_window(aggregate) {
        return None;
    }
    let fun = WindowFunctionDefinition::AggregateUDF(in_window(aggregate));
    Some(Expr::WindowFunction(Box::new(WindowFunction { fun, params: window.params.clone() })))
}

/// The expression to use instead of this one, if DataFusion's value is wrong.
fn replacement(expr: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    Ok(match expr {
        Expr::BinaryExpr(binary) => {
            let checked = checked_arithmetic::arithmetic(binary, schema);
            checked.or_else(|| interval_order::compared(binary, schema)).or_else(|| concatenation(binary))
        }
        Expr::Negative(operand) => checked_arithmetic::negation(operand, schema),
        Expr::Between(between) => interval_order::between(between, schema),
        Expr::InList(list) => interval_order::listed(list, schema),
        Expr::Case(case) => interval_order::matched(case, schema),
        Expr::AggregateFunction(call) => interval_order::extreme(call, schema),
        Expr::InSubquery(predicate) => interval_order::in_subquery(predicate, schema)?,
        Expr::SetComparison(comparison) => interval_order::with_all(comparison, schema)?,
        Expr::ScalarFunction(call) => interval_order::called(call, schema)?.or_else(|| guarded_call(expr)),
        _ => None,
    })
}

/// The same expression with another function or operand, if DataFusion's would be wrong.
fn with_corrected_part(expr: Expr) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Cast(Cast { expr, field }) if field.data_type().is_temporal() => {
            let expr = Box::new(as_arrow_reads_it(*expr, field.data_type())?);
            Ok(Transformed::yes(Expr::Cast(Cast { expr, field })))
        }
        Expr::TryCast(TryCast { expr, field }) if field.data_type().is_temporal() => {
            let Ok(expr) = as_arrow_reads_it(*expr, field.data_type()).map(Box::new) else {
                return Ok(Transformed::yes(Expr::Literal(ScalarValue::try_from(field.data_type())?, None)));
            };
            Ok(Transformed::yes(Expr::TryCast(TryCast { expr, field })))
        }
        Expr::ScalarFunction(call) => Ok(match function_wrappers::corrected(&call.func) {
            Some(func) => Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args: call.args })),
            None => Transformed::no(Expr::ScalarFunction(call)),
        }),
        Expr::ScalarSubquery(subquery) => nullable(subquery),
        other => Ok(Transformed::no(other)),
    }
}

/// A sort by intervals becomes a sort by their lengths.
fn with_sort_by_length(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Sort(mut sort) = node else { return Ok(Transformed::no(node)) };
    for key in &mut sort.expr {
        if let Some(length) = interval_order::ordered(&key.expr, sort.input.schema()) {
            key.expr = length;
        }
    }
    Ok(Transformed::yes(LogicalPlan::Sort(sort)))
}

/// A text that is cast to `wanted`, in a form that Arrow's parser reads correctly: it rejects `'2026-06-01 00:00'`,
/// which has no seconds, and reads the interval `'5'`, which is five seconds, as five months.
fn as_arrow_reads_it(text: Expr, wanted: &DataType) -> Result<Expr> {
    let Expr::Literal(ScalarValue::Utf8(Some(value)), metadata) = &text else { return Ok(text) };
    let read = match wanted {
        DataType::Timestamp(..) => time_with_seconds(value),
        DataType::Interval(_) => value.trim().parse::<f64>().is_ok().then(|| format!("{value} seconds")),
        DataType::Time32(_) | DataType::Time64(_) if value.trim().get(5..8) == Some(":60") => {
            return Err(refused(Fault::Cast(format!("'{value}' is not a time of day: seconds are 0 to 59"))));
        }
        _ => None,
    };
    Ok(read.map_or_else(|| text.clone(), |read| Expr::Literal(ScalarValue::Utf8(Some(read)), metadata.clone())))
}

/// The text of a time with `:00` added, if it has hours and minutes only.
pub(in crate::engine) fn time_with_seconds(text: &str) -> Option<String> {
    let text = text.trim();
    let (date, time) = text.split_at_checked(10)?;
    let is_date = date.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let (time, zone) = time.split_at_checked(6)?;
    let is_time = time.bytes().enumerate().all(|(at, byte)| match at {
        0 => matches!(byte, b' ' | b'T' | b't'),
        3 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let has_seconds = zone.starts_with([':', '.', ',']) || zone.starts_with(|first: char| first.is_ascii_digit());
    (is_date && is_time && !has_seconds).then(|| format!("{date}{time}:00{zone}"))
}

/// Makes a scalar subquery nullable. Without rows it is NULL, even if its column is not nullable. DataFusion gives the
/// subquery the nullability of its column, and then fails on the NULL, or replaces IS NULL by false.
fn nullable(subquery: Subquery) -> Result<Transformed<Expr>> {
    let (qualifier, field) = subquery.subquery.schema().qualified_field(0);
    if field.is_nullable() {
        return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
    }
    let column = Expr::Column(Column::from((qualifier, field)));
    let value = function_wrappers::nullable(column.clone()).alias_qualified(qualifier.cloned(), field.name());
    let plan = LogicalPlanBuilder::from(LogicalPlan::clone(&subquery.subquery)).project([value])?.build()?;
    Ok(Transformed::yes(Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), ..subquery })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_added_to_a_time_that_has_none_and_to_nothing_else() {
        let added = |text: &str| time_with_seconds(text);

        assert_eq!(added("2026-06-01 00:00").as_deref(), Some("2026-06-01 00:00:00"));
        assert_eq!(added("2026-06-01T23:59Z").as_deref(), Some("2026-06-01T23:59:00Z"));
        assert_eq!(added("2026-06-01 23:59+02:00").as_deref(), Some("2026-06-01 23:59:00+02:00"));
        for text in
            ["2026-06-01 00:00:00", "2026-06-01", "2026-06-01 7", "yesterday", "2026-06-01 00:000", "é026-06-01 00:00"]
        {
            assert_eq!(added(text), None, "{text}");
        }
    }
}
