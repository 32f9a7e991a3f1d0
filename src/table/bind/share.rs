//! Which lists are kept, because the plan reads them more than once: in two scans, or in every chunk of a join.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;

use super::BindJoinExec;
use crate::table::ResourceScan;
use crate::table::access::Call;

/// What the scans of one table have in common.
#[derive(Default)]
struct Table {
    /// The columns that one of them reads.
    columns: BTreeSet<usize>,
    calls: HashSet<Call>,
    /// Scans whose calls show only when they run.
    unknown: usize,
    scans: usize,
    again: bool,
}

/// The plan with its scans told what they read for others, and whether it is kept.
pub(super) fn share(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let mut tables: HashMap<String, Table> = HashMap::new();
    collect(&plan, false, &mut tables);
    let shared = plan.transform_down(|node| {
        let Some(scan) = node.downcast_ref::<ResourceScan>() else { return Ok(Transformed::no(node)) };
        let mut reading = scan.reading.clone();
        let Some(table) = tables.get(&reading.table()).filter(|table| table.again) else {
            return Ok(Transformed::no(node));
        };
        reading.read_too(&table.columns);
        reading.kept = true;
        reading.alone = table.scans == 1;
        Ok(Transformed::yes(Arc::new(scan.with_reading(reading)) as _))
    });
    shared.data()
}

/// `repeated`: whether this part of the plan runs more than once.
fn collect(plan: &Arc<dyn ExecutionPlan>, repeated: bool, tables: &mut HashMap<String, Table>) {
    if let Some(scan) = plan.downcast_ref::<ResourceScan>() {
        tables.entry(scan.reading.table()).or_default().add(scan, repeated);
    }
    let bound = plan.downcast_ref::<BindJoinExec>().map(BindJoinExec::bound);
    for child in plan.children() {
        let is_bound = bound.is_some_and(|bound| Arc::ptr_eq(bound, child));
        collect(child, repeated || is_bound || plan.is::<RecursiveQueryExec>(), tables);
    }
}

impl Table {
    fn add(&mut self, scan: &ResourceScan, repeated: bool) {
        self.columns.extend(&scan.reading.columns);
        self.scans += 1;
        match scan.known_calls() {
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
