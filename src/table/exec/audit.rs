//! One line in the log for each attempt of a POST: the principal, the request and its outcome.
//!
//! The lines have their own target, which a log filter can select: `oceanflight::audit=info`. They contain the names of
//! the arguments, but not the values, which may be confidential. `oceanflight::audit::values=debug` logs the values.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use tracing::{debug, info};

use super::call_procedure_exec::ProcedureCall;
use crate::api::{Head, Sent};
use crate::query::Principal;

/// Logs an attempt.
pub(super) fn log(call: &ProcedureCall, principal: &Principal, sent: &Sent) {
    let request_id = sent.head.as_ref().and_then(|head| head.request_id.as_deref());
    info!(
        target: "oceanflight::audit",
        who = principal.to_string(),
        method = call.callable.name(),
        path = sent.at.path,
        arguments = names(&call.invocation.body),
        body_bytes = call.invocation.body.len(),
        attempt = sent.attempt,
        status = status(sent),
        request_id = request_id.unwrap_or_default(),
        duration_ms = u64::try_from(sent.duration.as_millis()).unwrap_or(u64::MAX),
        "POST"
    );
    debug!(target: "oceanflight::audit::values", path = sent.at.path, body = call.invocation.body, "POST");
}

/// The names of the arguments in a body, `region, type`.
fn names(body: &str) -> String {
    let arguments: BTreeMap<String, IgnoredAny> = serde_json::from_str(body).unwrap_or_default();
    arguments.into_keys().collect::<Vec<_>>().join(", ")
}

fn status(sent: &Sent) -> String {
    match &sent.head {
        Some(Head { status, .. }) => status.to_string(),
        None if sent.connected => "no answer".into(),
        None => "not sent: no connection".into(),
    }
}
