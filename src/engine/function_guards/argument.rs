//! The arguments of a call, row by row.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int32Type, Int64Type, UInt32Type, UInt64Type};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ColumnarValue;

use crate::engine::wide_rows::bytes_between;

/// An argument: one value for all rows, or a column. A method returns `None` for NULL and for values of another type.
pub(super) struct Argument<'a>(pub(super) &'a ColumnarValue);

impl Argument<'_> {
    /// The text in a row.
    pub(super) fn text(&self, row: usize) -> Option<&str> {
        match self.0 {
            ColumnarValue::Scalar(value) => value.try_as_str().flatten(),
            ColumnarValue::Array(array) if array.is_null(row) => None,
            ColumnarValue::Array(array) => match array.data_type() {
                DataType::Utf8 => Some(array.as_string::<i32>().value(row)),
                DataType::LargeUtf8 => Some(array.as_string::<i64>().value(row)),
                DataType::Utf8View => Some(array.as_string_view().value(row)),
                _ => None,
            },
        }
    }

    /// The integer in a row.
    pub(super) fn integer(&self, row: usize) -> Option<i64> {
        match self.0 {
            ColumnarValue::Scalar(value) => integer_of(value),
            ColumnarValue::Array(array) if array.is_null(row) => None,
            ColumnarValue::Array(array) => match array.data_type() {
                DataType::Int64 => Some(array.as_primitive::<Int64Type>().value(row)),
                DataType::Int32 => Some(array.as_primitive::<Int32Type>().value(row).into()),
                DataType::UInt32 => Some(array.as_primitive::<UInt32Type>().value(row).into()),
                DataType::UInt64 => {
                    Some(i64::try_from(array.as_primitive::<UInt64Type>().value(row)).unwrap_or(i64::MAX))
                }
                _ => integer_of(&self.value(row)?),
            },
        }
    }

    /// The value in a row.
    pub(super) fn value(&self, row: usize) -> Option<ScalarValue> {
        match self.0 {
            ColumnarValue::Scalar(value) => Some(value.clone()),
            ColumnarValue::Array(array) => ScalarValue::try_from_array(array, row).ok(),
        }
    }

    /// Whether it is the same in all rows.
    pub(super) fn is_constant(&self) -> bool {
        matches!(self.0, ColumnarValue::Scalar(_))
    }

    /// Whether its values are lists.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.0.data_type(), DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..))
    }

    /// The text, if it is the same in all rows.
    pub(super) fn constant_text(&self) -> Option<&str> {
        self.is_constant().then(|| self.text(0))?
    }

    /// The integer, if it is the same in all rows.
    pub(super) fn constant_integer(&self) -> Option<i64> {
        self.is_constant().then(|| self.integer(0))?
    }

    /// The size of the value in a row, in bytes.
    pub(super) fn bytes(&self, row: usize) -> Option<u64> {
        match self.text(row) {
            Some(text) => Some(text.len() as u64),
            None => match self.0 {
                ColumnarValue::Scalar(value) => array_bytes(&*value.to_array().ok()?),
                ColumnarValue::Array(array) => Some(bytes_between(&**array, row, row + 1) as u64),
            },
        }
    }

    /// The size of the values in `rows` rows together, in bytes.
    pub(super) fn total_bytes(&self, rows: u64) -> Option<u64> {
        match self.0 {
            ColumnarValue::Scalar(_) => Some(self.bytes(0)?.saturating_mul(rows)),
            ColumnarValue::Array(array) => array_bytes(array),
        }
    }

    /// The number of values of the list in a row, and of the lists in it.
    pub(super) fn leaves(&self, row: usize) -> Option<u64> {
        match self.0 {
            ColumnarValue::Array(array) => Some(leaves(&*array.slice(row, 1))),
            ColumnarValue::Scalar(value) => Some(leaves(&*value.to_array().ok()?)),
        }
    }

    /// The same in `rows` rows together.
    pub(super) fn total_leaves(&self, rows: u64) -> Option<u64> {
        match self.0 {
            ColumnarValue::Array(array) => Some(leaves(array)),
            ColumnarValue::Scalar(_) => Some(self.leaves(0)?.saturating_mul(rows)),
        }
    }

    /// The number of items of the list in a row.
    pub(super) fn items(&self, row: usize) -> Option<u64> {
        let (array, row) = match self.0 {
            ColumnarValue::Array(array) => (array.clone(), row),
            ColumnarValue::Scalar(value) => (value.to_array().ok()?, 0),
        };
        if array.is_null(row) {
            return None;
        }
        let items = match array.data_type() {
            DataType::List(_) => usize::try_from(array.as_list::<i32>().value_length(row)).ok()?,
            DataType::LargeList(_) => usize::try_from(array.as_list::<i64>().value_length(row)).ok()?,
            DataType::FixedSizeList(_, items) => usize::try_from(*items).ok()?,
            _ => return None,
        };
        Some(items as u64)
    }
}

/// The size of an array's values, in bytes. Buffers that it shares with other arrays count as far as it uses them.
fn array_bytes(array: &dyn Array) -> Option<u64> {
    Some(bytes_between(array, 0, array.len()) as u64)
}

/// The number of values in a list and in the lists that it contains.
fn leaves(list: &dyn Array) -> u64 {
    let of_items = |items: ArrayRef| leaves(&*items);
    match list.data_type() {
        DataType::List(_) => list.as_list::<i32>().iter().flatten().map(of_items).sum(),
        DataType::LargeList(_) => list.as_list::<i64>().iter().flatten().map(of_items).sum(),
        DataType::FixedSizeList(..) => list.as_fixed_size_list().iter().flatten().map(of_items).sum(),
        _ => list.len() as u64,
    }
}

fn integer_of(value: &ScalarValue) -> Option<i64> {
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(value)) => value,
        _ => None,
    }
}
