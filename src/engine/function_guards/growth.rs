//! How large the result of a function is, in bytes, computed from its arguments.
//!
//! A size is an upper bound, and close to the real size where the result is large: a result that fits is not refused.
//! Each function has a bound of a whole batch, too, if a cheap one is known: most calls are far below every limit, and
//! their rows need not be looked at.

use datafusion::common::ScalarValue;

use super::argument::Argument;
use super::searches::count_matches;

/// The growth of a function whose result may be larger than its largest argument.
pub(super) struct Growth {
    /// An upper bound on the size of the results for `rows` rows together. `None`: no cheap bound is known.
    pub(super) batch: OfBatch,
    /// The size of the result for one row. `None`: NULL, or arguments that the function rejects.
    pub(super) row: OfRow,
}

type OfBatch = fn(arguments: &[Argument<'_>], rows: u64) -> Option<u64>;
type OfRow = fn(arguments: &[Argument<'_>], row: usize) -> Option<u64>;

/// The size of an item of a list whose type is not known: an integer, a time, or a reference to a text.
const ITEM_BYTES: u64 = 8;

/// The growth of a function, if its result may be larger than its largest argument.
pub(super) fn growth(function: &str) -> Option<Growth> {
    let (batch, row): (OfBatch, OfRow) = match function {
        "repeat" => (repeats, repeat),
        "lpad" | "rpad" => (pads, pad),
        "replace" => (replaces, replace),
        "regexp_replace" => (regexp_replaces, regexp_replace),
        "regexp_match" => (unknown, regexp_match),
        "string_to_array" => (string_to_arrays, string_to_array),
        "translate" => (
            |arguments, rows| times(CHAR_BYTES, arguments, rows),
            |arguments, row| Some(CHAR_BYTES.saturating_mul(arguments.first()?.text(row)?.len() as u64)),
        ),
        "to_char" => (unknown, to_char),
        "encode" => (
            |arguments, rows| times(2, arguments, rows),
            |arguments, row| Some(arguments.first()?.bytes(row)?.saturating_mul(2)),
        ),
        "array_repeat" => (unknown, array_repeat),
        "array_resize" => (unknown, array_resize),
        "array_replace_n" | "array_replace_all" => (unknown, array_replace),
        "array_to_string" => (array_to_strings, array_to_string),
        "arrays_zip" => (unknown, arrays_zip),
        "range" | "generate_series" => (unknown, range),
        "concat_ws" => (concats_ws, concat_ws),
        CONCATENATION | "array_append" | "array_concat" | "array_prepend" | "array_replace" | "array_union"
        | "concat" | "make_array" | "map" | "named_struct" | "overlay" | "struct" => (sums, sum),
        _ => return None,
    };
    Some(Growth { batch, row })
}

/// The name of the function that replaces the operator `||` of texts.
pub(super) const CONCATENATION: &str = "concatenate";

/// The maximum size of a character.
const CHAR_BYTES: u64 = 4;

fn unknown(_: &[Argument<'_>], _: u64) -> Option<u64> {
    None
}

/// All arguments together: the result contains each of them once.
fn sum(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    Some(arguments.iter().filter_map(|argument| argument.bytes(row)).fold(0, u64::saturating_add))
}

fn sums(arguments: &[Argument<'_>], rows: u64) -> Option<u64> {
    arguments.iter().try_fold(0_u64, |sum, argument| Some(sum.saturating_add(argument.total_bytes(rows)?)))
}

/// `factor` times the first argument.
fn times(factor: u64, arguments: &[Argument<'_>], rows: u64) -> Option<u64> {
    Some(arguments.first()?.total_bytes(rows)?.saturating_mul(factor))
}

/// `repeat(text, count)`
fn repeat(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let [text, count] = arguments else { return None };
    Some((text.text(row)?.len() as u64).saturating_mul(positive(count.integer(row)?)))
}

fn repeats(arguments: &[Argument<'_>], rows: u64) -> Option<u64> {
    let [text, count] = arguments else { return None };
    Some(text.total_bytes(rows)?.saturating_mul(positive(count.constant_integer()?)))
}

/// `lpad(text, length [, fill])`: `length` counts characters.
fn pad(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let (text, characters) = (arguments.first()?.text(row)?, arguments.get(1)?.integer(row)?);
    let fill = arguments.get(2).map_or(Some(" "), |fill| fill.text(row))?;
    let widest = [text, fill].iter().flat_map(|text| text.chars()).map(char::len_utf8).max().unwrap_or(1);
    Some(positive(characters).saturating_mul(widest as u64))
}

fn pads(arguments: &[Argument<'_>], rows: u64) -> Option<u64> {
    let characters = positive(arguments.get(1)?.constant_integer()?);
    Some(characters.saturating_mul(CHAR_BYTES).saturating_mul(rows))
}

/// `replace(text, from, to)`
fn replace(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let [text, from, to] = arguments else { return None };
    let (text, from, to) = (text.text(row)?, from.text(row)?, to.text(row)?);
    if to.len() <= from.len() {
        return Some(text.len() as u64);
    }
    let matches = text.matches(from).count() as u64;
    Some((text.len() as u64).saturating_add(matches.saturating_mul((to.len() - from.len()) as u64)))
}

fn replaces(arguments: &[Argument<'_>], rows: u64) -> Option<u64> {
    let [text, from, to] = arguments else { return None };
    let (from, to) = (from.constant_text()?.len() as u64, to.constant_text()?.len() as u64);
    let bytes = text.total_bytes(rows)?;
    // An empty `from` matches before each character, and at the end.
    let matches = bytes.checked_div(from).unwrap_or(bytes.saturating_add(rows));
    Some(bytes.saturating_add(matches.saturating_mul(to)))
}

/// `regexp_replace(text, pattern, to [, flags])`: matches do not overlap, so the groups that one reference inserts are
/// together at most as long as the text. Without the flag `g`, only the first match is replaced.
fn regexp_replace(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let (text, pattern, to) =
        (arguments.first()?.text(row)?, arguments.get(1)?.text(row)?, arguments.get(2)?.text(row)?);
    let flags = arguments.get(3).and_then(|flags| flags.text(row)).unwrap_or_default();
    let size = |matches: u64| {
        let of_groups = (text.len() as u64).saturating_mul(references(to) + 1);
        of_groups.saturating_add(matches.saturating_mul(to.len() as u64))
    };
    if !flags.contains('g') {
        return Some(size(1));
    }
    match size(text.len() as u64 + 1) {
        bound @ ..COUNTED => Some(bound),
        // A pattern that does not compile is an error of the function itself.
        bound => Some(count_matches(text, pattern, flags).map_or(bound, size)),
    }
}

fn regexp_replaces(arguments: &[Argument<'_>], rows: u64) -> Option<u64> {
    let (bytes, to) = (arguments.first()?.total_bytes(rows)?, arguments.get(2)?.constant_text()?);
    let of_groups = bytes.saturating_mul(references(to) + 1);
    Some(of_groups.saturating_add(bytes.saturating_add(rows).saturating_mul(to.len() as u64)))
}

/// An upper bound on the number of references to groups in a replacement.
fn references(to: &str) -> u64 {
    to.matches(['\\', '$']).count() as u64
}

/// Below this bound on the size of a result, matches are not counted.
const COUNTED: u64 = 1 << 20;

/// `regexp_match(text, pattern [, flags])`: a list with one item for each group. Nested groups contain the same text.
fn regexp_match(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let (text, pattern) = (arguments.first()?.text(row)?, arguments.get(1)?.text(row)?);
    let groups = pattern.matches('(').count() as u64;
    Some((text.len() as u64).saturating_mul(groups.max(1)))
}

/// `string_to_array(text, delimiter [, null])`. Without a delimiter each character is an item.
fn string_to_array(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let text = arguments.first()?.text(row)?;
    let items = match arguments.get(1)?.text(row) {
        Some("") => 1,
        Some(delimiter) => text.matches(delimiter).count() as u64 + 1,
        None => text.chars().count() as u64,
    };
    Some((text.len() as u64).saturating_add(items.saturating_mul(ITEM_BYTES)))
}

fn string_to_arrays(arguments: &[Argument<'_>], rows: u64) -> Option<u64> {
    let bytes = arguments.first()?.total_bytes(rows)?;
    Some(bytes.saturating_add(bytes.saturating_add(rows).saturating_mul(ITEM_BYTES)))
}

/// `to_char(time, format)`: the longest result of two characters of a format, `%c`, has about 30.
fn to_char(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    Some((arguments.get(1)?.text(row)?.len() as u64).saturating_mul(20))
}

/// `array_repeat(item, count)`
fn array_repeat(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let [item, count] = arguments else { return None };
    Some(item.bytes(row)?.max(ITEM_BYTES).saturating_mul(positive(count.integer(row)?)))
}

/// `array_resize(list, count [, item])`
fn array_resize(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let count = positive(arguments.get(1)?.integer(row)?);
    let item = arguments.get(2).and_then(|item| item.bytes(row)).unwrap_or(0).max(ITEM_BYTES);
    Some(item.saturating_mul(count))
}

/// `array_replace_all(list, from, to)`, `array_replace_n(list, from, to, count)`
fn array_replace(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let (list, to) = (arguments.first()?, arguments.get(2)?);
    Some(list.bytes(row)?.saturating_add(list.items(row)?.saturating_mul(to.bytes(row)?)))
}

/// `array_to_string(list, delimiter [, null])`. An item that is not a text is at most eight times as long as text: a
/// boolean has one byte, and `false` five.
fn array_to_string(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let (list, delimiter) = (arguments.first()?, arguments.get(1)?.text(row)?);
    let null = arguments.get(2).and_then(|null| null.text(row)).unwrap_or_default();
    let of_items = list.leaves(row)?.saturating_mul((delimiter.len() + null.len()) as u64);
    Some(of_items.saturating_add(list.bytes(row)?.saturating_mul(8)))
}

fn array_to_strings(arguments: &[Argument<'_>], rows: u64) -> Option<u64> {
    let (list, delimiter) = (arguments.first()?, arguments.get(1)?.constant_text()?);
    let null = arguments.get(2).map_or(Some(""), |null| null.constant_text())?;
    let of_items = list.total_leaves(rows)?.saturating_mul((delimiter.len() + null.len()) as u64);
    Some(of_items.saturating_add(list.total_bytes(rows)?.saturating_mul(8)))
}

/// `concat_ws(delimiter, …)`
fn concat_ws(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let (delimiter, texts) = arguments.split_first()?;
    Some(sum(texts, row)?.saturating_add(delimiter.bytes(row)?.saturating_mul(texts.len() as u64)))
}

fn concats_ws(arguments: &[Argument<'_>], rows: u64) -> Option<u64> {
    let (delimiter, texts) = arguments.split_first()?;
    Some(sums(texts, rows)?.saturating_add(delimiter.total_bytes(rows)?.saturating_mul(texts.len() as u64)))
}

/// `arrays_zip(list, …)`: each list becomes as long as the longest.
fn arrays_zip(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let items = arguments.iter().filter_map(|list| list.items(row)).max().unwrap_or(0);
    let of_nulls = items.saturating_mul(ITEM_BYTES).saturating_mul(arguments.len() as u64);
    Some(sum(arguments, row)?.saturating_add(of_nulls))
}

/// `range(stop)`, `range(start, stop [, step])` of integers, dates and timestamps.
fn range(arguments: &[Argument<'_>], row: usize) -> Option<u64> {
    let (start, stop, step) = match arguments {
        [stop] => (0, place(&stop.value(row)?)?, 1),
        [start, stop] => (place(&start.value(row)?)?, place(&stop.value(row)?)?, 1),
        [start, stop, step] => (place(&start.value(row)?)?, place(&stop.value(row)?)?, distance(&step.value(row)?)?),
        _ => return None,
    };
    if let Some(ScalarValue::IntervalMonthDayNano(Some(step))) = arguments.get(2).and_then(|step| step.value(row))
        && has_both_signs([step.months.into(), step.days.into(), step.nanoseconds])
    {
        // A step of a month less 30 days goes forward, back, or nowhere: the range may never end.
        return Some(u64::MAX);
    }
    let span = if step < 0 { start - stop } else { stop - start };
    let items = span.max(0) / step.abs().max(1) + 1;
    Some(u64::try_from(items).unwrap_or(u64::MAX).saturating_mul(ITEM_BYTES))
}

fn has_both_signs(parts: [i64; 3]) -> bool {
    parts.iter().any(|part| *part > 0) && parts.iter().any(|part| *part < 0)
}

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;
/// The shortest month: a range has more items, not fewer, than with the real months.
const MONTH: i128 = 28 * DAY;

/// An integer, or a time in nanoseconds.
fn place(value: &ScalarValue) -> Option<i128> {
    match *value {
        ScalarValue::Date32(days) => Some(i128::from(days?) * DAY),
        ScalarValue::TimestampSecond(time, _) => Some(i128::from(time?) * SECOND),
        ScalarValue::TimestampMillisecond(time, _) => Some(i128::from(time?) * 1_000_000),
        ScalarValue::TimestampMicrosecond(time, _) => Some(i128::from(time?) * 1_000),
        ScalarValue::TimestampNanosecond(time, _) => Some(i128::from(time?)),
        _ => distance(value),
    }
}

/// An integer, or an interval in nanoseconds.
fn distance(value: &ScalarValue) -> Option<i128> {
    match *value {
        ScalarValue::Int64(number) => Some(number?.into()),
        ScalarValue::IntervalMonthDayNano(interval) => {
            let interval = interval?;
            let days = i128::from(interval.months) * MONTH + i128::from(interval.days) * DAY;
            Some(days + i128::from(interval.nanoseconds))
        }
        _ => None,
    }
}

/// A count below zero is zero.
fn positive(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
