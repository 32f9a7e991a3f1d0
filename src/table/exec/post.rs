//! Sends the POST of an EXEC, and returns its row or an error that says what is known of the outcome.
//!
//! ```text
//! client.post ─► 2xx with a row ─────────────────────────────► the row
//!            ├─► certainly not executed (a client error, …) ─► that error
//!            └─► may have been executed, or 2xx without a row ─► read the list: what has begun since? ─► Fault::Lost
//! ```
//!
//! `client.post` repeats a request only if the API has certainly not executed it; nothing here sends it a second time.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, RecordBatch, TimestampNanosecondArray};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{Instant, timeout};

use super::call_procedure_exec::ProcedureCall;
use super::fault::{Appeared, Fault, Lost};
use super::{audit, await_end};
use crate::api::{Body, Client, Fault as ApiFault, Request, RequestLine, RequestScope};
use crate::error::{Error, Result};
use crate::resource::{Binding, Callable, Invocation, LostPostLookup, Method, Resource, ResponseShape, Value};
use crate::rows::Decoder;
use crate::table::fault::Fault as TableFault;

/// Timeout of the request that reads what has begun since. A shutdown waits for it as well.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends the request and stores its outcome in the query, for a client that may have disconnected by then.
pub(super) async fn post(call: Arc<ProcedureCall>, client: Client, scope: RequestScope) -> Result<RecordBatch> {
    let outcome = send(&call, &client, &scope).await;
    let started = |row: &RecordBatch| format!("{} was started", await_end::started_text(&call.callable, row));
    scope.query.set_exec_outcome(outcome.as_ref().map(started).map_err(Clone::clone));
    outcome
}

/// Sends the request, and decodes the row of its response. If the outcome is unknown, or a success without a readable
/// row, the error lists the actions that have begun since.
async fn send(call: &ProcedureCall, client: &Client, scope: &RequestScope) -> Result<RecordBatch> {
    let ProcedureCall { callable, invocation, .. } = call;
    let Invocation { path, body, binding } = invocation;
    let begin = Instant::now();
    let mut head = None;
    let response = client.post(path, body, scope, |sent| {
        audit::log(call, scope.query.principal(), &sent);
        head = sent.head;
    });
    let cause: Error = match response.await {
        Ok(body) => match row(callable, body.bytes(), binding) {
            Ok(row) => return Ok(row),
            Err(fault) => fault.into(),
        },
        Err(fault) if fault.may_have_been_executed() => fault.into(),
        Err(fault) => return Err(fault.into()),
    };
    let at = RequestLine { method: "POST", path: path.clone() };
    let appeared = appeared(call, client, begin, scope).await;
    let (status, request_id) = head.map(|head| (head.status, head.request_id)).unzip();
    let (request_id, query) = (request_id.flatten(), latest_actions(callable, binding));
    Err(Fault::Lost(Box::new(Lost { at, status, cause, appeared, request_id, query })).into())
}

/// The row of the started action, with all columns of its table. All of them are decoded, so a JSON key of any column
/// that occurs twice is an error.
fn row(callable: &Callable, body: &[u8], binding: &Binding) -> Result<RecordBatch, crate::rows::Fault> {
    let Callable { returns, procedure, .. } = callable;
    let columns: Vec<usize> = (0..returns.columns.len()).collect();
    Ok(Decoder::new(returns, &ResponseShape::Row(procedure.row.clone()), &columns).decode(body, binding)?.batch)
}

