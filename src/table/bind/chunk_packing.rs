//! Packs the rows of a driving side into chunks. Pure: rows with their keys go in, chunks come out.
//!
//! A chunk is some rows and the keys that the bound side is asked for with them: as many keys as there may be requests
//! at once, and fewer at first under a LIMIT. Which rows come into which chunk is a [`Rule`].
//!
//! ```text
//! push ─┬─► waiting ─► next ─► full    a chunk that takes no more keys
//!       │     ▲              └► rest   what there is, when no rows come for now
//!       └─► gathered ─ end             rows that have to wait until all have come
//! ```

use std::collections::{HashSet, VecDeque};
use std::mem::take;

use arrow::array::{BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use datafusion::error::Result;

use crate::resource::Binding;

/// The keys of a chunk: as many requests as a token's budget lets be in flight at once.
pub(super) const WIDTH: usize = 16;
/// The keys of the first chunk under a LIMIT; each chunk after it has twice as many, up to [`WIDTH`].
const SMALL: usize = 4;
/// The rows of a chunk, if few of them have a new key: they are held in memory.
const MOST_ROWS: usize = 32_768;
/// What a key takes of memory, roughly: a column's name, a number or a short text, and the vector with both.
const BYTES_OF_A_KEY: usize = 160;

/// Which rows of the driving side come into which chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// All rows, in the order in which they come.
    InTurn,
    /// One row for each key of this target, if the join compares nothing but this key: each row of the bound side is
    /// returned once. Rows without a key come last: no scan is asked for them, but the bound side may have other rows
    /// than those of scans.
    OneForEachKey(usize),
    /// All rows of a key in one chunk: each row of the bound side is returned once, and the key alone does not say which
    /// rows match it.
    Together,
}

/// Rows with their keys, by target; `None` for a row without a key that a scan could be asked for.
pub(super) struct Keyed {
    rows: RecordBatch,
    keys: Vec<Vec<Option<Binding>>>,
    /// The place of the first row's key. The keys before it are of rows that are in chunks.
    first: usize,
}

/// Rows that are joined together, and their keys by target.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) rows: Vec<RecordBatch>,
    pub(super) keys: Vec<HashSet<Binding>>,
    number_of_rows: usize,
    /// The keys of the first target without the rows' own ids: keys of one list are asked for together.
    lists: HashSet<Binding>,
}

/// The rows that came and are in no chunk yet.
pub(super) struct Packing {
    rule: Rule,
    /// The column of the first target that tells the rows of one list apart.
    row_id: Option<String>,
    /// The keys of the next chunk.
    size: usize,
    /// The rows of a chunk.
    most_rows: usize,
    next: Chunk,
    /// Rows that come after those of `next`, in their order.
    waiting: VecDeque<Keyed>,
    /// The keys that came, for [`Rule::OneForEachKey`].
    seen: HashSet<Binding>,
    /// Rows that wait for the end: with [`Rule::Together`] all, with [`Rule::OneForEachKey`] those without a key.
    gathered: Vec<Keyed>,
    held_bytes: usize,
}

impl Packing {
    /// `row_id` is the column of the first target that tells the rows of one list apart. `small_first` is for a join
    /// under a LIMIT, for which a few rows may be enough.
    pub(super) fn new(rule: Rule, row_id: Option<String>, small_first: bool) -> Self {
        Self {
            rule,
            row_id,
            size: if small_first { SMALL } else { WIDTH },
            // Rows that match one row of the bound side must not be parted, if that row is returned.
            most_rows: if rule == Rule::InTurn { MOST_ROWS } else { usize::MAX },
            next: Chunk::default(),
            waiting: VecDeque::new(),
            seen: HashSet::new(),
            gathered: Vec::new(),
            held_bytes: 0,
        }
    }

    /// The most keys that the next chunk may have.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Takes more rows.
    pub(super) fn push(&mut self, keyed: Keyed) -> Result<()> {
        match self.rule {
            Rule::InTurn => self.waiting.push_back(keyed),
            Rule::Together => self.gather(keyed),
            Rule::OneForEachKey(target) => {
                let without: Vec<bool> = keyed.keys[target].iter().map(Option::is_none).collect();
                self.gather(keyed.kept(&without)?);
                let new = keyed.keys[target].iter();
                let new: Vec<bool> = new.map(|key| key.clone().is_some_and(|key| self.seen.insert(key))).collect();
                self.waiting.push_back(keyed.kept(&new)?);
            }
        }
        Ok(())
    }

