//! `SetSessionOptions`, `GetSessionOptions`, `CloseSession`.

use std::collections::HashMap;

use arrow_flight::Action;
use prost::Message;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};

use super::Service;
use super::fault::Fault;
use super::session_messages::proto::set_session_options_result::Error;
use super::session_messages::proto::{
    CloseSessionResult, GetSessionOptionsResult, SessionOptionValue, SetSessionOptionsRequest, SetSessionOptionsResult,
    close_session_result,
};
use super::session_messages::{all, set};
use crate::engine::Principal;

/// The result of an action of a session, and the cookie that goes with it.
pub(super) struct SessionAnswer {
    pub(super) body: Vec<u8>,
    pub(super) cookie: Option<MetadataValue<Ascii>>,
}

/// Sets options. Those that are wrong are named in the result, and the others are set.
///
/// # Errors
/// [`Fault::BrokenCommand`], [`Fault::ManySessions`]
pub(super) fn set_options(service: &Service, request: &Request<Action>) -> Result<SessionAnswer, Fault> {
    let body = request.get_ref().body.as_ref();
    let asked = SetSessionOptionsRequest::decode(body).map_err(|_| Fault::BrokenCommand("SetSessionOptions".into()))?;
    let (headers, extensions) = (request.metadata(), request.extensions());
    let mut options = service.sessions.stored(&service.engine, headers, extensions);
    let mut errors = HashMap::new();
    for (name, value) in asked.session_options {
        if let Err(error) = set(&service.engine, &mut options, &name, value.option_value) {
            errors.insert(name, Error { value: error.into() });
        }
    }
    let cookie = service.sessions.store(&options, headers, extensions)?;
    Ok(SessionAnswer { body: SetSessionOptionsResult { errors }.encode_to_vec(), cookie })
}

/// Returns all options with their values.
pub(super) fn get_options(service: &Service, principal: &Principal) -> SessionAnswer {
    let option = |(name, value): (&str, _)| (name.to_owned(), SessionOptionValue { option_value: Some(value) });
    let session_options = all(&service.engine, principal).into_iter().map(option).collect();
    SessionAnswer { body: GetSessionOptionsResult { session_options }.encode_to_vec(), cookie: None }
}

/// Forgets the options of the session.
pub(super) fn close(service: &Service, request: &Request<Action>) -> SessionAnswer {
    let cookie = service.sessions.close(request.metadata(), request.extensions());
    let status = close_session_result::Status::Closed.into();
    SessionAnswer { body: CloseSessionResult { status }.encode_to_vec(), cookie }
}
