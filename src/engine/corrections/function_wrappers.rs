//! Wrappers around functions of DataFusion, and the function `nullable`.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use datafusion::common::internal_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::checked_arithmetic::min_integer;
use crate::engine::fault::{Fault, to_datafusion as refused};
use crate::engine::overflow::Overflow;

/// The wrapper around a function, if it needs one:
///
/// - `date_part`: DataFusion 55 rewrites its comparisons to comparisons of times. `extract(year FROM t) < 4` is then
///   NULL, because nanoseconds do not reach back to year 4.
/// - `date_part` of a duration counts seconds in 32 bits: its `epoch` is NULL from 68 years on.
/// - `abs` claims to preserve an order that it does not preserve.
/// - `abs`, `gcd`, `lcm` and `factorial` have no separate error for a result that does not fit.
/// - `to_timestamp` and its variants promise a time in the session's zone, and with formats return one without a zone.
pub(super) fn corrected(function: &Arc<ScalarUDF>) -> Option<Arc<ScalarUDF>> {
    let is_wrong = matches!(function.name(), "abs" | "date_part" | "factorial" | "gcd" | "lcm")
        || function.name().starts_with("to_timestamp");
    if !is_wrong || function.inner().is::<Corrected>() {
        return None;
    }
    Some(Arc::new(ScalarUDF::new_from_impl(Corrected { inner: Arc::clone(function) })))
}

/// A function without DataFusion's optimizations (its simplification, its ordering), whose result is cast to the
/// planned type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Corrected {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Corrected {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let promised = args.return_field.data_type().clone();
        let (operands, rows) = (args.args.clone(), args.number_rows);
        let value = self
            .inner
            .inner()
            .invoke_with_args(args)
            .map_err(|error| overflow(self.name(), &operands, &error).map_or(error, refused))?;
        if let ("date_part", [part, duration]) = (self.name(), &operands[..])
            && matches!(duration.data_type(), DataType::Duration(_))
            && duration.to_array(rows)?.null_count() < value.to_array(rows)?.null_count()
        {
            return date_part_of_durations(part, &duration.to_array(rows)?);
        }
        if value.data_type() == promised { Ok(value) } else { value.cast_to(&promised, None) }
    }
}

/// `date_part` of durations for which DataFusion returns NULL: it counts seconds in 32 bits, which is 68 years.
fn date_part_of_durations(part: &ColumnarValue, durations: &ArrayRef) -> Result<ColumnarValue> {
    let is_epoch = match part {
        ColumnarValue::Scalar(part) => {
            part.try_as_str().flatten().is_some_and(|part| part.eq_ignore_ascii_case("epoch"))
        }
        ColumnarValue::Array(_) => false,
    };
    let DataType::Duration(unit) = durations.data_type() else {
        return internal_err!("date_part of a value that is not a duration");
    };
    if !is_epoch {
        return Err(refused(Fault::Overflow(Overflow::Integer("date_part(…) of a duration".into()))));
    }
    let per_second = match unit {
        TimeUnit::Second => 1.0,
        TimeUnit::Millisecond => 1e3,
        TimeUnit::Microsecond => 1e6,
        TimeUnit::Nanosecond => 1e9,
    };
    let counts = cast(&cast(durations, &DataType::Int64)?, &DataType::Float64)?;
    let seconds = counts.as_primitive::<Float64Type>().unary::<_, Float64Type>(|count| count / per_second);
    Ok(ColumnarValue::Array(Arc::new(seconds)))
}

/// The fault of a function of integers, if its error is an overflow.
fn overflow(function: &str, operands: &[ColumnarValue], error: &DataFusionError) -> Option<Fault> {
    if !operands.iter().all(|operand| operand.data_type().is_integer()) {
        return None;
    }
    let overflow = match (function, error.find_root()) {
        // These functions have no other error of this kind.
        ("abs", DataFusionError::ArrowError(inner, _)) if matches!(**inner, ArrowError::ComputeError(_)) => {
            Overflow::Integer(format!("abs({})", min_integer(&operands[0].data_type())))
        }
        ("gcd" | "lcm", DataFusionError::ArrowError(inner, _)) if matches!(**inner, ArrowError::ComputeError(_)) => {
            Overflow::Integer(format!("{function}(…)"))
        }
        ("factorial", DataFusionError::Execution(_)) => Overflow::Factorial(first_too_large(&operands[0])?),
        _ => return None,
    };
    Some(Fault::Overflow(overflow))
}

/// The first number whose factorial does not fit 64 bits. `None` if a negative number comes first, which has no
/// factorial.
fn first_too_large(operand: &ColumnarValue) -> Option<i64> {
    let array = operand.to_array(1).ok()?;
    let first = array.as_primitive_opt::<Int64Type>()?.iter().flatten().find(|number| !(0..=20).contains(number));
    first.filter(|number| *number > 0)
}

/// The same value, but nullable in the plan.
pub(super) fn nullable(value: Expr) -> Expr {
    nullable_function().call(vec![value])
}

/// The identity function with a nullable result.
pub(super) fn nullable_function() -> Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        Arc::new(ScalarUDF::new_from_impl(Nullable { signature: Signature::any(1, Volatility::Immutable) }))
    });
    Arc::clone(&FUNCTION)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Nullable {
    signature: Signature,
}

impl ScalarUDFImpl for Nullable {
    fn name(&self) -> &str {
        "nullable"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = &args.arg_fields[0];
        Ok(Arc::new(Field::new(field.name(), field.data_type().clone(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(args.args[0].clone())
    }
}
