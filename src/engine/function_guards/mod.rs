//! Refuses a call of a function before it makes a result that is too large, or computes for too long.
//!
//! `repeat('x', 1000000000)` is short SQL and a gigabyte. DataFusion allocates it at once, and a failed allocation ends
//! the process for all clients. So each function whose result may be larger than its largest argument is wrapped: the
//! wrapper computes the [size](growth) of the result, and calls DataFusion's function only if it is small enough.
//! Twice its argument is already too much: a nested subquery doubles it again.
//!
//! `levenshtein` of two long texts computes for minutes, and nothing can interrupt it. The [work](work) of such functions
//! is bounded for a value, and is done in pieces for a batch: between two pieces the wrapper checks whether the query has
//! ended. And a call needs [room](scratch) for what it allocates while it computes.
//!
//! A test lists every function of the session as guarded or harmless: a function that a new version of DataFusion adds
//! fails the test until somebody has read it.

mod aggregates;
mod argument;
mod concatenation;
mod folding;
mod growth;
mod patterns;
mod pieces;
mod scratch;
mod searches;
mod work;

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, StructFieldMapping,
};

pub(super) use self::aggregates::{check_arguments, collects, in_window, is_in_window};
use self::argument::Argument;
pub(super) use self::concatenation::{concatenation, concatenation_function, operator_name};
pub(super) use self::folding::without_long_values;
use self::folding::{MAX_FOLDED_BYTES, is_folding};
use self::growth::{CONCATENATION, Growth, growth};
use self::patterns::check_patterns;
pub(super) use self::patterns::{GuardPatterns, pattern_functions};
use self::pieces::in_pieces;
use self::scratch::scratch_bytes;
use self::work::steps;
use super::fault::{Fault, to_datafusion};
use super::largest_query::stop_if_exceeded;
use super::limit_fault::LimitFault;
use super::stopped;
use super::wide_rows::max_batch_bytes;
use crate::heap::Room;
use crate::query::{self, Limits};

/// Wraps the functions of the session whose result may be large, or that may compute for long.
pub(super) fn guard(state: &mut SessionState) -> Result<()> {
    let is_guarded = |name: &str| growth(name).is_some() || steps(name).is_some() || makes_types(name);
    let guarded: Vec<_> =
        state.scalar_functions().values().filter(|function| is_guarded(function.name())).cloned().collect();
    for inner in guarded {
        state.register_udf(Arc::new(ScalarUDF::new_from_impl(Guarded { inner })))?;
    }
    aggregates::guard(state)
}

/// Whether a function returns a value of the type that its argument names.
fn makes_types(function: &str) -> bool {
    matches!(function, "arrow_cast" | "arrow_try_cast")
}

/// The maximum size of the values of a type whose values all have the same size.
const MAX_FIXED_BYTES: u64 = 8 << 10;

/// Refuses a type whose values are large even if they are NULL: `FixedSizeBinary(2000000000)`.
///
/// # Errors
/// [`LimitFault::LargeType`].
fn check_type(data_type: &DataType) -> Result<(), LimitFault> {
    let (bytes, most) = (fixed_bytes(data_type), MAX_FIXED_BYTES);
    if bytes > most { Err(LimitFault::LargeType { bytes, most }) } else { Ok(()) }
}

/// The maximum depth of a type that is written as a text.
const MAX_TYPE_DEPTH: usize = 50;

/// Refuses the name of a type that is nested deeply: Arrow's parser would overflow the stack, which ends the process.
///
/// # Errors
/// [`LimitFault::DeepType`].
fn check_depth(arguments: &[Option<&ScalarValue>]) -> Result<(), LimitFault> {
    let texts = arguments.iter().filter_map(|argument| (*argument)?.try_as_str()?);
    match texts.map(depth_of_type).max() {
        Some(depth) if depth > MAX_TYPE_DEPTH => Err(LimitFault::DeepType { most: MAX_TYPE_DEPTH }),
        Some(_) | None => Ok(()),
    }
}

