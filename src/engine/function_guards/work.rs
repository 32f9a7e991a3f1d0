//! How long a function computes, in steps.
//!
//! A step takes about a nanosecond. Most functions whose work is proportional to the size of their arguments have no entry:
//! a batch is bounded, so they end soon. Those that need much memory for it have one, because they are called for some rows
//! at a time.

use super::argument::Argument;
use super::searches::{Matches, Search};

/// Computes the number of steps for one row. `None`: NULL, or arguments that the function rejects.
pub(super) type Steps = fn(arguments: &[Argument<'_>], row: usize) -> Option<u64>;

/// The maximum number of steps for one row: a second or less.
pub(super) const MAX_STEPS: u64 = 500_000_000;

/// The first piece of a batch has so many steps. The later ones have more if it was fast.
pub(super) const STEPS_OF_A_PIECE: u64 = 50_000_000;

/// The steps of a function, if they are more than proportional to the size of its arguments.
pub(super) fn steps(function: &str) -> Option<Steps> {
    Some(match function {
        "levenshtein" => levenshtein,
        "array_has_all" | "array_has_any" => array_has_many,
        function if hashes_items(function) => hash_items,
        "btrim" | "ltrim" | "rtrim" => trim,
        "strpos" => strpos,
        "regexp_like" => regexp_like,
        "regexp_match" => regexp_match,
        "regexp_replace" => regexp_replace,
        "regexp_count" => regexp_count,
        "regexp_instr" => regexp_instr,
        _ => return None,
    })
}

/// `levenshtein(text, text)` compares each character with each.
fn levenshtein(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let [left, right] = arguments else { return None };
    Some((left.text(row)?.len() as u64).saturating_mul(right.text(row)?.len() as u64))
}

/// `array_has_all(list, list)`, `array_has_any(list, list)` compare each item with each.
fn array_has_many(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let [left, right] = arguments else { return None };
    Some(left.items(row)?.saturating_mul(right.items(row)?))
}

/// Whether a function makes a hash table of all items of its lists.
pub(super) fn hashes_items(function: &str) -> bool {
    matches!(function, "array_distinct" | "array_except" | "array_intersect" | "array_union")
}

/// A hash table that is larger than the caches waits for the memory at each item.
const STEPS_OF_AN_ITEM: u64 = 100;

fn hash_items(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    Some(leaves(arguments, row).saturating_mul(STEPS_OF_AN_ITEM))
}

/// The values in all lists of a row, and in the lists in them.
pub(super) fn leaves(arguments: &[Argument<'_>], row: usize) -> u64 {
    arguments.iter().filter_map(|argument| argument.leaves(row)).fold(0, u64::saturating_add)
}

/// `btrim(text, characters)` compares each character that it removes with each of the others.
fn trim(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let [text, characters] = arguments else { return None };
    Some((text.text(row)?.len() as u64).saturating_mul(characters.text(row)?.len() as u64))
}

/// A step compares so many bytes of two texts.
const BYTES_OF_A_STEP: u64 = 16;

/// `strpos(text, part)` compares the part with the text from each place where its first byte is, unless the part is the same
/// for a column of texts.
fn strpos(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let [text, part] = arguments else { return None };
    let (bytes, part_bytes) = (text.text(row)?.len() as u64, part.text(row)?.len() as u64);
    let is_prepared = part.is_constant() && !text.is_constant();
    let steps = |places: u64| bytes.saturating_add(places.saturating_mul(part_bytes.div_ceil(BYTES_OF_A_STEP)));
    let at_most = if is_prepared { 0 } else { bytes.saturating_sub(part_bytes) };
    match (steps(at_most), part.text(row)?.bytes().next()) {
        (needed, Some(first)) if needed > STEPS_OF_A_PIECE => {
            Some(steps(text.text(row)?.bytes().filter(|byte| *byte == first).count() as u64))
        }
        (needed, _) => Some(needed),
    }
}

/// `regexp_like(text, pattern [, flags])`
fn regexp_like(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    Some(search(arguments, row, 2, Matches::Any)?.steps())
}

/// `regexp_match(text, pattern [, flags])`
fn regexp_match(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    Some(search(arguments, row, 2, Matches::FirstWithGroups)?.steps())
}

/// `regexp_replace(text, pattern, to [, flags])`: groups are found only for a reference to one.
fn regexp_replace(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let search = search(arguments, row, 3, Matches::All)?;
    let has_references = arguments.get(2)?.text(row)?.contains(['\\', '$']);
    let matches = match (search.flags.contains('g'), has_references) {
        (true, true) => Matches::AllWithGroups,
        (true, false) => Matches::All,
        (false, _) => Matches::FirstWithGroups,
    };
    Some(Search { matches, ..search }.steps())
}

/// `regexp_count(text, pattern [, start, flags])`
fn regexp_count(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    Some(from_start(search(arguments, row, 3, Matches::All)?, arguments, row).steps())
}

/// `regexp_instr(text, pattern [, start, n, flags, group])`
fn regexp_instr(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let matches = if arguments.len() > 5 { Matches::FirstWithGroups } else { Matches::All };
    Some(from_start(search(arguments, row, 4, matches)?, arguments, row).steps())
}

/// The search of a call whose flags are the argument at the index `flags`.
fn search<'a>(arguments: &'a [Argument<'_>], row: usize, flags: usize, matches: Matches) -> Option<Search<'a>> {
    let flags = arguments.get(flags).and_then(|flags| flags.text(row)).unwrap_or_default();
    Some(Search { text: arguments.first()?.text(row)?, pattern: arguments.get(1)?.text(row)?, flags, matches })
}

/// The search from the character that the third argument names.
fn from_start<'a>(search: Search<'a>, arguments: &[Argument<'_>], row: usize) -> Search<'a> {
    let start = arguments.get(2).and_then(|start| start.integer(row)).and_then(|start| usize::try_from(start).ok());
    let (byte, _) = search.text.char_indices().nth(start.unwrap_or(1).saturating_sub(1)).unwrap_or_default();
    Search { text: &search.text[byte..], ..search }
}
