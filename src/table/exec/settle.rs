//! AWAIT: reads what was started until it is over.

use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use tokio::time::{Instant, sleep, timeout_at};

use super::fault::{Fault, Started};
use super::plan::Call;
use super::post::{self, cell, request};
use super::{Permission, Polling};
use crate::api::{Fault as ApiFault, QueryContext};
use crate::error::{Error, Kind, Result};
use crate::resource::{Binding, Callable, Resource, Settles, Value};
use crate::table::fault::Fault as TableFault;

/// When the time is over, it is looked at once more, for so long.
const LAST_LOOK: Duration = Duration::from_secs(10);

/// The row at the end. What passes (a 5xx, a connection, the budget) does not end it before its time; a stop does.
pub(super) async fn until_settled(
    call: &Call,
    row: RecordBatch,
    limit: Duration,
    permission: &Permission,
    query: &QueryContext,
) -> Result<RecordBatch> {
    tokio::select! {
        biased;
        ended = poll(call, row.clone(), limit, permission.polling, query) => ended,
        () = permission.records.stopped() => {
            let started = call.callable.procedure.settles.as_ref().map(|settles| started(call, settles, &row));
            match started {
                Some(started) => Err(Fault::Unwatched { started, cause: Fault::Stopping.into() }.into()),
                None => Ok(row),
            }
        }
    }
}

async fn poll(
    call: &Call,
    mut row: RecordBatch,
    limit: Duration,
    polling: Polling,
    query: &QueryContext,
) -> Result<RecordBatch> {
    let Some(settles) = &call.callable.procedure.settles else { return Ok(row) };
    let deadline = Instant::now() + limit;
    let mut pause = polling.first_pause;
    let mut unread = None;
    loop {
        let started = started(call, settles, &row);
        let is = |statuses: &[String]| started.status.as_ref().is_some_and(|status| statuses.contains(status));
        if is(&settles.failed) {
            return Err(Fault::Failed(started).into());
        }
        if started.status.is_some() && !is(&settles.open) {
            return Ok(row);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(match unread {
                Some(cause) => Fault::Unwatched { started, cause }.into(),
                None => Fault::Unfinished { started, limit }.into(),
            });
        }
        query.now(format!("{started} is {}", started.status.as_deref().unwrap_or("without a status")));
        sleep(pause.min(left)).await;
        pause = pause.mul_f64(1.5).min(polling.longest_pause);
        let patience = deadline.max(Instant::now() + LAST_LOOK);
        unread = match timeout_at(patience, read(call, settles, &row, query)).await {
            Ok(Ok(read)) => {
                row = read;
                None
            }
            Ok(Err(cause)) if passes(&cause) => Some(cause),
            Ok(Err(cause)) => return Err(Fault::Unwatched { started, cause }.into()),
            Err(_) => return Err(Fault::Unfinished { started, limit }.into()),
        };
    }
}

/// Whether the next question may be answered although this one was not.
fn passes(error: &Error) -> bool {
    let cut = matches!(error.downcast_ref(), Some(ApiFault::Cut { .. }));
    cut || matches!(error.kind(), Kind::Unavailable | Kind::ResourceExhausted | Kind::DeadlineExceeded)
}

async fn read(call: &Call, settles: &Settles, row: &RecordBatch, query: &QueryContext) -> Result<RecordBatch> {
    let (answers, binding) = (&call.callable.answers, &call.invocation.binding);
    let method = answers.method(&settles.read_by).expect("the declaration's check finds the method");
    let request = request(answers, method, binding, Some(id(answers, row)));
    let body = call.client.get(&request, query).await?;
    let row = post::row(answers, &method.answer, &body, binding);
    Ok(row.map_err(|fault| TableFault::Unreadable { at: request.at(), fault })?)
}

/// The row's own id, which decoding has made sure of.
fn id(resource: &Resource, row: &RecordBatch) -> Value {
    let place = row.schema().index_of(resource.row_id()).expect("a row has all columns of its table");
    let text = cell(row, place, 0);
    text.parse().map_or(Value::Text(text), Value::Int)
}

/// `id 7 of digitalocean.compute.image_actions`
pub(super) fn started_text(callable: &Callable, row: &RecordBatch) -> String {
    let Callable { answers, .. } = callable;
    format!("{} {} of {answers}", answers.row_id(), id(answers, row))
}

fn started(call: &Call, settles: &Settles, row: &RecordBatch) -> Started {
    let resource = &call.callable.answers;
    let status = row.column_by_name(&settles.column).map(|column| column.as_string::<i32>());
    let status = status.filter(|status| status.is_valid(0)).map(|status| status.value(0).to_owned());
    let id = id(resource, row);
    let look = look(resource, &call.invocation.binding, Some(&id));
    Started { table: resource.to_string(), id: format!("{} {id}", resource.row_id()), status, look }
}

/// The query that shows a row, or all of those that the binding stands for.
pub(super) fn look(resource: &Resource, binding: &Binding, id: Option<&Value>) -> String {
    select(&["*"], resource, binding, id)
}

/// A query of some columns.
pub(super) fn select(columns: &[&str], resource: &Resource, binding: &Binding, id: Option<&Value>) -> String {
    let values = binding.iter().chain(id.map(|id| (resource.row_id(), id)));
    let terms: Vec<String> = values.map(|(column, value)| format!("{column} = {}", literal(value))).collect();
    let filter = if terms.is_empty() { String::new() } else { format!(" WHERE {}", terms.join(" AND ")) };
    format!("SELECT {} FROM {resource}{filter}", columns.join(", "))
}

fn literal(value: &Value) -> String {
    match value {
        Value::Int(_) | Value::Bool(_) => value.to_string(),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
    }
}
