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
mod named_types;
mod patterns;
mod pieces;
mod result_size;
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
use self::growth::{CONCATENATION, growth};
use self::named_types::{check_depth, check_type, makes_types};
use self::patterns::check_patterns;
pub(super) use self::patterns::{GuardPatterns, pattern_functions};
use self::pieces::in_pieces;
use self::result_size::{check_size, computed_rows, room};
use self::scratch::scratch_bytes;
use self::work::steps;
use super::fault::{Fault, to_datafusion};
use super::largest_query::stop_if_exceeded;
use super::stopped;
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

    /// Fails once the query has ended: to compute the types of a long chain of calls takes seconds.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        check_query().map_err(to_datafusion)?;
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
