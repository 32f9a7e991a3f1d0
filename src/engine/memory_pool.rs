//! Divides the memory of all queries.
//!
//! ```text
//!     query.memory_bytes   │ query 1: 3/4 at most       │ query 2: 3/4 of the rest  │ query 3 │…│
//!                          └ of its operators: those that can spill share what the others leave
//! ```
//!
//! - A query may take three quarters of what the other queries leave. So one query alone has most of the memory, and
//!   there is always some left for the next.
//! - Within a query, operators that can spill share equally what the other operators leave, as in DataFusion's
//!   `FairSpillPool`: otherwise the first sort takes everything, and the second cannot even begin.
//! - The limit also holds for what operators do not count: see [`crate::heap`].
//!
//! An operator that gets no memory spills if it can. It recognizes the error by its variant, `ResourcesExhausted`.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::common::resources_datafusion_err;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

use super::fault::to_datafusion;
use super::function_guards::check_query;
use crate::heap;
use crate::query::{self, QueryId};

/// The pool of one engine.
#[derive(Debug)]
pub(super) struct SharedPool {
    limit: usize,
    state: Mutex<PoolState>,
}

#[derive(Debug, Default)]
struct PoolState {
    reserved: usize,
    queries: HashMap<Owner, QueryMemory>,
    /// The queries of the consumers, by the consumers' numbers.
    owners: HashMap<usize, Owner>,
}

/// The query that a consumer belongs to. `None` outside of a query.
type Owner = Option<QueryId>;

/// What a query has reserved.
#[derive(Debug, Default)]
struct QueryMemory {
    consumers: usize,
    /// The number of consumers that can spill.
    spilling: usize,
    /// Reserved by consumers that can spill.
    spillable: usize,
    /// Reserved by the others.
    fixed: usize,
}

