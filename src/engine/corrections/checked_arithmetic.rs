//! Checked `+`, `-`, `*`, `/`, `%` and negation: an error if the result does not fit its type.
//!
//! What DataFusion does on overflow, and what this module does instead:
//!
//! ```text
//!     integers            wrap around: 9223372036854775807 + 1 = -9223372036854775808    error
//!     decimals            more digits than the type, of which clients print 38           error
//!     times, intervals    Arrow's error, which counts nanoseconds                        error with a hint
//!     dates               the hours of an interval are dropped                           error with a hint
//! ```
//!
//! An operator whose result may not fit ([`may_overflow`]) is replaced by a function, `checked_add(a, b)`, which calls
//! Arrow's checked kernel. All other operators stay as they are, so that DataFusion's simplifications and pushdown of
//! comparisons still apply to them.
//!
//! Do not change without thinking: the function's result type and schema name must be those of the operator, because
//! GROUP BY and the nodes above find the column by them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Datum};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{
    DECIMAL32_MAX_PRECISION, DECIMAL64_MAX_PRECISION, DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType,
    Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Field, FieldRef, IntervalMonthDayNanoType,
};
use arrow::error::ArrowError;
use datafusion::common::{DFSchema, ScalarValue, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

use crate::engine::fault::{Fault, to_arrow, to_datafusion};
use crate::engine::function_guards::{check_query, operator_name};
use crate::engine::overflow::Overflow;

/// The checked form of an operator, if its result may not fit its type.
///
/// Type coercion has already cast the operands.
pub(super) fn arithmetic(binary: &BinaryExpr, schema: &DFSchema) -> Option<Expr> {
    let operation = Operation::of(binary.op)?;
    let (left, right) = (type_of(&binary.left, schema).ok()?, type_of(&binary.right, schema).ok()?);
    may_overflow(operation, &left, &right)
        .then(|| operation.call(vec![(*binary.left).clone(), (*binary.right).clone()]))
}

/// The checked form of a negation. The negation of a decimal always fits: its range is symmetric.
pub(super) fn negation(operand: &Expr, schema: &DFSchema) -> Option<Expr> {
    let data_type = type_of(operand, schema).ok()?;
    (data_type.is_signed_integer() || is_duration(&data_type)).then(|| Operation::Negate.call(vec![operand.clone()]))
}

/// The type of an operand. DataFusion makes the names of all operators in it on the way: of a sum of 300 columns that took a
/// minute.
fn type_of(operand: &Expr, schema: &DFSchema) -> Result<DataType> {
    match operand {
        Expr::ScalarFunction(call) if call.func.inner().is::<Checked>() => {
            let types = call.args.iter().map(|operand| type_of(operand, schema)).collect::<Result<Vec<_>>>()?;
            call.func.return_type(&types)
        }
        other => other.get_type(schema),
    }
}

/// The functions that replace operators.
pub(super) fn functions() -> impl Iterator<Item = Arc<ScalarUDF>> {
    use Operation::{Add, Divide, Multiply, Negate, Remainder, Subtract};
    [Add, Subtract, Multiply, Divide, Remainder, Negate].into_iter().map(|operation| Arc::new(operation.function()))
}

/// Whether a result of these operand types may not fit its type.
fn may_overflow(operation: Operation, left: &DataType, right: &DataType) -> bool {
    if left.is_integer() && right.is_integer() {
        return match operation {
            // Only the least integer divided by -1 does not fit.
            Operation::Divide => left.is_signed_integer(),
            Operation::Remainder => false,
            Operation::Add | Operation::Subtract | Operation::Multiply | Operation::Negate => true,
        };
    }
    if left.is_decimal() && right.is_decimal() {
        // DataFusion gives the result of `+`, `-`, `*` and `/` as many digits as any two operands of these types need,
        // up to the maximum precision. So a result type below the maximum always fits. `%` rescales its operands to a
        // common scale, as `+` does, and may overflow there.
        let sized_as = if operation == Operation::Remainder { Operation::Add } else { operation };
        return sized_as.result(left, right).is_ok_and(|result| has_max_precision(&result));
    }
    is_duration(left) && (is_duration(right) || is_instant(right) || right.is_integer())
        || is_instant(left) && is_duration(right)
        || left.is_integer() && is_duration(right)
        || is_timestamp(left) && is_timestamp(right)
}

fn is_timestamp(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..))
}

