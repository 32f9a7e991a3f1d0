//! SQL in, a stream of Arrow batches out; no HTTP and no gRPC.
//!
//! [`Engine::prepare`], [`Engine::check`] and [`Engine::ticket`] plan a statement and send no requests; [`Engine::run`]
//! runs it, and [`Engine::run_once`] runs it for a ticket. All of them return the same schema for the same statement.
//! An EXEC is a statement, too: it runs once for each [`Engine::run`], or once for each [`PlannedTicket`];
//! [`Engine::update`] runs it for each bound row. [`Engine::queries`] lists the queries that are planned or run now,
//! and [`Engine::cancel`] cancels one.

mod aggregate_count;
mod coalesced;
mod corrections;
mod dataset_list;
mod dialect;
mod equal_projections;
mod exec_plan;
mod exec_update;
mod expressions;
mod fault;
mod filters_above_aggregates;
mod function_guards;
mod interruptible;
mod join_filters;
mod largest_query;
mod limit_fault;
mod memory_pool;
mod meta_catalog;
mod nested_json;
mod origins;
mod overflow;
mod parameters;
mod pass_through;
mod plan_driver;
mod plan_threads;
mod planned_statements;
mod planning;
mod reader_catalogs;
mod session;
mod session_functions;
mod show;
mod spawned_tasks;
mod spill_dir;
mod subqueries;
mod table_changes;
mod table_info;
mod table_names;
mod ticket_plans;
mod timestamp_units;
mod turns;
mod unplannable;
mod wide_rows;
mod wire_types;
mod yielding;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{BoxStream, StreamExt};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

pub use dialect::{ESCAPE_FUNCTIONS, EscapeFunction, EscapeKind};
pub use fault::Fault;
use fault::from_datafusion;
pub use limit_fault::LimitFault;
pub use nested_json::nested_to_json;
pub use origins::{COLUMN_CATALOG, COLUMN_SCHEMA, COLUMN_TABLE};
pub use overflow::Overflow;
use plan_threads::PlanTask;
pub use planned_statements::Planned;
use planned_statements::{PlannedStatement, Statements};
pub use session::SYSTEM_SCHEMA;
pub use spill_dir::{SpillDir, SpillDirError};
use table_info::nearest_table;
pub use table_info::{ParentKey, TableInfo};
use ticket_plans::{TicketKey, Tickets};

use crate::api::Client;
use crate::datasets::{self, ClientDatasets, Datasets, IngestTarget};
pub use crate::datasets::{CATALOG as DATASETS, IfExists, IfMissing, Ingest, PUBLIC, TEMPORARY, TableName};
use crate::error::Result;
use crate::query::{Cancelled, Queries, Registered, StopReason};
pub use crate::query::{
    Choice, Identity, Limits, Peer, Principal, Query, QueryCaps, QueryId, QueryState, ResultTypes, SessionOptions,
    SessionScope, TableTypes,
};
use crate::resource::Registry;
pub use crate::sql::is_explain;
pub use crate::table::Account;
#[doc(hidden)]
pub use crate::table::bind::FilterCounts;
pub use crate::table::bind::MissingKey;
use crate::table::exec::{CallProcedure, Fault as ExecFault, Permission, TIME_OF_AN_EXEC, Writer};
pub use crate::table::exec::{Execution, Once, Polling, TICKET_LIFE};
use crate::table::{Accounts, Run};

