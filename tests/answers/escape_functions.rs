//! Functions in the escape of ODBC and JDBC, by the names that SqlInfo lists.

use std::collections::BTreeSet;

use oceanflight::engine::ESCAPE_FUNCTIONS;

use super::*;

/// Each function with a value, as text. One whose value differs each time is compared with itself.
const CALLS: &[(&str, &str)] = &[
    ("ASCII('a')", "97"),
    ("BIT_LENGTH('ab')", "16"),
    ("CHAR(97)", "a"),
    ("CHARACTER_LENGTH('ä ')", "2"),
    ("CHAR_LENGTH('ä ')", "2"),
    ("CONCAT('a', 'b')", "ab"),
    ("LCASE('AB')", "ab"),
    ("LEFT('abc', 2)", "ab"),
    ("LENGTH('ab  ')", "2"),
    ("LOCATE('b', 'abc')", "2"),
    ("LOCATE('b', 'abcb', 3)", "4"),
    ("LOCATE('a', 'abcb', 2)", "0"),
    ("LTRIM(' a ')", "a "),
    ("OCTET_LENGTH('ä')", "2"),
    ("REPEAT('ab', 2)", "abab"),
    ("REPLACE('abc', 'b', 'x')", "axc"),
    ("RIGHT('abc', 2)", "bc"),
    ("RTRIM(' a ')", " a"),
    ("SPACE(2)", "  "),
    ("SUBSTRING('abcd', 2, 2)", "bc"),
    ("UCASE('ab')", "AB"),
    ("ABS(-2)", "2"),
    ("ACOS(1)", "0.0"),
    ("ASIN(0)", "0.0"),
    ("ATAN(0)", "0.0"),
    ("ATAN2(0, 1)", "0.0"),
    ("CEILING(1.2)", "2.0"),
    ("COS(0)", "1.0"),
    ("COT(0.785) < 1.001", "true"),
    ("DEGREES(pi())", "180.0"),
    ("EXP(0)", "1.0"),
    ("FLOOR(1.8)", "1.0"),
    ("LOG(1)", "0.0"),
    ("LOG10(1000)", "3.0"),
    ("MOD(7, 4)", "3"),
    ("PI() > 3.14", "true"),
    ("POWER(2, 3)", "8.0"),
    ("RADIANS(180) > 3.14", "true"),
    ("RAND() < 1", "true"),
    ("ROUND(1.26, 1)", "1.3"),
    ("SIGN(-3)", "-1.0"),
    ("SIN(0)", "0.0"),
    ("SQRT(4)", "2.0"),
    ("TAN(0)", "0.0"),
    ("TRUNCATE(1.29, 1)", "1.2"),
    ("CURDATE() = current_date", "true"),
    ("CURTIME() = current_time", "true"),
    ("CURRENT_DATE() = current_date", "true"),
    ("CURRENT_TIME() = current_time", "true"),
    ("CURRENT_TIMESTAMP() = now()", "true"),
    ("DAYNAME(DATE '2026-11-27')", "Friday"),
    ("DAYOFMONTH(DATE '2026-11-27')", "27"),
    ("DAYOFWEEK(DATE '2026-11-29')", "1"),
    ("DAYOFYEAR(DATE '2026-02-01')", "32"),
    ("HOUR(TIMESTAMP '2026-11-27 14:15:16')", "14"),
    ("MINUTE(TIMESTAMP '2026-11-27 14:15:16')", "15"),
    ("MONTH(DATE '2026-11-27')", "11"),
    ("MONTHNAME(DATE '2026-11-27')", "November"),
    ("NOW() = now()", "true"),
    ("QUARTER(DATE '2026-11-27')", "4"),
    ("SECOND(TIMESTAMP '2026-11-27 14:15:16')", "16"),
    ("TIMESTAMPADD(SQL_TSI_FRAC_SECOND, 5, TIMESTAMP '2026-11-27 14:15:16')", "2026-11-27T14:15:16.000000005"),
    ("TIMESTAMPADD(SQL_TSI_SECOND, -17, TIMESTAMP '2026-11-27 14:15:16')", "2026-11-27T14:14:59"),
    ("TIMESTAMPADD(SQL_TSI_MINUTE, 90, DATE '2026-11-27')", "2026-11-27T01:30:00"),
    ("TIMESTAMPADD(SQL_TSI_HOUR, 24, TIMESTAMP '2026-11-27 14:15:16')", "2026-11-28T14:15:16"),
    ("TIMESTAMPADD(SQL_TSI_DAY, 1, DATE '2026-11-27')", "2026-11-28T00:00:00"),
    ("TIMESTAMPADD(SQL_TSI_WEEK, 2, TIMESTAMP '2026-11-27 14:15:16')", "2026-12-11T14:15:16"),
    ("TIMESTAMPADD(SQL_TSI_MONTH, 1, TIMESTAMP '2026-01-31 14:15:16')", "2026-02-28T14:15:16"),
    ("TIMESTAMPADD(SQL_TSI_QUARTER, -1, TIMESTAMP '2026-02-27 14:15:16')", "2025-11-27T14:15:16"),
    ("TIMESTAMPADD(SQL_TSI_YEAR, 1, TIMESTAMP '2028-02-29 14:15:16')", "2029-02-28T14:15:16"),
    ("TIMESTAMPADD(SQL_TSI_DAY, 1, NULL::timestamp) IS NULL", "true"),
    (
        "TIMESTAMPDIFF(SQL_TSI_FRAC_SECOND, TIMESTAMP '2026-11-27 14:15:16', TIMESTAMP '2026-11-27 14:15:17')",
        "1000000000",
    ),
    ("TIMESTAMPDIFF(SQL_TSI_SECOND, DATE '2026-11-27', TIMESTAMP '2026-11-27 00:01:00.9')", "60"),
    ("TIMESTAMPDIFF(SQL_TSI_MINUTE, TIMESTAMP '2026-11-27 14:15:16', DATE '2026-11-27')", "-855"),
    ("TIMESTAMPDIFF(SQL_TSI_HOUR, DATE '2026-11-27', DATE '2026-11-28')", "24"),
    ("TIMESTAMPDIFF(SQL_TSI_DAY, TIMESTAMP '2026-11-27 14:15:16', TIMESTAMP '2026-11-29 14:15:15')", "1"),
    ("TIMESTAMPDIFF(SQL_TSI_WEEK, DATE '2026-11-01', DATE '2026-11-27')", "3"),
    ("TIMESTAMPDIFF(SQL_TSI_MONTH, DATE '2026-01-31', DATE '2026-02-28')", "0"),
    ("TIMESTAMPDIFF(SQL_TSI_MONTH, DATE '2026-03-01', DATE '2026-01-31')", "-1"),
    ("TIMESTAMPDIFF(SQL_TSI_QUARTER, DATE '2025-11-27', DATE '2026-11-27')", "4"),
    ("TIMESTAMPDIFF(SQL_TSI_YEAR, DATE '2025-11-28', DATE '2026-11-27')", "0"),
    ("TIMESTAMPDIFF(SQL_TSI_DAY, DATE '0001-01-01', DATE '9999-12-31')", "3652058"),
    ("TIMESTAMPDIFF(SQL_TSI_YEAR, DATE '9999-12-31', DATE '0001-01-01')", "-9998"),
    ("TIMESTAMPDIFF(SQL_TSI_DAY, NULL, NULL) IS NULL", "true"),
    ("TIMESTAMPADD(SQL_TSI_DAY, 1, '2026-11-27 10:00:00')", "2026-11-28T10:00:00"),
    ("TIMESTAMPDIFF(SQL_TSI_DAY, '2026-11-27 10:00:00', '2026-11-28T10:00:00Z')", "1"),
    ("WEEK(DATE '2026-01-08')", "2"),
    ("YEAR(DATE '2026-11-27')", "2026"),
    ("CONVERT('7', SQL_BIGINT) + 1", "8"),
    ("CONVERT('ab', SQL_VARBINARY) = X'6162'", "true"),
    ("CONVERT(1, SQL_BIT)", "true"),
    ("CONVERT(7, SQL_VARCHAR)", "7"),
    ("CONVERT('2026-11-27', SQL_DATE) = DATE '2026-11-27'", "true"),
    ("CONVERT(1, SQL_DECIMAL)", "1.0000000000"),
    ("CONVERT('1.5', DOUBLE)", "1.5"),
    ("CONVERT('14:15', SQL_TIME)", "14:15:00"),
    ("CONVERT('2026-11-27', SQL_TYPE_TIMESTAMP)", "2026-11-27T00:00:00"),
    ("DATABASE()", "digitalocean"),
    ("IFNULL(NULL, 'x')", "x"),
    ("USER()", "anonymous"),
];

