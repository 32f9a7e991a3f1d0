//! A statement that runs: its rows in the wire's types, until its time is up.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::future::FutureExt;
use futures::stream::{self, Stream, StreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use super::fault::{Fault, from_datafusion};
use super::plans::Apart;
use super::wire;
use crate::api::QueryContext;
use crate::error::Result;

type Batch = datafusion::error::Result<RecordBatch>;

/// The plan's rows. At the query's deadline the plan is dropped, with its requests and its pages, whether or not
/// anybody reads.
pub(super) fn rows(
    plan: SendableRecordBatchStream,
    schema: SchemaRef,
    query: Arc<QueryContext>,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    let running = Running::new(plan, query.deadline());
    stream::unfold(Some((running, schema, query)), async |state| {
        let (mut running, schema, query) = state?;
        match running.next().await {
            Next::TimeIsUp => Some((Err(Fault::Timeout(query.timeout).into()), None)),
            Next::Lost => Some((Err(Fault::Internal("the plan stopped without a word".into()).into()), None)),
            Next::End => None,
            Next::Batch(Err(error)) => Some((Err(from_datafusion(error)), None)),
            Next::Batch(Ok(batch)) => match wire::to_wire(&batch, &schema) {
                Ok(batch) => Some((Ok(batch), Some((running, schema, query)))),
                // The schema was told before: rows that do not fit it are our own fault.
                Err(error) => Some((Err(Fault::Internal(error.to_string()).into()), None)),
            },
        }
    })
}

/// A plan on its own threads. A batch is made when one is asked for, and none ahead.
struct Running {
    deadline: Instant,
    wanted: UnboundedSender<()>,
    made: UnboundedReceiver<Option<Batch>>,
    _plan: Apart<()>,
}

enum Next {
    Batch(Batch),
    End,
    TimeIsUp,
    /// The plan panicked; the panic is in the log.
    Lost,
}

impl Running {
    fn new(plan: SendableRecordBatchStream, deadline: Instant) -> Self {
        let (wanted, wants) = unbounded_channel();
        let (makes, made) = unbounded_channel();
        let work = async move {
            // Time runs also while nobody wants a batch: then, too, the plan goes at the deadline.
            let _ = timeout_at(deadline, make(plan, wants, makes)).await;
        };
        Self { deadline, wanted, made, _plan: Apart::spawn(work.boxed()) }
    }

    async fn next(&mut self) -> Next {
        // A plan whose time is up has dropped its end; that shows below.
        let _ = self.wanted.send(());
        match timeout_at(self.deadline, self.made.recv()).await {
            _ if Instant::now() >= self.deadline => Next::TimeIsUp,
            Ok(Some(Some(batch))) => Next::Batch(batch),
            Ok(Some(None)) => Next::End,
            Ok(None) => Next::Lost,
            Err(_) => Next::TimeIsUp,
        }
    }
}

async fn make(
    mut plan: SendableRecordBatchStream,
    mut wants: UnboundedReceiver<()>,
    makes: UnboundedSender<Option<Batch>>,
) {
    while wants.recv().await.is_some() {
        let batch = plan.next().await;
        let ended = batch.is_none();
        if makes.send(batch).is_err() || ended {
            return;
        }
    }
}
