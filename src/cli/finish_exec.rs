//! Waits for the responses to POSTs before the process ends. A POST that is dropped may have been executed, and its
//! outcome would be unknown.

use std::io::Write;

use super::console::say;
use super::progress;
use crate::engine::Engine;

/// Waits for the POSTs that still run; the log has their outcomes.
pub(super) async fn finish(engine: &Engine, stderr: &mut (dyn Write + Send)) {
    let writing = engine.writing();
    if writing > 0 {
        let requests = progress::count(writing as u64, "request");
        say(stderr, &format!("waiting for the response to {requests}"));
    }
    engine.finish_writing().await;
}
