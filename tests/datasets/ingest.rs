//! Tables that clients make: Flight SQL's ingest, CREATE TABLE … AS, DROP TABLE.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{CommandStatementIngest, TableDefinitionOptions, TableExistsOption, TableNotExistOption};
use futures::{StreamExt, TryStreamExt, stream};
use oceanflight::datasets::{self, Dataset, FileOptions, IngestOptions, Location};
use oceanflight::engine::{self, Engine, IfExists, IfMissing, IngestRequest, Principal, TableName};
use oceanflight::error::{Error, Kind};
use serde_json::json;
use simulated_account::{self as demo, Limits};
use tonic::transport::Channel;

use super::numbered;
use crate::support::wire::Wire;
use crate::support::{Stage, integers, json, single};

const CREATE: (TableNotExistOption, TableExistsOption) = (TableNotExistOption::Create, TableExistsOption::Fail);
const APPEND: (TableNotExistOption, TableExistsOption) = (TableNotExistOption::Fail, TableExistsOption::Append);
const REPLACE: (TableNotExistOption, TableExistsOption) = (TableNotExistOption::Create, TableExistsOption::Replace);
const CREATE_APPEND: (TableNotExistOption, TableExistsOption) =
    (TableNotExistOption::Create, TableExistsOption::Append);

fn in_memory() -> IngestOptions {
    IngestOptions { allowed: true, ..IngestOptions::default() }
}

fn on_disk(directory: &Path) -> IngestOptions {
    IngestOptions { data_dir: Some(directory.to_owned()), ..in_memory() }
}

/// The places where tables are kept.
fn both(directory: &Path) -> [IngestOptions; 2] {
    [in_memory(), on_disk(directory)]
}

async fn stage(ingest: IngestOptions) -> Stage {
    let options = datasets::Options { ingest, ..datasets::Options::default() };
    stage_of(options).await
}

async fn stage_of(datasets: datasets::Options) -> Stage {
    let demo = demo::Options { limits: Limits::off(), ..demo::Options::default() };
    Stage::with_query(demo, |_| {}, engine::Options { datasets, ..engine::Options::default() }).await
}

/// An engine of a new process with the same data directory: it makes no request.
fn restarted(directory: &Path) -> Result<Engine, Error> {
    let datasets = datasets::Options { ingest: on_disk(directory), ..datasets::Options::default() };
    let client = oceanflight::api::Client::try_new(
        crate::support::client_options("http://127.0.0.1:9"),
        &oceanflight::api::Budgets::default(),
    );
    Engine::try_new(client.unwrap(), engine::Options { datasets, ..engine::Options::default() })
}

fn command(table: &str, (if_missing, if_exists): (TableNotExistOption, TableExistsOption)) -> CommandStatementIngest {
    CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: if_missing.into(),
            if_exists: if_exists.into(),
        }),
        table: table.to_owned(),
        ..CommandStatementIngest::default()
    }
}

/// Ingests batches; the error's text is that of the server.
async fn ingest(
    client: &mut FlightSqlServiceClient<Channel>,
    command: CommandStatementIngest,
    batches: Vec<RecordBatch>,
) -> Result<i64, String> {
    let ingested = client.execute_ingest(command, stream::iter(batches.into_iter().map(Ok))).await;
    ingested.map_err(|error| match error {
        FlightError::Tonic(status) => status.message().to_owned(),
        other => other.to_string(),
    })
}

