//! The operators `~`, `~*`, `!~`, `!~*` and SIMILAR TO with a column of patterns.
//!
//! DataFusion compiles the patterns of all rows of a batch, and keeps them until its end: 8,192 of them may have gigabytes. So
//! these operators are replaced by functions, which are called for some rows at a time.
//!
//! Do not change without thinking: as for `||` (`concatenation`), a function has the result type and the schema name of the
//! operator.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, Like, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr as PhysicalBinary, Column, Literal};

use super::check_query;
use super::pieces::in_pieces;
use super::work::text_bytes;
use crate::engine::fault::to_datafusion;

/// An operator, and the name of the function that replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Replaced {
    /// As the schema name of its expressions has it.
    written: &'static str,
    /// The operator of DataFusion's physical expressions.
    operator: Operator,
    function: &'static str,
}

const REPLACED: [Replaced; 6] = [
    Replaced { written: "~", operator: Operator::RegexMatch, function: "matches_pattern" },
    Replaced { written: "~*", operator: Operator::RegexIMatch, function: "matches_pattern_in_any_case" },
    Replaced { written: "!~", operator: Operator::RegexNotMatch, function: "matches_no_pattern" },
    Replaced { written: "!~*", operator: Operator::RegexNotIMatch, function: "matches_no_pattern_in_any_case" },
    Replaced { written: "SIMILAR TO", operator: Operator::RegexMatch, function: "is_similar" },
    Replaced { written: "NOT SIMILAR TO", operator: Operator::RegexNotMatch, function: "is_not_similar" },
];

static FUNCTIONS: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(|| {
    let function = |replaced| {
        let signature = Signature::any(2, Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(PatternOperator { replaced, signature }))
    };
    REPLACED.into_iter().map(function).collect()
});

/// The functions that replace the operators.
pub(in crate::engine) fn pattern_functions() -> &'static [Arc<ScalarUDF>] {
    &FUNCTIONS
}

/// Whether a function replaces one of these operators.
pub(super) fn is_pattern_operator(function: &str) -> bool {
    REPLACED.iter().any(|replaced| replaced.function == function)
}

/// The function in place of an operator, if its patterns are not the same in all rows. Type coercion has already cast the
/// operands.
pub(in crate::engine) fn pattern_match(expr: &Expr) -> Option<Expr> {
    let (written, left, right) = match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::RegexMatch, right }) => ("~", left, right),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::RegexIMatch, right }) => ("~*", left, right),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::RegexNotMatch, right }) => ("!~", left, right),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::RegexNotIMatch, right }) => ("!~*", left, right),
        Expr::SimilarTo(Like { negated, expr, pattern, escape_char: None, case_insensitive: false }) => {
            (if *negated { "NOT SIMILAR TO" } else { "SIMILAR TO" }, expr, pattern)
        }
        _ => return None,
    };
    let position = REPLACED.iter().position(|replaced| replaced.written == written)?;
    let is_constant = matches!(**right, Expr::Literal(..));
    (!is_constant).then(|| FUNCTIONS[position].call(vec![(**left).clone(), (**right).clone()]))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PatternOperator {
    replaced: Replaced,
    signature: Signature,
}

impl PatternOperator {
    /// Applies DataFusion's operator to the operands.
    fn apply(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [texts, patterns] = &args.args[..] else { return internal_err!("{} of {:?}", self.name(), args.args) };
        let texts = texts.to_array(args.number_rows)?;
        let mut columns: Vec<(&str, ArrayRef)> = vec![("texts", texts)];
        // A constant stays one: repeated for each row, a long pattern would have gigabytes.
        let patterns: Arc<dyn PhysicalExpr> = match patterns {
            ColumnarValue::Scalar(value) => Arc::new(Literal::new(value.clone())),
            ColumnarValue::Array(array) => {
                columns.push(("patterns", Arc::clone(array)));
                Arc::new(Column::new("patterns", 1))
            }
        };
        let operands =
            RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))?;
        let texts = Arc::new(Column::new("texts", 0));
        PhysicalBinary::new(texts, self.replaced.operator, patterns).evaluate(&operands)
    }
}

impl ScalarUDFImpl for PatternOperator {
    fn name(&self) -> &str {
        self.replaced.function
    }

    /// The schema name of the operator expression.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let [left, right] = args else { return internal_err!("{} of {} operands", self.name(), args.len()) };
        Ok(format!("{} {} {}", left.schema_name(), self.replaced.written, right.schema_name()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), DataType::Boolean, is_nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        check_query().map_err(to_datafusion)?;
        in_pieces(self.name(), text_bytes, &args, |piece| self.apply(&piece))
    }
}
