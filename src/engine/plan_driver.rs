//! Runs plans: a stream of their rows in the wire's types, with a deadline and cancellation.
//!
//! ```text
//!     client's task (main runtime)                      plan runtime
//!
//!     rows() ── PlanDriver::next ── "next batch" ────► produce_batches ──► plan.next()
//!                     ▲                                      │
//!                     └──────────── batch, or the end ◄──────┘
//! ```
//!
//! Both sides watch the deadline and the query's cancellation: the client's side so that it returns an error even while
//! the plan is busy, the plan's side so that the plan and its requests are dropped even if the client does not read.
//!
//! Invariants: there is at most one request for a batch in the channel, so the plan is ahead of the client by at most one joined
//! batch, and the one after it (`coalesced`). And
//! the query's registration is dropped before the plan: see [`rows`].

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::internal_err;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use futures::future::FutureExt;
use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use super::coalesced::Coalesced;
use super::fault::{Fault, from_datafusion, to_datafusion};
use super::plan_threads::PlanTask;
use super::wide_rows::{batch_bytes, restarting};
use super::{stopped, wire_types};
use crate::error::Result;
use crate::query::{Cancelled, Query, Registered};

/// The rows of several plans with the same schema, one after another. Each plan starts when the previous one has ended.
/// It gets a new context from `context`, and so does not keep the lists that other plans have read.
pub(super) fn one_after_another(
    plans: Vec<Arc<dyn ExecutionPlan>>,
    query: Arc<Query>,
    writes: bool,
    context: impl Fn(usize) -> Arc<TaskContext> + Clone + Send + Sync + 'static,
) -> datafusion::error::Result<SendableRecordBatchStream> {
    let mut plans = plans.into_iter();
    let Some(first) = plans.next() else { return internal_err!("a statement has at least one plan") };
    let schema = first.schema();
    let first = restarting(first, context.clone(), !writes)?;
    if plans.len() == 0 {
        return Ok(first);
    }
    let others = stream::iter(plans).map(move |plan| {
        query.ledger.begin_next_plan();
        restarting(plan, context.clone(), !writes)
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, first.chain(others.try_flatten()))))
}

type Batch = datafusion::error::Result<RecordBatch>;

/// The plan's rows. At the query's deadline, or when the query is cancelled, the plan is dropped with its requests and
/// pages, even if the client does not read.
pub(super) fn rows(
    plan: SendableRecordBatchStream,
    schema: SchemaRef,
    query: Registered,
    writes: bool,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    let driver = PlanDriver::new(in_wire_types(plan, schema), Arc::clone(&query), writes);
    stream::unfold(Some(RunningQuery { query, driver }), async |state| {
        let mut running = state?;
        match running.next_rows().await? {
            Ok(batch) => Some((Ok(batch), Some(running))),
            Err(error) => Some((Err(error), None)),
        }
    })
}

/// The plan's batches in the wire's types. The conversion is a part of the plan: it computes, and needs memory.
fn in_wire_types(plan: SendableRecordBatchStream, schema: SchemaRef) -> BoxStream<'static, Batch> {
    let wire = move |batch: Batch| {
        let (pieces, error) = match batch {
            Ok(batch) => (wire_types::pieces(batch, &schema), None),
            Err(error) => (Vec::new(), Some(Err(error))),
        };
        let schema = Arc::clone(&schema);
        let converted = move |piece| wire_types::to_wire(&piece, &schema).map_err(to_datafusion);
        stream::iter(pieces.into_iter().map(converted).chain(error))
    };
    plan.flat_map(wire).boxed()
}

/// A query, and the plan that computes its rows.
///
/// The fields are dropped in this order, and the order matters: dropping `query` ends the query, so that its waiting
/// requests give up before `driver` drops the plan and releases the permits that they wait for.
struct RunningQuery {
    query: Registered,
    driver: PlanDriver,
}

impl RunningQuery {
    /// The next batch. `None` at the end.
    async fn next_rows(&mut self) -> Option<Result<RecordBatch>> {
        let fault = match self.driver.next().await {
            NextBatch::End => return None,
            NextBatch::Batch(batch) => return Some(batch.map_err(from_datafusion)),
            NextBatch::TimedOut => Fault::Timeout(self.query.limits().timeout),
            NextBatch::Cancelled => stopped(&self.query, self.driver.writes),
            NextBatch::Panicked => Fault::Internal("the plan panicked; the panic is in the log".into()),
        };
        Some(Err(fault.into()))
    }
}

/// A plan that runs on the plan runtime. It computes when [`PlanDriver::next`] is called.
struct PlanDriver {
    query: Arc<Query>,
    writes: bool,
    request: UnboundedSender<()>,
    received: UnboundedReceiver<Option<Batch>>,
    _plan: PlanTask<()>,
}

enum NextBatch {
    Batch(Batch),
    End,
    TimedOut,
    Cancelled,
    /// The plan panicked; the panic is in the log.
    Panicked,
}

