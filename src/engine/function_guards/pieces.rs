//! Calls a function for some rows of a batch at a time, so that it can be interrupted between them.
//!
//! A piece has a bounded number of steps. And where each row has a regular expression of its own, a piece has few that are
//! large: the functions compile all expressions of a call, and keep them until its end. They also compile a constant one again
//! for each piece, so pieces become longer while they are fast.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

use super::argument::Argument;
use super::check_query;
use super::patterns::is_regex_operator;
use super::result_size::computed_rows;
use super::work::{MAX_STEPS, STEPS_OF_A_PIECE, Steps};
use crate::engine::fault::to_datafusion;
use crate::engine::limit_fault::LimitFault;

/// Calls a function for one piece of the rows after another. `written`: how errors call it.
pub(super) fn in_pieces(
    written: &str,
    steps: Steps,
    args: &ScalarFunctionArgs,
    call: impl Fn(ScalarFunctionArgs) -> Result<ColumnarValue>,
) -> Result<ColumnarValue> {
    let rows = computed_rows(args);
    let pieces = PieceRule { function: written, steps, arguments: args.args.iter().map(Argument).collect() };
    let mut most = STEPS_OF_A_PIECE;
    let mut end = pieces.end(0, rows, most).map_err(to_datafusion)?;
    if end == rows {
        return call(args.clone());
    }
    let (mut results, mut start): (Vec<ArrayRef>, usize) = (Vec::new(), 0);
    loop {
        check_query().map_err(to_datafusion)?;
        let piece = ScalarFunctionArgs {
            args: args.args.iter().map(|argument| slice(argument, start, end - start)).collect(),
            number_rows: end - start,
            ..args.clone()
        };
        let began = Instant::now();
        results.push(call(piece)?.into_array(end - start)?);
        most = next_size(most, began.elapsed());
        if end == rows {
            break;
        }
        start = end;
        end = pieces.end(start, rows, most).map_err(to_datafusion)?;
    }
    let results: Vec<&dyn Array> = results.iter().map(AsRef::as_ref).collect();
    Ok(ColumnarValue::Array(concat(&results)?))
}

/// The steps of the piece after one with `most` steps that took this time. The steps of a function are an upper bound, and
/// usually it needs far fewer.
fn next_size(most: u64, took: Duration) -> u64 {
    const LONG: Duration = Duration::from_millis(50);
    let next = if took < LONG / 4 {
        most.saturating_mul(4)
    } else if took > LONG {
        most / 2
    } else {
        most
    };
    next.clamp(STEPS_OF_A_PIECE, MAX_STEPS)
}

/// Where the pieces of a call end.
struct PieceRule<'a> {
    function: &'a str,
    steps: Steps,
    arguments: Vec<Argument<'a>>,
}

impl PieceRule<'_> {
    /// The end of the piece that begins at `start`. It may have one row that alone is more than a piece should have.
    ///
    /// # Errors
    /// [`LimitFault::LongComputation`] if one row needs more than [`MAX_STEPS`].
    fn end(&self, start: usize, rows: usize, most: u64) -> Result<usize, LimitFault> {
        let patterns = self.arguments.get(1).filter(|patterns| has_regexes(self.function) && !patterns.is_constant());
        let mut piece = Piece::default();
        for row in start..rows {
            let needed = (self.steps)(&self.arguments, row).unwrap_or(0);
            if needed > MAX_STEPS {
                let function = self.function.to_owned();
                return Err(LimitFault::LongComputation { function, steps: needed, most: MAX_STEPS });
            }
            let pattern = patterns.and_then(|patterns| patterns.text(row));
            if row > start && !piece.has_room(needed, pattern, most) {
                return Ok(row);
            }
            piece.add(needed, pattern);
        }
        Ok(rows)
    }
}

/// Whether the second argument of a function is a regular expression.
fn has_regexes(function: &str) -> bool {
    function.starts_with("regexp_") || is_regex_operator(function)
}

/// What the rows of a piece need.
#[derive(Default)]
struct Piece<'a> {
    steps: u64,
    patterns: HashSet<&'a str>,
    compiled_bytes: u64,
}

/// The compiled expressions of a piece have at most so many bytes, or there is only one.
const MAX_COMPILED_BYTES: u64 = 32 << 20;

impl<'a> Piece<'a> {
    fn has_room(&self, steps: u64, pattern: Option<&str>, most: u64) -> bool {
        self.steps.saturating_add(steps) <= most
            && self.compiled_bytes.saturating_add(self.new_bytes(pattern)) <= MAX_COMPILED_BYTES
    }

