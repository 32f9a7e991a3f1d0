//! How the chunks of a bind join follow each other.
//!
//! A chunk is some rows of the driving side with as many keys as there may be requests at once. While the chunks that
//! run wait for their answers, the next ones are begun, so that there are always keys to ask for; under a LIMIT the
//! first chunk is small, and no two run at once before there are rows. All of it happens when rows are asked for: who stops
//! reading stops the requests.

use std::collections::HashSet;
use std::mem::take;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::array::{BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::{BaselineMetrics, Count};
use futures::{Stream, StreamExt};

use super::BindJoinExec;
use super::exec::Target;
use crate::query::Query;
use crate::resource::Binding;
use crate::table::Run;
use crate::table::calls::expect_lists;
use crate::table::reading::Reading;
use crate::table::same_value;

/// The keys of a chunk: what an account's budget lets be in flight at once.
const WIDTH: usize = 16;
/// The keys of the first chunk under a LIMIT; each chunk after it has twice as many, up to [`WIDTH`].
const SMALL: usize = 4;
/// A chunk has at most so many rows, should few of them have a new key: they are held in memory.
const MOST_ROWS: usize = 32_768;
/// So many keys may be asked for by chunks that run: one chunk in flight, the next one's requests ready, and the end
/// of the one before.
const RUNNING: usize = 3 * WIDTH;

/// What EXPLAIN ANALYZE shows.
pub(super) struct Counted {
    pub(super) rows: BaselineMetrics,
    pub(super) chunks: Count,
    pub(super) keys: Count,
}

/// The rows of a bind join.
pub(super) struct Chunks {
    join: BindJoinExec,
    context: Arc<TaskContext>,
    targets: Vec<Target>,
    driving: Option<SendableRecordBatchStream>,
    /// Rows that came and are in no chunk yet, the next one last.
    waiting: Vec<Keyed>,
    next: Chunk,
    /// How many keys make the next chunk.
    size: usize,
    /// Whether a chunk is to be done before another one begins: until there are rows, which may be enough.
    alone: bool,
    running: Vec<Running>,
    /// The keys so far, where rows of the bound side must not be answered again.
    seen: HashSet<Binding>,
    rule: Rule,
    /// Rows of the driving side that wait until it ends, and the memory that they take: with [`Rule::Together`] all, with
    /// [`Rule::OneForEachKey`] those without a key.
    gathered: Vec<Keyed>,
    memory: MemoryReservation,
    /// The query, and what the scans read that ask for each key of a target: the query is told of their lists as soon as
    /// their keys are here.
    query: Arc<Query>,
    asked: Vec<(usize, Reading)>,
    counted: Counted,
}

/// Which rows of the driving side come into which chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Each row in the chunk that its turn brings.
    InTurn,
    /// One row for each key of this target, which are all that the join compares: rows of the bound side are answered
    /// once. Rows without such a key come last, together: no scan is asked for them, but the bound side may have other
    /// rows than a scan's.
    OneForEachKey(usize),
    /// All rows of a key in one chunk: rows of the bound side are answered once, and which of these match one is not in
    /// their keys alone.
    Together,
}

/// Rows with their keys, by target; `None` where a row has none that could be asked for.
struct Keyed {
    rows: RecordBatch,
    keys: Vec<Vec<Option<Binding>>>,
}

/// Rows that will be joined together, and their keys by target.
#[derive(Default)]
struct Chunk {
    rows: Vec<RecordBatch>,
    number_of_rows: usize,
    keys: Vec<HashSet<Binding>>,
    /// The keys without the rows' own ids: keys of one list are asked for together.
    lists: HashSet<Binding>,
}

struct Running {
    rows: SendableRecordBatchStream,
    keys: usize,
}

impl Chunks {
    pub(super) fn try_new(
        join: BindJoinExec,
        driving: SendableRecordBatchStream,
        small_first: bool,
        counted: Counted,
        context: Arc<TaskContext>,
    ) -> Result<Self> {
        let targets = join.targets()?;
        let all_that_is_compared = targets.iter().position(|target| join.joins_by_keys_alone(target));
        let rule = match (join.answers_bound_rows(), all_that_is_compared) {
            (false, _) => Rule::InTurn,
            (true, Some(target)) => Rule::OneForEachKey(target),
            (true, None) => Rule::Together,
        };
        let query = Arc::clone(&Run::of(&context)?.query);
        let asked = join.asked_for_each_key(&targets)?;
        Ok(Self {
            join,
            targets,
            driving: Some(driving),
            waiting: Vec::new(),
            next: Chunk::default(),
            size: if small_first { SMALL } else { WIDTH },
            alone: small_first,
            running: Vec::new(),
            seen: HashSet::new(),
            rule,
            gathered: Vec::new(),
            memory: MemoryConsumer::new("rows that drive a join").register(context.memory_pool()),
            query,
            asked,
            counted,
            context,
        })
    }

