//! The stream of a bind join: packs rows of the driving side into chunks and runs a hash join for each chunk.
//!
//! ```text
//! poll ─► begin_chunks: while fewer than MAX_RUNNING_LISTS lists are in progress, start the join of the next chunk
//!      └► poll_running: return rows of any chunk that has some; a chunk that is done makes room for others
//! ```
//!
//! Several chunks run at once, so that requests are always in flight. Under a LIMIT (`alone`) the first chunk is small,
//! and a second one starts only after the first has returned rows. Everything happens inside `poll`: a stream that is
//! not polled sends no more requests. So nothing may be spawned here.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::{BaselineMetrics, Count};
use futures::{Stream, StreamExt};

use super::BindJoinExec;
use super::bind_join_exec::KeyTarget;
use super::chunk_packing::{Chunk, Keyed, MAX_LISTS, Packing, Rule};
use crate::query::Query;
use crate::table::Run;
use crate::table::key_cast;
use crate::table::resolved_scan::ResolvedScan;
use crate::table::scan_calls::expect_lists;

/// Maximum number of lists in running chunks. That is three full chunks: one that waits for its last responses, one
/// with all requests in flight, and one that is ready to follow.
const MAX_RUNNING_LISTS: usize = 3 * MAX_LISTS;

/// The metrics that EXPLAIN ANALYZE shows.
pub(super) struct Counted {
    pub(super) rows: BaselineMetrics,
    pub(super) chunks: Count,
    /// The lists that the keys of the chunks name. EXPLAIN ANALYZE calls them `keys`.
    pub(super) keys: Count,
}

/// The rows of a bind join.
pub(super) struct Chunks {
    join: BindJoinExec,
    context: Arc<TaskContext>,
    targets: Vec<KeyTarget>,
    driving: Option<SendableRecordBatchStream>,
    packing: Packing,
    /// The memory of the rows and keys in `packing`.
    memory: MemoryReservation,
    /// Whether only one chunk may run: under a LIMIT, until the first rows are returned.
    alone: bool,
    running: Vec<RunningChunk>,
    /// The scans that fetch every key of a target, with the target's index. Their lists are added to the query's
    /// request ledger as soon as the keys are known.
    scans_of_every_key: Vec<(usize, ResolvedScan)>,
    query: Arc<Query>,
    counted: Counted,
}

