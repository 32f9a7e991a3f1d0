//! Flight SQL over gRPC: a server on a loopback socket. Nothing listens at the API's address, because no test here may
//! send a request to it.

pub(crate) mod cancel;
mod client;
mod drivers;
mod metadata;
mod nonsense;
mod planned;
mod prepared_statements;
mod protocol;
mod sessions;
mod statements;

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, Int64Array, NullArray, RecordBatch, StringArray, UnionArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Fields, Int64Type, Schema, SchemaRef, UnionFields, UnionMode};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
    Any, CommandGetCatalogs, CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys,
    CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables,
    CommandGetXdbcTypeInfo, CommandPreparedStatementQuery, CommandStatementQuery, CommandStatementSubstraitPlan,
    DoPutPreparedStatementResult, ProstMessageExt, TicketStatementQuery,
};
use arrow_flight::utils::batches_to_flight_data;
use arrow_flight::{Action, Empty, FlightData, FlightDescriptor, FlightInfo, IpcMessage, SchemaResult, Ticket};
use bytes::Bytes;
use futures::stream;
use futures::{StreamExt, TryStreamExt};
use oceanflight::engine::{self, Engine};
use oceanflight::error::Kind;
use oceanflight::{api, flight};
use proptest::prelude::*;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Code, Status};

/// A statement that reads a table without a request to the API.
const TABLES: &str =
    "SELECT table_catalog, table_name FROM information_schema.tables WHERE table_name = 'image_actions'";

/// A statement with 10,000,000,000 rows, which are computed only when they are read.
const ENDLESS: &str =
    "SELECT a FROM (SELECT unnest(range(0, 100000)) AS a) CROSS JOIN (SELECT unnest(range(0, 100000)))";

/// A server that runs until the test's runtime ends.
pub(crate) struct Running {
    address: String,
    pub(crate) client: FlightServiceClient<Channel>,
    stop: watch::Sender<bool>,
}

async fn start() -> Running {
    let unreachable = "http://127.0.0.1:9/".parse().unwrap();
    let client = api::Client::try_new(api::Options::new(unreachable, None), &api::Budgets::default()).unwrap();
    serve(Engine::try_new(client, engine::Options::default()).unwrap()).await
}

/// Starts a server with this engine.
pub(crate) async fn serve(engine: Engine) -> Running {
    let (stop, stopping) = watch::channel(false);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::builder().add_service(flight::service(engine, flight::MESSAGE_BYTES, stopping));
    // Without it each response of a debug build waits for a delayed ACK.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    tokio::spawn(server.serve_with_incoming(incoming));
    let channel = Channel::from_shared(address.clone()).unwrap().connect().await.unwrap();
    let client = FlightServiceClient::new(channel).max_decoding_message_size(flight::MESSAGE_BYTES);
    Running { address, client, stop }
}

pub(crate) fn descriptor(command: &impl ProstMessageExt) -> FlightDescriptor {
    FlightDescriptor::new_cmd(command.as_any().encode_to_vec())
}

pub(crate) fn statement(sql: &str) -> CommandStatementQuery {
    CommandStatementQuery { query: sql.to_owned(), transaction_id: None }
}

pub(crate) fn prepared(handle: &Bytes) -> CommandPreparedStatementQuery {
    CommandPreparedStatementQuery { prepared_statement_handle: handle.clone() }
}

impl Running {
    /// Connects to a server that runs already.
    pub(crate) async fn at(address: String) -> Self {
        let channel = Channel::from_shared(address.clone()).unwrap().connect().await.unwrap();
        let client = FlightServiceClient::new(channel).max_decoding_message_size(flight::MESSAGE_BYTES);
        Self { address, client, stop: watch::channel(false).0 }
    }

