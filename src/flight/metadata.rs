//! What the metadata commands have in common: each answers one batch whose schema
//! the specification fixes, nullable flags included, and each is its own ticket.
//! None of them asks the API.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow_flight::error::FlightError;
use arrow_flight::sql::ProstMessageExt;

use super::Service;
use super::command::{CommandTicket, QueryCommand};
use super::fault::Fault;
use super::stream::FlightRows;
use crate::engine::{Principal, TableInfo};
use crate::error::Result;

/// The longest LIKE pattern, in characters: patterns become regular expressions.
const PATTERN: usize = 1_000;

/// The server's metadata, as the commands need it.
#[derive(Debug, Default)]
pub(super) struct ServerMetadata {
    /// Every table there is.
    pub(super) tables: Vec<TableInfo>,
    /// Whether EXEC is carried out.
    pub(super) writes: bool,
}

/// A command that tells something of the server.
pub(super) trait Metadata: ProstMessageExt {
    /// As the specification has it.
    fn schema(&self) -> SchemaRef;

    /// The whole answer, given what this server knows.
    fn batch(&self, known: &ServerMetadata) -> Result<RecordBatch, Fault>;
}

#[tonic::async_trait]
impl<M: Metadata> QueryCommand for M {
    async fn schema(&self, _: &Service, _: &Principal) -> Result<SchemaRef> {
        Ok(Metadata::schema(self))
    }

    async fn ticket(&self, _: &Service, _: &Principal) -> Result<CommandTicket> {
        Ok(CommandTicket { schema: Metadata::schema(self), command: self.as_any(), life: None })
    }

    async fn rows(&self, service: &Service, principal: &Principal) -> Result<FlightRows> {
        let known = ServerMetadata { tables: service.engine.tables(principal).await?, writes: service.engine.writes() };
        Ok(self.batch(&known)?.into())
    }
}

/// # Errors
/// [`Fault::LongPattern`].
pub(super) fn check_pattern(pattern: Option<&str>) -> Result<(), Fault> {
    match pattern.map(|pattern| pattern.chars().count()) {
        Some(characters) if characters > PATTERN => Err(Fault::LongPattern { characters }),
        _ => Ok(()),
    }
}

/// From arrow-flight's builders, which fail only on what Arrow cannot do.
pub(super) fn encoding(error: FlightError) -> Fault {
    match error {
        FlightError::Arrow(error) => Fault::Encoding(error),
        other => Fault::Encoding(ArrowError::ExternalError(Box::new(other))),
    }
}
