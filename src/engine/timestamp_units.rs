//! The functions `timestampadd` and `timestampdiff`, which count in units of time. `{fn TIMESTAMPADD(SQL_TSI_DAY, 1, x)}`
//! becomes `timestampadd('SQL_TSI_DAY', 1, x)`.
//!
//! Source of the units and of what the functions return: ODBC Programmer's Reference, appendix E, "Time, Date, and
//! Interval Functions".

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, IntervalMonthDayNanoArray};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{
    DataType, Date32Type, Field, FieldRef, IntervalMonthDayNano, TimeUnit, TimestampNanosecondType,
};
use chrono::{DateTime, Datelike, NaiveDateTime};
use datafusion::common::{ScalarValue, internal_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::fault::{Fault, to_datafusion};
use super::function_guards::check_query;
use super::overflow::Overflow;

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 24 * 3_600 * SECOND;

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Nanoseconds(i64),
    Days(i32),
    Months(i32),
}

const UNITS: [(&str, Unit); 9] = [
    ("SQL_TSI_FRAC_SECOND", Unit::Nanoseconds(1)),
    ("SQL_TSI_SECOND", Unit::Nanoseconds(SECOND)),
    ("SQL_TSI_MINUTE", Unit::Nanoseconds(60 * SECOND)),
    ("SQL_TSI_HOUR", Unit::Nanoseconds(3_600 * SECOND)),
    ("SQL_TSI_DAY", Unit::Days(1)),
    ("SQL_TSI_WEEK", Unit::Days(7)),
    ("SQL_TSI_MONTH", Unit::Months(1)),
    ("SQL_TSI_QUARTER", Unit::Months(3)),
    ("SQL_TSI_YEAR", Unit::Months(12)),
];

/// The names of the units.
pub(super) fn unit_names() -> impl Iterator<Item = &'static str> {
    UNITS.iter().map(|(name, _)| *name)
}

/// Registers the two functions.
pub(super) fn register(state: &mut SessionState) -> Result<()> {
    for function in [Function::Add, Function::Difference] {
        let signature = Signature::user_defined(Volatility::Immutable);
        state.register_udf(Arc::new(ScalarUDF::new_from_impl(UnitFunction { function, signature })))?;
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Function {
    /// `timestampadd(unit, count, instant)`: the instant, that many units later.
    Add,
    /// `timestampdiff(unit, from, to)`: the number of whole units between two instants.
    Difference,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct UnitFunction {
    function: Function,
    signature: Signature,
}

impl UnitFunction {
    fn refused(&self, instead: &str) -> DataFusionError {
        to_datafusion(Fault::Dialect { written: self.name().into(), instead: instead.into() })
    }

    /// The type that an instant is cast to; another type is kept. A date has more years than a timestamp, and stays one if
    /// it is only compared.
    fn instant(&self, data_type: &DataType) -> DataType {
        match data_type {
            DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Nanosecond, zone.clone()),
            DataType::Date32 | DataType::Date64 if self.function == Function::Difference => DataType::Date32,
            DataType::Date32
            | DataType::Date64
            | DataType::Utf8
            | DataType::Utf8View
            | DataType::LargeUtf8
            | DataType::Null => DataType::Timestamp(TimeUnit::Nanosecond, None),
            other => other.clone(),
        }
    }

    /// # Errors
    /// [`Fault::Dialect`] for arguments of other types.
    fn check(&self, types: &[DataType]) -> Result<()> {
        let is_instant = |data_type: &DataType| matches!(data_type, DataType::Timestamp(..) | DataType::Date32);
        let [_, second, instant] = types else {
            return Err(self.refused("it has three arguments: a unit, and two more"));
        };
        match self.function {
            Function::Add if *second != DataType::Int64 => Err(self.refused("its second argument is a whole number")),
            Function::Difference if !is_instant(second) || !is_instant(instant) => {
                Err(self.refused("its arguments are timestamps, dates, or the texts of some"))
            }
            Function::Add if !is_instant(instant) => {
                Err(self.refused("its last argument is a timestamp, a date, or the text of one"))
            }
            _ => Ok(()),
        }
    }

    fn unit(&self, name: &ColumnarValue) -> Result<Unit> {
        let found = match name {
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(name))) => {
                UNITS.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(name))
            }
            _ => None,
        };
        found.map(|(_, unit)| *unit).ok_or_else(|| {
            let names: Vec<_> = unit_names().collect();
            self.refused(&format!("its first argument is one of the texts {}", names.join(", ")))
        })
    }
}