#[tokio::test]
async fn each_mode_does_what_its_name_says() {
    let directory = tempfile::tempdir().unwrap();
    for place in both(directory.path()) {
        let mut wire = Wire::of(stage(place).await).await;
        let rows = || vec![numbered(0, 3), numbered(3, 2)];
        let client = &mut wire.client;

        assert!(ingest(client, command("t", APPEND), rows()).await.unwrap_err().contains("there is no table"));
        assert_eq!(ingest(client, command("t", CREATE), rows()).await, Ok(5));
        assert!(ingest(client, command("t", CREATE), rows()).await.unwrap_err().contains("exists"));
        assert_eq!(ingest(client, command("t", APPEND), rows()).await, Ok(5));
        assert_eq!(ingest(client, command("t", CREATE_APPEND), vec![numbered(9, 1)]).await, Ok(1));
        assert_eq!(ingest(client, command("u", CREATE_APPEND), vec![numbered(9, 1)]).await, Ok(1));
        assert_eq!(single(&wire.rows("SELECT count(*) FROM t").await), 11);
        let one = RecordBatch::try_from_iter([("other", Arc::new(Int64Array::from(vec![7])) as _)]).unwrap();
        assert_eq!(ingest(&mut wire.client, command("t", REPLACE), vec![one]).await, Ok(1));
        assert_eq!(json(&wire.rows("SELECT * FROM datasets.public.t").await), [json!({"other": 7})]);
        assert_eq!(ingest(&mut wire.client, command("empty", CREATE), vec![numbered(0, 0)]).await, Ok(0));
        assert_eq!(wire.rows("SELECT id, name FROM empty").await.num_rows(), 0);
    }
}

#[tokio::test]
async fn what_cannot_be_ingested_is_an_error_and_leaves_the_table_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("x.csv"), "a\n1\n").unwrap();
    let mut of_both = Vec::new();
    for ingest_options in both(&directory.path().join("data")) {
        let location = Location::parse("x.csv", directory.path()).unwrap();
        let declared = Dataset { name: "declared".into(), location, options: FileOptions::default() };
        let options =
            datasets::Options { datasets: vec![declared], ingest: ingest_options, ..datasets::Options::default() };
        let mut wire = Wire::of(stage_of(options).await).await;
        ingest(&mut wire.client, command("t", CREATE), vec![numbered(0, 3)]).await.unwrap();
        let rows = || vec![numbered(0, 3)];
        let mut errors = String::new();
        let elsewhere = CommandStatementIngest { catalog: Some("digitalocean".into()), ..command("t", APPEND) };
        let temporary = CommandStatementIngest { temporary: true, ..command("t", CREATE) };
        for (command, rows) in [
            (command("t", APPEND), vec![numbered(0, 3).project(&[0]).unwrap()]),
            (command("t", APPEND), vec![numbered(0, 3).project(&[1, 0]).unwrap()]),
            (command("", CREATE), rows()),
            (command("a\nb", CREATE), rows()),
            (command(&"x".repeat(300), CREATE), rows()),
            (command("declared", REPLACE), rows()),
            (elsewhere, rows()),
            (temporary, rows()),
            (command("u", CREATE), vec![RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::empty()))]),
            (command("u", CREATE), vec![]),
        ] {
            errors += &ingest(&mut wire.client, command, rows).await.unwrap_err();
            errors += "\n";
        }
        assert_eq!(single(&wire.rows("SELECT count(*) FROM t").await), 3);
        of_both.push(errors);
    }
    insta::assert_snapshot!(of_both[0], @r#"
    the rows do not fit the table `datasets.public.t`: the rows lack `name` Utf8
    hint: cast the columns before they are sent, or replace the table
    the rows do not fit the table `datasets.public.t`: the table has `id` Int64, the rows have `name` Utf8
    hint: cast the columns before they are sent, or replace the table
    `` is not the name of a table: write a name that is not empty
    `a\nb` is not the name of a table: write a name without control characters
    `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` is not the name of a table: write a name of 255 bytes at most
    `datasets.public.declared` is declared in the settings of the server, and cannot be changed
    hint: choose another name
    rows can only be ingested into the catalog `datasets`, not `digitalocean`
    hint: leave the catalog out, or set it to `datasets`
    a temporary table belongs to a session, and this client has none
    hint: return the server's cookies (ADBC: adbc.flight.sql.rpc.with_cookie_middleware=true), or log in with any user and password; or make a table that is not temporary
    the rows can't become the table `datasets.public.u`: there is no column
    DoPut has no message
    "#);
    assert_eq!(of_both[0], of_both[1]);
}

