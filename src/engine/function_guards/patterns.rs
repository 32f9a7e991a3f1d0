//! The operators that search for a pattern, with a column of patterns or one that may need many states: `~`, `~*`, SIMILAR
//! TO, LIKE, ILIKE, and their negations.
//!
//! DataFusion compiles the regular expressions of all rows of a batch, and keeps them until its end: 8,192 of them may have
//! gigabytes. And a single search may take minutes ([`super::searches`]). So these operators are replaced by functions, which
//! refuse long searches, and are called for some rows at a time.
//!
//! Do not change without thinking: as for `||` (`concatenation`), a function has the result type and the schema name of the
//! operator.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, Like, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr as PhysicalBinary, Column, Literal};

use super::argument::Argument;
use super::check_query;
use super::pieces::in_pieces;
use super::searches::{regex_of_like, steps_to_first};
use super::work::{MAX_STEPS, Steps};
use crate::engine::fault::to_datafusion;

/// How an operator is written in DataFusion's logical expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    Binary,
    SimilarTo,
    Like,
}

/// An operator, and the name of the function that replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Replaced {
    form: Form,
    /// The operator of DataFusion's physical expressions.
    operator: Operator,
    /// As the schema name of its expressions has it.
    written: &'static str,
    function: &'static str,
}

const REPLACED: [Replaced; 14] = {
    use Form::{Binary, Like, SimilarTo};
    use Operator::*;
    const fn replaced(form: Form, operator: Operator, written: &'static str, function: &'static str) -> Replaced {
        Replaced { form, operator, written, function }
    }
    [
        replaced(Binary, RegexMatch, "~", "matches_pattern"),
        replaced(Binary, RegexIMatch, "~*", "matches_pattern_in_any_case"),
        replaced(Binary, RegexNotMatch, "!~", "matches_no_pattern"),
        replaced(Binary, RegexNotIMatch, "!~*", "matches_no_pattern_in_any_case"),
        replaced(Binary, LikeMatch, "~~", "matches_like"),
        replaced(Binary, ILikeMatch, "~~*", "matches_like_in_any_case"),
        replaced(Binary, NotLikeMatch, "!~~", "matches_no_like"),
        replaced(Binary, NotILikeMatch, "!~~*", "matches_no_like_in_any_case"),
        replaced(SimilarTo, RegexMatch, "SIMILAR TO", "is_similar"),
        replaced(SimilarTo, RegexNotMatch, "NOT SIMILAR TO", "is_not_similar"),
        replaced(Like, LikeMatch, "LIKE", "is_like"),
        replaced(Like, ILikeMatch, "ILIKE", "is_like_in_any_case"),
        replaced(Like, NotLikeMatch, "NOT LIKE", "is_not_like"),
        replaced(Like, NotILikeMatch, "NOT ILIKE", "is_not_like_in_any_case"),
    ]
};

impl Replaced {
    fn is_like(self) -> bool {
        use Operator::{ILikeMatch, LikeMatch, NotILikeMatch, NotLikeMatch};
        matches!(self.operator, LikeMatch | ILikeMatch | NotLikeMatch | NotILikeMatch)
    }

    fn steps(self) -> Steps {
        if self.is_like() { steps_of_like } else { steps_of_regex }
    }

    /// Whether a pattern has so few states that no text is long enough for a search of minutes.
    fn is_simple(self, pattern: &str) -> bool {
        const FEW: usize = 50;
        match self.is_like() {
            true => pattern.matches('_').count() <= FEW,
            false => pattern.len() <= FEW && !pattern.contains('{'),
        }
    }

    fn is_simple_constant(self, pattern: &Expr) -> bool {
        let Expr::Literal(pattern, _) = pattern else { return false };
        pattern.try_as_str().flatten().is_none_or(|pattern| self.is_simple(pattern))
    }

    /// The operator again.
    fn expression(self, left: Expr, right: Expr) -> Expr {
        use Operator::{ILikeMatch, NotILikeMatch, NotLikeMatch, RegexNotMatch};
        let (left, right) = (Box::new(left), Box::new(right));
        let negated = matches!(self.operator, RegexNotMatch | NotLikeMatch | NotILikeMatch);
        let in_any_case = matches!(self.operator, ILikeMatch | NotILikeMatch);
        match self.form {
            Form::Binary => Expr::BinaryExpr(BinaryExpr::new(left, self.operator, right)),
            Form::SimilarTo => Expr::SimilarTo(Like::new(negated, left, right, None, in_any_case)),
            Form::Like => Expr::Like(Like::new(negated, left, right, None, in_any_case)),
        }
    }
}

/// Whether an expression is a constant regular expression with few states.
pub(super) fn is_simple_regex(pattern: &Expr) -> bool {
    REPLACED[0].is_simple_constant(pattern)
}

/// `text LIKE pattern`. One without `_` leads to few states of the DFA.
fn steps_of_like(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let (text, pattern) = (arguments.first()?.text(row)?, arguments.get(1)?.text(row)?);
    let at_worst = (text.len() as u64).saturating_mul(pattern.len() as u64);
    match at_worst <= MAX_STEPS || !pattern.contains('_') {
        true => Some(text.len() as u64),
        false => Some(steps_to_first(text, &regex_of_like(pattern), "")),
    }
}

/// `text ~ pattern`
fn steps_of_regex(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    Some(steps_to_first(arguments.first()?.text(row)?, arguments.get(1)?.text(row)?, ""))
}

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

/// The function in place of an operator, unless its pattern is constant and simple. Type coercion has already cast the
/// operands.
pub(in crate::engine) fn pattern_match(expr: &Expr) -> Option<Expr> {
    use Operator::{ILikeMatch, LikeMatch, NotILikeMatch, NotLikeMatch, RegexMatch, RegexNotMatch};
    let (form, operator, left, right) = match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => (Form::Binary, *op, left, right),
        Expr::SimilarTo(Like { negated, expr, pattern, escape_char: None, case_insensitive: false }) => {
            (Form::SimilarTo, if *negated { RegexNotMatch } else { RegexMatch }, expr, pattern)
        }
        Expr::Like(Like { negated, expr, pattern, escape_char: None, case_insensitive }) => {
            let operator = match (*negated, *case_insensitive) {
                (false, false) => LikeMatch,
                (false, true) => ILikeMatch,
                (true, false) => NotLikeMatch,
                (true, true) => NotILikeMatch,
            };
            (Form::Like, operator, expr, pattern)
        }
        _ => return None,
    };
    let position = REPLACED.iter().position(|replaced| (replaced.form, replaced.operator) == (form, operator))?;
    let is_simple = REPLACED[position].is_simple_constant(right);
    (!is_simple).then(|| FUNCTIONS[position].call(vec![(**left).clone(), (**right).clone()]))
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
        in_pieces(self.name(), self.replaced.steps(), &args, |piece| self.apply(&piece))
    }

    /// A parameter or an expression has become a constant.
    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match &args[..] {
            [left, right] if self.replaced.is_simple_constant(right) => {
                Ok(ExprSimplifyResult::Simplified(self.replaced.expression(left.clone(), right.clone())))
            }
            _ => Ok(ExprSimplifyResult::Original(args)),
        }
    }
}
