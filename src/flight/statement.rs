//! `CommandStatementQuery`: SQL as text, and the ticket of everything that runs.

use std::hash::{DefaultHasher, Hash, Hasher};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::sql::{CommandStatementQuery, ProstMessageExt, TicketStatementQuery};
use bytes::Bytes;

use super::Service;
use super::command::{Query, Ticket};
use super::fault::{Fault, Place};
use super::handle::Statement;
use super::stream::Rows;
use crate::engine::{self, Caller, Execution, TICKET_LIFE};
use crate::error::Result;

#[tonic::async_trait]
impl Query for CommandStatementQuery {
    async fn schema(&self, service: &Service) -> Result<SchemaRef> {
        refuse_transaction(self.transaction_id.as_ref())?;
        service.engine.check(&self.query, None).await
    }

    async fn ticket(&self, service: &Service) -> Result<Ticket> {
        refuse_transaction(self.transaction_id.as_ref())?;
        checked(service, &self.query, None).await
    }

    async fn rows(&self, _service: &Service, _who: &str) -> Result<Rows> {
        Err(Fault::Misplaced { command: "CommandStatementQuery".into(), place: Place::Ticket }.into())
    }
}

#[tonic::async_trait]
impl Query for TicketStatementQuery {
    async fn schema(&self, _service: &Service) -> Result<SchemaRef> {
        Err(Fault::Misplaced { command: "TicketStatementQuery".into(), place: Place::Descriptor }.into())
    }

    async fn ticket(&self, service: &Service) -> Result<Ticket> {
        Ok(Ticket { schema: self.schema(service).await?, command: self.as_any(), life: None })
    }

    async fn rows(&self, service: &Service, who: &str) -> Result<Rows> {
        let Statement { sql, parameters, once } = Statement::decode(&self.statement_handle)?;
        let digest = digest(&self.statement_handle);
        let caller = Caller { who: who.to_owned(), execution: Execution::Ticket { once, digest } };
        Ok(service.engine.run_for(caller, &sql, parameters.as_ref()).await?.into())
    }
}

/// The ticket that runs `sql` with these parameters, after a check that it can be run.
pub(super) async fn checked(service: &Service, sql: &str, parameters: Option<RecordBatch>) -> Result<Ticket> {
    let engine::Ticket { schema, once } = service.engine.ticket(sql, parameters.as_ref()).await?;
    let statement_handle = Statement { sql: sql.to_owned(), parameters, once }.encode()?;
    let command = TicketStatementQuery { statement_handle }.as_any();
    Ok(Ticket { schema, command, life: once.map(|_| TICKET_LIFE) })
}

/// The same for the same bytes, in this process.
fn digest(handle: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    handle.hash(&mut hasher);
    hasher.finish()
}

/// Drivers send no id, or an empty one, while autocommit is on.
pub(super) fn refuse_transaction(id: Option<&Bytes>) -> Result<(), Fault> {
    match id {
        Some(id) if !id.is_empty() => Err(Fault::Transaction),
        _ => Ok(()),
    }
}
