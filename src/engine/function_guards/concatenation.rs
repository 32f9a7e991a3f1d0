//! The operator `||` of texts, with a bound on its result.
//!
//! `SELECT t || t AS t FROM (SELECT t || t AS t FROM …)` doubles a text with each level. DataFusion evaluates the operator
//! without a function, so it is replaced by one.
//!
//! Do not change without thinking: the function's result type and schema name must be those of the operator, because
//! GROUP BY and the nodes above find the column by them.

use std::sync::{Arc, LazyLock};

use arrow::compute::kernels::concat_elements::concat_elements_dyn;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

use super::check_query;
use super::growth::{CONCATENATION, growth};
use super::result_size::check_size;
use crate::engine::fault::to_datafusion;

/// The function in place of the operator `||`. Type coercion has already cast the operands; that of lists is a function
/// already.
pub(in crate::engine) fn concatenation(binary: &BinaryExpr) -> Option<Expr> {
    (binary.op == Operator::StringConcat)
        .then(|| concatenation_function().call(vec![(*binary.left).clone(), (*binary.right).clone()]))
}

/// DataFusion's schema name of an operator, without a copy of its operands: these may be long chains of operators.
pub(in crate::engine) fn operator_name(left: &Expr, operator: Operator, right: &Expr) -> String {
    format!("{} {operator} {}", left.schema_name(), right.schema_name())
}

/// The function that replaces the operator `||`.
pub(in crate::engine) fn concatenation_function() -> Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        Arc::new(ScalarUDF::new_from_impl(Concatenation { signature: Signature::any(2, Volatility::Immutable) }))
    });
    Arc::clone(&FUNCTION)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Concatenation {
    signature: Signature,
}

impl ScalarUDFImpl for Concatenation {
    fn name(&self) -> &str {
        CONCATENATION
    }

    /// The schema name of the operator expression.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let [left, right] = args else { return internal_err!("|| of {} operands", args.len()) };
        Ok(operator_name(left, Operator::StringConcat, right))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let [left, right] = arg_types else { return internal_err!("|| of {arg_types:?}") };
        BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_result_type()
    }

    /// Fails once the query has ended, as that of `Guarded`.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        check_query().map_err(to_datafusion)?;
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, is_nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        check_query().map_err(to_datafusion)?;
        let _room = match growth(CONCATENATION) {
            Some(growth) => check_size("||", &growth, &args).map_err(to_datafusion)?,
            None => None,
        };
        let [left, right] = &args.args[..] else { return internal_err!("|| of {} operands", args.args.len()) };
        let (left, right) = (left.to_array(args.number_rows)?, right.to_array(args.number_rows)?);
        Ok(ColumnarValue::Array(concat_elements_dyn(&*left, &*right)?))
    }
}
