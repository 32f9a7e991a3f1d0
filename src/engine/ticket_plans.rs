//! The plans of tickets: GetFlightInfo plans a statement to the end, and the DoGet that follows runs that plan.
//!
//! A ticket holds the statement and the row that was bound, so any replica can answer it. The process that planned it
//! finds the plan here for a minute; a plan is run once, so whoever takes it takes it away.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arrow::array::RecordBatch;
use datafusion::physical_plan::ExecutionPlan;
use tokio::time::{Instant, sleep};

use super::plan_threads::DroppedOnPlanThread;
use super::planned_statements::{Lasts, PlannedStatement};
use crate::query::{Identity, Query};

/// How long a plan is kept at least, and twice that at most: clients go on to DoGet at once.
const LIFE: Duration = Duration::from_secs(60);

/// How many plans are kept.
const MOST: usize = 64;

/// The longest text, and the largest bound row, of which a plan is kept.
const MOST_BYTES: usize = 64 << 10;

/// The largest plan that is kept.
const MOST_PLAN_BYTES: usize = 1 << 20;

/// A statement, and what is bound to it.
pub(super) struct TicketKey<'a> {
    pub(super) query: &'a Query,
    pub(super) bound: Option<&'a RecordBatch>,
}

/// A plan that is ready to be executed.
pub(super) struct ReadyPlan {
    pub(super) plan: Arc<dyn ExecutionPlan>,
    /// What it takes, roughly, as far as that is known before it runs.
    pub(super) bytes: usize,
}

/// A plan for each row that is bound, or one.
pub(super) type RowPlans = Vec<ReadyPlan>;

/// Plans that wait for their DoGet.
#[derive(Default)]
pub(super) struct Tickets(Arc<Mutex<WaitingPlans>>);

#[derive(Default)]
struct WaitingPlans {
    /// The oldest first.
    plans: VecDeque<KeptPlans>,
    /// Whether a task sees to it that each goes in time.
    watched: bool,
}

struct KeptPlans {
    identity: Identity,
    text: Arc<str>,
    bound: Option<RecordBatch>,
    statement: Arc<PlannedStatement>,
    plans: DroppedOnPlanThread<RowPlans>,
    until: Instant,
}

impl KeptPlans {
    fn is_of(&self, asked: &TicketKey) -> bool {
        self.identity == asked.query.principal().identity
            && self.text == *asked.query.text()
            && has_the_values_of(self.bound.as_ref(), asked.bound)
    }
}

/// Whether rows are the same by position; columns of parameters have whatever names a client gave them.
fn has_the_values_of(one: Option<&RecordBatch>, other: Option<&RecordBatch>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.num_rows() == other.num_rows() && one.columns() == other.columns(),
        (one, other) => one.is_none() && other.is_none(),
    }
}

impl Tickets {
    /// Keeps the plan of a ticket, unless it is large, or has the time in it. Plans for many rows are not kept.
    pub(super) fn keep(&self, asked: &TicketKey, statement: &Arc<PlannedStatement>, plans: RowPlans) {
        let bound_bytes = asked.bound.map_or(0, RecordBatch::get_array_memory_size);
        let is_large = asked.query.text().len().max(bound_bytes) > MOST_BYTES
            || plans.iter().any(|ready| ready.bytes > MOST_PLAN_BYTES);
        if statement.lasts != Lasts::Always || plans.len() > 1 || is_large {
            return;
        }
        let kept = KeptPlans {
            identity: asked.query.principal().identity.clone(),
            text: Arc::clone(asked.query.text()),
            bound: asked.bound.cloned(),
            statement: Arc::clone(statement),
            plans: DroppedOnPlanThread::new(plans),
            until: Instant::now() + LIFE,
        };
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut waiting.watched, true) {
            tokio::spawn(drop_in_time(Arc::downgrade(&self.0)));
        }
        waiting.plans.push_back(kept);
        if waiting.plans.len() > MOST {
            waiting.plans.pop_front();
        }
    }

    /// The plans of such a ticket, for whoever asks first.
    pub(super) fn take(&self, asked: &TicketKey) -> Option<(Arc<PlannedStatement>, RowPlans)> {
        let plans = &mut self.0.lock().unwrap_or_else(PoisonError::into_inner).plans;
        let place = plans.iter().position(|kept| kept.is_of(asked))?;
        let kept = plans.remove(place)?;
        Some((kept.statement, kept.plans.into_inner()))
    }
}

/// Drops each plan when its time is up, until there is none. The next plan that is kept begins this anew.
async fn drop_in_time(tickets: Weak<Mutex<WaitingPlans>>) {
    loop {
        sleep(LIFE).await;
        let Some(tickets) = tickets.upgrade() else { return };
        let mut waiting = tickets.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while waiting.plans.front().is_some_and(|oldest| oldest.until <= now) {
            waiting.plans.pop_front();
        }
        if waiting.plans.is_empty() {
            waiting.watched = false;
            return;
        }
    }
}
