//! The rows of a scan: requests side by side, each page's rows checked, filtered and sent on.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::cast::as_boolean_array;
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tracing::warn;

use super::Pins;
use super::access::{self, Access};
use super::fault::{Fault, to_datafusion};
use super::list::List;
use crate::api::page::{Decoded, Fetch};
use crate::api::{self, Client, QueryContext, ReadAhead, Request};
use crate::error::{Error, Result};
use crate::resource::{Answer, Binding, Method, Resource, Source, Value};
use crate::rows::Decoder;

/// A scan reads so many pages ahead, and so many bytes.
const PAGES_AHEAD: usize = 16;
const BYTES_AHEAD: usize = 16 << 20;
/// Where a LIMIT may end it soon, it reads less ahead.
const PAGES_AHEAD_OF_A_LIMIT: usize = 4;

/// What a scan reads, and what of it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) resource: Arc<Resource>,
    pub(super) client: Client,
    pub(super) access: Access,
    pub(super) pins: Pins,
    /// Places in the resource's schema.
    pub(super) projection: Vec<usize>,
    /// Over the projection.
    pub(super) predicate: Option<Arc<dyn PhysicalExpr>>,
    /// Exactly so many rows at most.
    pub(super) fetch: Option<usize>,
}

/// One execution of a [`Plan`].
struct Execution {
    plan: Plan,
    query: Arc<QueryContext>,
    ahead: Arc<ReadAhead>,
    decoder: Arc<Decoder>,
    /// Where the row's own id stands in a decoded batch.
    id: usize,
    /// Pinned columns that no request's path fixes, and where they stand.
    checks: Vec<(usize, BTreeSet<Value>)>,
}

/// The rows of a plan, for a query. Nothing is sent before the stream is polled.
pub(super) fn rows(plan: Plan, query: Arc<QueryContext>) -> BoxStream<'static, Result<RecordBatch, DataFusionError>> {
    let fetch = plan.fetch;
    let execution = Arc::new(Execution::new(plan, query));
    let finish = Arc::clone(&execution);
    let side_by_side = pages_ahead(&execution.plan);
    let bindings = execution.plan.access.bindings.clone();
    let batches = stream::iter(bindings)
        .map(move |binding| Arc::clone(&execution).rows_of(binding))
        .flatten_unordered(side_by_side)
        .map_err(to_datafusion)
        .try_filter_map(move |batch| std::future::ready(finish.finish(batch)));
    limited(batches.boxed(), fetch)
}

fn pages_ahead(plan: &Plan) -> usize {
    if plan.fetch.is_some() { PAGES_AHEAD_OF_A_LIMIT } else { PAGES_AHEAD }
}

impl Execution {
    fn new(plan: Plan, query: Arc<QueryContext>) -> Self {
        let mut columns = plan.projection.clone();
        let mut place = |name: &str| {
            let at = plan.resource.arrow_schema().index_of(name).expect("declarations name columns of their own");
            columns.iter().position(|column| *column == at).unwrap_or_else(|| {
                columns.push(at);
                columns.len() - 1
            })
        };
        let id = place(plan.resource.row_id());
        let is_field = |name: &str| plan.resource.column(name).is_some_and(|column| column.source == Source::Field);
        let checked = plan.pins.iter().filter(|(name, _)| is_field(name));
        let checks = checked.map(|(name, set)| (place(name), set.clone())).collect();
        let decoder =
            Arc::new(Decoder::new(&plan.resource, &plan.resource.methods[plan.access.method].answer, &columns));
        let pages = pages_ahead(&plan);
        Self { query, ahead: ReadAhead::new(pages, BYTES_AHEAD), decoder, id, checks, plan }
    }

    fn method(&self) -> &Method {
        &self.plan.resource.methods[self.plan.access.method]
    }