    fn poll_rows(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<RecordBatch>>> {
        loop {
            if let Err(error) = self.begin_chunks(context) {
                return Poll::Ready(Some(Err(error)));
            }
            match self.poll_running(context) {
                Progress::Rows(rows) => return Poll::Ready(Some(rows)),
                Progress::Done => {}
                Progress::Waiting => return Poll::Pending,
                Progress::Nothing if self.has_ended() => {
                    return Poll::Ready(None);
                }
                Progress::Nothing => return Poll::Pending,
            }
        }
    }

    fn has_ended(&self) -> bool {
        self.driving.is_none() && self.waiting.is_empty() && self.next.is_empty() && self.gathered.is_empty()
    }

    /// Begins chunks as long as there is room for their keys, and rows.
    fn begin_chunks(&mut self, context: &mut Context<'_>) -> Result<()> {
        while self.has_room() {
            if let Some(keyed) = self.waiting.pop() {
                self.take(keyed)?;
                continue;
            }
            match self.poll_driving(context)? {
                Driving::Rows(keyed) => self.sort_out(keyed)?,
                // What is there need not wait for the rest.
                Driving::Later if !self.next.is_empty() => self.begin()?,
                Driving::Later => return Ok(()),
                Driving::End if !self.gathered.is_empty() => {
                    self.waiting.push(Keyed::by_key(take(&mut self.gathered))?)
                }
                Driving::End if self.next.is_empty() => return Ok(()),
                Driving::End => self.begin()?,
            }
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        let running: usize = self.running.iter().map(|chunk| chunk.keys).sum();
        self.running.is_empty() || (!self.alone && running + self.size <= RUNNING && self.running.len() < WIDTH)
    }

    /// Says which rows have their turn now, and which wait for the end.
    fn sort_out(&mut self, keyed: Keyed) -> Result<()> {
        match self.rule {
            Rule::InTurn => self.waiting.push(keyed),
            Rule::Together => self.gather(keyed)?,
            Rule::OneForEachKey(target) => {
                let has_key: Vec<bool> = keyed.keys[target].iter().map(Option::is_some).collect();
                self.gather(keyed.kept(&has_key.iter().map(|has| !has).collect::<Vec<_>>())?)?;
                let new = keyed.keys[target].iter();
                let new: Vec<bool> = new.map(|key| key.clone().is_some_and(|key| self.seen.insert(key))).collect();
                self.waiting.push(keyed.kept(&new)?);
            }
        }
        Ok(())
    }

    fn gather(&mut self, keyed: Keyed) -> Result<()> {
        if keyed.rows.num_rows() > 0 {
            self.memory.try_grow(keyed.rows.get_array_memory_size())?;
            self.gathered.push(keyed);
        }
        Ok(())
    }

    fn poll_driving(&mut self, context: &mut Context<'_>) -> Result<Driving> {
        let Some(driving) = &mut self.driving else { return Ok(Driving::End) };
        Ok(match driving.poll_next_unpin(context) {
            Poll::Pending => Driving::Later,
            Poll::Ready(None) => {
                self.driving = None;
                Driving::End
            }
            Poll::Ready(Some(rows)) => Driving::Rows(self.keyed(rows?)?),
        })
    }

    /// The rows with their keys.
    fn keyed(&mut self, rows: RecordBatch) -> Result<Keyed> {
        let driving_keys = self.join.driving_keys();
        let arrays = driving_keys.iter().map(|key| key.evaluate(&rows)?.into_array(rows.num_rows()));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let mut keys = Vec::with_capacity(self.targets.len());
        for Target { from, types, .. } in &self.targets {
            let columns =
                from.iter().zip(types).map(|(bound, wanted)| (bound.column.as_str(), &arrays[bound.key], wanted));
            keys.push(same_value::bindings(rows.num_rows(), columns)?);
        }
        for (target, reading) in &self.asked {
            expect_lists(reading, keys[*target].iter().flatten(), &self.query.ledger)?;
        }
        Ok(Keyed { rows, keys })
    }

    /// Puts rows into the next chunk until it has its keys; the rest waits.
    fn take(&mut self, mut keyed: Keyed) -> Result<()> {
        // Where rows of the bound side are answered, those that match one of them must not be parted.
        let most_rows = if self.rule == Rule::InTurn { MOST_ROWS } else { usize::MAX };
        let rest = self.next.add(&mut keyed, &self.targets, self.size, most_rows);
        let is_full = rest.is_some();
        self.waiting.extend(rest);
        if is_full { self.begin() } else { Ok(()) }
    }

    fn begin(&mut self) -> Result<()> {
        let Chunk { rows, keys, lists, .. } = take(&mut self.next);
        let distinct = lists.len();
        let given = keys.into_iter().map(|keys| Arc::new(keys.into_iter().collect::<Vec<_>>()));
        let given = self.targets.iter().map(|target| target.from.clone()).zip(given).collect();
        let rows = self.join.join_chunk(rows, given, &self.context)?;
        self.running.push(Running { rows, keys: distinct });
        self.counted.chunks.add(1);
        self.counted.keys.add(distinct);
        self.size = (self.size * 2).min(WIDTH);
        Ok(())
    }

    /// The next rows of any chunk that runs.
    fn poll_running(&mut self, context: &mut Context<'_>) -> Progress {
        if self.running.is_empty() {
            return Progress::Nothing;
        }
        for at in 0..self.running.len() {
            match self.running[at].rows.poll_next_unpin(context) {
                Poll::Pending => {}
                Poll::Ready(Some(rows)) => {
                    // The others have their turn first next time.
                    self.running.rotate_left(at + 1);
                    self.alone = false;
                    return Progress::Rows(rows);
                }
                Poll::Ready(None) => {
                    self.running.remove(at);
                    return Progress::Done;
                }
            }
        }
        Progress::Waiting
    }
}

enum Driving {
    Rows(Keyed),
    Later,
    End,
}

enum Progress {
    Rows(Result<RecordBatch>),
    /// A chunk came to its end.
    Done,
    Waiting,
    /// No chunk runs.
    Nothing,
}

impl Keyed {
    /// The key of a row as far as it tells a list; rows with the same one are asked for together.
    fn list_of(&self, row: usize, targets: &[Target]) -> Option<Binding> {
        let (keys, target) = self.keys.first().zip(targets.first())?;
        keys[row].as_ref().map(|key| key.without(&target.row_id))
    }

    /// Some of the rows.
    fn kept(&self, kept: &[bool]) -> Result<Self> {
        let of = |keys: &Vec<Option<Binding>>| {
            keys.iter().zip(kept).filter(|(_, kept)| **kept).map(|(key, _)| key.clone()).collect()
        };
        let keys = self.keys.iter().map(of).collect();
        Ok(Self { rows: filter_record_batch(&self.rows, &BooleanArray::from(kept.to_vec()))?, keys })
    }

    /// All of these rows, those with the same keys after each other.
    fn by_key(all: Vec<Self>) -> Result<Self> {
        let schema = all[0].rows.schema();
        let rows = concat_batches(&schema, all.iter().map(|keyed| &keyed.rows))?;
        let targets = all[0].keys.len();
        let keys: Vec<Vec<_>> =
            (0..targets).map(|at| all.iter().flat_map(|keyed| keyed.keys[at].clone()).collect()).collect();
        let mut order: Vec<u64> = (0..rows.num_rows() as u64).collect();
        order.sort_by(|a, b| {
            let of = |row: u64| keys.iter().map(move |keys: &Vec<Option<Binding>>| &keys[row as usize]);
            of(*a).cmp(of(*b))
        });
        let keys = keys.iter().map(|keys| order.iter().map(|row| keys[*row as usize].clone()).collect()).collect();
        Ok(Self { rows: take_record_batch(&rows, &UInt64Array::from(order))?, keys })
    }
}

impl Chunk {
    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds rows until there are so many keys of lists, or so many rows, and one more of either would come; the rest
    /// comes back.
    fn add(&mut self, keyed: &mut Keyed, targets: &[Target], most_keys: usize, most_rows: usize) -> Option<Keyed> {
        self.keys.resize_with(keyed.keys.len(), HashSet::new);
        let rows = keyed.rows.num_rows();
        let mut taken = 0;
        while taken < rows && self.number_of_rows + taken < most_rows {
            let list = keyed.list_of(taken, targets);
            if let Some(list) = list
                && !self.lists.contains(&list)
            {
                if self.lists.len() >= most_keys {
                    break;
                }
                self.lists.insert(list);
            }
            for (all, keys) in self.keys.iter_mut().zip(&mut keyed.keys) {
                all.extend(keys[taken].take());
            }
            taken += 1;
        }
        if taken > 0 {
            self.rows.push(keyed.rows.slice(0, taken));
            self.number_of_rows += taken;
        }
        let rest = || Keyed {
            rows: keyed.rows.slice(taken, rows - taken),
            keys: keyed.keys.iter().map(|keys| keys[taken..].to_vec()).collect(),
        };
        (taken < rows).then(rest)
    }
}

impl Stream for Chunks {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Poll::Ready(ready!(self.poll_rows(context)));
        self.counted.rows.record_poll(polled)
    }
}

impl RecordBatchStream for Chunks {
    fn schema(&self) -> SchemaRef {
        self.join.schema()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Int64Type};

