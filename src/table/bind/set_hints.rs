//! The last rule over a physical plan: sets each scan's [`Hints`] (LIMIT above, shared lists, expected keys and
//! requests).
//!
//! No earlier rule reads the hints, so no rule has to preserve them. One top-down pass: the nearest LIMIT comes from
//! above (`early_stop`); the driving side of a join is visited before the bound side, so its row estimate is known
//! there; the tables that are read more than once are collected first (`shared_lists`).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;

use super::BindJoinExec;
use super::early_stop::{rows_wanted_above, stops_with_parent};
use super::shared_lists::TableUses;
use crate::api::PER_PAGE;
use crate::table::explain::rows_expected;
use crate::table::fault::to_datafusion;
use crate::table::scan_hints::{Expected, Hints};
use crate::table::{Accounts, ResourceScan};

/// Sets the hints of scans, and the row count of the nearest LIMIT above each bind join.
#[derive(Debug)]
pub(crate) struct SetHints {
    accounts: Arc<Accounts>,
}

impl SetHints {
    /// `accounts` have the lengths that lists had when they were last read, for estimates.
    pub(crate) fn new(accounts: Arc<Accounts>) -> Self {
        Self { accounts }
    }
}

impl PhysicalOptimizerRule for SetHints {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let tables = TableUses::of(&plan);
        Pass { accounts: &self.accounts, tables, keys: HashMap::new() }.hinted(plan, None)
    }

    fn name(&self) -> &str {
        "SetHints"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// One pass over a plan.
struct Pass<'a> {
    accounts: &'a Accounts,
    tables: TableUses,
    /// The expected number of keys of each bind join, by its number.
    keys: HashMap<usize, u64>,
}

impl Pass<'_> {
    /// `limited` is the row count after which the operators above may stop, if they may.
    fn hinted(&mut self, plan: Arc<dyn ExecutionPlan>, limited: Option<usize>) -> Result<Arc<dyn ExecutionPlan>> {
        let limited = rows_wanted_above(&plan, limited);
        let join = plan.downcast_ref::<BindJoinExec>();
        let mut children: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        for (at, child) in plan.children().into_iter().enumerate() {
            if let (Some(join), Some(driving)) = (join, children.first()) {
                self.keys.extend(rows_expected(driving).map(|rows| (join.spec().number, rows)));
            }
            children.push(self.hinted(Arc::clone(child), limited.filter(|_| stops_with_parent(&plan, at)))?);
        }
        let plan = replace_children_if_necessary(plan, children)?;
        if let Some(join) = plan.downcast_ref::<BindJoinExec>() {
            return Ok(Arc::new(join.limited(limited)));
        }
        match plan.downcast_ref::<ResourceScan>() {
            Some(scan) => Ok(Arc::new(self.hinted_scan(scan, limited.is_some())?)),
            None => Ok(plan),
        }
    }

    fn hinted_scan(&self, scan: &ResourceScan, limited: bool) -> Result<ResourceScan> {
        let shared = self.tables.shared(&scan.resolved.table());
        let hints = Hints {
            limited,
            kept: shared.is_some(),
            keys_expected: scan.keys().joins().filter_map(|join| self.keys.get(&join).copied()).min(),
            expected: self.expected(scan)?,
        };
        Ok(scan.hinted(hints, shared.map_or(&BTreeSet::new(), |table| &table.columns)))
    }

    /// The expected requests and rows of a scan; `None` if one of its lists was never read.
    fn expected(&self, scan: &ResourceScan) -> Result<Option<Expected>> {
        let (resolved, Some(calls)) = (&scan.resolved, scan.keys().calls()) else { return Ok(None) };
        let account = self.accounts.named(resolved.spec.account()).map_err(to_datafusion)?;
        let mut all = Expected { requests: 0, rows: 0 };
        for call in calls {
            let is_list = !resolved.method(call.method).is_get();
            for request in resolved.requests(call) {
                let Some(rows) = (if is_list { account.list_lengths.of(&request) } else { Some(1) }) else {
                    return Ok(None);
                };
                all.rows += rows;
                all.requests += rows.div_ceil(PER_PAGE as u64).max(1);
            }
        }
        Ok(Some(all))
    }
}