/// `UCASE('ab')`, or `PI() > 3.14`: the call is in the escape, the rest is not.
fn in_escape(call: &str) -> String {
    match call.split_once(") ") {
        Some((call, rest)) => format!("{{fn {call})}} {rest}"),
        None => format!("{{fn {call}}}"),
    }
}

#[tokio::test]
async fn every_listed_function_has_its_value() {
    let listed: BTreeSet<&str> = ESCAPE_FUNCTIONS.iter().map(|function| function.name).collect();
    let called: BTreeSet<&str> = CALLS.iter().filter_map(|(call, _)| call.split('(').next()).collect();
    assert_eq!(listed, called);

    let stage = Stage::new(&[]).await;
    let mut wrong = Vec::new();
    for (call, expected) in CALLS {
        let rows = stage.rows(&format!("SELECT CAST({} AS TEXT) AS x", in_escape(call))).await;
        let found = rows_of(&rows)[0]["x"].clone();
        if found != *expected {
            wrong.push(format!("{call}: {found}, expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_keyword_that_a_function_does_not_have_is_refused_with_those_that_it_has() {
    let stage = Stage::new(&[]).await;

    let unit = stage.error("SELECT {fn TIMESTAMPADD(day, 1, now())}").await;
    let data_type = stage.error("SELECT {fn CONVERT(1, SQL_GUID)}").await;
    let fraction = stage.error("SELECT {fn TIMESTAMPADD(SQL_TSI_HOUR, 1.9, now())}").await;

    assert_eq!((unit.kind(), data_type.kind()), (Kind::InvalidArgument, Kind::InvalidArgument));
    insta::assert_snapshot!(fraction.report(), @r"
    `timestampadd` is not understood
    hint: its second argument is a whole number
    ");
    insta::assert_snapshot!(unit.report(), @r"
    `{fn TIMESTAMPADD(day, 1, now())}` is not understood
    hint: argument 1 of TIMESTAMPADD is one of SQL_TSI_FRAC_SECOND, SQL_TSI_SECOND, SQL_TSI_MINUTE, SQL_TSI_HOUR, SQL_TSI_DAY, SQL_TSI_WEEK, SQL_TSI_MONTH, SQL_TSI_QUARTER, SQL_TSI_YEAR
    ");
    insta::assert_snapshot!(data_type.report(), @r"
    `{fn CONVERT(1, SQL_GUID)}` is not understood
    hint: argument 2 of CONVERT is one of SQL_BIGINT, SQL_BINARY, SQL_BIT, SQL_BOOLEAN, SQL_CHAR, SQL_DATE, SQL_DECIMAL, SQL_DOUBLE, SQL_FLOAT, SQL_INTEGER, SQL_LONGVARBINARY, SQL_LONGVARCHAR, SQL_NUMERIC, SQL_REAL, SQL_SMALLINT, SQL_TIME, SQL_TIMESTAMP, SQL_TINYINT, SQL_TYPE_DATE, SQL_TYPE_TIME, SQL_TYPE_TIMESTAMP, SQL_VARBINARY, SQL_VARCHAR, SQL_WCHAR, SQL_WLONGVARCHAR, SQL_WVARCHAR
    ");
}

/// A call of LOCATE has its third argument three times.
#[tokio::test]
async fn nested_escapes_are_limited_by_what_they_become() {
    let stage = Stage::new(&[]).await;
    let nested = |depth: usize, call: &str, innermost: &str| {
        (0..depth).fold(innermost.to_owned(), |inner, _| call.replace("{}", &inner))
    };

    let small = stage.rows(&format!("SELECT {} AS x", nested(3, "{fn LOCATE('a', 'aaaa', {})}", "1"))).await;
    assert_eq!(json!(rows_of(&small)), json!([{"x": 1}]));
    let large = stage.error(&format!("SELECT {}", nested(30, "{fn LOCATE('a', 'a', {})}", "1"))).await;
    insta::assert_snapshot!(large.report(), @r"
    the escapes `{fn …}` of the statement become more than 60000 expressions
    hint: write fewer escapes in one another, or compute a part in a derived table
    ");
    let months =
        "{fn TIMESTAMPADD(SQL_TSI_DAY, {fn TIMESTAMPDIFF(SQL_TSI_MONTH, DATE '2026-01-01', {})}, DATE '2026-01-01')}";
    let rows = stage.rows(&format!("SELECT {} AS x", nested(6, months, "DATE '2027-01-01'"))).await;
    assert_eq!(json!(rows_of(&rows)), json!([{"x": "2026-01-01T00:00:00"}]));
}

#[tokio::test]
async fn an_escape_may_be_in_another_and_have_columns_and_parameters() {
    let stage = Stage::new(&[]).await;

    let rows =
        stage.rows("SELECT {fn UCASE({fn LEFT(x, {fn LENGTH('ab ')})})} AS y FROM (VALUES ('abc')) AS t (x)").await;

    assert_eq!(json!(rows_of(&rows)), json!([{"y": "AB"}]));
}
