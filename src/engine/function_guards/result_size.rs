//! The size of a call's results, which is computed before the call, and the room that they need.

use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

use super::argument::Argument;
use super::folding::{MAX_FOLDED_BYTES, is_folding};
use super::growth::Growth;
use super::max_value_bytes;
use crate::engine::limit_fault::LimitFault;
use crate::engine::wide_rows::max_batch_bytes;
use crate::heap::Room;

/// The number of rows that a function computes: of constants, one value, whatever the number of rows of the batch.
pub(super) fn computed_rows(args: &ScalarFunctionArgs) -> usize {
    let is_constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
    if is_constant { 1 } else { args.number_rows }
}

/// Refuses a call whose result is larger than a value may be, or whose results for all rows are together larger than a
/// batch may be. Returns the room for them, which is held during the call.
///
/// # Errors
/// [`LimitFault::LargeValue`], [`LimitFault::LargeBatch`], [`LimitFault::NoMemory`]; [`LimitFault::NotFolded`] while a plan is optimized.
pub(super) fn check_size(
    function: &str,
    growth: &Growth,
    args: &ScalarFunctionArgs,
) -> Result<Option<Room>, LimitFault> {
    let (max_value_bytes, rows) = (max_value_bytes(), computed_rows(args));
    let max_batch_bytes = max_batch_bytes(args.number_rows);
    let arguments: Vec<Argument<'_>> = args.args.iter().map(Argument).collect();
    if let Some(bytes) = (growth.batch)(&arguments, rows as u64)
        && bytes <= if is_folding() { MAX_FOLDED_BYTES } else { max_value_bytes }
        && bytes.saturating_mul(repetitions(args, rows)) <= max_batch_bytes
    {
        return room(bytes);
    }
    let mut batch = 0_u64;
    for row in 0..rows {
        let bytes = (growth.row)(&arguments, row).unwrap_or(0);
        check_value(function, bytes, max_value_bytes)?;
        batch = batch.saturating_add(bytes);
    }
    // A constant may be repeated for each row, by whatever reads it.
    let batch = batch.saturating_mul(repetitions(args, rows));
    if batch > max_batch_bytes {
        let rows = args.number_rows;
        return Err(LimitFault::LargeBatch {
            function: function.to_owned(),
            rows,
            bytes: batch,
            most: max_batch_bytes,
        });
    }
    room(batch)
}

/// # Errors
/// [`LimitFault::LargeValue`]; [`LimitFault::NotFolded`] while a plan is optimized.
fn check_value(function: &str, bytes: u64, most: u64) -> Result<(), LimitFault> {
    match bytes {
        bytes if bytes > most => Err(LimitFault::LargeValue { function: function.to_owned(), bytes, most }),
        MAX_FOLDED_BYTES.. if is_folding() => Err(LimitFault::NotFolded),
        _ => Ok(()),
    }
}

/// How many times the computed rows may be repeated in the batch.
fn repetitions(args: &ScalarFunctionArgs, computed_rows: usize) -> u64 {
    args.number_rows.max(1).div_ceil(computed_rows.max(1)) as u64
}

/// Room for so many bytes. None is needed for few.
///
/// # Errors
/// [`LimitFault::NoMemory`].
pub(super) fn room(bytes: u64) -> Result<Option<Room>, LimitFault> {
    const SMALL: u64 = 1 << 20;
    if bytes <= SMALL { Ok(None) } else { Room::take(bytes).map(Some).map_err(|_| LimitFault::NoMemory) }
}
