//! One line in the log for each POST: who did what, and what came of it.
//!
//! The lines have a target of their own, so that a filter can keep them apart: `oceanflight::audit=info`. A log is read by
//! more people than an argument's value may be meant for: the lines have the arguments' names, and their values are logged
//! only where they are asked for, with `oceanflight::audit::values=debug`.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use tracing::{debug, info};

use super::call_procedure_exec::ProcedureCall;
use crate::api::{Head, Sent};
use crate::query::Principal;

/// Logs it.
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
