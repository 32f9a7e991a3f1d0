//! The rule that takes a filter into the scan below it.
//!
//! DataFusion's own rule takes filters through joins as well, and looks their columns up by name: where both sides have
//! a column of that name, a condition on one of them is checked on the other (apache/datafusion issues 25244, 25296).
//! By then the logical plan's rules have already taken each condition down to its table, so this one only looks at a
//! filter that stands right above a scan.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;

use super::ResourceScan;

/// Has scans check what a `FilterExec` right above them checks.
#[derive(Debug)]
pub(crate) struct FiltersIntoScans;

impl PhysicalOptimizerRule for FiltersIntoScans {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| match node.downcast_ref::<FilterExec>() {
            Some(filter) if filter.input().is::<ResourceScan>() => {
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
