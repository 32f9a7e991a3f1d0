//! SQL in, a stream of Arrow batches out; no HTTP and no gRPC.
//!
//! [`Engine::prepare`] and [`Engine::ticket`] plan, and send nothing; [`Engine::run`] runs.
//! All three answer the same schema for the same statement. An EXEC is one, too: it runs once for each [`Engine::run`],
//! or once for each [`Ticket`]; [`Engine::update`] runs it for each row that is bound.

mod corrections;
mod dialect;
mod exec;
mod fault;
mod filters_above_aggregates;
mod meta;
mod names;
mod parameters;
mod plans;
mod running;
mod session;
mod session_functions;
mod show;
mod subqueries;

mod tables;
mod update;
mod wire;
mod yielding;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::execution::SessionState;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::explain::ExplainExec;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as Ast;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{BoxStream, StreamExt};
use tokio::runtime::Handle;
use tokio::time::timeout;

pub use fault::Fault;
use fault::from_datafusion;
use parameters::Parameterized;
use plans::Apart;
pub use tables::TableInfo;
use tables::nearest_table;

use crate::api::{Client, QueryContext};
use crate::error::Result;
pub use crate::query::{Identity, Peer, Principal};
use crate::resource::Registry;
use crate::sql::{self, Body, Statement};
pub use crate::table::Account;
pub use crate::table::bind::MissingKey;
use crate::table::exec::{CallProcedure, Fault as ExecFault, LONGEST_WAIT, Permission, Records};
pub use crate::table::exec::{Execution, Once, Polling, TICKET_LIFE};
use crate::table::{self, Memo};

/// What a query may take.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a query may run, waiting for its client included.
    pub timeout: Duration,
    /// How long one of its requests may wait for the account's budget.
    pub max_wait: Duration,
    /// What all queries together may hold to sort, join and aggregate.
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
        }
    }
}

/// The session that every query's is a copy of. Behind a trait object, because the compiler otherwise proves for each
/// future that holds an engine that all of DataFusion's session can be sent to another thread: half of its time.
type Shared = Arc<dyn Deref<Target = SessionContext> + Send + Sync>;

/// Plans and runs statements over an account's tables. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    context: Shared,
    resources: Arc<Registry>,
    options: Options,
    records: Arc<Records>,
}

/// What a ticket needs besides the statement.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The columns of its rows.
    pub schema: SchemaRef,
    /// The number of its execution, where the statement is an EXEC.
    pub once: Option<Once>,
}

/// What a statement will answer, and what it takes.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The columns of its rows.
    pub schema: SchemaRef,
    /// Its parameters, "1", "2", …, all nullable, in types that drivers can write.
    pub parameters: SchemaRef,
}

/// A statement that runs. Dropping it stops its requests.
pub struct Answer {
    /// The columns of its rows.
    pub schema: SchemaRef,
    /// Its rows as they come; after an error there are no more.
    pub rows: BoxStream<'static, Result<RecordBatch>>,
    /// What happens on its behalf.
    pub progress: Progress,
    /// Whether it is an EXEC, which ends by itself when the engine starts none any more.
    pub writes: bool,
}

/// What happened so far on a query's behalf.
#[derive(Clone, Debug)]
pub struct Progress(Arc<QueryContext>);

impl Progress {
    /// Pages that were read from the API.
    pub fn pages(&self) -> u64 {
        self.0.counts.pages.get()
    }

    /// Rows in those pages.
    pub fn rows(&self) -> u64 {
        self.0.counts.rows.get()
    }

    /// Requests that were sent again.
    pub fn retries(&self) -> u64 {
        self.0.counts.retries.get()
    }

    /// What it waits for, where that is more than pages.
    pub fn activity(&self) -> Option<String> {
        self.0.activity()
    }

    /// What an EXEC has started, or why it has not: not undone should it end without rows.
    pub fn written(&self) -> Option<Result<String>> {
        self.0.written()
    }

    /// What the person who asked should know although it is no error.
    pub fn notices(&self) -> Vec<String> {
        self.0.notices()
    }
}

/// A statement that is planned: the plan, its schema, its parameters, and the session that it runs in.
struct Planned {
    plan: LogicalPlan,
    prepared: Prepared,
    /// The types that the statement gives to its parameters.
    parameters: SchemaRef,
    /// Whether running it writes.
    writes: bool,
    state: SessionState,
    query: Arc<QueryContext>,
}

