//! Types that a statement names in a text: `arrow_cast(x, 'FixedSizeBinary(16)')`. Parsing a deep one needs much stack, and a
//! value of a large one is large even if it is NULL.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use crate::engine::limit_fault::LimitFault;

/// Whether a function returns a value of the type that its argument names.
pub(super) fn makes_types(function: &str) -> bool {
    matches!(function, "arrow_cast" | "arrow_try_cast")
}

/// The maximum size of the values of a type whose values all have the same size.
const MAX_FIXED_BYTES: u64 = 8 << 10;

/// Refuses a type whose values are large even if they are NULL: `FixedSizeBinary(2000000000)`.
///
/// # Errors
/// [`LimitFault::LargeType`].
pub(super) fn check_type(data_type: &DataType) -> Result<(), LimitFault> {
    let (bytes, most) = (fixed_bytes(data_type), MAX_FIXED_BYTES);
    if bytes > most { Err(LimitFault::LargeType { bytes, most }) } else { Ok(()) }
}

/// The maximum depth of a type that is written as a text.
const MAX_TYPE_DEPTH: usize = 50;

/// Refuses the name of a type that is nested deeply: Arrow's parser would overflow the stack, which ends the process.
///
/// # Errors
/// [`LimitFault::DeepType`].
pub(super) fn check_depth(arguments: &[Option<&ScalarValue>]) -> Result<(), LimitFault> {
    let texts = arguments.iter().filter_map(|argument| (*argument)?.try_as_str()?);
    match texts.map(depth_of_type).max() {
        Some(depth) if depth > MAX_TYPE_DEPTH => Err(LimitFault::DeepType { most: MAX_TYPE_DEPTH }),
        Some(_) | None => Ok(()),
    }
}

fn depth_of_type(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for character in text.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The size of NULL in a type, in bytes.
fn fixed_bytes(data_type: &DataType) -> u64 {
    let count = |size: i32| u64::try_from(size).unwrap_or(0);
    match data_type {
        DataType::FixedSizeBinary(size) => count(*size),
        DataType::FixedSizeList(item, size) => fixed_bytes(item.data_type()).max(1).saturating_mul(count(*size)),
        DataType::Struct(fields) => {
            fields.iter().map(|field| fixed_bytes(field.data_type())).fold(0, u64::saturating_add)
        }
        // A list of such values, or an index of them.
        DataType::List(item) | DataType::LargeList(item) => fixed_bytes(item.data_type()),
        DataType::Dictionary(_, value) => fixed_bytes(value),
        other => other.primitive_width().unwrap_or(0) as u64,
    }
}
