//! The error of a result that does not fit its type.

use std::fmt;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, TimeUnit};

/// A computation whose result does not fit its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overflow {
    /// An operator or a function of integers, with its operands: `2147483647 + 1`.
    #[error("the result of `{0}` does not fit its type")]
    Integer(String),
    /// The factorial of this number.
    #[error("the result of `factorial({0})` does not fit its type")]
    Factorial(i64),
    /// An operator of two decimals.
    #[error("the result of `{operator}` does not fit its type, {}", Sql(.result))]
    Decimal {
        /// The operator: `+`.
        operator: &'static str,
        /// The type of its left operand.
        left: DataType,
        /// The type of its result.
        result: DataType,
    },
    /// An operator with an operand that is a timestamp, a date, a duration or an interval.
    #[error("the result of `{operator}` does not fit its type, {}", Sql(.result))]
    Time {
        /// The operator: `+`.
        operator: &'static str,
        /// The type of its result.
        result: DataType,
    },
    /// `sum` or `avg`.
    #[error("the result of `{function}` does not fit its type, {}", Sql(.result))]
    Aggregate {
        /// Its name.
        function: &'static str,
        /// The type of its values.
        of: DataType,
        /// The type of its result.
        result: DataType,
    },
    /// An unsigned integer of a result, which is sent as BIGINT.
    #[error("a value of the column `{0}` is above BIGINT")]
    Unsigned(String),
    /// A computation in Arrow, whose error does not name the computation.
    #[error("the result of an expression does not fit its type")]
    Unknown,
}

impl Overflow {
    /// What to write instead.
    pub(super) fn hint(&self) -> String {
        match self {
            Self::Integer(_) => "compute in a wider type: `CAST(x AS DECIMAL(38, 0))` in place of x".into(),
            Self::Unsigned(_) => "select it as a decimal: `CAST(x AS DECIMAL(20, 0))`".into(),
            Self::Factorial(_) => "the largest factorial that a BIGINT can hold is that of 20".into(),
            Self::Decimal { left, result, .. } => match wider(left, result) {
                Some(wider) => format!("compute in a wider type: `CAST(x AS {})` in place of x", Sql(&wider)),
                None => NO_WIDER_DECIMAL.into(),
            },
            Self::Time { result, .. } => range(result).into(),
            Self::Aggregate { of: DataType::Interval(_), function, .. } => {
                format!("add up seconds: `{function}(date_part('epoch', x))`")
            }
            Self::Aggregate { of: DataType::Duration(unit), function, .. } => {
                let unit = unit_of(*unit);
                format!("add up {unit}: `{function}(CAST(CAST(x AS BIGINT) AS DECIMAL(38, 0)))`")
            }
            Self::Aggregate { function, of, result } => match wider(of, result) {
                Some(wider) => format!("add up in a wider type: `{function}(CAST(x AS {}))`", Sql(&wider)),
                None => NO_WIDER_DECIMAL.into(),
            },
            Self::Unknown => format!("compute in a wider type, such as DECIMAL(38, 0); {TIMESTAMPS}"),
        }
    }
}

const NO_WIDER_DECIMAL: &str =
    "no decimal has more than 76 digits: `CAST(x AS DOUBLE)` in place of x has about 16, and a larger range";

const TIMESTAMPS: &str = "a timestamp is between 1677-09-21 and 2262-04-11, and a difference of two at most 292 years; \
                          `CAST(a AS DATE) - CAST(b AS DATE)` is a number of days";

fn unit_of(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "seconds",
        TimeUnit::Millisecond => "milliseconds",
        TimeUnit::Microsecond => "microseconds",
        TimeUnit::Nanosecond => "nanoseconds",
    }
}

/// The range of a temporal type.
fn range(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Interval(_) => {
            "the months and the days of an interval are at most 2147483647 each, and its hours about 292 years"
        }
        DataType::Date32 | DataType::Date64 => "a date is between the years -262143 and 262142",
        _ => TIMESTAMPS,
    }
}

/// A type that values can be cast to, so that the result has more digits than `result`.
fn wider(value: &DataType, result: &DataType) -> Option<DataType> {
    match (value, result) {
        (_, DataType::Decimal256(..)) => None,
        (DataType::Decimal128(_, scale), _) => Some(DataType::Decimal256(DECIMAL256_MAX_PRECISION, *scale)),
        (DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale), _) => {
            Some(DataType::Decimal128(DECIMAL128_MAX_PRECISION, *scale))
        }
        _ => Some(DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0)),
    }
}

/// Displays a type by its SQL name, if it has one.
struct Sql<'a>(&'a DataType);

impl fmt::Display for Sql<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            DataType::Int64 => f.write_str("BIGINT"),
            DataType::UInt64 => f.write_str("BIGINT UNSIGNED"),
            DataType::Float64 => f.write_str("DOUBLE"),
            DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
                write!(f, "DECIMAL({precision}, {scale})")
            }
            DataType::Timestamp(..) => f.write_str("TIMESTAMP"),
            DataType::Date32 => f.write_str("DATE"),
            DataType::Duration(_) => f.write_str("DURATION"),
            DataType::Interval(_) => f.write_str("INTERVAL"),
            other => other.fmt(f),
        }
    }
}
