//! The server's side of Arrow Flight SQL: the only gRPC in this crate.
//!
//! `FlightService` is implemented directly, over arrow-flight's `Command`. arrow-flight's `FlightSqlService` does not
//! allow other implementations of GetSchema and ListFlights, advertises transactions, and returns INTERNAL with Debug
//! text for bytes that do not decode.
//!
//! # The calls of a statement
//!
//! ```text
//! client                                    server
//!   GetFlightInfo(CommandStatementQuery) ──►  plans; sends no request to the API
//!                    ◄── FlightInfo{schema, TicketStatementQuery(statement handle)}
//!   DoGet(ticket) ─────────────────────────►  runs
//!                    ◄── schema, rows
//!
//!   CreatePreparedStatement(sql) ──────────►  plans
//!                    ◄── prepared handle, schema of the rows, schema of the parameters
//!   DoPut(prepared handle, one row) ───────►  puts the row into a new handle
//!                    ◄── prepared handle with the row
//!   GetFlightInfo(prepared handle) ────────►  as above: the ticket contains statement and row
//!   ClosePreparedStatement(prepared handle)
//! ```
//!
//! Handles contain everything that is needed to execute them (`handle`), so any replica can. The only state of this
//! layer is `bound_parameters`, for clients that keep using the handle from before DoPut, and `sessions`, for clients that
//! do not return cookies.
//!
//! # The calls of an EXEC
//!
//! ```text
//!   GetFlightInfo ─────────────────────────►  plans and checks; makes the number of one execution
//!                    ◄── FlightInfo{ticket with the number, expiration_time}
//!   DoGet(ticket) ─────────────────────────►  sends the POST, unless an earlier DoGet of this ticket did
//!                    ◄── the row
//!
//!   DoPut(CommandStatementUpdate) ─────────►  sends the POST
//!   DoPut(CommandPreparedStatementUpdate, rows)  sends a POST for each row, in order
//!                    ◄── the number of executions
//! ```
//!
//! The engine keeps a record of each POST, so the ticket of an EXEC is valid only in this process.
//!
//! # Layout
//!
//! - `command`: decodes a command to a `QueryCommand`: the only match over all commands.
//! - `statement`, `prepared`, `catalogs`, `db_schemas`, `tables`, `table_types`, `keys`, `sql_info`, `xdbc_type_info`: one
//!   command each.
//! - `metadata`: the common part of the last seven. `column_metadata`: the metadata of columns.
//! - `sql_type`: the SQL names of Arrow's types.
//! - `action`: DoAction and ListActions. `cancel`: the actions that cancel a query.
//! - `sessions`: the options of clients' sessions. `session_actions` sets them, `session_messages` has their names. `do_put`: DoPut. `handshake`: Handshake.
//! - `stream`: encodes rows. `status`: encodes errors. `fault`: the errors of this layer.
//! - [`client`]: the client's side, for `oceanflight query --server`; [`client_ingest`], for `oceanflight load`.
//! - `ingest`: rows that become a table.

use std::sync::Arc;
use std::time::SystemTime;

use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest,
    HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use futures::stream::{BoxStream, StreamExt};
use prost::Message;
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

use self::bound_parameters::BoundParameters;
use self::fault::Fault;
use self::sessions::Sessions;
use crate::engine::{Engine, Principal};
use crate::error::{Error, Result};

mod action;
mod bound_parameters;
mod cancel;
mod catalogs;
pub mod client;
pub mod client_ingest;
mod column_metadata;
mod command;
mod db_schemas;
mod do_put;
mod fault;
mod handle;
mod handshake;
mod ingest;
mod keys;
mod map_names;
mod metadata;
mod prepared;
mod session_actions;
mod session_messages;
mod sessions;
mod sql_info;
mod sql_type;
mod statement;
mod status;
mod stream;
mod table_types;
mod tables;
mod xdbc_type_info;

pub use self::sessions::ConnectionSessions;
pub use self::status::code_name;
pub(crate) use self::status::of as status_of;

/// The default of the maximum size of a message from a client, in bytes: the Go ADBC driver's limit. tonic's is 4 MiB.
pub const MESSAGE_BYTES: usize = 16 << 20;

/// The Flight SQL service over an engine.
pub struct Service {
    engine: Engine,
    /// The bound rows of prepared statements, for clients that keep using their first handle.
    bound: Arc<BoundParameters>,
    sessions: Sessions,
    /// The maximum size of a message, and of all messages of a DoPut, in bytes.
    max_message_bytes: usize,
    /// Becomes true when the server stops: streams end then.
    stopping: watch::Receiver<bool>,
}

/// Returns the gRPC service for a server. Its streams end with UNAVAILABLE when `stopping` becomes true.
pub fn service(
    engine: Engine,
    max_message_bytes: usize,
    stopping: watch::Receiver<bool>,
) -> FlightServiceServer<Service> {
    let (bound, sessions) = (Arc::default(), Sessions::default());
    let service = Service { engine, bound, sessions, max_message_bytes, stopping };
    FlightServiceServer::new(service).max_decoding_message_size(max_message_bytes)
}

/// Decodes bytes as each kind of ticket and handle. For `tests/fuzz`, which checks that it does not panic.
pub fn read_any(bytes: &[u8]) {
    let _ = command::of_ticket(bytes);
    handle::read_any(bytes);
}

