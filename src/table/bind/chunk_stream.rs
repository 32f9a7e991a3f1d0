//! The stream of a bind join: packs rows of the driving side into chunks and runs a hash join for each chunk.
//!
//! ```text
//! poll ─► begin_chunks: while fewer than RUNNING keys are in progress, take the next chunk and start its join
//!      └► poll_running: return rows of any chunk that has some; a chunk that is done frees its keys
//! ```
//!
//! Several chunks run at once, so that requests are always in flight. Under a LIMIT (`alone`) the first chunk is small,
//! and a second one starts only after the first has returned rows. Everything happens inside `poll`: a stream that is
//! not polled sends no more requests.

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
use super::chunk_packing::{Chunk, Keyed, Packing, Rule, WIDTH};
use crate::query::Query;
use crate::table::Run;
use crate::table::key_cast;
use crate::table::resolved_scan::ResolvedScan;
use crate::table::scan_calls::expect_lists;

/// Maximum number of keys in running chunks: the tail of one chunk, one in full flight, and one that is ready to
/// follow.
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
    targets: Vec<KeyTarget>,
    driving: Option<SendableRecordBatchStream>,
    packing: Packing,
    /// The memory that the packing holds.
    memory: MemoryReservation,
    /// Whether only one chunk may run: under a LIMIT, until the first rows are there.
    alone: bool,
    running: Vec<RunningChunk>,
    /// The scans that will ask for every key of a target: their lists enter the query's ledger when the keys are here.
    asked: Vec<(usize, ResolvedScan)>,
    query: Arc<Query>,
    counted: Counted,
}

/// A chunk that is joined.
struct RunningChunk {
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
        let row_id = targets.first().map(|target| target.row_id.clone());
        let packing = Packing::new(rule(&join, &targets), row_id, small_first);
        let asked = join.asked_for_each_key(&targets)?;
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
                Progress::Nothing if self.driving.is_none() && self.packing.is_empty() => return Poll::Ready(None),
                Progress::Nothing => return Poll::Pending,
            }
        }
    }

    /// Begins chunks as long as there is room for their keys, and rows.
    fn begin_chunks(&mut self, context: &mut Context<'_>) -> Result<()> {
        while self.has_room() {
            match self.next_chunk(context)? {
                Some(chunk) => self.begin(chunk)?,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        let running: usize = self.running.iter().map(|chunk| chunk.keys).sum();
        let is_room_for_keys = running + self.packing.size() <= RUNNING && self.running.len() < WIDTH;
        self.running.is_empty() || (!self.alone && is_room_for_keys)
    }

    /// The next chunk; `None` if there are no rows for it now.
    fn next_chunk(&mut self, context: &mut Context<'_>) -> Result<Option<Chunk>> {
        loop {
            if let Some(chunk) = self.packing.full() {
                return Ok(Some(chunk));
            }
            match self.poll_driving(context)? {
                Driving::Rows(keyed) => self.packing.push(keyed)?,
                // Rows that are there do not wait for others.
                Driving::Later => return Ok(self.packing.rest()),
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
        for KeyTarget { from, types, .. } in &self.targets {
            let columns =
                from.iter().zip(types).map(|(bound, wanted)| (bound.column.as_str(), &arrays[bound.key], wanted));
            keys.push(key_cast::bindings(rows.num_rows(), columns)?);
        }
        for (target, reading) in &self.asked {
            expect_lists(reading, keys[*target].iter().flatten(), &self.query.ledger)?;
        }
        Ok(Keyed::new(rows, keys))
    }

    fn begin(&mut self, chunk: Chunk) -> Result<()> {
        let lists = chunk.number_of_lists();
        let given = chunk.keys.into_iter().map(|keys| Arc::new(keys.into_iter().collect::<Vec<_>>()));
        let given = self.targets.iter().map(|target| target.from.clone()).zip(given).collect();
        let rows = self.join.join_chunk(chunk.rows, given, &self.context)?;
        self.running.push(RunningChunk { rows, keys: lists });
        self.counted.chunks.add(1);
        self.counted.keys.add(lists);
        self.memory.try_resize(self.packing.held_bytes())
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

/// Which rows of the driving side come into which chunk.
fn rule(join: &BindJoinExec, targets: &[KeyTarget]) -> Rule {
    let all_that_is_compared = targets.iter().position(|target| join.joins_by_keys_alone(target));
    match (join.answers_bound_rows(), all_that_is_compared) {
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
