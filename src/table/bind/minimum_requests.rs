//! The minimum number of requests of a plan.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;

use super::BindJoinExec;
use super::early_stop::reads_left_side_first;
use crate::table::resolved_scan::ResolvedScan;
use crate::table::{MethodCall, ResourceScan};

/// A lower bound on the number of requests, known before the plan runs: one for each list or row that the statement
/// names. Scans that a LIMIT may stop, and sides of a join that may never be read, count as 0.
pub(crate) fn least_requests(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let mut counted = HashSet::new();
    sure(plan, &mut counted)
}

/// The requests that the plan is sure to send, apart from those for calls that are counted already: a list that is read
/// twice is fetched once.
fn sure(plan: &Arc<dyn ExecutionPlan>, counted: &mut HashSet<(String, MethodCall)>) -> usize {
    let scan = plan.downcast_ref::<ResourceScan>().map(|scan| &scan.reading);
    let to_the_end = scan.filter(|reading| !reading.spec.hints().limited && reading.spec.fetch().is_none());
    let mut own = 0;
    for call in plan.downcast_ref::<ResourceScan>().and_then(|scan| scan.keys().calls()).unwrap_or_default() {
        let new = |reading: &&ResolvedScan| counted.insert((reading.table(), call.clone()));
        own += to_the_end.filter(new).map_or(0, |reading| reading.method(call.method).union.len());
    }
    // A join may not read its second side: the first one may be empty.
    let is_join = plan.is::<BindJoinExec>() || reads_left_side_first(plan);
    let children = plan.children().into_iter().take(if is_join { 1 } else { usize::MAX });
    own + children.map(|child| sure(child, counted)).sum::<usize>()
}
