//! SQL in, a stream of Arrow batches out; no HTTP and no gRPC.
//!
//! [`Engine::prepare`], [`Engine::check`] and [`Engine::ticket`] plan, and send nothing; [`Engine::run`] runs. All of them
//! return the same schema for the same statement. An EXEC is a statement, too: it runs once for each [`Engine::run`], or
//! once for each [`PlannedTicket`]; [`Engine::update`] runs it for each row that is bound. [`Engine::queries`] lists what is
//! planned or runs now, and [`Engine::cancel`] ends one.

mod corrections;
mod dialect;
mod exec_plan;
mod exec_update;
mod expressions;
mod fault;
mod filters_above_aggregates;
mod meta_catalog;
mod overflow;
mod parameters;
mod plan_driver;
mod plan_threads;
mod planned_statements;
mod planning;
mod session;
mod session_functions;
mod show;
mod subqueries;
mod table_info;
mod table_names;
mod task_spans;
mod ticket_plans;
mod unplannable;
mod wire_types;
mod yielding;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{BoxStream, StreamExt};
use tokio::time::timeout_at;
use tracing::Instrument;

pub use fault::Fault;
use fault::from_datafusion;
pub use overflow::Overflow;
use plan_threads::PlanTask;
pub use planned_statements::Planned;
use planned_statements::Statements;
pub use table_info::TableInfo;
use table_info::nearest_table;
use ticket_plans::{TicketKey, Tickets};

use crate::api::Client;
use crate::error::Result;
use crate::query::{Cancelled, Queries, Registered};
pub use crate::query::{Identity, Limits, Peer, Principal, Query, QueryId, QueryState};
use crate::resource::Registry;
pub use crate::sql::is_explain;
pub use crate::table::Account;
#[doc(hidden)]
pub use crate::table::bind::FilterCounts;
pub use crate::table::bind::MissingKey;
use crate::table::exec::{CallProcedure, Fault as ExecFault, Permission, TIME_OF_AN_EXEC, Writer};
pub use crate::table::exec::{Execution, Once, Polling, TICKET_LIFE};
use crate::table::{Accounts, Run};

/// What a query may take.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a query may run, waiting for its client included.
    pub timeout: Duration,
    /// How long one of its requests may wait for the token's budget.
    pub max_wait: Duration,
    /// What all queries together may hold: to sort, join, aggregate, and of pages read ahead.
    pub memory_bytes: usize,
    /// Whether EXEC is carried out.
    pub writes: bool,
    /// How many rows of parameters an EXEC is carried out for at once.
    pub max_writes: usize,
    /// How AWAIT asks.
    pub polling: Polling,
    /// How many requests a query may send.
    pub max_requests: u64,
    /// What a scan does whose parameter nothing gives.
    pub missing_key: MissingKey,
    /// For tests: scans and joins are made anew of bytes before they run, and the filters that went through are counted
    /// here.
    #[doc(hidden)]
    pub through_bytes: Option<Arc<FilterCounts>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(300),
            max_wait: Duration::from_secs(60),
            memory_bytes: 2 << 30,
            writes: false,
            max_writes: 20,
            polling: Polling::default(),
            max_requests: 1_000,
            missing_key: MissingKey::default(),
            through_bytes: None,
        }
    }
}

/// The session of all queries.
struct Session {
    context: SessionContext,
    /// As it is at the start. Plans are made with it, unless they tell the time, or name parameters.
    state: SessionState,
}

/// Behind a trait object, because the compiler otherwise proves for each future that holds an engine that all of
/// DataFusion's session can be sent to another thread: half of its time.
type SharedSession = Arc<dyn Deref<Target = Session> + Send + Sync>;

/// Plans and runs statements over an account's tables. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    session: SharedSession,
    accounts: Arc<Accounts>,
    resources: Arc<Registry>,
    options: Options,
    /// There if EXEC is carried out.
    writer: Option<Arc<Writer>>,
    statements: Arc<Statements>,
    tickets: Arc<Tickets>,
    queries: Arc<Queries>,
}

/// What a ticket needs besides the statement.
#[derive(Clone, Debug)]
pub struct PlannedTicket {
    /// The columns of its rows.
    pub schema: SchemaRef,
    /// The number of its execution, where the statement is an EXEC.
    pub once: Option<Once>,
}

/// What a statement will answer, and what it takes.
#[derive(Clone, Debug)]
pub struct PreparedStatement {
    /// The columns of its rows.
    pub schema: SchemaRef,
    /// Its parameters, "1", "2", …, all nullable, in types that drivers can write.
    pub parameters: SchemaRef,
}

