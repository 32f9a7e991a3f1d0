//! EXEC as an update: returns a count, and runs once for each bound row.

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow_flight::sql::{CommandPreparedStatementUpdate, CommandStatementUpdate, DoPutUpdateResult};
use prost::Message;

use super::*;
use crate::flight::{Running, number, prepared, row, serve, text};
use oceanflight::engine::Principal;

const EACH: &str = "EXEC images.transfer @image_id=?, @region=?";

async fn put(server: &Running, sql: &str, rows: RecordBatch) -> Result<i64, tonic::Status> {
    let prepared_statement_handle = server.handle(sql).await;
    let command = CommandPreparedStatementUpdate { prepared_statement_handle };
    let answer = server.put(&command, rows).await?;
    Ok(DoPutUpdateResult::decode(answer).unwrap().record_count)
}

async fn update(server: &Running, sql: &str) -> Result<i64, tonic::Status> {
    let command = CommandStatementUpdate { query: sql.to_owned(), transaction_id: None };
    let answer = server.put(&command, RecordBatch::new_empty(arrow::datatypes::Schema::empty().into())).await?;
    Ok(DoPutUpdateResult::decode(answer).unwrap().record_count)
}

/// Transfers of one image to each of the regions.
fn to(regions: &[&str]) -> RecordBatch {
    let images: ArrayRef = Arc::new(Int64Array::from(vec![62_137_902; regions.len()]));
    row(vec![images, Arc::new(StringArray::from(regions.to_vec()))])
}

/// The regions of the image's latest actions, newest first.
fn newest(stage: &Stage, count: usize) -> Vec<String> {
    stage.actions(IMAGE)[..count].iter().map(|action| action["region_slug"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_update_without_parameters_counts_one_each_time() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;

    assert_eq!(update(&server, TRANSFER).await.unwrap(), 1);
    assert_eq!(update(&server, TRANSFER).await.unwrap(), 1);

    assert_eq!(stage.posts(), 2);
}

#[tokio::test]
async fn each_bound_row_is_an_execution_in_its_order() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;

    assert_eq!(put(&server, EACH, to(&["sfo3", "ams3", "lon1"])).await.unwrap(), 3);

    assert_eq!(stage.posts(), 3);
    assert_eq!(newest(&stage, 3), ["lon1", "ams3", "sfo3"]);
}

#[tokio::test]
async fn the_first_failure_stops_and_names_the_executed_rows() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;

    // The image is in nyc3 already, so the API rejects it.
    let refused = put(&server, EACH, to(&["sfo3", "ams3", "nyc3", "lon1"])).await.unwrap_err();

    let ids: Vec<_> = stage.actions(IMAGE)[..2].iter().map(|action| action["id"].clone()).collect();
    let expected = format!(
        "; done before it: id {}, id {}; the rows after it were not sent\n\
         hint: the rows before it are done: bind only the rows from 3 on",
        ids[1], ids[0]
    );
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert!(refused.message().starts_with("row 3 of 4: DigitalOcean rejected POST "), "{refused}");
    assert!(refused.message().ends_with(&expected), "{refused}");
    assert_eq!((stage.posts(), stage.requests().len()), (2, 3));
}

#[tokio::test]
async fn a_lost_response_in_the_middle_stops_too() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;
    stage.inject("POST ** skip=1 times=1 reset-after");

    let refused = put(&server, EACH, to(&["sfo3", "ams3", "lon1"])).await.unwrap_err();

    assert_eq!(refused.code(), tonic::Code::Unknown);
    assert!(refused.message().starts_with("row 2 of 3: POST /v2/images/62137902/actions may have"), "{refused}");
    assert!(refused.message().contains("hint: check before retrying: SELECT"), "{refused}");
    assert!(refused.message().ends_with("; the rows before row 2 are done, too: do not bind them again"), "{refused}");
    assert_eq!(stage.posts(), 2);
}

#[tokio::test]
async fn a_half_executed_batch_has_no_hint_to_retry_it() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;
    stage.inject("POST ** skip=1 status=429");

    let half = put(&server, EACH, to(&["sfo3", "ams3"])).await.unwrap_err();
    let none = put(&server, EACH, to(&["lon1", "blr1"])).await.unwrap_err();

    assert_eq!((half.code(), none.code()), (tonic::Code::FailedPrecondition, tonic::Code::ResourceExhausted));
    assert!(half.message().contains("hint: the rows before it are done"), "{half}");
    assert!(!none.message().contains("are done"), "{none}");
}

#[tokio::test]
async fn a_mistake_in_the_last_row_is_an_error_before_the_first_is_sent() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;
    let images: ArrayRef = Arc::new(StringArray::from(vec!["62137902", "x"]));
    let regions: ArrayRef = Arc::new(StringArray::from(vec!["sfo3", "ams3"]));

    let refused = put(&server, EACH, row(vec![images, regions])).await.unwrap_err();

    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert!(stage.requests().is_empty());
}

