//! The number of requests of a join: EXPLAIN ANALYZE, the query's limit and the request ledger must agree with the
//! simulated account.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use futures::TryStreamExt;
use oceanflight::api::{self, Budgets, Client};
use oceanflight::engine::{self, Engine, Principal, Query};
use oceanflight::error::Error;

use super::STILL;
use super::shapes::{Answer, Asks, SHAPES};
use crate::support::{Stage, ask, client_options, json};

/// An account, and another one with the same rows for statements with a limit of requests: requests that these drop
/// when they fail may arrive later.
struct Accounts {
    all: Stage,
    bounded: Stage,
    engines: HashMap<u64, Engine>,
}

#[tokio::test]
async fn all_counts_of_a_joins_requests_are_those_of_the_account() {
    let (all, bounded) = (Stage::new(STILL).await, Stage::new(STILL).await);
    let mut accounts = Accounts { all, bounded, engines: HashMap::new() };
    let mut wrong = Vec::new();

    for shape in SHAPES {
        let checked = match (shape.answer, shape.asks) {
            (Answer::Refused(_) | Answer::Fails(_), _) => Ok(()),
            // The number of requests until a LIMIT is reached, and the choice between single actions and their list,
            // depend on the order of the responses: each run has its own number.
            (_, Asks::AtMost(_)) => check_one_run(shape.sql).await,
            (_, Asks::Each(_) | Asks::Only(_)) => accounts.check_all_runs(shape.sql).await,
        };
        wrong.extend(checked.err().map(|problem| format!("{}: {problem}\n    {}", shape.name, shape.sql)));
    }

    assert!(wrong.is_empty(), "{} of {} shapes:\n{}\n", wrong.len(), SHAPES.len(), wrong.join("\n"));
}

/// What is wrong with the counts of one run. Requests that are dropped may reach the account late, or never.
async fn check_one_run(sql: &str) -> Result<(), String> {
    let stage = Stage::new(STILL).await;
    let (query, sent) = counted(&stage, sql).await;
    let (counted, needed) = (query.counts.requests.get(), query.ledger.needed());
    if sent > counted || counted > needed {
        return Err(format!("the account has {sent} requests, the query {counted}, and needs {needed}"));
    }
    Ok(())
}

impl Accounts {
    /// What is wrong with the counts of a statement that always sends the same requests.
    async fn check_all_runs(&mut self, sql: &str) -> Result<(), String> {
        let (query, sent) = counted(&self.all, sql).await;
        let counts = [query.counts.requests.get(), query.ledger.needed()];
        if counts != [sent; 2] {
            return Err(format!("the account has {sent} requests; counted and needed: {counts:?}"));
        }
        match self.within(&format!("EXPLAIN ANALYZE {sql}"), sent).await {
            Ok(plans) if analyzed(&plans) == sent => {}
            Ok(plans) => return Err(format!("{sent} requests; EXPLAIN ANALYZE has {}", analyzed(&plans))),
            Err(error) => return Err(format!("with {sent} requests it fails: {}", error.report())),
        }
        match sent.checked_sub(1) {
            Some(fewer) => match self.within(sql, fewer).await {
                Err(error) if is_of_the_limit(&error) => Ok(()),
                Err(error) => Err(format!("with {fewer} requests it fails otherwise: {}", error.report())),
                Ok(_) => Err(format!("with {fewer} requests it does not fail")),
            },
            None => Ok(()),
        }
    }

    /// Runs a statement with this limit of requests.
    async fn within(&mut self, sql: &str, max_requests: u64) -> Result<RecordBatch, Error> {
        let url = self.bounded.demo.url();
        let engine = self.engines.entry(max_requests).or_insert_with(|| {
            let client = Client::try_new(client_options(&url), &Budgets::default()).unwrap();
            Engine::try_new(client, engine::Options { max_requests, ..engine::Options::default() }).unwrap()
        });
        ask(engine, sql).await.map(|asked| asked.rows)
    }
}

/// Whether a query was rejected or stopped for the number of its requests.
fn is_of_the_limit(error: &Error) -> bool {
    let stopped = matches!(error.downcast_ref(), Some(api::Fault::TooManyRequests { .. }));
    stopped || matches!(error.downcast_ref(), Some(engine::Fault::TooManyRequests { .. }))
}

/// Runs a statement, and returns the query and the number of requests that the account has received.
async fn counted(stage: &Stage, sql: &str) -> (Arc<Query>, u64) {
    stage.demo.account().idle().await;
    stage.demo.account().clear_requests();
    let query = stage.ask(sql).await.unwrap().query;
    stage.demo.account().idle().await;
    (query, stage.demo.account().requests().len() as u64)
}

/// The sum of the requests that EXPLAIN ANALYZE shows.
fn analyzed(plans: &RecordBatch) -> u64 {
    let plans = json(plans);
    let plan = plans.last().unwrap()["plan"].as_str().unwrap();
    let scans = plan.lines().filter(|line| line.contains("ResourceScan:"));
    let metrics = scans.map(|scan| scan.rsplit_once("metrics=[").unwrap().1);
    let requests =
        metrics.map(|metrics| metrics.rsplit_once(" requests=").unwrap().1.split([',', ']']).next().unwrap());
    requests.map(|number| number.parse::<u64>().unwrap()).sum()
}

/// The counts of a query with these bound rows, if any, and the number of requests that the account has received.
async fn counts(stage: &Stage, sql: &str, bound: Option<&RecordBatch>) -> [u64; 3] {
    stage.demo.account().clear_requests();
    let answer = stage.engine.run(&Principal::local(), sql, bound).await.unwrap();
    let batches: Vec<_> = answer.rows.try_collect().await.unwrap();
    assert!(!batches.is_empty());
    stage.demo.account().idle().await;
    let sent = stage.demo.account().requests().len() as u64;
    [answer.query.counts.requests.get(), answer.query.ledger.needed(), sent]
}

#[tokio::test]
async fn each_row_of_values_reads_its_lists_itself() {
    let stage = Stage::new(STILL).await;
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![62137902, 62137906, 62137902]));
    let rows = RecordBatch::try_from_iter([("1", ids)]).unwrap();

    assert_eq!(counts(&stage, "SELECT id FROM image_actions WHERE image_id = ?", Some(&rows)).await, [6; 3]);
}

#[tokio::test]
async fn retried_requests_and_pages_that_are_read_again_count() {
    let stage = Stage::new(STILL).await;
    stage.inject("GET /v2/images/62137902/actions page=2 status=503 times=1");
    let retried = counts(&stage, "SELECT id FROM image_actions WHERE image_id = 62137902", None).await;
    assert_eq!(retried, [3; 3]);

    // The last page is truncated once, and requested again.
    stage.inject("GET /v2/images/62137902/actions page=2 times=1 short=1");
    let cut = counts(&stage, "SELECT id FROM image_actions WHERE image_id = 62137902", None).await;
    assert_eq!(cut, [3; 3]);
}
