//! Predicates with a subquery against an oracle, which computes SQL's three-valued result from all rows.

use std::fmt::Write;

use serde_json::{Value, json};

use super::values;
use crate::support::Stage;

type Number = Option<i64>;
/// True, false, or NULL.
type Truth = Option<bool>;
/// Whether a row of r is in the subquery of a row of l, by their keys (r.k, l.k).
type InSubquery = fn(Number, Number) -> Truth;
type Compare = fn(i64, i64) -> bool;
/// The left side of a predicate, by l.v.
type Left = fn(Number) -> Number;

const LEFT: [(Number, Number); 6] =
    [(Some(1), Some(1)), (Some(1), Some(2)), (Some(2), None), (None, Some(2)), (Some(3), Some(9)), (None, None)];
const NULLS: [(Number, Number); 5] =
    [(Some(1), Some(1)), (Some(1), None), (Some(2), Some(2)), (None, Some(9)), (Some(2), Some(7))];
const NO_NULLS: [(Number, Number); 3] = [(Some(1), Some(1)), (Some(1), Some(3)), (Some(2), Some(2))];
const ONLY_NULLS: [(Number, Number); 2] = [(Some(1), None), (Some(2), None)];

/// The condition of the subquery, in SQL and as a function.
const CORRELATIONS: [(&str, InSubquery); 3] =
    [("true", |_, _| Some(true)), ("r.k = l.k", equal), ("r.k <= l.k", |r, l| Some(r? <= l?))];

const OPERATORS: [(&str, Compare); 6] = [
    ("=", |a, b| a == b),
    ("<>", |a, b| a != b),
    ("<", |a, b| a < b),
    ("<=", |a, b| a <= b),
    (">", |a, b| a > b),
    (">=", |a, b| a >= b),
];

fn equal(a: Number, b: Number) -> Truth {
    Some(a? == b?)
}

fn not(truth: Truth) -> Truth {
    truth.map(|truth| !truth)
}

fn any(of: impl Iterator<Item = Truth>) -> Truth {
    let all: Vec<Truth> = of.collect();
    if all.contains(&Some(true)) { Some(true) } else { (!all.contains(&None)).then_some(false) }
}

fn relation(name: &str, rows: &[(Number, Number)]) -> String {
    let text = |number: Number| number.map_or_else(|| "CAST(NULL AS BIGINT)".to_owned(), |number| number.to_string());
    let rows = rows.iter().map(|(k, v)| format!(", ({}, {})", text(*k), text(*v))).collect::<String>();
    format!("{name} (k, v) AS (SELECT * FROM (VALUES (0, 0){rows}) t WHERE column1 IS DISTINCT FROM 0)")
}

/// A predicate in SQL, and its value for each row of l.
struct Case {
    sql: String,
    expected: Vec<Truth>,
}

/// Every predicate over r, for the left side `left` (l.v, a constant, NULL).
fn cases(r: &[(Number, Number)], left: &str, of: impl Fn(Number) -> Number) -> Vec<Case> {
    let mut cases = Vec::new();
    for (condition, in_subquery) in CORRELATIONS {
        let subquery_values =
            |k: Number| r.iter().filter(move |row| in_subquery(row.0, k) == Some(true)).map(|row| row.1);
        let subquery = format!("(SELECT r.v FROM r WHERE {condition})");
        for (op, compare) in OPERATORS {
            let quantified = |(k, v): &(Number, Number), all: bool| {
                let left = of(*v);
                let each = subquery_values(*k).map(|c| Some(compare(left?, c?)));
                if all { not(any(each.map(not))) } else { any(each) }
            };
            for (quantifier, all) in [("ANY", false), ("ALL", true)] {
                let expected = LEFT.iter().map(|row| quantified(row, all)).collect();
                cases.push(Case { sql: format!("{left} {op} {quantifier} {subquery}"), expected });
            }
        }
        let is_in = |(k, v): &(Number, Number)| any(subquery_values(*k).map(|c| equal(of(*v), c)));
        cases.push(Case { sql: format!("{left} IN {subquery}"), expected: LEFT.iter().map(is_in).collect() });
        let not_in = |row: &(Number, Number)| not(is_in(row));
        cases.push(Case { sql: format!("{left} NOT IN {subquery}"), expected: LEFT.iter().map(not_in).collect() });
        let exists = |(k, _): &(Number, Number)| Some(subquery_values(*k).next().is_some());
        cases.push(Case { sql: format!("EXISTS {subquery}"), expected: LEFT.iter().map(exists).collect() });
        let count = |(k, _): &(Number, Number)| Some(subquery_values(*k).count() > 1);
        let counted = format!("(SELECT count(*) FROM r WHERE {condition}) > 1");
        cases.push(Case { sql: counted, expected: LEFT.iter().map(count).collect() });
        // An aggregate returns a row for empty input.
        let has_row = format!("EXISTS (SELECT max(r.v) FROM r WHERE {condition})");
        cases.push(Case { sql: has_row, expected: vec![Some(true); LEFT.len()] });
        let greatest = |(k, v): &(Number, Number)| Some(of(*v)? >= subquery_values(*k).flatten().max()?);
        let max = format!("{left} >= ALL (SELECT max(r.v) FROM r WHERE {condition})");
        cases.push(Case { sql: max, expected: LEFT.iter().map(greatest).collect() });
    }
    cases
}

