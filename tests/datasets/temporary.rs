//! Temporary tables: seen by one session, and ended with it.

use arrow::array::RecordBatch;
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{CommandStatementIngest, TableDefinitionOptions, TableExistsOption, TableNotExistOption};
use futures::{TryStreamExt, stream};
use oceanflight::datasets::{self, IngestOptions};
use oceanflight::engine::{self, Principal};
use oceanflight::query::SessionScope;
use simulated_account::{self as demo, Limits};
use tonic::transport::Channel;

use super::numbered;
use crate::support::wire::Wire;
use crate::support::{Stage, single};

async fn stage() -> Stage {
    let demo = demo::Options { limits: Limits::off(), ..demo::Options::default() };
    let ingest = IngestOptions { allowed: true, ..IngestOptions::default() };
    let datasets = datasets::Options { ingest, ..datasets::Options::default() };
    Stage::with_query(demo, |_| {}, engine::Options { datasets, ..engine::Options::default() }).await
}

fn temporary() -> CommandStatementIngest {
    CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: TableNotExistOption::Create.into(),
            if_exists: TableExistsOption::Fail.into(),
        }),
        table: "t".into(),
        temporary: true,
        ..CommandStatementIngest::default()
    }
}

fn message(error: FlightError) -> String {
    match error {
        FlightError::Tonic(status) => status.message().to_owned(),
        other => other.to_string(),
    }
}

async fn ingest(client: &mut FlightSqlServiceClient<Channel>) -> Result<i64, String> {
    client.execute_ingest(temporary(), stream::iter([Ok(numbered(0, 3))])).await.map_err(message)
}

async fn count(client: &mut FlightSqlServiceClient<Channel>, table: &str) -> Result<i64, String> {
    let info =
        client.execute(format!("SELECT count(*) FROM {table}"), None).await.map_err(|error| error.to_string())?;
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let rows = client.do_get(ticket).await.map_err(|error| error.to_string())?;
    let batches: Vec<RecordBatch> = rows.try_collect().await.map_err(|error| error.to_string())?;
    Ok(single(&batches[0]))
}

#[tokio::test]
async fn a_client_that_carries_no_session_is_refused_and_told_how() {
    let mut wire = Wire::of(stage().await).await;
    insta::assert_snapshot!(ingest(&mut wire.client).await.unwrap_err(), @r#"
    a temporary table belongs to a session, and this client has none
    hint: return the server's cookies (ADBC: adbc.flight.sql.rpc.with_cookie_middleware=true), or log in with any user and password; or make a table that is not temporary
    "#);
}

#[tokio::test]
async fn a_temporary_table_is_seen_by_its_session_only() {
    let wire = Wire::of(stage().await).await;
    let (mut one, mut other) = (wire.connect().await, wire.connect().await);
    for client in [&mut one, &mut other] {
        // The client sends the token of its handshake with each call.
        client.handshake("user", "password").await.unwrap();
    }

    assert_eq!(ingest(&mut one).await, Ok(3));
    assert_eq!(count(&mut one, "t").await, Ok(3));
    assert_eq!(count(&mut one, "datasets.temp.t").await, Ok(3));
    assert!(count(&mut other, "t").await.is_err());
    assert!(count(&mut other, "datasets.temp.t").await.is_err());
    assert_eq!(ingest(&mut other).await, Ok(3), "each session has its own");
    assert!(ingest(&mut one).await.unwrap_err().contains("exists"));
    assert!(count(&mut wire.connect().await, "t").await.is_err());
}

#[tokio::test]
async fn statements_make_and_drop_temporary_tables() {
    let stage = stage().await;
    let (one, other) = (SessionScope::default(), SessionScope::default());
    let ask = async |scope: &SessionScope, sql: &str| {
        let principal = Principal::local().with_scope(Some(scope.clone()));
        let rows = stage.engine.run(&principal, sql, None).await?.rows;
        rows.try_collect::<Vec<RecordBatch>>().await
    };
    ask(&one, "CREATE TEMP TABLE t AS SELECT 1 AS x UNION ALL SELECT 2").await.unwrap();
    ask(&one, "CREATE TABLE shared AS SELECT * FROM t").await.unwrap();

    assert_eq!(single(&ask(&one, "SELECT count(*) FROM t").await.unwrap()[0]), 2);
    assert_eq!(single(&ask(&other, "SELECT count(*) FROM shared").await.unwrap()[0]), 2);
    assert!(ask(&other, "SELECT * FROM t").await.is_err());
    // The lists of tables of one session are not kept for another.
    let list = "SELECT count(*) FROM datasets.information_schema.tables WHERE table_schema = 'temp'";
    assert_eq!(single(&ask(&one, list).await.unwrap()[0]), 1);
    assert_eq!(single(&ask(&other, list).await.unwrap()[0]), 0);
    let listed = async |scope: &SessionScope| {
        let tables = stage.engine.tables(&Principal::local().with_scope(Some(scope.clone()))).await.unwrap();
        tables.iter().filter(|table| table.schema == "temp").count()
    };
    assert_eq!((listed(&one).await, listed(&other).await), (1, 0));
    // Another client makes a shared one: the name alone would mean either.
    ask(&other, "CREATE TABLE t AS SELECT 7 AS x").await.unwrap();
    assert_eq!(single(&ask(&other, "SELECT x FROM t").await.unwrap()[0]), 7);
    let ambiguous = ask(&one, "SELECT x FROM t").await.unwrap_err().report();
    assert!(ambiguous.contains("write `datasets.temp.t` or `datasets.public.t`"), "{ambiguous}");
    ask(&one, "DROP TABLE t").await.unwrap();
    assert_eq!(single(&ask(&one, "SELECT x FROM t").await.unwrap()[0]), 7);
    for sql in ["CREATE TEMP TABLE datasets.public.u AS SELECT 1 AS x", "CREATE TABLE images AS SELECT 1 AS x"] {
        assert!(ask(&one, sql).await.is_err(), "{sql}");
    }
}
