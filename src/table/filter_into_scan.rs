//! The optimizer rule that pushes a filter into the scan below it.
//!
//! DataFusion's rule also pushes filters through joins, and looks their columns up by name: if both sides have a column
//! with that name, a condition on one of them is checked on the other (apache/datafusion issues 25244, 25296). The
//! rules of the logical plan have pushed each condition down to its table before, so this rule only handles a filter
//! right above a scan.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;

use super::ResourceScan;

/// Moves the predicate of a `FilterExec` into the scan right below it: of a resource, or of files. A scan of Parquet files
/// leaves out row groups by it, and the filter stays.
#[derive(Debug)]
pub(crate) struct FiltersIntoScans;

impl PhysicalOptimizerRule for FiltersIntoScans {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| match node.downcast_ref::<FilterExec>() {
            Some(filter) if filter.input().is::<ResourceScan>() || filter.input().is::<DataSourceExec>() => {
                FilterPushdown::new().optimize(node, config).map(Transformed::yes)
            }
            _ => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "FiltersIntoScans"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
