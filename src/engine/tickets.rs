//! The plans of tickets: GetFlightInfo plans a statement to the end, and the DoGet that follows runs that plan.
//!
//! A ticket holds the statement and the row that was bound, so any replica can answer it. The process that planned it
//! finds the plan here, for a while; a plan is run once, so whoever takes it takes it away.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use datafusion::physical_plan::ExecutionPlan;
use tokio::time::Instant;

use super::Principal;
use super::plans::DroppedApart;
use super::statements::PlannedStatement;
use crate::query::Identity;

/// How long a plan is kept: clients go on to DoGet at once.
const LIFE: Duration = Duration::from_secs(60);

/// How many plans are kept.
const MOST: usize = 64;

/// The longest text, and the largest bound rows, of which a plan is kept.
const MOST_BYTES: usize = 64 << 10;

/// A statement, and what is bound to it.
pub(super) struct Asked<'a> {
    pub(super) principal: &'a Principal,
    pub(super) text: &'a str,
    pub(super) bound: Option<&'a RecordBatch>,
}

/// A plan for each row that is bound, or one.
pub(super) type Plans = Vec<Arc<dyn ExecutionPlan>>;

/// Plans that wait for their DoGet, the oldest first.
#[derive(Default)]
pub(super) struct Tickets(Mutex<VecDeque<Kept>>);

struct Kept {
    identity: Identity,
    text: String,
    bound: Option<RecordBatch>,
    statement: Arc<PlannedStatement>,
    plans: DroppedApart<Plans>,
    until: Instant,
}

impl Kept {
    fn is_of(&self, asked: &Asked) -> bool {
        self.identity == asked.principal.identity
            && self.text == asked.text
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
    /// Keeps the plans of a ticket, unless they are large. A plan that has folded the time in is of its moment alone.
    pub(super) fn keep(&self, asked: &Asked, statement: &Arc<PlannedStatement>, plans: Plans) {
        let bound_bytes = asked.bound.map_or(0, RecordBatch::get_array_memory_size);
        if statement.writes || statement.tells_time || asked.text.len().max(bound_bytes) > MOST_BYTES {
            return;
        }
        let kept = Kept {
            identity: asked.principal.identity.clone(),
            text: asked.text.to_owned(),
            bound: asked.bound.cloned(),
            statement: Arc::clone(statement),
            plans: DroppedApart::new(plans),
            until: Instant::now() + LIFE,
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_back(kept);
        let now = Instant::now();
        while all.len() > MOST || all.front().is_some_and(|oldest| oldest.until <= now) {
            all.pop_front();
        }
    }

    /// The plans of such a ticket, for whoever asks first.
    pub(super) fn take(&self, asked: &Asked) -> Option<(Arc<PlannedStatement>, Plans)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let place = all.iter().position(|kept| kept.until > now && kept.is_of(asked))?;
        let kept = all.remove(place)?;
        Some((kept.statement, kept.plans.into_inner()))
    }
}
