//! Exact `sum` and `avg`: an error if the result does not fit its type.
//!
//! DataFusion adds up values in the result's type, and drops the bits that do not fit: the `sum` of two BIGINT of 9 x
//! 10^18 is negative, and so is the `sum` of durations above 292 years, which are 130 droplets of two years each. It
//! adds up the average of integers in DOUBLE, which keeps 53 bits.
//!
//! ```text
//!     values ──► add ──► total, wide enough for any number of rows ──► finish ──► result, or Fault::Overflow
//!                          │ state: count, columns of the total
//!                          └──► merged with the totals of other partitions
//! ```
//!
//! The total may leave the result's type and come back: only the final result has to fit. That is why no intermediate
//! step checks for overflow, and why totals are passed between partitions in their wide form.
//!
//! - `total`: the trait of totals, implemented by `number` for integers, decimals and durations, and by `interval`.
//! - `accumulators`: DataFusion's accumulators over a total: for one group, for DISTINCT, and for many groups.
//! - `result`: the planned type of the aggregate.

mod accumulators;
mod interval;
mod number;
mod result;
mod total;

use std::sync::Arc;

use arrow::datatypes::{
    DECIMAL32_MAX_PRECISION, DECIMAL64_MAX_PRECISION, DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType,
    Field, FieldRef,
};
use datafusion::common::types::{
    NativeType, logical_float64, logical_int8, logical_int16, logical_int32, logical_int64, logical_uint8,
    logical_uint16, logical_uint32, logical_uint64,
};
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::SessionState;
use datafusion::functions_aggregate::{average, sum};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Coercion, Documentation, GroupsAccumulator, ReversedUDAF, Signature,
    TypeSignature, TypeSignatureClass, Volatility,
};

use self::accumulators::{Added, AddedByGroup, AddedOnce};
use self::interval::Interval;
use self::number::WideInteger;
use self::result::{AggregateType, Function};
use self::total::ExactTotal;
use crate::engine::fault::{Fault, to_datafusion};
use crate::engine::function_guards::check_query;

/// Registers the exact aggregates in place of DataFusion's.
pub(in crate::engine) fn register(state: &mut SessionState) -> Result<()> {
    let sum = sum::sum_udaf();
    let signature = sum.signature().clone();
    let sum = Exact { function: Function::Sum, inner: sum, signature };
    let average = Exact { function: Function::Average, inner: average::avg_udaf(), signature: average_signature() };
    for aggregate in [sum, average] {
        state.register_udaf(Arc::new(AggregateUDF::new_from_impl(aggregate)))?;
    }
    Ok(())
}

/// The argument types of `avg`: those of DataFusion, except that integers are not cast to DOUBLE.
fn average_signature() -> Signature {
    let exact = |class| TypeSignature::Coercible(vec![Coercion::new_exact(class)]);
    let native = TypeSignatureClass::Native;
    let implicit = |wanted, from, to| TypeSignature::Coercible(vec![Coercion::new_implicit(native(wanted), from, to)]);
    let unsigned = vec![native(logical_uint8()), native(logical_uint16()), native(logical_uint32())];
    let signed = vec![native(logical_int8()), native(logical_int16()), native(logical_int32())];
    Signature::one_of(
        vec![
            exact(TypeSignatureClass::Decimal),
            exact(TypeSignatureClass::Duration),
            implicit(logical_float64(), vec![TypeSignatureClass::Float], NativeType::Float64),
            implicit(logical_uint64(), unsigned, NativeType::UInt64),
            implicit(logical_int64(), signed, NativeType::Int64),
        ],
        Volatility::Immutable,
    )
}

/// The kind of total for values of a type, if DataFusion's accumulators may be wrong for it.
#[derive(Clone, Copy)]
enum SumKind {
    Number,
    Interval,
}

impl SumKind {
    fn of(function: Function, value: &DataType) -> Option<Self> {
        match value {
            DataType::Int64 | DataType::UInt64 | DataType::Duration(_) => Some(Self::Number),
            DataType::Interval(_) if function == Function::Sum => Some(Self::Interval),
            _ => lacks_digits(function, value)?.then_some(Self::Number),
        }
    }
}