/// A statement that runs. Dropping it stops its requests.
pub struct QueryStream {
    /// The columns of its rows.
    pub schema: SchemaRef,
    /// Its rows as they come; after an error there are no more.
    pub rows: BoxStream<'static, Result<RecordBatch>>,
    /// The query: what happened so far on its behalf.
    pub query: Arc<Query>,
    /// Whether it is an EXEC: its stream ends by itself when the engine stops.
    pub writes: bool,
}

impl Engine {
    /// An engine over the built-in resources of one account, in the catalog `digitalocean`.
    ///
    /// # Errors
    /// [`Fault::Internal`], where DataFusion refuses the tables; an engine that writes, made outside of a tokio runtime.
    pub fn try_new(client: Client, options: Options) -> Result<Self> {
        Self::over(vec![Account::digitalocean(client)], options)
    }

    /// An engine over the built-in resources of several accounts, the first of which is the default.
    ///
    /// # Errors
    /// As [`Engine::try_new`].
    pub fn over(accounts: Vec<Account>, options: Options) -> Result<Self> {
        let accounts = Arc::new(Accounts::new(accounts));
        let resources = Arc::new(accounts.resources());
        task_spans::follow_tasks();
        let context = session::session(&accounts, &resources, &options)?;
        let session = Session { state: context.state(), context };
        Ok(Self {
            session: Arc::new(Box::new(session)),
            accounts,
            resources,
            writer: options.writes.then(|| Writer::try_new(options.polling)).transpose()?.map(Arc::new),
            options,
            statements: Arc::default(),
            tickets: Arc::default(),
            queries: Arc::default(),
        })
    }

    /// Plans a statement without running it. Nothing is sent.
    ///
    /// # Errors
    /// [`crate::sql::Fault`] and [`Fault`]: what is wrong with the statement.
    pub async fn prepare(&self, principal: &Principal, sql: &str) -> Result<PreparedStatement> {
        let query = self.begin(principal, sql);
        let statement = self.statement(&query).await?;
        self.check_writes(&statement.plan)?;
        Ok(statement.prepared.clone())
    }

    /// Plans a statement to the end, with its parameters bound, and says what its rows look like: a mistake shows before
    /// anything runs. Nothing is sent.
    ///
    /// # Errors
    /// As [`Engine::prepare`], and a table that needs a value which the statement does not give.
    pub async fn check(&self, principal: &Principal, sql: &str, bound: Option<&RecordBatch>) -> Result<SchemaRef> {
        let query = self.begin(principal, sql);
        let statement = self.statement(&query).await?;
        self.check_writes(&statement.plan)?;
        let (engine, bound) = (self.clone(), bound.cloned());
        let planning = async move {
            engine.physical_plans(&statement, bound.as_ref()).await?;
            Ok(Arc::clone(&statement.prepared.schema))
        };
        self.apart(&query, planning.boxed()).await
    }

    /// As [`Engine::check`], for one execution later on, which finds the plan again.
    ///
    /// # Errors
    /// As [`Engine::check`].
    pub async fn ticket(&self, principal: &Principal, sql: &str, bound: Option<&RecordBatch>) -> Result<PlannedTicket> {
        let query = self.begin(principal, sql);
        let statement = self.statement(&query).await?;
        self.check_writes(&statement.plan)?;
        let (engine, asking, bound) = (self.clone(), Arc::clone(&query), bound.cloned());
        let planning = async move {
            let plans = engine.physical_plans(&statement, bound.as_ref()).await?;
            let once = engine.writer.as_ref().filter(|_| statement.writes).map(|writer| writer.mint());
            let schema = Arc::clone(&statement.prepared.schema);
            engine.tickets.keep(&TicketKey { query: &asking, bound: bound.as_ref() }, &statement, plans);
            Ok(PlannedTicket { schema, once })
        };
        self.apart(&query, planning.boxed()).await
    }

    /// Runs a statement. The columns of `bound` are the parameters by position; a query is run for each row, one after
    /// another.
    ///
    /// # Errors
    /// As [`Engine::check`]; what goes wrong later is an item of the stream.
    pub async fn run(&self, principal: &Principal, sql: &str, bound: Option<&RecordBatch>) -> Result<QueryStream> {
        self.run_once(principal, Execution::New, sql, bound).await
    }

