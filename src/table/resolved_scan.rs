//! A scan's spec with what it names: its declaration, and its filters as expressions. What planning and running both
//! look at.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::physical_expr::PhysicalExpr;

use super::query_list_cache::ListKey;
use super::request_choice::{self, MethodCall, is_fixed};
use super::scan_spec::ScanSpec;
use crate::api::Request;
use crate::query::{Ledger, ListId};
use crate::resource::{ColumnSource, Method, Resource, Value};

/// What a scan reads. It is never changed: a pass over the plan makes another one.
#[derive(Clone, Debug)]
pub(super) struct ResolvedScan {
    pub(super) spec: Arc<ScanSpec>,
    pub(super) resource: Arc<Resource>,
    pub(super) filters: Filters,
}

/// What of a scan is an expression.
#[derive(Clone, Debug, Default)]
pub(super) struct Filters {
    /// Over the projection.
    pub(super) predicate: Option<Arc<dyn PhysicalExpr>>,
    /// Over the resource's schema: filters that are more than pins. DataFusion may have taken an earlier form of one for
    /// exact and dropped it, so the scan does not rely on anybody else to check them.
    pub(super) residual: Option<Arc<dyn PhysicalExpr>>,
    /// For each source of its keys, what these are the values of; none, where it is a join.
    pub(super) late: Vec<Vec<Arc<dyn PhysicalExpr>>>,
}

impl Filters {
    /// How many expressions there are.
    pub(super) fn count(&self) -> usize {
        let Self { predicate, residual, late } = self;
        predicate.iter().count() + residual.iter().count() + late.iter().map(Vec::len).sum::<usize>()
    }
}

impl ResolvedScan {
    pub(super) fn new(spec: ScanSpec, resource: Arc<Resource>, filters: Filters) -> Self {
        Self { spec: Arc::new(spec), resource, filters }
    }

    /// The same of another spec.
    pub(super) fn with_spec(&self, spec: ScanSpec) -> Self {
        Self { spec: Arc::new(spec), ..self.clone() }
    }

    /// `digitalocean.compute.images`, with the account's own name.
    pub(super) fn table(&self) -> String {
        self.resource.to_string()
    }

    /// The requests, or lists, that a call is.
    pub(super) fn requests(&self, call: &MethodCall) -> Vec<Request> {
        let method = self.method(call.method);
        let path = request_choice::path(&self.resource, method, &call.binding);
        let queries = request_choice::queries(method, self.spec.pins()).into_iter();
        queries.map(|query| Request::new(path.clone()).with_query(query)).collect()
    }

    /// The list that a call reads, or reads a row of.
    pub(super) fn list(&self, call: &MethodCall) -> ListId {
        ListId::of((self.table(), call.binding.without(self.resource.row_id())))
    }

    /// Says which requests a call is: of a list, the first page.
    pub(super) fn expect(&self, call: &MethodCall, ledger: &Ledger) {
        let list = self.list(call);
        self.requests(call).iter().for_each(|request| ledger.expect(list, request.part(), 1));
    }

    /// What tells a call's list from all others of a query.
    pub(super) fn key(&self, call: &MethodCall) -> ListKey {
        let queries = request_choice::queries(self.method(call.method), self.spec.pins());
        ListKey { table: self.table().into(), call: call.clone(), queries }
    }

    pub(super) fn method(&self, at: usize) -> &Method {
        &self.resource.methods[at]
    }

    /// Where a column of the resource stands in what is read.
    pub(super) fn place(&self, name: &str) -> usize {
        let at = self.resource.planned_schema().index_of(name).expect("declarations name columns of their own");
        self.spec.columns().iter().position(|column| *column == at).expect("the spec reads what rows are checked by")
    }

    /// What each row of a method's answers is held to: the pinned columns that the request does not fix, and what
    /// tells the table's own rows from others.
    pub(super) fn checks(&self, method: &Method) -> Vec<(usize, BTreeSet<Value>)> {
        let in_path = |column: &str| {
            let mut keys = method.path.parameters().map(|name| self.resource.canonical(name));
            keys.any(|key| key == column) && method.field_for(column).is_none()
        };
        let is_parameter = |column: &str| {
            let source = self.resource.column(column).map(|column| &column.source);
            source == Some(&ColumnSource::Parameter)
        };
        let pinned = self.spec.pins().iter().filter(|(column, _)| !(is_parameter(column) && in_path(column)));
        let pinned = pinned.map(|(column, values)| (self.place(column), values.clone()));
        let only = method.conditions.iter().map(|(field, value)| (field, BTreeSet::from([Value::Text(value.clone())])));
        pinned.chain(only.map(|(field, values)| (self.place(field), values))).collect()
    }

    /// How many rows of a list are enough, where all of them pass.
    pub(super) fn rows_wanted(&self, method: &Method) -> Option<usize> {
        let (Filters { predicate, residual, .. }, pins) = (&self.filters, self.spec.pins());
        let all_pass = predicate.is_none() && residual.is_none() && method.conditions.is_empty() && {
            pins.iter().all(|(column, _)| is_fixed(&self.resource, method, pins, column))
        };
        if all_pass && !self.spec.hints().kept { self.spec.fetch() } else { None }
    }
}
