//! The operators that search for a pattern: `~`, `~*`, SIMILAR TO, LIKE, ILIKE, and their negations.
//!
//! DataFusion compiles the regular expressions of all rows of a batch, and keeps them until its end: 8,192 of them may have
//! gigabytes. And a single search may take minutes ([`super::searches`]). So these operators are replaced by functions, which
//! refuse long searches, and are called for some rows at a time.
//!
//! They are replaced by the last rule of the optimizer: it has rules that make a simpler condition of a pattern, `IN` of
//! `~ '^(foo|bar)$'`, and know only the operators.
//!
//! Do not change without thinking: as for `||` (`concatenation`), a function has the result type and the schema name of the
//! operator.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{ScalarValue, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, Like, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr as PhysicalBinary, Column, Literal};

use super::argument::Argument;
use super::check_query;
use super::pieces::in_pieces;
use super::result_size::computed_rows;
use super::searches::{MAX_PATTERN_BYTES, Matches, Search, regex_of_like, states};
use super::work::{STEPS_OF_A_PIECE, Steps};
use crate::engine::fault::to_datafusion;
use crate::engine::limit_fault::LimitFault;

/// The rule that replaces the operators.
#[derive(Debug)]
pub(in crate::engine) struct GuardPatterns;

impl OptimizerRule for GuardPatterns {
    fn name(&self) -> &'static str {
        "guard_patterns"
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        plan.transform_up_with_subqueries(|node| {
            node.map_expressions(|expr| {
                expr.transform_up(|part| Ok(pattern_match(&part).map_or(Transformed::no(part), Transformed::yes)))
            })
        })
    }
}

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
    /// What the schema name has after the pattern, if `ESCAPE '\\'` was written: the escape character that LIKE has anyway.
    suffix: &'static str,
}

const fn replaced(form: Form, operator: Operator, written: &'static str, function: &'static str) -> Replaced {
    Replaced { form, operator, written, function, suffix: "" }
}

const fn escaped(operator: Operator, written: &'static str, function: &'static str) -> Replaced {
    Replaced { form: Form::Like, operator, written, function, suffix: " CHAR '\\'" }
}

const REPLACED: [Replaced; 18] = {
    use Form::{Binary, Like, SimilarTo};
    use Operator::*;
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
        escaped(LikeMatch, "LIKE", "is_like_escaped"),
        escaped(ILikeMatch, "ILIKE", "is_like_escaped_in_any_case"),
        escaped(NotLikeMatch, "NOT LIKE", "is_not_like_escaped"),
        escaped(NotILikeMatch, "NOT ILIKE", "is_not_like_escaped_in_any_case"),
    ]
};

impl Replaced {
    fn is_like(self) -> bool {
        use Operator::{ILikeMatch, LikeMatch, NotILikeMatch, NotLikeMatch};
        matches!(self.operator, LikeMatch | ILikeMatch | NotLikeMatch | NotILikeMatch)
    }

    fn steps(self) -> Steps {
        use Operator::{ILikeMatch, NotILikeMatch, RegexIMatch, RegexNotIMatch};
        let in_any_case = matches!(self.operator, ILikeMatch | NotILikeMatch | RegexIMatch | RegexNotIMatch);
        match (self.is_like(), in_any_case) {
            (true, false) => |arguments, row| like(arguments, row, ""),
            (true, true) => |arguments, row| like(arguments, row, "i"),
            (false, false) => |arguments, row| regex(arguments, row, ""),
            (false, true) => |arguments, row| regex(arguments, row, "i"),
        }
    }

    /// Whether one pattern is searched for in so few bytes that the rows need not be looked at.
    fn is_short(self, args: &ScalarFunctionArgs) -> bool {
        let [texts, pattern] = &args.args[..] else { return false };
        let (texts, pattern) = (Argument(texts), Argument(pattern));
        let Some(pattern) = pattern.constant_text() else { return false };
        let states = if self.is_like() { pattern.len() as u64 } else { states(pattern) };
        let bytes = texts.total_bytes(args.number_rows as u64);
        !texts.is_constant() && bytes.is_some_and(|bytes| bytes.saturating_mul(states) <= STEPS_OF_A_PIECE)
    }

    /// Whether the operator compares a text with a part of the pattern, and compiles nothing.
    fn is_comparison(self, pattern: &Expr) -> bool {
        let Expr::Literal(pattern, _) = pattern else { return false };
        let Some(pattern) = pattern.try_as_str().flatten() else { return true };
        let inner = pattern.strip_prefix('%').unwrap_or(pattern);
        let inner = inner.strip_suffix('%').unwrap_or(inner);
        self.is_like() && !inner.contains(['%', '_', '\\'])
    }
}

