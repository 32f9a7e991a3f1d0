//! After type coercion: values that would be another one, or an error.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Cast, Expr, LogicalPlan, LogicalPlanBuilder, Subquery, TryCast};
use datafusion::optimizer::AnalyzerRule;

use super::{checked, function, rewritten};

/// See the module above.
#[derive(Debug)]
pub(in crate::engine) struct AfterCoercion;

impl AnalyzerRule for AfterCoercion {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        rewritten(plan, |expr, schema| expr.transform_up(|part| corrected(part, schema)))
    }

    fn name(&self) -> &str {
        "correct_after_coercion"
    }
}

fn corrected(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(binary) => match checked::arithmetic(&binary, schema) {
            Some(checked) => Ok(Transformed::yes(checked)),
            None => Ok(Transformed::no(Expr::BinaryExpr(binary))),
        },
        Expr::Negative(operand) => match checked::negation(&operand, schema) {
            Some(checked) => Ok(Transformed::yes(checked)),
            None => Ok(Transformed::no(Expr::Negative(operand))),
        },
        Expr::Cast(Cast { expr, field }) if field.data_type().is_temporal() => {
            Ok(Transformed::yes(Expr::Cast(Cast { expr: Box::new(with_seconds(*expr, field.data_type())), field })))
        }
        Expr::TryCast(TryCast { expr, field }) if field.data_type().is_temporal() => {
            let expr = Box::new(with_seconds(*expr, field.data_type()));
            Ok(Transformed::yes(Expr::TryCast(TryCast { expr, field })))
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) => match function::corrected(&func) {
            Some(func) => Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args }))),
            None => Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args }))),
        },
        Expr::ScalarSubquery(subquery) => nullable(subquery),
        other => Ok(Transformed::no(other)),
    }
}

/// `'2026-06-01 00:00'` with the seconds that Arrow's parser wants.
fn with_seconds(text: Expr, wanted: &DataType) -> Expr {
    match (&text, wanted) {
        (Expr::Literal(ScalarValue::Utf8(Some(value)), metadata), DataType::Timestamp(..)) => {
            match time_with_seconds(value) {
                Some(value) => Expr::Literal(ScalarValue::Utf8(Some(value)), metadata.clone()),
                None => text,
            }
        }
        _ => text,
    }
}

/// The text of a time with seconds, where it has hours and minutes alone.
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

/// A scalar subquery without rows is NULL, also where its column is never NULL. DataFusion takes the column's word for
/// the subquery's, and then fails on the NULL, or answers IS NULL before it looks.
fn nullable(subquery: Subquery) -> Result<Transformed<Expr>> {
    let (qualifier, field) = subquery.subquery.schema().qualified_field(0);
    if field.is_nullable() {
        return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
    }
    let column = Expr::Column(Column::from((qualifier, field)));
    let value = function::nullable(column.clone()).alias_qualified(qualifier.cloned(), field.name());
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
