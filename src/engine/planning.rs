//! Plans statements: from the text to a logical plan, which is cached, and from there to physical plans.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::execution::SessionState;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::explain::ExplainExec;
use datafusion::sql::parser::Statement as Ast;
use futures::FutureExt;

use super::aggregate_count::check_aggregates;
use super::fault::{Fault, from_datafusion};
use super::function_guards::{check_query, without_long_values};
use super::limit_fault::LimitFault;
use super::origins::with_origins;
use super::parameters::{self, Parameterized};
use super::planned_statements::{PlanValidity, PlannedStatement, computes_while_planned, plan_bytes};
use super::table_changes::{self, PlannedChange};
use super::table_info::nearest_table;
use super::ticket_plans::{ReadyPlan, RowPlans};
use super::{
    Engine, PreparedStatement, Principal, Query, called, dialect, exec_plan, fault, reader_catalogs, session, show,
    table_names, wire_types,
};
use crate::datasets;
use crate::error::Result;
use crate::query::ResultTypes;
use crate::resource::Registry;
use crate::sql::{self, Statement, StatementBody, TableChange};
use crate::table::{self, ResourceTable};

impl Engine {
    /// A copy of the session's state as one client's statements see it.
    pub(super) fn state_of(&self, principal: &Principal) -> Result<SessionState> {
        let mut state = session::state_of(&self.session.context, principal).map_err(from_datafusion)?;
        let shared = self.session.datasets.of_client(None);
        let for_views = || self.session.context.state();
        reader_catalogs::register(&mut state, self.datasets(principal), shared, for_views, &self.resources);
        Ok(state)
    }

    /// The planned statement, from the cache or planned now on the plan runtime.
    pub(super) async fn statement(&self, query: &Arc<Query>) -> Result<Arc<PlannedStatement>> {
        if let Some(known) = self.session.statements.get(query.principal(), query.text()) {
            return Ok(known);
        }
        let (engine, planned_query) = (self.clone(), Arc::clone(query));
        self.on_plan_thread(query, async move { engine.planned_statement(&planned_query).await }.boxed()).await
    }

    /// As [`Engine::statement`], on the current thread.
    pub(super) async fn planned_statement(&self, query: &Query) -> Result<Arc<PlannedStatement>> {
        let (principal, sql) = (query.principal(), query.text());
        if let Some(known) = self.session.statements.get(principal, sql) {
            return Ok(known);
        }
        let most = self.options.max_statement_bytes;
        if sql.len() > most {
            return Err(LimitFault::LongStatement { bytes: sql.len(), most }.into());
        }
        let Statement { body, parameters } = sql::parse(sql)?;
        let (body, change) = match body {
            StatementBody::TableChange(TableChange::Create(create)) => {
                let sql::CreateTable { query, .. } = &create;
                (StatementBody::Sql(query.clone()), Some(TableChange::Create(create)))
            }
            StatementBody::TableChange(change) => {
                (StatementBody::Sql(Box::new(show::parse("SELECT 0 AS count")?)), Some(change))
            }
            body => (body, None),
        };
        let writes = matches!(body, StatementBody::Exec(_));
        // DESCRIBE has the columns of now.
        let is_of_now = match &body {
            StatementBody::Sql(ast) => computes_while_planned(ast),
            StatementBody::Describe(_) => true,
            _ => false,
        };
        let mut state = self.state_of(principal)?;
        let (plan, parameters) = self.logical_plan(principal, &mut state, body, parameters).await?;
        let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        read_only.verify_plan(&plan).map_err(|error| Fault::ReadOnly(fault::message(&error)))?;
        let valid_for_one_call = is_of_now || change.is_some() || any_node(&plan, may_change);
        let analysed = analysed(&state, &plan, &parameters)?;
        let types = principal.session.result_types();
        let schema = with_origins(&state, &wire_types::wire_schema(analysed.schema().as_arrow(), types), &analysed);
        let change = planned_change(&state, change, &analysed)?;
        let is_update = change.is_some();
        let schema = if is_update { Arc::clone(&table_changes::COUNT) } else { schema };
        let prepared = PreparedStatement { schema, parameters: parameters::client_schema(&parameters), is_update };
        let mut statement = PlannedStatement::new(plan, prepared, parameters, writes, valid_for_one_call);
        if let Some(change) = change {
            statement = statement.with_change(change);
        }
        // Some rules take the error of an ended query for an expression without a type: such a plan is not kept.
        check_query()?;
        let statement = self.session.statements.keep(principal, sql, statement);
        // Nothing above yields. A task whose query has ended is aborted here, before the physical plan is made.
        tokio::task::yield_now().await;
        Ok(statement)
    }