/// A statement that returns, for each row of l, the predicate's value and whether a CASE takes it for true.
fn statement(tables: &str, predicate: &str) -> String {
    let mut sql = format!("WITH {tables}");
    write!(sql, " SELECT l.k, l.v, {predicate} AS p, CASE WHEN {predicate} THEN 1 ELSE 0 END AS c FROM l").unwrap();
    sql
}

#[tokio::test]
async fn a_predicate_has_the_value_of_the_oracle() {
    let stage = Stage::new(&[]).await;
    let mut compared = 0;
    for r in [&NULLS[..], &NO_NULLS, &ONLY_NULLS, &[]] {
        let tables = format!("{}, {}", relation("l", &LEFT), relation("r", r));
        let lefts: [(&str, Left); 3] = [("l.v", |v| v), ("2", |_| Some(2)), ("CAST(NULL AS BIGINT)", |_| None)];
        for (left, of) in lefts {
            for Case { sql, expected } in cases(r, left, of) {
                let rows = values(&stage, &statement(&tables, &sql)).await;
                assert_eq!(rows.len(), LEFT.len(), "{sql}");
                let found = |(k, v): &(Number, Number)| {
                    let row = rows.iter().find(|row| row[0] == json!(k) && row[1] == json!(v));
                    row.map(|row| (row[2].clone(), row[3].clone())).unwrap()
                };
                for (row, expected) in LEFT.iter().zip(expected) {
                    let wanted: (Value, Value) = (json!(expected), json!(i64::from(expected == Some(true))));
                    assert_eq!(found(row), wanted, "{sql} for {row:?}, r = {r:?}");
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 600, "{compared}");
}

#[tokio::test]
async fn a_where_keeps_the_rows_for_which_a_predicate_is_true() {
    let stage = Stage::new(&[]).await;
    let tables = format!("{}, {}", relation("l", &LEFT), relation("r", &NULLS));
    for Case { sql, expected } in cases(&NULLS, "l.v", |v| v) {
        for (position, keeps) in [
            (sql.clone(), expected.iter().filter(|truth| **truth == Some(true)).count()),
            (format!("NOT ({sql})"), expected.iter().filter(|truth| **truth == Some(false)).count()),
            (format!("({sql}) IS NULL"), expected.iter().filter(|truth| truth.is_none()).count()),
            (
                format!("l.v = 9 OR ({sql})"),
                LEFT.iter().zip(&expected).filter(|(row, truth)| row.1 == Some(9) || **truth == Some(true)).count(),
            ),
            (
                format!("l.k IS NOT NULL AND ({sql})"),
                LEFT.iter().zip(&expected).filter(|(row, truth)| row.0.is_some() && **truth == Some(true)).count(),
            ),
        ] {
            let rows = values(&stage, &format!("WITH {tables} SELECT l.k FROM l WHERE {position}")).await;
            assert_eq!(rows.len(), keeps, "{position}");
        }
    }
}

#[tokio::test]
async fn a_subquery_may_read_the_table_of_the_outer_query() {
    let stage = Stage::new(&[]).await;

    let largest = "SELECT name FROM images WHERE size_gigabytes >= ALL (SELECT size_gigabytes FROM images WHERE \
                   size_gigabytes IS NOT NULL)";
    assert_eq!(values(&stage, largest).await.len(), 1);
    let others = "SELECT count(*) FROM images WHERE id <> ANY (SELECT id FROM images)";
    assert_eq!(values(&stage, others).await, [[json!(41)]]);
}

#[tokio::test]
async fn a_subquery_that_may_return_different_rows_is_not_read_twice() {
    let stage = Stage::new(&[]).await;

    let twice = "SELECT x FROM (VALUES (1), (NULL)) t(x) WHERE (x IN (SELECT d.id FROM droplets d WHERE d.id > x + \
                 random())) IS NULL";
    let report = stage.error(twice).await.report();
    assert!(report.contains("different rows each time") && report.contains("hint: "), "{report}");
    // The aggregates of its rows are enough, so it is read once.
    let once = "SELECT count(*) FROM images WHERE (id > ALL (SELECT d.id FROM droplets d LIMIT 3)) IS NULL";
    assert_eq!(values(&stage, once).await, [[json!(0)]]);
}

const COUNTED: &str = "WITH l(a, b) AS (VALUES (1, 10), (2, 20), (3, NULL), (NULL, 40), (0, 10)), \
                       r(c, d) AS (VALUES (1, 10), (1, 10), (2, 10), (NULL, 10), (3, 20), (0, 40), (1, NULL)), \
                       s(e, f) AS (VALUES (1, 1), (1, 2), (NULL, 3), (3, 5))";

#[tokio::test]
async fn counted_rows_are_returned_as_often_as_in_the_subquery() {
    let stage = Stage::new(&[]).await;
    for (sql, expected) in [
        (
            "SELECT a FROM l WHERE EXISTS (SELECT c FROM r WHERE r.d = l.b INTERSECT SELECT CAST(NULL AS BIGINT)) ORDER BY a",
            json!([[0], [1]]),
        ),
        (
            "SELECT a FROM l WHERE a NOT IN (SELECT c FROM r WHERE r.d = l.b AND EXISTS (SELECT 1 FROM s)) ORDER BY a",
            json!([[2], [3]]),
        ),
        ("SELECT a, (SELECT count(*) FROM r WHERE r.d < l.b) AS n FROM l WHERE a = 2", json!([[2, 4]])),
        (
            "SELECT a, (SELECT sum(r.d * l.b) FROM r) AS n FROM l ORDER BY a",
            json!([[0, 1000], [1, 1000], [2, 2000], [3, null], [null, 4000]]),
        ),
        (
            "SELECT a, (SELECT count(*) FILTER (WHERE r.d > l.b) FROM r WHERE r.c >= l.a) AS n FROM l ORDER BY a",
            json!([[0, 2], [1, 1], [2, 0], [3, 0], [null, 0]]),
        ),
        ("SELECT a FROM l WHERE a IN (SELECT max(c) FROM r WHERE r.d = l.b HAVING count(*) > 1)", json!([])),
        (
            "SELECT a FROM l WHERE EXISTS (SELECT c FROM (SELECT DISTINCT c, d FROM r WHERE r.d = l.b) q GROUP BY c \
             HAVING count(*) > 1)",
            json!([]),
        ),
    ] {
        assert_eq!(json!(values(&stage, &format!("{COUNTED} {sql}")).await), expected, "{sql}");
    }
}

#[tokio::test]
async fn a_lateral_table_returns_its_rows_for_each_outer_row() {
    let stage = Stage::new(&[]).await;
    for (sql, expected) in [
        (
            "SELECT a, t.c FROM l, LATERAL (SELECT DISTINCT c FROM r WHERE r.d = l.b) t WHERE a = 1 ORDER BY c",
            json!([[1, 1], [1, 2], [1, null]]),
        ),
        (
            "SELECT a, t.n FROM l, LATERAL (SELECT count(*) AS n FROM r WHERE r.d < l.b) t ORDER BY a",
            json!([[0, 0], [1, 0], [2, 4], [3, 0], [null, 5]]),
        ),
        (
            "SELECT a, t.n FROM l, LATERAL (SELECT count(*) AS n FROM r WHERE r.d = l.b HAVING count(*) > 1) t ORDER BY a",
            json!([[0, 4], [1, 4]]),
        ),
        (
            "SELECT a, t.m, t.n FROM l LEFT JOIN LATERAL (SELECT max(c) AS m, count(*) + 1 AS n FROM r WHERE r.d = l.b) t \
          ON t.n > 2 ORDER BY a",
            json!([[0, 2, 5], [1, 2, 5], [2, null, null], [3, null, null], [null, null, null]]),
        ),
        (
            "SELECT a, t.x FROM l, LATERAL (SELECT l.a + r.c AS x FROM r WHERE r.d > l.b) t ORDER BY a, x",
            json!([[0, 0], [0, 3], [1, 1], [1, 4], [2, 2]]),
        ),
        (
            "SELECT a, t.x FROM l LEFT JOIN LATERAL (SELECT l.a AS x, r.d FROM r WHERE r.c = l.a) t ON t.d < 20 ORDER BY a",
            json!([[0, null], [1, 1], [1, 1], [2, 2], [3, null], [null, null]]),
        ),
        (
            "SELECT a, t.x, u.y FROM l, LATERAL (SELECT l.a + l.b AS x) t, LATERAL (SELECT t.x * l.a AS y) u WHERE a = 2",
            json!([[2, 22, 44]]),
        ),
        (
            "SELECT a, t.k FROM l, LATERAL (SELECT e, count(*) AS k FROM s WHERE s.e = l.a GROUP BY e) t ORDER BY a",
            json!([[1, 2], [3, 1]]),
        ),
        (
            "SELECT count(*) FROM l JOIN LATERAL (SELECT l.b + r.d AS v FROM r) t ON (t.v NOT IN (SELECT e FROM s)) IS NULL",
            json!([[35]]),
        ),
        (
            "SELECT count(*) FROM l JOIN LATERAL (SELECT r.c AS v FROM r WHERE r.d = l.b) t ON EXISTS (SELECT 1 FROM s \
          WHERE s.e = t.v)",
            json!([[5]]),
        ),
        (
            "SELECT count(*) FILTER (WHERE x <= 0.5) FROM l JOIN LATERAL (SELECT random() + 0 * l.a AS x FROM r) t ON \
          t.x > 0.5",
            json!([[0]]),
        ),
        (
            "SELECT a, (SELECT count(*) FROM r WHERE r.d < l.b) AS n FROM l WHERE (b IN (SELECT f FROM s)) IS NULL",
            json!([[3, 0]]),
        ),
        (
            "SELECT a FROM l WHERE EXISTS (SELECT 1 FROM s, LATERAL (SELECT 1 AS y FROM r WHERE r.c = s.e AND r.d = l.b) t) \
          ORDER BY a",
            json!([[0], [1], [2]]),
        ),
    ] {
        assert_eq!(json!(values(&stage, &format!("{COUNTED} {sql}")).await), expected, "{sql}");
    }
}

#[tokio::test]
async fn a_subquery_whose_rows_a_join_would_duplicate_is_rejected_with_a_hint() {
    let stage = Stage::new(&[]).await;
    for sql in [
        "SELECT (SELECT count(*) FROM r WHERE r.c IN (SELECT e FROM s WHERE s.f < l.b)) FROM l",
        "SELECT (SELECT count(*) FROM (SELECT DISTINCT c, d FROM r WHERE r.d < l.b) q) FROM l",
        "SELECT (SELECT count(*) + l.b FROM r WHERE r.d = l.b) FROM l",
        "SELECT * FROM l, LATERAL (SELECT DISTINCT c FROM r WHERE r.d < l.b) t",
        "SELECT (SELECT sum(l.b) FROM r) FROM l",
        "SELECT * FROM l, LATERAL (SELECT sum(l.b) AS n) t",
        "SELECT * FROM l, LATERAL (SELECT row_number() OVER () AS n FROM r WHERE r.d = l.b) t",
        "SELECT * FROM l, LATERAL (SELECT c FROM r WHERE r.d = l.b ORDER BY c LIMIT 1) t",
    ] {
        let report = stage.error(&format!("{COUNTED} {sql}")).await.report();
        assert!(report.contains("cannot be turned into a join") && report.contains("hint: "), "{sql}: {report}");
    }
}
