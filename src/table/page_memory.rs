//! Counts pages that are read ahead against the memory of all queries.

use std::sync::Arc;

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};

use super::fault::Fault;
use crate::api::Memory;
use crate::error::Result;

/// The memory of the pages of one scan.
#[derive(Debug)]
pub(super) struct Pooled {
    table: String,
    held: MemoryReservation,
}

impl Pooled {
    /// Reserves nothing yet.
    pub(super) fn new(table: String, pool: &Arc<dyn MemoryPool>) -> Self {
        let held = MemoryConsumer::new("pages that are read ahead").register(pool);
        Self { table, held }
    }
}

impl Memory for Pooled {
    fn take(&self, bytes: usize) -> Result<()> {
        self.held.try_grow(bytes).map_err(|_| Fault::NoMemory { table: self.table.clone(), bytes }.into())
    }

    fn give_back(&self, bytes: usize) {
        self.held.shrink(bytes);
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;
    use crate::error::Kind;

    #[test]
    fn pages_count_against_the_memory_of_all_queries() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(100));
        let (one, other) = (Pooled::new("images".into(), &pool), Pooled::new("droplets".into(), &pool));

        one.take(60).unwrap();
        let error = other.take(60).unwrap_err();
        assert_eq!((error.kind(), pool.reserved()), (Kind::ResourceExhausted, 60));
        one.give_back(60);
        other.take(60).unwrap();
        drop(other);

        assert_eq!(pool.reserved(), 0);
    }
}