/// One call of the engine that plans a statement.
struct Call {
    principal: Principal,
    execution: Execution,
    /// The one that answers clients: what is sent for an EXEC belongs there.
    runtime: Handle,
}

impl Call {
    fn new(principal: &Principal, execution: Execution) -> Self {
        Self { principal: principal.clone(), execution, runtime: Handle::current() }
    }
}

/// The time of an EXEC. It has bounds of its own (the budget's patience, the attempts' time, AWAIT's limit); the
/// query's would cut it off where nobody knows what it did.
const TIME_OF_AN_EXEC: Duration = Duration::from_secs(LONGEST_WAIT.as_secs() + 3_600);

impl Engine {
    /// An engine over the built-in resources of one account, in the catalog `digitalocean`.
    ///
    /// # Errors
    /// [`Fault::Internal`], where DataFusion refuses the tables.
    pub fn try_new(client: Client, options: Options) -> Result<Self> {
        Self::over(vec![Account::digitalocean(client)], options)
    }

    /// An engine over the built-in resources of several accounts, the first of which is the default.
    ///
    /// # Errors
    /// As [`Engine::try_new`].
    pub fn over(accounts: Vec<Account>, options: Options) -> Result<Self> {
        let accounts: Vec<Arc<Account>> = accounts.into_iter().map(Arc::new).collect();
        let resources = Arc::new(Account::resources(&accounts));
        let context = session::session(&accounts, &resources, &options)?;
        Ok(Self { context: Arc::new(Box::new(context)), resources, options, records: Arc::default() })
    }

    /// Plans a statement without running it. Nothing is sent.
    ///
    /// # Errors
    /// [`sql::Fault`] and [`Fault`]: what is wrong with the statement.
    pub async fn prepare(&self, principal: &Principal, sql: &str) -> Result<Prepared> {
        let (engine, sql, call) = (self.clone(), sql.to_owned(), Call::new(principal, Execution::New));
        let planning = async move {
            let Planned { plan, prepared, .. } = engine.plan(&sql, call).await?;
            engine.check_writes(&plan)?;
            Ok(prepared)
        };
        self.apart(planning.boxed()).await
    }

    /// Plans a statement to the end, with its parameters bound, for one execution later on: a mistake shows before
    /// anything runs. Nothing is sent.
    ///
    /// # Errors
    /// As [`Engine::prepare`], and a table that needs a value which the statement does not give.
    pub async fn ticket(&self, principal: &Principal, sql: &str, bound: Option<&RecordBatch>) -> Result<Ticket> {
        let (engine, sql, bound) = (self.clone(), sql.to_owned(), bound.cloned());
        let call = Call::new(principal, Execution::New);
        let planning = async move {
            let Planned { plan, prepared, parameters, writes, state, .. } = engine.plan(&sql, call).await?;
            engine.check_writes(&plan)?;
            let plans = physical_plans(&state, plan, bound.as_ref(), &prepared.schema, &parameters).await?;
            engine.check_price(&plans)?;
            Ok(Ticket { schema: prepared.schema, once: writes.then(|| engine.records.mint()) })
        };
        self.apart(planning.boxed()).await
    }

    /// Runs a statement. The columns of `bound` are the parameters by position; a query is run for each row, one after
    /// another.
    ///
    /// # Errors
    /// As [`Engine::ticket`]; what goes wrong later is an item of the stream.
    pub async fn run(&self, principal: &Principal, sql: &str, bound: Option<&RecordBatch>) -> Result<Answer> {
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
    ) -> Result<Answer> {
        let (engine, sql, bound) = (self.clone(), sql.to_owned(), bound.cloned());
        let call = Call::new(principal, execution);
        let planning = async move {
            let Planned { plan, prepared, parameters, writes, state, query } = engine.plan(&sql, call).await?;
            let plans = physical_plans(&state, plan, bound.as_ref(), &prepared.schema, &parameters).await?;
            engine.check_price(&plans)?;
            // Some operators start tasks as soon as they are executed: these belong on the plans' threads, too.
            let stream = running::one_after_another(plans, state.task_ctx()).map_err(from_datafusion)?;
            Ok((prepared.schema, stream, query, writes))
        };
        let (schema, stream, query, writes) = self.apart(planning.boxed()).await?;
        let rows = running::rows(stream, Arc::clone(&schema), Arc::clone(&query)).boxed();
        Ok(Answer { schema, rows, progress: Progress(query), writes })
    }