    /// The plan, and the types of its parameters.
    async fn logical_plan(
        &self,
        principal: &Principal,
        state: &mut SessionState,
        body: StatementBody,
        parameters: usize,
    ) -> Result<(LogicalPlan, SchemaRef)> {
        let plan = match body {
            StatementBody::Sql(ast) => return self.plan_sql(principal, state, *ast, parameters).await,
            StatementBody::TableChange(_) => return Err(Fault::Internal("a change without its query".into()).into()),
            StatementBody::Exec(exec) => exec_plan::plan(state, &self.resources, &exec)?,
            StatementBody::ExplainExec { exec, verbose } => {
                let plan = exec_plan::plan(state, &self.resources, &exec)?;
                let explained = LogicalPlanBuilder::from(plan).explain(verbose, false);
                explained.and_then(LogicalPlanBuilder::build).map_err(from_datafusion)?
            }
            StatementBody::Show(show) => {
                let query = show::query(state, &self.resources, &show)?;
                return self.plan_sql(principal, state, query, parameters).await;
            }
            StatementBody::Describe(describe) => {
                let tables = self.tables(principal).await?;
                match show::describe(state, &self.resources, &describe, &tables)? {
                    show::DescribePlan::Query(ast) => return self.plan_sql(principal, state, *ast, parameters).await,
                    show::DescribePlan::Plan(plan) => plan,
                }
            }
        };
        let parameters = exec_plan::parameters(&plan, parameters)?;
        Ok((plan, parameters))
    }

    async fn plan_sql(
        &self,
        principal: &Principal,
        state: &mut SessionState,
        ast: Ast,
        parameters: usize,
    ) -> Result<(LogicalPlan, SchemaRef)> {
        let ast = translated(state, &self.resources, ast)?;
        let statement = Parameterized::try_new(ast, parameters)?;
        let planned = statement.plan(state).await;
        if planned.is_err() {
            self.check_tables(principal, state, statement.ast()).await?;
        }
        // The syntax tree has the names of views; the plan has their tables.
        if let Ok((plan, _)) = &planned
            && self.session.datasets.views().next().is_some()
        {
            check_leaves(plan, |node| matches!(node, LogicalPlan::TableScan(_)))?;
        }
        planned
    }

    /// Returns [`Fault::UnknownTable`] with the nearest name if a statement that could not be planned reads a table
    /// that does not exist. DataFusion reports that only as a text.
    async fn check_tables(&self, principal: &Principal, state: &SessionState, ast: &Ast) -> Result<()> {
        let Some(name) = unknown_table(state, ast)? else { return Ok(()) };
        let known = self.tables(principal).await?;
        Err(Fault::UnknownTable { nearest: nearest_table(&name, &known), name }.into())
    }

    /// One plan for each bound row, or one plan if there are no parameters. An EXEC takes one row here: several rows
    /// are an update.
    ///
    /// # Errors
    /// Also [`Fault::TooManyRequests`], if the plans certainly need more requests than a query may send.
    pub(super) async fn physical_plans(
        &self,
        query: &Query,
        statement: &PlannedStatement,
        bound: Option<&RecordBatch>,
    ) -> Result<RowPlans> {
        let is_call = called(&statement.plan).is_some();
        let rows = bound.filter(|rows| rows.num_columns() > 0 && rows.num_rows() > 1 && !is_call);
        let plans = match rows {
            None => vec![self.physical_plan(query, statement, bound).await?],
            Some(rows) => {
                let mut plans = Vec::with_capacity(rows.num_rows());
                for row in 0..rows.num_rows() {
                    plans.push(self.physical_plan(query, statement, Some(&rows.slice(row, 1))).await?);
                }
                plans
            }
        };
        check_price(&plans, query.limits().max_requests)?;
        Ok(plans)
    }

    /// The physical plan with one row of values.
    pub(super) async fn physical_plan(
        &self,
        query: &Query,
        statement: &PlannedStatement,
        bound: Option<&RecordBatch>,
    ) -> Result<ReadyPlan> {
        let PlannedStatement { plan, parameters, .. } = statement;
        let values = match called(plan) {
            Some(_) => parameters::plain_values(bound, parameters)?,
            None => parameters::values(bound, parameters)?,
        };
        self.session.statements.count_optimized();
        let current = (statement.validity != PlanValidity::Always).then(|| self.session.context.state());
        let state = current.as_ref().unwrap_or(&self.session.state);
        let optimized = statement.optimized(&values, |plan| optimized(state, plan)).map_err(from_datafusion)?;
        // Statements that read files are planned for one call, and others need not be looked at each time.
        let is_for_one_call = statement.validity == PlanValidity::Once;
        let for_files = is_for_one_call.then(|| state_for_files(state, &optimized)).flatten();
        let state = for_files.as_ref().unwrap_or(state);
        let ready = ready(state, &optimized).await.map_err(from_datafusion)?;
        let types = statement.result_types(query);
        wire_types::check(&ready.plan.schema(), statement.columns(), types)
            .map_err(|other| Fault::of_other_type(other, bound.is_some()))?;
        Ok(ready)
    }
}

