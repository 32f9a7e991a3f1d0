//! Parameters: their types, and the values that can be bound.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DurationMicrosecondArray, Float64Array, Int32Array,
    Int64Array, NullArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::DataType;
use futures::TryStreamExt;
use oceanflight::engine::Principal;
use serde_json::{Value, json};

use crate::support::{Stage, json as rows_of};

/// The values of the first column of the result of `sql` with `value` bound.
async fn bound(stage: &Stage, sql: &str, value: ArrayRef) -> Result<Vec<Value>, String> {
    let row = RecordBatch::try_from_iter_with_nullable([("0", value, true)]).unwrap();
    let rows = async {
        let answer = stage.engine.run(&Principal::local(), sql, Some(&row)).await?;
        answer.rows.try_collect::<Vec<_>>().await
    };
    let rows = rows.await.map_err(|error| error.report())?;
    let name = |rows: &RecordBatch| rows.schema().field(0).name().clone();
    Ok(rows.iter().flat_map(|rows| rows_of(rows).into_iter().map(|row| row[name(rows)].clone())).collect())
}

fn number(value: i64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![value]))
}

fn text(value: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

fn float(value: f64) -> ArrayRef {
    Arc::new(Float64Array::from(vec![value]))
}

fn decimal(value: i128) -> ArrayRef {
    Arc::new(Decimal128Array::from(vec![value]).with_precision_and_scale(10, 3).unwrap())
}

/// 2020-01-01 05:00
fn time() -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(vec![1_577_854_800_000_000]))
}

