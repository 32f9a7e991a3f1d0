//! Finds the tables that a plan reads more than once: in two scans, or in a subplan that runs once per chunk of a join.
//! Their lists are cached for the query, and each of their scans reads the columns that any of them needs.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;

use super::BindJoinExec;
use crate::table::ResourceScan;
use crate::table::request_choice::MethodCall;

/// The tables that a plan reads, by name.
#[derive(Default)]
pub(super) struct TableUses(HashMap<String, TableUse>);

/// The scans of one table.
#[derive(Default)]
pub(super) struct TableUse {
    /// The columns that any of them reads.
    pub(super) columns: BTreeSet<usize>,
    scans: usize,
    /// The calls that are known before the plan runs.
    calls: HashSet<MethodCall>,
    /// The number of scans whose calls are known only when they run. Any other scan of the table may make the same
    /// calls.
    unknown: usize,
    /// Whether a list may be read more than once.
    again: bool,
}

impl TableUses {
    /// The tables of a plan.
    pub(super) fn of(plan: &Arc<dyn ExecutionPlan>) -> Self {
        let mut tables = Self::default();
        tables.collect(plan, false);
        tables
    }

    /// The scans of a table, if its lists may be read more than once.
    pub(super) fn shared(&self, table: &str) -> Option<&TableUse> {
        self.0.get(table).filter(|table| table.again)
    }

    /// Adds the scans of a plan. `repeated` is whether this part of the plan runs more than once.
    fn collect(&mut self, plan: &Arc<dyn ExecutionPlan>, repeated: bool) {
        if let Some(scan) = plan.downcast_ref::<ResourceScan>() {
            self.0.entry(scan.resolved.table()).or_default().add(scan, repeated);
        }
        let bound = plan.downcast_ref::<BindJoinExec>().map(BindJoinExec::bound);
        for child in plan.children() {
            let is_bound = bound.is_some_and(|bound| Arc::ptr_eq(bound, child));
            self.collect(child, repeated || is_bound || plan.is::<RecursiveQueryExec>());
        }
    }
}

impl TableUse {
    fn add(&mut self, scan: &ResourceScan, repeated: bool) {
        self.columns.extend(scan.resolved.spec.columns());
        self.scans += 1;
        match scan.keys().calls() {
            Some(calls) => {
                for call in calls {
                    self.again |= !self.calls.insert(call.clone());
                }
            }
            None => self.unknown += 1,
        }
        self.again |= repeated || (self.unknown > 0 && self.scans > 1);
    }
}
