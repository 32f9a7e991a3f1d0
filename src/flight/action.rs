//! DoAction and ListActions.

use arrow_flight::sql::{Command, ProstMessageExt};
use arrow_flight::{Action, ActionType, CancelFlightInfoRequest, RenewFlightEndpointRequest};
use prost::Message;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};

use super::Service;
use super::cancel;
use super::command;
use super::fault::{Fault, MessagePart};
use super::prepared;
use super::session_actions;
use crate::engine::Principal;
use crate::error::Result;

const CREATE: &str = "CreatePreparedStatement";
const CLOSE: &str = "ClosePreparedStatement";

const CANCEL: &str = "CancelFlightInfo";
const CANCEL_QUERY: &str = "CancelQuery";
const RENEW: &str = "RenewFlightEndpoint";

const SET_OPTIONS: &str = "SetSessionOptions";
const GET_OPTIONS: &str = "GetSessionOptions";
const CLOSE_SESSION: &str = "CloseSession";

/// Actions of Flight SQL that this server does not have.
const OTHERS: [&str; 5] =
    ["BeginSavepoint", "BeginTransaction", "CreatePreparedSubstraitPlan", "EndSavepoint", "EndTransaction"];

/// The actions that this server has. Clients assume that a listed action works.
pub(super) fn list() -> [ActionType; 8] {
    let action = |name: &str, description: &str| ActionType { r#type: name.into(), description: description.into() };
    [
        action(CREATE, "ActionCreatePreparedStatementRequest to ActionCreatePreparedStatementResult"),
        action(CLOSE, "ActionClosePreparedStatementRequest, with no result"),
        action(CANCEL, "CancelFlightInfoRequest to CancelFlightInfoResult"),
        action(CANCEL_QUERY, "ActionCancelQueryRequest to ActionCancelQueryResult; deprecated"),
        action(RENEW, "RenewFlightEndpointRequest to FlightEndpoint"),
        action(SET_OPTIONS, "SetSessionOptionsRequest to SetSessionOptionsResult"),
        action(GET_OPTIONS, "GetSessionOptionsRequest to GetSessionOptionsResult"),
        action(CLOSE_SESSION, "CloseSessionRequest to CloseSessionResult"),
    ]
}

/// The answer to an action.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) result: Option<arrow_flight::Result>,
    /// For the response's headers.
    pub(super) cookie: Option<MetadataValue<Ascii>>,
}

impl Answer {
    /// An answer with one result: an `Any` for an action of Flight SQL, the message itself for one of Flight.
    pub(super) fn of(message: &impl Message) -> Self {
        Self { result: Some(arrow_flight::Result { body: message.encode_to_vec().into() }), cookie: None }
    }

    pub(super) fn with_cookie(self, cookie: Option<MetadataValue<Ascii>>) -> Self {
        Self { cookie, ..self }
    }
}

/// Runs an action.
pub(super) async fn execute(service: &Service, principal: &Principal, request: &Request<Action>) -> Result<Answer> {
    let action = request.get_ref();
    match action.r#type.as_str() {
        CREATE => match body(action)? {
            Command::ActionCreatePreparedStatementRequest(request) => {
                Ok(Answer::of(&prepared::create(service, principal, request).await?))
            }
            other => Err(misplaced(&other).into()),
        },
        CLOSE => match body(action)? {
            Command::ActionClosePreparedStatementRequest(request) => {
                prepared::close(service, &request)?;
                Ok(Answer::default())
            }
            other => Err(misplaced(&other).into()),
        },
        CANCEL => {
            let request: CancelFlightInfoRequest = message(action, CANCEL)?;
            Ok(Answer::of(&cancel::flight_info(service, principal, &request.info.unwrap_or_default())))
        }
        CANCEL_QUERY => match body(action)? {
            Command::ActionCancelQueryRequest(request) => {
                Ok(Answer::of(&cancel::query(service, principal, &request)?.as_any()))
            }
            other => Err(misplaced(&other).into()),
        },
        RENEW => {
            let request: RenewFlightEndpointRequest = message(action, RENEW)?;
            Ok(Answer::of(&cancel::renewed(request.endpoint.unwrap_or_default())?))
        }
        SET_OPTIONS => Ok(session_actions::set_options(service, request)?),
        GET_OPTIONS => Ok(session_actions::get_options(service, principal)),
        CLOSE_SESSION => Ok(session_actions::close(service, request)),
        other if OTHERS.contains(&other) => Err(Fault::Unimplemented(other.to_owned()).into()),
        other => Err(Fault::UnknownAction(other.to_owned()).into()),
    }
}

fn body(action: &Action) -> Result<Command, Fault> {
    command::read(&action.body, MessagePart::ActionBody)
}

/// Decodes the body of an action of Flight, which is not in an `Any`.
fn message<M: Message + Default>(action: &Action, name: &str) -> Result<M, Fault> {
    M::decode(action.body.as_ref()).map_err(|_| Fault::BrokenCommand(name.to_owned()))
}

fn misplaced(command: &Command) -> Fault {
    Fault::Misplaced { command: command::name(command), place: MessagePart::ActionBody }
}
