//! Cuts the lists that `unnest` reads.
//!
//! ```text
//!     row               a │ [1, 2, 3, 4, 5] │ [x, y]
//!     parts of two      a │ [1, 2]          │ [x, y]
//!                       a │ [3, 4]          │ []
//!                       a │ [5]             │ []
//! ```
//!
//! Unnesting the parts returns the same rows: `unnest` makes a row of each place of the longest list, and fills the shorter
//! lists with NULL.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, GenericListArray, OffsetSizeTrait, RecordBatch};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{ArrowNativeType, DataType};
use datafusion::error::Result;
use datafusion::physical_plan::unnest::UnnestExec;

use super::width::widest_of;
use super::{batch_rows, max_batch_bytes};
use crate::engine::fault::to_datafusion;
use crate::engine::limit_fault::LimitFault;

/// The columns that `unnest` makes rows of, and whether their lists can be cut.
#[derive(Clone, Debug)]
pub(in crate::engine) struct ListColumns {
    /// The columns, each with how deep its lists are unnested.
    columns: Vec<(usize, usize)>,
    /// Not if a list of lists is unnested twice: each of its inner lists is one place.
    can_be_cut: bool,
}

/// The columns of an UNNEST.
pub(super) fn columns(unnest: &UnnestExec) -> ListColumns {
    let lists = unnest.list_column_indices();
    let schema = unnest.input().schema();
    let can_be_cut = lists.iter().all(|list| {
        let data_type = schema.field(list.index_in_input_schema).data_type();
        list.depth == 1 && matches!(data_type, DataType::List(_) | DataType::LargeList(_))
    });
    ListColumns { columns: lists.iter().map(|list| (list.index_in_input_schema, list.depth)).collect(), can_be_cut }
}

impl ListColumns {
    fn indices(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().map(|(column, _)| *column)
    }

    /// The size of an unnested row, in bytes: of the columns that are repeated, and of an item of each list.
    fn bytes_of_a_row(&self, batch: &RecordBatch) -> usize {
        let others = (0..batch.num_columns()).filter(|column| !self.indices().any(|list| list == *column));
        let of_others: usize = others.map(|column| widest_of(&**batch.column(column))).sum();
        let of_items = self.columns.iter().map(|(column, depth)| widest_item(&**batch.column(*column), *depth));
        of_others + of_items.sum::<usize>()
    }

    /// The number of rows that `unnest` makes of a row, at most. Lists side by side make as many rows as the longest has
    /// items. If their depths differ, each item of the deeper ones may be repeated for each item of the others.
    fn unnested_rows(&self, batch: &RecordBatch, row: usize) -> usize {
        let mut rows =
            self.columns.iter().map(|(column, depth)| items(&batch.column(*column).slice(row, 1), *depth).max(1));
        let is_same_depth = self.columns.windows(2).all(|pair| pair[0].1 == pair[1].1);
        match is_same_depth {
            true => rows.max().unwrap_or(1),
            false => rows.try_fold(1, usize::checked_mul).unwrap_or(usize::MAX),
        }
    }
}

/// Rows of a batch that are unnested together.
enum Part {
    Rows {
        start: usize,
        count: usize,
    },
    /// A row whose lists are cut.
    Cut {
        row: usize,
        length: usize,
    },
}

/// The same rows in batches of which each unnests to as many rows as there is room for, or has one row. The batches are made
/// one by one: a list may be cut into millions.
///
/// # Errors
/// [`LimitFault::LargeResult`] if the lists of one row make too many, and cannot be cut.
pub(super) fn split(
    batch: RecordBatch,
    lists: &ListColumns,
) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>> {
    let most = batch_rows(lists.bytes_of_a_row(&batch) as u64);
    let lengths: Vec<usize> = (0..batch.num_rows()).map(|row| lists.unnested_rows(&batch, row)).collect();
    let parts = parts(&batch, lists, &lengths, most).map_err(to_datafusion)?;
    let columns: Vec<usize> = lists.indices().collect();
    Ok(Box::new(parts.into_iter().flat_map(move |part| -> Box<dyn Iterator<Item = Result<RecordBatch>> + Send> {
        match part {
            Part::Rows { start, count } => Box::new(std::iter::once(Ok(batch.slice(start, count)))),
            Part::Cut { row, length } => {
                let (row, columns) = (batch.slice(row, 1), columns.clone());
                Box::new((0..length).step_by(most).map(move |from| cut(&row, &columns, from, most)))
            }
        }
    })))
}