    use super::*;
    use crate::resource::Value;
    use crate::table::keys::Bound;

    fn target() -> Target {
        let from = vec![Bound { column: "image_id".into(), key: 0 }];
        Target { from, types: vec![DataType::Int64], row_id: "id".into() }
    }

    /// Rows with these images as their keys; the images are the rows' only column, too.
    fn keyed(images: &[Option<i64>]) -> Keyed {
        let rows = RecordBatch::try_from_iter([("image", Arc::new(Int64Array::from(images.to_vec())) as _)]).unwrap();
        let key = |image: &Option<i64>| image.map(|image| Binding::default().with("image_id", Value::Int(image)));
        Keyed { rows, keys: vec![images.iter().map(key).collect()] }
    }

    fn images(rows: &RecordBatch) -> Vec<Option<i64>> {
        rows.column(0).as_primitive::<Int64Type>().iter().collect()
    }

    #[test]
    fn a_chunk_takes_rows_until_a_key_too_many_would_come() {
        let mut chunk = Chunk::default();
        let mut rows = keyed(&[Some(1), None, Some(2), Some(1), None, Some(3), Some(1)]);

        let rest = chunk.add(&mut rows, &[target()], 2, 100).unwrap();

        assert_eq!(
            (chunk.lists.len(), chunk.number_of_rows),
            (2, 5),
            "those that repeat a key, or have none, come along"
        );
        assert_eq!(images(&rest.rows), [Some(3), Some(1)]);
        assert!(Chunk::default().add(&mut keyed(&[Some(1), Some(2)]), &[target()], 2, 100).is_none());
    }