/// Whether a sum of decimals may have more digits than the type in which DataFusion adds it up. `None` for other types.
///
/// DataFusion adds up a sum with ten digits more than its values, and an average with thirteen more, four of which are
/// additional decimals of the result. That is enough for 10^10 and 10^9 values, unless the maximum precision limits it.
fn lacks_digits(function: Function, value: &DataType) -> Option<bool> {
    let (precision, most) = match value {
        DataType::Decimal32(precision, _) => (precision, DECIMAL32_MAX_PRECISION),
        DataType::Decimal64(precision, _) => (precision, DECIMAL64_MAX_PRECISION),
        DataType::Decimal128(precision, _) => (precision, DECIMAL128_MAX_PRECISION),
        DataType::Decimal256(precision, _) => (precision, DECIMAL256_MAX_PRECISION),
        _ => return None,
    };
    let room = match function {
        Function::Sum => 10,
        Function::Average => 13,
    };
    Some(precision + room > most)
}

/// An aggregate of DataFusion with exact accumulators for the types that need them.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Exact {
    function: Function,
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

impl Exact {
    fn kind(&self, fields: &[FieldRef]) -> Option<SumKind> {
        fields.first().and_then(|field| SumKind::of(self.function, field.data_type()))
    }

    fn aggregate_type(&self, args: &AccumulatorArgs) -> AggregateType {
        AggregateType {
            function: self.function,
            value: args.expr_fields[0].data_type().clone(),
            result: args.return_type().clone(),
        }
    }

    /// The accumulator for values of this kind. It can also remove values, for moving frames.
    fn exact(&self, kind: SumKind, args: &AccumulatorArgs) -> Box<dyn Accumulator> {
        let aggregate = self.aggregate_type(args);
        match (kind, args.is_distinct) {
            (SumKind::Number, false) => Box::new(Added::<WideInteger>::new(aggregate)),
            (SumKind::Number, true) => Box::new(AddedOnce::<WideInteger>::new(aggregate)),
            (SumKind::Interval, false) => Box::new(Added::<Interval>::new(aggregate)),
            (SumKind::Interval, true) => Box::new(AddedOnce::<Interval>::new(aggregate)),
        }
    }
}

impl AggregateUDFImpl for Exact {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Fails once the query has ended: to compute the types of many aggregates takes seconds.
    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        check_query().map_err(to_datafusion)?;
        self.inner.return_type(arg_types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match self.kind(args.expr_fields) {
            Some(kind) => Ok(self.exact(kind, &args)),
            None => self.inner.accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let value = args.expr_fields[0].data_type();
        let kind = match self.kind(args.expr_fields) {
            // DataFusion supports DISTINCT in a moving frame only for the sum of BIGINT.
            None if args.is_distinct && value.is_decimal() => Some(SumKind::Number),
            kind => kind,
        };
        match kind {
            Some(kind) => Ok(self.exact(kind, &args)),
            None if args.is_distinct => Err(to_datafusion(moving_distinct(self.function))),
            None => self.inner.create_sliding_accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        match self.kind(args.expr_fields) {
            Some(_) => !args.is_distinct,
            None => self.inner.groups_accumulator_supported(args),
        }
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        match self.kind(args.expr_fields) {
            Some(SumKind::Number) => Ok(Box::new(AddedByGroup::<WideInteger>::new(self.aggregate_type(&args)))),
            Some(SumKind::Interval) => Ok(Box::new(AddedByGroup::<Interval>::new(self.aggregate_type(&args)))),
            None => self.inner.create_groups_accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let columns = match self.kind(args.input_fields) {
            Some(SumKind::Number) => WideInteger::column_types(),
            Some(SumKind::Interval) => Interval::column_types(),
            None => return self.inner.state_fields(args),
        };
        if args.is_distinct {
            let item = Field::new_list_field(args.input_fields[0].data_type().clone(), true);
            return Ok(vec![Arc::new(Field::new_list(format_state_name(args.name, "distinct"), item, false))]);
        }
        let columns = [DataType::UInt64].into_iter().chain(columns).enumerate();
        let name = |number: usize| format_state_name(args.name, &format!("state {number}"));
        Ok(columns.map(|(number, data_type)| Arc::new(Field::new(name(number), data_type, true))).collect())
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

/// The fault of a DISTINCT over floats in a moving frame: a rounded sum cannot be corrected when a value leaves the
/// frame.
fn moving_distinct(function: Function) -> Fault {
    let function = function.name();
    Fault::Dialect {
        written: format!("{function}(DISTINCT …) of DOUBLE over a frame whose start moves"),
        instead: format!(
            "cast the values to a decimal, `{function}(DISTINCT CAST(x AS DECIMAL(38, 9)))`, or let the frame start at \
             UNBOUNDED PRECEDING"
        ),
    }
}
