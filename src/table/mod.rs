//! DataFusion's side of a resource: tables, scans, joins, and EXEC.
//!
//! In the order in which a query meets them:
//!
//! | step | modules |
//! |---|---|
//! | tables of an account | [`Accounts`] (`account`), [`catalogs`] (`catalog`), [`ResourceTable`] (the `TableProvider`) |
//! | filters to key values | [`KeyConstraints`] (`key_constraints`) |
//! | key values to requests | `request_choice` |
//! | the plan of a scan | `scan_spec` (plain data), `resolved_scan` (with its declaration and expressions), `key_source` |
//! | the operator | [`ResourceScan`] (`scan`, the `ExecutionPlan`), `filter_into_scan`, `explain` |
//! | joins that supply keys | [`bind`], `chunk_keys`, `key_cast` (keys of another type) |
//! | what the plan around a scan means for it | `scan_hints`, `list_lengths` (for estimates) |
//! | execution | [`Run`] (`run`), `scan_calls`, `scan_stream`, `list_reader` (one complete list), `query_list_cache` |
//! | details of it | `distinct_lists`, `seen_ids`, `short_lists`, `page_memory`, `exact_count` (metrics) |
//! | plans as bytes | `expr_codec`, `filters_codec` |
//! | actions | [`exec`] |

mod account;
pub(crate) mod bind;
mod catalog;
mod chunk_keys;
mod distinct_lists;
mod exact_count;
pub mod exec;
mod explain;
mod expr_codec;
mod fault;
mod filter_into_scan;
mod filters_codec;
mod key_cast;
mod key_constraints;
mod key_source;
mod list_lengths;
mod list_reader;
mod page_memory;
mod query_list_cache;
mod request_choice;
mod resolved_scan;
mod run;
mod scan;
mod scan_calls;
mod scan_hints;
mod scan_spec;
mod scan_stream;
mod seen_ids;
mod short_lists;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::{collect_columns, conjunction_opt};
use datafusion::physical_plan::ExecutionPlan;
use futures::future::{BoxFuture, FutureExt, ready};

pub use account::{Account, Accounts};
pub use catalog::catalogs;
pub(crate) use expr_codec::ExprCodec;
pub use expr_codec::Unencodable;
pub use fault::{Fault, Lack};
pub(crate) use filter_into_scan::FiltersIntoScans;
pub use key_constraints::KeyConstraints;
use request_choice::{MethodCall, choose};
pub use run::Run;
use scan::ResourceScan;

use self::key_source::{KeyFallback, KeySource};
use self::request_choice::MAX_GETS;
use self::resolved_scan::{Filters, ResolvedScan};
use self::scan_spec::ScanSpec;
use crate::resource::{Resource, Value};

/// A resource as a table: implements DataFusion's `TableProvider`.
#[derive(Debug)]
pub struct ResourceTable {
    resource: Arc<Resource>,
    parent: Option<Arc<Resource>>,
}

impl ResourceTable {
    /// The table of a resource in the account that has the name of the resource's catalog. `parent` is the parent that
    /// the resource declares.
    pub fn new(resource: Arc<Resource>, parent: Option<Arc<Resource>>) -> Self {
        Self { resource, parent }
    }

    /// Whether the declaration says that a column is never NULL. The schema of plans does not, see ARCHITECTURE.md.
    pub fn is_never_null(&self, column: &str) -> bool {
        self.resource.arrow_schema().field_with_name(column).is_ok_and(|field| !field.is_nullable())
    }

    /// Whether no two rows have the same value in a column. In a table with a parent, rows of different parents may
    /// have the same id.
    pub fn is_unique(&self, column: &str) -> bool {
        self.resource.row_id() == column && self.resource.parent.is_none()
    }

    /// Whether the calls work without the table's path parameter, so that a join may still supply it.
    fn a_join_may_restrict(&self, calls: &[MethodCall]) -> bool {
        calls.first().is_some_and(|call| !self.resource.methods[call.method].columns_from.is_empty())
    }

