//! The total of integers, decimals and durations.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal256Array, Int64Array};
use arrow::datatypes::{
    DECIMAL256_MAX_PRECISION, DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType, Int64Type, TimeUnit,
    UInt64Type, i256,
};
use datafusion::common::{ScalarValue, internal_err};
use datafusion::error::Result;

use super::result::{AggregateType, Function};
use super::total::{ExactTotal, each_of};

/// An integer of 320 bits, `carried` * 2^256 + `rest`. A decimal is its unscaled integer.
///
/// 256 bits are not enough, because DECIMAL(76, 0) values have up to 253 bits; with 64 more, 2^63 of them fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct WideInteger {
    carried: i64,
    rest: i256,
}

impl WideInteger {
    fn from_i128(value: i128) -> Self {
        Self { carried: 0, rest: i256::from_i128(value) }
    }

    fn from_i256(rest: i256) -> Self {
        Self { carried: 0, rest }
    }

    /// The value, if it fits 256 bits.
    fn to_i256(self) -> Option<i256> {
        (self.carried == 0).then_some(self.rest)
    }

    /// The average of `count` decimals, truncated to the scale of the result, as DataFusion truncates it.
    fn average(self, count: u64, aggregate: &AggregateType) -> Option<Self> {
        let (from, to) = (scale(&aggregate.value), scale(&aggregate.result));
        let factor = i256::from_i128(10).checked_pow(u32::try_from(to - from).ok()?)?;
        let scaled = self.to_i256()?.checked_mul(factor)?;
        scaled.checked_div(i256::from_i128(i128::from(count))).map(Self::from_i256)
    }

    /// The number as a value of this type, if it fits.
    fn to_scalar(self, data_type: &DataType) -> Option<ScalarValue> {
        let value = self.to_i256()?;
        let narrow = value.to_i128();
        Some(match data_type {
            DataType::Int64 => ScalarValue::Int64(Some(narrow?.try_into().ok()?)),
            DataType::UInt64 => ScalarValue::UInt64(Some(narrow?.try_into().ok()?)),
            DataType::Duration(TimeUnit::Second) => ScalarValue::DurationSecond(Some(narrow?.try_into().ok()?)),
            DataType::Duration(TimeUnit::Millisecond) => {
                ScalarValue::DurationMillisecond(Some(narrow?.try_into().ok()?))
            }
            DataType::Duration(TimeUnit::Microsecond) => {
                ScalarValue::DurationMicrosecond(Some(narrow?.try_into().ok()?))
            }
            DataType::Duration(TimeUnit::Nanosecond) => ScalarValue::DurationNanosecond(Some(narrow?.try_into().ok()?)),
            DataType::Decimal32(precision, scale) => {
                let value = within_precision::<Decimal32Type>(narrow?.try_into().ok()?, *precision)?;
                ScalarValue::Decimal32(Some(value), *precision, *scale)
            }
            DataType::Decimal64(precision, scale) => {
                let value = within_precision::<Decimal64Type>(narrow?.try_into().ok()?, *precision)?;
                ScalarValue::Decimal64(Some(value), *precision, *scale)
            }
            DataType::Decimal128(precision, scale) => ScalarValue::Decimal128(
                Some(within_precision::<Decimal128Type>(narrow?, *precision)?),
                *precision,
                *scale,
            ),
            DataType::Decimal256(precision, scale) => ScalarValue::Decimal256(
                Some(within_precision::<Decimal256Type>(value, *precision)?),
                *precision,
                *scale,
            ),
            _ => return None,
        })
    }
}

impl ExactTotal for WideInteger {
    fn column_types() -> Vec<DataType> {
        vec![DataType::Int64, DataType::Decimal256(DECIMAL256_MAX_PRECISION, 0)]
    }

    fn each(values: &dyn Array, mut visit: impl FnMut(usize, Self)) -> Result<()> {
        match values.data_type() {
            DataType::Int64 => each_of::<Int64Type>(values, |row, value| visit(row, Self::from_i128(value.into()))),
            DataType::UInt64 => each_of::<UInt64Type>(values, |row, value| visit(row, Self::from_i128(value.into()))),
            DataType::Duration(TimeUnit::Second) => {
                each_of::<DurationSecondType>(values, |row, value| visit(row, Self::from_i128(value.into())));
            }
            DataType::Duration(TimeUnit::Millisecond) => {
                each_of::<DurationMillisecondType>(values, |row, value| visit(row, Self::from_i128(value.into())));
            }
            DataType::Duration(TimeUnit::Microsecond) => {
                each_of::<DurationMicrosecondType>(values, |row, value| visit(row, Self::from_i128(value.into())));
            }
            DataType::Duration(TimeUnit::Nanosecond) => {
                each_of::<DurationNanosecondType>(values, |row, value| visit(row, Self::from_i128(value.into())));
            }
            DataType::Decimal32(..) => {
                each_of::<Decimal32Type>(values, |row, value| visit(row, Self::from_i128(value.into())));
            }
            DataType::Decimal64(..) => {
                each_of::<Decimal64Type>(values, |row, value| visit(row, Self::from_i128(value.into())));
            }
            DataType::Decimal128(..) => {
                each_of::<Decimal128Type>(values, |row, value| visit(row, Self::from_i128(value)));
            }
            DataType::Decimal256(..) => {
                each_of::<Decimal256Type>(values, |row, value| visit(row, Self::from_i256(value)));
            }
            other => return internal_err!("{other} is added up as a number"),
        }
        Ok(())
    }

