//! How many bytes this process has allocated, and how many it may allocate.
//!
//! DataFusion counts the memory that its operators reserve: not the batches between them, nor the pages and lists of the
//! API, nor responses that wait for slow clients. The program counts every allocation ([`Counting`]), so that its limit
//! holds for all of them together.
//!
//! A count cannot refuse an allocation: a failed allocation aborts the process. So whoever is about to allocate much asks
//! first ([`Room::take`]).

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// An allocator that counts the bytes that `A` has allocated.
#[derive(Debug)]
pub struct Counting<A>(pub A);

/// The allocated bytes of all threads, except for what each thread has not added yet.
static ALLOCATED: AtomicI64 = AtomicI64::new(0);

/// What is about to be allocated: see [`Room`].
static TAKEN: AtomicI64 = AtomicI64::new(0);

/// The highest value of [`ALLOCATED`] since [`has_freed_much`].
static HIGHEST: AtomicI64 = AtomicI64::new(0);

/// The maximum of [`ALLOCATED`].
static LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);

/// A thread adds its bytes to [`ALLOCATED`] when they are more than this: an addition for each allocation would make
/// threads wait for each other.
const PENDING_BYTES: i64 = 64 << 10;

/// The maximum number of threads whose bytes are counted by themselves. Others have no number.
const MAX_THREADS: usize = 256;

/// What each numbered thread has allocated, less what it has freed, except for what it has not added yet.
static OF_THREADS: [AtomicI64; MAX_THREADS] = [const { AtomicI64::new(0) }; MAX_THREADS];

/// The number of threads that have a number.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    // Constants without destructors: the allocator may be called while a thread starts or ends.
    static PENDING: Cell<i64> = const { Cell::new(0) };
    static NUMBER: Cell<usize> = const { Cell::new(MAX_THREADS) };
    /// What the thread has allocated and freed in large parts since it gave memory back.
    static TURNOVER: Cell<u64> = const { Cell::new(0) };
    /// When the thread gave memory back.
    static GAVE_BACK: Cell<Option<Instant>> = const { Cell::new(None) };
    /// [`REQUESTS`] when the thread gave memory back.
    static ANSWERED: Cell<u64> = const { Cell::new(0) };
}

fn count(bytes: i64) {
    let pending = PENDING.get() + bytes;
    if pending.abs() < PENDING_BYTES {
        PENDING.set(pending);
    } else {
        PENDING.set(0);
        add(pending);
    }
}

