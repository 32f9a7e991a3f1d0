//! A minimal Flight SQL client, for `oceanflight query --server grpc://host:port`.
//!
//! It requests a statement's FlightInfo, and reads its endpoints in order, all of them from the same server. Errors
//! have the kind and the hint that the server gave them.

use std::fmt;
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

use super::status::Answered;
use crate::error::{Error, Failure, Kind, Result};
use crate::secret::Secret;

/// A server that cannot be reached, or a response that cannot be read.
#[derive(Debug)]
enum Fault {
    /// Not `grpc://host:port`.
    Address(String),
    /// TLS, which this client does not speak.
    Tls(String),
    /// No connection.
    Unreachable { server: String, source: tonic::transport::Error },
    /// A token with characters that are not valid in a header.
    Token,
    /// A response that is not valid Flight.
    Answer(FlightError),
    /// A FlightInfo without a ticket for its rows.
    NoTicket,
    /// The connection broke while the server ran an EXEC.
    Lost(Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(server) => write!(f, "`{server}` is not the address of a server"),
            Self::Tls(server) => write!(f, "`{server}` asks for TLS, which this client does not speak"),
            Self::Unreachable { server, .. } => write!(f, "cannot reach `{server}`"),
            Self::Token => f.write_str("the token has characters that no header can carry"),
            Self::Answer(_) => f.write_str("the server's answer cannot be read"),
            Self::NoTicket => f.write_str("the server named no ticket for some of the rows"),
            Self::Lost(_) => f.write_str("the EXEC may have been carried out, and the connection to the server broke"),
        }
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable { source, .. } => Some(source),
            Self::Answer(error) => Some(error),
            Self::Lost(error) => Some(error),
            Self::Address(_) | Self::Tls(_) | Self::Token | Self::NoTicket => None,
        }
    }
}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::Address(_) | Self::Token => Kind::InvalidArgument,
            Self::Tls(_) => Kind::Unimplemented,
            Self::Unreachable { .. } => Kind::Unavailable,
            Self::Answer(_) | Self::NoTicket => Kind::DataLoss,
            Self::Lost(_) => Kind::Unknown,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Address(_) => Some("write it as `grpc://127.0.0.1:50051`".into()),
            Self::Tls(_) => Some("write it as `grpc://…` and let a tunnel encrypt".into()),
            Self::Unreachable { .. } => Some("`oceanflight serve` starts a server".into()),
            Self::Lost(_) => Some("look before doing it again; the server's log tells what it has sent".into()),
            Self::Token | Self::Answer(_) | Self::NoTicket => None,
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
    fn keep(&self, app_metadata: &[u8]) {
        let plain = |line: &str| line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let lines = std::str::from_utf8(app_metadata).unwrap_or_default().lines().map(plain);
        self.0.lock().expect("nothing panics while it is held").extend(lines);
    }
}

/// Runs a statement on a server, and returns its schema and a stream of its rows.
///
/// # Errors
/// The server's error, with its kind; Unavailable if there is no server, InvalidArgument if the address is not valid.
pub async fn query(server: &str, sql: &str, token: Option<&Secret>) -> Result<Remote> {
    let (notes, authorization) = (Notes::default(), authorization(token)?);
    let mut client = FlightClient { service: connect(server).await?, authorization, notes: notes.clone() };
    let info = client.info(sql).await?;
    // Only the ticket of an EXEC expires.
    let writes = info.endpoint.iter().any(|endpoint| endpoint.expiration_time.is_some());
    let tickets: Option<Vec<Ticket>> = info.endpoint.iter().map(|endpoint| endpoint.ticket.clone()).collect();
    // An endpoint without a ticket would be missing rows.
    let tickets = tickets.filter(|tickets| !tickets.is_empty()).ok_or(Fault::NoTicket)?;
    let schema: Schema = info.try_decode_schema().map_err(|error| Fault::Answer(error.into()))?;
    let rows = stream::iter(tickets).then(move |ticket| client.clone().rows(ticket)).try_flatten();
    let rows = rows.map_err(move |error| if writes { lost_if_broken(error) } else { error }).boxed();
    Ok(Remote { schema: Arc::new(schema), rows, notes })
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
        Ok(self.service.get_flight_info(request).await.map_err(answered)?.into_inner())
    }

    async fn rows(mut self, ticket: Ticket) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let request = self.request(ticket);
        let messages = self.service.do_get(request).await.map_err(answered)?.into_inner();
        let messages = messages.inspect_ok(move |message| self.notes.keep(&message.app_metadata));
        let batches = FlightRecordBatchStream::new_from_flight_data(messages.map_err(FlightError::from));
        Ok(batches.map_err(unreadable).boxed())
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        request
    }
}

async fn connect(server: &str) -> Result<FlightServiceClient<Channel>, Fault> {
    let channel = endpoint(server)?.connect().await;
    let channel = channel.map_err(|source| Fault::Unreachable { server: server.to_owned(), source })?;
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
    match error.downcast_ref::<Answered>() {
        Some(answered) if answered.is_broken() => Fault::Lost(error).into(),
        Some(_) | None => error,
    }
}

fn answered(status: Status) -> Error {
    Answered::from(status).into()
}

fn unreadable(error: FlightError) -> Error {
    match error {
        FlightError::Tonic(status) => answered(*status),
        other => Fault::Answer(other).into(),
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
