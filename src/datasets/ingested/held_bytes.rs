//! How much the tables of clients hold, and the limit of all of them together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::datasets::fault::Fault;
use crate::heap;

/// Counts the bytes of all tables.
#[derive(Debug)]
pub(super) struct Holder {
    held: AtomicU64,
    most: u64,
    /// The setting with the limit.
    setting: &'static str,
    /// Whether the bytes are memory of this process, beside that of queries.
    is_memory: bool,
}

/// Bytes of a table. They are given back when it is dropped.
#[derive(Debug)]
pub(super) struct HeldBytes {
    bytes: u64,
    holder: Arc<Holder>,
}

impl Holder {
    pub(super) fn new(setting: &'static str, most: u64, is_memory: bool) -> Self {
        Self { held: AtomicU64::new(0), most, setting, is_memory }
    }

    pub(super) fn nothing(self: &Arc<Self>) -> HeldBytes {
        HeldBytes { bytes: 0, holder: Arc::clone(self) }
    }

    /// Bytes that are there already, whatever the limit is.
    pub(super) fn of_existing(self: &Arc<Self>, bytes: u64) -> HeldBytes {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        HeldBytes { bytes, holder: Arc::clone(self) }
    }
}

impl HeldBytes {
    /// Holds more bytes.
    ///
    /// # Errors
    /// [`Fault::TooLarge`]
    pub(super) fn grow(&mut self, bytes: u64) -> Result<(), Fault> {
        let Holder { held, most, setting, is_memory } = &*self.holder;
        let grown = held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            held.checked_add(bytes).filter(|grown| grown <= most)
        });
        match grown {
            Ok(_) => {
                self.bytes += bytes;
                if *is_memory {
                    heap::allow_more(bytes);
                }
                Ok(())
            }
            Err(held) => Err(Fault::TooLarge { setting, most: *most, held: held - self.bytes }),
        }
    }

    /// Gives back what is more than `bytes`: a file is smaller than its rows in memory.
    pub(super) fn shrink_to(&mut self, bytes: u64) {
        let surplus = self.bytes.saturating_sub(bytes);
        self.holder.held.fetch_sub(surplus, Ordering::Relaxed);
        self.bytes -= surplus;
        if self.holder.is_memory {
            heap::allow_less(surplus);
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.holder.held.fetch_sub(self.bytes, Ordering::Relaxed);
        if self.holder.is_memory {
            heap::allow_less(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tables_share_the_limit_and_give_their_bytes_back() {
        let holder = Arc::new(Holder::new("ingest.max_disk_bytes", 100, false));
        let (mut one, mut other) = (holder.nothing(), holder.nothing());
        one.grow(60).unwrap();
        let fault = other.grow(41).unwrap_err();
        assert_eq!(fault, Fault::TooLarge { setting: "ingest.max_disk_bytes", most: 100, held: 60 });
        other.grow(40).unwrap();
        drop(one);
        other.grow(60).unwrap();
        assert_eq!(other.bytes(), 100);
    }
}
