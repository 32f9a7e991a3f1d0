//! SQL in, a stream of Arrow batches out; no HTTP and no gRPC.
//!
//! [`Engine::prepare`] and [`Engine::check`] plan, and send nothing; [`Engine::run`] runs.
//! All three answer the same schema for the same statement.

mod fault;
mod parameters;
mod plans;
mod running;
mod session;
mod wire;
mod yielding;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as Ast;
use futures::stream::{BoxStream, StreamExt};
use tokio::time::timeout;

pub use fault::Fault;
use fault::from_datafusion;
use plans::Apart;

use crate::api::{Client, QueryContext};
use crate::error::{Result, nearest};
use crate::resource::Registry;
use crate::sql::{self, Statement};

/// What a query may take.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a query may run, waiting for its client included.
    pub timeout: Duration,
    /// How long one of its requests may wait for the account's budget.
    pub max_wait: Duration,
    /// What all queries together may hold to sort, join and aggregate.
    pub memory_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(300), max_wait: Duration::from_secs(60), memory_bytes: 2 << 30 }
    }
}

/// Plans and runs statements over an account's tables. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    context: Arc<SessionContext>,
    options: Options,
}

/// What a statement will answer, and what it takes.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The columns of its rows.
    pub schema: SchemaRef,
    /// Its parameters, "1", "2", …, all nullable.
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

    /// What the person who asked should know although it is no error.
    pub fn notices(&self) -> Vec<String> {
        self.0.notices()
    }
}

/// A table as metadata tells of it.
#[derive(Clone, Debug)]
pub struct TableInfo {
    /// The account.
    pub catalog: String,
    /// The part of the API.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `TABLE` or `VIEW`.
    pub kind: &'static str,
    /// What a row is.
    pub description: Option<String>,
    /// Its columns; a field's metadata has its `description`.
    pub columns: SchemaRef,
}

/// A statement that is planned: the plan, its schema, and its parameters.
struct Planned {
    plan: LogicalPlan,
    prepared: Prepared,
}

impl Engine {
    /// An engine over the built-in resources of one account.
    ///
    /// # Errors
    /// [`Fault::Internal`], where DataFusion refuses the tables.
    pub fn try_new(client: Client, options: Options) -> Result<Self> {
        let context = session::session(&client, Registry::built_in(), options.memory_bytes)?;
        Ok(Self { context: Arc::new(context), options })
    }

    /// Plans a statement without running it. Nothing is sent.
    ///
    /// # Errors
    /// [`sql::Fault`] and [`Fault`]: what is wrong with the statement.
    pub async fn prepare(&self, sql: &str) -> Result<Prepared> {
        let ((state, _), engine, sql) = (self.state(), self.clone(), sql.to_owned());
        self.apart(async move { Ok(engine.plan(&state, &sql).await?.prepared) }).await
    }

    /// Plans a statement to the end, with its parameters bound, so that a mistake shows before
    /// anything runs. Nothing is sent.
    ///
    /// # Errors
    /// As [`Engine::prepare`], and a table that needs a value which the statement does not give.
    pub async fn check(&self, sql: &str, bound: Option<&RecordBatch>) -> Result<SchemaRef> {
        let ((state, _), engine, sql, bound) = (self.state(), self.clone(), sql.to_owned(), bound.cloned());
        let planning = async move {
            let Planned { plan, prepared } = engine.plan(&state, &sql).await?;
            physical_plan(&state, plan, bound.as_ref(), &prepared).await?;
            Ok(prepared.schema)
        };
        self.apart(planning).await
    }

    /// Runs a statement. `bound` is one row, whose columns are the parameters by position.
    ///
    /// # Errors
    /// As [`Engine::check`]; what goes wrong later is an item of the stream.
    pub async fn run(&self, sql: &str, bound: Option<&RecordBatch>) -> Result<Answer> {
        let ((state, query), engine, sql, bound) = (self.state(), self.clone(), sql.to_owned(), bound.cloned());
        let planning = async move {
            let Planned { plan, prepared } = engine.plan(&state, &sql).await?;
            let plan = physical_plan(&state, plan, bound.as_ref(), &prepared).await?;
            // Some operators start tasks as soon as they are executed: these belong on the plans' threads, too.
            Ok((prepared.schema, execute_stream(plan, state.task_ctx()).map_err(from_datafusion)?))
        };
        let (schema, stream) = self.apart(planning).await?;
        let rows = running::rows(stream, Arc::clone(&schema), Arc::clone(&query)).boxed();
        Ok(Answer { schema, rows, progress: Progress(query) })
    }

