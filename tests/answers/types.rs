//! The types of random expressions are the same as in DataFusion without this server.

use arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::prelude::{SessionConfig, SessionContext};
use fastrand::Rng;

use crate::support::Stage;
use oceanflight::engine::Principal;

/// Columns of each type. Their values are so small that no expression below overflows.
const ROWS: &str = "WITH t AS (SELECT CAST(a AS SMALLINT) AS s, CAST(a AS INT) AS i, CAST(a AS BIGINT) AS b, \
                    CAST(a AS REAL) AS r, CAST(a AS DOUBLE) AS d, CAST(a AS DECIMAL(10, 2)) AS m, \
                    CAST(a AS DECIMAL(7, 4)) AS p, CAST(a AS VARCHAR) AS t, a > 1 AS f, \
                    DATE '2024-01-01' AS y, TIMESTAMP '2024-01-01 10:00:00' AS z FROM (VALUES (1), (2), (NULL)) v(a))";

const STATEMENTS: usize = 200;

/// The kind of type that an expression must have for the function around it.
#[derive(Clone, Copy, PartialEq)]
enum Family {
    Number,
    Text,
    Truth,
    Time,
}

#[tokio::test]
async fn random_expressions_have_the_types_that_datafusion_gives_them() {
    let stage = Stage::new(&[]).await;
    let mut random = Rng::with_seed(9);
    let mut compared = 0;
    for _ in 0..STATEMENTS {
        let sql = statement(&mut random);
        // Some statements are invalid: `NULL || NULL` has no type.
        let Ok(expected) = in_process(&sql).await else { continue };
        let (prepared, sent) =
            (stage.engine.prepare(&Principal::local(), &sql).await.unwrap().schema, stage.rows(&sql).await.schema());

        let types: Vec<DataType> = sent.fields().iter().map(|field| field.data_type().clone()).collect();

        assert_eq!(prepared, sent, "{sql}");
        assert_eq!(types, expected, "{sql}");
        compared += 1;
    }
    assert!(compared > STATEMENTS / 2, "{compared}");
}

/// The types of the result's columns in DataFusion without this server.
async fn in_process(sql: &str) -> Result<Vec<DataType>> {
    let mut config = SessionConfig::new();
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    let plan = SessionContext::new_with_config(config).sql(sql).await?.create_physical_plan().await?;
    Ok(plan.schema().fields().iter().map(|field| plain(field.data_type())).collect())
}

/// The type as clients receive it: JDBC up to 18.3 and ODBC do not support Utf8View, and ODBC no column of nothing but NULL.
fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::UInt64 => DataType::Int64,
        other => other.clone(),
    }
}

fn statement(random: &mut Rng) -> String {
    let family = random.choice([Family::Number, Family::Text, Family::Truth, Family::Time]).unwrap();
    let mut columns = || (expression(random, family, 3), expression(random, Family::Number, 2));
    let ((one, two), (other, another)) = (columns(), columns());
    match random.u8(0..4) {
        0 => format!("{ROWS} SELECT {one} AS x, {two} AS y FROM t"),
        1 => format!("{ROWS} SELECT {one} AS x, {two} AS y FROM t UNION ALL SELECT {other}, {another} FROM t"),
        2 => format!("{ROWS} SELECT max({one}) AS x, sum({two}) AS y, avg({another}) AS z FROM t GROUP BY f"),
        _ => format!(
            "{ROWS} SELECT lag({one}) OVER (ORDER BY b) AS x, sum({two}) OVER (PARTITION BY f ORDER BY b) AS y FROM t"
        ),
    }
}

/// An expression of a type of this family.
fn expression(random: &mut Rng, family: Family, depth: u8) -> String {
    if depth == 0 {
        return leaf(random, family).to_owned();
    }
    let mut part = |family| expression(random, family, depth - 1);
    let (one, other, truth) = (part(family), part(family), part(Family::Truth));
    let (number, text) = (part(Family::Number), part(Family::Text));
    match (random.u8(0..6), family) {
        (0, _) => leaf(random, family).to_owned(),
        (1, _) => format!("CASE WHEN {truth} THEN {one} ELSE {other} END"),
        (2, _) => format!("coalesce({one}, {other})"),
        (3, _) => format!("nullif({one}, {other})"),
        (4, Family::Number) => format!("({one} {} {other})", random.choice(["+", "-", "*"]).unwrap()),
        (4, Family::Text) => format!("CAST({number} AS VARCHAR)"),
        (4, Family::Truth) => format!("({one} {} {other})", random.choice(["AND", "OR", "="]).unwrap()),
        (4, Family::Time) => format!("date_trunc('day', {one})"),
        (_, Family::Number) => {
            format!("CAST({one} AS {})", random.choice(["BIGINT", "DOUBLE", "DECIMAL(18, 3)"]).unwrap())
        }
        (_, Family::Text) => format!("({one} || {other})"),
        (_, Family::Truth) => format!("({number} < {number} + 1 OR {text} IS NULL)"),
        (_, Family::Time) => format!("CAST({one} AS {})", random.choice(["DATE", "TIMESTAMP"]).unwrap()),
    }
}

fn leaf(random: &mut Rng, family: Family) -> &'static str {
    let leaves: &[&str] = match family {
        Family::Number => &["s", "i", "b", "r", "d", "m", "p", "1", "2.5", "NULL"],
        Family::Text => &["t", "'a'", "NULL"],
        Family::Truth => &["f", "true", "NULL"],
        Family::Time => &["y", "z", "DATE '2024-02-02'", "NULL"],
    };
    random.choice(leaves).unwrap()
}
