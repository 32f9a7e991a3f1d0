//! Plans that let go: a rule that puts a pause into every operator that makes many rows of few.
//!
//! DataFusion has its leaves yield to the runtime now and then, which is enough where every batch that is made
//! takes one from a leaf. A cross join makes thousands of each: `SELECT count(*) FROM range(1, 100000000) CROSS
//! JOIN range(1, 100000)` kept its thread for minutes, and neither Ctrl-C nor the query's time limit got through.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::unnest::UnnestExec;

/// Wraps what may make more batches than it takes: whatever has several inputs, and UNNEST.
#[derive(Debug)]
pub(super) struct YieldWhereRowsMultiply;

impl PhysicalOptimizerRule for YieldWhereRowsMultiply {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let multiplies = node.children().len() > 1 || node.is::<UnnestExec>();
            Ok(if multiplies {
                Transformed::yes(Arc::new(CooperativeExec::new(node)) as _)
            } else {
                Transformed::no(node)
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "YieldWhereRowsMultiply"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