fn add(bytes: i64) {
    TURNOVER.set(TURNOVER.get().saturating_add(bytes.unsigned_abs()));
    let allocated = ALLOCATED.fetch_add(bytes, Ordering::Relaxed) + bytes;
    HIGHEST.fetch_max(allocated, Ordering::Relaxed);
    if let Some(of_thread) = OF_THREADS.get(NUMBER.get()) {
        of_thread.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Adds what the current thread has not added yet. Called when a thread ends: what it has not added would be lost.
pub fn end_of_thread() {
    add(PENDING.replace(0));
}

/// So much is kept for the next query.
const KEPT_BYTES: u64 = 16 << 20;

/// A thread does not give memory back more often: the system has to clear each page that is used again.
const BETWEEN_GIVING_BACK: Duration = Duration::from_secs(1);

/// How often all threads were asked to give memory back.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// Gives memory back to the system that the current thread has freed, if that may be much. Called when a thread has nothing
/// to do: it keeps pages of its own, which no other thread can give back.
pub fn give_back() {
    let requests = REQUESTS.load(Ordering::Relaxed);
    let is_due = || GAVE_BACK.get().is_none_or(|last| last.elapsed() > BETWEEN_GIVING_BACK);
    if ANSWERED.get() < requests || TURNOVER.get() > KEPT_BYTES && is_due() {
        TURNOVER.set(0);
        ANSWERED.set(requests);
        GAVE_BACK.set(Some(Instant::now()));
        // SAFETY: it has no preconditions.
        unsafe { libmimalloc_sys::mi_collect(true) };
    }
}

/// Whether much was freed since the last call that returned true.
pub fn has_freed_much() -> bool {
    let (allocated, highest) = (ALLOCATED.load(Ordering::Relaxed), HIGHEST.load(Ordering::Relaxed));
    let has_freed = u64::try_from(highest - allocated).is_ok_and(|freed| freed > KEPT_BYTES);
    has_freed && HIGHEST.compare_exchange(highest, allocated, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

/// Asks all threads to give memory back when they have nothing to do.
pub fn ask_to_give_back() {
    REQUESTS.fetch_add(1, Ordering::Relaxed);
}

/// A thread whose allocations are counted by themselves, too.
#[derive(Clone, Copy, Debug)]
pub struct ThreadCount(usize);

impl ThreadCount {
    /// That of the current thread.
    pub fn of_this_thread() -> Self {
        if NUMBER.get() == MAX_THREADS {
            NUMBER.set(THREADS.fetch_add(1, Ordering::Relaxed).min(MAX_THREADS));
        }
        Self(NUMBER.get())
    }

    /// The bytes that the thread has allocated so far, less those that it has freed. For differences. It lacks up to 64 KiB
    /// that the thread has not added yet, and all of them if there are too many threads.
    pub fn bytes(self) -> i64 {
        OF_THREADS.get(self.0).map_or(0, |bytes| bytes.load(Ordering::Relaxed))
    }
}

/// An allocation is at most `isize::MAX` bytes.
fn size(layout: Layout) -> i64 {
    layout.size() as i64
}

// SAFETY: each call is passed on to `A` unchanged, and counting does not allocate, unwind or touch the memory.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that `A` needs.
        let memory = unsafe { self.0.alloc(layout) };
        if !memory.is_null() {
            count(size(layout));
        }
        memory
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let memory = unsafe { self.0.alloc_zeroed(layout) };
        if !memory.is_null() {
            count(size(layout));
        }
        memory
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let moved = unsafe { self.0.realloc(memory, layout, new_size) };
        if !moved.is_null() {
            count(new_size as i64 - size(layout));
        }
        moved
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`.
        unsafe { self.0.dealloc(memory, layout) };
        count(-size(layout));
    }
}

/// The number of bytes that are allocated now. 0 if the program does not count.
pub fn allocated() -> u64 {
    u64::try_from(ALLOCATED.load(Ordering::Relaxed)).unwrap_or(0)
}

/// Allows `bytes` more than are allocated now.
pub fn limit_growth(bytes: u64) {
    LIMIT.store(allocated().saturating_add(bytes), Ordering::Relaxed);
}

/// Allows `bytes` more from now on: they are kept for longer than a query.
pub fn allow_more(bytes: u64) {
    change_limit(|limit| limit.saturating_add(bytes));
}

/// Takes back what [`allow_more`] has allowed.
pub fn allow_less(bytes: u64) {
    change_limit(|limit| limit.saturating_sub(bytes));
}

fn change_limit(change: impl Fn(u64) -> u64) {
    // No limit stays none.
    let changed = |limit| (limit != u64::MAX).then(|| change(limit));
    let _ = LIMIT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed);
}

/// There is no room for an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// The bytes that are allocated now.
    pub allocated: u64,
    /// The limit.
    pub limit: u64,
}

/// Room for an allocation that is about to be made. Without it, many threads could find the same room. Until it is dropped, what
/// was allocated in it counts twice.
#[derive(Debug)]
pub struct Room(i64);

impl Room {
    /// Takes room for `bytes` until it is dropped, after the allocation.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn take(bytes: u64) -> Result<Self, NoRoom> {
        // No limit is above this, and the sum does not overflow.
        let room = Self(i64::try_from(bytes).unwrap_or(i64::MAX / 2).min(i64::MAX / 2));
        TAKEN.fetch_add(room.0, Ordering::Relaxed);
        // Dropped if there is none.
        check_room(0).map(|()| room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        TAKEN.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// Checks whether there is room for `bytes` more. Nothing is reserved.
///
/// # Errors
/// [`NoRoom`].
pub fn check_room(bytes: u64) -> Result<(), NoRoom> {
    let taken = u64::try_from(TAKEN.load(Ordering::Relaxed)).unwrap_or(0);
    let (allocated, limit) = (allocated().saturating_add(taken), LIMIT.load(Ordering::Relaxed));
    if allocated.saturating_add(bytes) > limit { Err(NoRoom { allocated, limit }) } else { Ok(()) }
}

/// Checks whether the process has allocated more than it may.
///
/// # Errors
/// [`NoRoom`].
pub fn check_limit() -> Result<(), NoRoom> {
    let (allocated, limit) = (allocated(), LIMIT.load(Ordering::Relaxed));
    if allocated > limit { Err(NoRoom { allocated, limit }) } else { Ok(()) }
}

/// Whether more than half of what may be allocated is allocated.
pub fn is_scarce() -> bool {
    allocated() > LIMIT.load(Ordering::Relaxed) / 2
}

#[cfg(test)]
mod tests {
    use std::alloc::System;

    use super::*;

    #[test]
    fn what_a_thread_has_allocated_is_counted_until_it_is_freed() {
        let (counting, thread) = (Counting(System), ThreadCount::of_this_thread());
        let before = thread.bytes();
        let layout = Layout::from_size_align(1 << 20, 8).unwrap();
        let grown = Layout::from_size_align(3 << 20, 8).unwrap();

        // SAFETY: the layouts are those of the memory, and it is freed once.
        unsafe {
            let memory = counting.alloc(layout);
            assert_eq!((thread.bytes() - before) >> 20, 1);
            let memory = counting.realloc(memory, layout, grown.size());
            assert_eq!((thread.bytes() - before) >> 20, 3);
            counting.dealloc(memory, grown);
            counting.dealloc(counting.alloc_zeroed(layout), layout);
        }

        assert_eq!(thread.bytes() - before, 0);
    }

    #[test]
    fn many_small_allocations_are_added_to_those_of_the_process() {
        let (counting, layout) = (Counting(System), Layout::from_size_align(1 << 20, 8).unwrap());
        let before = allocated();

        // SAFETY: as above.
        let memory = unsafe { counting.alloc(layout) };

        assert!(allocated() >= before.saturating_add(1 << 19));
        assert!(check_room(0).is_ok(), "there is no limit");
        // SAFETY: as above.
        unsafe { counting.dealloc(memory, layout) };
    }
}
