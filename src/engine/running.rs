//! A statement that runs: its rows in the wire's types, until its time is up.

use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::future::poll_fn;
use futures::stream::{self, Stream, StreamExt};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::fault::{Fault, from_datafusion};
use super::wire;
use crate::api::QueryContext;
use crate::error::Result;

/// The plan's rows. At the query's deadline the plan is dropped, with its requests and its pages, whether or not
/// anybody reads.
pub(super) fn rows(
    plan: SendableRecordBatchStream,
    schema: SchemaRef,
    query: Arc<QueryContext>,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    let running = Running::new(plan, query.deadline());
    stream::unfold(Some((running, schema, query)), async |state| {
        let (running, schema, query) = state?;
        match running.next().await {
            None => Some((Err(Fault::Timeout(query.timeout).into()), None)),
            Some(None) => None,
            Some(Some(Err(error))) => Some((Err(from_datafusion(error)), None)),
            Some(Some(Ok(batch))) => match wire::to_wire(&batch, &schema) {
                Ok(batch) => Some((Ok(batch), Some((running, schema, query)))),
                // The schema was told before: rows that do not fit it are our own fault.
                Err(error) => Some((Err(Fault::Internal(error.to_string()).into()), None)),
            },
        }
    })
}

/// A plan's stream that is taken away at the deadline.
struct Running {
    plan: Arc<Mutex<Option<SendableRecordBatchStream>>>,
    deadline: Instant,
    timer: JoinHandle<()>,
}

impl Running {
    fn new(plan: SendableRecordBatchStream, deadline: Instant) -> Self {
        let plan = Arc::new(Mutex::new(Some(plan)));
        let slot = Arc::clone(&plan);
        let timer = tokio::spawn(async move {
            sleep_until(deadline).await;
            drop(take(&slot));
        });
        Self { plan, deadline, timer }
    }

    /// The next batch; `None` when the time is up, also for a plan that always has one ready.
    async fn next(&self) -> Option<Option<datafusion::error::Result<RecordBatch>>> {
        if Instant::now() >= self.deadline {
            return None;
        }
        let batch = poll_fn(|context| {
            let mut plan = self.plan.lock().expect("a plan that panicked is not polled again");
            match plan.as_mut() {
                Some(plan) => plan.poll_next_unpin(context).map(Some),
                None => None.into(),
            }
        });
        timeout_at(self.deadline, batch).await.unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.timer.abort();
    }
}

fn take(slot: &Mutex<Option<SendableRecordBatchStream>>) -> Option<SendableRecordBatchStream> {
    slot.lock().ok()?.take()
}