    /// The conjunction of filters, as one expression over the resource's schema.
    fn residual<'a>(
        &self,
        state: &dyn Session,
        filters: impl Iterator<Item = &'a Expr>,
    ) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let schema = DFSchema::try_from(self.resource.planned_schema().as_ref().clone())?;
        let mut conjuncts = Vec::new();
        for filter in filters {
            // The resource's schema has no table aliases.
            let unqualified = filter.clone().transform(|expr| {
                Ok(match expr {
                    Expr::Column(column) => Transformed::yes(Expr::Column(column.name.into())),
                    other => Transformed::no(other),
                })
            });
            conjuncts.push(state.create_physical_expr(unqualified.data()?, &schema)?);
        }
        Ok(conjunction_opt(conjuncts))
    }

    /// The scan of the parent, whose rows supply the keys if nothing else does. `None` if it cannot be made.
    fn scan_of_parent(&self) -> Option<ResourceScan> {
        let (declared, table) = (self.resource.parent.as_ref()?, self.parent.as_ref()?);
        let mut pins = KeyConstraints::none();
        for (column, text) in &declared.conditions {
            let value = Value::parse(text, &table.column(column)?.data_type)?;
            pins = pins.with(column, BTreeSet::from([value]));
        }
        let place = |(_, column): &(String, String)| table.planned_schema().index_of(column).ok();
        let projection = declared.keys.iter().map(place).collect::<Option<Vec<_>>>()?;
        let keys = KeySource::Known(choose(table, &pins).ok()?);
        let spec = ScanSpec::new(table, pins, projection, keys);
        ResourceScan::try_new(ResolvedScan::new(spec, Arc::clone(table), Filters::default()), None).ok()
    }

    /// The source of a scan's keys, as far as the filters decide, and the parent's scan if it may supply them.
    fn keys(&self, pins: &KeyConstraints) -> (KeySource, Option<Arc<dyn ExecutionPlan>>) {
        match choose(&self.resource, pins) {
            Ok(calls) if calls.len() > MAX_GETS && self.a_join_may_restrict(&calls) => {
                (KeySource::Wanted(KeyFallback::Calls(calls)), None)
            }
            Ok(calls) => (KeySource::Known(calls), None),
            Err(_) => match self.resource.parent.as_ref().zip(self.scan_of_parent()) {
                Some((parent, scan)) => {
                    let columns = parent.keys.iter().map(|(column, _)| column.clone()).collect();
                    (KeySource::Wanted(KeyFallback::Parent { columns }), Some(Arc::new(scan)))
                }
                None => (KeySource::Wanted(KeyFallback::Nothing), None),
            },
        }
    }
}

impl TableProvider for ResourceTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.resource.planned_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Exact for a filter that only restricts key columns to sets of values: the scan checks these row by row. Inexact
    /// for a filter that restricts key columns, and is more than that: it helps to choose the requests. All other
    /// filters reach the scan as physical expressions.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| {
            let pins = KeyConstraints::of(&self.resource, [*filter]);
            match (pins.is_empty(), pins.is_exact()) {
                (true, _) => TableProviderFilterPushDown::Unsupported,
                (false, true) => TableProviderFilterPushDown::Exact,
                (false, false) => TableProviderFilterPushDown::Inexact,
            }
        };
        Ok(filters.iter().map(support).collect())
    }

    // Not an `async fn`: the compiler would prove again that an expression is `Send`, see `engine::SharedSession`.
    fn scan<'a, 'b, 'c, 'd, 'e>(
        &'a self,
        state: &'b dyn Session,
        projection: Option<&'c Vec<usize>>,
        filters: &'d [Expr],
        limit: Option<usize>,
    ) -> BoxFuture<'e, Result<Arc<dyn ExecutionPlan>>>
    where
        'a: 'e,
        'b: 'e,
        'c: 'e,
        'd: 'e,
        Self: 'e,
    {
        ready(self.planned_scan(state, projection, filters, limit)).boxed()
    }
}

impl ResourceTable {
    fn planned_scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all_columns = || (0..self.resource.planned_schema().fields().len()).collect();
        let projection = projection.cloned().unwrap_or_else(all_columns);
        let pins_of_filters: Vec<KeyConstraints> =
            filters.iter().map(|filter| KeyConstraints::of(&self.resource, [filter])).collect();
        let inexact = filters.iter().zip(&pins_of_filters).filter(|(_, pins)| !pins.is_exact());
        let residual = self.residual(state, inexact.map(|(filter, _)| filter))?;
        let pins = KeyConstraints::all(pins_of_filters);
        let (keys, parent) = self.keys(&pins);
        let checked = residual.iter().flat_map(collect_columns).map(|column| column.index()).collect();
        let spec = ScanSpec::new(&self.resource, pins, projection, keys).with_fetch(limit).reading_too(&checked);
        let filters = Filters { residual, ..Filters::default() };
        Ok(Arc::new(ResourceScan::try_new(ResolvedScan::new(spec, Arc::clone(&self.resource), filters), parent)?))
    }
}

/// Whether an operator waits for requests to the API rather than computes: a scan, a call, a bind join.
pub fn waits_for_requests(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<ResourceScan>() || exec::is_call(plan) || bind::is_bind_join(plan)
}