/// The steps of `text LIKE pattern`.
fn like(arguments: &[Argument<'_>], row: usize, flags: &str) -> Option<u64> {
    let (text, pattern) = (arguments.first()?.text(row)?, arguments.get(1)?.text(row)?);
    let at_worst = (text.len() as u64).saturating_mul(pattern.len() as u64);
    if at_worst <= STEPS_OF_A_PIECE {
        return Some(at_worst);
    }
    Some(Search { text, pattern: &regex_of_like(pattern), flags, matches: Matches::Any }.steps())
}

/// The steps of `text ~ pattern`.
fn regex(arguments: &[Argument<'_>], row: usize, flags: &str) -> Option<u64> {
    let (text, pattern) = (arguments.first()?.text(row)?, arguments.get(1)?.text(row)?);
    Some(Search { text, pattern, flags, matches: Matches::Any }.steps())
}

/// Refuses patterns that are too long to be compiled.
///
/// # Errors
/// [`LimitFault::LongPattern`]
pub(super) fn check_patterns(args: &ScalarFunctionArgs) -> Result<(), LimitFault> {
    let Some(patterns) = args.args.get(1).map(Argument) else { return Ok(()) };
    let rows = if patterns.is_constant() { 1 } else { args.number_rows };
    for row in 0..rows {
        let (bytes, most) = (patterns.text(row).map_or(0, str::len), MAX_PATTERN_BYTES);
        if bytes > most {
            return Err(LimitFault::LongPattern { bytes, most });
        }
    }
    Ok(())
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

/// Whether an operator's pattern is a regular expression.
pub(super) fn is_regex_operator(written: &str) -> bool {
    REPLACED.iter().any(|replaced| replaced.written == written && !replaced.is_like())
}

/// The function in place of an operator, unless it compiles nothing.
fn pattern_match(expr: &Expr) -> Option<Expr> {
    use Operator::{ILikeMatch, LikeMatch, NotILikeMatch, NotLikeMatch, RegexMatch, RegexNotMatch};
    let (form, operator, left, right, is_escaped) = match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => (Form::Binary, *op, left, right, false),
        Expr::SimilarTo(Like { negated, expr, pattern, escape_char: None, case_insensitive: false }) => {
            (Form::SimilarTo, if *negated { RegexNotMatch } else { RegexMatch }, expr, pattern, false)
        }
        Expr::Like(Like { negated, expr, pattern, escape_char, case_insensitive }) => {
            let operator = match (*negated, *case_insensitive) {
                (false, false) => LikeMatch,
                (false, true) => ILikeMatch,
                (true, false) => NotLikeMatch,
                (true, true) => NotILikeMatch,
            };
            (Form::Like, operator, expr, pattern, is_escaped(*escape_char)?)
        }
        _ => return None,
    };
    let is_meant = |replaced: &Replaced| {
        (replaced.form, replaced.operator, replaced.suffix.is_empty()) == (form, operator, !is_escaped)
    };
    let position = REPLACED.iter().position(is_meant)?;
    let is_comparison = REPLACED[position].is_comparison(right);
    (!is_comparison).then(|| FUNCTIONS[position].call(vec![(**left).clone(), (**right).clone()]))
}

/// Whether ESCAPE was written. `None` for a character that DataFusion does not support.
fn is_escaped(escape_char: Option<char>) -> Option<bool> {
    match escape_char {
        None => Some(false),
        Some('\\') => Some(true),
        Some(_) => None,
    }
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
        let Replaced { written, suffix, .. } = self.replaced;
        Ok(format!("{} {written} {}{suffix}", left.schema_name(), right.schema_name()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    /// Fails once the query has ended, as that of `Guarded`.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        check_query().map_err(to_datafusion)?;
        let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), DataType::Boolean, is_nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        check_query().map_err(to_datafusion)?;
        check_patterns(&args).map_err(to_datafusion)?;
        let args = without_dictionaries(args)?;
        if self.replaced.is_short(&args) {
            return self.apply(&args);
        }
        if computed_rows(&args) == 1 {
            let one = ScalarFunctionArgs { number_rows: 1, ..args.clone() };
            let result = in_pieces(self.replaced.written, self.replaced.steps(), &one, |one| self.apply(&one))?;
            let is_constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
            return match is_constant {
                true => ScalarValue::try_from_array(&*result.into_array(1)?, 0).map(ColumnarValue::Scalar),
                false => Ok(result),
            };
        }
        in_pieces(self.replaced.written, self.replaced.steps(), &args, |piece| self.apply(&piece))
    }

    /// NULL has no pattern, and matches none.
    fn is_strict(&self) -> bool {
        true
    }
}

/// The values of dictionaries in place of them.
fn without_dictionaries(args: ScalarFunctionArgs) -> Result<ScalarFunctionArgs> {
    let plain = |argument: &ColumnarValue| match (argument.data_type(), argument) {
        (DataType::Dictionary(_, values), ColumnarValue::Array(array)) => {
            Ok(ColumnarValue::Array(cast(array, &values)?))
        }
        (DataType::Dictionary(_, values), ColumnarValue::Scalar(value)) => {
            value.cast_to(&values).map(ColumnarValue::Scalar)
        }
        _ => Ok(argument.clone()),
    };
    Ok(ScalarFunctionArgs { args: args.args.iter().map(plain).collect::<Result<_>>()?, ..args })
}
