//! How wide the rows of a batch are, in bytes.

use arrow::array::{Array, AsArray, OffsetSizeTrait, RecordBatch};
use arrow::datatypes::DataType;

/// An upper bound on the size of the widest row: the widest value of each column, added up.
pub(super) fn widest_row(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| widest_of(&**column)).sum()
}

/// The size of a batch: of its own rows, also if it is a slice of a larger one.
pub(in crate::engine) fn batch_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| bytes(&**column, 0, column.len())).sum()
}

/// The size of the widest value of any column.
pub(super) fn widest_value(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| widest_of(&**column)).max().unwrap_or(0)
}

/// The size of the widest value.
pub(super) fn widest_of(array: &dyn Array) -> usize {
    match array.data_type() {
        DataType::Utf8 => widest_text(array.as_string::<i32>().value_offsets()),
        DataType::LargeUtf8 => widest_text(array.as_string::<i64>().value_offsets()),
        DataType::Binary => widest_text(array.as_binary::<i32>().value_offsets()),
        DataType::LargeBinary => widest_text(array.as_binary::<i64>().value_offsets()),
        other => match other.primitive_width() {
            Some(width) => width,
            None => (0..array.len()).map(|row| bytes(array, row, row + 1)).max().unwrap_or(0),
        },
    }
}

fn widest_text<O: OffsetSizeTrait>(offsets: &[O]) -> usize {
    offsets.windows(2).map(|ends| ends[1].as_usize() - ends[0].as_usize()).max().unwrap_or(0)
}

/// The size of the values from `start` to `end`, with their offsets: an empty text in a list has a size, too.
pub(in crate::engine) fn bytes(array: &dyn Array, start: usize, end: usize) -> usize {
    let rows = end - start;
    match array.data_type() {
        DataType::Utf8 => between(array.as_string::<i32>().value_offsets(), start, end),
        DataType::LargeUtf8 => between(array.as_string::<i64>().value_offsets(), start, end),
        DataType::Binary => between(array.as_binary::<i32>().value_offsets(), start, end),
        DataType::LargeBinary => between(array.as_binary::<i64>().value_offsets(), start, end),
        DataType::Utf8View => bytes_of_views(array.as_string_view().lengths().skip(start).take(rows)),
        DataType::BinaryView => bytes_of_views(array.as_binary_view().lengths().skip(start).take(rows)),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            bytes_of_items(&**list.values(), list.value_offsets(), start, end)
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            bytes_of_items(&**list.values(), list.value_offsets(), start, end)
        }
        DataType::Map(..) => {
            let map = array.as_map();
            bytes_of_items(map.entries(), map.value_offsets(), start, end)
        }
        DataType::Struct(_) => array.as_struct().columns().iter().map(|column| bytes(&**column, start, end)).sum(),
        other => match other.primitive_width() {
            Some(width) => width * rows,
            None => array.slice(start, rows).to_data().get_slice_memory_size().unwrap_or(0),
        },
    }
}

/// The size of texts and of their offsets.
fn between<O: OffsetSizeTrait>(offsets: &[O], start: usize, end: usize) -> usize {
    offsets[end].as_usize() - offsets[start].as_usize() + (end - start) * size_of::<O>()
}

/// The size of texts and of their views.
fn bytes_of_views(lengths: impl Iterator<Item = u32>) -> usize {
    lengths.map(|length| length as usize + size_of::<u128>()).sum()
}

/// The size of the items of lists, and of the lists' offsets.
fn bytes_of_items<O: OffsetSizeTrait>(items: &dyn Array, offsets: &[O], start: usize, end: usize) -> usize {
    bytes(items, offsets[start].as_usize(), offsets[end].as_usize()) + (end - start) * size_of::<O>()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, ListArray, StringArray, StructArray};
    use arrow::datatypes::{Field, Int32Type};

    use super::*;

    fn widest(column: ArrayRef) -> usize {
        widest_row(&RecordBatch::try_from_iter([("c", column)]).unwrap())
    }

    #[test]
    fn the_widest_row_is_that_of_the_longest_values() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("four"), Some("")]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1); 3]),
            None,
            Some(vec![Some(1); 5]),
            Some(vec![]),
        ]);
        let both = StructArray::from(vec![
            (Arc::new(Field::new("t", DataType::Utf8, true)), Arc::clone(&texts)),
            (Arc::new(Field::new("n", DataType::Int64, true)), Arc::clone(&numbers)),
        ]);

        assert_eq!(widest(Arc::clone(&texts)), 4);
        assert_eq!(widest(texts.slice(0, 2)), 1, "a slice has only its own rows");
        assert_eq!(widest(numbers), 8);
        assert_eq!(widest(Arc::new(lists.slice(1, 2))), 5 * 4 + 4);
        assert_eq!(widest(Arc::new(both)), 4 + 4 + 8);
        assert_eq!(widest(texts.slice(0, 0)), 0);
    }

    #[test]
    fn the_items_of_a_list_count_with_their_texts() {
        let mut lists = arrow::array::ListBuilder::new(arrow::array::StringBuilder::new());
        lists.append_value([Some("one"), Some("three")]);
        lists.append_value([Some("seventeen")]);

        assert_eq!(widest(Arc::new(lists.finish())), "onethree".len() + 2 * 4 + 4);
    }
}