#[tokio::test]
async fn a_server_that_takes_no_tables_says_how_it_would() {
    let mut wire = Wire::of(stage(IngestOptions::default()).await).await;
    let error = ingest(&mut wire.client, command("t", CREATE), vec![numbered(0, 3)]).await.unwrap_err();
    insta::assert_snapshot!(error, @r#"
this server does not take tables from its clients
hint: start it with --allow-ingest, or with --demo
"#);
    for sql in ["CREATE TABLE datasets.public.t AS SELECT 1 AS x", "DROP TABLE datasets.public.t"] {
        assert_eq!(wire.stage.error(sql).await.report(), error);
    }
}

#[tokio::test]
async fn an_ingest_that_breaks_off_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut wire = Wire::of(stage(on_disk(directory.path())).await).await;
    ingest(&mut wire.client, command("t", CREATE), vec![numbered(0, 3)]).await.unwrap();
    let mut client = wire.connect().await;
    let ingesting = tokio::spawn(async move {
        let endless = stream::iter([Ok(numbered(0, 1_000))]).chain(stream::pending());
        client.execute_ingest(command("t", REPLACE), endless).await
    });
    while files_in(directory.path()).len() < 2 {
        tokio::task::yield_now().await;
    }
    ingesting.abort();

    while files_in(directory.path()).len() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(single(&wire.rows("SELECT count(*) FROM t").await), 3);
}