    fn add(&mut self, steps: u64, pattern: Option<&'a str>) {
        self.steps = self.steps.saturating_add(steps);
        self.compiled_bytes = self.compiled_bytes.saturating_add(self.new_bytes(pattern));
        self.patterns.extend(pattern);
    }

    /// What a pattern adds, unless the piece has it already.
    fn new_bytes(&self, pattern: Option<&str>) -> u64 {
        pattern.filter(|pattern| !self.patterns.contains(pattern)).map_or(0, compiled_bytes)
    }
}

/// About the size of a compiled expression. The crate `regex` refuses those above 10 MiB.
fn compiled_bytes(pattern: &str) -> u64 {
    const MOST: u64 = 10 << 20;
    const OF_A_PATTERN: u64 = 16 << 10;
    const OF_A_CHARACTER: u64 = 256;
    const OF_A_CLASS: u64 = 32 << 10;
    // Of `(a{1,30}){1,30}`, there are 900 copies of `a`.
    if pattern.contains('{') {
        return MOST;
    }
    let classes = pattern.matches(['\\', '.', '[']).count() as u64;
    let characters = pattern.len() as u64;
    MOST.min(OF_A_PATTERN + characters.saturating_mul(OF_A_CHARACTER) + classes.saturating_mul(OF_A_CLASS))
}

fn slice(argument: &ColumnarValue, start: usize, rows: usize) -> ColumnarValue {
    match argument {
        ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(start, rows)),
        ColumnarValue::Scalar(value) => ColumnarValue::Scalar(value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, ListArray, StringArray};
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::{DataType, Field};

    use super::*;
    use crate::engine::function_guards::work::steps;

    /// The ends of all pieces, if none is fast.
    fn ends(function: &str, left: Vec<String>, right: Vec<String>) -> Vec<usize> {
        let rows = left.len();
        let column = |texts: Vec<String>| ColumnarValue::Array(Arc::new(StringArray::from(texts)));
        let columns = [column(left), column(right)];
        let pieces =
            PieceRule { function, steps: steps(function).unwrap(), arguments: columns.iter().map(Argument).collect() };
        let mut ends = vec![pieces.end(0, rows, STEPS_OF_A_PIECE).unwrap()];
        while let Some(end) = ends.last().copied().filter(|end| *end < rows) {
            ends.push(pieces.end(end, rows, STEPS_OF_A_PIECE).unwrap());
        }
        ends
    }

    #[test]
    fn a_batch_is_cut_before_its_steps_are_too_many() {
        let texts = || vec!["x".repeat(5_000), "y".repeat(6_000), "z".into()];

        assert_eq!(ends("levenshtein", texts(), texts()), [1, 3], "25 and 36 million steps are more than 50 million");
    }

    #[test]
    fn a_set_of_millions_of_items_is_refused() {
        let list = |items: i32| {
            let field = Arc::new(Field::new_list_field(DataType::Int64, true));
            let (offsets, values) = (OffsetBuffer::new(vec![0, items].into()), vec![0_i64; items as usize]);
            ListArray::new(field, offsets, Arc::new(Int64Array::from(values)), None)
        };
        let lists = [ColumnarValue::Array(Arc::new(list(6_000_000)))];
        for function in ["array_distinct", "array_except", "array_intersect", "array_union"] {
            let arguments = lists.iter().map(Argument).collect();
            let pieces = PieceRule { function, steps: steps(function).unwrap(), arguments };
            let refused = pieces.end(0, 1, STEPS_OF_A_PIECE).unwrap_err();
            assert!(matches!(refused, LimitFault::LongComputation { steps: 600_000_000, .. }), "{refused}");
        }
    }

    #[test]
    fn a_piece_after_a_fast_one_is_longer() {
        let (fast, slow) = (Duration::from_millis(1), Duration::from_secs(1));

        assert_eq!(next_size(STEPS_OF_A_PIECE, fast), 4 * STEPS_OF_A_PIECE);
        assert_eq!(next_size(MAX_STEPS, fast), MAX_STEPS);
        assert_eq!(next_size(MAX_STEPS, slow), MAX_STEPS / 2);
        assert_eq!(next_size(STEPS_OF_A_PIECE, slow), STEPS_OF_A_PIECE);
    }

    #[test]
    fn a_piece_has_few_large_patterns_but_any_number_of_equal_ones() {
        let texts = || vec!["x".to_owned(); 8];
        let patterns = |pattern: fn(usize) -> String| (0..8).map(pattern).collect();

        assert_eq!(ends("regexp_like", texts(), patterns(|row| format!("{row}{{1,100}}"))), [3, 6, 8]);
        assert_eq!(ends("regexp_like", texts(), patterns(|_| "x{1,100}".into())), [8]);
        assert_eq!(ends("regexp_like", texts(), patterns(|row| row.to_string())), [8]);
    }
}