    /// The address that it listens on.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) async fn info(&self, command: &impl ProstMessageExt) -> Result<FlightInfo, Status> {
        Ok(self.client.clone().get_flight_info(descriptor(command)).await?.into_inner())
    }

    pub(crate) async fn schema(&self, command: &impl ProstMessageExt) -> Result<Schema, Status> {
        let result: SchemaResult = self.client.clone().get_schema(descriptor(command)).await?.into_inner();
        Ok(Schema::try_from(result).unwrap())
    }

    pub(crate) async fn messages(&self, ticket: Ticket) -> Result<Vec<FlightData>, Status> {
        self.client.clone().do_get(ticket).await?.into_inner().try_collect().await
    }

    pub(crate) async fn rows(&self, info: &FlightInfo) -> Result<RecordBatch, Status> {
        let messages = self.messages(info.endpoint[0].ticket.clone().unwrap()).await?;
        let schema: SchemaRef = Arc::new(Schema::try_from(&messages[0]).unwrap());
        let batches = FlightRecordBatchStream::new_from_flight_data(stream::iter(messages.into_iter().map(Ok)));
        let batches: Vec<_> = batches.try_collect().await.unwrap();
        Ok(concat_batches(&schema, &batches).unwrap())
    }

    pub(crate) async fn ask(&self, command: &impl ProstMessageExt) -> Result<RecordBatch, Status> {
        self.rows(&self.info(command).await?).await
    }

    pub(crate) async fn act(&self, name: &str, body: Vec<u8>) -> Result<Vec<arrow_flight::Result>, Status> {
        let action = Action { r#type: name.to_owned(), body: body.into() };
        self.client.clone().do_action(action).await?.into_inner().try_collect().await
    }

    pub(crate) async fn prepare(&self, sql: &str) -> Result<ActionCreatePreparedStatementResult, Status> {
        let request = ActionCreatePreparedStatementRequest { query: sql.to_owned(), transaction_id: None };
        let results = self.act("CreatePreparedStatement", request.as_any().encode_to_vec()).await?;
        let any = Any::decode(&*results[0].body).unwrap();
        Ok(any.unpack().unwrap().unwrap())
    }

    pub(crate) async fn handle(&self, sql: &str) -> Bytes {
        self.prepare(sql).await.unwrap().prepared_statement_handle
    }

    async fn close(&self, handle: &Bytes) {
        let request = ActionClosePreparedStatementRequest { prepared_statement_handle: handle.clone() };
        self.act("ClosePreparedStatement", request.as_any().encode_to_vec()).await.unwrap();
    }

    pub(crate) async fn put(&self, command: &impl ProstMessageExt, rows: RecordBatch) -> Result<Bytes, Status> {
        let encoder = FlightDataEncoderBuilder::new()
            .with_schema(rows.schema())
            .with_flight_descriptor(Some(descriptor(command)));
        let messages: Vec<FlightData> = encoder.build(stream::iter([Ok(rows)])).try_collect().await.unwrap();
        let mut results = self.client.clone().do_put(stream::iter(messages)).await?.into_inner();
        Ok(results.message().await?.unwrap().app_metadata)
    }

    /// Binds a row, and returns the new handle.
    pub(crate) async fn bind(&self, handle: &Bytes, rows: RecordBatch) -> Result<Bytes, Status> {
        let response = self.put(&prepared(handle), rows).await?;
        Ok(DoPutPreparedStatementResult::decode(response).unwrap().prepared_statement_handle.unwrap())
    }

    /// The first value of the first column of a prepared statement's rows.
    async fn value(&self, handle: &Bytes) -> i64 {
        let rows = self.ask(&prepared(handle)).await.unwrap();
        rows.column(0).as_primitive::<Int64Type>().value(0)
    }
}

pub(crate) fn row(values: Vec<ArrayRef>) -> RecordBatch {
    let columns = values.into_iter().enumerate().map(|(at, value)| (at.to_string(), value, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

pub(crate) fn number(value: impl Into<Option<i64>>) -> ArrayRef {
    Arc::new(Int64Array::from(vec![value.into()]))
}

pub(crate) fn text(value: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

pub(crate) fn decoded(schema: Bytes) -> Schema {
    Schema::try_from(IpcMessage(schema)).unwrap()
}

/// Every text of a column of text.
pub(crate) fn texts(rows: &RecordBatch, column: usize) -> Vec<String> {
    rows.column(column).as_string::<i32>().iter().flatten().map(str::to_owned).collect()
}

fn readable(status: &Status) -> &str {
    let message = status.message();
    assert!(message.len() < 600, "{message}");
    assert!(!message.contains("Some(") && !message.contains("Error("), "{message}");
    message
}
