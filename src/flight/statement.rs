//! `CommandStatementQuery`: a statement as text; and the ticket of every statement.

use std::hash::{DefaultHasher, Hash, Hasher};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::sql::{CommandStatementQuery, ProstMessageExt, TicketStatementQuery};
use bytes::Bytes;

use super::Service;
use super::command::{CommandTicket, QueryCommand};
use super::fault::{Fault, MessagePart};
use super::handle::StatementHandle;
use super::stream::FlightRows;
use crate::engine::{self, Execution, Principal, TICKET_LIFE};
use crate::error::Result;

#[tonic::async_trait]
impl QueryCommand for CommandStatementQuery {
    async fn schema(&self, service: &Service, principal: &Principal) -> Result<SchemaRef> {
        refuse_transaction(self.transaction_id.as_ref())?;
        service.engine.check(principal, &self.query, None).await
    }

    async fn ticket(&self, service: &Service, principal: &Principal) -> Result<CommandTicket> {
        refuse_transaction(self.transaction_id.as_ref())?;
        checked(service, principal, &self.query, None).await
    }

    async fn rows(&self, _: &Service, _: &Principal) -> Result<FlightRows> {
        Err(Fault::Misplaced { command: "CommandStatementQuery".into(), place: MessagePart::Ticket }.into())
    }
}

#[tonic::async_trait]
impl QueryCommand for TicketStatementQuery {
    async fn schema(&self, _: &Service, _: &Principal) -> Result<SchemaRef> {
        Err(Fault::Misplaced { command: "TicketStatementQuery".into(), place: MessagePart::Descriptor }.into())
    }

    async fn ticket(&self, service: &Service, principal: &Principal) -> Result<CommandTicket> {
        Ok(CommandTicket { schema: self.schema(service, principal).await?, command: self.as_any(), life: None })
    }

    async fn rows(&self, service: &Service, principal: &Principal) -> Result<FlightRows> {
        let StatementHandle { sql, parameters, once } = StatementHandle::decode(&self.statement_handle)?;
        let digest = digest(&self.statement_handle);
        let execution = Execution::Ticket { once, digest };
        Ok(service.engine.run_once(principal, execution, &sql, parameters.as_ref()).await?.into())
    }
}

/// Checks that `sql` can be run with these parameters, and returns its ticket.
pub(super) async fn checked(
    service: &Service,
    principal: &Principal,
    sql: &str,
    parameters: Option<RecordBatch>,
) -> Result<CommandTicket> {
    let engine::PlannedTicket { schema, once } = service.engine.ticket(principal, sql, parameters.as_ref()).await?;
    let statement_handle = StatementHandle { sql: sql.to_owned(), parameters, once }.encode()?;
    let command = TicketStatementQuery { statement_handle }.as_any();
    Ok(CommandTicket { schema, command, life: once.map(|_| TICKET_LIFE) })
}

/// Hashes a handle. Equal bytes have equal hashes within one process.
fn digest(handle: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    handle.hash(&mut hasher);
    hasher.finish()
}

/// Rejects a transaction id. Drivers send none, or an empty one, while autocommit is on.
pub(super) fn refuse_transaction(id: Option<&Bytes>) -> Result<(), Fault> {
    match id {
        Some(id) if !id.is_empty() => Err(Fault::Transaction),
        _ => Ok(()),
    }
}