/// The statement in DataFusion's dialect, with full names of tables.
pub(super) fn translated(state: &SessionState, resources: &Registry, mut ast: Ast) -> Result<Ast> {
    check_aggregates(state, &ast)?;
    dialect::translate(state, &mut ast)?;
    table_names::complete(state, resources, &mut ast)?;
    Ok(ast)
}

/// The first table that a statement reads and that does not exist.
pub(super) fn unknown_table(state: &SessionState, ast: &Ast) -> Result<Option<String>> {
    for reference in state.resolve_table_references(ast).map_err(from_datafusion)? {
        let is_function = state.table_functions().contains_key(reference.table());
        let table = reference.table().to_owned();
        let schema = state.schema_for_ref(reference.clone());
        if !is_function && !schema.is_ok_and(|schema| schema.table_exist(&table)) {
            return Ok(Some(reference.to_string()));
        }
    }
    Ok(None)
}

/// Rejects a plan with too many leaves of a kind. Without views, `sql` has counted the tables.
pub(super) fn check_leaves(plan: &LogicalPlan, is_counted: impl Fn(&LogicalPlan) -> bool) -> Result<(), sql::Fault> {
    let mut tables = 0;
    // Counting does not fail.
    let _ = plan.apply_with_subqueries(|node| {
        tables += u64::from(node.inputs().is_empty() && is_counted(node));
        Ok(TreeNodeRecursion::Continue)
    });
    if tables > sql::MAX_TABLES { Err(sql::Fault::ManyTables) } else { Ok(()) }
}

/// Whether a node has rows or columns that may be others for the next statement.
fn may_change(node: &LogicalPlan) -> bool {
    match node {
        LogicalPlan::DescribeTable(_) => true,
        // The tables of the system schema keep the catalogs, and count the views, of the statement that they were planned for.
        LogicalPlan::TableScan(scan) if scan.table_name.schema() == Some(session::SYSTEM_SCHEMA) => true,
        node => scans(node, datasets::may_change),
    }
}

/// Whether a node scans a table of this kind.
fn scans(node: &LogicalPlan, is_meant: impl Fn(&dyn TableProvider) -> bool) -> bool {
    match node {
        LogicalPlan::TableScan(scan) => source_as_provider(&scan.source).is_ok_and(|table| is_meant(table.as_ref())),
        _ => false,
    }
}