/// The actions that have begun since the request was sent, from the first page of the list: the newest are first.
async fn appeared(call: &ProcedureCall, client: &Client, begin: Instant, scope: &RequestScope) -> Appeared {
    let Callable { returns, procedure, .. } = call.callable.as_ref();
    let Some(lookup) = &procedure.lookup_if_lost else { return Appeared::NoLookup };
    let method = returns.method(&lookup.list_method).expect("the declaration's check finds the method");
    let request = match method.response {
        ResponseShape::Rows { paged: true, .. } => request(returns, method, &call.invocation.binding, None).page(1),
        ResponseShape::Rows { paged: false, .. } | ResponseShape::Row(_) => {
            request(returns, method, &call.invocation.binding, None)
        }
    };
    let body = match timeout(LOOKUP_TIMEOUT, client.get(&request, scope)).await {
        Ok(Ok(body)) => body,
        Ok(Err(fault)) => return Appeared::Unreadable(fault.into()),
        Err(_) => {
            let fault = ApiFault::Slow { at: request.at(), limit: LOOKUP_TIMEOUT, attempts: 1 };
            return Appeared::Unreadable(fault.into());
        }
    };
    // By the API's clock (the Date header): the local one may be wrong. The header and the rows' times are in whole
    // seconds, hence one second more.
    let now = body.head().date.unwrap_or_else(Utc::now);
    let since = now - TimeDelta::from_std(begin.elapsed()).unwrap_or_default() - TimeDelta::seconds(1);
    match rows_since(returns, method, lookup, &body, &call.invocation.binding, since) {
        Ok(rows) => Appeared::Rows(rows),
        Err(fault) => Appeared::Unreadable(TableFault::Unreadable { at: request.at(), fault }.into()),
    }
}

fn rows_since(
    resource: &Resource,
    method: &Method,
    lookup: &LostPostLookup,
    body: &Body,
    binding: &Binding,
    since: DateTime<Utc>,
) -> Result<Vec<String>, crate::rows::Fault> {
    let place = |name: &String| resource.arrow_schema().index_of(name).expect("the declaration's check finds it");
    let columns: Vec<usize> = lookup.columns.iter().chain([&lookup.time_column]).map(place).collect();
    let rows = Decoder::new(resource, &method.response, &columns).decode(body.bytes(), binding)?.batch;
    let times = rows.column(rows.num_columns() - 1);
    let times = times.as_any().downcast_ref::<TimestampNanosecondArray>().expect("the declaration's check sees to it");
    let since = since.timestamp_nanos_opt().unwrap_or(i64::MAX);
    // A row without a time may have begun since.
    let new = (0..rows.num_rows()).filter(|row| times.is_null(*row) || times.value(*row) >= since);
    Ok(new.map(|row| shown(&rows, row, &lookup.time_column)).collect())
}

/// `id 7, type transfer, status in-progress`
fn shown(rows: &RecordBatch, row: usize, since: &str) -> String {
    let (schema, last) = (rows.schema(), rows.num_columns() - 1);
    let cells = (0..last).map(|at| format!("{} {}", schema.field(at).name(), cell(rows, at, row)));
    let no_time = rows.column(last).is_null(row).then(|| format!("{since} null"));
    cells.chain(no_time).collect::<Vec<_>>().join(", ")
}

/// A value as text.
pub(super) fn cell(rows: &RecordBatch, column: usize, row: usize) -> String {
    let formatter = ArrayFormatter::try_new(rows.column(column), &FormatOptions::default().with_null("null"));
    formatter.map_or_else(|error| error.to_string(), |formatter| formatter.value(row).to_string())
}

/// The request of a method, with the values of the call and the row's id in its path.
pub(super) fn request(resource: &Resource, method: &Method, binding: &Binding, id: Option<Value>) -> Request {
    let value = |parameter: &str| {
        let column = resource.canonical(parameter);
        if column == resource.row_id() { id.clone() } else { binding.get(column).cloned() }
    };
    Request::new(method.path.fill(value).expect("a call gives every parameter of its table"))
}

/// The query that selects the latest actions.
fn latest_actions(callable: &Callable, binding: &Binding) -> String {
    let Callable { returns, procedure, .. } = callable;
    let Some(LostPostLookup { columns, time_column, .. }) = &procedure.lookup_if_lost else {
        return await_end::select(&["*"], returns, binding, None);
    };
    let columns: Vec<&str> = columns.iter().chain([time_column]).map(String::as_str).collect();
    let query = await_end::select(&columns, returns, binding, None);
    format!("{query} ORDER BY {time_column} DESC LIMIT 10")
}
