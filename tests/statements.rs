//! Wrong statements, statements with parameters, and the engine's list of tables.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, TimeUnit};
use futures::TryStreamExt;
use oceanflight::engine::Principal;
use oceanflight::error::Kind;

use crate::support::{Stage, integers, json, single};

#[tokio::test]
async fn a_wrong_statement_is_an_invalid_argument_with_a_hint() {
    let stage = Stage::new(&[]).await;
    let cases = [
        ("SELEC 1", "the SQL does not parse"),
        ("SELECT 1; SELECT 2", "has 2 statements"),
        ("", "no SQL statement"),
        ("SELECT * FROM image_action WHERE image_id = 1", "hint: did you mean `image_actions`?"),
        ("SELECT * FROM digitalocean.compute.imagesx", "hint: did you mean `digitalocean.compute.images`?"),
        ("SELECT * FROM nothing_like_it", "hint: `SHOW TABLES` lists them"),
        ("SELECT statuss FROM image_actions WHERE image_id = 1", "hint: did you mean `status`?"),
        ("SELECT * FROM image_actions WHERE image_idd = 1", "hint: did you mean `image_id`?"),
        ("SELECT * FROM image_actions WHERE image_id = 'abc'", "'abc'"),
        ("SELECT 1 / 0", "division by zero"),
        ("SELECT nonsense(1)", "nonsense"),
        ("CREATE TABLE t (a INT)", "CREATE TABLE datasets.public.x AS SELECT"),
        ("INSERT INTO images SELECT * FROM images", "read-only"),
        ("COPY (SELECT 1) TO 'x.csv'", "read-only"),
        ("EXPLAIN COPY (SELECT 1) TO 'x.csv'", "read-only"),
        ("SET datafusion.execution.batch_size = 1", "read-only"),
        ("SELECT * FROM '/etc/passwd'", "there is no table"),
        ("SELECT ?", "takes 1 parameters, and 0 were bound"),
        ("SELECT ?, $1", "mixes"),
    ];

    for (sql, expected) in cases {
        let error = stage.error(sql).await;
        let report = error.report();
        assert_eq!(error.kind(), Kind::InvalidArgument, "{sql}: {report}");
        assert!(report.contains(expected), "{sql}: {report}");
        assert!(report.chars().count() < 600, "{sql}: {report}");
    }
    assert!(stage.requests().is_empty());
}

fn bound(columns: Vec<ArrayRef>) -> RecordBatch {
    let names = ["0", "1", "2"];
    RecordBatch::try_from_iter_with_nullable(names.into_iter().zip(columns).map(|(name, column)| (name, column, true)))
        .unwrap()
}

async fn rows_with(stage: &Stage, sql: &str, columns: Vec<ArrayRef>) -> Vec<RecordBatch> {
    stage.engine.run(&Principal::local(), sql, Some(&bound(columns))).await.unwrap().rows.try_collect().await.unwrap()
}

#[tokio::test]
async fn parameters_are_pushed_down_for_all_bound_types() {
    let stage = Stage::new(&[]).await;
    let (image, text, small): (ArrayRef, ArrayRef, ArrayRef) = (
        Arc::new(Int64Array::from(vec![62_137_902])),
        Arc::new(StringArray::from(vec!["62137902"])),
        Arc::new(Int32Array::from(vec![62_137_902])),
    );

    for value in [image, text, small] {
        for parameter in ["?", "$1"] {
            let sql = format!("SELECT id FROM image_actions WHERE image_id = {parameter} AND action_id = 36804636");
            let rows = rows_with(&stage, &sql, vec![Arc::clone(&value)]).await;
            assert_eq!(integers(&rows[0], "id"), [36_804_636]);
            assert_eq!(stage.requests(), ["GET /v2/images/62137902/actions/36804636"]);
        }
    }
}

#[tokio::test]
async fn a_null_parameter_returns_no_rows_and_sends_no_request() {
    let stage = Stage::new(&[]).await;

    let null = Arc::new(StringArray::from(vec![None::<&str>]));
    let rows = rows_with(&stage, "SELECT id FROM image_actions WHERE image_id = ?", vec![null]).await;

    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    assert!(stage.requests().is_empty());
}