fn depth_of_type(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for character in text.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The size of NULL in a type, in bytes.
fn fixed_bytes(data_type: &DataType) -> u64 {
    let count = |size: i32| u64::try_from(size).unwrap_or(0);
    match data_type {
        DataType::FixedSizeBinary(size) => count(*size),
        DataType::FixedSizeList(item, size) => fixed_bytes(item.data_type()).max(1).saturating_mul(count(*size)),
        DataType::Struct(fields) => {
            fields.iter().map(|field| fixed_bytes(field.data_type())).fold(0, u64::saturating_add)
        }
        // A list of such values, or an index of them.
        DataType::List(item) | DataType::LargeList(item) => fixed_bytes(item.data_type()),
        DataType::Dictionary(_, value) => fixed_bytes(value),
        other => other.primitive_width().unwrap_or(0) as u64,
    }
}

/// The call of a guarded function in place of DataFusion's own: its planner calls functions that it does not look up in the
/// session, for `[a, b]`, `list || list`, `MAP {…}` and OVERLAY.
pub(super) fn guarded_call(expr: &Expr) -> Option<Expr> {
    let Expr::ScalarFunction(call) = expr else { return None };
    let name = call.func.name();
    let is_guarded = call.func.inner().is::<Guarded>();
    if is_guarded || name == CONCATENATION || growth(name).is_none() && steps(name).is_none() {
        return None;
    }
    let func = Arc::new(ScalarUDF::new_from_impl(Guarded { inner: Arc::clone(&call.func) }));
    Some(Expr::ScalarFunction(ScalarFunction { func, args: call.args.clone() }))
}

/// A function of DataFusion that is called only if its result is small enough.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Guarded {
    inner: Arc<ScalarUDF>,
}

impl Guarded {
    fn call(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        check_query().map_err(to_datafusion)?;
        if self.name().starts_with("regexp_") {
            check_patterns(&args).map_err(to_datafusion)?;
        }
        let _room = match growth(self.name()) {
            Some(growth) => check_size(self.name(), &growth, &args).map_err(to_datafusion)?,
            None => None,
        };
        match steps(self.name()) {
            Some(steps) => in_pieces(self.name(), steps, &args, |args| self.call_for_rows(args)),
            None => self.call_for_rows(args),
        }
    }

    fn call_for_rows(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arguments: Vec<Argument<'_>> = args.args.iter().map(Argument).collect();
        let scratch = scratch_bytes(self.name(), &arguments, computed_rows(&args));
        let _room = room(scratch).map_err(to_datafusion)?;
        self.inner.inner().invoke_with_args(args)
    }
}

/// Returns an error if the query has ended: then nobody waits for the result. The query may end here, because it has the most
/// memory.
///
/// # Errors
/// Why the query has ended.
pub(super) fn check_query() -> Result<(), Fault> {
    stop_if_exceeded();
    match query::current() {
        Some(query) if query.has_ended() => Err(stopped(&query, false)),
        Some(_) | None => Ok(()),
    }
}

/// The maximum size of a value, in bytes.
pub(super) fn max_value_bytes() -> u64 {
    query::current().map_or(Limits::default().max_value_bytes, |query| query.limits().max_value_bytes)
}

/// Whether the result of a function may be larger than its largest argument.
pub(super) fn may_grow(function: &str) -> bool {
    growth(function).is_some()
}

/// Whether values of a type may have any size.
pub(super) fn has_any_size(data_type: &DataType) -> bool {
    !matches!(data_type, DataType::Boolean | DataType::Null) && !data_type.is_primitive()
}

/// The number of rows that a function computes: of constants, one value, whatever the number of rows of the batch.
fn computed_rows(args: &ScalarFunctionArgs) -> usize {
    let is_constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
    if is_constant { 1 } else { args.number_rows }
}

/// Refuses a call whose result is larger than a value may be, or whose results for all rows are together larger than a
/// batch may be. Returns the room for them, which is held during the call.
///
/// # Errors
/// [`LimitFault::LargeValue`], [`LimitFault::LargeBatch`], [`LimitFault::NoMemory`]; [`LimitFault::NotFolded`] while a plan is optimized.
fn check_size(function: &str, growth: &Growth, args: &ScalarFunctionArgs) -> Result<Option<Room>, LimitFault> {
    let (max_value_bytes, rows) = (max_value_bytes(), computed_rows(args));
    let max_batch_bytes = max_batch_bytes(args.number_rows);
    let arguments: Vec<Argument<'_>> = args.args.iter().map(Argument).collect();
    if let Some(bytes) = (growth.batch)(&arguments, rows as u64)
        && bytes <= if is_folding() { MAX_FOLDED_BYTES } else { max_value_bytes }
        && bytes.saturating_mul(repetitions(args, rows)) <= max_batch_bytes
    {
        return room(bytes);
    }
    let mut batch = 0_u64;
    for row in 0..rows {
        let bytes = (growth.row)(&arguments, row).unwrap_or(0);
        check_value(function, bytes, max_value_bytes)?;
        batch = batch.saturating_add(bytes);
    }
    // A constant may be repeated for each row, by whatever reads it.
    let batch = batch.saturating_mul(repetitions(args, rows));
    if batch > max_batch_bytes {
        let rows = args.number_rows;
        return Err(LimitFault::LargeBatch {
            function: function.to_owned(),
            rows,
            bytes: batch,
            most: max_batch_bytes,
        });
    }
    room(batch)
}

