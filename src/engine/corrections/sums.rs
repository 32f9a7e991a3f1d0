//! `sum` and `avg`, added up in a type that is wide enough, and an error where the result does not fit its own.
//!
//! DataFusion adds up in the type of the result, and drops the bits that do not fit: `sum` of two BIGINT of 9 x 10^18 is
//! negative, and so is the `sum` of durations over some 292 years, which are 130 droplets of two years each.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Field, FieldRef};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::SessionState;
use datafusion::functions_aggregate::{average, sum};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF, Signature,
};

/// Puts the wide aggregates in the place of DataFusion's.
pub(in crate::engine) fn register(state: &mut SessionState) -> Result<()> {
    for inner in [sum::sum_udaf(), average::avg_udaf()] {
        state.register_udaf(Arc::new(AggregateUDF::new_from_impl(Wide { inner })))?;
    }
    Ok(())
}

/// The type in which values of this one are added up, where it is another one.
///
/// DataFusion gives a sum of decimals ten digits more than its values have, as long as there are: only those of more
/// than 28 digits can have a sum that does not fit. It adds up an average of decimals in a wide type by itself.
fn wide(function: &AggregateUDF, value: &DataType) -> Option<DataType> {
    match value {
        DataType::Int64 | DataType::UInt64 if function.name() == "sum" => {
            Some(DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0))
        }
        DataType::Duration(_) => Some(DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0)),
        DataType::Decimal128(precision, scale)
            if function.name() == "sum" && precision + 10 > DECIMAL128_MAX_PRECISION =>
        {
            Some(DataType::Decimal256(DECIMAL256_MAX_PRECISION, *scale))
        }
        _ => None,
    }
}

/// The values in another type, or an error at the first that does not fit. There is no cast between durations and
/// decimals: they go through the integer of the duration's unit.
fn converted(values: &dyn Array, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let through_integer = matches!(values.data_type(), DataType::Duration(_)) || matches!(to, DataType::Duration(_));
    if !through_integer {
        return cast_with_options(values, to, &options);
    }
    let integers = cast_with_options(values, &DataType::Int64, &options)?;
    cast_with_options(&integers, to, &options)
}

/// An aggregate of DataFusion's over values that are widened for it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Wide {
    inner: Arc<AggregateUDF>,
}

impl Wide {
    /// The type that values of these fields are widened to.
    fn widened(&self, fields: &[FieldRef]) -> Option<DataType> {
        fields.first().and_then(|field| wide(&self.inner, field.data_type()))
    }

    /// What `make` makes of arguments that speak of widened values.
    fn with_wide<T>(
        &self,
        args: &AccumulatorArgs,
        value: &DataType,
        make: impl FnOnce(AccumulatorArgs) -> Result<T>,
    ) -> Result<T> {
        let result = self.inner.return_type(std::slice::from_ref(value))?;
        let fields = [Arc::new(args.expr_fields[0].as_ref().clone().with_data_type(value.clone()))];
        make(AccumulatorArgs {
            return_field: Arc::new(args.return_field.as_ref().clone().with_data_type(result)),
            expr_fields: &fields,
            schema: args.schema,
            ignore_nulls: args.ignore_nulls,
            order_bys: args.order_bys,
            is_reversed: args.is_reversed,
            name: args.name,
            is_distinct: args.is_distinct,
            exprs: args.exprs,
        })
    }
}

impl AggregateUDFImpl for Wide {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let Some(value) = self.widened(args.expr_fields) else {
            return self.inner.accumulator(args);
        };
        let result = args.return_type().clone();
        let inner = self.with_wide(&args, &value, |args| self.inner.accumulator(args))?;
        Ok(Box::new(Widened { inner, value, result }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        // DataFusion has a DISTINCT in a moving frame for BIGINT alone.
        let Some(value) = self.widened(args.expr_fields).filter(|_| !args.is_distinct) else {
            return self.inner.create_sliding_accumulator(args);
        };
        let result = args.return_type().clone();
        let inner = self.with_wide(&args, &value, |args| self.inner.create_sliding_accumulator(args))?;
        Ok(Box::new(Widened { inner, value, result }))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let Some(value) = self.widened(args.expr_fields) else {
            return self.inner.create_groups_accumulator(args);
        };
        let result = args.return_type().clone();
        let inner = self.with_wide(&args, &value, |args| self.inner.create_groups_accumulator(args))?;
        Ok(Box::new(Widened { inner, value, result }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let Some(value) = self.widened(args.input_fields) else {
            return self.inner.state_fields(args);
        };
        let result = self.inner.return_type(std::slice::from_ref(&value))?;
        self.inner.state_fields(StateFieldsArgs {
            name: args.name,
            input_fields: &[Arc::new(Field::new("value", value, true))],
            return_field: Arc::new(args.return_field.as_ref().clone().with_data_type(result)),
            ordering_fields: args.ordering_fields,
            is_distinct: args.is_distinct,
        })
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

/// An accumulator of widened values: what goes in is widened, what comes out has the result's type. Its state, which
/// DataFusion passes from one accumulator to the next, stays wide.
#[derive(Debug)]
struct Widened<A> {
    inner: A,
    value: DataType,
    result: DataType,
}

impl<A> Widened<A> {
    fn widened(&self, values: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        values.iter().map(|values| Ok(converted(values, &self.value)?)).collect()
    }

    fn narrowed(&self, values: &dyn Array) -> Result<ArrayRef> {
        converted(values, &self.result).map_err(|error| {
            let words = match error {
                ArrowError::CastError(words) | ArrowError::InvalidArgumentError(words) => words,
                other => return other.into(),
            };
            ArrowError::ArithmeticOverflow(format!("the aggregate's {words}")).into()
        })
    }
}

impl Accumulator for Widened<Box<dyn Accumulator>> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = self.widened(values)?;
        self.inner.update_batch(&values)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = self.widened(values)?;
        self.inner.retract_batch(&values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let value = self.inner.evaluate()?.to_array()?;
        ScalarValue::try_from_array(&self.narrowed(&value)?, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.inner.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }
}

impl GroupsAccumulator for Widened<Box<dyn GroupsAccumulator>> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let values = self.widened(values)?;
        self.inner.update_batch(&values, group_indices, filter, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let values = self.inner.evaluate(emit_to)?;
        self.narrowed(&values)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.inner.merge_batch(states, group_indices, total_num_groups)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(&self.widened(values)?, filter)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.inner.size()
    }
}
