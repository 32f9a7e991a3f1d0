//! `CommandStatementQuery`: a statement as text; and the ticket of every statement.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::sql::{CommandStatementQuery, ProstMessageExt, TicketStatementQuery};
use bytes::Bytes;

use super::Service;
use super::column_metadata::described;
use super::command::{CommandTicket, QueryCommand};
use super::fault::{Fault, MessagePart};
use super::handle::{SessionTexts, StatementHandle, nonce};
use super::session_messages::{from_texts, to_texts};
use super::stream::FlightRows;
use crate::engine::{self, Execution, Principal, SessionOptions, TICKET_LIFE};
use crate::error::Result;

#[tonic::async_trait]
impl QueryCommand for CommandStatementQuery {
    async fn schema(&self, service: &Service, principal: &Principal) -> Result<SchemaRef> {
        refuse_transaction(self.transaction_id.as_ref())?;
        Ok(described(&*service.engine.check(principal, &self.query, None).await?))
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
        let StatementHandle { sql, parameters, once, nonce: _, session } =
            StatementHandle::decode(&self.statement_handle)?;
        let principal = &in_session(service, principal, &session)?;
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
    let statement_handle =
        StatementHandle { sql: sql.to_owned(), parameters, once, nonce: nonce(), session: session_of(principal) }
            .encode()?;
    let command = TicketStatementQuery { statement_handle }.as_any();
    Ok(CommandTicket { schema: described(&schema), command, life: once.map(|_| TICKET_LIFE) })
}

/// The options that a handle has, so that its statement is planned as the first time, also by another replica.
pub(super) fn session_of(principal: &Principal) -> SessionTexts {
    to_texts(&principal.session.of_plans()).into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The client in the session of a handle. What a plan does not depend on, such as the time limit, is as in the client's own.
///
/// # Errors
/// [`Fault::HandleSession`]: the statement would mean something else here.
pub(super) fn in_session(service: &Service, principal: &Principal, session: &SessionTexts) -> Result<Principal, Fault> {
    let texts = session.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let planned_in = from_texts(&service.engine, texts).map_err(|name| Fault::HandleSession(name.to_owned()))?;
    let SessionOptions { timeout, max_requests, .. } = *principal.session;
    Ok(principal.clone().with_session(Arc::new(SessionOptions { timeout, max_requests, ..planned_in })))
}

/// Hashes a handle. Equal bytes have equal hashes within one process.
pub(super) fn digest(handle: &[u8]) -> u64 {
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