    #[test]
    fn a_chunk_takes_so_many_rows_at_most() {
        let mut chunk = Chunk::default();

        let rest = chunk.add(&mut keyed(&[Some(1); 5]), &[target()], 2, 3).unwrap();

        assert_eq!((chunk.number_of_rows, rest.rows.num_rows()), (3, 2));
    }

    #[test]
    fn rows_of_one_list_are_one_key_of_a_chunk() {
        let pair = |id| Some(Binding::default().with("image_id", Value::Int(1)).with("id", Value::Int(id)));
        let mut rows = keyed(&[Some(1); 3]);
        rows.keys = vec![vec![pair(7), pair(8), pair(9)]];
        let mut chunk = Chunk::default();

        assert!(chunk.add(&mut rows, &[target()], 1, 100).is_none());
        assert_eq!((chunk.lists.len(), chunk.keys[0].len()), (1, 3));
    }

    #[test]
    fn rows_that_are_gathered_come_key_by_key_and_those_without_one_first() {
        let (one, other) = (keyed(&[Some(2), None, Some(1)]), keyed(&[Some(1), None, Some(3)]));

        let all = Keyed::by_key(vec![one, other]).unwrap();
        let mut chunk = Chunk::default();
        let rest = chunk.add(&mut keyed(&images(&all.rows)), &[target()], 1, usize::MAX).unwrap();

        assert_eq!(images(&all.rows), [None, None, Some(1), Some(1), Some(2), Some(3)]);
        assert_eq!((chunk.number_of_rows, rest.rows.num_rows()), (4, 2), "none that match the same row are parted");
    }
}
