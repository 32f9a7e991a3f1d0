//! Tables in memory.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, MutableArrayData, RecordBatch, RecordBatchOptions, make_array};
use arrow::compute::BatchCoalescer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use super::{HeldBytes, PlainBatch};
use crate::datasets::fault::Fault;

/// The number of rows of a batch, as everywhere in DataFusion.
const BATCH_ROWS: usize = 8_192;

/// The rows of one ingest.
#[derive(Debug)]
pub(super) struct MemoryPart {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    batches: Vec<RecordBatch>,
    _held: HeldBytes,
}

/// Rows are copied to batches of their own when so many bytes of them wait.
const WAITING_BYTES: u64 = 4 << 20;

/// Collects rows. They are copied to batches of the usual size: a batch of a client has one buffer for all columns, and may
/// have one row or millions.
pub(super) struct MemoryWriter {
    coalescer: BatchCoalescer,
    batches: Vec<RecordBatch>,
    rows: u64,
    /// The size of the batches, and of the rows that wait.
    held: HeldBytes,
    /// The size of the batches.
    bytes: u64,
}

impl MemoryWriter {
    pub(super) fn new(schema: SchemaRef, held: HeldBytes) -> Self {
        Self { coalescer: BatchCoalescer::new(schema, BATCH_ROWS), batches: Vec::new(), rows: 0, held, bytes: 0 }
    }

    pub(super) fn write(&mut self, PlainBatch { rows, bytes }: PlainBatch) -> Result<(), Fault> {
        self.held.grow(bytes)?;
        self.rows += rows.num_rows() as u64;
        self.coalescer.push_batch(rows).map_err(|error| Fault::Rows(error.to_string()))?;
        match self.held.bytes() > self.bytes + WAITING_BYTES {
            true => self.copy_waiting(),
            false => Ok(()),
        }
    }

    /// Copies the rows that wait, and holds as many bytes as the copies have.
    fn copy_waiting(&mut self) -> Result<(), Fault> {
        self.coalescer.finish_buffered_batch().map_err(|error| Fault::Rows(error.to_string()))?;
        while let Some(batch) = self.coalescer.next_completed_batch() {
            let batch = compact(&batch)?;
            self.bytes += batch.get_array_memory_size() as u64;
            self.batches.push(batch);
        }
        self.held.grow(self.bytes.saturating_sub(self.held.bytes()))?;
        self.held.shrink_to(self.bytes);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<MemoryPart, Fault> {
        self.copy_waiting()?;
        let Self { batches, rows, held, bytes, .. } = self;
        Ok(MemoryPart { rows, bytes, batches, _held: held })
    }
}

/// A copy of the batch that shares no memory with others: the coalescer passes on slices of large batches.
fn compact(batch: &RecordBatch) -> Result<RecordBatch, Fault> {
    let failed = |error: ArrowError| Fault::Rows(error.to_string());
    let compacted = batch.columns().iter().map(|column| {
        let data = column.to_data();
        let mut copy = MutableArrayData::new(vec![&data], false, data.len());
        copy.try_extend(0, 0, data.len())?;
        let mut column = make_array(copy.freeze());
        if let Some(column) = Arc::get_mut(&mut column) {
            column.shrink_to_fit();
        }
        Ok(column)
    });
    let columns = compacted.collect::<Result<_, ArrowError>>().map_err(failed)?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options).map_err(failed)
}

/// A table in memory, as one statement reads it. It keeps the parts, and so their bytes, until it is dropped.
pub(super) struct MemoryTable {
    columns: SchemaRef,
    parts: Vec<Arc<MemoryPart>>,
}

impl MemoryTable {
    pub(super) fn new(columns: SchemaRef, parts: &[Arc<MemoryPart>]) -> Self {
        Self { columns, parts: parts.to_vec() }
    }

    /// The batches, dealt to as many partitions as there are cores.
    fn partitions(&self, count: usize) -> Vec<Vec<RecordBatch>> {
        let mut partitions = vec![Vec::new(); count.max(1)];
        let batches = self.parts.iter().flat_map(|part| &part.batches);
        for (at, batch) in batches.enumerate() {
            partitions[at % count.max(1)].push(batch.clone());
        }
        partitions
    }
}

impl fmt::Debug for MemoryTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTable").field("parts", &self.parts.len()).field("columns", &self.columns).finish()
    }
}

#[async_trait]
impl TableProvider for MemoryTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.columns)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let partitions = self.partitions(state.config().target_partitions());
        let source = MemorySourceConfig::try_new(&partitions, Arc::clone(&self.columns), projection.cloned())?;
        Ok(DataSourceExec::from_data_source(source.with_limit(limit)))
    }
}
