//! The list of running queries, and their cancellation.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use oceanflight::engine::{self, Limits, Principal, Query, QueryState, QueryStream};
use oceanflight::error::Kind;
use oceanflight::query::Queries;
use simulated_account::{self as demo, Fault, TestEffect};
use tokio::sync::Semaphore;

use crate::support::Stage;

const ACTIONS: &str = "SELECT id FROM image_actions WHERE image_id = 62137902";

/// A stage whose actions get no response, a query that waits for them, and the semaphore that releases the responses.
async fn waiting() -> (Stage, QueryStream, Arc<Semaphore>) {
    let (stage, held) = (Stage::new(&[]).await, Arc::new(Semaphore::new(0)));
    let fault = Fault::on("GET", "/v2/images/*/actions").then(TestEffect::hold(Arc::clone(&held)));
    stage.demo.account().inject(fault);
    let mut answer = stage.engine.run(&Principal::local(), ACTIONS, None).await.unwrap();
    // Requests are sent when rows are polled.
    assert!(futures::poll!(answer.rows.next()).is_pending());
    stage.demo.account().received(1).await;
    (stage, answer, held)
}

/// A stage whose engine executes EXEC.
async fn stage_that_writes() -> Stage {
    let options = demo::Options { limits: demo::Limits::off(), ..demo::Options::default() };
    Stage::with_query(options, |_| {}, engine::Options { writes: true, ..engine::Options::default() }).await
}

fn facts(query: &Query) -> (&str, QueryState, &Principal) {
    (query.text(), query.state(), query.principal())
}

#[tokio::test]
async fn a_query_is_listed_until_its_last_row_is_consumed() {
    let (stage, answer, held) = waiting().await;

    let known = stage.engine.queries();
    assert_eq!(
        known.iter().map(|query| facts(query)).collect::<Vec<_>>(),
        [(ACTIONS, QueryState::Running, &Principal::local())]
    );
    assert_eq!(known[0].id(), answer.query.id());
    assert_eq!(known[0].counts.requests.get(), 1);
    held.add_permits(10);
    let batches: Vec<_> = answer.rows.try_collect().await.unwrap();

    assert!(!batches.is_empty());
    assert_eq!(known[0].state(), QueryState::Ended);
    assert!(stage.engine.queries().is_empty());
}

#[tokio::test]
async fn a_query_has_ended_when_its_client_disconnects() {
    let (stage, answer, _held) = waiting().await;
    let query = Arc::clone(&answer.query);

    drop(answer);

    assert_eq!(query.state(), QueryState::Ended);
    assert!(stage.engine.queries().is_empty());
}

#[tokio::test]
async fn a_statement_that_fails_to_plan_is_not_listed() {
    let stage = Stage::new(&[]).await;

    assert!(stage.engine.prepare(&Principal::local(), "SELECT nothing").await.is_err());
    assert!(stage.engine.run(&Principal::local(), "SELECT nothing", None).await.is_err());

    assert!(stage.engine.queries().is_empty());
}

#[tokio::test]
async fn a_cancelled_query_ends_with_an_error_and_drops_its_requests() {
    let (stage, mut answer, _held) = waiting().await;

    assert!(stage.engine.cancel(answer.query.id()));
    let error = answer.rows.next().await.unwrap().unwrap_err();

    assert_eq!((error.kind(), error.report()), (Kind::Cancelled, "the query was cancelled".to_owned()));
    assert!(answer.rows.next().await.is_none());
    stage.demo.account().idle().await;
    drop(answer.rows);
    assert!(stage.engine.queries().is_empty());
    assert!(!stage.engine.cancel(answer.query.id()), "it has ended");
}

#[tokio::test]
async fn a_cancelled_query_drops_its_requests_even_if_its_rows_are_not_polled() {
    let (stage, answer, _held) = waiting().await;

    stage.engine.cancel(answer.query.id());

    stage.demo.account().idle().await;
    assert!(stage.engine.queries().is_empty());
}

#[tokio::test]
async fn the_error_of_a_cancelled_exec_says_that_its_post_is_not_undone() {
    let (stage, held) = (stage_that_writes().await, Arc::new(Semaphore::new(0)));
    let fault = Fault::on("POST", "/v2/images/*/actions").then(TestEffect::hold(Arc::clone(&held)));
    stage.demo.account().inject(fault);
    let transfer = "EXEC digitalocean.compute.images.transfer @image_id = 62137902, @region = 'sfo3'";
    let mut answer = stage.engine.run(&Principal::local(), transfer, None).await.unwrap();
    assert!(futures::poll!(answer.rows.next()).is_pending());
    stage.demo.account().received(1).await;

    stage.engine.cancel(answer.query.id());
    let error = answer.rows.next().await.unwrap().unwrap_err();

    assert_eq!(error.kind(), Kind::Cancelled);
    insta::assert_snapshot!(error.report(), @r"
    the query was cancelled
    hint: a request that was already sent is not undone: check what it started
    ");
    held.add_permits(1);
    stage.engine.finish_writing().await;
    assert_eq!(stage.demo.account().posts(), 1, "it was executed once");
    assert!(answer.query.exec_outcome().unwrap().unwrap().contains("was started"));
}

#[test]
fn a_query_is_not_listed_after_its_timeout_even_if_its_rows_are_not_polled() {
    let queries = Arc::new(Queries::default());

    let late =
        queries.begin(Principal::local(), ACTIONS, Limits { timeout: Duration::ZERO, ..Limits::default() }).unwrap();
    let early = queries.begin(Principal::local(), ACTIONS, Limits::default()).unwrap();

    assert_eq!((late.state(), early.state()), (QueryState::Ended, QueryState::Planning));
    assert_eq!(queries.all().iter().map(|query| query.id()).collect::<Vec<_>>(), [early.id()]);
}
