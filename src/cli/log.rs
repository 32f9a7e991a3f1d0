//! The log, on standard error.

use std::io::{self, IsTerminal};

use tracing::warn;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::{LogFormat, Resolved};

/// Starts the log, with the filter of the settings or else the command's `default`, and logs the warnings about the
/// settings.
///
/// A process has one log: if it exists already, as in a test, it is not replaced.
pub(super) fn start(resolved: &Resolved, default: &str) {
    let settings = &resolved.settings;
    let filter = EnvFilter::new(settings.log.as_deref().unwrap_or(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NONE)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        // Otherwise it would report a closed standard error on standard error, and panic.
        .log_internal_errors(false);
    let _ = match settings.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    for unknown in &resolved.unknown {
        warn!("{unknown}");
    }
}
