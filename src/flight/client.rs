//! A minimal Flight SQL client, for `oceanflight query --server grpc://host:port`.
//!
//! It requests a statement's FlightInfo, and reads its endpoints in order, all of them from the same server. Errors
//! have the kind and the hint that the server gave them.

use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::{CommandStatementQuery, ProstMessageExt};
use arrow_flight::{FlightDescriptor, FlightInfo, Ticket};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use prost::Message;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::status::RemoteError;
use crate::error::{Error, Failure, Kind, Result};
use crate::secret::Secret;

/// A server that cannot be reached, or a response that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Not `grpc://host:port`.
    #[error("`{0}` is not the address of a server")]
    Address(String),
    /// TLS, which this client does not support.
    #[error("`{0}` requires TLS, which this client does not support")]
    Tls(String),
    /// No connection.
    #[error("cannot reach `{server}`")]
    Unreachable { server: String, source: tonic::transport::Error },
    /// A token with characters that are not valid in a header.
    #[error("the token has characters that are not valid in a header")]
    Token,
    /// A response that is not valid Flight.
    #[error("the server's response cannot be read")]
    Response(#[source] FlightError),
    /// A FlightInfo without a ticket for its rows.
    #[error("the server returned no ticket for some of the rows")]
    NoTicket,
    /// An ingest that the server ended without its result.
    #[error("the server did not say how many rows the table has got")]
    NoResult,
    /// The connection broke while the server ran an EXEC.
    #[error("the connection to the server broke, and the EXEC may have been executed")]
    Lost(#[source] Error),
}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::Address(_) | Self::Token => Kind::InvalidArgument,
            Self::Tls(_) => Kind::Unimplemented,
            Self::Unreachable { .. } => Kind::Unavailable,
            Self::Response(_) | Self::NoTicket => Kind::DataLoss,
            Self::NoResult => Kind::Unknown,
            Self::Lost(_) => Kind::Unknown,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Address(_) => Some("write it as `grpc://127.0.0.1:50051`".into()),
            Self::Tls(_) => Some("use `grpc://…`, with a tunnel for the encryption".into()),
            Self::Unreachable { .. } => Some("`oceanflight serve` starts a server".into()),
            Self::Lost(_) => Some("check before retrying; the server's log shows its POSTs".into()),
            Self::Token | Self::Response(_) | Self::NoTicket | Self::NoResult => None,
        }
    }
}

/// A statement that runs on a server.
pub struct Remote {
    /// The columns of its rows.
    pub schema: SchemaRef,
    /// Its rows, batch by batch.
    pub rows: BoxStream<'static, Result<RecordBatch>>,
    /// The server's notes about the rows; complete when the rows are.
    pub notes: Notes,
}

/// A server's notes about the rows, from the `app_metadata` of its messages.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    /// Returns the notes received so far.
    pub fn get(&self) -> Vec<String> {
        self.0.lock().expect("nothing panics while it is held").clone()
    }

    /// Adds a note for each line, without control characters, which could steer a terminal. Metadata that is not UTF-8
    /// is for other clients, and ignored.
    fn add(&self, app_metadata: &[u8]) {
        let Ok(text) = std::str::from_utf8(app_metadata) else { return };
        let mut notes = self.0.lock().expect("nothing panics while it is held");
        notes.extend(text.lines().map(without_control_characters));
    }
}

