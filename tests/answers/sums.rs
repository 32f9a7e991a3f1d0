//! Sums and averages are exact, or an error if the result does not fit its type.

use fastrand::Rng;
use oceanflight::error::Kind;
use serde_json::{Value, json};

use super::{assert_overflows, assert_values};
use crate::support::{Stage, json as rows_of};

#[tokio::test]
async fn sums_and_averages_use_a_type_that_is_wide_enough() {
    let most = i64::MAX;
    let ages = "(SELECT TIMESTAMP '2024-01-01' - TIMESTAMP '1900-01-01' AS d FROM generate_series(1, 4))";
    assert_values(&[
        (&format!("SELECT sum(a) AS x FROM (VALUES ({most}), ({most}), (-{most})) t(a)"), json!([[most]])),
        (
            &format!(
                "SELECT sum(a) OVER (ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS x \
                      FROM (VALUES (1, {most}), (2, -1), (3, 5)) t(b, a) ORDER BY b"
            ),
            json!([[most], [most - 1], [4]]),
        ),
        (
            &format!(
                "SELECT g, sum(DISTINCT a) AS x FROM (VALUES (1, {most}), (1, {most}), (2, 3)) t(g, a) GROUP BY g \
                      ORDER BY g"
            ),
            json!([[1, most], [2, 3]]),
        ),
        ("SELECT sum(a) AS x FROM (VALUES (1), (NULL)) t(a) WHERE a IS NULL", json!([[null]])),
        (
            &format!("SELECT arrow_typeof(avg(d)) AS t, avg(d) = max(d) AS x FROM {ages} t"),
            json!([["Duration(ns)", true]]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_sum_that_does_not_fit_is_an_error() {
    let most = i64::MAX;
    let digits = |count: usize| format!("CAST('{}' AS DECIMAL({count}, 0))", "9".repeat(count));
    let four = |value: &str| format!("(SELECT {value} AS a FROM generate_series(1, 4))");
    let decimals = "`sum(CAST(x AS DECIMAL(38, 0)))`";
    let moving = "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW";
    assert_overflows(&[
        (&format!("SELECT sum(a) FROM (VALUES ({most}), (1)) t(a)"), decimals),
        (&format!("SELECT g, sum(a) FROM (VALUES (1, {most}), (1, 1)) t(g, a) GROUP BY g"), decimals),
        (&format!("SELECT sum(a) OVER (ORDER BY a) FROM (VALUES ({most}), (1)) t(a)"), decimals),
        (&format!("SELECT sum(DISTINCT a) FROM (VALUES ({most}), (1), (1)) t(a)"), decimals),
        (&format!("SELECT sum(DISTINCT a) OVER (ORDER BY a {moving}) FROM (VALUES ({most}), (1)) t(a)"), decimals),
        ("SELECT sum(arrow_cast(a, 'UInt64')) FROM (VALUES (18446744073709551615), (1)) t(a)", decimals),
        (
            &format!("SELECT sum(a) FROM {}", four("TIMESTAMP '2024-01-01' - TIMESTAMP '1900-01-01'")),
            "`sum(CAST(CAST(x AS BIGINT) AS DECIMAL(38, 0)))`",
        ),
        (&format!("SELECT sum(a) FROM {}", four(&digits(38))), "`sum(CAST(x AS DECIMAL(76, 0)))`"),
        (&format!("SELECT avg(a) FROM {}", four(&digits(38))), "`avg(CAST(x AS DECIMAL(76, 0)))`"),
        (&format!("SELECT sum(a) FROM {}", four(&digits(76))), "`CAST(x AS DOUBLE)`"),
        (&format!("SELECT sum(a) FROM {}", four("arrow_cast(999999999, 'Decimal32(9, 0)')")), decimals),
        (
            "SELECT sum(i) FROM (VALUES (INTERVAL '2147483647 days'), (INTERVAL '1 day')) t(i)",
            "`sum(date_part('epoch', x))`",
        ),
        ("SELECT g, sum(i) FROM (VALUES (1, INTERVAL '2147483647 months'), (1, INTERVAL '1 month')) t(g, i) GROUP BY g",
            "`sum(date_part('epoch', x))`"),
    ])
    .await;
}

#[tokio::test]
async fn the_hint_for_a_sum_that_does_not_fit_works() {
    let most = i64::MAX;
    assert_values(&[
        (
            &format!("SELECT sum(CAST(x AS DECIMAL(38, 0))) AS s FROM (VALUES ({most}), (1)) t(x)"),
            json!([[9_223_372_036_854_775_808_u64]]),
        ),
        (
            "SELECT sum(CAST(CAST(x AS BIGINT) AS DECIMAL(38, 0))) AS s FROM \
             (SELECT TIMESTAMP '2024-01-01' - TIMESTAMP '1900-01-01' AS x FROM generate_series(1, 4))",
            json!([[15_652_224_000_000_000_000_u64]]),
        ),
        (
            "SELECT sum(date_part('epoch', x)) AS s FROM (VALUES (INTERVAL '2147483647 days'), (INTERVAL '1 day')) t(x)",
            json!([[185_542_587_187_200.0]]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_average_of_integers_uses_their_exact_sum() {
    let values = format!("(VALUES (1), ({}), (-{}), (NULL)) t(a)", i64::MAX, i64::MAX);
    let third = 1.0 / 3.0;
    let rows = format!("SELECT 1 AS g, a FROM {values} UNION ALL SELECT 2, NULL UNION ALL SELECT 3, 4");
    assert_values(&[
        (&format!("SELECT avg(a) AS x FROM {values}"), json!([[third]])),
        (&format!("SELECT arrow_typeof(avg(a)) AS t, mean(a) AS x FROM {values}"), json!([["Float64", third]])),
        (
            &format!("SELECT g, avg(a) AS x FROM ({rows}) GROUP BY g ORDER BY g"),
            json!([[1, third], [2, null], [3, 4.0]]),
        ),
        (&format!("SELECT avg(a) FILTER (WHERE a > 1) AS x FROM {values}"), json!([[i64::MAX as f64]])),
        (&format!("SELECT avg(a) FILTER (WHERE a = 7) AS x FROM {values}"), json!([[null]])),
        ("SELECT avg(DISTINCT a) AS x FROM (VALUES (1), (1), (2)) t(a)", json!([[1.5]])),
        (
            "SELECT avg(DISTINCT a) AS x, avg(a) AS y, sum(DISTINCT b) AS z FROM (VALUES (1, 1), (1, 2), (4, 2)) t(a, b)",
            json!([[2.5, 2.0, 3]]),
        ),
        ("SELECT avg(CAST(a AS DECIMAL(38, 2))) AS x FROM (VALUES (1), (2), (2)) t(a)", json!([[1.666_666]])),
        ("SELECT avg(CAST(a AS TINYINT)) AS x FROM (VALUES (1), (2)) t(a)", json!([[1.5]])),
        ("SELECT avg(arrow_cast(a, 'UInt16')) AS x FROM (VALUES (1), (2)) t(a)", json!([[1.5]])),
        ("SELECT avg(CAST(a AS REAL)) AS x FROM (VALUES (1), (2)) t(a)", json!([[1.5]])),
        ("SELECT arrow_typeof(avg(CAST(a AS DECIMAL(5, 2)))) AS t, avg(CAST(a AS DECIMAL(5, 2))) AS x \
          FROM (VALUES (1), (2), (2)) t(a)", json!([["Decimal128(9, 6)", 1.666_666]])),
        (&format!("SELECT avg(a) AS x FROM {values} WHERE a = 7"), json!([[null]])),
    ])
    .await;
}

#[tokio::test]
async fn an_intermediate_sum_may_exceed_the_type_of_the_result() {
    let days = "VALUES (1, INTERVAL '2147483647 days'), (2, INTERVAL '1 day'), (3, INTERVAL '-3 days 1 second')";
    let large = format!("CAST('{}' AS DECIMAL(76, 0))", "9".repeat(76));
    let rows =
        format!("SELECT {large} AS a FROM generate_series(1, 9) UNION ALL SELECT -{large} FROM generate_series(1, 8)");
    assert_values(&[
        (&format!("SELECT sum(i) = INTERVAL '2147483645 days 1 second' AS x FROM ({days}) t(k, i)"), json!([[true]])),
        (
            "SELECT k, sum(i) OVER (ORDER BY k ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) = INTERVAL '3 months 2 days' AS x \
             FROM (VALUES (1, INTERVAL '1 month'), (2, INTERVAL '2 months 2 days'), (3, INTERVAL '1 month')) t(k, i) ORDER BY k",
            json!([[1, false], [2, true], [3, true]]),
        ),
        (
            "SELECT sum(DISTINCT i) = INTERVAL '3 days' AS x FROM (VALUES (INTERVAL '1 day'), (INTERVAL '1 day'), \
             (INTERVAL '2 days'), (NULL)) t(i)",
            json!([[true]]),
        ),
        ("SELECT sum(i) AS x FROM (VALUES (INTERVAL '1 day')) t(i) WHERE i IS NULL", json!([[null]])),
        (&format!("SELECT sum(a) = {large} AS x FROM ({rows})"), json!([[true]])),
        (&format!("SELECT sum(a) = {large} AS x, g FROM (SELECT a, 1 AS g FROM ({rows})) GROUP BY g"), json!([[true, 1]])),
    ])
    .await;
}

#[tokio::test]
async fn a_sum_of_distinct_values_in_a_moving_frame_is_exact_or_rejected_with_a_hint() {
    let frame = "OVER (ORDER BY a ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)";
    assert_values(&[
        (
            &format!("SELECT sum(DISTINCT a) {frame} AS x, avg(DISTINCT a) {frame} AS y FROM (VALUES (1), (1), (2), (NULL)) \
                      t(a) ORDER BY a"),
            json!([[1, 1.0], [1, 1.0], [3, 1.5], [2, 2.0]]),
        ),
        (
            &format!("SELECT sum(DISTINCT a) {frame} AS x FROM (SELECT CAST(a AS DECIMAL(5, 1)) AS a FROM (VALUES (1.5), (1.5), \
                      (2)) t(a)) ORDER BY a"),
            json!([[1.5], [1.5], [3.5]]),
        ),
    ])
    .await;

    let stage = Stage::new(&[]).await;
    for function in ["sum", "avg"] {
        let sql = format!("SELECT {function}(DISTINCT a) {frame} FROM (VALUES (1.5), (2.5)) t(a)");
        let error = stage.error(&sql).await;
        assert_eq!(error.kind(), Kind::InvalidArgument);
        let cast = format!("`{function}(DISTINCT CAST(x AS DECIMAL(38, 9)))`");
        assert!(error.report().contains(&cast), "{}", error.report());
    }
}

/// A group, a position in the order, and a value.
type Row = (usize, usize, Option<i64>);

const TABLES: usize = 60;

/// The form of an aggregate, which determines the rows that each result is computed from.
#[derive(Clone, Copy, Debug)]
enum Over {
    Group,
    Filtered,
    Frame,
}

#[tokio::test]
async fn random_sums_and_averages_equal_those_of_128_bit_integers() {
    let stage = Stage::new(&[]).await;
    let mut random = Rng::with_seed(38);
    let (mut values, mut refusals) = (0, 0);
    for _ in 0..TABLES {
        let rows = table(&mut random);
        for over in [Over::Group, Over::Filtered, Over::Frame] {
            for (function, distinct) in [("sum", false), ("sum", true), ("avg", false), ("avg", true)] {
                let sql = statement(&rows, over, function, distinct);
                let expected = expected(&rows, over, function, distinct);
                match (stage.ask(&sql).await, expected) {
                    (Ok(found), Some(expected)) => {
                        let found: Vec<Value> = rows_of(&found.rows).into_iter().map(|row| row["x"].clone()).collect();
                        assert_eq!(json!(found), json!(expected), "{sql}");
                        values += 1;
                    }
                    (Err(error), None) => {
                        assert!(error.report().contains("does not fit its type"), "{sql}: {}", error.report());
                        refusals += 1;
                    }
                    (Ok(_), None) => panic!("{sql} returned rows"),
                    (Err(error), Some(_)) => panic!("{sql}: {}", error.report()),
                }
            }
        }
    }
    assert!(values > 300 && refusals > 30, "{values} values, {refusals} refusals");
}

fn table(random: &mut Rng) -> Vec<Row> {
    let value = |random: &mut Rng| match random.u8(0..8) {
        0 => None,
        1 => Some(i64::MAX - random.i64(0..3)),
        2 => Some(i64::MIN + random.i64(0..3)),
        _ => Some(random.i64(-3..4)),
    };
    (0..random.usize(1..9)).map(|place| (random.usize(0..3), place, value(random))).collect()
}

fn statement(rows: &[Row], over: Over, function: &str, distinct: bool) -> String {
    let value = |value: Option<i64>| value.map_or("NULL".to_owned(), |value| value.to_string());
    let rows: Vec<String> =
        rows.iter().map(|(group, place, own)| format!("({group}, {place}, {})", value(*own))).collect();
    let table = format!("(SELECT g, o, CAST(v AS BIGINT) AS v FROM (VALUES {}) t(g, o, v))", rows.join(", "));
    let call = format!("{function}({}v)", if distinct { "DISTINCT " } else { "" });
    match over {
        Over::Group => format!("SELECT {call} AS x FROM {table} GROUP BY g ORDER BY g"),
        Over::Filtered => format!("SELECT {call} FILTER (WHERE o % 2 = 0) AS x FROM {table} GROUP BY g ORDER BY g"),
        Over::Frame => {
            format!(
                "SELECT {call} OVER (ORDER BY o ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS x FROM {table} ORDER BY o"
            )
        }
    }
}

/// The values that each result is computed from.
fn sets(rows: &[Row], over: Over) -> Vec<Vec<i64>> {
    let of = |keep: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| keep(row)).filter_map(|row| row.2).collect();
    let groups = (0..3).filter(|group| rows.iter().any(|row| row.0 == *group));
    match over {
        Over::Group => groups.map(|group| of(&|row| row.0 == group)).collect(),
        Over::Filtered => groups.map(|group| of(&|row| row.0 == group && row.1 % 2 == 0)).collect(),
        Over::Frame => (0..rows.len()).map(|place| of(&|row| row.1 <= place && row.1 + 2 >= place)).collect(),
    }
}

/// The results. `None` if one does not fit its type.
fn expected(rows: &[Row], over: Over, function: &str, distinct: bool) -> Option<Vec<Value>> {
    let result = |mut values: Vec<i64>| {
        if distinct {
            values.sort_unstable();
            values.dedup();
        }
        if values.is_empty() {
            return Some(Value::Null);
        }
        let sum: i128 = values.iter().map(|value| i128::from(*value)).sum();
        match function {
            "sum" => i64::try_from(sum).ok().map(|sum| json!(sum)),
            _ => Some(json!(divided(sum, values.len() as i128))),
        }
    };
    sets(rows, over).into_iter().map(result).collect()
}

/// The DOUBLE nearest to a quotient, found by comparing the exact distances of three candidates.
fn divided(sum: i128, count: i128) -> f64 {
    let guess = sum as f64 / count as f64;
    let candidates = [guess.next_down(), guess, guess.next_up()];
    // Below 2^53 the sum is exact as a DOUBLE, and the division rounds once. Above, the candidates' eighths are whole.
    if sum.unsigned_abs() < 1 << 53 {
        return guess;
    }
    let distance = |candidate: &f64| {
        let eighths = (candidate * 8.0) as i128;
        (eighths * count - sum * 8).unsigned_abs()
    };
    candidates.into_iter().min_by_key(|candidate| (distance(candidate), candidate.to_bits() & 1)).unwrap_or(guess)
}
