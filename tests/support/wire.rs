//! A server in front of a simulated account, with a gRPC client.

use std::fmt;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::Schema;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt;
use oceanflight::flight;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::Status;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};

use super::Stage;

/// A server in front of a simulated account.
pub(crate) struct Wire {
    pub(crate) stage: Stage,
    pub(crate) client: FlightSqlServiceClient<Channel>,
    address: String,
    _stop: watch::Sender<bool>,
}

/// A statement that the server rejected, or that failed.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) when: When,
    pub(crate) status: Box<Status>,
}

/// The call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Prepare and GetFlightInfo.
    Planning,
    /// DoGet.
    Running,
}

impl Wire {
    /// Starts a server in front of an account with the rows of the fixtures.
    pub(crate) async fn start() -> Self {
        Self::of(Stage::new(&[]).await).await
    }

    /// Starts a server in front of this account.
    pub(crate) async fn of(stage: Stage) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopping) = watch::channel(false);
        let server =
            Server::builder().add_service(flight::service(stage.engine.clone(), flight::MESSAGE_BYTES, stopping));
        // Without it, each response of a debug build waits for a delayed ACK.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        tokio::spawn(server.serve_with_incoming(incoming));
        let client = connect(&address).await;
        Self { stage, client, address, _stop: stop }
    }

    /// Opens another connection to the server.
    pub(crate) async fn connect(&self) -> FlightSqlServiceClient<Channel> {
        connect(&self.address).await
    }

    /// Returns the rows of a statement that must succeed. Checks that prepare, FlightInfo and DoGet have the same
    /// schema.
    pub(crate) async fn rows(&mut self, sql: &str) -> RecordBatch {
        self.ask(sql).await.unwrap_or_else(|refusal| panic!("{sql}: {refusal}"))
    }

    /// As [`Wire::rows`], for a statement that may fail.
    pub(crate) async fn ask(&mut self, sql: &str) -> Result<RecordBatch, Refusal> {
        self.ask_with(sql, None).await
    }

    /// As [`Wire::ask`], with a row of parameters.
    pub(crate) async fn ask_with(&mut self, sql: &str, bound: Option<RecordBatch>) -> Result<RecordBatch, Refusal> {
        let mut prepared = self.client.prepare(sql.to_owned(), None).await.map_err(Refusal::planning)?;
        let schema = prepared.dataset_schema().unwrap().clone();
        if let Some(bound) = bound {
            prepared.set_parameters(bound).unwrap();
        }
        let info = prepared.execute().await.map_err(Refusal::planning)?;
        let informed: Schema = info.clone().try_decode_schema().unwrap();
        let ticket = info.endpoint[0].ticket.clone().unwrap();
        let mut stream = self.client.do_get(ticket).await.map_err(Refusal::running)?;
        let mut batches = Vec::new();
        while let Some(batch) = stream.try_next().await.map_err(Refusal::running)? {
            batches.push(batch);
        }
        let sent = stream.schema().unwrap();
        assert_eq!(schema, informed, "{sql}: prepare and FlightInfo");
        assert_eq!(&informed, sent.as_ref(), "{sql}: FlightInfo and DoGet");
        Ok(concat_batches(sent, &batches).unwrap())
    }
}

async fn connect(address: &str) -> FlightSqlServiceClient<Channel> {
    let channel = Channel::from_shared(address.to_owned()).unwrap().connect().await.unwrap();
    let client = FlightServiceClient::new(channel).max_decoding_message_size(flight::MESSAGE_BYTES);
    FlightSqlServiceClient::new_from_inner(client)
}

impl Refusal {
    fn planning(error: FlightError) -> Self {
        Self { when: When::Planning, status: Box::new(error.into()) }
    }

    fn running(error: FlightError) -> Self {
        Self { when: When::Running, status: Box::new(error.into()) }
    }

    /// Returns the message's hint.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.status.message().rsplit_once("\nhint: ").map(|(_, hint)| hint)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:?}: {}", self.when, self.status.code(), self.status.message())
    }
}
