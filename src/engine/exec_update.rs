//! EXEC as an update: once for each row of parameters that is bound, one after another.
//!
//! All rows are planned, and so checked, before the first is sent. The first one that fails ends it: the error names
//! what the rows before it started.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, collect};
use futures::FutureExt;
use tracing::Instrument;

use super::fault::{Fault, from_datafusion};
use super::plan_threads::PlanTask;
use super::planned_statements::PlannedStatement;
use super::{Engine, Execution, Principal, Query, called, limits_of_execs};
use crate::error::Result;
use crate::query::Cancelled;

/// The rows' plans, in order.
struct UpdatePlans {
    each: Vec<Arc<dyn ExecutionPlan>>,
    /// The column that tells what a row has started.
    id: String,
    context: Arc<TaskContext>,
}

impl Engine {
    /// Carries an EXEC out once for each row of `bound`, or once where it has no parameters. Returns how often.
    ///
    /// # Errors
    /// As [`Engine::ticket`], before anything is sent; [`Fault::Row`], where some rows were carried out.
    pub async fn update(&self, principal: &Principal, sql: &str, bound: Option<&RecordBatch>) -> Result<usize> {
        let query = self.begin(principal, sql);
        let statement = self.statement(&query).await?;
        let (engine, bound, asking) = (self.clone(), bound.cloned(), Arc::clone(&query));
        let planning = async move { engine.plans(&statement, bound.as_ref(), asking).await };
        let UpdatePlans { each, id, context } = self.apart(&query, planning.boxed()).await?;
        let (of, mut done) = (each.len(), Vec::new());
        for (at, plan) in each.into_iter().enumerate() {
            // Only the wait for it ends with this future.
            let rows = collect(plan, Arc::clone(&context)).instrument(query.span().clone());
            // Started within: a query that is cancelled between two rows sends no more.
            let rows = query.unless_cancelled(async { PlanTask::spawn(rows.boxed()).join().await }).await;
            let cancelled = |Cancelled| Fault::Cancelled { writes: true }.into();
            match rows.map_err(cancelled).and_then(|rows| rows.map_err(from_datafusion)) {
                Ok(rows) => done.extend(rows.iter().map(|rows| described(rows, &id))),
                Err(error) if of == 1 => return Err(error),
                Err(cause) => return Err(Fault::Row { row: at + 1, of, done, cause }.into()),
            }
        }
        Ok(of)
    }

    async fn plans(
        &self,
        statement: &PlannedStatement,
        bound: Option<&RecordBatch>,
        query: Arc<Query>,
    ) -> Result<UpdatePlans> {
        let id = called(&statement.plan).ok_or(Fault::NotAnUpdate)?.row_id().to_owned();
        self.check_writes(&statement.plan)?;
        let bound = bound.filter(|rows| rows.num_columns() > 0);
        let (rows, most) = (bound.map_or(1, RecordBatch::num_rows), self.options.max_writes);
        if rows > most {
            return Err(Fault::TooManyWrites { rows, most }.into());
        }
        let rows: Vec<Option<RecordBatch>> = match bound {
            None => vec![None],
            Some(rows) => (0..rows.num_rows()).map(|row| Some(rows.slice(row, 1))).collect(),
        };
        let mut each = Vec::with_capacity(rows.len());
        for row in rows {
            each.push(self.physical_plan(statement, row.as_ref()).await?.plan);
        }
        // Each row has the time of an EXEC.
        let rows = u32::try_from(each.len()).unwrap_or(u32::MAX);
        query.runs_within(limits_of_execs(&query, rows));
        let context = self.task(query, Execution::New);
        Ok(UpdatePlans { each, id, context })
    }
}

/// `id 7`
fn described(rows: &RecordBatch, id: &str) -> String {
    let value = rows.column_by_name(id).and_then(|ids| {
        let formatter = ArrayFormatter::try_new(ids, &FormatOptions::default()).ok()?;
        (rows.num_rows() > 0).then(|| formatter.value(0).to_string())
    });
    format!("{id} {}", value.as_deref().unwrap_or("unknown"))
}
