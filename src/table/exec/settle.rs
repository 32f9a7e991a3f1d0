//! AWAIT: reads what was started until it is over.

use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use tokio::time::{Instant, sleep, timeout_at};

use super::Polling;
use super::fault::{Fault, Started};
use super::plan::Call;
use super::post::{cell, request};
use crate::api::{Fault as ApiFault, QueryContext, Request};
use crate::error::{Error, Result};
use crate::resource::{Binding, Callable, Resource, Settles, Value};
use crate::rows::Decoder;
use crate::table::fault::Fault as TableFault;

/// When the time is over, it is looked at once more, for so long.
const LAST_LOOK: Duration = Duration::from_secs(10);

/// The row at the end.
pub(super) async fn until_settled(
    call: &Call,
    mut row: RecordBatch,
    limit: Duration,
    polling: Polling,
    query: &QueryContext,
) -> Result<RecordBatch> {
    let Callable { answers, procedure, .. } = call.callable.as_ref();
    let Some(settles) = &procedure.settles else { return Ok(row) };
    let deadline = Instant::now() + limit;
    let mut pause = polling.first_pause;
    loop {
        let started = started(call, answers, settles, &row);
        let status = started.status.clone();
        match status.as_deref() {
            Some(status) if settles.failed.iter().any(|failed| failed == status) => {
                return Err(Fault::Failed(started).into());
            }
            Some(status) if !settles.open.iter().any(|open| open == status) => return Ok(row),
            Some(_) | None => {}
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Fault::Unfinished { started, limit }.into());
        }
        query.now(format!("{started} is {}", started.status.as_deref().unwrap_or("without a status")));
        sleep(pause.min(left)).await;
        pause = pause.mul_f64(1.5).min(polling.longest_pause);
        let patience = deadline.max(Instant::now() + LAST_LOOK);
        row = match timeout_at(patience, read(call, settles, &row, query)).await {
            Ok(Ok(row)) => row,
            Ok(Err(cause)) => return Err(Fault::Unwatched { started, cause }.into()),
            Err(_) => return Err(Fault::Unfinished { started, limit }.into()),
        };
    }
}

async fn read(call: &Call, settles: &Settles, row: &RecordBatch, query: &QueryContext) -> Result<RecordBatch> {
    let Callable { answers, .. } = call.callable.as_ref();
    let method = answers.methods.iter().find(|method| method.name == settles.read_by);
    let method = method.expect("the declaration's check finds the method");
    let request: Request = request(answers, method, &call.invocation.binding, Some(id(answers, row)));
    let body = call.client.get(&request, query).await.map_err(|fault: ApiFault| Error::from(fault))?;
    let columns: Vec<usize> = (0..answers.columns.len()).collect();
    let rows = Decoder::new(answers, &method.answer, &columns).decode(body.bytes(), &call.invocation.binding);
    Ok(rows.map_err(|fault| TableFault::Unreadable { at: request.at(), fault })?.batch)
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

fn started(call: &Call, resource: &Resource, settles: &Settles, row: &RecordBatch) -> Started {
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
        Value::Int(number) => number.to_string(),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
    }
}
