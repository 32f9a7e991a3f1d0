//! A statement that runs: its rows in the wire's types, until its time is up.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::internal_err;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use futures::future::FutureExt;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use super::fault::{Fault, from_datafusion};
use super::plan_threads::PlanTask;
use super::wire_types;
use crate::error::Result;
use crate::query::{Cancelled, Query, Registered};

/// The rows of plans of one schema, each executed when the one before it has ended, in a context of its own: it keeps
/// none of the lists that the others have read.
pub(super) fn one_after_another(
    plans: Vec<Arc<dyn ExecutionPlan>>,
    query: Arc<Query>,
    context: impl Fn() -> Arc<TaskContext> + Send + 'static,
) -> datafusion::error::Result<SendableRecordBatchStream> {
    let mut plans = plans.into_iter();
    let Some(first) = plans.next() else { return internal_err!("a statement has at least one plan") };
    let schema = first.schema();
    let first = execute_stream(first, context())?;
    if plans.len() == 0 {
        return Ok(first);
    }
    let others = stream::iter(plans).map(move |plan| {
        query.ledger.begin_next_plan();
        execute_stream(plan, context())
    });
    let others = others.try_flatten();
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, first.chain(others))))
}

type Batch = datafusion::error::Result<RecordBatch>;

/// The plan's rows. At the query's deadline, or when somebody cancels the query, the plan is dropped with its requests and
/// its pages, whether or not the client reads.
pub(super) fn rows(
    plan: SendableRecordBatchStream,
    schema: SchemaRef,
    query: Registered,
    writes: bool,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    let running = PlanDriver::new(plan, Arc::clone(&query), writes);
    // Dropped in this order: requests that wait must know that the query has ended before the plan lets others go.
    stream::unfold(Some((query, running, schema)), async |state| {
        let (query, mut running, schema) = state?;
        match running.next().await {
            NextBatch::TimeIsUp => Some((Err(Fault::Timeout(query.limits().timeout).into()), None)),
            NextBatch::Cancelled => Some((Err(Fault::Cancelled { writes: running.writes }.into()), None)),
            NextBatch::Lost => Some((Err(Fault::Internal("the plan stopped without a word".into()).into()), None)),
            NextBatch::End => None,
            NextBatch::Batch(Err(error)) => Some((Err(from_datafusion(error)), None)),
            NextBatch::Batch(Ok(batch)) => match wire_types::to_wire(&batch, &schema) {
                Ok(batch) => Some((Ok(batch), Some((query, running, schema)))),
                // The schema was told before: rows that do not fit it are our own fault.
                Err(error) => Some((Err(Fault::Internal(error.to_string()).into()), None)),
            },
        }
    })
}

/// A plan on its own threads. A batch is made when one is asked for, and none ahead.
struct PlanDriver {
    query: Arc<Query>,
    writes: bool,
    wanted: UnboundedSender<()>,
    made: UnboundedReceiver<Option<Batch>>,
    _plan: PlanTask<()>,
}

enum NextBatch {
    Batch(Batch),
    End,
    TimeIsUp,
    Cancelled,
    /// The plan panicked; the panic is in the log.
    Lost,
}

impl PlanDriver {
    fn new(plan: SendableRecordBatchStream, query: Arc<Query>, writes: bool) -> Self {
        let (wanted, wants) = unbounded_channel();
        let (makes, made) = unbounded_channel();
        let (span, watched) = (query.span().clone(), Arc::clone(&query));
        let work = async move {
            // Time runs also while nobody wants a batch: then, too, the plan goes at the deadline.
            let made = timeout_at(watched.deadline(), make(plan, wants, makes));
            let _ = watched.unless_cancelled(made).await;
        };
        Self { query, writes, wanted, made, _plan: PlanTask::spawn(work.instrument(span).boxed()) }
    }

    async fn next(&mut self) -> NextBatch {
        // A plan whose time is up has dropped its end; that shows below.
        let _ = self.wanted.send(());
        let deadline = self.query.deadline();
        match self.query.unless_cancelled(timeout_at(deadline, self.made.recv())).await {
            // The plan ends for the same two reasons, perhaps before this hears of them.
            _ if self.query.is_cancelled() => NextBatch::Cancelled,
            _ if Instant::now() >= deadline => NextBatch::TimeIsUp,
            Ok(Ok(Some(Some(batch)))) => NextBatch::Batch(batch),
            Ok(Ok(Some(None))) => NextBatch::End,
            Ok(Ok(None)) => NextBatch::Lost,
            Err(Cancelled) => NextBatch::Cancelled,
            Ok(Err(_)) => NextBatch::TimeIsUp,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::api::{self, Budgets, Client};
    use crate::engine::{Engine, Execution, Options, Principal, limits_of_execs};
    use crate::error::Kind;

    /// Answers one POST with an action.
    async fn answer(listener: TcpListener) {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            request.push(connection.read_u8().await.unwrap());
        }
        let body = r#"{"action": {"id": 7, "status": "in-progress"}}"#;
        let head = "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: ";
        connection.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
    }

    #[tokio::test]
    async fn the_time_of_a_query_ends_a_select_and_no_exec() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(answer(listener));
        let client = Client::try_new(api::Options::new(url, None).with_token("demo"), &Budgets::default()).unwrap();
        let planner = Engine::try_new(client, Options { writes: true, ..Options::default() }).unwrap();
        let hasty = Options { timeout: Duration::ZERO, ..planner.options.clone() };
        let hasty = Engine { options: hasty, ..planner.clone() };
        let run = async |sql: &str| {
            let statement = planner.statement(&planner.begin(&Principal::local(), sql)).await.unwrap();
            let plan = planner.physical_plan(&statement, None).await.unwrap().plan;
            let query = hasty.begin(&Principal::local(), sql);
            let (engine, asking, writes) = (hasty.clone(), Arc::clone(&query), statement.writes);
            if writes {
                query.runs_within(limits_of_execs(&query, 1));
            }
            let context = move || engine.task(Arc::clone(&asking), Execution::New);
            let stream = one_after_another(vec![plan], Arc::clone(&query), context).unwrap();
            rows(stream, Arc::clone(&statement.prepared.schema), query, statement.writes).try_collect::<Vec<_>>().await
        };

        let select = run("SELECT 1").await.unwrap_err();
        let exec = run("EXEC digitalocean.compute.images.transfer @image_id = 7, @region = 'fra1'").await.unwrap();

        assert_eq!(select.kind(), Kind::DeadlineExceeded);
        assert_eq!(exec.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
    }
}