/// A chunk whose join runs.
struct RunningChunk {
    rows: SendableRecordBatchStream,
    /// The number of lists that its keys name.
    lists: usize,
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
        let row_id = targets.first().map(|target| target.row_id.clone());
        let packing = Packing::new(rule(&join, &targets), row_id, small_first);
        let scans_of_every_key = join.scans_of_every_key(&targets)?;
        let query = Arc::clone(&Run::of(&context)?.query);
        Ok(Self {
            join,
            targets,
            driving: Some(driving),
            packing,
            memory: MemoryConsumer::new("rows that drive a join").register(context.memory_pool()),
            alone: small_first,
            running: Vec::new(),
            query,
            scans_of_every_key,
            counted,
            context,
        })
    }

    /// Returns `Pending` only if the waker is registered: with the driving side if no chunk runs (there is room then,
    /// so `begin_chunks` has polled it), otherwise with every running chunk.
    fn poll_rows(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<RecordBatch>>> {
        loop {
            if let Err(error) = self.begin_chunks(context) {
                return Poll::Ready(Some(Err(error)));
            }
            match self.poll_running(context) {
                Progress::Rows(rows) => return Poll::Ready(Some(rows)),
                Progress::Done => {}
                Progress::Waiting => return Poll::Pending,
                Progress::Idle if self.driving.is_none() && self.packing.is_empty() => return Poll::Ready(None),
                Progress::Idle => return Poll::Pending,
            }
        }
    }

    /// Starts chunks while there are rows, and room for their lists.
    fn begin_chunks(&mut self, context: &mut Context<'_>) -> Result<()> {
        while self.has_room() {
            match self.next_chunk(context)? {
                Some(chunk) => self.begin(chunk)?,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Whether another chunk may start. One may always run. More may if the largest possible next chunk fits, and if
    /// there are fewer chunks than a full one has lists: a chunk may have no keys at all.
    fn has_room(&self) -> bool {
        let running: usize = self.running.iter().map(|chunk| chunk.lists).sum();
        let fits = running + self.packing.most_lists() <= MAX_RUNNING_LISTS && self.running.len() < MAX_LISTS;
        self.running.is_empty() || (!self.alone && fits)
    }

    /// The next chunk; `None` if there are no rows for it now.
    fn next_chunk(&mut self, context: &mut Context<'_>) -> Result<Option<Chunk>> {
        loop {
            if let Some(chunk) = self.packing.full() {
                return Ok(Some(chunk));
            }
            match self.poll_driving(context)? {
                Driving::Rows(rows) => self.packing.push(rows)?,
                // The driving side has no rows ready: a chunk of those that have arrived does not wait for more.
                Driving::Pending => return Ok(self.packing.rest()),
                Driving::End => {
                    self.packing.end()?;
                    return Ok(self.packing.rest());
                }
            }
            self.memory.try_resize(self.packing.held_bytes())?;
        }
    }

    fn poll_driving(&mut self, context: &mut Context<'_>) -> Result<Driving> {
        let Some(driving) = &mut self.driving else { return Ok(Driving::End) };
        Ok(match driving.poll_next_unpin(context) {
            Poll::Pending => Driving::Pending,
            Poll::Ready(None) => {
                self.driving = None;
                Driving::End
            }
            Poll::Ready(Some(rows)) => Driving::Rows(self.with_keys(rows?)?),
        })
    }

    /// Evaluates the join's keys for a batch, as values of each target's columns. Keys that no value is equal to are
    /// `None`.
    fn with_keys(&mut self, rows: RecordBatch) -> Result<Keyed> {
        let mut arrays = Vec::new();
        for key in self.join.driving_keys() {
            arrays.push(key.evaluate(&rows)?.into_array(rows.num_rows())?);
        }
        let mut keys = Vec::with_capacity(self.targets.len());
        for KeyTarget { from, types, .. } in &self.targets {
            let columns =
                from.iter().zip(types).map(|(bound, wanted)| (bound.column.as_str(), &arrays[bound.key], wanted));
            keys.push(key_cast::bindings(rows.num_rows(), columns)?);
        }
        for (target, scan) in &self.scans_of_every_key {
            expect_lists(scan, keys[*target].iter().flatten(), &self.query.ledger)?;
        }
        Ok(Keyed::new(rows, keys))
    }

    /// Starts a chunk's join with the chunk's keys. Nothing is sent before it is polled.
    fn begin(&mut self, chunk: Chunk) -> Result<()> {
        let lists = chunk.number_of_lists();
        let mut keys = Vec::with_capacity(self.targets.len());
        for (target, keys_of_target) in self.targets.iter().zip(chunk.keys) {
            keys.push((target.from.clone(), Arc::new(keys_of_target.into_iter().collect())));
        }
        let rows = self.join.join_chunk(chunk.rows, keys, &self.context)?;
        self.running.push(RunningChunk { rows, lists });
        self.counted.chunks.add(1);
        self.counted.keys.add(lists);
        self.memory.try_resize(self.packing.held_bytes())
    }

    /// The next rows of any running chunk.
    fn poll_running(&mut self, context: &mut Context<'_>) -> Progress {
        if self.running.is_empty() {
            return Progress::Idle;
        }
        for at in 0..self.running.len() {
            match self.running[at].rows.poll_next_unpin(context) {
                Poll::Pending => {}
                Poll::Ready(Some(rows)) => {
                    // Next time the other chunks are polled first.
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

/// A poll of the driving side.
enum Driving {
    Rows(Keyed),
    Pending,
    End,
}

/// A poll of the running chunks.
enum Progress {
    Rows(Result<RecordBatch>),
    /// A chunk ended, so there is room for another one.
    Done,
    Waiting,
    /// No chunk is running.
    Idle,
}

/// How the join's rows are packed. Only a join that returns rows of the bound side must keep the rows of a key in one
/// chunk; for the others a key may come back in a later chunk.
fn rule(join: &BindJoinExec, targets: &[KeyTarget]) -> Rule {
    let compared_alone = targets.iter().position(|target| join.joins_by_keys_alone(target));
    match (join.returns_bound_rows(), compared_alone) {
        (false, _) => Rule::InTurn,
        (true, Some(target)) => Rule::OneForEachKey(target),
        (true, None) => Rule::Together,
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
