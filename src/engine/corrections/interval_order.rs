//! Comparisons of intervals by their length.
//!
//! An interval has months, days and nanoseconds. DataFusion compares these fields one after the other, so that
//! `INTERVAL '36 hours' > INTERVAL '1 day'` is false, and so is `now() - created_at > INTERVAL '1 day'` for any age.
//! Here, as in Postgres and DuckDB, a month has 30 days and a day 24 hours.
//!
//! Each place that compares intervals is rewritten to compare `interval_length(x)`, a DECIMAL(38, 0) of nanoseconds. A
//! new place must be added to `after_coercion`:
//!
//! ```text
//!     a < b, BETWEEN, IN, CASE x WHEN, nullif, IN (SELECT …), ANY, ALL, ORDER BY    lengths of both sides
//!     min(x), max(x)                                first_value(x ORDER BY interval_length(x)): keeps the interval
//!     greatest, least, min and max OVER a window    rejected: DataFusion compares in the function itself
//! ```
//!
//! GROUP BY, DISTINCT, UNION and the keys of USING are not rewritten, and compare the fields.

use std::sync::{Arc, LazyLock};

use arrow::array::{AsArray, Decimal128Array};
use arrow::compute::cast;
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, IntervalMonthDayNanoType, IntervalUnit};
use datafusion::common::{DFSchema, ScalarValue, internal_err};
use datafusion::error::Result;
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::{
    AggregateFunction, InList, InSubquery, ScalarFunction, SetComparison, Sort, WindowFunction,
};
use datafusion::logical_expr::{
    Between, BinaryExpr, Case, ColumnarValue, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Subquery, Volatility, when,
};

use crate::engine::fault::{Fault, to_datafusion as refused};

const NANOSECONDS_PER_DAY: i128 = 24 * 3_600 * 1_000_000_000;
const DAYS_PER_MONTH: i128 = 30;

/// A comparison of the lengths of two intervals.
pub(super) fn compared(binary: &BinaryExpr, schema: &DFSchema) -> Option<Expr> {
    let compares =
        binary.op.supports_propagation() || matches!(binary.op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom);
    if !compares || !is_interval(&binary.left, schema) || !is_interval(&binary.right, schema) {
        return None;
    }
    let (left, right) = (length((*binary.left).clone()), length((*binary.right).clone()));
    Some(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), binary.op, Box::new(right))))
}

/// `x BETWEEN a AND b`, by their lengths.
pub(super) fn between(between: &Between, schema: &DFSchema) -> Option<Expr> {
    is_interval(&between.expr, schema).then(|| {
        let (low, high) = (boxed_length(&between.low), boxed_length(&between.high));
        Expr::Between(Between::new(boxed_length(&between.expr), between.negated, low, high))
    })
}

/// `x IN (a, b)`, by their lengths.
pub(super) fn listed(list: &InList, schema: &DFSchema) -> Option<Expr> {
    is_interval(&list.expr, schema).then(|| {
        let items = list.list.iter().cloned().map(length).collect();
        Expr::InList(InList::new(Box::new(length((*list.expr).clone())), items, list.negated))
    })
}

/// `CASE x WHEN a THEN …`, by their lengths.
pub(super) fn matched(case: &Case, schema: &DFSchema) -> Option<Expr> {
    let operand = case.expr.as_deref().filter(|operand| is_interval(operand, schema))?;
    let whens = case.when_then_expr.iter().map(|(when, then)| (boxed_length(when), then.clone())).collect();
    Some(Expr::Case(Case::new(Some(boxed_length(operand)), whens, case.else_expr.clone())))
}

/// `nullif(a, b)`, by their lengths.
///
/// # Errors
/// [`Fault::Dialect`] for `greatest` and `least`, which compare inside the function.
pub(super) fn called(call: &ScalarFunction, schema: &DFSchema) -> Result<Option<Expr>> {
    if !call.args.iter().any(|arg| is_interval(arg, schema)) {
        return Ok(None);
    }
    match (call.func.name(), &call.args[..]) {
        ("nullif", [value, other]) => {
            let null = Expr::Literal(ScalarValue::try_from(&value.get_type(schema)?)?, None);
            let same = length(value.clone()).eq(length(other.clone()));
            when(same, null).otherwise(value.clone()).map(Some)
        }
        (name @ ("greatest" | "least"), _) => Err(refused(Fault::Dialect {
            written: format!("{name} of intervals"),
            instead: "compare them: `CASE WHEN a > b THEN a ELSE b END`".into(),
        })),
        _ => Ok(None),
    }
}