impl PlanDriver {
    fn new(plan: BoxStream<'static, Batch>, query: Arc<Query>, writes: bool) -> Self {
        let (request, requests) = unbounded_channel();
        let (batches, received) = unbounded_channel();
        let watched = Arc::clone(&query);
        let work = async move {
            // The deadline applies also while the client does not read.
            watched.unless_ended(produce_batches(&watched, plan, requests, batches)).await;
            // Its client may not read, and so keep the query.
            watched.leave_place();
        };
        let plan = PlanTask::spawn(Arc::clone(&query), work.boxed());
        Self { query, writes, request, received, _plan: plan }
    }

    async fn next(&mut self) -> NextBatch {
        // Fails if the plan's task has ended, at the deadline or by cancellation. The match below handles both.
        let _ = self.request.send(());
        let deadline = self.query.deadline();
        match self.query.unless_cancelled(timeout_at(deadline, self.received.recv())).await {
            // The plan's task ends for the same two reasons, perhaps a moment earlier: its closed channel must not be
            // taken for a panic. So both are checked before the result.
            _ if self.query.is_cancelled() => NextBatch::Cancelled,
            _ if Instant::now() >= deadline => NextBatch::TimedOut,
            Ok(Ok(Some(Some(batch)))) => NextBatch::Batch(batch),
            Ok(Ok(Some(None))) => NextBatch::End,
            Ok(Ok(None)) => NextBatch::Panicked,
            Err(Cancelled) => NextBatch::Cancelled,
            Ok(Err(_)) => NextBatch::TimedOut,
        }
    }
}

async fn produce_batches(
    query: &Query,
    plan: BoxStream<'static, Batch>,
    mut requests: UnboundedReceiver<()>,
    batches: UnboundedSender<Option<Batch>>,
) {
    let mut plan = Coalesced::new(plan);
    while requests.recv().await.is_some() {
        let batch = plan.next().await;
        if let Some(Ok(batch)) = &batch {
            query.add_held(-i64::try_from(batch_bytes(batch)).unwrap_or(i64::MAX));
        }
        let ended = batch.is_none();
        if batches.send(batch).is_err() || ended {
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
    use crate::error::{Error, Kind};
    use crate::query::{Limits, Queries, StopReason};

    /// Sends an action in response to one POST.
    async fn respond_with_action(listener: TcpListener) {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            request.push(connection.read_u8().await.unwrap());
        }
        let body = r#"{"action": {"id": 7, "status": "in-progress"}}"#;
        let head = "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: ";
        connection.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
    }

    #[test]
    fn an_exec_that_is_stopped_says_why_and_that_its_request_is_not_undone() {
        let queries = Arc::new(Queries::default());
        let query = queries.begin(Principal::local(), "EXEC …", Limits::default()).unwrap();
        query.stop(StopReason::NoMemory);

        let error = Error::from(stopped(&query, true));
        assert_eq!(error.kind(), Kind::Cancelled, "no client sends it again");
        assert_eq!(
            error.report(),
            "there is no memory left for the query\nhint: a request that was already sent is not undone: check what it started"
        );
        assert_eq!(Error::from(stopped(&query, false)).kind(), Kind::ResourceExhausted);
    }

    #[tokio::test]
    async fn the_timeout_of_a_query_ends_a_select_and_not_an_exec() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(respond_with_action(listener));
        let client = Client::try_new(api::Options::new(url, None).with_token("demo"), &Budgets::default()).unwrap();
        let planner = Engine::try_new(client, Options { writes: true, ..Options::default() }).unwrap();
        let no_time = Options { timeout: Duration::ZERO, ..planner.options.clone() };
        let impatient = Engine { options: no_time, ..planner.clone() };
        let run = async |sql: &str| {
            let planned = planner.begin(&Principal::local(), sql).unwrap();
            let statement = planner.statement(&planned).await.unwrap();
            let plan = planner.physical_plan(&planned, &statement, None).await.unwrap().plan;
            let query = impatient.begin(&Principal::local(), sql).unwrap();
            let (engine, run, writes) = (impatient.clone(), Arc::clone(&query), statement.writes);
            if writes {
                query.start_running(limits_of_execs(&query, 1));
            }
            let context = move |rows| engine.task(Arc::clone(&run), Execution::New, rows);
            let stream = one_after_another(vec![plan], Arc::clone(&query), writes, context).unwrap();
            rows(stream, Arc::clone(&statement.prepared.schema), query, statement.writes).try_collect::<Vec<_>>().await
        };

        let select = run("SELECT 1").await.unwrap_err();
        let exec = run("EXEC digitalocean.compute.images.transfer @image_id = 7, @region = 'fra1'").await.unwrap();

        assert_eq!(select.kind(), Kind::DeadlineExceeded);
        assert_eq!(exec.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
    }
}
