//! The tour of every client, taken with arrow-flight's own client for Rust.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Int64Type, Schema, TimestampNanosecondType};
use arrow_flight::FlightInfo;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{CommandGetDbSchemas, CommandGetPrimaryKeys, CommandGetTables, SqlInfo};
use futures::TryStreamExt;
use oceanflight::engine;
use simulated_account::{self as demo, Limits};
use tonic::transport::Channel;

use crate::cancelled::no_query_runs;
use crate::flight::{Running, serve};
use crate::support::{IMAGE, Stage};

#[path = "interop/examples/connect.rs"]
#[expect(unreachable_pub, reason = "it is written as in a user's program")]
mod connect;

const LIST: &str = include_str!("page/list.sql");
const GET: &str = include_str!("page/get.sql");

type Client = FlightSqlServiceClient<Channel>;

/// A simulated account, a server that runs EXEC, and a client.
struct Tour {
    stage: Stage,
    server: Running,
    client: Client,
}

impl Tour {
    async fn begin() -> Self {
        let account = demo::Options { limits: Limits::off(), ..demo::Options::default() };
        let writes = engine::Options { writes: true, ..engine::Options::default() };
        let stage = Stage::with_query(account, |_| {}, writes).await;
        let server = serve(stage.engine.clone()).await;
        let client = connected(&server).await;
        Self { stage, server, client }
    }