impl SharedPool {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default() }
    }

    /// Usable after a panic: each change is made of additions that cannot panic in between.
    fn state(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PoolState {
    fn memory_of(&mut self, consumer: &MemoryConsumer) -> &mut QueryMemory {
        let owner = self.owners.get(&consumer.id()).copied().flatten();
        self.queries.entry(owner).or_default()
    }

    /// How much more a consumer may reserve that has reserved `held`.
    fn room(&mut self, consumer: &MemoryConsumer, held: usize, limit: usize) -> usize {
        let reserved = self.reserved;
        let QueryMemory { spilling, spillable, fixed, .. } = *self.memory_of(consumer);
        let others = reserved.saturating_sub(spillable + fixed);
        let of_query = three_quarters(limit.saturating_sub(others));
        match consumer.can_spill() {
            true => (of_query.saturating_sub(fixed) / spilling.max(1)).saturating_sub(held),
            false => of_query.saturating_sub(spillable + fixed),
        }
    }

    fn held_by_query_of(&mut self, consumer: &MemoryConsumer) -> usize {
        let memory = self.memory_of(consumer);
        memory.spillable.saturating_add(memory.fixed)
    }

    fn grow(&mut self, consumer: &MemoryConsumer, bytes: usize) {
        self.reserved = self.reserved.saturating_add(bytes);
        let memory = self.memory_of(consumer);
        let part = if consumer.can_spill() { &mut memory.spillable } else { &mut memory.fixed };
        *part = part.saturating_add(bytes);
    }

    fn shrink(&mut self, consumer: &MemoryConsumer, bytes: usize) {
        self.reserved = self.reserved.saturating_sub(bytes);
        let memory = self.memory_of(consumer);
        let part = if consumer.can_spill() { &mut memory.spillable } else { &mut memory.fixed };
        *part = part.saturating_sub(bytes);
    }
}

/// A query may reserve so much even if others have allocated more than they may: a point query does not fail for them.
const SMALL: usize = 4 << 20;

fn three_quarters(bytes: usize) -> usize {
    bytes - bytes / 4
}

impl MemoryPool for SharedPool {
    fn name(&self) -> &str {
        "shared"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        let owner = query::current().map(|query| query.id());
        let mut state = self.state();
        state.owners.insert(consumer.id(), owner);
        let memory = state.memory_of(consumer);
        memory.consumers += 1;
        memory.spilling += usize::from(consumer.can_spill());
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let mut state = self.state();
        let memory = state.memory_of(consumer);
        memory.consumers = memory.consumers.saturating_sub(1);
        memory.spilling = memory.spilling.saturating_sub(usize::from(consumer.can_spill()));
        let is_last = memory.consumers == 0;
        let owner = state.owners.remove(&consumer.id()).flatten();
        if is_last {
            state.queries.remove(&owner);
        }
    }

    fn grow(&self, reservation: &MemoryReservation, bytes: usize) {
        self.state().grow(reservation.consumer(), bytes);
    }

    fn shrink(&self, reservation: &MemoryReservation, bytes: usize) {
        self.state().shrink(reservation.consumer(), bytes);
    }

    fn try_grow(&self, reservation: &MemoryReservation, bytes: usize) -> Result<()> {
        // A sort merges all that it has read in one poll. It reserves memory for each of its batches, and stops here. Some
        // operators take any error for a reason to spill: they fail at their next reservation.
        check_query().map_err(to_datafusion)?;
        let (consumer, limit) = (reservation.consumer(), self.limit);
        let mut state = self.state();
        let room = state.room(consumer, reservation.size(), limit);
        if bytes > room {
            let (name, held, reserved) = (consumer.name(), reservation.size(), state.reserved);
            return Err(resources_datafusion_err!(
                "no memory: {name} has {held} bytes and needs {bytes} more, of which its query may take {room}; all queries \
                 have {reserved} of {limit}"
            ));
        }
        if state.held_by_query_of(consumer).saturating_add(bytes) > SMALL
            && let Err(heap::NoRoom { allocated, limit }) = heap::check_room(bytes as u64)
        {
            let name = consumer.name();
            return Err(resources_datafusion_err!(
                "no memory: {name} needs {bytes} bytes more; the process has {allocated} of {limit}"
            ));
        }
        state.grow(consumer, bytes);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.state().reserved
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

impl std::fmt::Display for SharedPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "shared({} of {} bytes)", self.reserved(), self.limit)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::query::{Limits, Principal, Queries, Registered};

    fn pool(limit: usize) -> Arc<dyn MemoryPool> {
        Arc::new(SharedPool::new(limit))
    }

    fn queries<const N: usize>() -> [Registered; N] {
        let queries = Arc::new(Queries::default());
        std::array::from_fn(|_| queries.begin(Principal::local(), "SELECT 1", Limits::default()).unwrap())
    }

    fn consumer(query: &Registered, pool: &Arc<dyn MemoryPool>, can_spill: bool) -> MemoryReservation {
        let consumer = MemoryConsumer::new("sort").with_can_spill(can_spill);
        Arc::clone(query).in_scope(|| consumer.register(pool))
    }

    /// The most that a reservation can grow by, in steps of one.
    fn most(reservation: &MemoryReservation) -> usize {
        (0..).take_while(|_| reservation.try_grow(1).is_ok()).count()
    }

    #[test]
    fn a_query_takes_three_quarters_of_what_the_others_leave() {
        let (pool, queries) = (pool(1_600), queries::<3>());
        let held = queries.each_ref().map(|query| consumer(query, &pool, false));

        assert_eq!(held.each_ref().map(most), [1_200, 300, 75]);
        drop(held);

        assert_eq!(pool.reserved(), 0);
        assert_eq!(most(&consumer(&queries[2], &pool, false)), 1_200);
    }

    #[test]
    fn consumers_of_a_query_share_its_part_and_those_that_spill_share_equally() {
        let (pool, [query]) = (pool(1_600), queries());
        let [one, two] = [(); 2].map(|()| consumer(&query, &pool, true));
        let fixed = consumer(&query, &pool, false);
        fixed.try_grow(200).unwrap();

        assert_eq!(most(&one), 500, "half of the 1,000 that are left");
        assert_eq!(most(&two), 500);
        assert_eq!(most(&fixed), 0);
        two.free();
        drop(two);
        assert_eq!(most(&one), 500, "it is alone now");
    }

    #[test]
    fn an_operator_recognizes_the_error_and_spills() {
        let (pool, [query]) = (pool(100), queries());
        let error = consumer(&query, &pool, true).try_grow(76).unwrap_err();

        assert!(matches!(error, datafusion::error::DataFusionError::ResourcesExhausted(_)), "{error}");
        assert!(
            error.to_string().contains("sort has 0 bytes and needs 76 more, of which its query may take 75"),
            "{error}"
        );
    }

    #[test]
    fn an_operator_of_a_query_that_has_ended_gets_no_memory_and_no_reason_to_spill() {
        let (pool, [query]) = (pool(100), queries());
        let held = consumer(&query, &pool, true);
        query.cancel();

        let error = Arc::clone(&query).in_scope(|| held.try_grow(1)).unwrap_err();

        assert!(!matches!(error, datafusion::error::DataFusionError::ResourcesExhausted(_)), "{error}");
    }

    #[test]
    fn consumers_outside_of_a_query_share_one_part() {
        let pool = pool(1_600);
        let [one, two] = [(); 2].map(|()| MemoryConsumer::new("pages").register(&pool));

        assert_eq!([most(&one), most(&two)], [1_200, 0]);
    }
}
