//! Packs the rows of a driving side into chunks. No side effects: rows with their keys go in, chunks come out.
//!
//! A chunk is a number of rows and their keys, with which the bound side is executed. Its keys name at most as many
//! lists as there may be requests in flight, and fewer at first under a LIMIT. Several keys may belong to one list. A
//! [`Rule`] says which rows go into which chunk.
//!
//! ```text
//! push ─┬─► waiting ─► next ─► full    a full chunk: one more list would be too many
//!       │     ▲              └► rest   a chunk of the rows so far, if the driving side has no more rows ready
//!       └─► gathered ─ end             rows that are packed after the last row has arrived
//! ```
//!
//! Do not change without thinking:
//! - [`Rule::OneForEachKey`] and [`Rule::Together`] keep a RightSemi join from returning a row of the bound side twice:
//!   no key may be in two chunks, so a chunk has no maximum number of rows;
//! - the size of a chunk is counted in lists, not in keys: several ids of one list are fetched together.

use std::collections::{HashSet, VecDeque};
use std::mem::take;

use arrow::array::{BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use datafusion::error::Result;

use crate::resource::Binding;

/// Maximum number of lists in a chunk: the number of requests that a token's budget allows in flight.
pub(super) const MAX_LISTS: usize = 16;
/// Maximum number of lists in the first chunk under a LIMIT. It doubles for each further chunk, up to [`MAX_LISTS`].
const FIRST_LISTS: usize = 4;
/// Maximum number of rows in a chunk, for rows with few distinct keys: they are held in memory.
const MAX_ROWS: usize = 32_768;
/// Estimated memory of a key: a column name, a number or a short text, and the vector that holds them.
const BYTES_OF_A_KEY: usize = 160;

/// Which rows of the driving side go into which chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// All rows, in the order of their arrival.
    InTurn,
    /// One row for each key of this target. For a RightSemi join that compares nothing but this key: the other rows
    /// with the key would match the same rows of the bound side, which must be returned once. All rows without a key
    /// come last: scans do not need them, but the bound side may have rows that are not from a scan and match them.
    OneForEachKey(usize),
    /// All rows with the same keys in one chunk, after the last row has arrived. For a RightSemi join that compares
    /// more than the keys: each row of the bound side must be returned once, and any row with its key may match it.
    Together,
}

/// Rows with their keys by target; `None` for a row without a value that a scan could request.
pub(super) struct Keyed {
    rows: RecordBatch,
    keys: Vec<Vec<Option<Binding>>>,
    /// The index of the first row's key. The keys before it belong to rows that are in chunks already.
    first: usize,
}

/// Rows that are joined together, and their keys by target.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) rows: Vec<RecordBatch>,
    pub(super) keys: Vec<HashSet<Binding>>,
    number_of_rows: usize,
    /// The keys of the first target without the ids of rows: ids of one list are fetched together.
    lists: HashSet<Binding>,
}

/// The rows that have arrived and are not in a chunk yet.
pub(super) struct Packing {
    rule: Rule,
    /// The column of the first target that identifies a row within its list.
    row_id: Option<String>,
    /// Maximum number of lists in the next chunk.
    most_lists: usize,
    /// Maximum number of rows in a chunk.
    most_rows: usize,
    /// The chunk that is being filled.
    next: Chunk,
    /// The rows that follow those of `next`, in order.
    waiting: VecDeque<Keyed>,
    /// The keys that have arrived, for [`Rule::OneForEachKey`].
    seen: HashSet<Binding>,
    /// Rows that are packed at the end: with [`Rule::Together`] all, with [`Rule::OneForEachKey`] those without a key.
    gathered: Vec<Keyed>,
    /// The memory of the gathered rows and their keys, until they are in chunks.
    held_bytes: usize,
}

