//! What a scan reads, and what of it: the part of a plan that both planning and running look at.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::physical_expr::PhysicalExpr;

use super::Pins;
use super::access::{self, Call, is_fixed};
use super::hints::Hints;
use super::memo::Key;
use crate::api::Request;
use crate::resource::{Method, Resource, Source, Value};

/// What a scan reads.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) resource: Arc<Resource>,
    pub(super) pins: Pins,
    /// Places in the resource's schema, in the order of the scan's own.
    pub(super) projection: Vec<usize>,
    /// The places that are read: those of the projection, what rows are checked by, and whatever other scans need
    /// that read along.
    pub(super) columns: Vec<usize>,
    /// Over the projection.
    pub(super) predicate: Option<Arc<dyn PhysicalExpr>>,
    /// Over the resource's schema: filters that are more than pins. DataFusion may have taken an earlier form of one for
    /// exact and dropped it, so the scan does not rely on anybody else to check them.
    pub(super) residual: Option<Arc<dyn PhysicalExpr>>,
    /// Exactly so many rows at most.
    pub(super) fetch: Option<usize>,
    pub(super) hints: Hints,
}

impl Reading {
    pub(super) fn new(resource: Arc<Resource>, pins: Pins, projection: Vec<usize>) -> Self {
        let columns = projection.clone();
        let mut reading = Self {
            resource,
            pins,
            projection,
            columns,
            predicate: None,
            residual: None,
            fetch: None,
            hints: Hints::default(),
        };
        reading.read_too(&reading.needed());
        reading
    }

    /// The name of the account that it asks.
    pub(super) fn account(&self) -> &str {
        &self.resource.catalog
    }

    /// `digitalocean.compute.images`, with the account's own name.
    pub(super) fn table(&self) -> String {
        self.resource.to_string()
    }

    /// The requests, or lists, that a call is.
    pub(super) fn requests(&self, call: &Call) -> Vec<Request> {
        let method = self.method(call.method);
        let path = access::path(&self.resource, method, &call.binding);
        let queries = access::queries(method, &self.pins).into_iter();
        queries.map(|query| Request::new(path.clone()).with_query(query)).collect()
    }

    /// What tells a call's list from all others of a query.
    pub(super) fn key(&self, call: &Call) -> Key {
        let queries = access::queries(self.method(call.method), &self.pins);
        Key { table: self.table().into(), call: call.clone(), queries }
    }

    pub(super) fn method(&self, at: usize) -> &Method {
        &self.resource.methods[at]
    }

    /// Reads these columns of the resource as well.
    pub(super) fn read_too(&mut self, columns: &BTreeSet<usize>) {
        self.columns.extend(columns.iter().filter(|column| !self.projection.contains(column)));
        self.columns.sort_unstable();
        self.columns.dedup();
    }

    /// The columns that rows are told apart or checked by, whatever is selected.
    fn needed(&self) -> BTreeSet<usize> {
        let own = &self.resource;
        let only = own.methods.iter().flat_map(|method| method.only.iter().map(|(field, _)| field.as_str()));
        let pinned = self.pins.iter().map(|(column, _)| column);
        let gets = own.methods.iter().filter(|method| method.is_get());
        let in_path = gets.flat_map(|method| method.path.parameters()).map(|name| own.canonical(name));
        let in_path = in_path.filter(|name| own.column(name).is_some_and(|column| column.source == Source::Field));
        let names = only.chain(pinned).chain(in_path).chain([own.row_id()]);
        names.map(|name| own.planned_schema().index_of(name).expect("declarations name columns of their own")).collect()
    }

    /// Where a column of the resource stands in what is read.
    pub(super) fn place(&self, name: &str) -> usize {
        let at = self.resource.planned_schema().index_of(name).expect("declarations name columns of their own");
        self.columns.iter().position(|column| *column == at).expect("`needed` has it")
    }

    /// What each row of a method's answers is held to: the pinned columns that the request does not fix, and what
    /// tells the table's own rows from others.
    pub(super) fn checks(&self, method: &Method) -> Vec<(usize, BTreeSet<Value>)> {
        let in_path = |column: &str| {
            let mut keys = method.path.parameters().map(|name| self.resource.canonical(name));
            keys.any(|key| key == column) && method.gives(column).is_none()
        };
        let is_parameter = |column: &str| {
            let source = self.resource.column(column).map(|column| &column.source);
            source == Some(&Source::Parameter)
        };
        let pinned = self.pins.iter().filter(|(column, _)| !(is_parameter(column) && in_path(column)));
        let pinned = pinned.map(|(column, values)| (self.place(column), values.clone()));
        let only = method.only.iter().map(|(field, value)| (field, BTreeSet::from([Value::Text(value.clone())])));
        pinned.chain(only.map(|(field, values)| (self.place(field), values))).collect()
    }

    /// How many rows of a list are enough, where all of them pass.
    pub(super) fn rows_wanted(&self, method: &Method) -> Option<usize> {
        let all_pass = self.predicate.is_none() && self.residual.is_none() && method.only.is_empty() && {
            let mut pinned = self.pins.iter();
            pinned.all(|(column, _)| is_fixed(&self.resource, method, &self.pins, column))
        };
        if all_pass && !self.hints.kept { self.fetch } else { None }
    }
}
