//! The minimum number of requests of a plan.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;

use super::BindJoinExec;
use super::early_stop::reads_left_side_first;
use crate::table::{MethodCall, ResourceScan};

/// A lower bound on the number of requests, known before the plan runs: one for each list or row that the statement
/// names. Scans that a LIMIT may stop, and sides of a join that may never be read, count as 0.
pub(crate) fn least_requests(plan: &Arc<dyn ExecutionPlan>) -> usize {
    count(plan, &mut HashSet::new())
}

/// The requests that the plan is sure to send, apart from those for calls that are counted already: a list that is read
/// twice is fetched once.
fn count(plan: &Arc<dyn ExecutionPlan>, counted: &mut HashSet<(String, MethodCall)>) -> usize {
    let mut requests = 0;
    if let Some(scan) = plan.downcast_ref::<ResourceScan>()
        && !scan.resolved.spec.may_end_early()
    {
        for call in scan.keys().calls().unwrap_or_default() {
            if counted.insert((scan.resolved.table(), call.clone())) {
                requests += scan.resolved.method(call.method).union.len();
            }
        }
    }
    // A join may not read its second side: the first one may be empty.
    let is_join = plan.is::<BindJoinExec>() || reads_left_side_first(plan);
    let children = plan.children().into_iter().take(if is_join { 1 } else { usize::MAX });
    requests + children.map(|child| count(child, counted)).sum::<usize>()
}
