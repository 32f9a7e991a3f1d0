//! Calls a function for some rows of a batch at a time, so that it can be interrupted between them.
//!
//! A piece has a bounded number of steps. And where each row has a regular expression of its own, a piece has few that are
//! large: the functions compile all expressions of a call, and keep them until its end.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

use super::argument::Argument;
use super::patterns::is_pattern_operator;
use super::searches::MAX_PATTERN_BYTES;
use super::work::{MAX_STEPS, STEPS_OF_A_PIECE, Steps};
use super::{check_query, computed_rows};
use crate::engine::fault::to_datafusion;
use crate::engine::limit_fault::LimitFault;

/// Calls a function for one piece of the rows after another.
pub(super) fn in_pieces(
    function: &str,
    steps: Steps,
    args: &ScalarFunctionArgs,
    call: impl Fn(ScalarFunctionArgs) -> Result<ColumnarValue>,
) -> Result<ColumnarValue> {
    let rows = computed_rows(args);
    let ends = ends_of_pieces(function, steps, args, rows).map_err(to_datafusion)?;
    if ends.len() <= 1 {
        return call(args.clone());
    }
    let mut pieces: Vec<ArrayRef> = Vec::with_capacity(ends.len());
    let mut start = 0;
    for end in ends {
        check_query().map_err(to_datafusion)?;
        let piece = ScalarFunctionArgs {
            args: args.args.iter().map(|argument| slice(argument, start, end - start)).collect(),
            number_rows: end - start,
            ..args.clone()
        };
        pieces.push(call(piece)?.into_array(end - start)?);
        start = end;
    }
    let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
    Ok(ColumnarValue::Array(concat(&pieces)?))
}

/// Where the pieces end. A piece may have one row that alone is more than a piece should have.
///
/// # Errors
/// [`LimitFault::LongComputation`] if one row needs more than [`MAX_STEPS`]; [`LimitFault::LongPattern`].
pub(super) fn ends_of_pieces(
    function: &str,
    steps: Steps,
    args: &ScalarFunctionArgs,
    rows: usize,
) -> Result<Vec<usize>, LimitFault> {
    let arguments: Vec<Argument<'_>> = args.args.iter().map(Argument).collect();
    let patterns = arguments.get(1).filter(|_| has_patterns(function));
    let (mut ends, mut piece) = (Vec::new(), Piece::default());
    for row in 0..rows {
        let pattern = patterns.and_then(|patterns| patterns.text(row));
        if let Some(pattern) = pattern {
            check_pattern(pattern)?;
        }
        let needed = steps(&arguments, row).unwrap_or(0);
        if needed > MAX_STEPS {
            return Err(LimitFault::LongComputation { function: function.to_owned(), steps: needed, most: MAX_STEPS });
        }
        let pattern = pattern.filter(|_| patterns.is_some_and(|patterns| !patterns.is_constant()));
        if row > 0 && !piece.has_room(needed, pattern) {
            ends.push(row);
            piece = Piece::default();
        }
        piece.add(needed, pattern);
    }
    ends.push(rows);
    Ok(ends)
}

/// # Errors
/// [`LimitFault::LongPattern`].
fn check_pattern(pattern: &str) -> Result<(), LimitFault> {
    let (bytes, most) = (pattern.len(), MAX_PATTERN_BYTES);
    if bytes > most { Err(LimitFault::LongPattern { bytes, most }) } else { Ok(()) }
}

/// Whether the second argument of a function is a pattern.
fn has_patterns(function: &str) -> bool {
    function.starts_with("regexp_") || is_pattern_operator(function)
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
    fn has_room(&self, steps: u64, pattern: Option<&str>) -> bool {
        self.steps.saturating_add(steps) <= STEPS_OF_A_PIECE
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

    fn ends(function: &str, left: Vec<String>, right: Vec<String>) -> Vec<usize> {
        let number_rows = left.len();
        let column = |texts: Vec<String>| ColumnarValue::Array(Arc::new(StringArray::from(texts)));
        let args = ScalarFunctionArgs {
            args: vec![column(left), column(right)],
            arg_fields: Vec::new(),
            number_rows,
            return_field: Arc::new(Field::new("d", DataType::Int32, true)),
            config_options: Arc::default(),
        };
        ends_of_pieces(function, steps(function).unwrap(), &args, number_rows).unwrap()
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
        let args = ScalarFunctionArgs {
            args: vec![ColumnarValue::Array(Arc::new(list(6_000_000)))],
            arg_fields: Vec::new(),
            number_rows: 1,
            return_field: Arc::new(Field::new("d", DataType::Int32, true)),
            config_options: Arc::default(),
        };
        for function in ["array_distinct", "array_except", "array_intersect", "array_union"] {
            let refused = ends_of_pieces(function, steps(function).unwrap(), &args, 1).unwrap_err();
            assert!(matches!(refused, LimitFault::LongComputation { steps: 600_000_000, .. }), "{refused}");
        }
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
