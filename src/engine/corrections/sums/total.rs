//! Exact totals: wide enough for the sum of any number of values.

use std::fmt::Debug;
use std::hash::Hash;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType};
use datafusion::common::ScalarValue;
use datafusion::error::Result;

use super::result::AggregateType;

/// An exact sum of values. Only [`ExactTotal::finish`] rounds it, or finds that it does not fit.
pub(super) trait ExactTotal: Copy + Debug + Default + Eq + Hash + Send + Sync + 'static {
    /// The types of the columns that [`ExactTotal::to_columns`] returns.
    fn column_types() -> Vec<DataType>;

    /// Calls `visit` with each value that is not NULL, and its row.
    fn each(values: &dyn Array, visit: impl FnMut(usize, Self)) -> Result<()>;

    fn add(&mut self, other: Self);

    fn subtract(&mut self, other: Self);

    /// The totals as columns, which DataFusion passes from one accumulator to another.
    fn to_columns(totals: &[Self]) -> Vec<ArrayRef>;

    /// Calls `visit` with each total of such columns, and its row.
    fn from_columns(columns: &[ArrayRef], visit: impl FnMut(usize, Self)) -> Result<()>;

    /// The value of a total that consists of one value.
    fn to_value(self, data_type: &DataType) -> Result<ScalarValue>;

    /// The result of an aggregate of `count` values, `count` > 0.
    ///
    /// # Errors
    ///
    /// `Fault::Overflow` if it does not fit its type.
    fn finish(self, count: u64, aggregate: &AggregateType) -> Result<ScalarValue>;
}

/// Calls `visit` with each value of an array that is not NULL, and its row.
pub(super) fn each_of<T: ArrowPrimitiveType>(values: &dyn Array, mut visit: impl FnMut(usize, T::Native)) {
    let values: &PrimitiveArray<T> = values.as_primitive();
    match values.nulls().filter(|nulls| nulls.null_count() > 0) {
        Some(nulls) => nulls.valid_indices().for_each(|row| visit(row, values.value(row))),
        None => values.values().iter().enumerate().for_each(|(row, value)| visit(row, *value)),
    }
}