    /// Plans on the plans' threads, within the query's time.
    async fn apart<T: Send + 'static>(&self, planning: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let limit = self.options.timeout;
        timeout(limit, Apart::spawn(planning).join()).await.map_err(|_| Fault::Timeout(limit))?
    }

    /// Every table of every catalog, in the order of their names, without asking the API.
    ///
    /// # Errors
    /// [`Fault::Internal`].
    pub async fn tables(&self) -> Result<Vec<TableInfo>> {
        let mut tables = Vec::new();
        for catalog in session::catalog_names(&self.context) {
            let Some(provider) = self.context.catalog(&catalog) else { continue };
            let mut schemas = provider.schema_names();
            schemas.push(session::SYSTEM_SCHEMA.to_owned());
            schemas.sort();
            schemas.dedup();
            for schema in schemas {
                self.tables_of(&catalog, &schema, &mut tables).await?;
            }
        }
        Ok(tables)
    }

    async fn tables_of(&self, catalog: &str, schema: &str, tables: &mut Vec<TableInfo>) -> Result<()> {
        let reference = |name: &str| datafusion::common::TableReference::full(catalog, schema, name);
        let provider = self.context.state_ref().read().schema_for_ref(reference("")).map_err(from_datafusion)?;
        let mut names = provider.table_names();
        names.sort();
        for name in names {
            let table = self.context.table_provider(reference(&name)).await.map_err(from_datafusion)?;
            let resource = Registry::built_in().find(schema, &name);
            tables.push(TableInfo {
                catalog: catalog.to_owned(),
                schema: schema.to_owned(),
                kind: if schema == session::SYSTEM_SCHEMA { "VIEW" } else { "TABLE" },
                description: resource.map(|resource| resource.description.clone()),
                columns: resource
                    .map_or_else(|| wire::plain_types(&table.schema()), |resource| Arc::clone(resource.arrow_schema())),
                name,
            });
        }
        Ok(())
    }

    /// A session of its own for one query: what the query may take travels in it, down to the scans.
    fn state(&self) -> (SessionState, Arc<QueryContext>) {
        let query = Arc::new(QueryContext::new(self.options.timeout, self.options.max_wait));
        let mut state = self.context.state();
        state.config_mut().set_extension(Arc::clone(&query));
        (state, query)
    }

    async fn plan(&self, state: &SessionState, sql: &str) -> Result<Planned> {
        let Statement { ast, parameters } = sql::parse(sql)?;
        let plan = match state.statement_to_plan(ast).await {
            Ok(plan) => plan,
            Err(error) => {
                self.check_tables(state, &sql::parse(sql)?.ast).await?;
                return Err(from_datafusion(error));
            }
        };
        let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        read_only.verify_plan(&plan).map_err(|error| Fault::ReadOnly(fault::message(&error)))?;
        let parameters = parameters::schema(&plan, parameters)?;
        let schema = match parameters.fields().is_empty() {
            true => wire::wire_schema(plan.schema().as_arrow()),
            // A column that is a parameter of no known type has a type only once something is bound.
            false => wire::wire_schema(bind(plan.clone(), parameters::nulls(&parameters)?)?.schema().as_arrow()),
        };
        let prepared = Prepared { schema, parameters };
        Ok(Planned { plan, prepared })
    }

    /// Why a statement cannot be planned, where it is an unknown table: DataFusion says so in a text
    /// of its own; here it is a value, with the nearest name.
    async fn check_tables(&self, state: &SessionState, ast: &Ast) -> Result<()> {
        for reference in state.resolve_table_references(ast).map_err(from_datafusion)? {
            let is_function = state.table_functions().contains_key(reference.table());
            if is_function || matches!(self.context.table_exist(reference.clone()), Ok(true)) {
                continue;
            }
            let name = reference.to_string();
            let known = self.tables().await?;
            return Err(Fault::UnknownTable { nearest: nearest_table(&name, &known), name }.into());
        }
        Ok(())
    }
}

/// The table whose full name, or whose own, is nearest to what was written.
fn nearest_table(name: &str, tables: &[TableInfo]) -> Option<String> {
    let depth = name.split('.').count();
    let names: Vec<String> = tables
        .iter()
        .map(|table| session::full_name(&table.catalog, &table.schema, &table.name))
        .map(|full| full.split('.').skip(3_usize.saturating_sub(depth)).collect::<Vec<_>>().join("."))
        .collect();
    nearest(name, names.iter().map(String::as_str)).map(str::to_owned)
}

async fn physical_plan(
    state: &SessionState,
    plan: LogicalPlan,
    bound: Option<&RecordBatch>,
    prepared: &Prepared,
) -> Result<Arc<dyn ExecutionPlan>> {
    let values = parameters::values(bound, &prepared.parameters)?;
    let plan = bind(plan, values)?;
    // EXPLAIN swallows what is wrong with the physical plan and shows the logical one.
    if let LogicalPlan::Explain(explain) = &plan {
        state.create_physical_plan(&explain.plan).await.map_err(from_datafusion)?;
    }
    state.create_physical_plan(&plan).await.map_err(from_datafusion)
}

fn bind(plan: LogicalPlan, values: Vec<ScalarValue>) -> Result<LogicalPlan> {
    plan.with_param_values(ParamValues::from(values)).map_err(from_datafusion)
}