/// The parts of a batch whose rows unnest to these numbers of rows.
///
/// # Errors
/// [`LimitFault::LargeResult`].
fn parts(batch: &RecordBatch, lists: &ListColumns, lengths: &[usize], most: usize) -> Result<Vec<Part>, LimitFault> {
    let (mut parts, mut start, mut rows) = (Vec::new(), 0, 0_usize);
    for (row, length) in lengths.iter().copied().enumerate() {
        if rows.saturating_add(length) > most && row > start {
            parts.push(Part::Rows { start, count: row - start });
            (start, rows) = (row, 0);
        }
        if length > most && lists.can_be_cut {
            parts.push(Part::Cut { row, length });
            (start, rows) = (row + 1, 0);
        } else {
            if length > most {
                check_uncut(&batch.slice(row, 1), lists, length)?;
            }
            rows = rows.saturating_add(length);
        }
    }
    if start < batch.num_rows() || batch.num_rows() == 0 {
        parts.push(Part::Rows { start, count: batch.num_rows() - start });
    }
    Ok(parts)
}

/// # Errors
/// [`LimitFault::LargeResult`].
fn check_uncut(row: &RecordBatch, lists: &ListColumns, length: usize) -> Result<(), LimitFault> {
    let bytes = (lists.bytes_of_a_row(row) as u64).saturating_mul(length as u64);
    let most = max_batch_bytes(1);
    if bytes > most {
        return Err(LimitFault::LargeResult { function: "unnest".to_owned(), rows: length, bytes, most });
    }
    Ok(())
}

/// The size of the widest item of all lists of an array, down to this depth, in bytes.
fn widest_item(lists: &dyn Array, depth: usize) -> usize {
    match values(lists) {
        Some((_, values)) if depth > 1 => widest_item(&*values, depth - 1),
        Some((_, values)) => widest_of(&*values),
        None => widest_of(lists),
    }
}

/// The number of items of all lists of an array, and of the lists in them down to this depth.
fn items(lists: &dyn Array, depth: usize) -> usize {
    match values(lists) {
        // An empty list in a list may be a row, too.
        Some((length, values)) if depth > 1 => items(&*values, depth - 1).saturating_add(length),
        Some((length, _)) => length,
        None => lists.len(),
    }
}

/// The number of items of all lists of an array that are not NULL, and all items. `None` if they are no lists.
fn values(lists: &dyn Array) -> Option<(usize, ArrayRef)> {
    match lists.data_type() {
        DataType::List(_) => Some(values_of(lists.as_list::<i32>())),
        DataType::LargeList(_) => Some(values_of(lists.as_list::<i64>())),
        DataType::FixedSizeList(..) => {
            let list = lists.as_fixed_size_list();
            let items = (list.len() - list.null_count()) * list.value_length().as_usize();
            Some((items, Arc::clone(list.values())))
        }
        _ => None,
    }
}

fn values_of<O: OffsetSizeTrait>(list: &GenericListArray<O>) -> (usize, ArrayRef) {
    let valid = (0..list.len()).filter(|row| list.is_valid(*row));
    let offsets = list.value_offsets();
    let (start, end) = (offsets[0].as_usize(), offsets[list.len()].as_usize());
    (valid.map(|row| list.value_length(row).as_usize()).sum(), list.values().slice(start, end - start))
}

/// A row with the items of its lists from `from` on, at most `most`.
fn cut(row: &RecordBatch, columns: &[usize], from: usize, most: usize) -> Result<RecordBatch> {
    let mut arrays = row.columns().to_vec();
    for column in columns {
        arrays[*column] = match arrays[*column].data_type() {
            DataType::List(_) => part_of_list(arrays[*column].as_list::<i32>(), from, most)?,
            DataType::LargeList(_) => part_of_list(arrays[*column].as_list::<i64>(), from, most)?,
            _ => Arc::clone(&arrays[*column]),
        };
    }
    Ok(RecordBatch::try_new(row.schema(), arrays)?)
}

