//! Converts bound values to the types of their parameters, by position.
//!
//! The rule: a value is never changed silently. Only a CAST in the statement may round it.
//!
//! - A parameter whose type comes from its place (`price = ?`) keeps the whole value, or the value is rejected: a
//!   fraction for an integer, a third decimal for a DECIMAL(10, 2), a time for a DATE.
//! - `CAST(? AS DECIMAL(10, 2))`, and CASTs to REAL and DOUBLE, round the fraction of a number, as in every database. A
//!   value that does not fit is an error, and never becomes infinity or 0. An integer must keep all of its digits also
//!   here: it is more often an id than a measure. If databases disagree on a CAST (1.5 AS BIGINT is 1 or 2, a time AS
//!   DATE loses its time of day), the value is rejected.
//! - A text for a REAL or DOUBLE becomes the nearest float, like `'0.1'` in a statement. A text for a time may have as
//!   many decimals as the type, and a text for an INTERVAL needs a unit for each number (`bound_texts`).
//! - A number that is compared with a REAL is a DOUBLE (`parameter_types`).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, new_null_array};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Field, Float64Type, IntervalUnit, Schema, Time64NanosecondType, TimeUnit};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;

use super::bound_texts::{self, ValueProblem};
use super::{CAST_BY_STATEMENT, TEXT_ONLY};
use crate::engine::corrections::time_with_seconds;
use crate::engine::fault::{Fault, from_datafusion};
use crate::error::Result;

/// A NULL of its type for each parameter: the schema of a result does not depend on the values.
pub(in crate::engine) fn nulls(wanted: &Schema) -> Result<Vec<ScalarValue>> {
    let null = |field: &Arc<Field>| ScalarValue::try_new_null(field.data_type()).map_err(from_datafusion);
    wanted.fields().iter().map(null).collect()
}

/// The values of the one bound row, converted to the types of `wanted`.
pub(in crate::engine) fn values(bound: Option<&RecordBatch>, wanted: &Schema) -> Result<Vec<ScalarValue>, Fault> {
    convert_row(bound, wanted, |batch, at| {
        let (field, bound) = (wanted.field(at), batch.column(at).data_type());
        let is_text_or_null = is_text(bound) || *bound == DataType::Null;
        if field.metadata().contains_key(TEXT_ONLY) && !is_text_or_null {
            return Err(Fault::UntypedParameter { number: at + 1, bound: bound.to_string() });
        }
        value(batch, at, field.data_type(), field.metadata().contains_key(CAST_BY_STATEMENT))
    })
}

/// The values without conversion, for an EXEC: a cast would turn `true` into the image id 1, and the EXEC would act on
/// it.
pub(in crate::engine) fn plain_values(bound: Option<&RecordBatch>, wanted: &Schema) -> Result<Vec<ScalarValue>, Fault> {
    convert_row(bound, wanted, |batch, at| {
        ScalarValue::try_from_array(batch.column(at), 0).map_err(|error| Fault::ParameterType {
            number: at + 1,
            wanted: wanted.field(at).data_type().to_string(),
            problem: error.to_string(),
            instead: None,
        })
    })
}

fn convert_row(
    bound: Option<&RecordBatch>,
    wanted: &Schema,
    value: impl Fn(&RecordBatch, usize) -> Result<ScalarValue, Fault>,
) -> Result<Vec<ScalarValue>, Fault> {
    let count = bound.map_or(0, RecordBatch::num_columns);
    if count != wanted.fields().len() {
        return Err(Fault::ParameterCount { wanted: wanted.fields().len(), bound: count });
    }
    match bound {
        Some(batch) if count > 0 && batch.num_rows() != 1 => Err(Fault::ParameterRows { rows: batch.num_rows() }),
        Some(batch) => (0..count).map(|at| value(batch, at)).collect(),
        None => Ok(Vec::new()),
    }
}