fn files_in(directory: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory.join("tables")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn tables_are_as_large_as_the_setting_allows_and_give_their_room_back() {
    let directory = tempfile::tempdir().unwrap();
    let limits = IngestOptions { max_memory_bytes: 1 << 20, max_disk_bytes: 1 << 20, ..in_memory() };
    for place in [limits.clone(), IngestOptions { data_dir: Some(directory.path().to_owned()), ..limits }] {
        let mut wire = Wire::of(stage(place).await).await;
        let large = |rows: i64| (0..rows / 10_000).map(|part| numbered(part * 10_000, 10_000)).collect::<Vec<_>>();
        ingest(&mut wire.client, command("small", CREATE), large(10_000)).await.unwrap();
        let error = ingest(&mut wire.client, command("t", CREATE), large(500_000)).await.unwrap_err();
        assert!(error.contains("the tables of clients would have more than 1 MiB"), "{error}");
        assert_eq!(single(&wire.rows("SELECT count(*) FROM small").await), 10_000);
        for _ in 0..20 {
            ingest(&mut wire.client, command("small", REPLACE), large(10_000)).await.unwrap();
        }
        wire.stage.rows("DROP TABLE small").await;
        ingest(&mut wire.client, command("t", CREATE), large(20_000)).await.unwrap();
    }
}

#[tokio::test]
async fn a_small_message_that_becomes_a_large_table_is_refused() {
    use arrow::array::{DictionaryArray, Int32Array, NullArray, StringArray};
    let directory = tempfile::tempdir().unwrap();
    for place in both(directory.path()) {
        let mut wire = Wire::of(stage(place).await).await;
        let nulls = RecordBatch::try_from_iter([("n", Arc::new(NullArray::new(1 << 30)) as _)]).unwrap();
        let long = Arc::new(StringArray::from(vec!["x".repeat(1 << 20)]));
        let texts = DictionaryArray::new(Int32Array::from(vec![0; 10_000]), long);
        let texts = RecordBatch::try_from_iter([("d", Arc::new(texts) as _)]).unwrap();
        for batch in [nulls, texts] {
            let name = TableName { schema: "public".into(), table: "t".into() };
            let request = IngestRequest { name, if_exists: IfExists::Fail, if_missing: IfMissing::Create };
            let engine = &wire.stage.engine;
            let mut ingest = engine.begin_ingest(&Principal::local(), request, &batch.schema()).unwrap();
            let error = ingest.write(&batch).await.unwrap_err();
            assert!(error.report().ends_with("hint: send the rows in smaller batches"), "{}", error.report());
        }
        assert!(ingest(&mut wire.client, command("t", CREATE), vec![numbered(0, 1)]).await.is_ok());
    }
}

#[tokio::test]
async fn rows_whose_structs_have_other_names_are_not_appended() {
    let stage = stage(in_memory()).await;
    stage.rows("CREATE TABLE t AS SELECT named_struct('id', 1, 'name', 'a') AS o").await;
    let other = stage.rows("SELECT named_struct('id', 1, 'title', 'a') AS o").await;
    let name = TableName { schema: "public".into(), table: "t".into() };
    let request = IngestRequest { name, if_exists: IfExists::Append, if_missing: IfMissing::Fail };
    assert!(stage.engine.begin_ingest(&Principal::local(), request, &other.schema()).is_err());
}

#[tokio::test]
async fn a_query_makes_a_table_and_a_drop_removes_it() {
    let directory = tempfile::tempdir().unwrap();
    for place in both(directory.path()) {
        let stage = stage(place).await;
        let count = [json!({"count": 2})];
        for sql in [
            "CREATE TABLE datasets.public.t AS SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS v (id, name)",
            "CREATE OR REPLACE TABLE t AS SELECT id, name FROM t ORDER BY id LIMIT 2",
            "CREATE TABLE public.u AS SELECT * FROM t",
            "CREATE TABLE datasets.\"my schema\".\"my \"\"t\"\"\" AS SELECT * FROM t",
        ] {
            assert_eq!(json(&stage.rows(sql).await), count, "{sql}");
        }
        assert_eq!(json(&stage.rows("CREATE TABLE IF NOT EXISTS t AS SELECT 7 AS x").await), [json!({"count": 0})]);
        assert_eq!(integers(&stage.rows("SELECT id FROM t ORDER BY id").await, "id"), [1, 2]);
        assert_eq!(stage.engine.update(&Principal::local(), "DROP TABLE u", None).await.unwrap(), 1);
        assert_eq!(json(&stage.rows("DROP TABLE IF EXISTS u").await), [json!({"count": 0})]);
        assert_eq!(stage.error("DROP TABLE u").await.kind(), Kind::NotFound);
        assert_eq!(
            json(&stage.rows("SELECT schema, name, kind, rows, changed_by FROM oceanflight.meta.datasets").await),
            [
                json!({"schema": "my schema", "name": "my \"t\"", "kind": "table", "rows": 2, "changed_by": "this process"}),
                json!({"schema": "public", "name": "t", "kind": "table", "rows": 2, "changed_by": "this process"}),
            ]
        );
        stage.rows("DROP TABLE datasets.\"my schema\".\"my \"\"t\"\"\"").await;
        assert_eq!(stage.error("SELECT * FROM datasets.\"my schema\".x").await.kind(), Kind::InvalidArgument);
    }
}

#[tokio::test]
async fn a_table_can_be_made_of_the_accounts_tables_with_nested_types() {
    let directory = tempfile::tempdir().unwrap();
    for place in both(directory.path()) {
        let stage = stage(place).await;
        stage.rows("CREATE TABLE kept AS SELECT * FROM images WHERE NOT public").await;
        let columns = "id, name, regions, tags, created_at";
        let kept = json(&stage.rows(&format!("SELECT {columns} FROM kept ORDER BY id")).await);
        let live = json(&stage.rows(&format!("SELECT {columns} FROM images WHERE NOT public ORDER BY id")).await);
        assert_eq!(kept, live);
    }
}

#[tokio::test]
async fn a_query_that_fails_leaves_the_table_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    for place in both(directory.path()) {
        let stage = stage(place).await;
        stage.rows("CREATE TABLE t AS SELECT 1 AS x").await;
        let error = stage.error("CREATE OR REPLACE TABLE t AS SELECT 1 / (3 - value) AS x FROM range(0, 10)").await;
        assert!(error.report().contains("division by zero"), "{}", error.report());
        assert_eq!(json(&stage.rows("SELECT * FROM t").await), [json!({"x": 1})]);
    }
}