    /// Whether EXEC is carried out.
    pub fn writes(&self) -> bool {
        self.options.writes
    }

    /// How many rows of parameters an EXEC is carried out for at once.
    pub fn max_writes(&self) -> usize {
        self.options.max_writes
    }

    /// How many requests that write are on their way.
    pub fn writing(&self) -> usize {
        self.records.running()
    }

    /// Starts no EXEC any more, and waits until each that was sent has an answer, or none to hope for.
    pub async fn finish_writing(&self) {
        self.records.finish().await;
    }

    /// Plans on the plans' threads, within the query's time.
    async fn apart<T: Send + 'static>(&self, planning: BoxFuture<'static, Result<T>>) -> Result<T> {
        let limit = self.options.timeout;
        timeout(limit, Apart::spawn(planning).join()).await.map_err(|_| Fault::Timeout(limit))?
    }

    /// A session of its own for one query: what the query may take, and whether it writes, travels in it, down to
    /// the leaves of its plan.
    fn state(&self, time: Duration, max_requests: u64, call: Call) -> (SessionState, Arc<QueryContext>) {
        let Options { max_wait, writes, polling, .. } = self.options;
        let query = Arc::new(QueryContext::new(time, max_wait, max_requests));
        let (Call { principal, execution, runtime }, records) = (call, Arc::clone(&self.records));
        let permission = Permission { allowed: writes, principal, execution, records, runtime, polling };
        let mut state = self.context.state();
        state.config_mut().set_extension(Arc::clone(&query));
        state.config_mut().set_extension(Arc::new(permission));
        state.config_mut().set_extension(Arc::new(Memo::default()));
        (state, query)
    }

    async fn plan(&self, sql: &str, call: Call) -> Result<Planned> {
        let Statement { body, parameters } = sql::parse(sql)?;
        let writes = matches!(body, Body::Exec(_));
        let (time, max_requests) = match writes {
            // Its own bounds hold for an AWAIT's questions, too.
            true => (TIME_OF_AN_EXEC, u64::MAX),
            false => (self.options.timeout, self.options.max_requests),
        };
        let principal = call.principal.clone();
        let (mut state, query) = self.state(time, max_requests, call);
        let (plan, parameters) = self.logical_plan(&principal, &mut state, body, parameters).await?;
        let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        read_only.verify_plan(&plan).map_err(|error| Fault::ReadOnly(fault::message(&error)))?;
        let schema = wire::wire_schema(analysed(&state, &plan, &parameters)?.schema().as_arrow());
        let told = parameters::told(&parameters);
        let prepared = Prepared { schema, parameters: told };
        Ok(Planned { plan, prepared, parameters, writes, state, query })
    }

    /// The plan, and the types of its parameters.
    async fn logical_plan(
        &self,
        principal: &Principal,
        state: &mut SessionState,
        body: Body,
        parameters: usize,
    ) -> Result<(LogicalPlan, SchemaRef)> {
        let plan = match body {
            Body::Sql(ast) => return self.plan_sql(principal, state, *ast, parameters).await,
            Body::Exec(exec) => exec::plan(state, &self.resources, &exec)?,
            Body::ExplainExec { exec, verbose } => {
                let plan = exec::plan(state, &self.resources, &exec)?;
                let explained = LogicalPlanBuilder::from(plan).explain(verbose, false);
                explained.and_then(LogicalPlanBuilder::build).map_err(from_datafusion)?
            }
            Body::Show(show) => {
                let query = show::query(state, &self.resources, &show)?;
                return self.plan_sql(principal, state, query, parameters).await;
            }
            Body::Describe(describe) => {
                let tables = self.tables(principal).await?;
                match show::describe(state, &self.resources, &describe, &tables)? {
                    show::Described::Query(ast) => return self.plan_sql(principal, state, *ast, parameters).await,
                    show::Described::Plan(plan) => plan,
                }
            }
        };
        let parameters = exec::parameters(&plan, parameters)?;
        Ok((plan, parameters))
    }

    /// Tells it early where writes are off; what runs is held to it by its plan ([`Permission`]).
    fn check_writes(&self, plan: &LogicalPlan) -> Result<()> {
        match called(plan) {
            Some(call) if !self.options.writes => Err(ExecFault::Off { procedure: call.procedure() }.into()),
            Some(_) | None => Ok(()),
        }
    }

    /// Refuses a query that is sure to need more requests than it may send. EXPLAIN shows its plan all the same.
    fn check_price(&self, plans: &[Arc<dyn ExecutionPlan>]) -> Result<()> {
        let plans = plans.iter().filter(|plan| !plan.is::<ExplainExec>());
        let needed: u64 = plans.map(|plan| table::bind::least_requests(plan) as u64).sum();
        match self.options.max_requests {
            most if needed > most => Err(Fault::TooManyRequests { most, needed }.into()),
            _ => Ok(()),
        }
    }

    async fn plan_sql(
        &self,
        principal: &Principal,
        state: &mut SessionState,
        mut ast: Ast,
        parameters: usize,
    ) -> Result<(LogicalPlan, SchemaRef)> {
        dialect::translate(state, &mut ast)?;
        names::complete(state, &self.resources, &mut ast)?;
        let statement = Parameterized::new(ast, parameters);
        let planned = statement.plan(state).await;
        if planned.is_err() {
            self.check_tables(principal, state, statement.ast()).await?;
        }
        planned
    }

    /// Why a statement cannot be planned, where it is an unknown table: DataFusion says so in a text
    /// of its own; here it is a value, with the nearest name.
    async fn check_tables(&self, principal: &Principal, state: &SessionState, ast: &Ast) -> Result<()> {
        for reference in state.resolve_table_references(ast).map_err(from_datafusion)? {
            let is_function = state.table_functions().contains_key(reference.table());
            if is_function || matches!(self.context.table_exist(reference.clone()), Ok(true)) {
                continue;
            }
            let name = reference.to_string();
            let known = self.tables(principal).await?;
            return Err(Fault::UnknownTable { nearest: nearest_table(&name, &known), name }.into());
        }
        Ok(())
    }
}

