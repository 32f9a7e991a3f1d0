//! Texts that are bound to parameters of other types. A text that Arrow would truncate or misread is rejected before
//! the cast.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};

/// Why a bound value is rejected, and what to do instead if there is a suggestion.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ValueProblem {
    pub(super) what: String,
    pub(super) instead: Option<&'static str>,
}

impl ValueProblem {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), instead: None }
    }

    pub(super) fn with_hint(what: impl Into<String>, instead: &'static str) -> Self {
        Self { what: what.into(), instead: Some(instead) }
    }
}

/// The hint for intervals and durations.
pub(super) const INTERVAL_HINT: &str = "bind a duration, or a text with units such as '5 days' or '1 hour 30 minutes'";

/// Checks that the type can represent the text's value. `rounds`: the type is that of a CAST in the statement, which
/// may round.
pub(super) fn check(text: &str, wanted: &DataType, rounds: bool) -> Result<(), ValueProblem> {
    let text = text.trim();
    match wanted {
        DataType::Date32 | DataType::Date64 if text.len() > 10 => {
            Err(ValueProblem::new(format!("the text '{text}' does not fit without a change, such as a time of day")))
        }
        DataType::Timestamp(unit, _) | DataType::Time64(unit) | DataType::Time32(unit) => check_time(text, *unit),
        DataType::Interval(IntervalUnit::MonthDayNano) => check_interval(text),
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) if !rounds => check_decimals(text, *scale),
        _ => Ok(()),
    }
}

/// Rejects a time with more decimals of a second than the type has: Arrow would truncate them.
fn check_time(text: &str, unit: TimeUnit) -> Result<(), ValueProblem> {
    let most = match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    let decimals = text.split_once('.').map_or("", |(_, decimals)| decimals);
    let digits = decimals.find(|c: char| !c.is_ascii_digit()).map_or(decimals, |end| &decimals[..end]);
    match digits.trim_end_matches('0').len() <= most {
        true => Ok(()),
        false => Err(ValueProblem::with_hint(
            format!("'{text}' has more than {most} decimals of a second"),
            "bind a time with as many decimals as the type has",
        )),
    }
}

fn check_decimals(text: &str, scale: i8) -> Result<(), ValueProblem> {
    let digits = text.split_once('.').map_or("", |(_, digits)| digits).trim_end_matches('0').len();
    match digits <= usize::try_from(scale).unwrap_or(0) {
        true => Ok(()),
        false => Err(more_decimals(text, scale)),
    }
}

pub(super) fn more_decimals(value: &str, scale: i8) -> ValueProblem {
    ValueProblem::with_hint(
        format!("{value} has more than {scale} decimals"),
        "write CAST(? AS DECIMAL(38, 10)) to keep them, or a CAST to the type that the value is rounded to",
    )
}

/// Rejects an interval with a number without a unit, which Arrow reads as months and Postgres as seconds, and one that
/// Arrow would truncate.
fn check_interval(text: &str) -> Result<(), ValueProblem> {
    for (amount, unit) in parts(text) {
        if unit.is_empty() && amount.parse::<f64>().is_ok() {
            return Err(ValueProblem::with_hint(format!("'{text}' has a number without a unit"), INTERVAL_HINT));
        }
        if !is_whole(amount, unit) {
            return Err(ValueProblem::with_hint(
                format!("'{amount} {unit}' is not a whole number of a smaller unit"),
                INTERVAL_HINT,
            ));
        }
    }
    Ok(())
}

/// Splits an interval into numbers and units, as Arrow does: `1 day`, `1day`.
fn parts(text: &str) -> Vec<(&str, &str)> {
    let mut parts = Vec::new();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        let unit_at = word.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-');
        parts.push(unit_at.map_or_else(|| (word, words.next().unwrap_or("")), |at| word.split_at(at)));
    }
    parts
}

/// Whether a fraction of a unit is a whole number of the unit that Arrow converts it to: half a year is six months, a
/// tenth of a month is three days. Arrow truncates the rest.
fn is_whole(amount: &str, unit: &str) -> bool {
    let Some((_, fraction)) = amount.split_once('.') else { return true };
    let fraction = fraction.trim_end_matches('0');
    let (Ok(digits), Some(size)) = (fraction.parse::<i128>(), size(unit)) else { return true };
    match u32::try_from(fraction.len()).ok().and_then(|len| 10_i128.checked_pow(len)) {
        Some(scale) => digits.checked_mul(size).is_some_and(|product| product % scale == 0),
        None => false,
    }
}

/// The size of a unit in the smaller unit that Arrow converts its fraction to: months for a year, days for a month,
/// nanoseconds for all others.
fn size(unit: &str) -> Option<i128> {
    const SECOND: i128 = 1_000_000_000;
    Some(match unit.to_lowercase().as_str() {
        "c" | "cent" | "cents" | "century" | "centuries" => 1_200,
        "dec" | "decs" | "decade" | "decades" => 120,
        "y" | "yr" | "yrs" | "year" | "years" => 12,
        "mon" | "mons" | "month" | "months" => 30,
        "w" | "week" | "weeks" => 7 * 86_400 * SECOND,
        "d" | "day" | "days" => 86_400 * SECOND,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600 * SECOND,
        "m" | "min" | "mins" | "minute" | "minutes" => 60 * SECOND,
        "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds" => 1_000_000,
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds" => 1_000,
        "nanosecond" | "nanoseconds" => 1,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

    #[test]
    fn each_number_of_an_interval_has_a_unit() {
        for text in ["5 days", "5days", "-5 days", "1 hour 30 minutes", "1.5 days", "0.5 years", "1.000000001s", "abc"]
        {
            assert_eq!(check(text, &INTERVAL, true), Ok(()), "{text}");
        }
        for text in ["5", " -5 ", "1.5", "1 day 2", "5 days 7"] {
            let problem = check(text, &INTERVAL, true).unwrap_err();
            assert!(problem.what.contains("without a unit") && problem.instead.is_some(), "{text}: {problem:?}");
        }
    }

    #[test]
    fn a_fraction_of_a_unit_that_arrow_would_truncate_is_rejected() {
        for text in ["0.0000000001 seconds", "1.55 years", "0.01 months", "0.1 nanoseconds", "0.0001 us"] {
            assert!(check(text, &INTERVAL, true).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_with_more_decimals_than_its_type_is_rejected() {
        let nanoseconds = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let milliseconds = DataType::Timestamp(TimeUnit::Millisecond, None);

        assert!(check("2020-01-01T00:00:00.123456789", &nanoseconds, true).is_ok());
        assert!(check("2020-01-01T00:00:00.1234567890Z", &nanoseconds, true).is_ok());
        assert!(check("2020-01-01T00:00:00.1234567891Z", &nanoseconds, true).is_err());
        assert!(check("2020-01-01T00:00:00.1234", &milliseconds, true).is_err());
        assert!(check("12:00:00.1234567891", &DataType::Time64(TimeUnit::Nanosecond), false).is_err());
    }

    #[test]
    fn a_decimal_is_rounded_only_by_a_cast_in_the_statement() {
        let decimal = DataType::Decimal128(10, 2);

        assert!(check("1.5500", &decimal, false).is_ok());
        assert!(check("1.555", &decimal, false).is_err());
        assert!(check("1.555", &decimal, true).is_ok());
    }
}