/// # Errors
/// [`LimitFault::LargeValue`]; [`LimitFault::NotFolded`] while a plan is optimized.
fn check_value(function: &str, bytes: u64, most: u64) -> Result<(), LimitFault> {
    match bytes {
        bytes if bytes > most => Err(LimitFault::LargeValue { function: function.to_owned(), bytes, most }),
        MAX_FOLDED_BYTES.. if is_folding() => Err(LimitFault::NotFolded),
        _ => Ok(()),
    }
}

/// How many times the computed rows may be repeated in the batch.
fn repetitions(args: &ScalarFunctionArgs, computed_rows: usize) -> u64 {
    args.number_rows.max(1).div_ceil(computed_rows.max(1)) as u64
}

/// Room for so many bytes. None is needed for few.
///
/// # Errors
/// [`LimitFault::NoMemory`].
fn room(bytes: u64) -> Result<Option<Room>, LimitFault> {
    const SMALL: u64 = 1 << 20;
    if bytes <= SMALL { Ok(None) } else { Room::take(bytes).map(Some).map_err(|_| LimitFault::NoMemory) }
}

/// All methods are DataFusion's, except for the checks. Those that a new version adds must be forwarded, too.
impl ScalarUDFImpl for Guarded {
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.call(args)
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let inner = Arc::new(self.inner.inner().with_updated_config(config)?);
        Some(ScalarUDF::new_from_impl(Self { inner }))
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.inner().schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.inner().return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        if !makes_types(self.name()) {
            return self.inner.inner().return_field_from_args(args);
        }
        check_depth(args.scalar_arguments).map_err(to_datafusion)?;
        let field = self.inner.inner().return_field_from_args(args)?;
        check_type(field.data_type()).map_err(to_datafusion)?;
        Ok(field)
    }

    fn is_strict(&self) -> bool {
        self.inner.inner().is_strict()
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match self.inner.inner().simplify(args, info)? {
            // It may be a call of DataFusion's own function: `concat` simplifies itself to `concat`.
            ExprSimplifyResult::Simplified(expr) => {
                let guarded =
                    expr.transform_up(|part| Ok(guarded_call(&part).map_or(Transformed::no(part), Transformed::yes)));
                Ok(ExprSimplifyResult::Simplified(guarded.data()?))
            }
            original @ ExprSimplifyResult::Original(_) => Ok(original),
        }
    }

    fn preimage(&self, args: &[Expr], literal: &Expr, info: &SimplifyContext) -> Result<PreimageResult> {
        self.inner.inner().preimage(args, literal, info)
    }

    fn short_circuits(&self) -> bool {
        self.inner.inner().short_circuits()
    }

    fn conditional_arguments<'a>(&self, args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.inner.inner().conditional_arguments(args)
    }

    fn evaluate_bounds(&self, input: &[&Interval]) -> Result<Interval> {
        self.inner.inner().evaluate_bounds(input)
    }

    fn propagate_constraints(&self, interval: &Interval, inputs: &[&Interval]) -> Result<Option<Vec<Interval>>> {
        self.inner.inner().propagate_constraints(interval, inputs)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.inner().output_ordering(inputs)
    }

    fn preserves_lex_ordering(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.inner.inner().preserves_lex_ordering(inputs)
    }

    fn strictly_order_preserving(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.inner.inner().strictly_order_preserving(inputs)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.inner().coerce_types(arg_types)
    }

    fn struct_field_mapping(&self, literals: &[Option<ScalarValue>]) -> Option<StructFieldMapping> {
        self.inner.inner().struct_field_mapping(literals)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.inner().documentation()
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        self.inner.inner().placement(args)
    }
}

#[cfg(test)]
mod tests;