    fn add(&mut self, other: Self) {
        let (rest, wrapped) = self.rest.overflowing_add(other.rest);
        self.rest = rest;
        self.carried += other.carried + carry(wrapped, other.rest);
    }

    fn subtract(&mut self, other: Self) {
        let (rest, wrapped) = self.rest.overflowing_sub(other.rest);
        self.rest = rest;
        self.carried -= other.carried + carry(wrapped, other.rest);
    }

    fn to_columns(totals: &[Self]) -> Vec<ArrayRef> {
        let carried = Int64Array::from_iter_values(totals.iter().map(|total| total.carried));
        let rest = Decimal256Array::from_iter_values(totals.iter().map(|total| total.rest));
        vec![Arc::new(carried), Arc::new(rest.with_data_type(DataType::Decimal256(DECIMAL256_MAX_PRECISION, 0)))]
    }

    fn from_columns(columns: &[ArrayRef], mut visit: impl FnMut(usize, Self)) -> Result<()> {
        let [carried, rest] = columns else { return internal_err!("a number of {} columns", columns.len()) };
        let carried = carried.as_primitive::<Int64Type>();
        each_of::<Decimal256Type>(rest, |row, rest| visit(row, Self { carried: carried.value(row), rest }));
        Ok(())
    }

    fn to_value(self, data_type: &DataType) -> Result<ScalarValue> {
        match self.to_scalar(data_type) {
            Some(value) => Ok(value),
            None => internal_err!("a value of {data_type} does not fit it"),
        }
    }

    fn finish(self, count: u64, aggregate: &AggregateType) -> Result<ScalarValue> {
        if let (Function::Average, DataType::Float64) = (aggregate.function, &aggregate.result) {
            let sum = self.to_i256().and_then(i256::to_i128).ok_or_else(|| aggregate.overflow())?;
            return Ok(ScalarValue::Float64(Some(quotient(sum, count))));
        }
        let number = match aggregate.function {
            Function::Sum => Some(self),
            Function::Average => self.average(count, aggregate),
        };
        number.and_then(|number| number.to_scalar(&aggregate.result)).ok_or_else(|| aggregate.overflow())
    }
}

/// The carry of an addition of a value to 256 bits: how often the wrapped result is too small by 2^256.
fn carry(wrapped: bool, value: i256) -> i64 {
    match (wrapped, value.is_negative()) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => -1,
    }
}

fn within_precision<T: DecimalType>(value: T::Native, precision: u8) -> Option<T::Native> {
    T::is_valid_decimal_precision(value, precision).then_some(value)
}

/// The number of decimals.
fn scale(data_type: &DataType) -> i32 {
    match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => i32::from(*scale),
        _ => 0,
    }
}

/// The DOUBLE nearest to `sum / count`. Converting the sum to DOUBLE first would round twice.
fn quotient(sum: i128, count: u64) -> f64 {
    let magnitude = sum.unsigned_abs();
    if magnitude == 0 {
        return 0.0;
    }
    // The sum is shifted so that its highest bit is set. Then the integer part of the quotient has at least 64 bits, and
    // a DOUBLE keeps 53 of them. The remainder matters only for a tie, so it is reduced to one sticky bit.
    let shift = magnitude.leading_zeros();
    let (shifted, count) = (magnitude << shift, u128::from(count));
    let whole = (shifted / count) | u128::from(shifted % count != 0);
    let nearest = whole as f64 * 2f64.powi(-(shift as i32));
    if sum < 0 { -nearest } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotient_is_rounded_once() {
        assert_eq!(quotient(1, 3), 1.0 / 3.0);
        assert_eq!(quotient(-7, 2), -3.5);
        assert_eq!(quotient(0, 5), 0.0);
        assert_eq!(quotient(i128::from(i64::MAX) * 3, 3), i64::MAX as f64);
        // 2^53 + 1 is halfway between two DOUBLEs, and the third that is left over decides.
        assert_eq!(quotient((1 << 53) * 3 + 4, 3), 9_007_199_254_740_994.0);
        assert_eq!(quotient((1 << 53) * 3 + 3, 3), 9_007_199_254_740_992.0);
        assert_eq!(quotient(i128::MAX, u64::MAX), 9_223_372_036_854_775_808.0);
    }

    #[test]
    fn a_number_comes_back_from_beyond_256_bits() {
        let most = WideInteger::from_i256(i256::MAX);
        let mut total = WideInteger::default();
        for _ in 0..5 {
            total.add(most);
        }
        assert_eq!(total.to_i256(), None);
        for _ in 0..4 {
            total.subtract(most);
        }
        assert_eq!(total.to_i256(), Some(i256::MAX));

        for _ in 0..3 {
            total.add(WideInteger::from_i256(i256::MIN));
        }
        assert_eq!(total.to_i256(), None);
        for _ in 0..2 {
            total.subtract(WideInteger::from_i256(i256::MIN));
        }
        assert_eq!(total.to_i256(), Some(i256::MINUS_ONE));
    }
}
