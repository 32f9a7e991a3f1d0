//! Functions of the escape with a keyword among their arguments: `{fn TIMESTAMPADD(SQL_TSI_DAY, 1, x)}`.
//!
//! Source of the keywords: ODBC Programmer's Reference, appendix E, "Time, Date, and Interval Functions" and "Explicit
//! Data Type Conversion". JDBC writes the types without `SQL_`.

/// A keyword that the function does not have, with those that it has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnknownKeyword(pub(super) Vec<&'static str>);

/// The length of a unit of time.
#[derive(Clone, Copy)]
enum Length {
    Nanoseconds(i64),
    Months(i64),
}

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 24 * 3_600 * SECOND;

const UNITS: [(&str, Length); 9] = [
    ("SQL_TSI_FRAC_SECOND", Length::Nanoseconds(1)),
    ("SQL_TSI_SECOND", Length::Nanoseconds(SECOND)),
    ("SQL_TSI_MINUTE", Length::Nanoseconds(60 * SECOND)),
    ("SQL_TSI_HOUR", Length::Nanoseconds(3_600 * SECOND)),
    ("SQL_TSI_DAY", Length::Nanoseconds(DAY)),
    ("SQL_TSI_WEEK", Length::Nanoseconds(7 * DAY)),
    ("SQL_TSI_MONTH", Length::Months(1)),
    ("SQL_TSI_QUARTER", Length::Months(3)),
    ("SQL_TSI_YEAR", Length::Months(12)),
];

/// The types of CONVERT in DataFusion's SQL. A decimal has DataFusion's default precision and scale.
const TYPES: [(&str, &str); 22] = [
    ("SQL_BIGINT", "BIGINT"),
    ("SQL_BINARY", "BYTEA"),
    ("SQL_BIT", "BOOLEAN"),
    ("SQL_BOOLEAN", "BOOLEAN"),
    ("SQL_CHAR", "VARCHAR"),
    ("SQL_DATE", "DATE"),
    ("SQL_DECIMAL", "DECIMAL"),
    ("SQL_DOUBLE", "DOUBLE"),
    ("SQL_FLOAT", "DOUBLE"),
    ("SQL_INTEGER", "INT"),
    ("SQL_LONGVARBINARY", "BYTEA"),
    ("SQL_LONGVARCHAR", "VARCHAR"),
    ("SQL_NUMERIC", "DECIMAL"),
    ("SQL_REAL", "REAL"),
    ("SQL_SMALLINT", "SMALLINT"),
    ("SQL_TIME", "TIME"),
    ("SQL_TIMESTAMP", "TIMESTAMP"),
    ("SQL_TINYINT", "TINYINT"),
    ("SQL_VARBINARY", "BYTEA"),
    ("SQL_VARCHAR", "VARCHAR"),
    ("SQL_WLONGVARCHAR", "VARCHAR"),
    ("SQL_WVARCHAR", "VARCHAR"),
];

fn find<T: Copy>(known: &[(&'static str, T)], keyword: &str) -> Option<T> {
    known.iter().find(|(name, _)| name.eq_ignore_ascii_case(keyword)).map(|(_, value)| *value)
}

fn unknown<T>(known: &[(&'static str, T)]) -> UnknownKeyword {
    UnknownKeyword(known.iter().map(|(name, _)| *name).collect())
}

fn length(unit: &str) -> Result<Length, UnknownKeyword> {
    find(&UNITS, unit).ok_or_else(|| unknown(&UNITS))
}

/// The expression of `TIMESTAMPADD(unit, $2, $3)`: `$3`, `$2` units later.
///
/// # Errors
/// [`UnknownKeyword`]
pub(super) fn timestamp_add(unit: &str) -> Result<String, UnknownKeyword> {
    // Arrow reads the text of an interval with any number of one unit. A day is added as a day.
    let (count, name) = match length(unit)? {
        Length::Nanoseconds(nanoseconds) if nanoseconds % DAY == 0 => (nanoseconds / DAY, "day"),
        Length::Nanoseconds(nanoseconds) if nanoseconds % SECOND == 0 => (nanoseconds / SECOND, "second"),
        Length::Nanoseconds(nanoseconds) => (nanoseconds, "nanosecond"),
        Length::Months(months) => (months, "month"),
    };
    Ok(format!("($3 + CAST(CAST(CAST($2 AS BIGINT) * {count} AS VARCHAR) || ' {name}' AS INTERVAL))"))
}

/// The expression of `TIMESTAMPDIFF(unit, $2, $3)`: the number of whole units from `$2` to `$3`.
///
/// # Errors
/// [`UnknownKeyword`]
pub(super) fn timestamp_difference(unit: &str) -> Result<String, UnknownKeyword> {
    let instant = |argument: &str| format!("arrow_cast({argument}, 'Timestamp(ns, \"UTC\")')");
    let (from, to) = (instant("$2"), instant("$3"));
    Ok(match length(unit)? {
        Length::Nanoseconds(length) => format!("((CAST({to} AS BIGINT) - CAST({from} AS BIGINT)) / {length})"),
        Length::Months(length) => {
            let months = |x: &str| format!("(date_part('year', {x}) * 12 + date_part('month', {x}))");
            let in_month = |x: &str| format!("(CAST({x} AS BIGINT) - CAST(date_trunc('month', {x}) AS BIGINT))");
            let (begun, first, last) =
                (format!("({} - {})", months(&to), months(&from)), in_month(&from), in_month(&to));
            // The last month is not whole if its day and time are not reached.
            format!(
                "(CAST({begun} - CASE WHEN {begun} > 0 AND {last} < {first} THEN 1 \
                 WHEN {begun} < 0 AND {last} > {first} THEN -1 ELSE 0 END AS BIGINT) / {length})"
            )
        }
    })
}

/// The expression of `CONVERT($1, type)`.
///
/// # Errors
/// [`UnknownKeyword`]
pub(super) fn conversion(data_type: &str) -> Result<String, UnknownKeyword> {
    let found = find(&TYPES, data_type).or_else(|| find(&TYPES, &format!("SQL_{data_type}")));
    found.map(|wanted| format!("CAST($1 AS {wanted})")).ok_or_else(|| unknown(&TYPES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_known_in_any_case_and_another_one_is_told_which_there_are() {
        assert_eq!(timestamp_add("sql_tsi_hour"), timestamp_add("SQL_TSI_HOUR"));
        let UnknownKeyword(known) = timestamp_difference("DAY").unwrap_err();
        assert_eq!(known.first(), Some(&"SQL_TSI_FRAC_SECOND"));
    }

    #[test]
    fn a_type_has_its_name_of_odbc_or_of_jdbc() {
        assert_eq!(conversion("SQL_INTEGER").unwrap(), "CAST($1 AS INT)");
        assert_eq!(conversion("varchar").unwrap(), "CAST($1 AS VARCHAR)");
        assert!(conversion("SQL_GUID").is_err());
    }
}