fn part_of_list<O: OffsetSizeTrait>(list: &GenericListArray<O>, from: usize, most: usize) -> Result<ArrayRef> {
    let (DataType::List(field) | DataType::LargeList(field)) = list.data_type() else {
        return datafusion::common::internal_err!("a list of type {}", list.data_type());
    };
    let items = list.value(0);
    let from = from.min(items.len());
    let items = items.slice(from, most.min(items.len() - from));
    let ends = OffsetBuffer::from_lengths([items.len()]);
    Ok(Arc::new(GenericListArray::<O>::try_new(Arc::clone(field), ends, items, list.nulls().cloned())?))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, Int64Builder, ListArray, ListBuilder, StringArray};
    use arrow::datatypes::{Field, Int32Type, Schema};
    use arrow::util::pretty::pretty_format_batches;

    use super::*;

    fn list(lengths: &[Option<i32>]) -> ArrayRef {
        let lists = lengths.iter().map(|length| length.map(|length| (0..length).map(Some)));
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists))
    }

    fn batch(lists: &[&[Option<i32>]]) -> RecordBatch {
        let rows = i64::try_from(lists[0].len()).unwrap();
        let number: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=rows));
        let lists = lists.iter().enumerate().map(|(at, lengths)| (format!("l{at}"), list(lengths)));
        RecordBatch::try_from_iter([("n".to_owned(), number)].into_iter().chain(lists)).unwrap()
    }

    /// The parts of a batch whose rows are as wide as a batch of three may have.
    fn parts(batch: &RecordBatch, can_be_cut: bool) -> Vec<String> {
        let columns = (1..batch.num_columns()).map(|column| (column, 1)).collect();
        let wide = StringArray::from(vec!["x".repeat(5 << 20); batch.num_rows()]);
        let (schema, mut arrays, _) = batch.clone().into_parts();
        let fields = schema.fields().iter().cloned().chain([Arc::new(Field::new("wide", DataType::Utf8, true))]);
        arrays.push(Arc::new(wide));
        let wide = RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), arrays).unwrap();
        let parts = split(wide, &ListColumns { columns, can_be_cut }).unwrap();
        let without_wide = |part: Result<RecordBatch>| {
            let mut part = part.unwrap();
            part.remove_column(batch.num_columns());
            pretty_format_batches(&[part]).unwrap().to_string()
        };
        parts.map(without_wide).collect()
    }

    #[test]
    fn long_lists_are_cut_and_short_lists_stay_together() {
        let parts = parts(&batch(&[&[Some(1), None, Some(4), Some(0), Some(2), Some(2)]]), true);

        insta::assert_snapshot!(parts.join("\n"));
    }

    #[test]
    fn lists_side_by_side_are_cut_at_the_same_places() {
        let parts = parts(&batch(&[&[Some(7)], &[Some(2)], &[None]]), true);

        insta::assert_snapshot!(parts.join("\n"));
    }

    #[test]
    fn lists_that_cannot_be_cut_have_a_batch_of_their_own() {
        let parts = parts(&batch(&[&[Some(1), Some(7), Some(1)]]), false);

        assert_eq!(parts.len(), 3);
    }

    /// One row: a list of lists, a list and a text.
    fn nested(inner_lists: usize, items: i64, flat: i32, text: usize) -> RecordBatch {
        let mut lists = ListBuilder::new(ListBuilder::new(Int64Builder::new()));
        for _ in 0..inner_lists {
            lists.values().append_value((0..items).map(Some));
        }
        lists.append(true);
        let nested: ArrayRef = Arc::new(lists.finish());
        let text: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(text)]));
        RecordBatch::try_from_iter([("n", nested), ("f", list(&[Some(flat)])), ("t", text)]).unwrap()
    }

    #[test]
    fn lists_of_lists_that_make_too_many_rows_are_an_error() {
        let lists = |depth| ListColumns { columns: vec![(0, depth)], can_be_cut: false };

        let error = split(nested(1_000, 100, 1, 1_000), &lists(2)).err().unwrap();
        assert!(error.to_string().contains("unnest would make 101000 values"), "{error}");
        assert_eq!(split(nested(1_000, 100, 1, 10), &lists(2)).unwrap().count(), 1, "narrow rows");
        assert_eq!(split(nested(1_000, 100, 1, 1_000), &lists(1)).unwrap().count(), 1, "inner lists are items");
    }

    #[test]
    fn lists_of_different_depths_may_multiply() {
        let lists = ListColumns { columns: vec![(0, 2), (1, 1)], can_be_cut: false };

        let error = split(nested(8_000, 1, 8_000, 1), &lists).err().unwrap();
        assert!(error.to_string().contains("unnest would make 128000000 values"), "{error}");
    }

    #[test]
    fn a_batch_that_unnests_to_few_rows_stays_as_it_is() {
        assert_eq!(parts(&batch(&[&[Some(1), Some(1), None]]), true).len(), 1);
        assert_eq!(parts(&batch(&[&[]]), true).len(), 1);
    }
}