impl ScalarUDFImpl for UnitFunction {
    fn name(&self) -> &str {
        match self.function {
            Function::Add => "timestampadd",
            Function::Difference => "timestampdiff",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// DataFusion would put an error of this method into a text of its own. [`Self::check`] rejects the types that stay.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [_, second, instant] = types else { return Ok(types.to_vec()) };
        let second = match self.function {
            Function::Add if second.is_integer() || second.is_null() => DataType::Int64,
            Function::Add => second.clone(),
            Function::Difference => self.instant(second),
        };
        Ok(vec![DataType::Utf8, second, self.instant(instant)])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match (self.function, types) {
            (Function::Add, [_, _, instant]) => Ok(instant.clone()),
            (Function::Difference, _) => Ok(DataType::Int64),
            (Function::Add, _) => internal_err!("timestampadd of {types:?}"),
        }
    }

    /// Fails once the query has ended: the types of nested calls are computed again and again.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        check_query().map_err(to_datafusion)?;
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        self.check(&types)?;
        let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, is_nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [unit, ..] = &args.args[..] else { return internal_err!("{} without a unit", self.name()) };
        let unit = self.unit(unit)?;
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [_, second, instant] = &arrays[..] else { return internal_err!("{} arguments", arrays.len()) };
        Ok(ColumnarValue::Array(match self.function {
            Function::Add => later(second.as_primitive(), unit, instant)?,
            Function::Difference => Arc::new(differences(second, instant, unit)?),
        }))
    }
}

/// The instants, each `count` units later. Months are added as in DataFusion: the last day of February is a month after
/// that of January.
fn later(counts: &Int64Array, unit: Unit, instants: &ArrayRef) -> Result<ArrayRef> {
    let overflow =
        || to_datafusion(Fault::Overflow(Overflow::Time { operator: "+", result: instants.data_type().clone() }));
    let intervals: Vec<Option<IntervalMonthDayNano>> = counts
        .iter()
        .map(|count| count.map(|count| interval(count, unit).ok_or_else(overflow)).transpose())
        .collect::<Result<_>>()?;
    let intervals = IntervalMonthDayNanoArray::from(intervals);
    // An interval that fits cannot fail in another way.
    numeric::add(instants, &intervals).map_err(|_| overflow())
}

fn interval(count: i64, unit: Unit) -> Option<IntervalMonthDayNano> {
    let times = |length: i32| i32::try_from(count.checked_mul(length.into())?).ok();
    Some(match unit {
        Unit::Nanoseconds(length) => IntervalMonthDayNano::new(0, 0, count.checked_mul(length)?),
        Unit::Days(length) => IntervalMonthDayNano::new(0, times(length)?, 0),
        Unit::Months(length) => IntervalMonthDayNano::new(times(length)?, 0, 0),
    })
}

/// The number of whole units from each instant to the other.
fn differences(from: &ArrayRef, to: &ArrayRef, unit: Unit) -> Result<Int64Array> {
    let overflow =
        || to_datafusion(Fault::Overflow(Overflow::Time { operator: "timestampdiff", result: DataType::Int64 }));
    let (from, to) = (nanoseconds(from)?, nanoseconds(to)?);
    let pairs = from.into_iter().zip(to).map(|(from, to)| from.zip(to));
    pairs.map(|pair| pair.map(|(from, to)| whole_units(from, to, unit).ok_or_else(overflow)).transpose()).collect()
}

/// The instants as nanoseconds since 1970.
fn nanoseconds(instants: &ArrayRef) -> Result<Vec<Option<i128>>> {
    Ok(match instants.data_type() {
        DataType::Date32 => {
            instants.as_primitive::<Date32Type>().iter().map(|day| Some(i128::from(day?) * i128::from(DAY))).collect()
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            instants.as_primitive::<TimestampNanosecondType>().iter().map(|instant| instant.map(i128::from)).collect()
        }
        other => return internal_err!("{other} is no instant"),
    })
}

fn whole_units(from: i128, to: i128, unit: Unit) -> Option<i64> {
    match unit {
        Unit::Nanoseconds(length) => i64::try_from((to - from) / i128::from(length)).ok(),
        Unit::Days(length) => i64::try_from((to - from) / (i128::from(DAY) * i128::from(length))).ok(),
        Unit::Months(length) => Some(whole_months(date_time(from)?, date_time(to)?) / i64::from(length)),
    }
}

fn date_time(nanoseconds: i128) -> Option<NaiveDateTime> {
    let second = i128::from(SECOND);
    let seconds = i64::try_from(nanoseconds.div_euclid(second)).ok()?;
    let rest = u32::try_from(nanoseconds.rem_euclid(second)).ok()?;
    Some(DateTime::from_timestamp(seconds, rest)?.naive_utc())
}

/// The last month is not whole if its day and time are not reached.
fn whole_months(from: NaiveDateTime, to: NaiveDateTime) -> i64 {
    let begun = i64::from(to.year() - from.year()) * 12 + i64::from(to.month()) - i64::from(from.month());
    let in_month = |date_time: NaiveDateTime| (date_time.day(), date_time.time());
    match in_month(to).cmp(&in_month(from)) {
        std::cmp::Ordering::Less if begun > 0 => begun - 1,
        std::cmp::Ordering::Greater if begun < 0 => begun + 1,
        _ => begun,
    }
}
