//! Queries that read or change the account, and that a client ends by each of the ways that Flight SQL has.

use std::sync::Arc;
use std::time::Duration;

use arrow_flight::{CancelStatus, FlightData, FlightInfo, RenewFlightEndpointRequest};
use prost::Message;
use tokio::sync::Semaphore;
use tonic::{Code, Streaming};

use crate::exec::stage;
use crate::flight::cancel::{CANCELLED, error_of};
use crate::flight::{Running, serve, statement};
use crate::support::Stage;

/// The maximum number of requests of a stage at once.
const IN_FLIGHT: usize = 16;

/// The number of responses that a query has before it is ended.
const ANSWERED: usize = 8;

/// The path of an image's actions.
const ACTIONS: &str = "/v2/images/*/actions";

const TRANSFER: &str = "EXEC digitalocean.compute.images.transfer @image_id = 62137902, @region = 'sfo3'";

/// A query that needs 500 requests and sorts their rows. It has the first responses, and waits for the next.
struct Reading {
    stage: Stage,
    server: Running,
    info: FlightInfo,
    messages: Option<Streaming<FlightData>>,
    /// Lets responses pass.
    gate: Arc<Semaphore>,
}

impl Reading {
    async fn begun() -> Self {
        let images: Vec<String> = (1..=500).map(|image| image.to_string()).collect();
        let totals: Vec<(&str, usize)> = images.iter().map(|image| (&**image, 20)).collect();
        let stage = Stage::new(&totals).await;
        let gate = stage.hold("GET", ACTIONS);
        let server = serve(stage.engine.clone()).await;
        let sql = format!("SELECT id FROM image_actions WHERE image_id IN ({}) ORDER BY id", images.join(", "));
        let info = server.info(&statement(&sql)).await.unwrap();
        let messages = Some(read(&server, &info).await);
        gate.add_permits(ANSWERED);
        stage.demo.account().received(ANSWERED + IN_FLIGHT).await;
        until(|| stage.engine.reserved_bytes() > 0).await;
        Self { stage, server, info, messages, gate }
    }

    /// Checks that the query has ended and its memory is free, and that no request was sent after those in flight.
    async fn has_ended(self) {
        within_a_minute(self.stage.demo.account().idle()).await;
        self.gate.add_permits(1_000);
        no_query_runs(&self.stage).await;
        until(|| self.stage.engine.reserved_bytes() == 0).await;
        // Of the same client: it comes after whatever the query might have sent.
        self.stage.rows("SELECT id FROM image_actions WHERE image_id = 501").await;
        let requests = self.stage.requests();
        assert_eq!(requests.len(), ANSWERED + IN_FLIGHT + 1, "{requests:?}");
        assert_eq!(self.server.cancel(&self.info).await, CancelStatus::NotCancellable, "it has ended");
    }
}

/// A query that goes on by mistake fails its test, and does not hang it.
async fn within_a_minute<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("the query goes on")
}

async fn until(is_so: impl Fn() -> bool + Send + Sync) {
    within_a_minute(async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Waits until the engine runs no query.
pub(crate) async fn no_query_runs(stage: &Stage) {
    until(|| stage.engine.queries().is_empty()).await;
}

/// Calls DoGet.
async fn read(server: &Running, info: &FlightInfo) -> Streaming<FlightData> {
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    server.client.clone().do_get(ticket).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_client_that_closes_its_stream_ends_the_requests_of_its_query() {
    let mut reading = Reading::begun().await;

    drop(reading.messages.take());

    reading.has_ended().await;
}

#[tokio::test]
async fn cancel_flight_info_ends_the_requests_of_a_query() {
    let mut reading = Reading::begun().await;

    assert_eq!(reading.server.cancel(&reading.info).await, CancelStatus::Cancelled);

    assert_eq!(error_of(reading.messages.take().unwrap()).await.code(), Code::Cancelled);
    reading.has_ended().await;
}

#[tokio::test]
async fn cancel_query_ends_the_requests_of_a_query() {
    let mut reading = Reading::begun().await;

    assert_eq!(reading.server.cancel_query(&reading.info).await, CANCELLED);

    assert_eq!(error_of(reading.messages.take().unwrap()).await.code(), Code::Cancelled);
    reading.has_ended().await;
}

#[tokio::test]
async fn the_post_of_a_cancelled_exec_is_executed_and_its_ticket_returns_the_row() {
    let stage = stage().await;
    let gate = stage.hold("POST", ACTIONS);
    let server = serve(stage.engine.clone()).await;
    let info = server.info(&statement(TRANSFER)).await.unwrap();
    let messages = read(&server, &info).await;
    stage.demo.account().received(1).await;

    assert_eq!(server.cancel(&info).await, CancelStatus::Cancelled);

    let cancelled = error_of(messages).await;
    assert_eq!(cancelled.code(), Code::Cancelled);
    let hint = "hint: a request that was already sent is not undone: check what it started";
    assert!(cancelled.message().ends_with(hint), "{cancelled}");
    gate.add_permits(1);
    let rows = server.rows(&info).await.unwrap();
    assert_eq!((rows.num_rows(), stage.demo.account().posts()), (1, 1));
}

#[tokio::test]
async fn the_ticket_of_an_exec_is_not_renewed() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;
    let info = server.info(&statement(TRANSFER)).await.unwrap();
    let request = RenewFlightEndpointRequest { endpoint: Some(info.endpoint[0].clone()) };

    let refused = server.act("RenewFlightEndpoint", request.encode_to_vec()).await.unwrap_err();

    assert_eq!(refused.code(), Code::FailedPrecondition);
    insta::assert_snapshot!(refused.message(), @r"
    the ticket of an EXEC cannot be renewed
    hint: call GetFlightInfo again, if the EXEC was not executed
    ");
    assert_eq!(stage.demo.account().posts(), 0);
}
