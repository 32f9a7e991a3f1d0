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
    ("WEEK(DATE '2026-01-08')", "2"),
    ("YEAR(DATE '2026-11-27')", "2026"),
    ("IFNULL(NULL, 'x')", "x"),
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
async fn an_escape_may_be_in_another_and_have_columns_and_parameters() {
    let stage = Stage::new(&[]).await;

    let rows =
        stage.rows("SELECT {fn UCASE({fn LEFT(x, {fn LENGTH('ab ')})})} AS y FROM (VALUES ('abc')) AS t (x)").await;

    assert_eq!(json!(rows_of(&rows)), json!([{"y": "AB"}]));
}