fn without_control_characters(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Runs a statement on a server, and returns its schema and a stream of its rows.
///
/// # Errors
/// The server's error, with its kind; Unavailable if there is no server, InvalidArgument if the address is not valid.
pub async fn query(server: &str, sql: &str, token: Option<&Secret>) -> Result<Remote> {
    let (notes, authorization) = (Notes::default(), authorization(token)?);
    let mut client = FlightClient { service: connect(server).await?, authorization, notes: notes.clone() };
    let info = client.info(sql).await?;
    let tickets = tickets(&info)?;
    // Only the ticket of an EXEC expires.
    let writes = info.endpoint.iter().any(|endpoint| endpoint.expiration_time.is_some());
    let schema: Schema = info.try_decode_schema().map_err(|error| Fault::Response(error.into()))?;
    let batches = stream::iter(tickets).then(move |ticket| client.clone().rows(ticket)).try_flatten();
    let rows = batches.map_err(move |error| if writes { lost_if_broken(error) } else { error });
    Ok(Remote { schema: Arc::new(schema), rows: rows.boxed(), notes })
}

/// Returns the tickets of all endpoints. An endpoint without a ticket is an error: its rows would be missing.
fn tickets(info: &FlightInfo) -> Result<Vec<Ticket>, Fault> {
    let tickets: Option<Vec<Ticket>> = info.endpoint.iter().map(|endpoint| endpoint.ticket.clone()).collect();
    tickets.filter(|tickets| !tickets.is_empty()).ok_or(Fault::NoTicket)
}

#[derive(Clone)]
struct FlightClient {
    service: FlightServiceClient<Channel>,
    authorization: Option<MetadataValue<Ascii>>,
    notes: Notes,
}

impl FlightClient {
    async fn info(&mut self, sql: &str) -> Result<FlightInfo> {
        let command = CommandStatementQuery { query: sql.to_owned(), transaction_id: None };
        let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
        let request = self.request(descriptor);
        Ok(self.service.get_flight_info(request).await.map_err(remote_error)?.into_inner())
    }

    async fn rows(mut self, ticket: Ticket) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let request = self.request(ticket);
        let messages = self.service.do_get(request).await.map_err(remote_error)?.into_inner();
        let with_notes = messages.inspect_ok(move |message| self.notes.add(&message.app_metadata));
        let batches = FlightRecordBatchStream::new_from_flight_data(with_notes.map_err(FlightError::from));
        Ok(batches.map_err(decode_error).boxed())
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        request
    }
}

pub(super) async fn connect(server: &str) -> Result<FlightServiceClient<Channel>, Fault> {
    let connected = endpoint(server)?.connect().await;
    let channel = connected.map_err(|source| Fault::Unreachable { server: server.to_owned(), source })?;
    // A row is never split between messages, so the server decides how large a message is.
    Ok(FlightServiceClient::new(channel).max_decoding_message_size(usize::MAX))
}

/// Parses the server's address: gRPC without TLS is plain HTTP to tonic.
fn endpoint(server: &str) -> Result<Endpoint, Fault> {
    let (scheme, authority) = server.split_once("://").unwrap_or(("grpc", server));
    match scheme {
        "grpc" | "grpc+tcp" | "http" if !authority.is_empty() => {
            Endpoint::from_shared(format!("http://{authority}")).map_err(|_| Fault::Address(server.to_owned()))
        }
        "grpc+tls" | "grpcs" | "https" => Err(Fault::Tls(server.to_owned())),
        _ => Err(Fault::Address(server.to_owned())),
    }
}

fn authorization(token: Option<&Secret>) -> Result<Option<MetadataValue<Ascii>>, Fault> {
    let Some(token) = token else { return Ok(None) };
    let mut value: MetadataValue<Ascii> = format!("Bearer {}", token.expose()).parse().map_err(|_| Fault::Token)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn lost_if_broken(error: Error) -> Error {
    match error.downcast_ref::<RemoteError>() {
        Some(remote) if remote.is_broken() => Fault::Lost(error).into(),
        Some(_) | None => error,
    }
}

pub(super) fn remote_error(status: Status) -> Error {
    RemoteError::from(status).into()
}

fn decode_error(error: FlightError) -> Error {
    match error {
        FlightError::Tonic(status) => remote_error(*status),
        other => Fault::Response(other).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_the_schemes_of_the_drivers() {
        for server in ["grpc://127.0.0.1:31337", "grpc+tcp://127.0.0.1:31337", "127.0.0.1:31337"] {
            assert_eq!(endpoint(server).unwrap().uri(), "http://127.0.0.1:31337", "{server}");
        }
    }

    #[test]
    fn an_invalid_address_is_rejected() {
        assert!(matches!(endpoint("grpc+tls://localhost:1"), Err(Fault::Tls(_))));
        assert!(matches!(endpoint("ftp://localhost:1"), Err(Fault::Address(_))));
        assert!(matches!(endpoint("grpc://"), Err(Fault::Address(_))));
        assert!(matches!(endpoint("grpc://a b"), Err(Fault::Address(_))));
    }
}