    /// The rows of one request, or of one list.
    fn rows_of(self: Arc<Self>, binding: Binding) -> BoxStream<'static, Result<RecordBatch>> {
        let request = Request::new(access::path(&self.plan.resource, self.method(), &binding));
        let fetch = Arc::new(self.fetch(binding.clone()));
        let rows = match &self.method().answer {
            Answer::Rows { paged: true, .. } => {
                let list = List::new(fetch, request.clone(), self.rows_wanted(), self.id);
                stream::try_unfold(list, async |mut list| Ok(list.next().await?.map(|batch| (batch, list)))).boxed()
            }
            Answer::Rows { paged: false, .. } | Answer::Row(_) => {
                let request = request.clone();
                stream::once(async move { fetch.one(request).await.map(|decoded| decoded.rows) }).boxed()
            }
        };
        let first = self.first_request(&request);
        rows.filter_map(move |batch| std::future::ready(self.unless_not_found(batch, &first, &binding))).boxed()
    }

    fn first_request(&self, request: &Request) -> Request {
        match &self.method().answer {
            Answer::Rows { paged: true, .. } => request.page(1),
            Answer::Rows { paged: false, .. } | Answer::Row(_) => request.clone(),
        }
    }

    fn fetch(&self, binding: Binding) -> Fetch<RecordBatch> {
        let (decoder, query) = (Arc::clone(&self.decoder), Arc::clone(&self.query));
        let decode = move |body: &api::Body, request: &Request| {
            let unreadable = |fault| Error::from(Fault::Unreadable { at: request.at(), fault });
            let rows = decoder.decode(body.bytes(), &binding).map_err(unreadable)?;
            query.counts.rows.add(rows.batch.num_rows());
            Ok(Decoded { rows: rows.batch, total: rows.total, next: rows.next })
        };
        let (client, query, ahead) = (self.plan.client.clone(), Arc::clone(&self.query), Arc::clone(&self.ahead));
        Fetch { client, query, ahead, decode: Box::new(decode) }
    }

    /// How many rows are enough, where all of them pass.
    fn rows_wanted(&self) -> Option<usize> {
        if self.plan.predicate.is_none() && self.checks.is_empty() { self.plan.fetch } else { None }
    }

    /// DigitalOcean's own 404 for a value that the query names means that there are no such rows.
    /// On any other request it is an error.
    fn unless_not_found(
        &self,
        batch: Result<RecordBatch>,
        first: &Request,
        binding: &Binding,
    ) -> Option<Result<RecordBatch>> {
        let Err(error) = &batch else { return Some(batch) };
        let fault = error.downcast_ref::<api::Fault>();
        let named = self.method().path.parameters().next().is_some();
        let is_first = fault.and_then(api::Fault::at).is_some_and(|at| *at == first.at());
        if !(named && is_first && fault.is_some_and(api::Fault::is_not_found)) {
            return Some(batch);
        }
        let path = first.at().path;
        warn!(table = %self.plan.resource, path, "no such row");
        self.query.notice(format!("{} has no rows for {binding}: DigitalOcean knows no {path}", self.plan.resource));
        None
    }

    /// Checks the pins again, projects, and filters.
    fn finish(&self, batch: RecordBatch) -> Result<Option<RecordBatch>, DataFusionError> {
        let batch = match self.pinned(&batch) {
            Some(pinned) => filter_record_batch(&batch, &pinned)?,
            None => batch,
        };
        let batch = batch.project(&(0..self.plan.projection.len()).collect::<Vec<_>>())?;
        let batch = match &self.plan.predicate {
            Some(predicate) => {
                let passed = predicate.evaluate(&batch)?.into_array(batch.num_rows())?;
                filter_record_batch(&batch, as_boolean_array(&passed)?)?
            }
            None => batch,
        };
        Ok((batch.num_rows() > 0).then_some(batch))
    }

    fn pinned(&self, batch: &RecordBatch) -> Option<BooleanArray> {
        let masks = self.checks.iter().map(|(place, set)| {
            let within = |value: Value| Some(set.contains(&value));
            let column = batch.column(*place);
            match column.data_type() {
                DataType::Int64 => {
                    column.as_primitive::<Int64Type>().values().iter().map(|id| within(Value::Int(*id))).collect()
                }
                _ => column.as_string::<i32>().iter().map(|id| within(Value::Text(id?.into()))).collect(),
            }
        });
        masks.reduce(|a: BooleanArray, b| arrow::compute::and(&a, &b).expect("both are as long as the batch"))
    }
}

/// Cuts after exactly `fetch` rows, and drops what is still on its way.
fn limited(
    batches: BoxStream<'static, Result<RecordBatch, DataFusionError>>,
    fetch: Option<usize>,
) -> BoxStream<'static, Result<RecordBatch, DataFusionError>> {
    let Some(fetch) = fetch else { return batches };
    let cut = stream::try_unfold((batches, fetch), async |(mut batches, left)| {
        if left == 0 {
            return Ok(None);
        }
        let Some(batch) = batches.try_next().await? else { return Ok(None) };
        let batch = batch.slice(0, batch.num_rows().min(left));
        let left = left - batch.num_rows();
        // The last rows must not wait for the requests behind them to be dropped.
        let batches = if left == 0 { stream::empty().boxed() } else { batches };
        Ok(Some((batch, (batches, left))))
    });
    cut.boxed()
}
