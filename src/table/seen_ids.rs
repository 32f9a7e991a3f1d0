//! The set of ids that a list has returned.

use std::collections::HashSet;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Int64Type};

/// A set of ids, which are numbers or text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ids {
    numbers: HashSet<i64>,
    texts: HashSet<Box<str>>,
}

impl Ids {
    /// Adds a column of ids, and returns which of them are new.
    pub(super) fn add(&mut self, column: &ArrayRef) -> BooleanArray {
        match column.data_type() {
            DataType::Int64 => {
                let ids = column.as_primitive::<Int64Type>().values();
                ids.iter().map(|id| Some(self.numbers.insert(*id))).collect()
            }
            DataType::Utf8 => {
                let ids = column.as_string::<i32>().iter();
                ids.map(|id| Some(self.texts.insert(id.unwrap_or_default().into()))).collect()
            }
            other => unreachable!("declarations have no ids of type {other}"),
        }
    }

    /// The number of ids.
    pub(super) fn len(&self) -> usize {
        self.numbers.len() + self.texts.len()
    }
}
