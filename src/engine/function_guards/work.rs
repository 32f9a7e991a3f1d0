//! How long a function computes, in steps.
//!
//! A step takes about a nanosecond. Most functions whose work is proportional to the size of their arguments have no entry:
//! a batch is bounded, so they end soon. Those that need much memory for it have one, because they are called for some rows
//! at a time.

use std::time::{Duration, Instant};

use regex::Regex;

use super::argument::Argument;
use super::check_query;

/// Computes the number of steps for one row. `None`: NULL, or arguments that the function rejects.
pub(super) type Steps = fn(arguments: &[Argument<'_>], row: usize) -> Option<u64>;

/// The maximum number of steps for one row: a second or less.
pub(super) const MAX_STEPS: u64 = 500_000_000;

/// After this number of steps, the rest of a batch is another piece.
pub(super) const STEPS_OF_A_PIECE: u64 = 50_000_000;

/// The steps of a function, if they are more than proportional to the size of its arguments.
pub(super) fn steps(function: &str) -> Option<Steps> {
    Some(match function {
        "levenshtein" => levenshtein,
        "array_has_all" | "array_has_any" => array_has_many,
        function if hashes_items(function) => hash_items,
        "btrim" | "ltrim" | "rtrim" => trim,
        "strpos" => strpos,
        "regexp_like" => text_bytes,
        "regexp_match" => regexp_groups,
        "regexp_count" | "regexp_instr" | "regexp_replace" => regexp_all,
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

/// As many as the text has bytes.
pub(super) fn text_bytes(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    Some(arguments.first()?.text(row)?.len() as u64)
}

/// Finding the groups of a match keeps track of each part of the pattern.
fn regexp_groups(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let (text, pattern) = (arguments.first()?.text(row)?.len() as u64, arguments.get(1)?.text(row)?.len() as u64);
    Some(text.saturating_mul(pattern))
}

/// Finding all matches of a pattern may read the rest of the text for each match, as `.*[^A-Z]|[A-Z]` does. Few patterns
/// do, and it cannot be seen in the pattern: so the matches in a long text are counted once, with a time limit.
fn regexp_all(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let (text, pattern) = (arguments.first()?.text(row)?, arguments.get(1)?.text(row)?);
    let bytes = text.len() as u64;
    let at_worst = bytes.saturating_mul(bytes);
    let may_repeat = pattern.contains(['*', '+', '{', '?']);
    match at_worst <= MAX_STEPS || !may_repeat || count_matches(text, pattern, "").is_some() {
        true => Some(bytes),
        false => Some(at_worst),
    }
}

/// The maximum time to count matches.
const MAX_COUNTING: Duration = Duration::from_secs(1);

/// The number of matches of a pattern with flags of `regexp_replace`. `None` if the pattern is invalid, or if counting
/// takes longer than [`MAX_COUNTING`].
pub(super) fn count_matches(text: &str, pattern: &str, flags: &str) -> Option<u64> {
    let flags = flags.replace('g', "");
    let pattern = if flags.is_empty() { pattern.to_owned() } else { format!("(?{flags}){pattern}") };
    if check_query().is_err() {
        return None;
    }
    let (regex, began) = (Regex::new(&pattern).ok()?, Instant::now());
    let mut count = 0_u64;
    for _ in regex.find_iter(text) {
        count += 1;
        if began.elapsed() > MAX_COUNTING {
            return None;
        }
    }
    Some(count)
}
