//! The rows of a running scan: sends the requests in parallel, then checks, filters and projects the rows of each page.
//!
//! ```text
//! calls ─► rows_of, up to 16 calls in parallel                   (4 under a LIMIT)
//!            ├─ a list that is shared: QueryListCache ─┐
//!            └─ otherwise ─────────────────────────────┴─► fetched: each request of the call ─► ListReader, or one get
//!                                                            └─ several requests (a union): distinct_lists
//!        ─► finish: check values ─► residual filter ─► project ─► predicate
//!        ─► limited: ends after exactly LIMIT rows
//! ```
//!
//! Do not change without thinking:
//! - nothing is sent before the stream is polled. Dropping it cancels its requests in flight; those of shared lists end
//!   with the query;
//! - the cached lists hold this execution, so it must not hold the cache: neither would ever be dropped;
//! - rows leave with their page: an operator here that collects batches would hold them back.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Int64Type};
use arrow::util::display::array_value_to_string;
use datafusion::common::cast::as_boolean_array;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::reassign_expr_columns;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tracing::warn;

use super::account::Account;
use super::distinct_lists::distinct;
use super::fault::{Fault, to_datafusion};
use super::list_reader::{ListReader, ListSource};
use super::page_memory::Pooled;
use super::query_list_cache::QueryListCache;
use super::request_choice::{self, MethodCall};
use super::resolved_scan::ResolvedScan;
use super::run::Run;
use crate::api::page::{Decoded, Fetch};
use crate::api::{self, Memory, ReadAhead, Request, RequestScope};
use crate::error::{Error, Result};
use crate::query::{Counts, Query};
use crate::resource::{Method, Resource, ResponseShape, Value};
use crate::rows::{Decoder, OutOfRangeTimes};

/// Maximum number of pages that a scan reads ahead, and of calls in parallel.
const PAGES_AHEAD: usize = 16;
/// Maximum size of the pages that a scan reads ahead.
const BYTES_AHEAD: usize = 16 << 20;
/// As [`PAGES_AHEAD`], for a scan that a LIMIT may end early.
const PAGES_AHEAD_OF_A_LIMIT: usize = 4;

type Batches = BoxStream<'static, Result<RecordBatch, DataFusionError>>;

/// The calls of a scan as they become known.
pub(super) type Calls = BoxStream<'static, Result<MethodCall, DataFusionError>>;

/// One execution of a [`ResolvedScan`].
pub(super) struct ScanExecution {
    resolved: ResolvedScan,
    account: Arc<Account>,
    scope: RequestScope,
    pool: Arc<dyn MemoryPool>,
    memory: Arc<dyn Memory>,
    ahead: Arc<ReadAhead>,
    /// By the index of the method.
    decoders: Vec<OnceLock<Arc<MethodDecoder>>>,
}

/// Turns the responses of one method into rows.
struct MethodDecoder {
    decoder: Decoder,
    /// The values that columns of the decoded rows must have, by the index of the column.
    checks: Vec<(usize, BTreeSet<Value>)>,
    /// A filter over the decoded rows.
    residual: Option<Arc<dyn PhysicalExpr>>,
}

impl ScanExecution {
    pub(super) fn new(
        resolved: ResolvedScan,
        run: &Run,
        context: &TaskContext,
        counts: Arc<Counts>,
    ) -> Result<Arc<Self>, Fault> {
        let account = Arc::clone(run.accounts.named(resolved.spec.account())?);
        let scope = RequestScope::of_scan(Arc::clone(&run.query), counts);
        let memory: Arc<dyn Memory> = Arc::new(Pooled::new(resolved.table(), context.memory_pool()));
        let ahead = ReadAhead::new(pages_ahead(&resolved), BYTES_AHEAD, Arc::clone(&memory));
        let decoders = resolved.resource.methods.iter().map(|_| OnceLock::new()).collect();
        Ok(Arc::new(Self {
            scope,
            account,
            pool: Arc::clone(context.memory_pool()),
            memory,
            ahead,
            decoders,
            resolved,
        }))
    }

    /// Adds a note to the query's result; notes are not errors.
    pub(super) fn notice(&self, text: String) {
        self.scope.query.add_notice(text);
    }