    fn gather(&mut self, keyed: Keyed) {
        if keyed.rows.num_rows() > 0 {
            self.held_bytes += keyed.bytes();
            self.gathered.push(keyed);
        }
    }

    /// Says that all rows have come. The rows that waited for that follow the others.
    pub(super) fn end(&mut self) -> Result<()> {
        if !self.gathered.is_empty() {
            let all = Keyed::by_key(take(&mut self.gathered))?;
            self.held_bytes = all.bytes();
            self.waiting.push_back(all);
        }
        // No key comes twice any more, because none comes.
        self.seen = HashSet::new();
        Ok(())
    }

    /// The next chunk, if it is full.
    pub(super) fn full(&mut self) -> Option<Chunk> {
        while let Some(keyed) = self.waiting.pop_front() {
            let rest = self.next.add(keyed, self.row_id.as_deref(), self.size, self.most_rows);
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
        self.size = (self.size * 2).min(WIDTH);
        if self.is_empty() {
            self.held_bytes = 0;
        }
        chunk
    }

    /// Whether all rows are in chunks.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.next.is_empty() && self.gathered.is_empty()
    }

    /// The memory of the keys that came, and of the rows that wait for the end, until they are in chunks. Rows that do
    /// not wait are not counted: there are a few batches of them at most.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes + self.seen.len() * BYTES_OF_A_KEY
    }
}

impl Keyed {
    /// Rows, and for each target the key of each row.
    pub(super) fn new(rows: RecordBatch, keys: Vec<Vec<Option<Binding>>>) -> Self {
        Self { rows, keys, first: 0 }
    }

    fn bytes(&self) -> usize {
        let keys: usize = self.keys.iter().flatten().filter(|key| key.is_some()).count();
        self.rows.get_array_memory_size() + keys * BYTES_OF_A_KEY
    }

    /// The key of a row as far as it names a list; rows with the same one are asked for together.
    fn list_of(&self, row: usize, row_id: Option<&str>) -> Option<Binding> {
        let (keys, row_id) = self.keys.first().zip(row_id)?;
        keys[self.first + row].as_ref().map(|key| key.without(row_id))
    }

    /// Some of the rows.
    fn kept(&self, kept: &[bool]) -> Result<Self> {
        let of = |keys: &Vec<Option<Binding>>| {
            keys.iter().zip(kept).filter(|(_, kept)| **kept).map(|(key, _)| key.clone()).collect()
        };
        let keys = self.keys.iter().map(of).collect();
        Ok(Self::new(filter_record_batch(&self.rows, &BooleanArray::from(kept.to_vec()))?, keys))
    }

    /// All of these rows, in the order of their keys; those without a key are first.
    fn by_key(all: Vec<Self>) -> Result<Self> {
        let schema = all[0].rows.schema();
        let rows = concat_batches(&schema, all.iter().map(|keyed| &keyed.rows))?;
        let mut keys: Vec<Vec<Option<Binding>>> = vec![Vec::with_capacity(rows.num_rows()); all[0].keys.len()];
        for keyed in all {
            keys.iter_mut().zip(keyed.keys).for_each(|(all, own)| all.extend(own));
        }
        let mut order: Vec<u64> = (0..rows.num_rows() as u64).collect();
        order.sort_by(|a, b| {
            let of = |row: u64| keys.iter().map(move |keys: &Vec<Option<Binding>>| &keys[row as usize]);
            of(*a).cmp(of(*b))
        });
        let in_order = |mut keys: Vec<Option<Binding>>| order.iter().map(|row| keys[*row as usize].take()).collect();
        let keys = keys.into_iter().map(in_order).collect();
        Ok(Self::new(take_record_batch(&rows, &UInt64Array::from(order))?, keys))
    }
}

impl Chunk {
    /// How many lists its keys name.
    pub(super) fn number_of_lists(&self) -> usize {
        self.lists.len()
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds rows up to the first that would be one too many, or whose list would be. Returns the rest.
    fn add(&mut self, mut keyed: Keyed, row_id: Option<&str>, most_lists: usize, most_rows: usize) -> Option<Keyed> {
        self.keys.resize_with(keyed.keys.len(), HashSet::new);
        let rows = keyed.rows.num_rows();
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
            for (all, keys) in self.keys.iter_mut().zip(&mut keyed.keys) {
                all.extend(keys[keyed.first + taken].take());
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