#[tokio::test]
async fn tables_are_made_only_below_datasets() {
    let stage = stage(in_memory()).await;
    let mut errors = String::new();
    for sql in [
        "CREATE TABLE images AS SELECT 1 AS x",
        "CREATE TABLE digitalocean.compute.x AS SELECT 1 AS x",
        "CREATE TABLE compute.x AS SELECT 1 AS x",
        "CREATE TABLE oceanflight.meta.x AS SELECT 1 AS x",
        "DROP TABLE digitalocean.compute.images",
        "CREATE TEMPORARY TABLE x AS SELECT 1 AS x",
        "CREATE TABLE x (id INT)",
        "CREATE OR REPLACE TABLE IF NOT EXISTS x AS SELECT 1 AS x",
        "EXPLAIN CREATE TABLE x AS SELECT 1 AS x",
        "CREATE TABLE x AS SELECT INTERVAL '1 day' AS i",
    ] {
        errors += &format!("{sql}\n  {}\n", stage.error(sql).await.report().replace('\n', "\n  "));
    }
    insta::assert_snapshot!(errors, @r#"
    CREATE TABLE images AS SELECT 1 AS x
      `images` is not in the catalog `datasets`: tables are made and dropped only there
      hint: write `datasets.public.images`
    CREATE TABLE digitalocean.compute.x AS SELECT 1 AS x
      `digitalocean.compute.x` is not in the catalog `datasets`: tables are made and dropped only there
      hint: write `datasets.public.x`
    CREATE TABLE compute.x AS SELECT 1 AS x
      `compute.x` is not in the catalog `datasets`: tables are made and dropped only there
      hint: write `datasets.compute.x`
    CREATE TABLE oceanflight.meta.x AS SELECT 1 AS x
      `oceanflight.meta.x` is not in the catalog `datasets`: tables are made and dropped only there
      hint: write `datasets.public.x`
    DROP TABLE digitalocean.compute.images
      `digitalocean.compute.images` is not in the catalog `datasets`: tables are made and dropped only there
      hint: write `datasets.public.images`
    CREATE TEMPORARY TABLE x AS SELECT 1 AS x
      a temporary table belongs to a session, and this client has none
      hint: return the server's cookies (ADBC: adbc.flight.sql.rpc.with_cookie_middleware=true), or log in with any user and password; or make a table that is not temporary
    CREATE TABLE x (id INT)
      CREATE TABLE takes a name and a query, and no other clauses
      hint: write `CREATE TABLE datasets.public.x AS SELECT …`
    CREATE OR REPLACE TABLE IF NOT EXISTS x AS SELECT 1 AS x
      OR REPLACE and IF NOT EXISTS exclude each other
    EXPLAIN CREATE TABLE x AS SELECT 1 AS x
      tables are read-only: CREATE TABLE
    CREATE TABLE x AS SELECT INTERVAL '1 day' AS i
      the rows can't become the table `datasets.public.x`: `i` is Interval(MonthDayNano), a type that a table cannot have
    "#);
}

#[tokio::test]
async fn a_parameter_of_the_query_is_bound() {
    let stage = stage(in_memory()).await;
    let bound = RecordBatch::try_from_iter([("1", Arc::new(Int64Array::from(vec![7])) as _)]).unwrap();
    let made = stage.engine.update(&Principal::local(), "CREATE TABLE t AS SELECT ? + 1 AS x", Some(&bound)).await;
    assert_eq!(made.unwrap(), 1);
    assert_eq!(json(&stage.rows("SELECT * FROM t").await), [json!({"x": 8})]);
}

#[tokio::test]
async fn a_query_reads_the_table_that_it_was_planned_with() {
    let directory = tempfile::tempdir().unwrap();
    for place in both(directory.path()) {
        let stage = stage(place).await;
        stage.rows("CREATE TABLE t AS SELECT value AS x FROM range(0, 200000)").await;
        let mut running = stage.engine.run(&Principal::local(), "SELECT x FROM t", None).await.unwrap();
        let first = running.rows.next().await.unwrap().unwrap().num_rows();
        stage.rows("CREATE OR REPLACE TABLE t AS SELECT 1 AS x").await;
        stage.rows("DROP TABLE t").await;

        let others: Vec<RecordBatch> = running.rows.try_collect().await.unwrap();
        assert_eq!(first + others.iter().map(RecordBatch::num_rows).sum::<usize>(), 200_000);
    }
}

#[tokio::test]
async fn tables_in_a_data_directory_are_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    {
        let engine = restarted(directory.path()).unwrap();
        append(&engine, numbered(0, 3)).await;
        append(&engine, numbered(3, 3)).await;
        crate::support::ask(&engine, "CREATE TABLE gone AS SELECT 1 AS x").await.unwrap();
        crate::support::ask(&engine, "DROP TABLE gone").await.unwrap();
        let locked = restarted(directory.path()).err().unwrap();
        assert!(locked.report().contains("is used by another process\nhint: stop"), "{}", locked.report());
        // The process ends without a farewell: what it holds is dropped here, its files are left as they are.
        std::fs::write(directory.path().join("tables/1a-2b-0.parquet"), "x").unwrap();
        std::fs::write(directory.path().join("tables/mine.parquet"), "x").unwrap();
        std::fs::write(directory.path().join("tables.json.new"), "{").unwrap();
        std::fs::copy(directory.path().join("tables.json"), directory.path().join("copy")).unwrap();
    }
    let engine = unlocked(directory.path()).await;

    let rows = crate::support::ask(&engine, "SELECT count(*) FROM datasets.public.t").await.unwrap().rows;
    assert_eq!(single(&rows), 6);
    assert_eq!(files_in(directory.path()).len(), 3, "what is not of this program is not removed");
    let rows =
        crate::support::ask(&engine, "SELECT name, changed_by FROM oceanflight.meta.datasets").await.unwrap().rows;
    assert_eq!(json(&rows), [json!({"name": "t", "changed_by": "this process"})]);
}