    /// The rows of all calls. Nothing is sent before the stream is polled.
    ///
    /// The stream holds the cache, and the lists in the cache hold this execution. So the execution must not hold the
    /// cache: neither would ever be dropped.
    pub(super) fn rows(self: Arc<Self>, calls: Calls, cache: Arc<QueryListCache>) -> Batches {
        let (parallel, fetch) = (pages_ahead(&self.resolved), self.resolved.spec.fetch());
        let finish = Arc::clone(&self);
        let batches = calls
            .map(move |call| match call {
                Ok(call) => Arc::clone(&self).rows_of(call, &cache),
                Err(error) => stream::once(std::future::ready(Err(error))).boxed(),
            })
            .flatten_unordered(parallel)
            .try_filter_map(move |(method, batch)| std::future::ready(finish.finish(method, batch)));
        limited(batches.boxed(), fetch)
    }

    /// The decoded rows of one call, with the index of its method.
    fn rows_of(
        self: Arc<Self>,
        call: MethodCall,
        cache: &QueryListCache,
    ) -> BoxStream<'static, Result<(usize, RecordBatch), DataFusionError>> {
        let method = call.method;
        let rows = if self.resolved.spec.hints().kept {
            let key = self.resolved.key(&call);
            // A shared list has its own read-ahead: the other scans that read it must not wait for this one.
            cache.rows(key, &self.pool, || self.fetched(&call, None))
        } else {
            let shared = Some(&self.ahead).filter(|_| self.resolved.method(method).union.len() == 1);
            self.fetched(&call, shared)
        };
        rows.map_ok(move |batch| (method, batch)).boxed()
    }

    /// The rows of one call, which may be several requests. They share `ahead`, the read-ahead of the scan, or each has
    /// its own: lists of a union are returned one after another, and the later ones must not take the pages that the
    /// first one needs.
    fn fetched(self: &Arc<Self>, call: &MethodCall, ahead: Option<&Arc<ReadAhead>>) -> Batches {
        let pages = if self.resolved.spec.hints().limited { 1 } else { PAGES_AHEAD };
        let mut lists = Vec::new();
        for request in self.resolved.requests(call) {
            let ahead = match ahead {
                Some(shared) => Arc::clone(shared),
                None => ReadAhead::new(pages, BYTES_AHEAD, Arc::clone(&self.memory)),
            };
            lists.push(self.rows_of_request(call, Arc::new(self.fetch(call, &ahead)), request));
        }
        let rows = match lists.len() {
            1 => lists.remove(0),
            _ => distinct(lists, self.resolved.place(self.resolved.resource.row_id())),
        };
        rows.map_err(to_datafusion).boxed()
    }

    /// The rows of one request, or of one list.
    fn rows_of_request(
        self: &Arc<Self>,
        call: &MethodCall,
        fetch: Arc<Fetch<RecordBatch>>,
        request: Request,
    ) -> BoxStream<'static, Result<RecordBatch>> {
        let method = self.resolved.method(call.method);
        let (first, rows) = match &method.response {
            ResponseShape::Rows { paged: true, .. } => {
                (request.page(1), pages_of(ListReader::paged(self.source(method, fetch, request))))
            }
            ResponseShape::Rows { paged: false, .. } => {
                (request.clone(), pages_of(ListReader::single(self.source(method, fetch, request))))
            }
            ResponseShape::Row(_) => {
                let first = request.clone();
                let once = stream::once(async move { fetch.fetch_one(request).await.map(|decoded| decoded.rows) });
                (first, once.boxed())
            }
        };
        let (execution, call) = (Arc::clone(self), call.clone());
        rows.filter_map(move |batch| std::future::ready(execution.unless_not_found(batch, &first, &call))).boxed()
    }

    /// What the list of a request is read from.
    fn source(&self, method: &Method, fetch: Arc<Fetch<RecordBatch>>, request: Request) -> ListSource {
        let (account, id) = (Arc::clone(&self.account), self.resolved.place(self.resolved.resource.row_id()));
        ListSource { account, fetch, request, rows_wanted: self.resolved.rows_wanted(method), id }
    }

    /// The decoder of a method, made when it is first used.
    fn decoder(&self, index: usize) -> &Arc<MethodDecoder> {
        self.decoders[index].get_or_init(|| {
            let method = self.resolved.method(index);
            let decoder = Decoder::of_method(&self.resolved.resource, method, self.resolved.spec.columns());
            let residual = self.resolved.filters.residual.clone().map(|residual| {
                reassign_expr_columns(residual, decoder.schema()).expect("what a filter names is read")
            });
            Arc::new(MethodDecoder { decoder, checks: self.resolved.checks(method), residual })
        })
    }

    /// Fetches and decodes the pages of a call. It runs in the page's task, so the query's counts are updated there.
    fn fetch(&self, call: &MethodCall, ahead: &Arc<ReadAhead>) -> Fetch<RecordBatch> {
        let (method_decoder, scope) = (Arc::clone(self.decoder(call.method)), self.scope.clone());
        let (binding, account) = (call.binding.clone(), Arc::clone(&self.account));
        let resource = Arc::clone(&self.resolved.resource);
        let decode = move |body: &api::Body, request: &Request| {
            let unreadable = |fault| Error::from(Fault::Unreadable { at: request.at(), fault });
            let rows = method_decoder.decoder.decode(body.bytes(), &binding).map_err(unreadable)?;
            scope.count(|counts| &counts.rows, rows.batch.num_rows());
            rows.total.iter().for_each(|total| account.list_lengths.keep(request, *total));
            rows.out_of_range_times
                .iter()
                .for_each(|beyond| notice_of(beyond, &resource, &rows.batch, request, &scope.query));
            let (count, total, next, has_links) = (rows.batch.num_rows(), rows.total, rows.next, rows.has_links);
            Ok(Decoded { rows: rows.batch, count, total, next, has_links })
        };
        let (client, list, reads_all) =
            (self.account.client.clone(), self.resolved.list(call), !self.resolved.spec.may_end_early());
        Fetch { client, scope: self.scope.clone(), list, reads_all, ahead: Arc::clone(ahead), decode: Box::new(decode) }
    }

    /// Drops the API's own 404 for a value that the query names: there are no such rows, and the result has a notice.
    /// Any other 404 is an error: of a path without parameters, and of a later page.
    fn unless_not_found(
        &self,
        batch: Result<RecordBatch>,
        first: &Request,
        call: &MethodCall,
    ) -> Option<Result<RecordBatch>> {
        let Err(error) = &batch else { return Some(batch) };
        let fault = error.downcast_ref::<api::Fault>();
        let has_parameter = self.resolved.method(call.method).path.parameters().next().is_some();
        let is_first = fault.and_then(api::Fault::at).is_some_and(|at| *at == first.at());
        if !(has_parameter && is_first && fault.is_some_and(api::Fault::is_not_found)) {
            return Some(batch);
        }
        let table = self.resolved.table();
        let path = request_choice::path(&self.resolved.resource, self.resolved.method(call.method), &call.binding);
        warn!(table, path, "no such row");
        self.scope.query.add_notice(format!("{table} has no rows for {}: DigitalOcean knows no {path}", call.binding));
        None
    }

    /// Rejects a row that has no value for its path parameter, if the query needs that column: the API allows null
    /// there.
    fn check_parameters(&self, method: usize, batch: &RecordBatch) -> Result<(), DataFusionError> {
        for (column, field) in &self.resolved.method(method).columns_from {
            let at = self.resolved.resource.planned_schema().index_of(column)?;
            if self.resolved.spec.projection().contains(&at)
                && batch.column(self.resolved.place(column)).null_count() > 0
            {
                let (table, column, field) = (self.resolved.table(), column.clone(), field.clone());
                return Err(to_datafusion(Fault::Untold { table, column, field }));
            }
        }
        Ok(())
    }

    /// Checks the values that the request does not fix, filters and projects. The order matters: a row that the
    /// residual filter drops need not have a value for its parameter.
    fn finish(&self, method: usize, mut batch: RecordBatch) -> Result<Option<RecordBatch>, DataFusionError> {
        let decoder = self.decoder(method);
        if let Some(passes) = checked(&decoder.checks, &batch) {
            batch = filter_record_batch(&batch, &passes)?;
        }
        if let Some(residual) = &decoder.residual {
            batch = passing(residual, &batch)?;
        }
        self.check_parameters(method, &batch)?;
        batch = self.projected(&batch)?;
        if let Some(predicate) = &self.resolved.filters.predicate {
            batch = passing(predicate, &batch)?;
        }
        Ok((batch.num_rows() > 0).then_some(batch))
    }

    /// The columns of the scan's projection, from the decoded ones.
    fn projected(&self, batch: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
        let decoded = self.resolved.spec.columns();
        let place = |column: &usize| decoded.iter().position(|read| read == column).expect("what is projected is read");
        let places: Vec<_> = self.resolved.spec.projection().iter().map(place).collect();
        Ok(batch.project(&places)?)
    }
}