/// `x IN (SELECT …)`, by their lengths.
pub(super) fn in_subquery(predicate: &InSubquery, schema: &DFSchema) -> Result<Option<Expr>> {
    if !is_interval(&predicate.expr, schema) {
        return Ok(None);
    }
    let (left, subquery) = (length((*predicate.expr).clone()), lengths(&predicate.subquery)?);
    Ok(Some(Expr::InSubquery(InSubquery::new(Box::new(left), subquery, predicate.negated))))
}

/// `x > ALL (SELECT …)`, by their lengths.
pub(super) fn with_all(comparison: &SetComparison, schema: &DFSchema) -> Result<Option<Expr>> {
    if !is_interval(&comparison.expr, schema) {
        return Ok(None);
    }
    let (left, subquery) = (Box::new(length((*comparison.expr).clone())), lengths(&comparison.subquery)?);
    let SetComparison { op, quantifier, .. } = comparison.clone();
    Ok(Some(Expr::SetComparison(SetComparison::new(left, subquery, op, quantifier))))
}

/// The lengths of a subquery's intervals.
fn lengths(subquery: &Subquery) -> Result<Subquery> {
    let column = subquery.subquery.schema().columns().into_iter().next();
    let Some(column) = column else { return internal_err!("a subquery has a column") };
    let plan =
        LogicalPlanBuilder::from(LogicalPlan::clone(&subquery.subquery)).project([length(Expr::Column(column))])?;
    Ok(Subquery { subquery: Arc::new(plan.build()?), ..subquery.clone() })
}

/// Rejects `min` and `max` of intervals over a window.
///
/// # Errors
/// [`Fault::Dialect`]
pub(super) fn check_window(window: &WindowFunction, schema: &DFSchema) -> Result<()> {
    let of_intervals = window.params.args.iter().any(|arg| is_interval(arg, schema));
    match window.fun.name() {
        name @ ("min" | "max") if of_intervals => Err(refused(Fault::Dialect {
            written: format!("{name} of intervals OVER a window"),
            instead: "take it of seconds: `date_part('epoch', x)`".into(),
        })),
        _ => Ok(()),
    }
}

/// The shortest or longest interval: the first in the order of their lengths.
pub(super) fn extreme(call: &AggregateFunction, schema: &DFSchema) -> Option<Expr> {
    let ascending = match call.func.name() {
        "min" => true,
        "max" => false,
        _ => return None,
    };
    let [value] = &call.params.args[..] else { return None };
    if !is_interval(value, schema) {
        return None;
    }
    let mut params = call.params.clone();
    // DISTINCT does not change which value is the first.
    params.distinct = false;
    params.order_by = vec![Sort::new(length(value.clone()), ascending, false)];
    Some(Expr::AggregateFunction(AggregateFunction { func: first_value_udaf(), params }))
}

/// The expression to order rows by instead of an interval.
pub(super) fn ordered(expr: &Expr, schema: &DFSchema) -> Option<Expr> {
    is_interval(expr, schema).then(|| length(expr.clone()))
}

fn is_interval(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|data_type| matches!(data_type, DataType::Interval(_)))
}

/// The length of an interval in nanoseconds.
fn length(interval: Expr) -> Expr {
    length_function().call(vec![interval])
}

fn boxed_length(interval: &Expr) -> Box<Expr> {
    Box::new(length(interval.clone()))
}

/// The function `interval_length`.
pub(super) fn length_function() -> Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        Arc::new(ScalarUDF::new_from_impl(Length { signature: Signature::any(1, Volatility::Immutable) }))
    });
    Arc::clone(&FUNCTION)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Length {
    signature: Signature,
}

impl ScalarUDFImpl for Length {
    fn name(&self) -> &str {
        "interval_length"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let intervals = args.args[0].to_array(args.number_rows)?;
        // The other interval types have a subset of the fields of this one.
        let with_all_fields = cast(&intervals, &DataType::Interval(IntervalUnit::MonthDayNano))?;
        let lengths: Decimal128Array = with_all_fields.as_primitive::<IntervalMonthDayNanoType>().unary(|interval| {
            let days = i128::from(interval.months) * DAYS_PER_MONTH + i128::from(interval.days);
            days * NANOSECONDS_PER_DAY + i128::from(interval.nanoseconds)
        });
        Ok(ColumnarValue::Array(Arc::new(lengths.with_precision_and_scale(DECIMAL128_MAX_PRECISION, 0)?)))
    }
}