/// The limits of queries, and what they may do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time limit of a query, including the time that it waits for its client.
    pub timeout: Duration,
    /// How long a request may wait for the token's rate limit.
    pub max_wait: Duration,
    /// The memory limit of all queries together: for sorts, joins, aggregates, and pages that are read ahead.
    pub memory_bytes: usize,
    /// Where operators write what does not fit into memory. Without one, they make directories of their own.
    pub spill_dir: Option<Arc<SpillDir>>,
    /// The maximum size of what they write, in bytes.
    pub spill_bytes: u64,
    /// Whether EXEC is allowed.
    pub writes: bool,
    /// The maximum number of parameter rows of one EXEC.
    pub max_writes: usize,
    /// The maximum size of a value that a function makes, in bytes.
    pub max_value_bytes: usize,
    /// The maximum size of a statement's text, in bytes.
    pub max_statement_bytes: usize,
    /// How many queries there may be.
    pub caps: QueryCaps,
    /// How AWAIT polls.
    pub polling: Polling,
    /// The maximum number of requests of a query.
    pub max_requests: u64,
    /// What a scan does if the query provides no value for its required key.
    pub missing_key: MissingKey,
    /// The user's own data.
    pub datasets: datasets::Options,
    /// For tests: scans and joins are encoded to bytes and decoded before they run, and the encoded filters are counted
    /// here.
    #[doc(hidden)]
    pub through_bytes: Option<Arc<FilterCounts>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(300),
            max_wait: Duration::from_secs(60),
            memory_bytes: 384 << 20,
            spill_dir: None,
            spill_bytes: 10 << 30,
            writes: false,
            max_writes: 20,
            max_value_bytes: 64 << 20,
            max_statement_bytes: 1 << 20,
            caps: QueryCaps::default(),
            polling: Polling::default(),
            max_requests: 1_000,
            missing_key: MissingKey::default(),
            datasets: datasets::Options::default(),
            through_bytes: None,
        }
    }
}

/// The DataFusion session that all queries share, and the plans that were made with it.
struct Session {
    context: SessionContext,
    /// The state at the start. Physical plans of statements that do not depend on the time are made with it. Other
    /// physical plans, and all logical plans, are made with a copy that has the current time.
    state: SessionState,
    statements: Statements,
    tickets: Tickets,
    datasets: Arc<Datasets>,
}

/// The session behind a trait object.
///
/// DataFusion's plans, expressions and sessions contain each other: the compiler needs about half a second to prove that
/// they are `Send`. It caches the proof, but not in functions with where clauses, and every `async_trait` method has
/// some: there it repeats the proof for each future. So the type of a future that other layers hold must not contain a
/// plan: use trait objects and [`BoxFuture`]s. The type also contains each variable that is borrowed before an await,
/// even one that is moved away before that await. Before this rule, the proofs took 60 of the 67 seconds in which the
/// compiler checked this crate.
type SharedSession = Arc<dyn Deref<Target = Session> + Send + Sync>;

/// A statement of at most so many bytes is planned in milliseconds.
const SHORT_STATEMENT_BYTES: usize = 4 << 10;

/// The turn to plan a longer statement.
static LONG_STATEMENTS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(1)));

/// Waits for the turn to plan a long statement. The turn ends with the planning, which may be after the query.
async fn in_turn<T: 'static>(query: &Query, planning: BoxFuture<'static, T>) -> BoxFuture<'static, T> {
    let turn = query.unless_ended(Arc::clone(&LONG_STATEMENTS).acquire_owned()).await;
    async move {
        let _turn = turn;
        planning.await
    }
    .boxed()
}

/// Plans and runs statements over an account's tables. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    session: SharedSession,
    accounts: Arc<Accounts>,
    resources: Arc<Registry>,
    options: Options,
    /// Present if EXEC is allowed.
    writer: Option<Arc<Writer>>,
    queries: Arc<Queries>,
}

/// What a ticket contains besides the statement.
#[derive(Clone, Debug)]
pub struct PlannedTicket {
    /// The columns of its rows.
    pub schema: SchemaRef,
    /// The number of its execution, if the statement is an EXEC.
    pub once: Option<Once>,
}

/// The columns and parameters of a statement.
#[derive(Clone, Debug)]
pub struct PreparedStatement {
    /// The columns of its rows.
    pub schema: SchemaRef,
    /// Its parameters, "1", "2", …, all nullable, in types that drivers can write.
    pub parameters: SchemaRef,
    /// Whether it makes or removes a table, so that drivers execute it as an update.
    pub is_update: bool,
}

