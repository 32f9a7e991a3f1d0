//! `3 * INTERVAL '1 day'`, the usual way to write a number of days. DataFusion cannot multiply intervals.
//!
//! DataFusion's planner computes the type of each operator, and fails before any rule sees the plan. So this is a part of
//! the planner.

use std::sync::{Arc, LazyLock};

use arrow::array::{AsArray, IntervalMonthDayNanoArray};
use arrow::compute::try_binary;
use arrow::datatypes::{
    DataType, Field, FieldRef, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
};
use datafusion::common::{DFSchema, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::engine::fault::{Fault, to_arrow, to_datafusion};
use crate::engine::function_guards::{check_query, operator_name};
use crate::engine::overflow::Overflow;

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// The part of the planner that multiplies intervals.
#[derive(Debug)]
pub(in crate::engine) struct IntervalProducts;

impl ExprPlanner for IntervalProducts {
    /// # Errors
    /// [`Fault::IntervalFactor`] for a factor that is not an integer, and for a quotient.
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if !matches!(expr.op, BinaryOperator::Multiply | BinaryOperator::Divide) {
            return Ok(PlannerResult::Original(expr));
        }
        match (is_interval(&expr.left, schema), is_interval(&expr.right, schema)) {
            (false, false) => Ok(PlannerResult::Original(expr)),
            (true, false) if expr.op == BinaryOperator::Multiply && is_integer(&expr.right, schema) => {
                Ok(PlannerResult::Planned(product(expr.left, expr.right, schema)?))
            }
            (false, true) if expr.op == BinaryOperator::Multiply && is_integer(&expr.left, schema) => {
                Ok(PlannerResult::Planned(product(expr.right, expr.left, schema)?))
            }
            _ => Err(to_datafusion(Fault::IntervalFactor)),
        }
    }
}

/// Whether an operand is an interval. The product of an interval is a function, and a product that is still an operator is
/// one of numbers. This saves the computation of all types in a long chain of products, at each of them.
fn is_interval(operand: &Expr, schema: &DFSchema) -> bool {
    match operand {
        Expr::BinaryExpr(BinaryExpr { op: Operator::Multiply | Operator::Divide, .. }) => false,
        product if is_product(product) => true,
        other => matches!(other.get_type(schema), Ok(DataType::Interval(_))),
    }
}

fn is_product(operand: &Expr) -> bool {
    matches!(operand, Expr::ScalarFunction(call) if call.func.inner().is::<Product>())
}

/// Whether an operand is an integer or NULL.
fn is_integer(operand: &Expr, schema: &DFSchema) -> bool {
    operand.get_type(schema).is_ok_and(|data_type| data_type.is_integer() || data_type.is_null())
}

fn product(interval: Expr, factor: Expr, schema: &DFSchema) -> Result<Expr> {
    let interval = if is_product(&interval) { interval } else { interval.cast_to(&INTERVAL, schema)? };
    Ok(product_function().call(vec![interval, factor.cast_to(&DataType::Int64, schema)?]))
}

/// The function `interval_product`.
pub(super) fn product_function() -> Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        let signature = Signature::exact(vec![INTERVAL, DataType::Int64], Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(Product { signature }))
    });
    Arc::clone(&FUNCTION)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Product {
    signature: Signature,
}

impl ScalarUDFImpl for Product {
    fn name(&self) -> &str {
        "interval_product"
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        match args {
            [interval, factor] => Ok(operator_name(interval, Operator::Multiply, factor)),
            _ => internal_err!("interval_product of {} operands", args.len()),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(INTERVAL)
    }

    /// Fails once the query has ended: a rule of the optimizer asks for the type of each product in a chain, and for that of
    /// all products in it again.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        check_query().map_err(to_datafusion)?;
        let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), INTERVAL, is_nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [intervals, factors] = &arrays[..] else {
            return internal_err!("interval_product of {} operands", arrays.len());
        };
        let fault = || to_arrow(Fault::Overflow(Overflow::Time { operator: "*", result: INTERVAL }));
        let products: IntervalMonthDayNanoArray = try_binary(
            intervals.as_primitive::<IntervalMonthDayNanoType>(),
            factors.as_primitive::<Int64Type>(),
            |interval, factor| times(interval, factor).ok_or_else(fault),
        )?;
        Ok(ColumnarValue::Array(Arc::new(products)))
    }
}

/// An interval `factor` times, unless a field does not fit.
fn times(interval: IntervalMonthDayNano, factor: i64) -> Option<IntervalMonthDayNano> {
    let small = |field: i32| i32::try_from(i64::from(field).checked_mul(factor)?).ok();
    Some(IntervalMonthDayNano {
        months: small(interval.months)?,
        days: small(interval.days)?,
        nanoseconds: interval.nanoseconds.checked_mul(factor)?,
    })
}