/// The rows of a list, page by page.
fn pages_of(list: ListReader) -> BoxStream<'static, Result<RecordBatch>> {
    stream::try_unfold(list, async |mut list| Ok(list.next().await?.map(|batch| (batch, list)))).boxed()
}

/// Adds a notice about a NULL that replaces a time which the column cannot hold.
fn notice_of(beyond: &OutOfRangeTimes, resource: &Resource, rows: &RecordBatch, request: &Request, query: &Query) {
    let OutOfRangeTimes { field, text, row, count } = beyond;
    let id = match rows.column_by_name(resource.row_id()).map(|ids| array_value_to_string(ids, *row)) {
        Some(Ok(id)) => format!("{} {}", resource.row_id(), one_line(&id)),
        Some(Err(_)) | None => format!("row {row}"),
    };
    let (path, text) = (request.at().path, one_line(text));
    warn!(path, field, text, id, count, "a time that nanoseconds cannot hold is NULL");
    query.add_notice(format!(
        "{field} of {resource} is NULL in {count} rows of {path}, because nanoseconds hold only the years 1677 to 2262: \
         the first has {id} and `{text}`"
    ));
}

/// A text of the API for one line of a log or notice: without control characters, and not longer than 100 characters.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(100).collect()
}

/// The rows that pass a filter.
fn passing(filter: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
    let passed = filter.evaluate(batch)?.into_array(batch.num_rows())?;
    Ok(filter_record_batch(batch, as_boolean_array(&passed)?)?)
}