#[tokio::test]
async fn a_parameter_takes_the_type_of_its_place() {
    let stage = Stage::new(&[]).await;
    for (sql, expected) in [
        ("SELECT CAST(? AS BIGINT)", DataType::Int64),
        ("SELECT coalesce(?, id) FROM images", DataType::Int64),
        ("SELECT nullif(?, name) FROM images", DataType::Utf8),
        ("SELECT round(?, 2)", DataType::Float64),
        ("SELECT -?", DataType::Float64),
        ("SELECT sum(?) FROM images", DataType::Float64),
        ("SELECT ? + 1", DataType::Int64),
        ("SELECT 1 UNION ALL SELECT ?", DataType::Int64),
        ("SELECT lag(id, ?) OVER () FROM images", DataType::Int64),
        ("SELECT lag(name, 1, ?) OVER () FROM images", DataType::Utf8),
        ("SELECT id FROM images WHERE size_gigabytes > ?", DataType::Float64),
        ("SELECT id FROM images WHERE array_has(tags, ?)", DataType::Utf8),
        ("SELECT CASE WHEN ? THEN 1 ELSE 2 END", DataType::Boolean),
        ("SELECT id FROM images WHERE id IN (1, ?)", DataType::Int64),
        ("SELECT id FROM images WHERE id BETWEEN 1 AND ?", DataType::Int64),
        ("SELECT id FROM images LIMIT ?", DataType::Int64),
        ("EXPLAIN SELECT id FROM images WHERE id = ?", DataType::Int64),
        ("SELECT ?", DataType::Utf8),
        ("SELECT TRY_CAST(? AS BIGINT)", DataType::Utf8),
    ] {
        let prepared = stage
            .engine
            .prepare(&Principal::local(), sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {}", error.report()));
        assert_eq!(prepared.parameters.field(0).data_type(), &expected, "{sql}");
    }
}

#[tokio::test]
async fn a_bound_value_is_not_changed() {
    let stage = Stage::new(&[]).await;
    for (sql, value, expected) in [
        ("SELECT CAST(? AS BIGINT)", text("5"), json!(5)),
        ("SELECT CAST(? AS INT)", float(5.0), json!(5)),
        ("SELECT CAST(? AS DOUBLE)", number(5), json!(5.0)),
        ("SELECT round(?, 2)", float(1.237), json!(1.24)),
        ("SELECT CAST(? AS VARCHAR)", float(5.5), json!("5.5")),
        ("SELECT CAST(? AS DECIMAL(10, 2))", decimal(1_500), json!(1.5)),
        ("SELECT CAST(? AS TIMESTAMP)", text("2020-01-01 05:00"), json!("2020-01-01T05:00:00")),
        ("SELECT CAST(? AS TIMESTAMP)", time(), json!("2020-01-01T05:00:00")),
        (
            "SELECT CAST(? AS TIMESTAMP)",
            Arc::new(Date32Array::from(vec![18_262])) as ArrayRef,
            json!("2020-01-01T00:00:00"),
        ),
        ("SELECT coalesce(?, 7)", Arc::new(Int32Array::from(vec![None])) as ArrayRef, json!(7)),
        ("SELECT TRY_CAST(? AS BIGINT)", text("abc"), json!(null)),
        ("SELECT count(*) > 900 FROM account.actions WHERE started_at > now() - ?", text("36500 days"), json!(true)),
        ("SELECT CAST(? AS BIGINT)", Arc::new(NullArray::new(1)) as ArrayRef, json!(null)),
        ("SELECT ?", number(7), json!("7")),
        ("SELECT CAST(? AS DECIMAL(10, 2))", decimal(1_555), json!(1.56)),
        ("SELECT ?::DECIMAL(10, 2)", text("1.555"), json!(1.56)),
        ("SELECT CAST(1.5 AS DECIMAL(10, 2)) = ?", text("1.500"), json!(true)),
        ("SELECT CAST(? AS DOUBLE) = 0.1", text("0.1"), json!(true)),
        ("SELECT CAST(? AS REAL) = CAST(0.1 AS REAL)", float(0.1), json!(true)),
        ("SELECT CAST(? AS REAL) = CAST(0.1 AS REAL)", text("0.1"), json!(true)),
        // Like `real = double precision` in Postgres, and like DataFusion's comparison with a literal 0.1.
        ("SELECT CAST(0.1 AS REAL) = ?", float(0.1), json!(false)),
        ("SELECT CAST(0.5 AS REAL) = ?", float(0.5), json!(true)),
        ("SELECT CAST(0.1 AS REAL) = ?", float(f64::from(0.1_f32)), json!(true)),
        ("SELECT CAST(? AS TIMESTAMP)", text("2020-01-01T05:00:00.0000000000"), json!("2020-01-01T05:00:00")),
        ("SELECT CAST(? AS TIME)", text("12:00"), json!("12:00:00")),
        ("SELECT now() - ? < now()", Arc::new(Int64Array::from(vec![None])) as ArrayRef, json!(null)),
        (
            "SELECT count(*) > 900 FROM account.actions WHERE started_at > now() - ?",
            Arc::new(DurationMicrosecondArray::from(vec![3_000_000_000_000_000])) as ArrayRef,
            json!(true),
        ),
    ] {
        assert_eq!(bound(&stage, sql, value).await, Ok(vec![expected]), "{sql}");
    }
}

#[tokio::test]
async fn a_value_that_does_not_fit_its_type_is_rejected() {
    let stage = Stage::new(&[]).await;
    for (sql, value, problem) in [
        ("SELECT CAST(? AS BIGINT)", float(5.5), "fraction"),
        ("SELECT CAST(? AS SMALLINT)", number(70_000), "70000"),
        ("SELECT CAST(? AS DATE)", time(), "time of day"),
        ("SELECT CAST(? AS DATE)", text("2020-01-01 05:00:00"), "time of day"),
        ("SELECT CAST(? AS BIGINT)", time(), "Timestamp"),
        ("SELECT CAST(? AS TIMESTAMP)", number(1_577_854_800), "Int64"),
        ("SELECT CAST(? AS BIGINT)", Arc::new(BooleanArray::from(vec![true])) as ArrayRef, "Boolean"),
        ("SELECT now() - ? < now()", number(60), "Int64"),
        ("SELECT CAST(1 AS DECIMAL(10, 2)) = ?", decimal(1_555), "more than 2 decimals"),
        ("SELECT CAST(1 AS DECIMAL(10, 2)) = ?", text("1.555"), "more than 2 decimals"),
        ("SELECT coalesce(?, CAST(1 AS DECIMAL(10, 2)))", float(1.555), "more than 2 decimals"),
        ("SELECT CAST($1 AS DECIMAL(10, 2)) = 1 AND CAST(1 AS DECIMAL(10, 2)) = $1", text("1.555"), "decimals"),
        ("SELECT CAST(? AS DOUBLE)", number((1 << 53) + 1), "more digits"),
        ("SELECT CAST(? AS REAL)", float(1e300), "too large"),
        ("SELECT CAST(? AS REAL)", float(1e-300), "too small"),
        ("SELECT CAST(? AS REAL)", text("1e40"), "too large"),
        ("SELECT CAST(? AS DOUBLE)", text("1e400"), "too large"),
        ("SELECT CAST(? AS TIMESTAMP)", text("2020-01-01T00:00:00.1234567891"), "9 decimals of a second"),
        ("SELECT CAST(? AS TIMESTAMP(3))", text("2020-01-01T00:00:00.1234"), "3 decimals of a second"),
        ("SELECT id FROM images WHERE created_at > ?", text("2020-01-01T00:00:00.1234567891Z"), "decimals of a second"),
        ("SELECT CAST(? AS TIME)", text("12:00:00.1234567891"), "9 decimals of a second"),
        ("SELECT CAST(? AS TIME)", text("23:59:60"), "a day ends"),
        ("SELECT CAST(? AS BIGINT)", text("abc"), "abc"),
    ] {
        let report = bound(&stage, sql, value).await.unwrap_err();
        assert!(report.contains(problem) && report.contains("parameter 1"), "{sql}: {report}");
    }
}

#[tokio::test]
async fn an_interval_without_units_is_rejected_with_a_hint() {
    let stage = Stage::new(&[]).await;
    for sql in ["SELECT CAST(? AS INTERVAL)", "SELECT INTERVAL ?", "SELECT ?::INTERVAL", "SELECT now() - ? < now()"] {
        for value in [text("5"), text("1 day 2"), text("-1.5"), number(5), float(5.5), text("1.55 years"), text("soon")]
        {
            let report = bound(&stage, sql, value).await.unwrap_err();
            assert!(report.contains("parameter 1") && report.contains("hint: bind a duration"), "{sql}: {report}");
        }
        assert!(bound(&stage, sql, text("5 days")).await.is_ok(), "{sql}");
        assert!(bound(&stage, sql, Arc::new(DurationMicrosecondArray::from(vec![5]))).await.is_ok(), "{sql}");
    }
}

#[tokio::test]
async fn a_parameter_in_a_place_that_needs_a_literal_is_rejected_with_a_hint() {
    let stage = Stage::new(&[]).await;
    for (sql, place) in [
        ("SELECT arrow_cast(1, ?)", "a type"),
        ("SELECT date_part(?, now())", "part of a time"),
        ("SELECT EXTRACT(? FROM now())", "date/time field, found: ?"),
        ("SELECT CAST(1 AS ?)", "found: ?"),
        ("SELECT now() AT TIME ZONE ?", "a time zone"),
        ("SELECT name FROM images ORDER BY ?", "ORDER BY"),
        ("SELECT rank() OVER (ORDER BY ?) FROM images", "ORDER BY"),
        ("SELECT count(*) FROM images GROUP BY ?", "GROUP BY"),
        ("SELECT grouping(?) FROM images GROUP BY name", "GROUP BY"),
        ("SELECT DISTINCT ON (?) name FROM images", "DISTINCT ON"),
        ("SELECT name LIKE 'a' ESCAPE ? FROM images", "ESCAPE"),
        ("SELECT sum(id) OVER (ORDER BY id ROWS ? PRECEDING) FROM images", "window frame"),
        ("SELECT sum(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND ? FOLLOWING) FROM images", "window frame"),
        ("SELECT * FROM unnest(?)", "a list"),
        ("SELECT unnest(?)", "a list"),
        ("SELECT * FROM generate_series(DATE '2020-01-01', ?, INTERVAL '1 day')", "table function"),
        ("SELECT * FROM generate_series(1, ? + 1)", "table function"),
        ("SELECT * FROM no_such_function(?)", "table function"),
        ("SELECT now() - INTERVAL ? DAY TO SECOND", "INTERVAL"),
        ("SELECT now() - INTERVAL ? * 2", "INTERVAL"),
        ("SELECT now() - INTERVAL '1 day' * (? / 2.0)", "INTERVAL"),
        ("SELECT now() - (CASE WHEN ? THEN 1.9 ELSE 2.9 END) * INTERVAL '1 day'", "INTERVAL"),
        ("SELECT id FROM images LIMIT (SELECT ?)", "a subquery in LIMIT"),
        ("SELECT id FROM images TABLESAMPLE (?)", "TABLESAMPLE"),
    ] {
        let report = match stage.engine.prepare(&Principal::local(), sql).await {
            Ok(_) => panic!("{sql}: no error"),
            Err(error) => error.report(),
        };
        assert!(report.contains(place) && report.contains("hint: "), "{sql}: {report}");
        for inside in ["nternal", "laceholder", "$1\"", "$1()", "implemented", "Function", "ident"] {
            assert!(!report.contains(inside), "{sql}: {report}");
        }
    }
}

#[tokio::test]
async fn a_parameter_works_in_a_place_that_can_be_rewritten() {
    let stage = Stage::new(&[]).await;
    let days = "SELECT TIMESTAMP '2020-01-10 00:00:00' - ";
    let january = |day: u8| json!(format!("2020-01-{day:02}T00:00:00"));
    for (sql, value, expected) in [
        (format!("{days} INTERVAL ?"), text("5 days"), vec![january(5)]),
        (format!("{days} INTERVAL ? DAY"), number(5), vec![january(5)]),
        (format!("{days} INTERVAL ? DAYS"), text("5"), vec![january(5)]),
        (format!("{days} INTERVAL '1 day' * ?"), number(5), vec![january(5)]),
        (format!("{days} ? * INTERVAL '1' DAY"), number(-5), vec![january(15)]),
        (format!("{days} INTERVAL '1 day 12 hours' * ?"), number(2), vec![january(7)]),
        ("SELECT {fn TIMESTAMPADD(SQL_TSI_DAY, 1, ?)}".into(), text("2020-01-05 00:00"), vec![january(6)]),
        ("SELECT {fn TIMESTAMPADD(SQL_TSI_DAY, ?, DATE '2020-01-05')}".into(), number(1), vec![january(6)]),
        ("SELECT {fn TIMESTAMPDIFF(SQL_TSI_DAY, ?, DATE '2020-01-05')}".into(), text("2020-01-01"), vec![json!(4)]),
        ("SELECT DATE '2020-01-05' + ?".into(), text("1 day"), vec![json!("2020-01-06")]),
        (format!("{days} INTERVAL ? DAY"), Arc::new(NullArray::new(1)) as ArrayRef, vec![json!(null)]),
        ("SELECT DATE ?".into(), text("2020-01-05"), vec![json!("2020-01-05")]),
        ("SELECT TIMESTAMP ?".into(), text("2020-01-05 00:00"), vec![january(5)]),
        ("SELECT * FROM generate_series(1, ?)".into(), number(3), vec![json!(1), json!(2), json!(3)]),
        ("SELECT t.value FROM generate_series(3, 1, ?) t".into(), number(-2), vec![json!(3), json!(1)]),
        ("SELECT t.x FROM range(1, ?) AS t(x)".into(), number(3), vec![json!(1), json!(2)]),
        ("SELECT * FROM generate_series(?)".into(), number(1), vec![json!(0), json!(1)]),
        ("SELECT * FROM generate_series(1, ?)".into(), Arc::new(NullArray::new(1)) as ArrayRef, vec![]),
        ("SELECT x FROM (VALUES (7), (8)) t(x) LIMIT CAST(? AS INT)".into(), number(1), vec![json!(7)]),
        ("SELECT x FROM (VALUES (7), (8)) t(x) OFFSET ? ROWS FETCH NEXT 1 ROWS ONLY".into(), number(1), vec![json!(8)]),
        ("SELECT x FROM (VALUES (7), (8)) t(x) FETCH FIRST ? ROWS ONLY".into(), number(1), vec![json!(7)]),
    ] {
        assert_eq!(bound(&stage, &sql, value).await, Ok(expected), "{sql}");
    }
}

#[tokio::test]
async fn a_limit_is_a_whole_number_from_zero() {
    let stage = Stage::new(&[]).await;
    for (clause, value, problem) in [
        ("LIMIT ?", number(-1), "'-1'"),
        ("OFFSET ?", number(-1), "'-1'"),
        ("FETCH FIRST ? ROWS ONLY", number(-1), "'-1'"),
        ("LIMIT ?", float(1.5), "fraction"),
        ("LIMIT ?", text("all"), "'all'"),
    ] {
        let report = bound(&stage, &format!("SELECT 1 {clause}"), value).await.unwrap_err();
        assert!(report.contains(problem), "{clause}: {report}");
    }
}

#[tokio::test]
async fn a_number_is_not_compared_as_text() {
    let stage = Stage::new(&[]).await;
    let row = |sql: &str| {
        let columns = [("0", number(10), true), ("1", number(9), true)];
        let row = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let (engine, sql) = (stage.engine.clone(), sql.to_owned());
        async move { engine.ticket(&Principal::local(), &sql, Some(&row)).await.err().map(|error| error.report()) }
    };

    for sql in ["SELECT ? < ?", "SELECT greatest(?, ?)", "SELECT max(x) FROM (VALUES (?), (?)) t(x)"] {
        let report = row(sql).await.unwrap_or_else(|| panic!("{sql}: no error"));
        assert!(report.contains("CAST(? AS"), "{sql}: {report}");
    }
    assert_eq!(row("SELECT CAST(? AS BIGINT) < ?").await, None);
}

#[tokio::test]
async fn a_parameter_of_two_types_is_rejected() {
    let stage = Stage::new(&[]).await;

    let report = stage
        .engine
        .prepare(&Principal::local(), "SELECT CAST($1 AS DATE), CAST($1 AS TIMESTAMP)")
        .await
        .unwrap_err()
        .report();

    assert!(report.contains("two different types") && report.contains("hint: "), "{report}");
    assert!(stage.engine.prepare(&Principal::local(), "SELECT $1 IS NULL OR id = $1 FROM images").await.is_ok());
}

#[tokio::test]
async fn several_rows_are_several_results_one_after_another() {
    let stage = Stage::new(&[]).await;

    let rows = bound(&stage, "SELECT x FROM (VALUES (?), (10)) t(x)", Arc::new(Int64Array::from(vec![1, 2, 3]))).await;

    assert_eq!(rows.unwrap(), [json!(1), json!(10), json!(2), json!(10), json!(3), json!(10)]);
    let requests = bound(
        &stage,
        "SELECT id FROM images WHERE id = ?",
        Arc::new(Int64Array::from(vec![62_137_902, 5, 62_137_904])),
    );
    assert_eq!(requests.await.unwrap(), [json!(62_137_902), json!(62_137_904)]);
    assert_eq!(stage.requests(), ["GET /v2/images/62137902", "GET /v2/images/5", "GET /v2/images/62137904"]);
}

#[tokio::test]
async fn no_request_is_sent_if_one_of_several_rows_is_wrong() {
    let stage = Stage::new(&[]).await;

    let report =
        bound(&stage, "SELECT id FROM images WHERE id = ?", Arc::new(StringArray::from(vec!["62137902", "x"])));

    assert!(report.await.unwrap_err().contains("parameter 1"));
    assert!(stage.requests().is_empty());
}
