//! Shared by the tests: an engine that reads a simulated account over real HTTP.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::Int64Type;
use arrow::json::ArrayWriter;
use futures::TryStreamExt;
use oceanflight::api::{self, Budgets, Client, rate_limit, retry};
use oceanflight::engine::{self, Engine, Principal, Query};
use oceanflight::error::Error;
use oceanflight::query::Queries;
use oceanflight::secret::Secret;
use serde_json::Value as Json;
use simulated_account::{self as demo, Limits, Running};
use url::Url;

/// The table's name in the simulated account.
pub(crate) const ACTIONS: &str = "digitalocean/compute/image_actions";
/// The image that has 366 actions, all of them completed or errored.
pub(crate) const IMAGE: &str = "62137902";

/// A simulated account, and an engine that reads it.
pub(crate) struct Stage {
    pub(crate) demo: Running,
    pub(crate) engine: Engine,
}

/// A query's rows as one batch, and its counts and notices.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) rows: RecordBatch,
    pub(crate) query: Arc<Query>,
}

/// Returns a query for plans that run without an engine.
pub(crate) fn a_query() -> Arc<Query> {
    let queries = Arc::new(Queries::default());
    let registered = queries.begin(Principal::local(), "", engine::Limits::default()).unwrap();
    let query = Arc::clone(&registered);
    // Leaked, so that the query does not end before the test.
    std::mem::forget(registered);
    query
}

impl Stage {
    /// Without limits, and with these numbers of actions: `("62137902", 1_000)`.
    pub(crate) async fn new(totals: &[(&str, usize)]) -> Self {
        Self::with_totals(totals, engine::Options::default()).await
    }

    /// As [`Stage::new`], with options of the engine.
    pub(crate) async fn with_totals(totals: &[(&str, usize)], query: engine::Options) -> Self {
        let totals = totals.iter().map(|(image, rows)| format!("{image}={rows}").parse().unwrap()).collect();
        let demo = demo::Options { limits: Limits::off(), totals, ..demo::Options::default() };
        Self::with_query(demo, |_| {}, query).await
    }

    /// With options of the simulated account, and changed options of the client.
    pub(crate) async fn with(demo: demo::Options, change: impl FnOnce(&mut api::Options)) -> Self {
        Self::with_query(demo, change, engine::Options::default()).await
    }

    /// As [`Stage::with`], with options of the engine.
    pub(crate) async fn with_query(
        demo: demo::Options,
        change: impl FnOnce(&mut api::Options),
        query: engine::Options,
    ) -> Self {
        let demo = Running::start(demo).await.unwrap();
        let mut options = client_options(&demo.url());
        change(&mut options);
        let engine = Engine::try_new(Client::try_new(options, &Budgets::default()).unwrap(), query).unwrap();
        Self { demo, engine }
    }

    /// Runs a statement, and reads all its rows.
    pub(crate) async fn ask(&self, sql: &str) -> Result<Asked, Error> {
        ask(&self.engine, sql).await
    }

    /// Returns the rows of a statement that must succeed.
    pub(crate) async fn rows(&self, sql: &str) -> RecordBatch {
        self.ask(sql).await.unwrap_or_else(|error| panic!("{sql}: {}", error.report())).rows
    }

    /// Returns the error of a statement that must fail.
    pub(crate) async fn error(&self, sql: &str) -> Error {
        self.ask(sql).await.err().unwrap_or_else(|| panic!("`{sql}` returned rows"))
    }

    /// Returns the requests that the simulated account got since the last call, as `GET /v2/images/7/actions?page=1`.
    pub(crate) fn requests(&self) -> Vec<String> {
        let account = self.demo.account();
        let requests = account.requests();
        account.clear_requests();
        let query = |query: &str| {
            let parameters: Vec<_> = query
                .split('&')
                .filter(|parameter| !parameter.is_empty() && !parameter.starts_with("per_page"))
                .collect();
            if parameters.is_empty() { String::new() } else { format!("?{}", parameters.join("&")) }
        };
        requests.iter().map(|request| format!("{} {}{}", request.method, request.path, query(&request.query))).collect()
    }

    /// Injects a fault.
    pub(crate) fn inject(&self, fault: &str) {
        self.demo.account().inject(fault.parse().unwrap());
    }

    /// Returns the simulated account's actions of an image.
    pub(crate) fn actions(&self, image: &str) -> Vec<Json> {
        self.demo.account().rows(ACTIONS, Some(image)).unwrap()
    }
}

/// Returns options without limits, and with short pauses before retries.
pub(crate) fn client_options(url: &str) -> api::Options {
    let mut options = api::Options::new(Url::parse(url).unwrap(), Some(Secret::new("demo")));
    options.limit = rate_limit::Options::unlimited(16);
    options.retry = retry::Options { first_pause: Duration::from_millis(1), ..retry::Options::default() };
    options
}

/// Runs a statement, and reads all its rows.
pub(crate) async fn ask(engine: &Engine, sql: &str) -> Result<Asked, Error> {
    let stream = engine.run(&Principal::local(), sql, None).await?;
    let batches: Vec<RecordBatch> = stream.rows.try_collect().await?;
    Ok(Asked { rows: concat_batches(&stream.schema, &batches).unwrap(), query: stream.query })
}

/// The values of an integer column.
pub(crate) fn integers(rows: &RecordBatch, column: &str) -> Vec<i64> {
    rows.column_by_name(column).unwrap().as_primitive::<Int64Type>().values().to_vec()
}

/// The rows as JSON objects, nulls included.
pub(crate) fn json(rows: &RecordBatch) -> Vec<Json> {
    if rows.num_columns() == 0 {
        return vec![Json::Null; rows.num_rows()];
    }
    let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
    let mut writer: ArrayWriter<_> = builder.build(Vec::new());
    writer.write(rows).unwrap();
    writer.finish().unwrap();
    serde_json::from_slice(&writer.into_inner()).unwrap_or_default()
}

/// The single value of a query such as `SELECT count(*)`.
pub(crate) fn single(rows: &RecordBatch) -> i64 {
    assert_eq!((rows.num_rows(), rows.num_columns()), (1, 1));
    rows.column(0).as_primitive::<Int64Type>().value(0)
}

pub(crate) mod wire;
