//! Statements as updates. An EXEC runs once for each bound row of parameters, in order.
//!
//! All rows are planned, and so checked, before the first request is sent. The first failure ends the update; its error
//! lists what the earlier rows started.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, collect};
use futures::{FutureExt, TryStreamExt};

use super::fault::{Fault, from_datafusion};
use super::plan_threads::PlanTask;
use super::planned_statements::PlannedStatement;
use super::wide_rows::USUAL_BATCH_ROWS;
use super::{Engine, Execution, Principal, Query, called, limits_of_execs, stopped};
use crate::error::Result;
use crate::query::Cancelled;
use crate::sql;

/// The rows' plans, in order.
struct UpdatePlans {
    plans: Vec<Arc<dyn ExecutionPlan>>,
    /// The column that identifies what a row started.
    id: String,
    context: Arc<TaskContext>,
}

impl Engine {
    /// Runs an EXEC once for each row of `bound`, or once if it has no parameters. Returns the number of runs.
    ///
    /// # Errors
    /// As [`Engine::ticket`], before anything is sent; [`Fault::Row`], if one of several rows fails.
    pub async fn update(&self, principal: &Principal, sql: &str, bound: Option<&RecordBatch>) -> Result<usize> {
        if sql::may_change_tables(sql) {
            return self.change_table(principal, sql, bound).await;
        }
        let query = self.begin(principal, sql)?;
        let (engine, bound, planned) = (self.clone(), bound.cloned(), Arc::clone(&query));
        let planning = async move {
            let statement = engine.planned_statement(&planned).await?;
            engine.update_plans(&statement, bound.as_ref(), planned).await
        };
        let UpdatePlans { plans, id, context } = self.on_plan_thread(&query, planning.boxed()).await?;
        let (of, mut done) = (plans.len(), Vec::new());
        for (at, plan) in plans.into_iter().enumerate() {
            match run_row(&query, plan, Arc::clone(&context)).await {
                Ok(rows) => done.extend(rows.iter().map(|rows| started(rows, &id))),
                Err(error) if of == 1 => return Err(error),
                Err(cause) => return Err(Fault::Row { row: at + 1, of, done, cause }.into()),
            }
        }
        Ok(of)
    }

    /// Runs a CREATE TABLE … AS or a DROP TABLE, and returns the number in its row.
    async fn change_table(&self, principal: &Principal, sql: &str, bound: Option<&RecordBatch>) -> Result<usize> {
        let mut stream = self.run(principal, sql, bound).await?;
        if !stream.is_update {
            return Err(Fault::NotAnUpdate.into());
        }
        let mut count = 0;
        while let Some(batch) = stream.rows.try_next().await? {
            count += batch.column(0).as_primitive::<Int64Type>().values().iter().sum::<i64>();
        }
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    async fn update_plans(
        &self,
        statement: &PlannedStatement,
        bound: Option<&RecordBatch>,
        query: Arc<Query>,
    ) -> Result<UpdatePlans> {
        let id = called(&statement.plan).ok_or(Fault::NotAnUpdate)?.row_id().to_owned();
        self.check_writes(query.principal(), statement)?;
        let bound = bound.filter(|rows| rows.num_columns() > 0);
        let (rows, most) = (bound.map_or(1, RecordBatch::num_rows), self.options.max_writes);
        if rows > most {
            return Err(Fault::TooManyWrites { rows, most }.into());
        }
        let rows: Vec<Option<RecordBatch>> = match bound {
            None => vec![None],
            Some(rows) => (0..rows.num_rows()).map(|row| Some(rows.slice(row, 1))).collect(),
        };
        let mut plans = Vec::with_capacity(rows.len());
        for row in rows {
            plans.push(self.physical_plan(&query, statement, row.as_ref()).await?.plan);
        }
        // The time limit is that of one EXEC for each row.
        let rows = u32::try_from(plans.len()).unwrap_or(u32::MAX);
        query.start_running(limits_of_execs(&query, rows));
        let context = self.task(query, Execution::New, USUAL_BATCH_ROWS);
        Ok(UpdatePlans { plans, id, context })
    }
}

/// Runs the EXEC of one row of parameters.
///
/// Dropping the future ends the wait for the row; a POST that was started continues.
async fn run_row(
    query: &Arc<Query>,
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
) -> Result<Vec<RecordBatch>> {
    let rows = collect(plan, context).boxed();
    // Spawned inside `unless_cancelled`: a query that is cancelled between two rows does not start the next one.
    match query.unless_cancelled(async { PlanTask::spawn(Arc::clone(query), rows).join().await }).await {
        Ok(rows) => rows.map_err(from_datafusion),
        Err(Cancelled) => Err(stopped(query, true).into()),
    }
}

/// What a row started: `id 7`.
fn started(rows: &RecordBatch, id: &str) -> String {
    let value = rows.column_by_name(id).and_then(|ids| {
        let formatter = ArrayFormatter::try_new(ids, &FormatOptions::default()).ok()?;
        (rows.num_rows() > 0).then(|| formatter.value(0).to_string())
    });
    format!("{id} {}", value.as_deref().unwrap_or("unknown"))
}
