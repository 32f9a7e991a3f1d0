//! `SetSessionOptions`, `GetSessionOptions`, `CloseSession`.

use std::collections::HashMap;

use arrow_flight::Action;
use prost::Message;
use tonic::Request;

use super::Service;
use super::action::Answer;
use super::fault::Fault;
use super::session_messages::proto::set_session_options_result::Error;
use super::session_messages::proto::{
    CloseSessionResult, GetSessionOptionsResult, SessionOptionValue, SetSessionOptionsRequest, SetSessionOptionsResult,
    close_session_result,
};
use super::session_messages::{all, set};
use crate::engine::Principal;

/// Sets options. Those that are wrong are named in the result, and the others are set.
///
/// # Errors
/// [`Fault::BrokenCommand`], [`Fault::ManySessions`]
pub(super) fn set_options(service: &Service, request: &Request<Action>) -> Result<Answer, Fault> {
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
    Ok(Answer::of(&SetSessionOptionsResult { errors }).with_cookie(cookie))
}

/// Returns all options with their values.
pub(super) fn get_options(service: &Service, principal: &Principal) -> Answer {
    let option = |(name, value): (&str, _)| (name.to_owned(), SessionOptionValue { option_value: Some(value) });
    let session_options = all(&service.engine, principal).into_iter().map(option).collect();
    Answer::of(&GetSessionOptionsResult { session_options })
}

/// Forgets the options of the session.
pub(super) fn close(service: &Service, request: &Request<Action>) -> Answer {
    let cookie = service.sessions.close(request.metadata(), request.extensions());
    let status = close_session_result::Status::Closed.into();
    Answer::of(&CloseSessionResult { status }).with_cookie(cookie)
}
