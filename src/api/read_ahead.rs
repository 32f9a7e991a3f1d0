//! Bounds how many pages and bytes a scan fetches before its rows are consumed.
//!
//! A page has a slot from before its request is sent until its rows are taken. Slots are given
//! in the order that they are asked for, so that the page which is wanted next is never the
//! one that waits.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::error::Result;

/// The memory that pages are counted against from when they come until their rows are taken.
pub trait Memory: Debug + Send + Sync {
    /// Takes so many bytes.
    ///
    /// # Errors
    /// There are not so many left; nothing is taken.
    fn take(&self, bytes: usize) -> Result<()>;

    /// Gives back so many of the bytes that were taken.
    fn give_back(&self, bytes: usize);
}

/// At most so many pages and bytes, requested or waiting to be taken, in one scan.
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
    /// Pages whose bodies have not come yet; each is guessed to be as large as the largest so far.
    empty: usize,
    bytes: usize,
    largest: usize,
}

/// Room for one page. Dropping it makes the room free.
#[derive(Debug)]
pub struct PageSlot {
    of: Arc<ReadAhead>,
    bytes: Option<usize>,
}

impl ReadAhead {
    /// Room for so many pages and bytes, which are counted against the memory.
    pub fn new(most_pages: usize, most_bytes: usize, memory: Arc<dyn Memory>) -> Arc<Self> {
        let (held, freed, turn) = (Mutex::default(), Notify::new(), tokio::sync::Mutex::default());
        Arc::new(Self { most_pages, most_bytes, memory, held, freed, turn })
    }

    /// Waits until there is room for a page. One page always has room, however large.
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
    /// The page has come, and has this many bytes.
    ///
    /// # Errors
    /// The memory has no room for them.
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

    /// So many bytes are left.
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
    fn a_page_waits_for_room_until_one_is_taken() {
        let ahead = ReadAhead::new(2, 1_000, left(0));
        let first = ahead.room().now_or_never().unwrap();
        let _second = ahead.room().now_or_never().unwrap();

        assert!(ahead.room().now_or_never().is_none());
        drop(first);
        assert!(ahead.room().now_or_never().is_some());
    }

    #[test]
    fn large_pages_use_up_the_bytes_before_the_pages() {
        let ahead = ReadAhead::new(16, 1_000, left(600));
        let mut first = ahead.room().now_or_never().unwrap();
        first.fill(600).unwrap();

        assert!(ahead.room().now_or_never().is_none(), "a second one would be 600 bytes too");
        drop(first);
        assert!(ahead.room().now_or_never().is_some(), "one page always has room");
    }

    #[test]
    fn a_page_takes_memory_until_its_rows_are_taken() {
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