/// Maximum number of pages that the scan reads ahead.
fn pages_ahead(resolved: &ResolvedScan) -> usize {
    if resolved.spec.may_end_early() { PAGES_AHEAD_OF_A_LIMIT } else { PAGES_AHEAD }
}

/// Which rows have one of the wanted values in each of these columns; `None` without checks.
fn checked(checks: &[(usize, BTreeSet<Value>)], batch: &RecordBatch) -> Option<BooleanArray> {
    let masks = checks.iter().map(|(place, set)| {
        let column = batch.column(*place);
        let within = |value: Option<Value>| value.map(|value| set.contains(&value));
        match column.data_type() {
            DataType::Int64 => column.as_primitive::<Int64Type>().iter().map(|id| within(id.map(Value::Int))).collect(),
            DataType::Boolean => column.as_boolean().iter().map(|truth| within(truth.map(Value::Bool))).collect(),
            _ => {
                column.as_string::<i32>().iter().map(|text| within(text.map(|text| Value::Text(text.into())))).collect()
            }
        }
    });
    masks.reduce(|a: BooleanArray, b| arrow::compute::and_kleene(&a, &b).expect("both are as long as the batch"))
}

/// Ends the stream after exactly `fetch` rows, the scan's LIMIT, and cancels the requests that are still in flight.
fn limited(batches: Batches, fetch: Option<usize>) -> Batches {
    let Some(fetch) = fetch else { return batches };
    let cut = stream::try_unfold((batches, fetch), async |(mut batches, left)| {
        if left == 0 {
            return Ok(None);
        }
        let Some(batch) = batches.try_next().await? else { return Ok(None) };
        let batch = batch.slice(0, batch.num_rows().min(left));
        let left = left - batch.num_rows();
        // Cancels the requests in flight now, not when the stream is polled again after its last rows.
        let batches = if left == 0 { stream::empty().boxed() } else { batches };
        Ok(Some((batch, (batches, left))))
    });
    cut.boxed()
}
