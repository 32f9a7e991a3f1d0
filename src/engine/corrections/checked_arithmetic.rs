//! `+`, `-`, `*`, `/`, `%` and the sign, which are an error where the result does not fit its type.
//!
//! DataFusion's operators of integers are of two's complement: `9223372036854775807 + 1` is -9223372036854775808. Those of
//! decimals return more digits than their type has: `CAST('99…9' AS DECIMAL(38, 0)) + 1`, of which clients print 38. Those
//! of times are an error in Arrow's words, which are of nanoseconds.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Datum};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{
    DECIMAL32_MAX_PRECISION, DECIMAL64_MAX_PRECISION, DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType,
    Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Field, FieldRef,
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

use crate::engine::fault::{Fault, to_arrow};
use crate::engine::overflow::Overflow;

/// The checked form of an operator, where its result may not fit.
///
/// The operands have the types that they are coerced to already.
pub(super) fn arithmetic(binary: &BinaryExpr, schema: &DFSchema) -> Option<Expr> {
    let operation = Operation::of(binary.op)?;
    let (left, right) = (binary.left.get_type(schema).ok()?, binary.right.get_type(schema).ok()?);
    may_overflow(operation, &left, &right)
        .then(|| operation.call(vec![(*binary.left).clone(), (*binary.right).clone()]))
}

/// The checked form of a negation. A decimal's always fits: its range is symmetric.
pub(super) fn negation(operand: &Expr, schema: &DFSchema) -> Option<Expr> {
    let data_type = operand.get_type(schema).ok()?;
    (data_type.is_signed_integer() || is_span(&data_type)).then(|| Operation::Negate.call(vec![operand.clone()]))
}

/// The functions that operators are replaced by.
pub(super) fn functions() -> impl Iterator<Item = Arc<ScalarUDF>> {
    use Operation::{Add, Divide, Multiply, Negate, Remainder, Subtract};
    [Add, Subtract, Multiply, Divide, Remainder, Negate].into_iter().map(|operation| Arc::new(operation.function()))
}

fn may_overflow(operation: Operation, left: &DataType, right: &DataType) -> bool {
    if left.is_integer() && right.is_integer() {
        return match operation {
            Operation::Divide => left.is_signed_integer(),
            Operation::Remainder => false,
            Operation::Add | Operation::Subtract | Operation::Multiply | Operation::Negate => true,
        };
    }
    if left.is_decimal() && right.is_decimal() {
        // The result of `+`, `-`, `*` and `/` has as many digits as any two operands of these types need, as long as
        // there are so many: one with fewer than the most always fits. `%` brings its operands to one scale, as `+` does.
        let sized = if operation == Operation::Remainder { Operation::Add } else { operation };
        return sized.result(left, right).is_ok_and(|result| has_most_digits(&result));
    }
    is_span(left) && (is_span(right) || is_instant(right) || right.is_integer())
        || is_instant(left) && is_span(right)
        || left.is_integer() && is_span(right)
        || is_timestamp(left) && is_timestamp(right)
}

fn is_timestamp(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..))
}

/// A TIME is none: it starts again at midnight. The days between two dates always fit.
fn is_instant(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
}

fn is_span(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Duration(_) | DataType::Interval(_))
}

fn has_most_digits(decimal: &DataType) -> bool {
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

    /// What the statement says.
    fn written(self, operands: &[Expr]) -> Option<Expr> {
        match (self, operands) {
            (Self::Negate, [operand]) => Some(Expr::Negative(Box::new(operand.clone()))),
            (_, [left, right]) => {
                let (left, right) = (Box::new(left.clone()), Box::new(right.clone()));
                Some(Expr::BinaryExpr(BinaryExpr::new(left, self.operator(), right)))
            }
            _ => None,
        }
    }

    /// The type of the result of two operands: DataFusion's.
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

    /// The result of two operands, all of whose values fit the type `result`.
    fn checked(self, left: &dyn Datum, right: &dyn Datum, result: &DataType) -> Result<ArrayRef, ArrowError> {
        let left_type = left.get().0.data_type().clone();
        match self.compute(left, right) {
            Ok(values) if fits(&*values) => Ok(values),
            Ok(_) => Err(to_arrow(self.overflow(String::new(), &left_type, result))),
            Err(ArrowError::ArithmeticOverflow(words)) => Err(to_arrow(self.overflow(words, &left_type, result))),
            // The only errors of this kind that a time and an interval have.
            Err(ArrowError::ComputeError(words)) if is_instant(result) => {
                Err(to_arrow(self.overflow(words, &left_type, result)))
            }
            Err(other) => Err(other),
        }
    }

    /// What Arrow says of integers has their values; what it says of others has the integers that they consist of.
    fn overflow(self, words: String, left: &DataType, result: &DataType) -> Fault {
        let operator = self.sign();
        Fault::Overflow(if result.is_integer() {
            Overflow::Integer(words.trim_start_matches("Overflow happened on: ").to_owned())
        } else if result.is_decimal() {
            Overflow::Decimal { operator, left: left.clone(), result: result.clone() }
        } else {
            Overflow::Time { operator, result: result.clone() }
        })
    }
}

/// Whether no decimal has more digits than its type.
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

/// The least integer of a type.
pub(super) fn least(data_type: &DataType) -> i64 {
    match data_type {
        DataType::Int8 => i64::from(i8::MIN),
        DataType::Int16 => i64::from(i16::MIN),
        DataType::Int32 => i64::from(i32::MIN),
        _ => i64::MIN,
    }
}

/// The values with the other sign. Of the integers of a type only the least has none.
fn negated(values: &dyn Array) -> Result<ArrayRef, ArrowError> {
    let least = least(values.data_type());
    numeric::neg(values).map_err(|error| match error {
        ArrowError::ArithmeticOverflow(_) => {
            to_arrow(Operation::Negate.overflow(format!("-({least})"), values.data_type(), values.data_type()))
        }
        other => other,
    })
}

/// One operation, over one pair of types.
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

    /// The name of what was written: a GROUP BY is found again by it.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        match self.operation.written(args) {
            Some(written) => Ok(written.schema_name().to_string()),
            None => internal_err!("{} of {} operands", self.name(), args.len()),
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

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, is_nullable)))
    }

    /// Of a NULL it is NULL, also for those that want a literal: `nth_value(x, y * NULL)`.
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
