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

use super::width::{widest_of, widest_row};
use super::{batch_rows, max_batch_bytes};
use crate::engine::fault::to_datafusion;
use crate::engine::limit_fault::LimitFault;

/// The columns that `unnest` makes rows of, and whether their lists can be cut.
#[derive(Clone, Debug)]
pub(in crate::engine) struct ListColumns {
    columns: Vec<usize>,
    /// How deep the deepest list is unnested.
    depth: usize,
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
    ListColumns {
        columns: lists.iter().map(|list| list.index_in_input_schema).collect(),
        depth: lists.iter().map(|list| list.depth).max().unwrap_or(1),
        can_be_cut,
    }
}

/// The number of rows that a batch may unnest to: as many as there is room for. The unnested rows are not as wide as the rows
/// with the lists, for which the query may have small batches. With single rows to a batch they stay single: a function above
/// may have needed that.
pub(super) fn unnested_batch_rows(batch: &RecordBatch, lists: &ListColumns, query_batch_rows: usize) -> usize {
    if query_batch_rows == 1 {
        return 1;
    }
    let is_list = |column: &usize| lists.columns.contains(column);
    let others: Vec<usize> = (0..batch.num_columns()).filter(|column| !is_list(column)).collect();
    let bytes_of_others: usize = others.iter().map(|column| widest_of(&**batch.column(*column))).sum();
    let bytes_of_items: usize = lists.columns.iter().map(|column| widest_item(&**batch.column(*column))).sum();
    batch_rows((bytes_of_others + bytes_of_items) as u64)
}

/// The size of the widest item of all lists of an array, in bytes.
fn widest_item(lists: &dyn Array) -> usize {
    match lists.data_type() {
        DataType::List(_) => widest_of(&*items_of(lists.as_list::<i32>()).1),
        DataType::LargeList(_) => widest_of(&*items_of(lists.as_list::<i64>()).1),
        DataType::FixedSizeList(..) => widest_of(&**lists.as_fixed_size_list().values()),
        _ => widest_of(lists),
    }
}

/// The same rows in batches that unnest to at most `most` rows each, or have one row.
///
/// # Errors
/// [`LimitFault::LargeBatch`] if the lists of one row make too many, and cannot be cut.
pub(super) fn split(batch: &RecordBatch, lists: &ListColumns, most: usize) -> Result<Vec<RecordBatch>> {
    let lengths: Vec<usize> = (0..batch.num_rows()).map(|row| unnested_rows(batch, lists, row)).collect();
    if lengths.iter().sum::<usize>() <= most {
        return Ok(vec![batch.clone()]);
    }
    let (mut batches, mut start, mut rows) = (Vec::new(), 0, 0);
    for (row, length) in lengths.into_iter().enumerate() {
        if rows + length > most && row > start {
            batches.push(batch.slice(start, row - start));
            (start, rows) = (row, 0);
        }
        if length > most && lists.can_be_cut {
            for from in (0..length).step_by(most) {
                batches.push(part(&batch.slice(row, 1), &lists.columns, from, most)?);
            }
            (start, rows) = (row + 1, 0);
        } else {
            if length > most {
                check_uncut(&batch.slice(row, 1), length).map_err(to_datafusion)?;
            }
            rows += length;
        }
    }
    if start < batch.num_rows() {
        batches.push(batch.slice(start, batch.num_rows() - start));
    }
    Ok(batches)
}

/// # Errors
/// [`LimitFault::LargeBatch`].
fn check_uncut(row: &RecordBatch, length: usize) -> Result<(), LimitFault> {
    let bytes = (widest_row(row) as u64).saturating_mul(length as u64);
    let most = max_batch_bytes(length);
    if bytes > most {
        return Err(LimitFault::LargeBatch { function: "unnest".to_owned(), rows: length, bytes, most });
    }
    Ok(())
}

/// The number of rows that `unnest` makes of a row, at most.
fn unnested_rows(batch: &RecordBatch, lists: &ListColumns, row: usize) -> usize {
    let rows = |column: &usize| items(&batch.column(*column).slice(row, 1), lists.depth);
    lists.columns.iter().map(rows).max().unwrap_or(1).max(1)
}

/// The number of items of all lists of an array, and of the lists in them up to this depth.
fn items(lists: &dyn Array, depth: usize) -> usize {
    let (length, values) = match lists.data_type() {
        DataType::List(_) => items_of(lists.as_list::<i32>()),
        DataType::LargeList(_) => items_of(lists.as_list::<i64>()),
        DataType::FixedSizeList(..) => {
            let list = lists.as_fixed_size_list();
            ((list.len() - list.null_count()) * list.value_length().as_usize(), Arc::clone(list.values()))
        }
        _ => return lists.len(),
    };
    // A list in a list is a row even if it is empty.
    if depth > 1 { items(&*values, depth - 1).max(length) } else { length }
}

/// The number of items of all lists of an array that are not NULL, and the items.
fn items_of<O: OffsetSizeTrait>(list: &GenericListArray<O>) -> (usize, ArrayRef) {
    let valid = (0..list.len()).filter(|row| list.is_valid(*row));
    let offsets = list.value_offsets();
    let (start, end) = (offsets[0].as_usize(), offsets[list.len()].as_usize());
    (valid.map(|row| list.value_length(row).as_usize()).sum(), list.values().slice(start, end - start))
}

/// A row with the items of its lists from `from` on, at most `most`.
fn part(row: &RecordBatch, columns: &[usize], from: usize, most: usize) -> Result<RecordBatch> {
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
    use arrow::datatypes::Int32Type;
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

    fn parts(batch: &RecordBatch, can_be_cut: bool) -> Vec<String> {
        let lists = ListColumns { columns: (1..batch.num_columns()).collect(), depth: 1, can_be_cut };
        let parts = split(batch, &lists, 3).unwrap();
        parts.iter().map(|part| pretty_format_batches(std::slice::from_ref(part)).unwrap().to_string()).collect()
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

    #[test]
    fn lists_of_lists_that_make_too_many_rows_are_an_error() {
        let mut lists = ListBuilder::new(ListBuilder::new(Int64Builder::new()));
        for _ in 0..1_000 {
            lists.values().append_value((0..100).map(Some));
        }
        lists.append(true);
        let text: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(1_000)]));
        let list: ArrayRef = Arc::new(lists.finish());
        let batch = RecordBatch::try_from_iter([("t", text), ("l", list)]).unwrap();

        let columns = ListColumns { columns: vec![1], depth: 2, can_be_cut: false };
        let error = split(&batch, &columns, 8_192).unwrap_err();
        assert!(error.to_string().contains("unnest would make 100000 values"), "{error}");

        let columns = ListColumns { depth: 1, ..columns };
        assert_eq!(split(&batch, &columns, 8_192).unwrap().len(), 1, "the inner lists are not unnested");
    }

    #[test]
    fn a_batch_that_unnests_to_few_rows_stays_as_it_is() {
        assert_eq!(parts(&batch(&[&[Some(1), Some(1), None]]), true).len(), 1);
        assert_eq!(parts(&batch(&[&[]]), true).len(), 1);
    }
}
