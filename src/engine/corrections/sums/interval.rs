//! The total of intervals.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int64Array};
use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, Int64Type, IntervalDayTime, IntervalDayTimeType,
    IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType,
};
use datafusion::common::{ScalarValue, internal_err};
use datafusion::error::Result;

use super::result::AggregateType;
use super::total::{ExactTotal, each_of};

/// The sum of each field of intervals. Fields of 32 bits are added up in 64 bits, those of 64 bits in 128.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Interval {
    months: i64,
    days: i64,
    /// Nanoseconds; milliseconds if the type is `DayTime`.
    rest: i128,
}

impl Interval {
    /// The interval as a value of this type, if it fits.
    fn to_scalar(self, data_type: &DataType) -> Option<ScalarValue> {
        Some(match data_type {
            DataType::Interval(IntervalUnit::YearMonth) => {
                ScalarValue::IntervalYearMonth(Some(self.months.try_into().ok()?))
            }
            DataType::Interval(IntervalUnit::DayTime) => {
                let (days, milliseconds) = (self.days.try_into().ok()?, self.rest.try_into().ok()?);
                ScalarValue::IntervalDayTime(Some(IntervalDayTime { days, milliseconds }))
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                let (months, days) = (self.months.try_into().ok()?, self.days.try_into().ok()?);
                let nanoseconds = self.rest.try_into().ok()?;
                ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano { months, days, nanoseconds }))
            }
            _ => return None,
        })
    }
}

impl ExactTotal for Interval {
    fn column_types() -> Vec<DataType> {
        vec![DataType::Int64, DataType::Int64, DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0)]
    }

    fn each(values: &dyn Array, mut visit: impl FnMut(usize, Self)) -> Result<()> {
        match values.data_type() {
            DataType::Interval(IntervalUnit::YearMonth) => each_of::<IntervalYearMonthType>(values, |row, months| {
                visit(row, Self { months: months.into(), ..Self::default() });
            }),
            DataType::Interval(IntervalUnit::DayTime) => each_of::<IntervalDayTimeType>(values, |row, value| {
                visit(row, Self { months: 0, days: value.days.into(), rest: value.milliseconds.into() });
            }),
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                each_of::<IntervalMonthDayNanoType>(values, |row, value| {
                    let (months, days) = (value.months.into(), value.days.into());
                    visit(row, Self { months, days, rest: value.nanoseconds.into() });
                });
            }
            other => return internal_err!("{other} is added up as an interval"),
        }
        Ok(())
    }

    fn add(&mut self, other: Self) {
        self.months += other.months;
        self.days += other.days;
        self.rest += other.rest;
    }

    fn subtract(&mut self, other: Self) {
        self.months -= other.months;
        self.days -= other.days;
        self.rest -= other.rest;
    }

    fn to_columns(totals: &[Self]) -> Vec<ArrayRef> {
        vec![
            Arc::new(Int64Array::from_iter_values(totals.iter().map(|total| total.months))),
            Arc::new(Int64Array::from_iter_values(totals.iter().map(|total| total.days))),
            Arc::new(
                Decimal128Array::from_iter_values(totals.iter().map(|total| total.rest))
                    .with_data_type(DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0)),
            ),
        ]
    }

    fn from_columns(columns: &[ArrayRef], mut visit: impl FnMut(usize, Self)) -> Result<()> {
        let [months, days, rest] = columns else { return internal_err!("an interval of {} columns", columns.len()) };
        let (months, days) = (months.as_primitive::<Int64Type>(), days.as_primitive::<Int64Type>());
        each_of::<Decimal128Type>(rest, |row, rest| {
            visit(row, Self { months: months.value(row), days: days.value(row), rest });
        });
        Ok(())
    }

    fn to_value(self, data_type: &DataType) -> Result<ScalarValue> {
        match self.to_scalar(data_type) {
            Some(value) => Ok(value),
            None => internal_err!("a value of {data_type} does not fit it"),
        }
    }

    fn finish(self, _: u64, aggregate: &AggregateType) -> Result<ScalarValue> {
        self.to_scalar(&aggregate.result).ok_or_else(|| aggregate.overflow())
    }
}
