//! What the metadata commands have in common: each answers one batch whose schema
//! the specification fixes, nullable flags included, and each is its own ticket.
//! None of them asks the API.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow_flight::error::FlightError;
use arrow_flight::sql::{Any, ProstMessageExt};

use super::Service;
use super::command::Query;
use super::fault::Fault;
use super::stream::Rows;
use crate::engine::TableInfo;
use crate::error::Result;

/// The longest LIKE pattern, in characters: patterns become regular expressions.
const PATTERN: usize = 1_000;

/// A command that tells something of the server.
pub(super) trait Metadata: ProstMessageExt {
    /// As the specification has it.
    fn schema(&self) -> SchemaRef;

    /// The whole answer, given every table there is.
    fn batch(&self, tables: &[TableInfo]) -> Result<RecordBatch, Fault>;
}

#[tonic::async_trait]
impl<M: Metadata> Query for M {
    async fn schema(&self, _service: &Service) -> Result<SchemaRef> {
        Ok(Metadata::schema(self))
    }

    async fn ticket(&self, _service: &Service) -> Result<(SchemaRef, Any)> {
        Ok((Metadata::schema(self), self.as_any()))
    }

    async fn rows(&self, service: &Service) -> Result<Rows> {
        let tables = service.engine.tables().await?;
        Ok(self.batch(&tables)?.into())
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
