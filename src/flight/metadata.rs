//! The common part of the metadata commands. Each returns one batch, whose schema is fixed by the specification
//! (nullable flags included), and each is its own ticket. None of them sends a request to the API.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow_flight::error::FlightError;
use arrow_flight::sql::ProstMessageExt;

use super::Service;
use super::command::{CommandTicket, QueryCommand};
use super::fault::Fault;
use super::sql_info::Abilities;
use super::stream::FlightRows;
use crate::engine::{Principal, SYSTEM_SCHEMA, TableInfo, TableTypes};
use crate::error::Result;

/// The longest LIKE pattern, in characters: patterns become regular expressions.
const PATTERN: usize = 1_000;

/// The server's metadata, from which the commands make their rows.
#[derive(Debug, Default)]
pub(super) struct ServerMetadata {
    /// All tables.
    pub(super) tables: Vec<TableInfo>,
    /// What the server does besides queries.
    pub(super) abilities: Abilities,
    /// How the client's session spells the types of tables.
    pub(super) table_types: TableTypes,
}

/// A command that returns metadata of the server.
pub(super) trait Metadata: ProstMessageExt {
    /// Returns the schema that the specification requires.
    fn schema(&self) -> SchemaRef;

    /// Whether the client asks for the tables of all catalogs, and does not name one. Tools show the names of several
    /// catalogs as one list, so then a session's catalog counts; without one, only the default catalog has the system
    /// schema, which has the same rows in each.
    fn is_of_all_catalogs(&self) -> bool {
        false
    }

    /// Returns all rows.
    fn batch(&self, server: &ServerMetadata) -> Result<RecordBatch, Fault>;
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
        let mut tables = service.engine.tables(principal).await?;
        if self.is_of_all_catalogs() {
            match &principal.session.catalog {
                Some(catalog) => tables.retain(|table| table.catalog == *catalog),
                None => {
                    let (default, _) = service.engine.defaults(principal);
                    tables.retain(|table| table.schema != SYSTEM_SCHEMA || table.catalog == default);
                }
            }
        }
        let table_types = principal.session.table_types.unwrap_or_default();
        let abilities = Abilities { writes: service.engine.writes(), ingests: service.engine.ingests() };
        let server = ServerMetadata { tables, abilities, table_types };
        Ok(self.batch(&server)?.into())
    }
}

/// Rejects a pattern that is longer than [`PATTERN`].
///
/// # Errors
/// [`Fault::LongPattern`].
pub(super) fn check_pattern(pattern: Option<&str>) -> Result<(), Fault> {
    match pattern.map(|pattern| pattern.chars().count()) {
        Some(characters) if characters > PATTERN => Err(Fault::LongPattern { characters }),
        _ => Ok(()),
    }
}

/// The catalog that a command filters by. It is a name, and no pattern, but drivers send `%` for all.
pub(super) fn wanted_catalog(catalog: Option<&str>) -> Option<String> {
    catalog.filter(|catalog| *catalog != "%").map(str::to_owned)
}

/// Converts an error of arrow-flight's builders, which fail only if Arrow does.
pub(super) fn encoding(error: FlightError) -> Fault {
    match error {
        FlightError::Arrow(error) => Fault::Encoding(error),
        other => Fault::Encoding(ArrowError::ExternalError(Box::new(other))),
    }
}