/// The table that a client ingests rows into.
#[derive(Clone, Debug)]
pub struct IngestRequest {
    /// The table.
    pub name: TableName,
    /// What happens if it exists.
    pub if_exists: IfExists,
    /// What happens if it does not.
    pub if_missing: IfMissing,
}

/// A running statement. Dropping it cancels its requests, except a POST that was started.
pub struct QueryStream {
    /// The columns of its rows.
    pub schema: SchemaRef,
    /// Its rows. An error is the last item.
    pub rows: BoxStream<'static, Result<RecordBatch>>,
    /// The query: its counts and notices so far.
    pub query: Arc<Query>,
    /// Whether it is an EXEC: on shutdown the server waits for its stream to end.
    pub writes: bool,
    /// Whether it makes or removes a table.
    pub is_update: bool,
}

impl Engine {
    /// An engine over the built-in resources of one account, in the catalog `digitalocean`.
    ///
    /// # Errors
    /// [`Fault::Internal`] if DataFusion rejects the tables; an error if an engine that writes is made outside of a
    /// tokio runtime.
    pub fn try_new(client: Client, options: Options) -> Result<Self> {
        Self::over(vec![Account::digitalocean(client)], options)
    }

    /// An engine over the built-in resources of several accounts. The first account is the default.
    ///
    /// # Errors
    /// As [`Engine::try_new`].
    pub fn over(accounts: Vec<Account>, options: Options) -> Result<Self> {
        let accounts = Arc::new(Accounts::new(accounts));
        let resources = Arc::new(accounts.resources());
        spawned_tasks::follow_tasks();
        let (context, datasets) = session::session(&accounts, &resources, &options)?;
        let (state, statements, tickets) = (context.state(), Statements::default(), Tickets::default());
        let session = Session { state, context, statements, tickets, datasets };
        Ok(Self {
            session: Arc::new(Box::new(session)),
            accounts,
            resources,
            writer: options.writes.then(|| Writer::try_new(options.polling)).transpose()?.map(Arc::new),
            queries: Arc::new(Queries::new(options.caps)),
            options,
        })
    }

    /// Looks into the files of all datasets, and plans all views, so that a mistake is found at the start.
    ///
    /// # Errors
    /// That of the first dataset or view that cannot be read.
    pub async fn check_datasets(&self) -> Result<()> {
        self.session.datasets.check().await?;
        let views: Vec<String> = self.session.datasets.views().map(|view| view.name.clone()).collect();
        for name in views {
            let name = name.replace('"', "\"\"");
            let sql = format!("SELECT * FROM {}.{}.\"{name}\"", datasets::CATALOG, PUBLIC);
            self.prepare(&Principal::local(), &sql).await?;
        }
        Ok(())
    }

    /// Plans a statement without running it. Sends no requests.
    ///
    /// # Errors
    /// [`crate::sql::Fault`] or [`Fault`] if the statement is wrong.
    pub async fn prepare(&self, principal: &Principal, sql: &str) -> Result<PreparedStatement> {
        let query = self.begin(principal, sql)?;
        let statement = self.statement(&query).await?;
        self.check_writes(principal, &statement)?;
        Ok(statement.prepared.clone())
    }

    /// Makes the physical plans of a statement with bound parameters, and returns the schema of its rows: a mistake is
    /// found before anything runs. Sends no requests.
    ///
    /// # Errors
    /// As [`Engine::prepare`], and if the statement provides no value for a required key of a table.
    pub async fn check(&self, principal: &Principal, sql: &str, bound: Option<&RecordBatch>) -> Result<SchemaRef> {
        let query = self.begin(principal, sql)?;
        let (engine, planned, bound) = (self.clone(), Arc::clone(&query), bound.cloned());
        let planning = async move {
            let statement = engine.planned_statement(&planned).await?;
            engine.check_writes(planned.principal(), &statement)?;
            engine.physical_plans(&planned, &statement, bound.as_ref()).await?;
            Ok(Arc::clone(&statement.prepared.schema))
        };
        self.on_plan_thread(&query, planning.boxed()).await
    }