impl Packing {
    /// `row_id` is the column of the first target that identifies a row within its list. `small_first` is for a join
    /// under a LIMIT, which may need only a few rows.
    pub(super) fn new(rule: Rule, row_id: Option<String>, small_first: bool) -> Self {
        Self {
            rule,
            row_id,
            most_lists: if small_first { FIRST_LISTS } else { MAX_LISTS },
            // If rows of the bound side are returned, the rows that match one of them must be in one chunk.
            most_rows: if rule == Rule::InTurn { MAX_ROWS } else { usize::MAX },
            next: Chunk::default(),
            waiting: VecDeque::new(),
            seen: HashSet::new(),
            gathered: Vec::new(),
            held_bytes: 0,
        }
    }

    /// Maximum number of lists in the next chunk.
    pub(super) fn most_lists(&self) -> usize {
        self.most_lists
    }

    /// Adds rows of the driving side.
    pub(super) fn push(&mut self, rows: Keyed) -> Result<()> {
        match self.rule {
            Rule::InTurn => self.waiting.push_back(rows),
            Rule::Together => self.gather(rows),
            Rule::OneForEachKey(target) => {
                let mut has_no_key = Vec::with_capacity(rows.keys[target].len());
                let mut has_new_key = Vec::with_capacity(rows.keys[target].len());
                for key in &rows.keys[target] {
                    has_no_key.push(key.is_none());
                    has_new_key.push(key.as_ref().is_some_and(|key| self.seen.insert(key.clone())));
                }
                self.gather(rows.filtered(&has_no_key)?);
                self.waiting.push_back(rows.filtered(&has_new_key)?);
            }
        }
        Ok(())
    }

    fn gather(&mut self, rows: Keyed) {
        if rows.rows.num_rows() > 0 {
            self.held_bytes += rows.bytes();
            self.gathered.push(rows);
        }
    }

    /// Must be called when all rows have arrived. The gathered rows follow the others, in the order of their keys.
    pub(super) fn end(&mut self) -> Result<()> {
        if !self.gathered.is_empty() {
            let all = Keyed::by_key(take(&mut self.gathered))?;
            self.held_bytes = all.bytes();
            self.waiting.push_back(all);
        }
        // No more keys arrive.
        self.seen = HashSet::new();
        Ok(())
    }

    /// The next chunk, if it is full.
    pub(super) fn full(&mut self) -> Option<Chunk> {
        while let Some(rows) = self.waiting.pop_front() {
            let rest = self.next.add(rows, self.row_id.as_deref(), self.most_lists, self.most_rows);
            if let Some(rest) = rest {
                self.waiting.push_front(rest);
                return Some(self.take_next());
            }
        }
        None
    }

    /// The next chunk, full or not; `None` if there are no rows for it.
    pub(super) fn rest(&mut self) -> Option<Chunk> {
        self.full().or_else(|| (!self.next.is_empty()).then(|| self.take_next()))
    }

    fn take_next(&mut self) -> Chunk {
        let chunk = take(&mut self.next);
        self.most_lists = (self.most_lists * 2).min(MAX_LISTS);
        if self.is_empty() {
            self.held_bytes = 0;
        }
        chunk
    }

    /// Whether all rows are in chunks.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.next.is_empty() && self.gathered.is_empty()
    }

    /// The memory of the keys in `seen`, and of the gathered rows until they are in chunks. Other rows are not counted:
    /// there are a few batches of them at most.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes + self.seen.len() * BYTES_OF_A_KEY
    }
}

impl Keyed {
    /// `keys` has, for each target, the key of each row.
    pub(super) fn new(rows: RecordBatch, keys: Vec<Vec<Option<Binding>>>) -> Self {
        Self { rows, keys, first: 0 }
    }

    fn bytes(&self) -> usize {
        let keys: usize = self.keys.iter().flatten().filter(|key| key.is_some()).count();
        self.rows.get_array_memory_size() + keys * BYTES_OF_A_KEY
    }

