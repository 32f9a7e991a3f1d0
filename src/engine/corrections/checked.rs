//! `+`, `-`, `*` and the sign of integers, which are an error where the result has more bits than its type.
//!
//! DataFusion's are of two's complement: `9223372036854775807 + 1` is -9223372036854775808.

use std::sync::Arc;

use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, ScalarValue, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

/// The checked form of the arithmetic of two integers.
///
/// The operands have their common type already.
pub(super) fn arithmetic(binary: &BinaryExpr, schema: &DFSchema) -> Option<Expr> {
    let operation = match binary.op {
        Operator::Plus => Operation::Add,
        Operator::Minus => Operation::Subtract,
        Operator::Multiply => Operation::Multiply,
        _ => return None,
    };
    let is_integer = |side: &Expr| side.get_type(schema).is_ok_and(|data_type| data_type.is_integer());
    (is_integer(&binary.left) && is_integer(&binary.right))
        .then(|| operation.call(vec![(*binary.left).clone(), (*binary.right).clone()]))
}

/// The checked form of an integer's negation.
pub(super) fn negation(operand: &Expr, schema: &DFSchema) -> Option<Expr> {
    let is_integer = operand.get_type(schema).is_ok_and(|data_type| data_type.is_signed_integer());
    is_integer.then(|| Operation::Negate.call(vec![operand.clone()]))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Negate,
}

impl Operation {
    fn call(self, operands: Vec<Expr>) -> Expr {
        let signature = Signature::any(operands.len(), Volatility::Immutable);
        ScalarUDF::new_from_impl(Checked { operation: self, signature }).call(operands)
    }

    /// What the statement says.
    fn written(self, operands: &[Expr]) -> Option<Expr> {
        let op = match (self, operands) {
            (Self::Negate, [operand]) => return Some(Expr::Negative(Box::new(operand.clone()))),
            (Self::Add, _) => Operator::Plus,
            (Self::Subtract, _) => Operator::Minus,
            (Self::Multiply, _) => Operator::Multiply,
            (Self::Negate, _) => return None,
        };
        let [left, right] = operands else { return None };
        Some(Expr::BinaryExpr(BinaryExpr::new(Box::new(left.clone()), op, Box::new(right.clone()))))
    }
}

/// One operation, over one type of integers.
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
            [left, right] if left == right => Ok(left.clone()),
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
        let Some(null) = args.iter().find(|arg| is_null(arg)) else { return Ok(ExprSimplifyResult::Original(args)) };
        let data_type = info.get_data_type(null)?;
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(ScalarValue::try_from(&data_type)?, None)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match (self.operation, &args.args[..]) {
            (Operation::Add, [left, right]) => apply(left, right, numeric::add),
            (Operation::Subtract, [left, right]) => apply(left, right, numeric::sub),
            (Operation::Multiply, [left, right]) => apply(left, right, numeric::mul),
            (Operation::Negate, [operand]) => {
                let negated = numeric::neg(&*operand.to_array(args.number_rows)?)?;
                Ok(ColumnarValue::Array(negated))
            }
            (_, operands) => internal_err!("{} of {} operands", self.name(), operands.len()),
        }
    }
}
