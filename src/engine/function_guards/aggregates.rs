//! Bounds the results of aggregates that collect their values, and lets windows stop.
//!
//! `array_agg` and `string_agg` make one value of all rows. As a window over a growing frame they make one for each row,
//! each as long as the rows before it: of 100,000 numbers that is 40 GB, in one batch.
//!
//! DataFusion computes a window for a whole partition without yielding. So each aggregate of a window is wrapped, and
//! checks whether the query has ended.

use std::fmt::{self, Debug};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams, WindowFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, GroupsAccumulator, Operator, ReversedUDAF,
    SetMonotonicity, Signature, StatisticsArgs,
};

use super::result_size::room;
use super::{check_query, has_any_size, max_value_bytes};
use crate::engine::fault::{Fault, to_datafusion};
use crate::engine::limit_fault::LimitFault;

/// Whether an aggregate collects its values into one.
pub(in crate::engine) fn collects(function: &str) -> bool {
    matches!(function, "array_agg" | "string_agg")
}

/// The maximum number of centroids of `approx_percentile_cont`, which allocates all of them for each group.
const MAX_CENTROIDS: i64 = 10_000;

/// Refuses arguments that an aggregate would allocate memory for.
///
/// # Errors
/// [`LimitFault::ManyCentroids`].
pub(in crate::engine) fn check_arguments(function: &str, arguments: &[Expr]) -> Result<()> {
    let has_centroids = function.starts_with("approx_percentile_cont");
    let most = arguments.iter().filter_map(integer).max().filter(|_| has_centroids);
    match most.filter(|centroids| *centroids > MAX_CENTROIDS) {
        Some(_) => Err(to_datafusion(LimitFault::ManyCentroids { most: MAX_CENTROIDS })),
        None => Ok(()),
    }
}

/// The integer that an argument is, under casts and signs.
fn integer(argument: &Expr) -> Option<i64> {
    match argument {
        Expr::Literal(value, _) if value.data_type().is_integer() => match value.cast_to(&DataType::Int64).ok()? {
            ScalarValue::Int64(value) => value,
            _ => Some(i64::MAX),
        },
        Expr::Cast(cast) => integer(&cast.expr),
        _ => None,
    }
}

/// Wraps the session's aggregates that collect values.
pub(super) fn guard(state: &mut SessionState) -> Result<()> {
    let guarded: Vec<_> =
        state.aggregate_functions().values().filter(|function| collects(function.name())).cloned().collect();
    for inner in guarded {
        state.register_udaf(wrapped(inner, false))?;
    }
    Ok(())
}

/// An aggregate for a window: it stops when the query has ended, and its results are bounded.
pub(in crate::engine) fn in_window(aggregate: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
    let inner = aggregate.inner().downcast_ref::<Guarded>().map_or(aggregate, |guarded| &guarded.inner);
    wrapped(Arc::clone(inner), true)
}

/// Whether an aggregate is wrapped for a window already.
pub(in crate::engine) fn is_in_window(aggregate: &AggregateUDF) -> bool {
    aggregate.inner().downcast_ref::<Guarded>().is_some_and(|guarded| guarded.is_in_window)
}

fn wrapped(inner: Arc<AggregateUDF>, is_in_window: bool) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(Guarded { inner, is_in_window }))
}

/// An aggregate of DataFusion whose results are bounded.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Guarded {
    inner: Arc<AggregateUDF>,
    is_in_window: bool,
}

impl Guarded {
    fn bounded(&self, inner: Box<dyn Accumulator>) -> Box<dyn Accumulator> {
        Box::new(BoundedAccumulator {
            inner,
            function: self.name().to_owned(),
            collects: collects(self.name()),
            is_in_window: self.is_in_window,
            calls: 0,
            rows: 0,
            results: 0,
            returned: 0,
        })
    }
}

