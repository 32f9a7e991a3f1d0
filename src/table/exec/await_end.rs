//! AWAIT: reads the row of a started action until its status is a final one.
//!
//! ```text
//! row of the POST ─► final status? ─ succeeded ─► the row
//!        ▲                │       └─ failed ────► error Failed
//!        │                │ no
//!        │                ├─ the limit is over and the row was read for the last time ─► error Unfinished
//!        │                ▼
//!        │           pause, then GET the row by its id
//!        ├─ row ──────────┤
//!        ├─ temporary error (keeps the last row)
//!        └─ permanent error, or the server stops ─► error Unwatched
//! ```
//!
//! Do not change without thinking:
//! - a status that the declaration does not name, or none, is not a success;
//! - the row must have the id that was requested: another action's status says nothing about this one;
//! - every error contains the action's id: the action continues at DigitalOcean.

use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use tokio::time::{Instant, sleep, timeout_at};

use super::call_procedure_exec::ProcedureCall;
use super::fault::{Fault, StartedAction};
use super::post::{cell, request};
use super::{Polling, Writer};
use crate::api::{Client, Fault as ApiFault, RequestScope};
use crate::error::{Error, Result};
use crate::resource::{Binding, Callable, Completion, Method, Phase, Resource, Value};
use crate::rows::{self, Decoder};
use crate::table::fault::Fault as TableFault;

/// The timeout of the last request, which is sent when the limit is over.
const LAST_READ: Duration = Duration::from_secs(10);