fn value(batch: &RecordBatch, at: usize, wanted: &DataType, rounds: bool) -> Result<ScalarValue, Fault> {
    let fault = |ValueProblem { what: problem, instead }: ValueProblem| Fault::ParameterType {
        number: at + 1,
        wanted: wanted.to_string(),
        problem,
        instead,
    };
    let column = converted(batch.column(at), wanted, rounds).map_err(fault)?;
    ScalarValue::try_from_array(&column, 0).map_err(|error| fault(ValueProblem::new(error.to_string())))
}

/// The value converted to the wanted type.
fn converted(bound: &ArrayRef, wanted: &DataType, rounds: bool) -> Result<ArrayRef, ValueProblem> {
    if bound.data_type() == wanted {
        return Ok(Arc::clone(bound));
    }
    if bound.logical_null_count() > 0 {
        return Ok(new_null_array(wanted, bound.len()));
    }
    if !are_comparable(bound.data_type(), wanted) {
        return Err(wrong_kind(bound.data_type(), wanted));
    }
    match is_text(bound.data_type()) {
        true => converted_text(bound, wanted, rounds),
        false => converted_value(bound, wanted, rounds),
    }
}

fn converted_text(bound: &ArrayRef, wanted: &DataType, rounds: bool) -> Result<ArrayRef, ValueProblem> {
    let texts = checked_cast(bound, &DataType::Utf8)?;
    let text = texts.as_string::<i32>().value(0);
    bound_texts::check(text, wanted, rounds)?;
    let with_seconds = time_with_seconds(text).filter(|_| matches!(wanted, DataType::Timestamp(..)));
    let readable: ArrayRef = Arc::new(StringArray::from(vec![with_seconds.as_deref().unwrap_or(text)]));
    let column = checked_cast(&readable, wanted)?;
    if wanted.is_floating() {
        let number = text.to_lowercase();
        let mantissa = number.split('e').next().unwrap_or(&number);
        let is_zero = !mantissa.contains(|digit| matches!(digit, '1'..='9'));
        check_float(&column, number.contains("inf"), is_zero)?;
    }
    check_time_of_day(&column)?;
    Ok(column)
}

fn converted_value(bound: &ArrayRef, wanted: &DataType, rounds: bool) -> Result<ArrayRef, ValueProblem> {
    let column = checked_cast(bound, wanted)?;
    let has_fraction = !bound.data_type().is_integer();
    match wanted {
        DataType::Decimal128(..) | DataType::Decimal256(..) if rounds && has_fraction => Ok(column),
        DataType::Float16 | DataType::Float32 | DataType::Float64 if rounds && has_fraction => {
            let before = float(bound)?;
            check_float(&column, before.is_infinite(), before == 0.0)?;
            Ok(column)
        }
        _ if is_the_same(bound, &column) => Ok(column),
        _ => Err(lost(bound, wanted)),
    }
}

/// Rejects a float that became infinite or zero in the conversion. `infinite` and `zero`: whether the bound value was.
fn check_float(column: &ArrayRef, infinite: bool, zero: bool) -> Result<(), ValueProblem> {
    let value = float(column)?;
    match (value.is_infinite() && !infinite, value == 0.0 && !zero) {
        (false, false) => Ok(()),
        (true, _) => Err(ValueProblem::new("the value is too large for the type")),
        (_, true) => Err(ValueProblem::new("the value is too small for the type, which would make it 0")),
    }
}

fn float(column: &ArrayRef) -> Result<f64, ValueProblem> {
    Ok(checked_cast(column, &DataType::Float64)?.as_primitive::<Float64Type>().value(0))
}

/// Rejects a time of day beyond 24:00:00: Arrow accepts `23:59:60`.
fn check_time_of_day(column: &ArrayRef) -> Result<(), ValueProblem> {
    let seconds = match column.data_type() {
        DataType::Time64(TimeUnit::Nanosecond) => {
            column.as_primitive::<Time64NanosecondType>().value(0) / 1_000_000_000
        }
        _ => 0,
    };
    match seconds < 86_400 {
        true => Ok(()),
        false => Err(ValueProblem::new("a day ends at 24:00:00")),
    }
}