#[tokio::test]
async fn prepare_returns_the_types_of_parameters_by_position() {
    let stage = Stage::new(&[]).await;

    let prepared = stage
        .engine
        .prepare(&Principal::local(), "SELECT ?, id FROM images WHERE id = ? AND name LIKE ?")
        .await
        .unwrap();

    let fields = prepared.parameters.fields();
    assert_eq!(fields.iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert!(fields.iter().all(|field| field.is_nullable()));
    assert_eq!(fields[0].data_type(), &DataType::Utf8, "the statement does not determine the type");
    assert_eq!(fields[1].data_type(), &DataType::Int64);
    assert_eq!(fields[2].data_type(), &DataType::Utf8);
}

#[tokio::test]
async fn ten_parameters_keep_their_order() {
    let stage = Stage::new(&[]).await;
    let sql = "SELECT concat(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AS word";
    let letters = "abcdefghijk"
        .chars()
        .enumerate()
        .map(|(at, letter)| (at.to_string(), Arc::new(StringArray::from(vec![letter.to_string()])) as ArrayRef));
    let bound = RecordBatch::try_from_iter(letters.collect::<Vec<_>>()).unwrap();

    let rows: Vec<_> =
        stage.engine.run(&Principal::local(), sql, Some(&bound)).await.unwrap().rows.try_collect().await.unwrap();

    assert_eq!(json(&rows[0])[0]["word"], "abcdefghijk");
}

#[tokio::test]
async fn a_selected_parameter_of_unknown_type_is_text_in_the_result() {
    let stage = Stage::new(&[]).await;

    let prepared = stage.engine.prepare(&Principal::local(), "SELECT ? AS x").await.unwrap();

    assert_eq!(prepared.schema.field(0).data_type(), &DataType::Utf8);
    let rows = rows_with(&stage, "SELECT ? AS x", vec![Arc::new(Int64Array::from(vec![7]))]).await;
    assert_eq!(json(&rows[0])[0]["x"], "7");
}

#[tokio::test]
async fn limit_and_offset_take_parameters() {
    let stage = Stage::new(&[]).await;
    let sql = "SELECT id FROM images ORDER BY id LIMIT ? OFFSET ?";

    let rows =
        rows_with(&stage, sql, vec![Arc::new(Int64Array::from(vec![2])), Arc::new(Int32Array::from(vec![1]))]).await;

    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
}

#[tokio::test]
async fn a_column_that_is_null_only_with_a_bound_value_is_nullable() {
    let stage = Stage::new(&[]).await;
    let sql = "SELECT CASE WHEN ? = 'a' THEN slug ELSE 'none' END AS x FROM images WHERE slug IS NULL LIMIT 1";

    let rows = rows_with(&stage, sql, vec![Arc::new(StringArray::from(vec!["a"]))]).await;

    assert_eq!(json(&rows[0])[0]["x"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_scalar_subquery_without_a_row_is_null() {
    let stage = Stage::new(&[]).await;

    assert_eq!(
        json(&stage.rows("SELECT (SELECT id FROM images WHERE id = 5) AS x").await)[0]["x"],
        serde_json::Value::Null
    );
    let none = stage.rows("SELECT count(*) FROM images WHERE id = (SELECT id FROM images WHERE id = 5)").await;
    assert_eq!(single(&none), 0);
    let one = "SELECT count(*) FROM images WHERE id = (SELECT max(id) FROM images)";
    assert_eq!(single(&stage.rows(one).await), 1);
}

#[tokio::test]
async fn a_table_function_is_not_an_unknown_table() {
    let stage = Stage::new(&[]).await;

    assert_eq!(stage.rows("SELECT * FROM generate_series(1, 3)").await.num_rows(), 3);
}

#[tokio::test]
async fn the_columns_have_the_types_of_the_declaration() {
    let stage = Stage::new(&[]).await;

    let schema = stage
        .engine
        .ticket(&Principal::local(), "SELECT * FROM image_actions WHERE image_id = 1", None)
        .await
        .unwrap()
        .schema;

    let data_type = |name: &str| schema.field_with_name(name).unwrap().data_type().clone();
    assert_eq!(schema.fields().len(), 11);
    assert_eq!(data_type("id"), DataType::Int64);
    assert_eq!(data_type("started_at"), DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())));
    assert_eq!(data_type("status"), DataType::Utf8);
    assert!(matches!(data_type("region"), DataType::Struct(_)));
    assert!(stage.requests().is_empty());
}

#[tokio::test]
async fn the_list_of_tables_needs_no_request() {
    let stage = Stage::new(&[]).await;

    let tables = stage.engine.tables(&Principal::local()).await.unwrap();

    let actions = tables.iter().find(|table| table.name == "image_actions").unwrap();
    assert_eq!((actions.catalog.as_str(), actions.schema.as_str(), actions.kind), ("digitalocean", "compute", "TABLE"));
    assert!(actions.description.is_some());
    assert!(actions.columns.field(0).metadata().contains_key("description"));
    assert!(tables.iter().any(|table| table.schema == "information_schema" && table.kind == "VIEW"));
    assert_eq!(
        single(&stage.rows("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'compute'").await),
        6
    );
    assert!(stage.requests().is_empty());
}

#[tokio::test]
async fn explain_shows_the_request_and_what_is_pushed_down() {
    let stage = Stage::new(&[]).await;
    let sql = "EXPLAIN SELECT id FROM image_actions WHERE image_id IN (1, 2) AND status = 'completed' LIMIT 3";

    let plan = json(&stage.rows(sql).await).into_iter().find(|row| row["plan_type"] == "physical_plan").unwrap();

    let plan = plan["plan"].as_str().unwrap();
    let scan = plan.lines().find(|line| line.contains("ResourceScan")).unwrap().trim();
    insta::assert_snapshot!(
        scan,
        @"ResourceScan: table=digitalocean.compute.image_actions, request=GET /v2/images/{image_id}/actions, method=image_actions_list, pins=image_id in [1, 2], requests=2, and one for every further 200 rows of a list, projection=[id, status], filter=status@1 = completed, fetch=3"
    );
}
