//! A scan's spec together with its declaration and its filters, for planning and execution.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::physical_expr::PhysicalExpr;

use super::query_list_cache::ListKey;
use super::request_choice::{self, MethodCall, is_fixed};
use super::scan_spec::ScanSpec;
use crate::api::Request;
use crate::query::{Ledger, ListId};
use crate::resource::{ColumnSource, Method, Resource, Value};

/// What a scan reads. It is immutable: a pass over the plan makes a new one.
#[derive(Clone, Debug)]
pub(super) struct ResolvedScan {
    pub(super) spec: Arc<ScanSpec>,
    pub(super) resource: Arc<Resource>,
    pub(super) filters: Filters,
}

/// The expressions of a scan.
#[derive(Clone, Debug, Default)]
pub(super) struct Filters {
    /// The filter that was above the scan, over its projection.
    pub(super) predicate: Option<Arc<dyn PhysicalExpr>>,
    /// The pushed-down filters that are more than key constraints, over the resource's schema. The scan must check them
    /// itself: DataFusion may have dropped an earlier form of one that was exact.
    pub(super) residual: Option<Arc<dyn PhysicalExpr>>,
    /// For each provider of keys, the expressions of its values; empty for a join.
    pub(super) late: Vec<Vec<Arc<dyn PhysicalExpr>>>,
}

impl Filters {
    /// The number of expressions.
    pub(super) fn count(&self) -> usize {
        let Self { predicate, residual, late } = self;
        predicate.iter().count() + residual.iter().count() + late.iter().map(Vec::len).sum::<usize>()
    }
}

impl ResolvedScan {
    pub(super) fn new(spec: ScanSpec, resource: Arc<Resource>, filters: Filters) -> Self {
        Self { spec: Arc::new(spec), resource, filters }
    }

    /// Returns the same scan with another spec.
    pub(super) fn with_spec(&self, spec: ScanSpec) -> Self {
        Self { spec: Arc::new(spec), ..self.clone() }
    }

    /// The full name of the table, whose first part is the account: `digitalocean.compute.images`.
    pub(super) fn table(&self) -> String {
        self.resource.to_string()
    }

    /// The requests of a call. For a list each of them stands for all of its pages.
    pub(super) fn requests(&self, call: &MethodCall) -> Vec<Request> {
        let method = self.method(call.method);
        let path = request_choice::path(&self.resource, method, &call.binding);
        let query_strings = request_choice::query_strings(method, self.spec.pins()).into_iter();
        query_strings.map(|query| Request::new(path.clone()).with_query(query)).collect()
    }

    /// The list that a call reads, or that has the row that a call reads.
    pub(super) fn list(&self, call: &MethodCall) -> ListId {
        ListId::of((self.table(), call.binding.without(self.resource.row_id())))
    }

    /// Adds the requests of a call to the ledger: of a list, the first page.
    pub(super) fn expect(&self, call: &MethodCall, ledger: &Ledger) {
        let list = self.list(call);
        self.requests(call).iter().for_each(|request| ledger.expect_requests(list, request.part(), 1));
    }

    /// The key of a call's list in the query's cache.
    pub(super) fn key(&self, call: &MethodCall) -> ListKey {
        let query_strings = request_choice::query_strings(self.method(call.method), self.spec.pins());
        ListKey { table: self.table().into(), call: call.clone(), query_strings }
    }

    pub(super) fn method(&self, at: usize) -> &Method {
        &self.resource.methods[at]
    }

    /// The index of a column in the decoded rows.
    pub(super) fn place(&self, name: &str) -> usize {
        let at = self.resource.planned_schema().index_of(name).expect("declarations name columns of their own");
        self.spec.columns().iter().position(|column| *column == at).expect("the spec reads what rows are checked by")
    }

    /// The values that columns of each decoded row must have, by the index of the column: the pinned columns whose
    /// value is not simply the path parameter, and the declared conditions that select the table's rows among others.
    pub(super) fn checks(&self, method: &Method) -> Vec<(usize, BTreeSet<Value>)> {
        let mut checks = Vec::new();
        for (column, values) in self.spec.pins().iter() {
            if !self.is_path_value(method, column) {
                checks.push((self.place(column), values.clone()));
            }
        }
        for (field, value) in &method.conditions {
            checks.push((self.place(field), BTreeSet::from([Value::Text(value.clone())])));
        }
        checks
    }

    /// Whether the value of a column is not in the method's response: it is the value in the request's path.
    fn is_path_value(&self, method: &Method, column: &str) -> bool {
        let is_parameter = self.resource.column(column).is_some_and(|column| column.source == ColumnSource::Parameter);
        let mut keys = method.path.parameters().map(|name| self.resource.canonical(name));
        is_parameter && keys.any(|key| key == column) && method.field_for(column).is_none()
    }

    /// The LIMIT of the scan, if every row of the method's lists passes, so that this number of rows is enough.
    pub(super) fn rows_wanted(&self, method: &Method) -> Option<usize> {
        let (Filters { predicate, residual, .. }, pins) = (&self.filters, self.spec.pins());
        let all_pass = predicate.is_none()
            && residual.is_none()
            && method.conditions.is_empty()
            && pins.iter().all(|(column, _)| is_fixed(&self.resource, method, pins, column));
        if all_pass && !self.spec.hints().kept { self.spec.fetch() } else { None }
    }
}
