//! `CommandStatementQuery`: SQL as text, and the ticket of everything that runs.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::sql::{Any, CommandStatementQuery, ProstMessageExt, TicketStatementQuery};
use bytes::Bytes;

use super::Service;
use super::command::Query;
use super::fault::{Fault, Place};
use super::handle::Statement;
use super::stream::Rows;
use crate::error::Result;

#[tonic::async_trait]
impl Query for CommandStatementQuery {
    async fn schema(&self, service: &Service) -> Result<SchemaRef> {
        refuse_transaction(self.transaction_id.as_ref())?;
        service.engine.check(&self.query, None).await
    }

    async fn ticket(&self, service: &Service) -> Result<(SchemaRef, Any)> {
        refuse_transaction(self.transaction_id.as_ref())?;
        checked(service, &self.query, None).await
    }

    async fn rows(&self, _service: &Service) -> Result<Rows> {
        Err(Fault::Misplaced { command: "CommandStatementQuery".into(), place: Place::Ticket }.into())
    }
}

#[tonic::async_trait]
impl Query for TicketStatementQuery {
    async fn schema(&self, _service: &Service) -> Result<SchemaRef> {
        Err(Fault::Misplaced { command: "TicketStatementQuery".into(), place: Place::Descriptor }.into())
    }

    async fn ticket(&self, service: &Service) -> Result<(SchemaRef, Any)> {
        Ok((self.schema(service).await?, self.as_any()))
    }

    async fn rows(&self, service: &Service) -> Result<Rows> {
        let Statement { sql, parameters } = Statement::decode(&self.statement_handle)?;
        Ok(service.engine.run(&sql, parameters.as_ref()).await?.into())
    }
}

/// The ticket that runs `sql` with these parameters, after a check that it can be run.
pub(super) async fn checked(service: &Service, sql: &str, parameters: Option<RecordBatch>) -> Result<(SchemaRef, Any)> {
    let schema = service.engine.check(sql, parameters.as_ref()).await?;
    let statement_handle = Statement { sql: sql.to_owned(), parameters }.encode()?;
    Ok((schema, TicketStatementQuery { statement_handle }.as_any()))
}

/// Drivers send no id, or an empty one, while autocommit is on.
pub(super) fn refuse_transaction(id: Option<&Bytes>) -> Result<(), Fault> {
    match id {
        Some(id) if !id.is_empty() => Err(Fault::Transaction),
        _ => Ok(()),
    }
}