    async fn ask(&mut self, sql: &str) -> RecordBatch {
        ask(&mut self.client, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}

async fn connected(server: &Running) -> Client {
    let channel = Channel::from_shared(server.address().to_owned()).unwrap().connect().await.unwrap();
    FlightSqlServiceClient::new(channel)
}

async fn rows(client: &mut Client, info: FlightInfo) -> Result<RecordBatch, Box<dyn std::error::Error>> {
    let schema = Schema::try_from(arrow_flight::IpcMessage(info.schema.clone()))?;
    let ticket = info.endpoint[0].ticket.clone().ok_or("no ticket")?;
    let batches: Vec<RecordBatch> = client.do_get(ticket).await?.try_collect().await?;
    Ok(concat_batches(&Arc::new(schema), &batches)?)
}

async fn ask(client: &mut Client, sql: &str) -> Result<RecordBatch, Box<dyn std::error::Error>> {
    let info = client.execute(sql.to_owned(), None).await?;
    rows(client, info).await
}

fn texts(rows: &RecordBatch, column: &str) -> Vec<String> {
    rows[column].as_string::<i32>().iter().flatten().map(str::to_owned).collect()
}

fn values(list: Vec<(&'static str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(list.into_iter().map(|(name, value)| (name, value, true))).unwrap()
}

#[tokio::test]
async fn the_example_of_the_documentation_prints_what_it_says() {
    let tour = Tour::begin().await;

    let printed = connect::actions(tour.server.address().to_owned(), 62_137_902).await.unwrap();

    assert_eq!(format!("{printed}\n"), include_str!("interop/examples/connect.rs.out"));
}

#[tokio::test]
async fn a_login_is_accepted_and_its_token_sent_with_later_calls() {
    let mut tour = Tour::begin().await;

    tour.client.handshake("anybody", "secret").await.unwrap();

    assert!(tour.client.token().is_some());
    assert_eq!(tour.ask("SELECT 1 AS x").await.num_rows(), 1);
    tour.client.set_token("dop_v1_any".into());
    assert_eq!(tour.ask("SELECT 1 AS x").await.num_rows(), 1);
}

#[tokio::test]
async fn the_servers_properties_and_what_it_has() {
    let mut tour = Tour::begin().await;
    let client = &mut tour.client;

    let info = client.get_sql_info(vec![SqlInfo::FlightSqlServerName]).await.unwrap();
    assert_eq!(rows(client, info).await.unwrap().num_rows(), 1);
    let info = client.get_catalogs().await.unwrap();
    assert!(texts(&rows(client, info).await.unwrap(), "catalog_name").contains(&"digitalocean".into()));
    let info = client.get_db_schemas(CommandGetDbSchemas::default()).await.unwrap();
    assert!(texts(&rows(client, info).await.unwrap(), "db_schema_name").contains(&"compute".into()));
    let info = client.get_table_types().await.unwrap();
    assert_eq!(texts(&rows(client, info).await.unwrap(), "table_type"), ["TABLE", "VIEW"]);
    let images = CommandGetTables {
        table_name_filter_pattern: Some("images".into()),
        include_schema: true,
        ..Default::default()
    };
    let info = client.get_tables(images).await.unwrap();
    let images = rows(client, info).await.unwrap();
    let columns = images["table_schema"].as_binary::<i32>().value(0).to_vec();
    let columns = Schema::try_from(arrow_flight::IpcMessage(columns.into())).unwrap();
    assert!(!columns.field_with_name("id").unwrap().metadata()["ARROW:FLIGHT:SQL:REMARKS"].is_empty());
    let keys = CommandGetPrimaryKeys { table: "images".into(), ..Default::default() };
    let info = client.get_primary_keys(keys).await.unwrap();
    assert_eq!(texts(&rows(client, info).await.unwrap(), "column_name"), ["id"]);
}

#[tokio::test]
async fn the_statements_of_the_specification_with_times_to_the_second() {
    let mut tour = Tour::begin().await;
    let actions = tour.stage.actions(IMAGE);

    let list = tour.ask(&LIST.replace("{{ image_id }}", IMAGE)).await;
    let get = GET.replace("{{ image_id }}", IMAGE).replace("{{ action_id }}", "36804636");
    let get = tour.ask(&get).await;

    assert_eq!((list.num_rows(), get.num_rows()), (actions.len(), 1));
    let ids = list["id"].as_primitive::<Int64Type>();
    let started = list["started_at"].as_primitive::<TimestampNanosecondType>();
    for action in &actions {
        let row = ids.values().iter().position(|id| action["id"] == *id).unwrap();
        let at = chrono::DateTime::from_timestamp_nanos(started.value(row));
        assert_eq!(at.format("%Y-%m-%dT%H:%M:%SZ").to_string(), action["started_at"].as_str().unwrap());
    }
    assert_eq!(tour.ask("SELECT * FROM image_actions LIMIT 7").await.num_rows(), 7);
}

#[tokio::test]
async fn parameters_and_a_null() {
    let mut tour = Tour::begin().await;
    let client = &mut tour.client;
    let sql = "SELECT id FROM image_actions WHERE image_id = ? AND status = coalesce(?, status)";
    let mut statement = client.prepare(sql.to_owned(), None).await.unwrap();
    assert_eq!(statement.parameter_schema().unwrap().fields().len(), 2);
    assert_eq!(*statement.dataset_schema().unwrap().field(0).data_type(), DataType::Int64);

    let mut counts = Vec::new();
    for (image, status) in [(Some(62_137_902), None), (Some(62_137_902), Some("completed")), (None, None)] {
        let image: ArrayRef = Arc::new(Int64Array::from(vec![image]));
        let status: ArrayRef = Arc::new(StringArray::from(vec![status]));
        statement.set_parameters(values(vec![("image", image), ("status", status)])).unwrap();
        let info = statement.execute().await.unwrap();
        counts.push(rows(client, info).await.unwrap().num_rows());
    }

    assert_eq!(counts[0], 366);
    assert!((1..366).contains(&counts[1]), "{counts:?}");
    assert_eq!(counts[2], 0);
    statement.close().await.unwrap();
}

#[tokio::test]
async fn joins_empty_and_large_results_and_two_statements_at_once() {
    let mut tour = Tour::begin().await;

    let joined =
        tour.ask("SELECT a.id FROM images i JOIN image_actions a ON a.image_id = i.id WHERE i.id = 62137902").await;
    assert_eq!(joined.num_rows(), 366);
    let empty = tour.ask("SELECT * FROM image_actions WHERE image_id = 1 AND image_id = 2").await;
    assert_eq!((empty.num_rows(), empty.num_columns()), (0, 11));
    let (mut one, mut other) = (connected(&tour.server).await, connected(&tour.server).await);
    let sql = "SELECT value FROM generate_series(1, 100000)";
    let (one, other) = tokio::join!(ask(&mut one, sql), ask(&mut other, sql));
    assert_eq!((one.unwrap().num_rows(), other.unwrap().num_rows()), (100_000, 100_000));
}

#[tokio::test]
async fn an_exec_is_executed_once_as_a_query_and_as_an_update() {
    let mut tour = Tour::begin().await;
    let transfer = |region| format!("EXEC images.transfer @image_id = 62137902, @region = '{region}'");

    let row = tour.ask(&transfer("sfo3")).await;
    let updated = tour.client.execute_update(transfer("ams3"), None).await.unwrap();

    assert_eq!((row.num_rows(), updated, tour.stage.demo.account().posts()), (1, 1, 2));
}

#[tokio::test]
async fn errors_have_a_hint_and_the_connection_goes_on() {
    let mut tour = Tour::begin().await;

    for (sql, expected) in [
        ("SELEC 1", "SELEC"),
        ("SELECT id FROM image_action", "did you mean `image_actions`?"),
        ("DELETE FROM images", "DELETE"),
        ("SELECT 10 / (value - 50000) FROM generate_series(1, 100000)", "division by zero"),
    ] {
        let error = ask(&mut tour.client, sql).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{sql}: {error}");
    }
    assert_eq!(tour.ask("SELECT 1 AS x").await.num_rows(), 1);
}

#[tokio::test]
async fn a_result_that_is_dropped_ends_its_query() {
    let mut tour = Tour::begin().await;
    let sql = "SELECT a.value FROM generate_series(1, 100000) a CROSS JOIN generate_series(1, 100000) b";
    let info = tour.client.execute(sql.to_owned(), None).await.unwrap();
    let mut stream = tour.client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    assert!(stream.try_next().await.unwrap().is_some());
    assert_eq!(tour.stage.engine.queries().len(), 1);

    drop(stream);

    no_query_runs(&tour.stage).await;
    assert_eq!(tour.ask("SELECT 1 AS x").await.num_rows(), 1);
}

#[tokio::test]
async fn one_server_runs_what_another_has_planned() {
    let (mut planning, mut reading) = (Tour::begin().await, Tour::begin().await);
    let sql = "SELECT id FROM image_actions WHERE image_id = 62137902";
    let info = planning.client.execute(sql.to_owned(), None).await.unwrap();

    for _ in 0..2 {
        assert_eq!(rows(&mut reading.client, info.clone()).await.unwrap().num_rows(), 366);
    }

    assert_eq!(planning.stage.requests(), Vec::<String>::new());
}
