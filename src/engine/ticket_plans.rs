//! The plans of tickets: GetFlightInfo makes a physical plan, and the DoGet that follows runs it.
//!
//! ```text
//!     GetFlightInfo ── keep ──► WaitingPlans, oldest first ── take ──► DoGet
//!                                     │
//!                                     └── dropped after 60 to 120 s (drop_expired), or as the oldest of more than 64
//! ```
//!
//! A ticket contains the statement and the bound row, so any replica can serve it by planning again; a plan is kept
//! here only to save that work. A physical plan runs once: its operators keep state. So `take` removes it, and a second
//! DoGet of the same ticket plans again.
//!
//! What must hold: a plan that depends on the time, or that is large, is never kept, and a plan is returned only to the
//! identity that it was made for, in a session with the same options.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arrow::array::RecordBatch;
use datafusion::physical_plan::ExecutionPlan;
use tokio::time::{Instant, sleep};

use super::plan_threads::DroppedOnPlanThread;
use super::planned_statements::{PlanValidity, PlannedStatement};
use crate::query::{Identity, Query, SessionOptions, SessionScope};

/// The minimum time that a plan is kept. The maximum is twice that. Clients send DoGet at once.
const MIN_LIFE: Duration = Duration::from_secs(60);

/// The maximum number of plans that are kept.
const MAX_PLANS: usize = 64;

/// The maximum size of a statement's text, and of its bound row, for its plan to be kept.
const MAX_STATEMENT_BYTES: usize = 64 << 10;

/// The maximum size of a plan that is kept.
const MAX_PLAN_BYTES: usize = 1 << 20;

/// Identifies the plan of a ticket: a statement and its bound row.
pub(super) struct TicketKey<'a> {
    pub(super) query: &'a Query,
    pub(super) bound: Option<&'a RecordBatch>,
}

/// A plan that is ready to be executed.
pub(super) struct ReadyPlan {
    pub(super) plan: Arc<dyn ExecutionPlan>,
    /// The size of the optimized logical plan, roughly. It stands for the physical plan's size, which is not known
    /// before it runs.
    pub(super) bytes: usize,
}

/// One plan for each bound row, or one plan if the statement has no parameters.
pub(super) type RowPlans = Vec<ReadyPlan>;

/// The plans that wait for their DoGet.
#[derive(Default)]
pub(super) struct Tickets(Arc<Mutex<WaitingPlans>>);

#[derive(Default)]
struct WaitingPlans {
    /// Oldest first.
    plans: VecDeque<KeptPlans>,
    /// Whether a task is running that drops expired plans.
    has_dropper: bool,
}

struct KeptPlans {
    identity: Identity,
    session: SessionOptions,
    scope: Option<SessionScope>,
    text: Arc<str>,
    bound: Option<RecordBatch>,
    statement: Arc<PlannedStatement>,
    plans: DroppedOnPlanThread<RowPlans>,
    expires: Instant,
}

impl KeptPlans {
    fn matches(&self, key: &TicketKey) -> bool {
        self.identity == key.query.principal().identity
            && self.session == key.query.principal().session.of_plans()
            && self.scope == key.query.principal().scope
            && self.text == *key.query.text()
            && same_values(self.bound.as_ref(), key.bound)
    }
}

/// Whether two bound batches have the same values, by position. The names of the columns are the client's, and do not
/// count.
fn same_values(one: Option<&RecordBatch>, other: Option<&RecordBatch>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.num_rows() == other.num_rows() && one.columns() == other.columns(),
        (one, other) => one.is_none() && other.is_none(),
    }
}

impl Tickets {
    /// Keeps the plan of a ticket. Plans that are large, depend on the time, or are for several rows are not kept.
    pub(super) fn keep(&self, key: &TicketKey, statement: &Arc<PlannedStatement>, plans: RowPlans) {
        let bound_bytes = key.bound.map_or(0, RecordBatch::get_array_memory_size);
        let is_large = key.query.text().len().max(bound_bytes) > MAX_STATEMENT_BYTES
            || plans.iter().any(|ready| ready.bytes > MAX_PLAN_BYTES);
        if statement.validity != PlanValidity::Always || plans.len() > 1 || is_large {
            return;
        }
        let kept = KeptPlans {
            identity: key.query.principal().identity.clone(),
            session: key.query.principal().session.of_plans(),
            scope: key.query.principal().scope.clone(),
            text: Arc::clone(key.query.text()),
            bound: key.bound.cloned(),
            statement: Arc::clone(statement),
            plans: DroppedOnPlanThread::new(plans),
            expires: Instant::now() + MIN_LIFE,
        };
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut waiting.has_dropper, true) {
            tokio::spawn(drop_expired(Arc::downgrade(&self.0)));
        }
        waiting.plans.push_back(kept);
        if waiting.plans.len() > MAX_PLANS {
            waiting.plans.pop_front();
        }
    }

    /// Removes and returns the plans of a ticket.
    pub(super) fn take(&self, key: &TicketKey) -> Option<(Arc<PlannedStatement>, RowPlans)> {
        let plans = &mut self.0.lock().unwrap_or_else(PoisonError::into_inner).plans;
        let place = plans.iter().position(|kept| kept.matches(key))?;
        let kept = plans.remove(place)?;
        Some((kept.statement, kept.plans.into_inner()))
    }
}

/// Drops each plan when it expires, and ends when there are no more plans. The next plan that is kept spawns this task
/// again.
async fn drop_expired(tickets: Weak<Mutex<WaitingPlans>>) {
    loop {
        sleep(MIN_LIFE).await;
        let Some(tickets) = tickets.upgrade() else { return };
        let mut waiting = tickets.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while waiting.plans.front().is_some_and(|oldest| oldest.expires <= now) {
            waiting.plans.pop_front();
        }
        if waiting.plans.is_empty() {
            waiting.has_dropper = false;
            return;
        }
    }
}