fn checked_cast(bound: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ValueProblem> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(bound, wanted, &options).map_err(|error| {
        let what = match error {
            ArrowError::CastError(message) | ArrowError::ParseError(message) => message,
            other => other.to_string(),
        };
        match wanted {
            DataType::Interval(_) => ValueProblem::with_hint(what, bound_texts::INTERVAL_HINT),
            _ => ValueProblem::new(what),
        }
    })
}

/// Whether a cast has kept the value: Arrow casts 1.5 to 1, a time to its date and 1.555 to 1.56 without an error.
fn is_the_same(bound: &ArrayRef, cast_to: &ArrayRef) -> bool {
    match (bound.data_type(), cast_to.data_type()) {
        // A text shows the whole value.
        (_, to) if is_text(to) => true,
        // The cast is exact, but its inverse is not defined for all intervals.
        (DataType::Duration(_), DataType::Interval(_))
        | (DataType::Interval(_), DataType::Interval(IntervalUnit::MonthDayNano)) => true,
        (from, _) => cast(cast_to, from).is_ok_and(|back| back.as_ref() == bound.as_ref()),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Whether values of the two types are comparable in kind. Arrow casts 60 to 60 ns, a time to its number of
/// nanoseconds, and true to 1: a client that binds a number does not mean a time.
fn are_comparable(bound: &DataType, wanted: &DataType) -> bool {
    let is_duration = |of: &DataType| matches!(of, DataType::Duration(_) | DataType::Interval(_));
    let is_time = |of: &DataType| of.is_temporal() && !is_duration(of);
    let is_bool = |of: &DataType| matches!(of, DataType::Boolean);
    is_text(bound)
        || is_text(wanted)
        || (bound.is_numeric() == wanted.is_numeric()
            && is_duration(bound) == is_duration(wanted)
            && is_time(bound) == is_time(wanted)
            && is_bool(bound) == is_bool(wanted))
}

fn wrong_kind(bound: &DataType, wanted: &DataType) -> ValueProblem {
    let what = format!("a value of type {bound} is bound");
    match wanted {
        DataType::Interval(_) | DataType::Duration(_) => ValueProblem::with_hint(what, bound_texts::INTERVAL_HINT),
        _ => ValueProblem::new(what),
    }
}

fn lost(bound: &ArrayRef, wanted: &DataType) -> ValueProblem {
    let bound_type = bound.data_type();
    match wanted {
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => {
            bound_texts::more_decimals("the value", *scale)
        }
        _ if wanted.is_integer() && bound_type.is_numeric() => ValueProblem::new("the value has a fraction"),
        _ if wanted.is_floating() && bound_type.is_integer() => {
            ValueProblem::new("the value has more digits than the type keeps")
        }
        _ if wanted.is_floating() => ValueProblem::with_hint(
            "the value has more digits than the type keeps",
            "write CAST(? AS DOUBLE) to round it",
        ),
        _ => ValueProblem::new(format!(
            "the value of type {bound_type} does not fit without a change, such as a time of day"
        )),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int32Array, IntervalDayTimeArray, IntervalYearMonthArray};
    use arrow::datatypes::{IntervalDayTime, IntervalMonthDayNano};

    use super::*;

    fn bound(columns: Vec<ArrayRef>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|column| ("x", column, true))).unwrap()
    }

    fn wanted(data_type: DataType) -> Schema {
        Schema::new(vec![Field::new("1", data_type, true)])
    }

    #[test]
    fn text_and_smaller_integers_are_cast_to_the_parameters_type() {
        for column in [Arc::new(StringArray::from(vec!["7"])) as ArrayRef, Arc::new(Int32Array::from(vec![7]))] {
            let values = values(Some(&bound(vec![column])), &wanted(DataType::Int64)).unwrap();
            assert_eq!(values, [ScalarValue::Int64(Some(7))]);
        }
    }

    #[test]
    fn a_null_is_a_null_of_the_wanted_type() {
        let column = Arc::new(StringArray::from(vec![None::<&str>]));

        let values = values(Some(&bound(vec![column])), &wanted(DataType::Int64)).unwrap();

        assert_eq!(values, [ScalarValue::Int64(None)]);
    }

    #[test]
    fn intervals_of_other_units_are_intervals() {
        let wanted = wanted(DataType::Interval(IntervalUnit::MonthDayNano));
        let value = |column: ArrayRef| values(Some(&bound(vec![column])), &wanted).unwrap().remove(0);
        let interval = |months, days, nanoseconds| {
            ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(months, days, nanoseconds)))
        };

        assert_eq!(value(Arc::new(IntervalYearMonthArray::from(vec![14]))), interval(14, 0, 0));
        let day = IntervalDayTime::new(1, 3);
        assert_eq!(value(Arc::new(IntervalDayTimeArray::from(vec![day]))), interval(0, 1, 3_000_000));
    }

    #[test]
    fn a_fraction_is_rejected_for_an_integer() {
        let whole = bound(vec![Arc::new(Float64Array::from(vec![7.0]))]);
        assert_eq!(values(Some(&whole), &wanted(DataType::Int64)).unwrap(), [ScalarValue::Int64(Some(7))]);

        let half = bound(vec![Arc::new(Float64Array::from(vec![7.5]))]);
        let refused = values(Some(&half), &wanted(DataType::Int64)).unwrap_err();
        assert!(refused.to_string().contains("has a fraction"), "{refused}");
    }

    #[test]
    fn a_cast_in_the_statement_rounds_and_a_comparison_does_not() {
        let double = |value: f64| -> ArrayRef { Arc::new(Float64Array::from(vec![value])) };
        let text = |value: &str| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
        let value = |bound: &ArrayRef, wanted: DataType, rounds| {
            let column = converted(bound, &wanted, rounds).map_err(|problem| problem.what)?;
            Ok::<_, String>(ScalarValue::try_from_array(&column, 0).unwrap())
        };
        let real = |value| Ok(ScalarValue::Float32(Some(value)));

        assert_eq!(value(&double(0.1), DataType::Float32, true), real(0.1));
        assert!(value(&double(0.1), DataType::Float32, false).is_err());
        assert_eq!(value(&text("0.1"), DataType::Float32, false), real(0.1));
        assert_eq!(value(&double(f64::INFINITY), DataType::Float32, true), real(f32::INFINITY));
        for (bound, wanted) in [
            (double(1e300), DataType::Float32),
            (double(1e-300), DataType::Float32),
            (text("1e40"), DataType::Float32),
            (text("1e400"), DataType::Float64),
            (text("-1e-400"), DataType::Float64),
        ] {
            assert!(value(&bound, wanted.clone(), true).unwrap_err().contains("for the type"), "{bound:?} {wanted}");
        }
        for zero in ["0", "-0.0e5", "inf", "-Infinity", "NaN"] {
            assert!(value(&text(zero), DataType::Float64, false).is_ok(), "{zero}");
        }
        let rounded = ScalarValue::Decimal128(Some(156), 10, 2);
        for bound in [text("1.555"), double(1.555)] {
            assert_eq!(value(&bound, DataType::Decimal128(10, 2), true), Ok(rounded.clone()));
            assert!(value(&bound, DataType::Decimal128(10, 2), false).unwrap_err().contains("decimals"));
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_rejected_with_its_number() {
        let text = Arc::new(StringArray::from(vec!["abc"]));
        let refused = values(Some(&bound(vec![text])), &wanted(DataType::Int64)).unwrap_err();
        assert!(refused.to_string().starts_with("parameter 1 has the type Int64 here: "), "{refused}");

        let none = values(None, &wanted(DataType::Int64)).unwrap_err();
        assert!(matches!(none, Fault::ParameterCount { wanted: 1, bound: 0 }));

        let rows = bound(vec![Arc::new(Int32Array::from(vec![1, 2]))]);
        assert!(matches!(values(Some(&rows), &wanted(DataType::Int64)), Err(Fault::ParameterRows { rows: 2 })));
    }
}