/// The call that a plan is, where it is one.
fn called(plan: &LogicalPlan) -> Option<&CallProcedure> {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
        _ => None,
    }
}

/// A plan for each row that is bound, or one where no parameters are. An EXEC has one row: more are an update.
async fn physical_plans(
    state: &SessionState,
    plan: LogicalPlan,
    bound: Option<&RecordBatch>,
    schema: &Schema,
    parameters: &Schema,
) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
    let rows = bound.filter(|rows| rows.num_columns() > 0 && rows.num_rows() > 1 && called(&plan).is_none());
    let Some(rows) = rows else { return Ok(vec![physical_plan(state, plan, bound, schema, parameters).await?]) };
    let mut plans = Vec::with_capacity(rows.num_rows());
    for row in 0..rows.num_rows() {
        let row = rows.slice(row, 1);
        plans.push(physical_plan(state, plan.clone(), Some(&row), schema, parameters).await?);
    }
    Ok(plans)
}

async fn physical_plan(
    state: &SessionState,
    plan: LogicalPlan,
    bound: Option<&RecordBatch>,
    schema: &Schema,
    parameters: &Schema,
) -> Result<Arc<dyn ExecutionPlan>> {
    let values = match called(&plan) {
        Some(_) => parameters::plain_values(bound, parameters)?,
        None => parameters::values(bound, parameters)?,
    };
    let plan = parameters::bind(plan, &values).map_err(from_datafusion)?;
    // EXPLAIN swallows what is wrong with the physical plan and shows the logical one.
    if let LogicalPlan::Explain(explain) = &plan {
        state.create_physical_plan(&explain.plan).await.map_err(from_datafusion)?;
    }
    let plan = state.create_physical_plan(&plan).await.map_err(from_datafusion)?;
    wire::check(&plan.schema(), schema).map_err(|other| Fault::of_other_type(other, bound.is_some()))?;
    Ok(plan)
}

/// The plan as it will run, with a NULL for each parameter: its schema is the one that clients are told. Only the
/// analysed plan has it, because type coercion changes types: `SELECT 1 UNION ALL SELECT 2.5` is planned as integers.
fn analysed(state: &SessionState, plan: &LogicalPlan, parameters: &Schema) -> Result<LogicalPlan> {
    let plan = match parameters.fields().is_empty() {
        true => plan.clone(),
        // A column that is a parameter of no known type has a type only once something is bound.
        false => parameters::bind(plan.clone(), &parameters::nulls(parameters)?).map_err(from_datafusion)?,
    };
    state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {}).map_err(from_datafusion)
}
