//! `CancelFlightInfo`, the older `CancelQuery`, and `RenewFlightEndpoint`.
//!
//! A client that closes the stream of DoGet ends its query, too. These actions are for a client that waits in DoGet in another
//! thread, or for another process that has the FlightInfo. They end the queries that are executed for its tickets. The POST of
//! an EXEC that was started is not dropped.

use arrow_flight::sql::{ActionCancelQueryRequest, ActionCancelQueryResult, Command};
use arrow_flight::{CancelFlightInfoResult, CancelStatus, FlightEndpoint, FlightInfo};
use prost::Message;

use super::Service;
use super::command;
use super::fault::{Fault, MessagePart};
use super::handle::StatementHandle;
use super::statement::digest;
use crate::engine::Principal;

/// Cancels the queries of a FlightInfo. One that has ended, has not begun, or is executed by another server cannot be
/// cancelled.
pub(super) fn flight_info(service: &Service, principal: &Principal, info: &FlightInfo) -> CancelFlightInfoResult {
    let status = if cancel(service, principal, info) { CancelStatus::Cancelled } else { CancelStatus::NotCancellable };
    CancelFlightInfoResult { status: status.into() }
}

/// `CANCEL_RESULT_CANCELLED`. arrow-flight does not export the enum.
const CANCELLED: i32 = 1;
/// `CANCEL_RESULT_NOT_CANCELLABLE`
const NOT_CANCELLABLE: i32 = 3;

/// As [`flight_info`], for clients of Flight SQL before 13.0.
///
/// # Errors
/// [`Fault::BrokenCommand`]
pub(super) fn query(
    service: &Service,
    principal: &Principal,
    request: &ActionCancelQueryRequest,
) -> Result<ActionCancelQueryResult, Fault> {
    let info = FlightInfo::decode(request.info.as_ref()).map_err(|_| Fault::BrokenCommand("FlightInfo".into()))?;
    let result = if cancel(service, principal, &info) { CANCELLED } else { NOT_CANCELLABLE };
    Ok(ActionCancelQueryResult { result })
}

/// Returns an endpoint that does not expire as it is.
///
/// # Errors
/// [`Fault::NotRenewed`]: the ticket of an EXEC; [`Fault::BrokenCommand`].
pub(super) fn renewed(endpoint: FlightEndpoint) -> Result<FlightEndpoint, Fault> {
    let ticket = endpoint.ticket.as_ref().ok_or(Fault::NoCommand(MessagePart::Ticket))?;
    match statement_of(&ticket.ticket)? {
        Some(handle) if StatementHandle::decode(&handle)?.once.is_some() => Err(Fault::NotRenewed),
        Some(_) | None => Ok(endpoint),
    }
}

/// Returns whether there was a query to cancel.
fn cancel(service: &Service, principal: &Principal, info: &FlightInfo) -> bool {
    let tickets = info.endpoint.iter().filter_map(|endpoint| endpoint.ticket.as_ref());
    let handles = tickets.filter_map(|ticket| statement_of(&ticket.ticket).ok().flatten());
    // Each of them, also after one was found.
    handles.filter(|handle| service.engine.cancel_ticket(principal, digest(handle))).count() > 0
}

/// The statement handle in a ticket. None for metadata.
fn statement_of(ticket: &[u8]) -> Result<Option<bytes::Bytes>, Fault> {
    Ok(match command::read(ticket, MessagePart::Ticket)? {
        Command::TicketStatementQuery(ticket) => Some(ticket.statement_handle),
        _ => None,
    })
}
