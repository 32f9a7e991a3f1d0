//! DoAction and ListActions.

use arrow_flight::sql::{Any, Command, ProstMessageExt};
use arrow_flight::{Action, ActionType};
use prost::Message;

use super::Service;
use super::command;
use super::fault::{Fault, MessagePart};
use super::prepared;
use crate::engine::Principal;
use crate::error::Result;

const CREATE: &str = "CreatePreparedStatement";
const CLOSE: &str = "ClosePreparedStatement";

/// Actions of Flight and Flight SQL that this server does not have.
const OTHERS: [&str; 11] = [
    "BeginSavepoint",
    "BeginTransaction",
    "CancelFlightInfo",
    "CancelQuery",
    "CloseSession",
    "CreatePreparedSubstraitPlan",
    "EndSavepoint",
    "EndTransaction",
    "GetSessionOptions",
    "RenewFlightEndpoint",
    "SetSessionOptions",
];

/// The actions that this server has. Clients assume that a listed action works.
pub(super) fn list() -> [ActionType; 2] {
    let action = |name: &str, description: &str| ActionType { r#type: name.into(), description: description.into() };
    [
        action(CREATE, "ActionCreatePreparedStatementRequest to ActionCreatePreparedStatementResult"),
        action(CLOSE, "ActionClosePreparedStatementRequest, with no result"),
    ]
}

/// Runs an action, and returns its results: at most one.
pub(super) async fn execute(service: &Service, principal: &Principal, action: &Action) -> Result<Results> {
    match action.r#type.as_str() {
        CREATE => match body(action)? {
            Command::ActionCreatePreparedStatementRequest(request) => {
                Ok(Some(result(&prepared::create(service, principal, request).await?.as_any())).into_iter())
            }
            other => Err(misplaced(&other).into()),
        },
        CLOSE => match body(action)? {
            Command::ActionClosePreparedStatementRequest(request) => {
                prepared::close(service, &request)?;
                Ok(None.into_iter())
            }
            other => Err(misplaced(&other).into()),
        },
        other if OTHERS.contains(&other) => Err(Fault::Unimplemented(other.to_owned()).into()),
        other => Err(Fault::UnknownAction(other.to_owned()).into()),
    }
}

type Results = std::option::IntoIter<arrow_flight::Result>;

fn body(action: &Action) -> Result<Command, Fault> {
    command::read(&action.body, MessagePart::ActionBody)
}

fn result(message: &Any) -> arrow_flight::Result {
    arrow_flight::Result { body: message.encode_to_vec().into() }
}

fn misplaced(command: &Command) -> Fault {
    Fault::Misplaced { command: command::name(command), place: MessagePart::ActionBody }
}
