//! One line in the log for each POST that is sent: who did what, and what came of it.
//!
//! The lines have a target of their own, so that a filter can keep them apart: `oceanflight::audit=info`.

use tracing::info;

use super::plan::Call;
use crate::api::Sent;

/// What is logged.
pub(super) fn log(call: &Call, who: &str, sent: &Sent) {
    info!(
        target: "oceanflight::audit",
        who,
        method = call.callable.name(),
        path = sent.at.path,
        arguments = call.invocation.body,
        attempt = sent.attempt,
        status = sent.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string()),
        request_id = sent.request_id.as_deref().unwrap_or_default(),
        duration_ms = u64::try_from(sent.duration.as_millis()).unwrap_or(u64::MAX),
        "POST sent"
    );
}
