//! Which joins and scans a LIMIT above may end soon: they start small.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{EmissionType, replace_children_if_necessary};
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::sorts::sort::SortExec;

use super::BindJoinExec;
use crate::table::ResourceScan;

/// Tells bind joins and scans whether somebody above may stop before the end. Runs last.
#[derive(Debug)]
pub(crate) struct Limits;

impl PhysicalOptimizerRule for Limits {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        told(plan, false)
    }

    fn name(&self) -> &str {
        "Limits"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn told(plan: Arc<dyn ExecutionPlan>, limited: bool) -> Result<Arc<dyn ExecutionPlan>> {
    let limited = passes_on(&plan, limited);
    let mut children = Vec::new();
    for (at, child) in plan.children().into_iter().enumerate() {
        children.push(told(Arc::clone(child), limited && follows(&plan, at))?);
    }
    let plan = replace_children_if_necessary(plan, children)?;
    if let Some(join) = plan.downcast_ref::<BindJoinExec>() {
        return Ok(Arc::new(join.limited(limited)));
    }
    if let Some(scan) = plan.downcast_ref::<ResourceScan>() {
        let mut reading = scan.reading.clone();
        reading.limited = limited;
        return Ok(Arc::new(scan.with_reading(reading)));
    }
    Ok(plan)
}

/// Whether an operator stops when it has enough, or hands on that those above it do. One that needs all of its
/// input before its first row does neither.
fn passes_on(plan: &Arc<dyn ExecutionPlan>, limited: bool) -> bool {
    let needs_all = plan.is::<SortExec>() || plan.properties().emission_type == EmissionType::Final;
    !needs_all && (limited || plan.fetch().is_some())
}

/// Whether a child is read only as far as rows are wanted. A hash join reads its left side whole, and a bind join asks
/// for a chunk of keys whole.
fn follows(plan: &Arc<dyn ExecutionPlan>, child: usize) -> bool {
    match () {
        () if reads_left_side_first(plan) => child == 1,
        () if plan.is::<BindJoinExec>() => child == 0,
        () => true,
    }
}

/// The joins that hold their left side in memory before they read the right one.
pub(super) fn reads_left_side_first(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<HashJoinExec>() || plan.is::<NestedLoopJoinExec>() || plan.is::<CrossJoinExec>()
}
