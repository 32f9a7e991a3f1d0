//! Bound values: by position, as the type that the statement gives. The value that was set, or an error.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;

use super::TEXT_ALONE;
use crate::engine::corrections::time_with_seconds;
use crate::engine::fault::{Fault, from_datafusion};
use crate::error::Result;

/// A NULL for each parameter, of its type: what a statement answers does not depend on the values.
pub(in crate::engine) fn nulls(wanted: &Schema) -> Result<Vec<ScalarValue>> {
    let null = |field: &Arc<Field>| ScalarValue::try_new_null(field.data_type()).map_err(from_datafusion);
    wanted.fields().iter().map(null).collect()
}

/// The values of the one row that is bound, in the types of `wanted`.
pub(in crate::engine) fn values(bound: Option<&RecordBatch>, wanted: &Schema) -> Result<Vec<ScalarValue>, Fault> {
    each(bound, wanted, |batch, at| {
        let (field, bound) = (wanted.field(at), batch.column(at).data_type());
        let is_text = matches!(bound, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null);
        if field.metadata().contains_key(TEXT_ALONE) && !is_text {
            return Err(Fault::UntoldParameter { number: at + 1, bound: bound.to_string() });
        }
        value(batch, at, field.data_type())
    })
}

/// The same as they are bound: a cast makes an image of `true`, and an EXEC would act on it.
pub(in crate::engine) fn plain_values(bound: Option<&RecordBatch>, wanted: &Schema) -> Result<Vec<ScalarValue>, Fault> {
    each(bound, wanted, |batch, at| {
        ScalarValue::try_from_array(batch.column(at), 0).map_err(|error| Fault::ParameterType {
            number: at + 1,
            wanted: wanted.field(at).data_type().to_string(),
            problem: error.to_string(),
        })
    })
}

