//! An optimizer rule that makes operators yield to the runtime if they multiply rows.
//!
//! DataFusion's leaves yield to the runtime from time to time. That is enough if each batch of an operator needs a
//! batch of a leaf. But a cross join makes thousands of batches from one: `SELECT count(*) FROM range(1, 100000000)
//! CROSS JOIN range(1, 100000)` blocked its thread for minutes, and neither Ctrl-C nor the query's time limit had an
//! effect.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::unnest::UnnestExec;

/// Wraps the operators that may return more batches than they read: those with several inputs, and UNNEST.
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
