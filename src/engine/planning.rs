//! Plans statements: from the text to a logical plan, which is cached, and from there to physical plans.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
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
use super::table_info::nearest_table;
use super::ticket_plans::{ReadyPlan, RowPlans};
use super::{
    Engine, PreparedStatement, Principal, Query, called, dialect, exec_plan, fault, session, show, table_names,
    wire_types,
};
use crate::error::Result;
use crate::sql::{self, Statement, StatementBody};
use crate::table;

impl Engine {
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
        let writes = matches!(body, StatementBody::Exec(_));
        let valid_for_one_call = matches!(&body, StatementBody::Sql(ast) if computes_while_planned(ast));
        let mut state = session::state_of(&self.session.context, principal).map_err(from_datafusion)?;
        let (plan, parameters) = self.logical_plan(principal, &mut state, body, parameters).await?;
        let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        read_only.verify_plan(&plan).map_err(|error| Fault::ReadOnly(fault::message(&error)))?;
        let analysed = analysed(&state, &plan, &parameters)?;
        let types = principal.session.result_types();
        let schema = with_origins(&state, &wire_types::wire_schema(analysed.schema().as_arrow(), types), &analysed);
        let prepared = PreparedStatement { schema, parameters: parameters::client_schema(&parameters) };
        let statement = PlannedStatement::new(plan, prepared, parameters, writes, valid_for_one_call);
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
        mut ast: Ast,
        parameters: usize,
    ) -> Result<(LogicalPlan, SchemaRef)> {
        check_aggregates(state, &ast)?;
        dialect::translate(state, &mut ast)?;
        table_names::complete(state, &self.resources, &mut ast)?;
        let statement = Parameterized::try_new(ast, parameters)?;
        let planned = statement.plan(state).await;
        if planned.is_err() {
            self.check_tables(principal, state, statement.ast()).await?;
        }
        planned
    }

    /// Returns [`Fault::UnknownTable`] with the nearest name if a statement that could not be planned reads a table
    /// that does not exist. DataFusion reports that only as a text.
    async fn check_tables(&self, principal: &Principal, state: &SessionState, ast: &Ast) -> Result<()> {
        for reference in state.resolve_table_references(ast).map_err(from_datafusion)? {
            let is_function = state.table_functions().contains_key(reference.table());
            let table = reference.table().to_owned();
            let schema = state.schema_for_ref(reference.clone());
            if is_function || schema.is_ok_and(|schema| schema.table_exist(&table)) {
                continue;
            }
            let name = reference.to_string();
            let known = self.tables(principal).await?;
            return Err(Fault::UnknownTable { nearest: nearest_table(&name, &known), name }.into());
        }
        Ok(())
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
        let PlannedStatement { plan, prepared, parameters, .. } = statement;
        let values = match called(plan) {
            Some(_) => parameters::plain_values(bound, parameters)?,
            None => parameters::values(bound, parameters)?,
        };
        self.session.statements.count_optimized();
        let current = (statement.validity != PlanValidity::Always).then(|| self.session.context.state());
        let state = current.as_ref().unwrap_or(&self.session.state);
        let optimized = statement.optimized(&values, |plan| optimized(state, plan)).map_err(from_datafusion)?;
        let ready = ready(state, &optimized).await.map_err(from_datafusion)?;
        wire_types::check(&ready.plan.schema(), &prepared.schema, query.principal().session.result_types())
            .map_err(|other| Fault::of_other_type(other, bound.is_some()))?;
        Ok(ready)
    }
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
fn analysed(state: &SessionState, plan: &LogicalPlan, parameters: &Schema) -> Result<LogicalPlan> {
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