/// Types of points in time. TIME is not one of them, because it wraps around at midnight. The difference of two dates,
/// a number of days, always fits.
fn is_instant(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
}

fn is_date(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64)
}

/// Whether an array has an interval that is not of whole days. DataFusion casts all intervals to this type.
fn has_hours(values: &dyn Array) -> bool {
    const DAY: i64 = 24 * 3_600 * 1_000_000_000;
    let intervals = values.as_primitive_opt::<IntervalMonthDayNanoType>();
    intervals.is_some_and(|intervals| intervals.iter().flatten().any(|interval| interval.nanoseconds % DAY != 0))
}

/// Types of lengths of time.
fn is_duration(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Duration(_) | DataType::Interval(_))
}

fn has_max_precision(decimal: &DataType) -> bool {
    match decimal {
        DataType::Decimal32(precision, _) => *precision == DECIMAL32_MAX_PRECISION,
        DataType::Decimal64(precision, _) => *precision == DECIMAL64_MAX_PRECISION,
        DataType::Decimal128(precision, _) => *precision == DECIMAL128_MAX_PRECISION,
        DataType::Decimal256(precision, _) => *precision == DECIMAL256_MAX_PRECISION,
        _ => false,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Negate,
}

impl Operation {
    fn of(operator: Operator) -> Option<Self> {
        match operator {
            Operator::Plus => Some(Self::Add),
            Operator::Minus => Some(Self::Subtract),
            Operator::Multiply => Some(Self::Multiply),
            Operator::Divide => Some(Self::Divide),
            Operator::Modulo => Some(Self::Remainder),
            _ => None,
        }
    }

    fn operator(self) -> Operator {
        match self {
            Self::Add => Operator::Plus,
            Self::Subtract | Self::Negate => Operator::Minus,
            Self::Multiply => Operator::Multiply,
            Self::Divide => Operator::Divide,
            Self::Remainder => Operator::Modulo,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract | Self::Negate => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }

    fn function(self) -> ScalarUDF {
        let operands = if self == Self::Negate { 1 } else { 2 };
        ScalarUDF::new_from_impl(Checked {
            operation: self,
            signature: Signature::any(operands, Volatility::Immutable),
        })
    }

    fn call(self, operands: Vec<Expr>) -> Expr {
        self.function().call(operands)
    }

    /// The result type that DataFusion gives to the operator.
    fn result(self, left: &DataType, right: &DataType) -> Result<DataType> {
        BinaryTypeCoercer::new(left, &self.operator(), right).get_result_type()
    }

    fn compute(self, left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
        match self {
            Self::Add => numeric::add(left, right),
            Self::Subtract | Self::Negate => numeric::sub(left, right),
            Self::Multiply => numeric::mul(left, right),
            Self::Divide => numeric::div(left, right),
            Self::Remainder => numeric::rem(left, right),
        }
    }

    /// Computes the operation and checks that all values fit the type `result`.
    fn checked(self, left: &dyn Datum, right: &dyn Datum, result: &DataType) -> Result<ArrayRef, ArrowError> {
        let left_type = left.get().0.data_type().clone();
        if is_date(result) && [left, right].iter().any(|operand| has_hours(operand.get().0)) {
            return Err(to_arrow(Fault::DateWithHours));
        }
        match self.compute(left, right) {
            Ok(values) if fits(&*values) => Ok(values),
            Ok(_) => Err(to_arrow(self.overflow(String::new(), &left_type, result))),
            Err(ArrowError::ArithmeticOverflow(message)) => Err(to_arrow(self.overflow(message, &left_type, result))),
            // Adding an interval to a time returns an error of this kind only on overflow.
            Err(ArrowError::ComputeError(message)) if is_instant(result) => {
                Err(to_arrow(self.overflow(message, &left_type, result)))
            }
            Err(other) => Err(other),
        }
    }

    /// The fault of an overflow. Arrow's message is used for integers only: for other types it contains their internal
    /// integers.
    fn overflow(self, message: String, left: &DataType, result: &DataType) -> Fault {
        let operator = self.sign();
        Fault::Overflow(if result.is_integer() {
            Overflow::Integer(message.trim_start_matches("Overflow happened on: ").to_owned())
        } else if result.is_decimal() {
            Overflow::Decimal { operator, left: left.clone(), result: result.clone() }
        } else {
            Overflow::Time { operator, result: result.clone() }
        })
    }
}

/// Whether all decimals have at most as many digits as their type. Arrow's kernels check the bits and not the digits.
fn fits(values: &dyn Array) -> bool {
    match values.data_type() {
        DataType::Decimal32(precision, _) => {
            values.as_primitive::<Decimal32Type>().validate_decimal_precision(*precision).is_ok()
        }
        DataType::Decimal64(precision, _) => {
            values.as_primitive::<Decimal64Type>().validate_decimal_precision(*precision).is_ok()
        }
        DataType::Decimal128(precision, _) => {
            values.as_primitive::<Decimal128Type>().validate_decimal_precision(*precision).is_ok()
        }
        DataType::Decimal256(precision, _) => {
            values.as_primitive::<Decimal256Type>().validate_decimal_precision(*precision).is_ok()
        }
        _ => true,
    }
}

/// The smallest integer of a type.
pub(super) fn min_integer(data_type: &DataType) -> i64 {
    match data_type {
        DataType::Int8 => i64::from(i8::MIN),
        DataType::Int16 => i64::from(i16::MIN),
        DataType::Int32 => i64::from(i32::MIN),
        _ => i64::MIN,
    }
}

/// The negated values. Of an integer type only the smallest value has no negation.
fn negated(values: &dyn Array) -> Result<ArrayRef, ArrowError> {
    let min = min_integer(values.data_type());
    numeric::neg(values).map_err(|error| match error {
        ArrowError::ArithmeticOverflow(_) => {
            to_arrow(Operation::Negate.overflow(format!("-({min})"), values.data_type(), values.data_type()))
        }
        other => other,
    })
}

/// The function of an operation.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    operation: Operation,
    signature: Signature,
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        match self.operation {
            Operation::Add => "checked_add",
            Operation::Subtract => "checked_subtract",
            Operation::Multiply => "checked_multiply",
            Operation::Divide => "checked_divide",
            Operation::Remainder => "checked_remainder",
            Operation::Negate => "checked_negate",
        }
    }

    /// The schema name of the operator expression: GROUP BY and the nodes above refer to the column by it.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        match (self.operation, args) {
            (Operation::Negate, [operand]) => Ok(format!("(- {})", operand.schema_name())),
            (operation, [left, right]) => Ok(operator_name(left, operation.operator(), right)),
            _ => internal_err!("{} of {} operands", self.name(), args.len()),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types {
            [operand] => Ok(operand.clone()),
            [left, right] => self.operation.result(left, right),
            _ => internal_err!("{} of {arg_types:?}", self.name()),
        }
    }

    /// Fails once the query has ended. A rule of the optimizer asks for the type of each part of an expression, and for that
    /// of all parts below it again: of a long chain of operators this takes seconds.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        check_query().map_err(to_datafusion)?;
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, is_nullable)))
    }

    /// The result for a NULL operand is a NULL literal, which some functions require: `nth_value(x, y * NULL)`.
    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let is_null = |arg: &Expr| matches!(arg, Expr::Literal(value, _) if value.is_null());
        if !args.iter().any(is_null) {
            return Ok(ExprSimplifyResult::Original(args));
        }
        let types = args.iter().map(|arg| info.get_data_type(arg)).collect::<Result<Vec<_>>>()?;
        let null = ScalarValue::try_from(&self.return_type(&types)?)?;
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(null, None)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match (self.operation, &args.args[..]) {
            (Operation::Negate, [operand]) => Ok(ColumnarValue::Array(negated(&*operand.to_array(args.number_rows)?)?)),
            (operation, [left, right]) => {
                apply(left, right, |left, right| operation.checked(left, right, args.return_type()))
            }
            (_, operands) => internal_err!("{} of {} operands", self.name(), operands.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};

    use super::*;

    #[test]
    fn a_checked_operator_has_the_schema_name_of_the_operator() {
        let sum = || col("a") + lit(1);
        for operator in [Operator::Plus, Operator::Minus, Operator::Multiply, Operator::Divide, Operator::Modulo] {
            let checked = Operation::of(operator).unwrap().call(vec![sum(), col("b")]);
            let replaced = Expr::BinaryExpr(BinaryExpr::new(Box::new(sum()), operator, Box::new(col("b"))));

            assert_eq!(checked.schema_name().to_string(), replaced.schema_name().to_string());
        }
        let negated = Operation::Negate.call(vec![sum()]);
        assert_eq!(negated.schema_name().to_string(), Expr::Negative(Box::new(sum())).schema_name().to_string());
    }
}
