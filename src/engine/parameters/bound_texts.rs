//! Texts that are bound where another type is wanted: what Arrow would cut or guess is refused before it is cast.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};

/// What is wrong with a bound value, and what to do instead where more can be said than "bind another one".
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

/// How a span of time is bound.
pub(super) const SPAN: &str = "bind a duration, or a text with units such as '5 days' or '1 hour 30 minutes'";

/// Whether the type can keep what the text says. `rounds`: the statement's own CAST asks for the type.
pub(super) fn check(text: &str, wanted: &DataType, rounds: bool) -> Result<(), ValueProblem> {
    let text = text.trim();
    match wanted {
        DataType::Date32 | DataType::Date64 if text.len() > 10 => {
            Err(ValueProblem::new(format!("the text '{text}' does not fit without a change, such as a time of day")))
        }
        DataType::Timestamp(unit, _) | DataType::Time64(unit) | DataType::Time32(unit) => check_time(text, *unit),
        DataType::Interval(IntervalUnit::MonthDayNano) => check_span(text),
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) if !rounds => check_decimals(text, *scale),
        _ => Ok(()),
    }
}

/// Arrow reads nine decimals of a second, or as many as the type has, and cuts the others.
fn check_time(text: &str, unit: TimeUnit) -> Result<(), ValueProblem> {
    let most = match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    let behind_point = text.split_once('.').map_or("", |(_, behind)| behind);
    let digits = behind_point.find(|c: char| !c.is_ascii_digit()).map_or(behind_point, |end| &behind_point[..end]);
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

/// Each number of an interval has a unit: Arrow takes a number without one for months, Postgres for seconds.
fn check_span(text: &str) -> Result<(), ValueProblem> {
    for (amount, unit) in parts(text) {
        if unit.is_empty() && amount.parse::<f64>().is_ok() {
            return Err(ValueProblem::with_hint(format!("'{text}' has a number without a unit"), SPAN));
        }
        if !is_whole(amount, unit) {
            return Err(ValueProblem::with_hint(
                format!("'{amount} {unit}' is no whole number of a smaller unit"),
                SPAN,
            ));
        }
    }
    Ok(())
}

/// The numbers and units of an interval, as Arrow splits them: `1 day`, `1day`.
fn parts(text: &str) -> Vec<(&str, &str)> {
    let mut parts = Vec::new();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        let unit_at = word.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-');
        parts.push(unit_at.map_or_else(|| (word, words.next().unwrap_or("")), |at| word.split_at(at)));
    }
    parts
}

/// Whether a fraction of a unit is a whole number of the unit that Arrow keeps it in. It cuts the rest: half a year is six
/// months, and a tenth of a month is three days.
fn is_whole(amount: &str, unit: &str) -> bool {
    let Some((_, fraction)) = amount.split_once('.') else { return true };
    let fraction = fraction.trim_end_matches('0');
    let (Ok(digits), Some(size)) = (fraction.parse::<i128>(), size(unit)) else { return true };
    match u32::try_from(fraction.len()).ok().and_then(|len| 10_i128.checked_pow(len)) {
        Some(scale) => digits.checked_mul(size).is_some_and(|product| product % scale == 0),
        None => false,
    }
}

/// How many of the smaller unit one is: months of a year, days of a month, nanoseconds of all others.
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

    const SPANS: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

    #[test]
    fn each_number_of_an_interval_has_a_unit() {
        for text in ["5 days", "5days", "-5 days", "1 hour 30 minutes", "1.5 days", "0.5 years", "1.000000001s", "abc"]
        {
            assert_eq!(check(text, &SPANS, true), Ok(()), "{text}");
        }
        for text in ["5", " -5 ", "1.5", "1 day 2", "5 days 7"] {
            let problem = check(text, &SPANS, true).unwrap_err();
            assert!(problem.what.contains("without a unit") && problem.instead.is_some(), "{text}: {problem:?}");
        }
    }

    #[test]
    fn a_fraction_of_a_unit_is_kept_or_refused() {
        for text in ["0.0000000001 seconds", "1.55 years", "0.01 months", "0.1 nanoseconds", "0.0001 us"] {
            assert!(check(text, &SPANS, true).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_has_the_decimals_of_its_type() {
        let nanoseconds = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let milliseconds = DataType::Timestamp(TimeUnit::Millisecond, None);

        assert!(check("2020-01-01T00:00:00.123456789", &nanoseconds, true).is_ok());
        assert!(check("2020-01-01T00:00:00.1234567890Z", &nanoseconds, true).is_ok());
        assert!(check("2020-01-01T00:00:00.1234567891Z", &nanoseconds, true).is_err());
        assert!(check("2020-01-01T00:00:00.1234", &milliseconds, true).is_err());
        assert!(check("12:00:00.1234567891", &DataType::Time64(TimeUnit::Nanosecond), false).is_err());
    }

    #[test]
    fn a_decimal_is_rounded_only_where_the_statement_says_so() {
        let decimal = DataType::Decimal128(10, 2);

        assert!(check("1.5500", &decimal, false).is_ok());
        assert!(check("1.555", &decimal, false).is_err());
        assert!(check("1.555", &decimal, true).is_ok());
    }
}