    /// As [`Engine::check`], and returns what the ticket contains: for an EXEC also the number of its execution. The
    /// plan is kept for one DoGet if it is small, for one bound row at most, and does not depend on the time. The plan
    /// of an EXEC is never kept.
    ///
    /// # Errors
    /// As [`Engine::check`].
    pub async fn ticket(&self, principal: &Principal, sql: &str, bound: Option<&RecordBatch>) -> Result<PlannedTicket> {
        let query = self.begin(principal, sql)?;
        let (engine, planned, bound) = (self.clone(), Arc::clone(&query), bound.cloned());
        let planning = async move {
            let statement = engine.planned_statement(&planned).await?;
            engine.check_writes(planned.principal(), &statement)?;
            let plans = engine.physical_plans(&planned, &statement, bound.as_ref()).await?;
            let once = engine.writer.as_ref().filter(|_| statement.writes).map(|writer| writer.mint());
            let schema = Arc::clone(&statement.prepared.schema);
            engine.session.tickets.keep(&TicketKey { query: &planned, bound: bound.as_ref() }, &statement, plans);
            Ok(PlannedTicket { schema, once })
        };
        self.on_plan_thread(&query, planning.boxed()).await
    }

    /// Runs a statement. The columns of `bound` are the parameters by position. A query runs once for each row, one
    /// after another.
    ///
    /// # Errors
    /// As [`Engine::check`]; later errors are items of the stream.
    pub async fn run(&self, principal: &Principal, sql: &str, bound: Option<&RecordBatch>) -> Result<QueryStream> {
        self.run_once(principal, Execution::New, sql, bound).await
    }

