//! EXEC: which requests are sent, how often, and what the result says. The simulated account counts the POSTs that it
//! has executed.

mod accepted;
mod awaiting;
mod dropped;
mod forms;
mod late;
mod lost;
mod once;
mod page;
mod refused;
mod several;
mod stopping;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use oceanflight::engine::{self, Polling};
use oceanflight::error::Kind;
use serde_json::Value as Json;
use simulated_account::{self as demo, After, Fault, Limits, TestEffect};
use tokio::sync::Semaphore;

use crate::support::{IMAGE, Stage, json};

/// A transfer to a region that does not have the image yet.
const TRANSFER: &str = "EXEC digitalocean.compute.image_actions.image_actions_post \
                        @image_id='62137902', @type='transfer', @region='sfo3'";
const PATH: &str = "POST /v2/images/62137902/actions";
const COLUMNS: [&str; 11] = [
    "id",
    "resource_id",
    "completed_at",
    "region",
    "region_slug",
    "resource_type",
    "started_at",
    "status",
    "type",
    "image_id",
    "action_id",
];

/// Options with writes on and short pauses of AWAIT.
fn writes() -> engine::Options {
    let pause = Duration::from_millis(1);
    let polling = Polling { first_pause: pause, longest_pause: pause };
    engine::Options { writes: true, polling, ..engine::Options::default() }
}

/// An account whose actions are completed after `settle`, and an engine that writes to it.
async fn stage_that_settles(settle: Duration) -> Stage {
    let options = demo::Options { limits: Limits::off(), settle, ..demo::Options::default() };
    Stage::with_query(options, |_| {}, writes()).await
}

pub(crate) async fn stage() -> Stage {
    stage_that_settles(Duration::from_secs(3_600)).await
}

/// The only row of a result.
fn one(rows: &RecordBatch) -> Json {
    let mut rows = json(rows);
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

impl Stage {
    fn posts(&self) -> usize {
        self.demo.account().posts()
    }

    /// Holds back requests until the returned semaphore gets permits.
    pub(crate) fn hold(&self, method: &str, path: &str) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.demo.account().inject(Fault::on(method, path).then(TestEffect::hold(Arc::clone(&gate))));
        gate
    }
}