#[tokio::test]
async fn a_bound_value_of_another_type_is_not_cast_to_an_id() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;
    let regions = || text("sfo3");
    let values: [(ArrayRef, ArrayRef); 5] = [
        (Arc::new(BooleanArray::from(vec![true])), regions()),
        (Arc::new(Date32Array::from(vec![18_262])), regions()),
        (Arc::new(TimestampMicrosecondArray::from(vec![1_577_836_800_000_000])), regions()),
        (Arc::new(Float64Array::from(vec![62_137_902.5])), regions()),
        (number(62_137_902), number(5)),
    ];

    for (image, region) in values {
        let refused = put(&server, EACH, row(vec![Arc::clone(&image), region])).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{image:?}");
    }
    assert!(stage.requests().is_empty());
    let whole: ArrayRef = Arc::new(Float64Array::from(vec![62_137_902.0]));
    let small: ArrayRef = Arc::new(Int32Array::from(vec![62_137_902]));
    put(&server, EACH, row(vec![whole, regions()])).await.unwrap();
    put(&server, EACH, row(vec![small, text("ams3")])).await.unwrap();
    assert_eq!(stage.posts(), 2);
}

#[tokio::test]
async fn more_rows_than_allowed_are_rejected_before_the_first() {
    let stage = Stage::with_query(
        demo::Options { limits: Limits::off(), ..demo::Options::default() },
        |_| {},
        engine::Options { max_writes: 2, ..writes() },
    )
    .await;
    let server = serve(stage.engine.clone()).await;

    let refused = put(&server, EACH, to(&["sfo3", "ams3", "lon1"])).await.unwrap_err();

    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert!(refused.message().contains("query.max_writes"), "{refused}");
    assert!(stage.requests().is_empty());
    assert_eq!(put(&server, EACH, to(&["sfo3", "ams3"])).await.unwrap(), 2);
}

#[tokio::test]
async fn a_batch_without_rows_executes_nothing() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;

    assert_eq!(put(&server, EACH, to(&[])).await.unwrap(), 0);

    assert!(stage.requests().is_empty());
}

#[tokio::test]
async fn missing_values_are_rejected() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;

    let unbound = update(&server, EACH).await.unwrap_err();
    let too_few = put(&server, EACH, row(vec![number(62_137_902)])).await.unwrap_err();
    let too_many = put(&server, TRANSFER, row(vec![number(1)])).await.unwrap_err();

    for refused in [unbound, too_few, too_many] {
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
        assert!(refused.message().contains("were bound"), "{refused}");
    }
    assert!(stage.requests().is_empty());
}

#[tokio::test]
async fn a_row_that_was_bound_before_is_executed_by_an_update_without_one() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;
    let handle = server.handle(EACH).await;
    let bound = server.bind(&handle, row(vec![number(62_137_902), text("sfo3")])).await.unwrap();
    let empty = RecordBatch::new_empty(arrow::datatypes::Schema::empty().into());

    let command = CommandPreparedStatementUpdate { prepared_statement_handle: bound };
    let answer = server.put(&command, empty).await.unwrap();

    assert_eq!((DoPutUpdateResult::decode(answer).unwrap().record_count, stage.posts()), (1, 1));
}

#[tokio::test]
async fn a_bound_exec_also_runs_as_a_query() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;
    let handle = server.handle(EACH).await;
    let bound = server.bind(&handle, row(vec![number(62_137_902), text("sfo3")])).await.unwrap();

    let rows = server.ask(&prepared(&bound)).await.unwrap();

    assert_eq!((one(&rows)["region_slug"].as_str(), stage.posts()), (Some("sfo3"), 1));
}

#[tokio::test]
async fn a_query_is_rejected_as_an_update() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;

    for sql in ["SELECT id FROM images", "SHOW METHODS", &format!("EXPLAIN {TRANSFER}")] {
        let refused = update(&server, sql).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{sql}");
        assert!(refused.message().contains("hint: execute it as a query"), "{refused}");
    }
    assert!(stage.requests().is_empty());
}

#[tokio::test]
async fn a_client_that_disconnects_between_rows_leaves_the_rest_unsent() {
    let stage = stage().await;
    let gate = stage.hold("POST", "**");

    let rows = to(&["sfo3", "ams3"]);
    let principal = Principal::local();
    tokio::select! {
        _ = stage.engine.update(&principal, EACH, Some(&rows)) => panic!("nobody let it through"),
        () = stage.demo.account().received(1) => {}
    }
    gate.add_permits(100);
    stage.demo.account().idle().await;
    stage.engine.finish_writing().await;

    assert_eq!((stage.posts(), newest(&stage, 1)), (1, vec!["sfo3".to_owned()]));
}
