//! The memory that a function needs while it computes, beyond its arguments and its result.

use super::argument::Argument;
use super::work::{hashes_items, leaves};

/// An item as a row of bytes, its entry in a hash table that grows, and its index.
const BYTES_OF_AN_ITEM: u64 = 128;

/// An upper bound on this memory for `rows` rows together, in bytes. 0 if it is small.
pub(super) fn scratch_bytes(function: &str, arguments: &[Argument<'_>], rows: usize) -> u64 {
    match function {
        function if hashes_items(function) => {
            let items = (0..rows).map(|row| leaves(arguments, row)).fold(0, u64::saturating_add);
            items.saturating_mul(BYTES_OF_AN_ITEM).saturating_add(total_bytes(arguments, rows))
        }
        // Lists that become items are copied one after another, into a vector that is copied into one of twice its size
        // when it is full.
        "array_append" | "array_concat" | "array_prepend" | "make_array" if arguments.iter().any(Argument::is_list) => {
            total_bytes(arguments, rows).saturating_mul(2)
        }
        _ => 0,
    }
}

fn total_bytes(arguments: &[Argument<'_>], rows: usize) -> u64 {
    arguments.iter().filter_map(|argument| argument.total_bytes(rows as u64)).fold(0, u64::saturating_add)
}
