//! The end of a process that has sent something for an EXEC: it waits for the answer. A request that is dropped may
//! have been carried out, and nobody would know.

use std::io::Write;

use super::console::say;
use super::progress;
use crate::engine::Engine;

/// Waits for what was sent; the log says what became of it.
pub(super) async fn finish(engine: &Engine, stderr: &mut (dyn Write + Send)) {
    let writing = engine.writing();
    if writing > 0 {
        let requests = progress::count(writing as u64, "request");
        say(stderr, &format!("waiting for the answer to {requests} that may not be dropped"));
    }
    engine.finish_writing().await;
}