    /// As [`Engine::run`], for an execution that may have begun already: an EXEC is carried out once for each.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub async fn run_once(
        &self,
        principal: &Principal,
        execution: Execution,
        sql: &str,
        bound: Option<&RecordBatch>,
    ) -> Result<QueryStream> {
        let query = self.begin(principal, sql);
        let (engine, asking, bound) = (self.clone(), Arc::clone(&query), bound.cloned());
        let planning = async move {
            let asked = TicketKey { query: &asking, bound: bound.as_ref() };
            let (statement, plans) = match engine.tickets.take(&asked) {
                Some(planned) => planned,
                None => {
                    let statement = engine.planned_statement(&asking).await?;
                    let plans = engine.physical_plans(&statement, bound.as_ref()).await?;
                    (statement, plans)
                }
            };
            asking.runs_within(if statement.writes { limits_of_execs(&asking, 1) } else { *asking.limits() });
            let plans = plans.into_iter().map(|ready| ready.plan).collect();
            let query = Arc::clone(&asking);
            let context = move || engine.task(Arc::clone(&asking), execution);
            // Some operators start tasks as soon as they are executed: these belong on the plans' threads, too.
            let stream = plan_driver::one_after_another(plans, query, context).map_err(from_datafusion)?;
            Ok((statement, stream))
        };
        let (statement, stream) = self.apart(&query, planning.boxed()).await?;
        let (schema, running) = (Arc::clone(&statement.prepared.schema), Arc::clone(&query));
        let rows = plan_driver::rows(stream, Arc::clone(&schema), query, statement.writes).boxed();
        Ok(QueryStream { schema, rows, query: running, writes: statement.writes })
    }

    /// The queries that are planned or run now, the oldest first.
    pub fn queries(&self) -> Vec<Arc<Query>> {
        self.queries.all()
    }

    /// Cancels a query: its client gets an error, and its requests are dropped, but for a POST that was begun. Returns
    /// whether there is a query of this number.
    pub fn cancel(&self, id: QueryId) -> bool {
        self.queries.cancel(id)
    }

    /// How much was planned so far. What was planned not long ago is found again, and not counted.
    pub fn planned(&self) -> Planned {
        self.statements.planned()
    }

    /// How long a query may take, reading its parameters included.
    pub fn timeout(&self) -> Duration {
        self.options.timeout
    }

    /// Whether EXEC is carried out.
    pub fn writes(&self) -> bool {
        self.writer.is_some()
    }

    /// How many rows of parameters an EXEC is carried out for at once.
    pub fn max_writes(&self) -> usize {
        self.options.max_writes
    }

    /// How many requests that write are on their way.
    pub fn writing(&self) -> usize {
        self.writer.as_ref().map_or(0, |writer| writer.running())
    }

    /// Rejects further EXECs, and waits until each POST that was sent has a response or has failed.
    pub async fn finish_writing(&self) {
        if let Some(writer) = &self.writer {
            writer.finish().await;
        }
    }

    /// A query that begins to be planned.
    fn begin(&self, principal: &Principal, sql: &str) -> Registered {
        let Options { timeout, max_wait, max_requests, .. } = self.options;
        self.queries.begin(principal.clone(), sql, Limits { timeout, max_wait, max_requests })
    }

    /// Plans on the plans' threads, within the query's time.
    async fn apart<T: Send + 'static>(&self, query: &Query, planning: BoxFuture<'static, Result<T>>) -> Result<T> {
        let planning = PlanTask::spawn(planning.instrument(query.span().clone()).boxed()).join();
        let planning = timeout_at(query.deadline(), planning);
        match query.unless_cancelled(planning).await {
            Ok(Ok(planned)) => planned,
            Ok(Err(_)) => Err(Fault::Timeout(query.limits().timeout).into()),
            Err(Cancelled) => Err(Fault::Cancelled { writes: false }.into()),
        }
    }

    /// The context in which a query's plans are executed: the query, and whether it may write, travel in it down to their
    /// leaves. The maps of functions are empty: plans hold their functions.
    fn task(&self, query: Arc<Query>, execution: Execution) -> Arc<TaskContext> {
        let permission = self.writer.clone().map(|writer| Permission { execution, writer });
        let state = &self.session.state;
        let mut config = state.config().clone();
        config.set_extension(Arc::new(Run::new(query, Arc::clone(&self.accounts), permission)));
        let id = state.session_id().to_owned();
        let none = (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
        Arc::new(TaskContext::new(None, id, config, none.0, none.1, none.2, none.3, Arc::clone(state.runtime_env())))
    }

    /// Tells it early where writes are off; what runs is held to it by its plan ([`Permission`]).
    fn check_writes(&self, plan: &LogicalPlan) -> Result<()> {
        match called(plan) {
            Some(call) if !self.writes() => Err(ExecFault::Off { procedure: call.procedure() }.into()),
            Some(_) | None => Ok(()),
        }
    }
}

/// The limits of a query of `execs` EXECs, one after another. An EXEC has limits of its own, also for the requests of an
/// AWAIT.
fn limits_of_execs(query: &Query, execs: u32) -> Limits {
    Limits { timeout: TIME_OF_AN_EXEC.saturating_mul(execs), max_requests: u64::MAX, ..*query.limits() }
}

/// The call that a plan is, where it is one.
fn called(plan: &LogicalPlan) -> Option<&CallProcedure> {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
        _ => None,
    }
}