/// Appends rows to the table `t`.
async fn append(engine: &Engine, rows: RecordBatch) {
    let name = TableName { schema: "public".into(), table: "t".into() };
    let request = IngestRequest { name, if_exists: IfExists::Append, if_missing: IfMissing::Create };
    let mut ingest = engine.begin_ingest(&Principal::local(), request, &rows.schema()).unwrap();
    ingest.write(&rows).await.unwrap();
    ingest.commit().await.unwrap();
}

/// An engine over a data directory, as soon as the server before it has dropped its own.
async fn unlocked(directory: &Path) -> Engine {
    for _ in 0..10_000 {
        match restarted(directory) {
            Ok(engine) => return engine,
            Err(error) if error.report().contains("is used by another process") => tokio::task::yield_now().await,
            Err(error) => panic!("{}", error.report()),
        }
    }
    panic!("the data directory stays locked")
}

#[tokio::test]
async fn a_data_directory_that_is_not_as_it_was_written_is_an_error_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let make = async || {
        let engine = unlocked(directory.path()).await;
        crate::support::ask(&engine, "CREATE OR REPLACE TABLE datasets.public.t AS SELECT 1 AS x").await.unwrap();
    };
    make().await;
    let file = files_in(directory.path()).remove(0);
    let whole = std::fs::read(&file).unwrap();
    let list = std::fs::read(directory.path().join("tables.json")).unwrap();
    let error = || {
        let report = restarted(directory.path()).err().unwrap().report();
        report
            .replace(directory.path().to_str().unwrap(), "…")
            .replace(file.file_name().unwrap().to_str().unwrap(), "FILE")
    };
    let mut errors = String::new();
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    errors += &(error() + "\n");
    let mut other = whole.clone();
    other.fill(0);
    std::fs::write(&file, other).unwrap();
    errors += &(error() + "\n");
    std::fs::remove_file(&file).unwrap();
    errors += &(error() + "\n");
    std::fs::write(&file, &whole).unwrap();
    for text in [&list[..20], b"{\"version\": 2, \"tables\": []}", b"[]"] {
        std::fs::write(directory.path().join("tables.json"), text).unwrap();
        errors += &(error() + "\n");
        assert!(file.exists(), "nothing is removed because of a list that can't be read");
    }
    insta::assert_snapshot!(errors, @r#"
    the table `datasets.public.t` can't be read: …/tables/FILE: it has 483 bytes, and 484 were written
    hint: put the file back from a copy, or remove its table from tables.json
    the table `datasets.public.t` can't be read: …/tables/FILE: Parquet error: Invalid Parquet file. Corrupt footer
    hint: put the file back from a copy, or remove its table from tables.json
    the table `datasets.public.t` can't be read: …/tables/FILE: No such file or directory (os error 2)
    hint: put the file back from a copy, or remove its table from tables.json
    the data directory … can't be used: tables.json: EOF while parsing a value at line 3 column 2
    the data directory … can't be used: tables.json: its version is 2, and this program reads 1
    the data directory … can't be used: tables.json: invalid length 0, expected struct List with 2 elements at line 1 column 2
    "#);
    std::fs::write(directory.path().join("tables.json"), list).unwrap();
    restarted(directory.path()).unwrap();
}
