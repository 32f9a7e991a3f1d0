//! Stops the query with the most memory while the process has more than it may.
//!
//! Operators reserve memory before they allocate it, and fail if there is none ([`super::memory_pool`]). Vectors that grow,
//! batches between operators and plans are not reserved. Each query may have little of these, and all together too much. Then
//! one query has to end, so that the others can continue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::debug;

use super::turns::current_polls;
use crate::heap::{self, NoRoom};
use crate::query::{Query, StopReason};

/// A query with less is not stopped: that would free too little.
const SMALL: i64 = 2 << 20;

/// The queries that have tasks, with the number of these.
static QUERIES: Mutex<BTreeMap<usize, (Arc<Query>, usize)>> = Mutex::new(BTreeMap::new());

/// Usable after a panic: each change is a single call of the map, or a single assignment.
fn queries() -> MutexGuard<'static, BTreeMap<usize, (Arc<Query>, usize)>> {
    QUERIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A query is unique in its engine only, and a process can have several engines.
fn key(query: &Arc<Query>) -> usize {
    Arc::as_ptr(query).addr()
}

/// A task of a query has begun.
pub(super) fn begin_task(query: &Arc<Query>) {
    queries().entry(key(query)).or_insert_with(|| (Arc::clone(query), 0)).1 += 1;
}

/// A task of a query has ended, and what it held has been freed. Returns whether no other query has tasks.
pub(super) fn end_task(query: &Arc<Query>) -> bool {
    let mut queries = queries();
    if let Some((_, tasks)) = queries.get_mut(&key(query)) {
        *tasks -= 1;
        if *tasks == 0 {
            queries.remove(&key(query));
        }
    }
    queries.is_empty()
}

/// Stops the query with the most memory if the process has more than it may.
pub(super) fn stop_if_exceeded() {
    let Err(exceeded) = heap::check_limit() else { return };
    let Some((query, held)) = largest(exceeded) else { return };
    debug!(query = %query.id(), held, allocated = exceeded.allocated, "stopped: no memory");
    query.stop(StopReason::NoMemory);
}

/// The query to be stopped, and what it holds.
fn largest(exceeded: NoRoom) -> Option<(Arc<Query>, i64)> {
    let polls = current_polls();
    let queries = queries();
    let holders = queries.values().map(|(query, _)| (query, query.held() + allocated_in(&polls, query)));
    to_be_stopped(holders, exceeded).map(|(query, held)| (Arc::clone(query), held))
}

/// What the polls have allocated for a query.
fn allocated_in(polls: &[(Arc<Query>, i64)], query: &Arc<Query>) -> i64 {
    polls.iter().filter(|(of, _)| Arc::ptr_eq(of, query)).map(|(_, bytes)| bytes).sum()
}

/// The query to be stopped, of queries with what they hold. `None` if those that are stopped already will free enough.
fn to_be_stopped<'a>(
    queries: impl Iterator<Item = (&'a Arc<Query>, i64)>,
    exceeded: NoRoom,
) -> Option<(&'a Arc<Query>, i64)> {
    let (stopped, running): (Vec<_>, Vec<_>) = queries.partition(|(query, _)| query.is_cancelled());
    let to_be_freed: i64 = stopped.iter().map(|(_, held)| (*held).max(0)).sum();
    let left = exceeded.allocated.saturating_sub(to_be_freed.unsigned_abs());
    let largest = running.into_iter().max_by_key(|(_, held)| *held)?;
    (left > exceeded.limit && largest.1 > SMALL).then_some(largest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{Limits, Principal, Queries, Registered};

    /// Queries that hold so many MiB.
    fn holding<const N: usize>(mebibytes: [i64; N]) -> [Registered; N] {
        let queries = Arc::new(Queries::default());
        mebibytes.map(|held| {
            let query = queries.begin(Principal::local(), "SELECT 1", Limits::default()).unwrap();
            query.add_held(held << 20);
            query
        })
    }

    fn mebibytes(allocated: u64, limit: u64) -> NoRoom {
        NoRoom { allocated: allocated << 20, limit: limit << 20 }
    }

    #[test]
    fn the_largest_query_is_stopped_and_the_next_only_if_that_frees_too_little() {
        let queries = holding([10, 40, 20]);
        let stop = |exceeded| {
            let query = to_be_stopped(queries.iter().map(|query| (&**query, query.held())), exceeded);
            query.map(|(query, held)| {
                query.stop(StopReason::NoMemory);
                held >> 20
            })
        };

        assert_eq!(stop(mebibytes(101, 100)), Some(40));
        assert_eq!(stop(mebibytes(130, 100)), None, "40 MiB will be freed");
        assert_eq!(stop(mebibytes(150, 100)), Some(20));
        assert_eq!(queries[1].stop_reason(), Some(StopReason::NoMemory));
        assert_eq!(queries[0].stop_reason(), None);
    }

    #[test]
    fn a_small_query_is_not_stopped() {
        let queries = holding([1, 2]);

        assert!(to_be_stopped(queries.iter().map(|query| (&**query, query.held())), mebibytes(200, 100)).is_none());
    }

    #[test]
    fn a_query_is_known_while_it_has_tasks() {
        let [query] = holding([0]);
        let is_known = || queries().contains_key(&key(&query));

        begin_task(&query);
        begin_task(&query);
        end_task(&query);
        assert!(is_known());
        end_task(&query);
        assert!(!is_known());
    }
}