type Reply<T> = Result<Response<T>, Status>;
type Stream<T> = BoxStream<'static, Result<T, Status>>;

#[tonic::async_trait]
impl FlightService for Service {
    type HandshakeStream = Stream<HandshakeResponse>;
    type ListFlightsStream = Stream<FlightInfo>;
    type DoGetStream = Stream<FlightData>;
    type DoPutStream = Stream<PutResult>;
    type DoExchangeStream = Stream<FlightData>;
    type DoActionStream = Stream<arrow_flight::Result>;
    type ListActionsStream = Stream<ActionType>;

    async fn handshake(&self, request: Request<Streaming<HandshakeRequest>>) -> Reply<Self::HandshakeStream> {
        handshake::accept(request, self.stopping.clone()).map_err(fault_status)
    }

    /// Returns no flights: CommandGetTables lists the tables.
    async fn list_flights(&self, _request: Request<Criteria>) -> Reply<Self::ListFlightsStream> {
        Ok(Response::new(futures::stream::empty().boxed()))
    }

    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Reply<FlightInfo> {
        let principal = self.principal(&request).map_err(fault_status)?;
        let cookie = self.sessions.new_cookie(&self.engine, request.metadata(), request.extensions());
        let info = self.info(&principal, request.into_inner()).await.map_err(error_status)?;
        let mut response = Response::new(info);
        if let Some(cookie) = cookie {
            response.metadata_mut().insert("set-cookie", cookie);
        }
        Ok(response)
    }

    /// The FlightInfo is complete at once: planning is short, and DoGet waits for the rows.
    async fn poll_flight_info(&self, request: Request<FlightDescriptor>) -> Reply<PollInfo> {
        let info = self.get_flight_info(request).await?.into_inner();
        Ok(Response::new(PollInfo { info: Some(info), progress: Some(1.0), ..PollInfo::default() }))
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Reply<SchemaResult> {
        let principal = self.principal(&request).map_err(fault_status)?;
        let schema = self.schema(&principal, &request.into_inner()).await;
        schema.map(Response::new).map_err(error_status)
    }

    async fn do_get(&self, request: Request<Ticket>) -> Reply<Self::DoGetStream> {
        let principal = self.principal(&request).map_err(fault_status)?;
        let rows = self.rows(&principal, &request.into_inner()).await.map_err(error_status)?;
        Ok(Response::new(rows.encode(self.stopping.clone())))
    }

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Reply<Self::DoPutStream> {
        let principal = self.principal(&request).map_err(fault_status)?;
        let result = do_put::execute(self, &principal, request.into_inner()).await.map_err(error_status)?;
        Ok(Response::new(futures::stream::iter([Ok(result)]).boxed()))
    }

    async fn do_exchange(&self, _request: Request<Streaming<FlightData>>) -> Reply<Self::DoExchangeStream> {
        Err(fault_status(Fault::Unimplemented("DoExchange".into())))
    }

    async fn do_action(&self, request: Request<Action>) -> Reply<Self::DoActionStream> {
        let principal = self.principal(&request).map_err(fault_status)?;
        let answer = action::execute(self, &principal, &request).await.map_err(error_status)?;
        let mut response = Response::new(futures::stream::iter(answer.result.map(Ok)).boxed());
        if let Some(cookie) = answer.cookie {
            response.metadata_mut().insert("set-cookie", cookie);
        }
        Ok(response)
    }

    async fn list_actions(&self, _request: Request<Empty>) -> Reply<Self::ListActionsStream> {
        Ok(Response::new(futures::stream::iter(action::list().map(Ok)).boxed()))
    }
}

impl Service {
    /// The client of a call, which is anonymous because there is no authentication yet, and its session.
    fn principal<T>(&self, request: &Request<T>) -> Result<Principal, Fault> {
        let session = self.sessions.options(&self.engine, request.metadata(), request.extensions())?;
        let scope = self.sessions.scope(request.metadata());
        Ok(Principal::anonymous(request.remote_addr()).with_session(Arc::new(session)).with_scope(scope))
    }

    async fn info(&self, principal: &Principal, descriptor: FlightDescriptor) -> Result<FlightInfo> {
        let query = command::of_descriptor(&descriptor)?;
        let command::CommandTicket { schema, command, life } = query.ticket(self, principal).await?;
        let mut endpoint = FlightEndpoint::new().with_ticket(Ticket::new(command.encode_to_vec()));
        endpoint.expiration_time = life.map(|life| (SystemTime::now() + life).into());
        // No location means the same server. Clients fail on a location that they cannot reach.
        let info = FlightInfo::new().with_endpoint(endpoint).with_descriptor(descriptor);
        Ok(FlightInfo { schema: stream::schema_bytes(&stream::wire_schema(schema))?, ..info })
    }

    async fn schema(&self, principal: &Principal, descriptor: &FlightDescriptor) -> Result<SchemaResult> {
        let schema = command::of_descriptor(descriptor)?.schema(self, principal).await?;
        Ok(SchemaResult { schema: stream::schema_bytes(&stream::wire_schema(schema))? })
    }

    async fn rows(&self, principal: &Principal, ticket: &Ticket) -> Result<stream::FlightRows> {
        command::of_ticket(&ticket.ticket)?.rows(self, principal).await
    }
}

fn error_status(error: Error) -> Status {
    status::of(&error)
}

fn fault_status(fault: Fault) -> Status {
    status::of(&fault.into())
}
