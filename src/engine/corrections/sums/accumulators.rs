//! The accumulators of an [`ExactTotal`]: of one group, of distinct values, and of many groups.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt64Array, new_empty_array};
use arrow::datatypes::UInt64Type;
use datafusion::common::{ScalarValue, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::result::AggregateType;
use super::total::ExactTotal;

/// The total of one group, or of one frame of a window.
#[derive(Debug)]
pub(super) struct Added<T> {
    total: T,
    count: u64,
    aggregate: AggregateType,
}

impl<T: ExactTotal> Added<T> {
    pub(super) fn new(aggregate: AggregateType) -> Self {
        Self { total: T::default(), count: 0, aggregate }
    }
}

impl<T: ExactTotal> Accumulator for Added<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        T::each(&values[0], |_, value| {
            self.total.add(value);
            self.count += 1;
        })
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        T::each(&values[0], |_, value| {
            self.total.subtract(value);
            self.count -= 1;
        })
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        finished(self.total, self.count, &self.aggregate)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let columns = state(&[self.total], vec![self.count]);
        columns.iter().map(|column| ScalarValue::try_from_array(column, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        each_state(states, |_, total, count| {
            self.total.add(total);
            self.count += count;
        })
    }
}

/// The total of the distinct values of one group or frame.
#[derive(Debug)]
pub(super) struct AddedOnce<T> {
    total: T,
    /// The number of occurrences of each value. A moving frame subtracts a value when its last occurrence leaves.
    counts: HashMap<T, u64>,
    aggregate: AggregateType,
}

impl<T: ExactTotal> AddedOnce<T> {
    pub(super) fn new(aggregate: AggregateType) -> Self {
        Self { total: T::default(), counts: HashMap::new(), aggregate }
    }

    fn insert(&mut self, value: T) {
        let count = self.counts.entry(value).or_default();
        *count += 1;
        if *count == 1 {
            self.total.add(value);
        }
    }

    fn remove(&mut self, value: T) {
        let Some(count) = self.counts.get_mut(&value) else { return };
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&value);
            self.total.subtract(value);
        }
    }
}

impl<T: ExactTotal> Accumulator for AddedOnce<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        T::each(&values[0], |_, value| self.insert(value))
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        T::each(&values[0], |_, value| self.remove(value))
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        finished(self.total, self.counts.len() as u64, &self.aggregate)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.counts.capacity() * size_of::<(T, u64)>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let value = &self.aggregate.value;
        let values = self.counts.keys().map(|total| total.to_value(value)).collect::<Result<Vec<_>>>()?;
        Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(&values, value))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for values in states[0].as_list::<i32>().iter().flatten() {
            T::each(&values, |_, value| self.insert(value))?;
        }
        Ok(())
    }
}

/// The totals of many groups.
#[derive(Debug)]
pub(super) struct AddedByGroup<T> {
    totals: Vec<T>,
    counts: Vec<u64>,
    aggregate: AggregateType,
}

impl<T: ExactTotal> AddedByGroup<T> {
    pub(super) fn new(aggregate: AggregateType) -> Self {
        Self { totals: Vec::new(), counts: Vec::new(), aggregate }
    }

    fn resize(&mut self, groups: usize) {
        self.totals.resize(groups, T::default());
        self.counts.resize(groups, 0);
    }
}

impl<T: ExactTotal> GroupsAccumulator for AddedByGroup<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.resize(total_num_groups);
        T::each(&values[0], |row, value| {
            if is_kept(filter, row) {
                let group = group_indices[row];
                self.totals[group].add(value);
                self.counts[group] += 1;
            }
        })
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (totals, counts) = (emit_to.take_needed(&mut self.totals), emit_to.take_needed(&mut self.counts));
        if totals.is_empty() {
            return Ok(new_empty_array(&self.aggregate.result));
        }
        let results = totals.into_iter().zip(counts).map(|(total, count)| finished(total, count, &self.aggregate));
        ScalarValue::iter_to_array(results.collect::<Result<Vec<_>>>()?)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(state(&emit_to.take_needed(&mut self.totals), emit_to.take_needed(&mut self.counts)))
    }

    fn merge_batch(&mut self, states: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.resize(total_num_groups);
        each_state(states, |row, total, count| {
            let group = group_indices[row];
            self.totals[group].add(total);
            self.counts[group] += count;
        })
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let rows = values[0].len();
        let (mut totals, mut counts) = (vec![T::default(); rows], vec![0; rows]);
        T::each(&values[0], |row, value| {
            if is_kept(filter, row) {
                totals[row] = value;
                counts[row] = 1;
            }
        })?;
        Ok(state(&totals, counts))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.totals.capacity() * size_of::<T>() + self.counts.capacity() * size_of::<u64>()
    }
}

/// The result of `count` values: NULL if there are none.
fn finished<T: ExactTotal>(total: T, count: u64, aggregate: &AggregateType) -> Result<ScalarValue> {
    if count == 0 { aggregate.null() } else { total.finish(count, aggregate) }
}

/// Whether a FILTER keeps a row: it is true, and not NULL.
fn is_kept(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

/// The state that one accumulator passes to another: the counts, and then the columns of the totals.
fn state<T: ExactTotal>(totals: &[T], counts: Vec<u64>) -> Vec<ArrayRef> {
    let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from(counts))];
    columns.extend(T::to_columns(totals));
    columns
}

/// Calls `visit` with each row of a state, its total and its count.
fn each_state<T: ExactTotal>(states: &[ArrayRef], mut visit: impl FnMut(usize, T, u64)) -> Result<()> {
    let Some((counts, totals)) = states.split_first() else { return internal_err!("a state without columns") };
    let counts = counts.as_primitive::<UInt64Type>();
    T::from_columns(totals, |row, total| visit(row, total, counts.value(row)))
}