    /// As [`Engine::run`], for an execution that may have been started before: an EXEC runs once for each execution.
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
        let query = self.begin(principal, sql)?;
        if let Execution::Ticket { digest, .. } = execution {
            query.set_ticket(digest);
        }
        let (engine, planned, bound) = (self.clone(), Arc::clone(&query), bound.cloned());
        let planning = async move {
            let key = TicketKey { query: &planned, bound: bound.as_ref() };
            let (statement, plans) = match engine.session.tickets.take(&key) {
                Some(planned) => planned,
                None => {
                    let statement = engine.planned_statement(&planned).await?;
                    let plans = engine.physical_plans(&planned, &statement, bound.as_ref()).await?;
                    (statement, plans)
                }
            };
            planned.start_running(if statement.writes { limits_of_execs(&planned, 1) } else { *planned.limits() });
            let plans = plans.into_iter().map(|ready| ready.plan).collect();
            let query = Arc::clone(&planned);
            let context = move |rows| engine.task(Arc::clone(&planned), execution, rows);
            // `execute` of some operators spawns tasks: it is called here, so that they run on the plan runtime, too.
            let stream =
                plan_driver::one_after_another(plans, query, statement.writes, context).map_err(from_datafusion)?;
            Ok((statement, stream))
        };
        let (statement, stream) = self.on_plan_thread(&query, planning.boxed()).await?;
        let (schema, running) = (Arc::clone(&statement.prepared.schema), Arc::clone(&query));
        let columns = Arc::clone(statement.columns());
        let rows = plan_driver::rows(stream, columns, query, statement.writes).boxed();
        let rows = match statement.change.clone() {
            None => rows,
            Some(change) => change.run(self.datasets(principal), table_changes::author(principal), rows),
        };
        let (writes, is_update) = (statement.writes, statement.change.is_some());
        Ok(QueryStream { schema, rows, query: running, writes, is_update })
    }

    /// The queries that are planned or run now, oldest first.
    pub fn queries(&self) -> Vec<Arc<Query>> {
        self.queries.all()
    }

    /// Cancels a query: its client gets an error, and its requests are dropped, except a POST that was started. Returns
    /// whether there is a query with this number.
    pub fn cancel(&self, id: QueryId) -> bool {
        self.queries.cancel(id)
    }

    /// Cancels the queries that are executed for the ticket with this hash, if they are the principal's. Returns whether
    /// there is one.
    pub fn cancel_ticket(&self, principal: &Principal, digest: u64) -> bool {
        let is_meant =
            |query: &&Arc<Query>| query.ticket() == Some(digest) && query.principal().identity == principal.identity;
        let queries = self.queries.all();
        queries.iter().filter(is_meant).map(|query| query.cancel()).count() > 0
    }

    /// The numbers of statements and plans that were made so far. Those found in the cache are not counted.
    pub fn planned(&self) -> Planned {
        self.session.statements.planned()
    }

    /// The memory that queries have reserved, in bytes: what `query.memory_bytes` limits.
    pub fn reserved_bytes(&self) -> usize {
        self.session.context.runtime_env().memory_pool.reserved()
    }

    /// The time limit of a query, including the time to read its parameters.
    pub fn timeout(&self) -> Duration {
        self.options.timeout
    }

    /// The limits of a client's queries: the server's, or those of its session if they are lower.
    pub fn limits(&self, principal: &Principal) -> Limits {
        let Options { timeout, max_wait, max_requests, max_value_bytes, .. } = self.options;
        let session = &principal.session;
        Limits {
            timeout: session.timeout.map_or(timeout, |own| own.min(timeout)),
            max_wait,
            max_requests: session.max_requests.map_or(max_requests, |own| own.min(max_requests)),
            max_value_bytes: max_value_bytes as u64,
        }
    }

    /// Whether there is a catalog with this name.
    pub fn has_catalog(&self, name: &str) -> bool {
        name == datasets::CATALOG || self.session.context.catalog(name).is_some()
    }

    /// The catalog and the schema of table names without them, in the session of a client.
    pub fn defaults(&self, principal: &Principal) -> (String, String) {
        let defaults = &self.session.state.config_options().catalog;
        let SessionOptions { catalog, schema, .. } = &*principal.session;
        let own = |set: &Option<String>, default: &String| set.clone().unwrap_or_else(|| default.clone());
        (own(catalog, &defaults.default_catalog), own(schema, &defaults.default_schema))
    }

    /// Begins an ingest of rows with these columns for a client.
    ///
    /// # Errors
    /// [`datasets::Fault`], before any row is read.
    pub fn begin_ingest(&self, principal: &Principal, request: IngestRequest, columns: &SchemaRef) -> Result<Ingest> {
        let IngestRequest { name, if_exists, if_missing } = request;
        let target = IngestTarget { name, if_exists, if_missing, by: table_changes::author(principal) };
        self.datasets(principal).begin_ingest(target, columns)
    }

    /// The tables below `datasets` that a client sees.
    fn datasets(&self, principal: &Principal) -> ClientDatasets {
        self.session.datasets.of_client(principal.scope.as_ref().map(SessionScope::part))
    }

    /// Whether clients may make tables.
    pub fn ingests(&self) -> bool {
        self.options.datasets.ingest.allowed
    }

    /// Whether EXEC is allowed.
    pub fn writes(&self) -> bool {
        self.writer.is_some()
    }

    /// The maximum number of parameter rows of one EXEC.
    pub fn max_writes(&self) -> usize {
        self.options.max_writes
    }

    /// The number of POSTs that were started and have no response yet.
    pub fn writing(&self) -> usize {
        self.writer.as_ref().map_or(0, |writer| writer.unanswered())
    }

    /// Rejects further EXECs, and waits until each POST that was sent has a response or has failed.
    pub async fn finish_writing(&self) {
        if let Some(writer) = &self.writer {
            writer.finish().await;
        }
    }

    /// Registers a new query.
    ///
    /// # Errors
    /// [`LimitFault::TooManyQueries`].
    fn begin(&self, principal: &Principal, sql: &str) -> Result<Registered> {
        let limits = self.limits(principal);
        Ok(self.queries.begin(principal.clone(), sql, limits).map_err(LimitFault::TooManyQueries)?)
    }

    /// Runs `planning` on the plan runtime, until the query's deadline or cancellation. Boxed: see [`SharedSession`].
    ///
    /// Nothing interrupts the planning of a long statement, and it may take seconds: one is planned at a time, so that the
    /// threads of the plan runtime are free for others.
    fn on_plan_thread<'a, T: Send + 'static>(
        &'a self,
        query: &'a Arc<Query>,
        planning: BoxFuture<'static, Result<T>>,
    ) -> BoxFuture<'a, Result<T>> {
        async move {
            if !plan_threads::wait_for_threads(query).await {
                let fault = match query.has_ended() {
                    true => stopped(query, false),
                    false => LimitFault::ThreadsTaken.into(),
                };
                return Err(fault.into());
            }
            let bytes = query.text().len();
            // One above the maximum is refused before it is planned.
            let is_long = bytes > SHORT_STATEMENT_BYTES && bytes <= self.options.max_statement_bytes;
            let planning = if is_long { in_turn(query, planning).await } else { planning };
            let task = PlanTask::spawn(Arc::clone(query), planning);
            match query.unless_cancelled(timeout_at(query.deadline(), task.join())).await {
                Ok(Ok(planned)) => planned,
                Ok(Err(_)) => Err(Fault::Timeout(query.limits().timeout).into()),
                Err(Cancelled) => Err(stopped(query, false).into()),
            }
        }
        .boxed()
    }

    /// The context that a query's plans are executed in. It contains the query and its permission to write, for the
    /// plan's scans and calls. `batch_rows` is the number of rows of a batch. The maps of functions are empty, because
    /// plans contain their functions.
    fn task(&self, query: Arc<Query>, execution: Execution, batch_rows: usize) -> Arc<TaskContext> {
        let permission = self.writer.clone().map(|writer| Permission { execution, writer });
        let state = &self.session.state;
        let mut config = state.config().clone().with_batch_size(batch_rows);
        config.set_extension(Arc::new(Run::new(query, Arc::clone(&self.accounts), permission)));
        let id = state.session_id().to_owned();
        let none = (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
        Arc::new(TaskContext::new(None, id, config, none.0, none.1, none.2, none.3, Arc::clone(state.runtime_env())))
    }

    /// Rejects an EXEC early if writes are off, and a change of a table that cannot be made. At run time the plan of an EXEC
    /// needs a [`Permission`].
    fn check_writes(&self, principal: &Principal, statement: &PlannedStatement) -> Result<()> {
        if let Some(change) = &statement.change {
            return change.check(&self.datasets(principal));
        }
        match called(&statement.plan) {
            Some(call) if !self.writes() => Err(ExecFault::Off { procedure: call.procedure() }.into()),
            Some(_) | None => Ok(()),
        }
    }
}

/// The error of a query that was stopped, or that has reached its timeout.
fn stopped(query: &Query, writes: bool) -> Fault {
    let limit = match query.stop_reason() {
        Some(StopReason::NoPlace(waited)) => LimitFault::NoPlace { waited },
        Some(StopReason::NoMemory) => LimitFault::NoMemory,
        None if Instant::now() >= query.deadline() => return Fault::Timeout(query.limits().timeout),
        Some(StopReason::Cancelled) | None => return Fault::Cancelled { writes },
    };
    if writes { Fault::StoppedExec(limit) } else { limit.into() }
}

/// The limits of `execs` EXECs that run one after another. An EXEC has its own limits, including those of the requests
/// of an AWAIT.
fn limits_of_execs(query: &Query, execs: u32) -> Limits {
    Limits { timeout: TIME_OF_AN_EXEC.saturating_mul(execs), max_requests: u64::MAX, ..*query.limits() }
}

/// The procedure call, if the plan is an EXEC.
fn called(plan: &LogicalPlan) -> Option<&CallProcedure> {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
        _ => None,
    }
}
