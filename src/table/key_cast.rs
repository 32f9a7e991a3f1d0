//! Keys of another type: finds the value of a path parameter that is equal to a key.
//!
//! A pandas column of ids with a NaN is DOUBLE. Compared with an Int64 column, SQL casts the column: `CAST(image_id AS
//! DOUBLE) = key`. The request needs the value whose cast is the key.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::kernels::cmp::eq;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};
use datafusion::error::Result;

use super::fault::{Fault, to_datafusion};
use crate::resource::{Binding, Value};

/// Whether a key of type `key` identifies at most one value of type `wanted`.
pub(super) fn identifies_value(key: &DataType, wanted: &DataType) -> bool {
    let key = if let DataType::Dictionary(_, values) = key { values } else { key };
    let is_text = matches!(key, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match wanted {
        DataType::Int64 => is_text || key.is_numeric() && *key != DataType::Float16,
        DataType::Utf8 => is_text,
        _ => false,
    }
}

/// For each key, the value whose cast is equal to it; `None` if there is no such value.
///
/// # Errors
/// [`Fault::InexactKey`]: a float so large that the casts of several integers are equal to it.
pub(super) fn of(keys: &ArrayRef, wanted: &DataType) -> Result<Vec<Option<Value>>> {
    let safe = CastOptions::default();
    // A categorical column of pandas.
    if let DataType::Dictionary(_, values) = keys.data_type() {
        return of(&cast_with_options(keys, values, &safe)?, wanted);
    }
    refuse_inexact(keys)?;
    let values = cast_with_options(keys, wanted, &safe)?;
    let again = cast_with_options(&values, keys.data_type(), &safe)?;
    let same = eq(&again, keys)?;
    Ok(values_where(&values, &same))
}

/// The values of several columns, row by row; `None` if one of the columns has no value.
pub(super) fn bindings<'a>(
    rows: usize,
    columns: impl IntoIterator<Item = (&'a str, &'a ArrayRef, &'a DataType)>,
) -> Result<Vec<Option<Binding>>> {
    let mut bindings = vec![Some(Binding::default()); rows];
    for (column, keys, wanted) in columns {
        for (binding, value) in bindings.iter_mut().zip(of(keys, wanted)?) {
            *binding = binding.take().zip(value).map(|(binding, value)| binding.with(column, value));
        }
    }
    Ok(bindings)
}

fn values_where(values: &ArrayRef, same: &BooleanArray) -> Vec<Option<Value>> {
    let value = |at: usize| match values.data_type() {
        DataType::Int64 => Value::Int(values.as_primitive::<Int64Type>().value(at)),
        _ => Value::Text(values.as_string::<i32>().value(at).to_owned()),
    };
    (0..values.len())
        .map(|at| (values.is_valid(at) && same.is_valid(at) && same.value(at)).then(|| value(at)))
        .collect()
}

/// 2^53: the integers below it are exact as DOUBLE.
const EXACT_64: f64 = 9_007_199_254_740_992.0;
/// 2^24: the integers below it are exact as REAL.
const EXACT_32: f64 = 16_777_216.0;
/// 2^63: no Int64 is equal to a larger float.
const LARGEST: f64 = 9_223_372_036_854_775_808.0;

fn refuse_inexact(keys: &ArrayRef) -> Result<()> {
    let inexact = match keys.data_type() {
        DataType::Float64 => {
            let keys = keys.as_primitive::<Float64Type>();
            keys.iter().flatten().find(|key| (EXACT_64..=LARGEST).contains(&key.abs())).map(|key| ("DOUBLE", key))
        }
        DataType::Float32 => {
            let keys = keys.as_primitive::<Float32Type>();
            let mut keys = keys.iter().flatten().map(f64::from);
            keys.find(|key| (EXACT_32..=LARGEST).contains(&key.abs())).map(|key| ("REAL", key))
        }
        _ => None,
    };
    match inexact {
        Some((data_type, key)) => Err(to_datafusion(Fault::InexactKey { key: format!("{key}"), data_type })),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Float32Array, Float64Array, Int32Array, StringArray, UInt64Array};

    use super::*;

    fn numbers(keys: impl Array + 'static) -> Vec<Option<i64>> {
        let values = of(&(Arc::new(keys) as ArrayRef), &DataType::Int64).unwrap();
        values.into_iter().map(|value| value.and_then(|value| value.as_int())).collect()
    }

    #[test]
    fn a_double_is_equal_to_one_integer_or_none() {
        let keys = Float64Array::from(vec![Some(62_137_902.0), Some(f64::NAN), Some(1.5), None, Some(0.0)]);

        assert_eq!(numbers(keys), [Some(62_137_902), None, None, None, Some(0)]);
        assert_eq!(numbers(Float64Array::from(vec![f64::INFINITY, f64::NEG_INFINITY])), [None, None]);
    }

    #[test]
    fn a_float_that_is_equal_to_several_integers_is_an_error() {
        let double = of(&(Arc::new(Float64Array::from(vec![1e17])) as ArrayRef), &DataType::Int64).unwrap_err();
        let real = of(&(Arc::new(Float32Array::from(vec![62_137_902.0])) as ArrayRef), &DataType::Int64).unwrap_err();

        assert!(double.to_string().contains("DOUBLE"), "{double}");
        assert!(real.to_string().contains("REAL"), "{real}");
    }

    #[test]
    fn integers_and_decimals_are_converted() {
        assert_eq!(numbers(Int32Array::from(vec![Some(7), None])), [Some(7), None]);
        assert_eq!(numbers(UInt64Array::from(vec![7, u64::MAX])), [Some(7), None]);
        let decimals = Decimal128Array::from(vec![700, 750]).with_precision_and_scale(10, 2).unwrap();
        assert_eq!(numbers(decimals), [Some(7), None]);
    }

    #[test]
    fn text_must_be_the_canonical_form_of_a_number() {
        assert_eq!(numbers(StringArray::from(vec!["7", "07", " 7", "x", "7.0"])), [Some(7), None, None, None, None]);
    }
}
