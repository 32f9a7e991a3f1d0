//! How wide the rows of a batch are, in bytes.

use arrow::array::{Array, AsArray, OffsetSizeTrait, RecordBatch};
use arrow::datatypes::{ArrowNativeType, DataType};

/// An upper bound on the size of the widest row: the widest value of each column, added up.
pub(super) fn widest_row(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| widest_of(&**column)).sum()
}

/// The size of the widest value of any column.
pub(super) fn widest_value(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| widest_of(&**column)).max().unwrap_or(0)
}

fn widest_of(array: &dyn Array) -> usize {
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

/// The size of the values from `start` to `end`.
pub(in crate::engine) fn bytes(array: &dyn Array, start: usize, end: usize) -> usize {
    let rows = end - start;
    match array.data_type() {
        DataType::Utf8 => between(array.as_string::<i32>().value_offsets(), start, end),
        DataType::LargeUtf8 => between(array.as_string::<i64>().value_offsets(), start, end),
        DataType::Binary => between(array.as_binary::<i32>().value_offsets(), start, end),
        DataType::LargeBinary => between(array.as_binary::<i64>().value_offsets(), start, end),
        DataType::Utf8View => {
            array.as_string_view().lengths().skip(start).take(rows).map(|length| length as usize).sum()
        }
        DataType::BinaryView => {
            array.as_binary_view().lengths().skip(start).take(rows).map(|length| length as usize).sum()
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets();
            bytes(&**list.values(), offsets[start].as_usize(), offsets[end].as_usize())
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let offsets = list.value_offsets();
            bytes(&**list.values(), offsets[start].as_usize(), offsets[end].as_usize())
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let offsets = map.value_offsets();
            bytes(map.entries(), offsets[start].as_usize(), offsets[end].as_usize())
        }
        DataType::Struct(_) => array.as_struct().columns().iter().map(|column| bytes(&**column, start, end)).sum(),
        other => match other.primitive_width() {
            Some(width) => width * rows,
            None => array.slice(start, rows).to_data().get_slice_memory_size().unwrap_or(0),
        },
    }
}

fn between<O: OffsetSizeTrait>(offsets: &[O], start: usize, end: usize) -> usize {
    offsets[end].as_usize() - offsets[start].as_usize()
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
        assert_eq!(widest(Arc::new(lists.slice(1, 2))), 20);
        assert_eq!(widest(Arc::new(both)), 12);
        assert_eq!(widest(texts.slice(0, 0)), 0);
    }

    #[test]
    fn the_items_of_a_list_count_with_their_texts() {
        let mut lists = arrow::array::ListBuilder::new(arrow::array::StringBuilder::new());
        lists.append_value([Some("one"), Some("three")]);
        lists.append_value([Some("seventeen")]);

        assert_eq!(widest(Arc::new(lists.finish())), 9);
    }
}
