//! Bounds the number of pages and bytes that a scan fetches before its rows are consumed.
//!
//! ```text
//!            room()            fill(bytes)              drop
//! PageSlot     ├──── request ─────┤──── rows decoded ─────┤
//! counts as    1 page             1 page                  nothing
//!              `largest` bytes    its bytes (from `Memory` too)
//! ```
//!
//! The size of a page is not known before its response, so a slot without a body counts as the largest body so far. One
//! page always has room, however large: otherwise a scan with a page above the limit would never continue.
//!
//! Do not change without thinking: slots are given in the order of the calls of [`ReadAhead::room`] (the `turn` is held
//! while waiting). If a later page could take the last slot, the scan would wait for an earlier page that cannot start.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::error::Result;

/// The memory pool that bodies are counted against, from their arrival until their rows are consumed.
pub trait Memory: Debug + Send + Sync {
    /// Takes `bytes` from the pool.
    ///
    /// # Errors
    /// The pool has fewer bytes left. Nothing is taken then.
    fn take(&self, bytes: usize) -> Result<()>;

    /// Gives back `bytes` that were taken before.
    fn give_back(&self, bytes: usize);
}

/// Limits the pages and bytes of one scan that are requested, or decoded and not consumed yet.
#[derive(Debug)]
pub struct ReadAhead {
    most_pages: usize,
    most_bytes: usize,
    memory: Arc<dyn Memory>,
    held: Mutex<Held>,
    freed: Notify,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Held {
    pages: usize,
    /// Pages without a body yet; each is assumed to be as large as `largest`.
    empty: usize,
    /// The bytes of all bodies that are held.
    bytes: usize,
    /// The largest body so far.
    largest: usize,
}

/// The slot of one page. Dropping it makes room for another page.
#[derive(Debug)]
pub struct PageSlot {
    of: Arc<ReadAhead>,
    /// The size of the body, when it has arrived.
    bytes: Option<usize>,
}

impl ReadAhead {
    /// Limits a scan to these pages and bytes. The bytes are also taken from `memory`.
    pub fn new(most_pages: usize, most_bytes: usize, memory: Arc<dyn Memory>) -> Arc<Self> {
        let (held, freed, turn) = (Mutex::default(), Notify::new(), tokio::sync::Mutex::default());
        Arc::new(Self { most_pages, most_bytes, memory, held, freed, turn })
    }

    /// Waits for the slot of a page.
    pub async fn room(self: &Arc<Self>) -> PageSlot {
        let _turn = self.turn.lock().await;
        loop {
            let freed = self.freed.notified();
            if self.take() {
                return PageSlot { of: Arc::clone(self), bytes: None };
            }
            freed.await;
        }
    }

    fn take(&self) -> bool {
        let mut held = self.lock();
        let bytes = held.bytes + (held.empty + 1) * held.largest;
        let fits = held.pages == 0 || (held.pages < self.most_pages && bytes <= self.most_bytes);
        if fits {
            held.pages += 1;
            held.empty += 1;
        }
        fits
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().expect("nothing panics while it is held")
    }
}

impl PageSlot {
    /// The page's body has arrived and has this many bytes.
    ///
    /// # Errors
    /// The memory pool does not have these bytes.
    pub fn fill(&mut self, bytes: usize) -> Result<()> {
        self.of.memory.take(bytes)?;
        let mut held = self.of.lock();
        held.empty -= 1;
        held.bytes += bytes;
        held.largest = held.largest.max(bytes);
        self.bytes = Some(bytes);
        Ok(())
    }
}

impl Drop for PageSlot {
    fn drop(&mut self) {
        let mut held = self.of.lock();
        held.pages -= 1;
        match self.bytes {
            Some(bytes) => held.bytes -= bytes,
            None => held.empty -= 1,
        }
        drop(held);
        self.bytes.iter().for_each(|bytes| self.of.memory.give_back(*bytes));
        self.of.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::api::Fault;

    /// A memory pool with this number of bytes left.
    #[derive(Debug)]
    struct Left(Mutex<usize>);

    impl Memory for Left {
        fn take(&self, bytes: usize) -> Result<()> {
            let mut left = self.0.lock().unwrap();
            *left = left.checked_sub(bytes).ok_or(Fault::NoToken)?;
            Ok(())
        }

        fn give_back(&self, bytes: usize) {
            *self.0.lock().unwrap() += bytes;
        }
    }

    fn left(bytes: usize) -> Arc<Left> {
        Arc::new(Left(Mutex::new(bytes)))
    }

    #[test]
    fn a_page_waits_until_a_slot_is_dropped() {
        let ahead = ReadAhead::new(2, 1_000, left(0));
        let first = ahead.room().now_or_never().unwrap();
        let _second = ahead.room().now_or_never().unwrap();

        assert!(ahead.room().now_or_never().is_none());
        drop(first);
        assert!(ahead.room().now_or_never().is_some());
    }

    #[test]
    fn large_pages_reach_the_limit_of_bytes_before_that_of_pages() {
        let ahead = ReadAhead::new(16, 1_000, left(600));
        let mut first = ahead.room().now_or_never().unwrap();
        first.fill(600).unwrap();

        assert!(ahead.room().now_or_never().is_none(), "a second one would be 600 bytes too");
        drop(first);
        assert!(ahead.room().now_or_never().is_some(), "one page always has room");
    }

    #[test]
    fn a_page_takes_memory_until_its_slot_is_dropped() {
        let memory = left(1_000);
        let ahead = ReadAhead::new(16, 10_000, Arc::clone(&memory) as _);
        let mut first = ahead.room().now_or_never().unwrap();
        first.fill(600).unwrap();
        let mut second = ahead.room().now_or_never().unwrap();

        assert!(second.fill(600).is_err(), "400 bytes are left");
        drop(second);
        assert_eq!(*memory.0.lock().unwrap(), 400, "what was not taken is not given back");
        drop(first);
        assert_eq!(*memory.0.lock().unwrap(), 1_000);
    }
}
