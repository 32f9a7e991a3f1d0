//! The operators `~`, `~*`, `!~` and `!~*` with a column of patterns.
//!
//! DataFusion compiles the patterns of all rows of a batch, and keeps them until its end: 8,192 of them may have gigabytes. So
//! these operators are replaced by functions, which are called for some rows at a time.
//!
//! Do not change without thinking: as for `||` (`concatenation`), a function has the result type and the schema name of the
//! operator.

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr as PhysicalBinary, Column};

use super::check_query;
use super::concatenation::operator_name;
use super::pieces::in_pieces;
use super::work::text_bytes;
use crate::engine::fault::to_datafusion;

/// The operators, and the names of the functions that replace them.
const OPERATORS: [(Operator, &str); 4] = [
    (Operator::RegexMatch, "matches_pattern"),
    (Operator::RegexIMatch, "matches_pattern_in_any_case"),
    (Operator::RegexNotMatch, "matches_no_pattern"),
    (Operator::RegexNotIMatch, "matches_no_pattern_in_any_case"),
];

static FUNCTIONS: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(|| {
    let function = |(operator, name)| {
        let signature = Signature::any(2, Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(PatternOperator { operator, name, signature }))
    };
    OPERATORS.into_iter().map(function).collect()
});

/// The functions that replace the operators.
pub(in crate::engine) fn pattern_functions() -> &'static [Arc<ScalarUDF>] {
    &FUNCTIONS
}

/// Whether a function replaces one of these operators.
pub(super) fn is_pattern_operator(function: &str) -> bool {
    OPERATORS.iter().any(|(_, name)| *name == function)
}

/// The function in place of an operator, if its patterns are not the same in all rows. Type coercion has already cast the
/// operands.
pub(in crate::engine) fn pattern_match(binary: &BinaryExpr) -> Option<Expr> {
    let position = OPERATORS.iter().position(|(operator, _)| *operator == binary.op)?;
    let is_constant = matches!(*binary.right, Expr::Literal(..));
    (!is_constant).then(|| FUNCTIONS[position].call(vec![(*binary.left).clone(), (*binary.right).clone()]))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PatternOperator {
    operator: Operator,
    name: &'static str,
    signature: Signature,
}

impl PatternOperator {
    /// Applies DataFusion's operator to the operands.
    fn apply(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = &args.args[..] else { return internal_err!("{} of {:?}", self.name, args.args) };
        let (left, right) = (left.to_array(args.number_rows)?, right.to_array(args.number_rows)?);
        let field = |name: &str, data_type: &DataType| Field::new(name, data_type.clone(), true);
        let schema = Schema::new(vec![field("left", left.data_type()), field("right", right.data_type())]);
        let operands = RecordBatch::try_new(Arc::new(schema), vec![left, right])?;
        let column = |name: &str, position| Arc::new(Column::new(name, position));
        PhysicalBinary::new(column("left", 0), self.operator, column("right", 1)).evaluate(&operands)
    }
}

impl ScalarUDFImpl for PatternOperator {
    fn name(&self) -> &str {
        self.name
    }

    /// The schema name of the operator expression.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let [left, right] = args else { return internal_err!("{} of {} operands", self.name, args.len()) };
        Ok(operator_name(left, self.operator, right))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name, DataType::Boolean, is_nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        check_query().map_err(to_datafusion)?;
        in_pieces(self.name, text_bytes, &args, |piece| self.apply(&piece))
    }
}