/// Whether there is a node of this kind in a plan, or in a subquery of it.
fn any_node(plan: &LogicalPlan, is_meant: impl Fn(&LogicalPlan) -> bool) -> bool {
    let mut found = false;
    let walked = plan.apply_with_subqueries(|node| {
        found |= is_meant(node);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found || walked.is_err()
}

/// A state for a plan that reads files, and nothing from the API: it spreads the batches of a file over all cores. See
/// `session::config` for why the usual one does not.
fn state_for_files(state: &SessionState, plan: &LogicalPlan) -> Option<SessionState> {
    let reads_files = any_node(plan, |node| scans(node, datasets::may_change));
    let only_files = reads_files && !any_node(plan, |node| scans(node, |table| table.is::<ResourceTable>()));
    only_files.then(|| {
        let mut state = state.clone();
        state.config_mut().options_mut().optimizer.enable_round_robin_repartition = true;
        state
    })
}

/// The change of a statement, with the columns of its query's rows: in the usual types, whatever those of the client's
/// results are.
fn planned_change(
    state: &SessionState,
    change: Option<TableChange>,
    analysed: &LogicalPlan,
) -> Result<Option<PlannedChange>> {
    Ok(match change {
        None => None,
        Some(TableChange::Drop(drop)) => Some(table_changes::removal(state, &drop)?),
        Some(TableChange::Create(create)) => {
            let columns = wire_types::wire_schema(analysed.schema().as_arrow(), ResultTypes::default());
            Some(PlannedChange::Create { target: table_changes::target(state, &create)?, columns })
        }
    })
}

/// Rejects a query that certainly needs more requests than it may send. EXPLAIN of such a query still shows its plan.
fn check_price(plans: &[ReadyPlan], most: u64) -> Result<()> {
    let plans = plans.iter().map(|ready| &ready.plan).filter(|plan| !plan.is::<ExplainExec>());
    let needed: u64 = plans.map(|plan| table::bind::least_requests(plan) as u64).sum();
    if needed > most { Err(Fault::TooManyRequests { most, needed }.into()) } else { Ok(()) }
}

/// The optimized plan. DataFusion's EXPLAIN ignores errors of the plan that it shows, so that plan is optimized
/// separately first.
fn optimized(state: &SessionState, plan: &LogicalPlan) -> datafusion::error::Result<LogicalPlan> {
    if let LogicalPlan::Explain(explain) = plan {
        without_long_values(|| state.optimize(&explain.plan))?;
    }
    without_long_values(|| state.optimize(plan))
}

/// The physical plan of an optimized plan. For EXPLAIN, errors of the explained plan are found as in [`optimized`].
async fn ready(state: &SessionState, optimized: &LogicalPlan) -> datafusion::error::Result<ReadyPlan> {
    if let LogicalPlan::Explain(explain) = optimized {
        state.query_planner().create_physical_plan(&explain.plan, state).await?;
    }
    let plan = state.query_planner().create_physical_plan(optimized, state).await?;
    Ok(ReadyPlan { plan, bytes: plan_bytes(optimized) })
}

/// The analysed plan, with NULL for each parameter. Its schema is the one that clients receive. The plan before
/// analysis may have other types, because type coercion changes them: `SELECT 1 UNION ALL SELECT 2.5` is planned as
/// integers.
pub(super) fn analysed(state: &SessionState, plan: &LogicalPlan, parameters: &Schema) -> Result<LogicalPlan> {
    let plan = match parameters.fields().is_empty() {
        true => plan.clone(),
        // A column that is a parameter of unknown type has a type only when a value is bound.
        false => parameters::bind(plan.clone(), &parameters::nulls(parameters)?).map_err(from_datafusion)?,
    };
    state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {}).map_err(from_datafusion)
}

#[cfg(test)]
mod tests {
    use datafusion::execution::TaskContext;
    use datafusion::physical_plan::collect;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::api::{self, Budgets, Client};
    use crate::engine::wide_rows::USUAL_BATCH_ROWS;
    use crate::engine::{Execution, Options};
    use crate::error::Kind;
    use crate::table::Run;

    fn engine(url: &str) -> Engine {
        let options = api::Options::new(url.parse().unwrap(), None).with_token("demo");
        let client = Client::try_new(options, &Budgets::default()).unwrap();
        Engine::try_new(client, Options { writes: true, ..Options::default() }).unwrap()
    }

    /// Two images without actions. One request per connection.
    async fn answer(listener: TcpListener) {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut head = vec![0; 1 << 16];
            let read = connection.read(&mut head).await.unwrap();
            let body = match String::from_utf8_lossy(&head[..read]).contains("/actions") {
                true => r#"{"actions": [], "links": {}, "meta": {"total": 0}}"#,
                false => r#"{"images": [{"id": 7}, {"id": 8}], "links": {}, "meta": {"total": 2}}"#,
            };
            let status = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let answer = format!("{status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn the_lists_that_a_run_keeps_go_with_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let engine = engine(&format!("http://{}", listener.local_addr().unwrap()));
        tokio::spawn(answer(listener));
        let sql = "SELECT i.id, a.id FROM images i LEFT JOIN image_actions a ON a.image_id = i.id";
        let query = engine.begin(&Principal::local(), sql).unwrap();
        let statement = engine.statement(&query).await.unwrap();
        let plan = engine.physical_plan(&query, &statement, None).await.unwrap().plan;
        let context = engine.task(Arc::clone(&query), Execution::New, USUAL_BATCH_ROWS);
        let run = Arc::downgrade(&context.session_config().get_extension::<Run>().unwrap());

        let rows = collect(Arc::clone(&plan), context).await.unwrap();

        assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
        // Operators that spawn tasks drop the run a little later.
        for _ in 0..1_000 {
            if run.upgrade().is_some() {
                tokio::task::yield_now().await;
            }
        }
        assert!(run.upgrade().is_none(), "a list that is kept holds the run that keeps it");
    }

    #[tokio::test]
    async fn a_plan_that_is_executed_outside_of_a_query_is_an_error_and_sends_nothing() {
        // No server listens there: a request would cause another error.
        let engine = engine("http://127.0.0.1:9");

        for sql in [
            "SELECT * FROM images WHERE id = 7",
            "SELECT * FROM image_actions",
            "SELECT a.* FROM (VALUES (7)) AS v (id) JOIN image_actions a ON a.image_id = v.id",
            "EXEC digitalocean.compute.images.transfer @image_id = 7, @region = 'fra1'",
        ] {
            let query = engine.begin(&Principal::local(), sql).unwrap();
            let statement = engine.statement(&query).await.unwrap();
            let plan = engine.physical_plan(&query, &statement, None).await.unwrap().plan;

            let error = from_datafusion(collect(plan, Arc::new(TaskContext::default())).await.unwrap_err());

            assert_eq!(error.kind(), Kind::Internal, "{sql}: {}", error.report());
            assert!(error.report().contains("outside of a query"), "{sql}: {}", error.report());
        }
    }
}
