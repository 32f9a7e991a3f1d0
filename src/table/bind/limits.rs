//! Which joins and scans a LIMIT above may end soon: they start small. And what scans take, by what lists had when they
//! were last read.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::{EmissionType, replace_children_if_necessary};
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;

use super::BindJoinExec;
use crate::api::PER_PAGE;
use crate::table::fault::to_datafusion;
use crate::table::reading::Expected;
use crate::table::{Accounts, ResourceScan};

/// Tells bind joins and scans whether somebody above may stop before the end, and what their lists had when they were
/// last read. Runs last.
#[derive(Debug)]
pub(crate) struct Limits {
    accounts: Arc<Accounts>,
}

impl Limits {
    /// The rule, for the accounts whose lists are asked for.
    pub(crate) fn new(accounts: Arc<Accounts>) -> Self {
        Self { accounts }
    }
}

impl PhysicalOptimizerRule for Limits {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        self.told(plan, None)
    }

    fn name(&self) -> &str {
        "Limits"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

impl Limits {
    /// `limited`: how many rows are enough for whoever stops early above, if anybody does.
    fn told(&self, plan: Arc<dyn ExecutionPlan>, limited: Option<usize>) -> Result<Arc<dyn ExecutionPlan>> {
        let limited = passes_on(&plan, limited);
        let mut children = Vec::new();
        for (at, child) in plan.children().into_iter().enumerate() {
            children.push(self.told(Arc::clone(child), limited.filter(|_| follows(&plan, at)))?);
        }
        let plan = replace_children_if_necessary(plan, children)?;
        if let Some(join) = plan.downcast_ref::<BindJoinExec>() {
            return Ok(Arc::new(join.limited(limited).with_keys_expected()?));
        }
        if let Some(scan) = plan.downcast_ref::<ResourceScan>() {
            let mut reading = scan.reading.clone();
            reading.limited = limited.is_some();
            reading.expected = self.expected(scan)?;
            return Ok(Arc::new(scan.with_reading(reading)));
        }
        Ok(plan)
    }

    /// `None` where one of its lists was never read.
    fn expected(&self, scan: &ResourceScan) -> Result<Option<Expected>> {
        let (reading, Some(calls)) = (&scan.reading, scan.known_calls()) else { return Ok(None) };
        let account = self.accounts.named(reading.account()).map_err(to_datafusion)?;
        let mut all = Expected { requests: 0, rows: 0 };
        for call in calls {
            let is_list = !reading.method(call.method).is_get();
            for request in reading.requests(call) {
                let Some(rows) = (if is_list { account.totals.of(&request) } else { Some(1) }) else { return Ok(None) };
                all.rows += rows;
                all.requests += rows.div_ceil(PER_PAGE as u64).max(1);
            }
        }
        Ok(Some(all))
    }
}

/// Whether an operator stops when it has enough, or hands on that those above it do. One that needs all of its
/// input before its first row does neither; an aggregate of which any few groups are enough does.
fn passes_on(plan: &Arc<dyn ExecutionPlan>, limited: Option<usize>) -> Option<usize> {
    let groups = plan.downcast_ref::<AggregateExec>().and_then(AggregateExec::limit_options);
    if let Some(groups) = groups.filter(|groups| groups.descending().is_none()) {
        return Some(groups.limit());
    }
    let needs_all = plan.is::<SortExec>() || plan.properties().emission_type == EmissionType::Final;
    let own = match plan.downcast_ref::<GlobalLimitExec>() {
        Some(limit) => limit.fetch().map(|rows| rows + limit.skip()),
        None => plan.fetch(),
    };
    if needs_all { None } else { own.or(limited) }
}

/// Whether a child is read only as far as rows are wanted.
fn follows(plan: &Arc<dyn ExecutionPlan>, child: usize) -> bool {
    !reads_left_side_first(plan) || child == 1
}

/// The joins that hold their left side in memory before they read the right one.
pub(super) fn reads_left_side_first(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<HashJoinExec>() || plan.is::<NestedLoopJoinExec>() || plan.is::<CrossJoinExec>()
}