    /// The part of a row's key that identifies its list. Rows of one list are fetched together.
    fn list_of(&self, row: usize, row_id: Option<&str>) -> Option<Binding> {
        let (keys, row_id) = self.keys.first().zip(row_id)?;
        keys[self.first + row].as_ref().map(|key| key.without(row_id))
    }

    /// The rows for which `mask` is true.
    fn filtered(&self, mask: &[bool]) -> Result<Self> {
        let mut keys = Vec::with_capacity(self.keys.len());
        for keys_of_target in &self.keys {
            let passed = keys_of_target.iter().zip(mask).filter(|(_, passes)| **passes);
            keys.push(passed.map(|(key, _)| key.clone()).collect());
        }
        Ok(Self::new(filter_record_batch(&self.rows, &BooleanArray::from(mask.to_vec()))?, keys))
    }

    /// All of these rows, sorted by their keys, so that rows with the same keys are adjacent. `None` sorts first.
    fn by_key(all: Vec<Self>) -> Result<Self> {
        let schema = all[0].rows.schema();
        let rows = concat_batches(&schema, all.iter().map(|keyed| &keyed.rows))?;
        let mut keys: Vec<Vec<Option<Binding>>> = vec![Vec::with_capacity(rows.num_rows()); all[0].keys.len()];
        for batch in all {
            for (keys, keys_of_batch) in keys.iter_mut().zip(batch.keys) {
                keys.extend(keys_of_batch);
            }
        }
        let mut order: Vec<u64> = (0..rows.num_rows() as u64).collect();
        order.sort_by(|a, b| keys_of_row(&keys, *a).cmp(keys_of_row(&keys, *b)));
        let mut sorted_keys = Vec::with_capacity(keys.len());
        for mut keys in keys {
            sorted_keys.push(order.iter().map(|row| keys[*row as usize].take()).collect());
        }
        Ok(Self::new(take_record_batch(&rows, &UInt64Array::from(order))?, sorted_keys))
    }
}

/// The key of a row for each target.
fn keys_of_row(keys: &[Vec<Option<Binding>>], row: u64) -> impl Iterator<Item = &Option<Binding>> {
    keys.iter().map(move |keys| &keys[row as usize])
}

impl Chunk {
    /// The number of lists that the chunk's keys name.
    pub(super) fn number_of_lists(&self) -> usize {
        self.lists.len()
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds rows until the chunk has `most_rows`, or until a row's list would be one more than `most_lists`. Returns
    /// the rows that were not added. Rows whose list is in the chunk already, or that have no key, do not end it, so a
    /// full chunk still takes the rows that follow up to the first new list.
    ///
    /// The keys of the added rows are moved out of `keyed`, and `first` of the rest skips them: rows are sliced without
    /// copying, keys are not shifted.
    fn add(&mut self, mut keyed: Keyed, row_id: Option<&str>, most_lists: usize, most_rows: usize) -> Option<Keyed> {
        self.keys.resize_with(keyed.keys.len(), HashSet::new);
        let rows = keyed.rows.num_rows();
        // The number of rows that are added.
        let mut taken = 0;
        while taken < rows && self.number_of_rows + taken < most_rows {
            let list = keyed.list_of(taken, row_id);
            if let Some(list) = list
                && !self.lists.contains(&list)
            {
                if self.lists.len() >= most_lists {
                    break;
                }
                self.lists.insert(list);
            }
            for (keys_of_chunk, keys) in self.keys.iter_mut().zip(&mut keyed.keys) {
                keys_of_chunk.extend(keys[keyed.first + taken].take());
            }
            taken += 1;
        }
        if taken > 0 {
            self.rows.push(keyed.rows.slice(0, taken));
            self.number_of_rows += taken;
        }
        let rest = Keyed { rows: keyed.rows.slice(taken, rows - taken), first: keyed.first + taken, ..keyed };
        (taken < rows).then_some(rest)
    }
}

#[cfg(test)]
mod tests;