/// Waits until the action is over, and returns its last row. Temporary errors (a 404 of a new action, a 5xx, a
/// connection error, the budget) do not end the wait before its limit; a shutdown does. The row is read at least once,
/// and for the last time when the limit is over.
pub(super) async fn until_settled(
    call: &ProcedureCall,
    client: &Client,
    mut row: RecordBatch,
    limit: Duration,
    writer: &Writer,
    scope: &RequestScope,
) -> Result<RecordBatch> {
    let Some(completion) = &call.callable.procedure.completion else { return Ok(row) };
    let Polling { first_pause: mut pause, longest_pause } = writer.polling();
    let deadline = Instant::now() + limit;
    let (mut unread, mut was_last_read) = (None, false);
    loop {
        let started = started(call, completion, &row);
        match completion.phase(started.status.as_deref()) {
            Phase::Succeeded => return Ok(row),
            Phase::Failed => return Err(Fault::Failed(started).into()),
            Phase::Open => {}
        }
        if was_last_read {
            return Err(Fault::Unfinished { started, limit, unread }.into());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        was_last_read = left <= pause;
        scope.query.set_activity(format!("{started} has {}", started.status()));
        let reading = async {
            sleep(pause.min(left)).await;
            read(call, client, completion, &row, deadline.max(Instant::now() + LAST_READ), scope).await
        };
        let reading = tokio::select! {
            biased;
            reading = reading => reading,
            () = writer.stopped() => Err(Fault::Stopping.into()),
        };
        unread = match reading {
            Ok(read) => {
                row = read;
                None
            }
            Err(cause) if may_pass(&cause) => Some(cause),
            Err(cause) => return Err(Fault::Unwatched { started, cause }.into()),
        };
        pause = pause.mul_f64(1.5).min(longest_pause);
    }
}

/// Whether an error is temporary: the next request may succeed.
fn may_pass(error: &Error) -> bool {
    match error.downcast_ref::<ApiFault>() {
        // The API has returned this id, so its own "not found" means that the action is not listed yet. A 404 of
        // another server is permanent.
        Some(fault) => fault.is_temporary() || fault.is_not_found(),
        // A truncated body may be invalid in any way.
        None => matches!(error.downcast_ref(), Some(TableFault::Unreadable { .. })),
    }
}

/// Requests the row as it is now.
async fn read(
    call: &ProcedureCall,
    client: &Client,
    completion: &Completion,
    row: &RecordBatch,
    until: Instant,
    scope: &RequestScope,
) -> Result<RecordBatch> {
    let (resource, binding) = (&call.callable.returns, &call.invocation.binding);
    let method = resource.method(&completion.poll_method).expect("the declaration's check finds the method");
    let wanted = id(resource, row);
    let request = request(resource, method, binding, Some(wanted.clone()));
    let limit = until.saturating_duration_since(Instant::now());
    let body = match timeout_at(until, client.get(&request, scope)).await {
        Ok(response) => response?,
        Err(_) => return Err(ApiFault::Slow { at: request.at(), limit, attempts: 1 }.into()),
    };
    let decoded = row_of(resource, method, body.bytes(), binding, &wanted);
    Ok(decoded.map_err(|fault| TableFault::Unreadable { at: request.at(), fault })?)
}

/// The row of a body, if it is the requested one: the status of another row says nothing. The decoder compares the
/// values of the path with the row as well, but text without regard to case, because the rows of a query are filtered
/// again. The row of AWAIT is not, and its id was written by the API: so the id is compared exactly.
fn row_of(
    resource: &Resource,
    method: &Method,
    body: &[u8],
    binding: &Binding,
    wanted: &Value,
) -> Result<RecordBatch, rows::Fault> {
    let binding = binding.without(resource.row_id()).with(resource.row_id(), wanted.clone());
    let columns: Vec<usize> = (0..resource.columns.len()).collect();
    let row = Decoder::of_method(resource, method, &columns).decode(body, &binding)?.batch;
    let id = id(resource, &row);
    if id == *wanted {
        return Ok(row);
    }
    let (field, requested, returned) = (resource.row_id().to_owned(), wanted.to_string(), id.to_string());
    Err(rows::Fault::OtherRow { field, requested, returned })
}

/// The row's id. Decoding has checked that it is there.
fn id(resource: &Resource, row: &RecordBatch) -> Value {
    let place = row.schema().index_of(resource.row_id()).expect("a row has all columns of its table");
    let text = cell(row, place, 0);
    text.parse().map_or(Value::Text(text), Value::Int)
}

/// `id 7 of digitalocean.compute.image_actions`
pub(super) fn started_text(callable: &Callable, row: &RecordBatch) -> String {
    let resource = &callable.returns;
    format!("{} {} of {resource}", resource.row_id(), id(resource, row))
}

fn started(call: &ProcedureCall, completion: &Completion, row: &RecordBatch) -> Box<StartedAction> {
    let resource = &call.callable.returns;
    let status = row.column_by_name(&completion.status_column).map(|column| column.as_string::<i32>());
    let status = status.filter(|status| status.is_valid(0)).map(|status| status.value(0).to_owned());
    let id = id(resource, row);
    let query = select(&["*"], resource, &call.invocation.binding, Some(&id));
    Box::new(StartedAction { table: resource.to_string(), id: format!("{} {id}", resource.row_id()), status, query })
}

/// The query that selects these columns of a row, or of all rows of the binding.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Registry;

    /// Reads a row from the body of a get for the id `asked`.
    fn read(table: &str, method: &str, asked: Value, body: &str) -> Result<RecordBatch, rows::Fault> {
        let resource = Registry::built_in().find("compute", table).unwrap();
        let binding = Binding::default().with("image_id", Value::Int(7));
        row_of(resource, resource.method(method).unwrap(), body.as_bytes(), &binding, &asked)
    }

    fn action(body: &str) -> Result<RecordBatch, rows::Fault> {
        read("image_actions", "image_actions_get", Value::Int(5), body)
    }

    #[test]
    fn the_requested_row_is_returned() {
        let row = action(r#"{"action": {"id": 5, "status": "completed"}}"#).unwrap();

        assert_eq!(cell(&row, row.schema().index_of("status").unwrap(), 0), "completed");
        assert_eq!(cell(&row, row.schema().index_of("image_id").unwrap(), 0), "7");
    }

    #[test]
    fn another_row_is_an_error_whatever_its_status() {
        let other = |requested: &str, returned: &str| rows::Fault::OtherRow {
            field: "id".into(),
            requested: requested.into(),
            returned: returned.into(),
        };

        let numbers = action(r#"{"action": {"id": 6, "status": "completed"}}"#);
        assert_eq!(numbers.unwrap_err(), other("5", "6"));
        for answered in ["ab-2", "AB-1"] {
            let body = format!(r#"{{"snapshot": {{"id": "{answered}"}}}}"#);
            let texts = read("snapshots", "snapshots_get", Value::Text("ab-1".into()), &body);
            assert_eq!(texts.unwrap_err(), other("ab-1", answered));
        }
    }

    #[test]
    fn a_row_with_two_ids_or_two_statuses_is_an_error() {
        for (body, key) in [
            (r#"{"action": {"id": 6, "status": "completed", "id": 5}}"#, "action.id"),
            (r#"{"action": {"id": 5, "status": "completed", "status": "errored"}}"#, "action.status"),
            (r#"{"action": {"id": 6}, "action": {"id": 5, "status": "completed"}}"#, "action"),
        ] {
            assert_eq!(action(body).unwrap_err(), rows::Fault::DuplicateKey { key: key.into() }, "{body}");
        }
    }
}
