//! DataFusion's side of a resource.
//!
//! - [`ResourceTable`]: the `TableProvider`; from filters to a plan, nothing is sent.
//! - [`ResourceScan`]: the `ExecutionPlan`; reads.
//! - [`Pins`] (`pins`): filters to key values. `access`: key values to requests. Both pure.
//! - `stream`, `list`, `ids`: an execution; a list that is complete; the ids seen of it.
//! - [`catalogs`]: where the tables are found.
//! - [`exec`]: the procedures of a resource, called once.

mod access;
mod catalog;
pub mod exec;
mod fault;
mod ids;
mod list;
pub mod pins;
mod scan;
mod stream;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

pub use access::{Access, choose};
pub use catalog::catalogs;
pub use fault::Fault;
pub use pins::Pins;
pub use scan::ResourceScan;

use crate::api::Client;
use crate::resource::Resource;

/// A resource as a table of DataFusion's.
#[derive(Debug)]
pub struct ResourceTable {
    resource: Arc<Resource>,
    client: Client,
}

impl ResourceTable {
    /// A table of `resource`, read with `client`.
    pub fn new(resource: Arc<Resource>, client: Client) -> Self {
        Self { resource, client }
    }
}

#[async_trait]
impl TableProvider for ResourceTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.resource.planned_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Exact for what is nothing but a set of keys, which the scan checks row by row. A filter that
    /// also pins keys helps to choose the requests; the others come as physical expressions.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| {
            let pins = Pins::of(&self.resource, [*filter]);
            match (pins.iter().next(), pins.is_exact()) {
                (None, _) => TableProviderFilterPushDown::Unsupported,
                (Some(_), true) => TableProviderFilterPushDown::Exact,
                (Some(_), false) => TableProviderFilterPushDown::Inexact,
            }
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.resource.planned_schema();
        let projection = projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect());
        let pins = Pins::of(&self.resource, filters);
        let access = choose(&self.resource, &pins).map_err(fault::to_datafusion)?;
        let schema = Arc::new(schema.project(&projection)?);
        let (resource, client) = (Arc::clone(&self.resource), self.client.clone());
        let plan = stream::Plan { resource, client, access, pins, projection, predicate: None, fetch: limit };
        Ok(Arc::new(ResourceScan::new(plan, schema)))
    }
}
