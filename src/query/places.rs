//! Places for queries that compute for long.
//!
//! A query needs none at first. Once it has computed for a while, it waits for a place, first come, first served, and
//! keeps it until it ends. So a point query does not wait behind scans, and the number of queries that hold much memory is
//! bounded.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The places of one engine.
#[derive(Clone, Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    max_wait: Duration,
}

impl Places {
    pub(super) fn new(count: usize, max_wait: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))), max_wait }
    }
}

/// The place of one query.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    /// Set once the query has a place. Its tasks wait for it together.
    taken: OnceCell<()>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

/// The query has waited for a place for this long, and there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoPlace(pub(super) Duration);

impl Place {
    pub(super) fn new(places: Places) -> Self {
        Self { places, taken: OnceCell::new(), permit: Mutex::default() }
    }

    /// Waits for a place.
    pub(super) fn take(&self) -> impl Future<Output = Result<(), NoPlace>> + Send {
        let Places { free, max_wait } = self.places.clone();
        async move {
            let take = || async {
                let permit = timeout(max_wait, free.acquire_owned()).await.map_err(|_| NoPlace(max_wait))?;
                // The semaphore is never closed.
                *self.permit() = permit.ok();
                Ok(())
            };
            self.taken.get_or_try_init(take).await.copied()
        }
    }

    /// Frees the place.
    pub(super) fn leave(&self) {
        self.permit().take();
    }

    /// Usable after a panic: each change is a single assignment.
    fn permit(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.permit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
