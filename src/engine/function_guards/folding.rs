//! Keeps long constants out of plans.
//!
//! DataFusion's optimizer computes calls of constants, and puts the values into the plan. It then copies, hashes and
//! prints them again and again: `concat(repeat('x', 10000000), …)` with 500 such calls needed seconds and gigabytes before
//! anything ran. So while a plan is optimized, a call with a long result is an error. The optimizer keeps the call then,
//! and it is computed when the plan runs.

use std::cell::Cell;

thread_local! {
    static IS_FOLDING: Cell<bool> = const { Cell::new(false) };
}

/// The maximum size of a value that the optimizer computes, in bytes: a batch of the usual number of rows may repeat it.
pub(super) const MAX_FOLDED_BYTES: u64 = 8 << 10;

/// Whether the current thread optimizes a plan.
pub(super) fn is_folding() -> bool {
    IS_FOLDING.get()
}

/// Optimizes a plan: calls of constants with long results stay in it.
pub(in crate::engine) fn without_long_values<T>(optimize: impl FnOnce() -> T) -> T {
    let _end = EndOfFolding(IS_FOLDING.replace(true));
    optimize()
}

/// Sets the state before, also after a panic.
struct EndOfFolding(bool);

impl Drop for EndOfFolding {
    fn drop(&mut self) {
        IS_FOLDING.set(self.0);
    }
}