/// All methods are DataFusion's, except that the accumulators are bounded. Those that a new version adds must be
/// forwarded, too.
impl AggregateUDFImpl for Guarded {
    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(self.bounded(self.inner.inner().accumulator(args)?))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(self.bounded(self.inner.inner().create_sliding_accumulator(args)?))
    }

    /// The accumulator of many groups is not wrapped: the pool counts what it holds.
    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.inner().groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        self.inner.inner().create_groups_accumulator(args)
    }

    fn with_beneficial_ordering(self: Arc<Self>, is_ordered: bool) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        let inner = Arc::clone(self.inner.inner()).with_beneficial_ordering(is_ordered)?;
        let wrapped = |inner| Self { inner: Arc::new(AggregateUDF::new_from_shared_impl(inner)), ..*self };
        Ok(inner.map(|inner| Arc::new(wrapped(inner)) as _))
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.inner().schema_name(params)
    }

    fn human_display(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.inner().human_display(params)
    }

    fn window_function_schema_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.inner.inner().window_function_schema_name(params)
    }

    fn display_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.inner().display_name(params)
    }

    fn window_function_display_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.inner.inner().window_function_display_name(params)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.inner().return_type(arg_types)
    }

    /// Fails once the query has ended: to compute the types of many aggregates takes seconds.
    fn return_field(&self, arg_fields: &[FieldRef]) -> Result<FieldRef> {
        check_query().map_err(to_datafusion)?;
        self.inner.inner().return_field(arg_fields)
    }

    fn is_nullable(&self) -> bool {
        self.inner.inner().is_nullable()
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.inner().state_fields(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.inner().order_sensitivity()
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        self.inner.inner().simplify()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        match self.inner.inner().reverse_expr() {
            ReversedUDAF::Reversed(inner) => ReversedUDAF::Reversed(wrapped(inner, self.is_in_window)),
            other => other,
        }
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.inner().coerce_types(arg_types)
    }

    fn simplify_expr_op_literal(
        &self,
        call: &AggregateFunction,
        argument: &Expr,
        operator: Operator,
        literal: &Expr,
        argument_is_left: bool,
    ) -> Result<Option<Expr>> {
        self.inner.inner().simplify_expr_op_literal(call, argument, operator, literal, argument_is_left)
    }

    fn value_from_stats(&self, statistics: &StatisticsArgs<'_>) -> Option<ScalarValue> {
        self.inner.inner().value_from_stats(statistics)
    }

    fn is_descending(&self) -> Option<bool> {
        self.inner.inner().is_descending()
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.inner.inner().default_value(data_type)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.inner.inner().supports_null_handling_clause()
    }

    fn supports_within_group_clause(&self) -> bool {
        self.inner.inner().supports_within_group_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.inner().documentation()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(data_type)
    }
}

/// An accumulator that returns an error before its result is too large, or when the query has ended.
struct BoundedAccumulator {
    inner: Box<dyn Accumulator>,
    function: String,
    /// Whether its result grows with each value.
    collects: bool,
    is_in_window: bool,
    calls: usize,
    /// The number of values in the frame of a window.
    rows: u64,
    /// The number of results so far, and their size: a window has one for each row.
    results: usize,
    returned: u64,
}

/// A check is made at one of so many calls: an accumulator is called for each row of a window, and some compute their size
/// from all of their values.
const CALLS_OF_A_CHECK: usize = 16;

impl BoundedAccumulator {
    /// # Errors
    /// [`Fault::Cancelled`], [`LimitFault::LargeValue`].
    fn check(&mut self) -> Result<(), Fault> {
        self.calls += 1;
        if self.is_in_window && !self.calls.is_multiple_of(CALLS_OF_A_CHECK) {
            return Ok(());
        }
        check_query()?;
        if !self.collects {
            return Ok(());
        }
        let (bytes, most) = (self.inner.size() as u64, max_value_bytes());
        if bytes > most {
            return Err(LimitFault::LargeValue { function: self.function.clone(), bytes, most }.into());
        }
        Ok(())
    }

    /// Checks the size of one more result. A window over the whole partition has one result, which it repeats for each row.
    ///
    /// # Errors
    /// [`LimitFault::LargeResult`], [`LimitFault::NoMemory`].
    fn check_result(&mut self, bytes: u64) -> Result<(), LimitFault> {
        self.results += 1;
        self.returned = self.returned.saturating_add(bytes);
        let of_window = if self.is_in_window { self.returned.max(bytes.saturating_mul(self.rows) / 2) } else { 0 };
        let most = max_value_bytes();
        if of_window > most {
            let rows = usize::try_from(self.rows).unwrap_or(usize::MAX).max(self.results);
            return Err(LimitFault::LargeResult { function: self.function.clone(), rows, bytes: of_window, most });
        }
        room(bytes).map(drop)
    }
}

impl Debug for BoundedAccumulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedAccumulator").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Accumulator for BoundedAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(values)?;
        self.rows += values.first().map_or(0, |values| values.len() as u64);
        self.check().map_err(to_datafusion)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.check().map_err(to_datafusion)?;
        if self.collects {
            let bytes = self.inner.size() as u64;
            self.check_result(bytes).map_err(to_datafusion)?;
            return self.inner.evaluate();
        }
        let result = self.inner.evaluate()?;
        if self.is_in_window && has_any_size(&result.data_type()) {
            self.check_result(result.size() as u64).map_err(to_datafusion)?;
        }
        Ok(result)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)?;
        self.check().map_err(to_datafusion)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.rows = self.rows.saturating_sub(values.first().map_or(0, |values| values.len() as u64));
        self.inner.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }
}
