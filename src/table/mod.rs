//! DataFusion's side of a resource.

mod catalog;

pub use catalog::catalogs;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

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
        Arc::clone(self.resource.arrow_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let _ = &self.client;
        datafusion::common::not_impl_err!("the scan is being written")
    }
}