fn each(
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

fn value(batch: &RecordBatch, at: usize, wanted: &DataType) -> Result<ScalarValue, Fault> {
    let problem = |problem: String| Fault::ParameterType { number: at + 1, wanted: wanted.to_string(), problem };
    let column = converted(batch.column(at), wanted).map_err(problem)?;
    ScalarValue::try_from_array(&column, 0).map_err(|error| problem(error.to_string()))
}

/// The value as the wanted type, or what is wrong with it.
fn converted(bound: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, String> {
    let with_seconds = with_seconds(bound, wanted);
    let bound = with_seconds.as_ref().unwrap_or(bound);
    let column = checked_cast(bound, wanted)?;
    if !is_the_same(bound, &column)? {
        return Err(lost(bound.data_type(), wanted));
    }
    Ok(column)
}

/// `2026-06-01 00:00`, as in a statement itself.
fn with_seconds(bound: &ArrayRef, wanted: &DataType) -> Option<ArrayRef> {
    let is_time = matches!(wanted, DataType::Timestamp(..));
    let text = bound.as_string_opt::<i32>().filter(|text| is_time && text.is_valid(0))?;
    Some(Arc::new(StringArray::from(vec![time_with_seconds(text.value(0))?])))
}

fn checked_cast(bound: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, String> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(bound, wanted, &options).map_err(|error| match error {
        ArrowError::CastError(message) | ArrowError::ParseError(message) => message,
        other => other.to_string(),
    })
}

/// Whether a cast has kept the value: Arrow casts 1.5 to 1, a time to its day and 1.555 to 1.56, and says nothing.
fn is_the_same(bound: &ArrayRef, cast_to: &ArrayRef) -> Result<bool, String> {
    if bound.data_type() == cast_to.data_type() || bound.logical_null_count() > 0 {
        return Ok(true);
    }
    if !are_of_one_kind(bound.data_type(), cast_to.data_type()) {
        return Ok(false);
    }
    match (bound.data_type(), cast_to.data_type()) {
        (
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View,
            DataType::Decimal128(..) | DataType::Decimal256(..),
        ) => keeps_digits(bound, cast_to),
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, DataType::Date32 | DataType::Date64) => {
            // A day alone: Arrow drops a time of day behind it.
            let text = checked_cast(bound, &DataType::Utf8)?;
            Ok(text.as_string::<i32>().value(0).trim().len() <= 10)
        }
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, _) => Ok(true),
        // A text shows all of a value.
        (_, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => Ok(true),
        // Both have parts of their own that a cast back does not bring into one form.
        (DataType::Duration(_), DataType::Interval(_)) => Ok(true),
        (own, _) => Ok(cast(cast_to, own).is_ok_and(|back| back.as_ref() == bound.as_ref())),
    }
}

/// Whether a value of one type can be meant as one of the other. Arrow casts 60 to 60 ns, a time to a count of
/// nanoseconds and true to 1: nobody who sets a number means a time.
fn are_of_one_kind(bound: &DataType, wanted: &DataType) -> bool {
    let is_text = |own: &DataType| matches!(own, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_span = |own: &DataType| matches!(own, DataType::Duration(_) | DataType::Interval(_));
    let is_time = |own: &DataType| own.is_temporal() && !is_span(own);
    let is_bool = |own: &DataType| matches!(own, DataType::Boolean);
    is_text(bound)
        || is_text(wanted)
        || (bound.is_numeric() == wanted.is_numeric()
            && is_span(bound) == is_span(wanted)
            && is_time(bound) == is_time(wanted)
            && is_bool(bound) == is_bool(wanted))
}

/// Whether a decimal has all digits of the text that it was read from.
fn keeps_digits(text: &ArrayRef, decimal: &ArrayRef) -> Result<bool, String> {
    let text = checked_cast(text, &DataType::Utf8)?;
    let digits = text.as_string::<i32>().value(0).trim().split_once('.').map_or("", |(_, digits)| digits);
    let scale = match decimal.data_type() {
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => usize::try_from(*scale).unwrap_or(0),
        _ => 0,
    };
    let has_exponent = digits.contains(['e', 'E']);
    Ok(!has_exponent && digits.trim_end_matches('0').len() <= scale)
}

fn lost(bound: &DataType, wanted: &DataType) -> String {
    match (are_of_one_kind(bound, wanted), bound.is_floating() && wanted.is_integer()) {
        (false, _) => format!("a value of type {bound} is bound"),
        (true, true) => "the value has a fraction".into(),
        (true, false) => format!("the value of type {bound} does not fit without a change, such as a time of day"),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int32Array};

    use super::*;

    fn bound(columns: Vec<ArrayRef>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|column| ("x", column, true))).unwrap()
    }

    fn wanted(data_type: DataType) -> Schema {
        Schema::new(vec![Field::new("1", data_type, true)])
    }

    #[test]
    fn text_and_smaller_integers_become_what_the_statement_wants() {
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
    fn a_fraction_is_no_integer() {
        let whole = bound(vec![Arc::new(Float64Array::from(vec![7.0]))]);
        assert_eq!(values(Some(&whole), &wanted(DataType::Int64)).unwrap(), [ScalarValue::Int64(Some(7))]);

        let half = bound(vec![Arc::new(Float64Array::from(vec![7.5]))]);
        let refused = values(Some(&half), &wanted(DataType::Int64)).unwrap_err();
        assert!(refused.to_string().contains("has a fraction"), "{refused}");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_number() {
        let text = Arc::new(StringArray::from(vec!["abc"]));
        let refused = values(Some(&bound(vec![text])), &wanted(DataType::Int64)).unwrap_err();
        assert!(refused.to_string().starts_with("parameter 1 has the type Int64 here: "), "{refused}");

        let none = values(None, &wanted(DataType::Int64)).unwrap_err();
        assert!(matches!(none, Fault::ParameterCount { wanted: 1, bound: 0 }));

        let rows = bound(vec![Arc::new(Int32Array::from(vec![1, 2]))]);
        assert!(matches!(values(Some(&rows), &wanted(DataType::Int64)), Err(Fault::ParameterRows { rows: 2 })));
    }
}
