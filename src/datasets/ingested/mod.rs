//! Tables that clients make: with Flight SQL's ingest, `oceanflight load`, or CREATE TABLE … AS.
//!
//! ```text
//!     Ingested::begin ──► Ingest ──write──► rows, counted against a limit
//!                           │ commit: from now on the table has the rows, or is a new table
//!                           ▼
//!     in memory             the batches                                     memory
//!     in a data directory   a Parquet file, then the list of all tables     data_dir
//! ```
//!
//! A table never has a part of what was ingested: rows are collected beside it, and a commit replaces the table in one step.
//! Plans keep the table that they were made with.

mod data_dir;
mod held_bytes;
mod memory;
mod plain_columns;
mod stored_table;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use chrono::{DateTime, SubsecRound, Utc};
use datafusion::catalog::TableProvider;
use datafusion::execution::SessionState;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use self::data_dir::{DataDir, PartWriter, StoredPart};
use self::held_bytes::{HeldBytes, Holder};
use self::memory::{MemoryPart, MemoryTable, MemoryWriter};
use self::plain_columns::{PlainBatch, PlainColumns};
use super::declaration::check_name;
use super::fault::Fault;
use super::file_table::FileTable;
use crate::error::Result;

/// Whether and where clients may make tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestOptions {
    /// Whether they may.
    pub allowed: bool,
    /// The maximum size of all tables in memory, in bytes.
    pub max_memory_bytes: usize,
    /// The maximum size of all tables on disk, in bytes.
    pub max_disk_bytes: usize,
    /// Where tables are kept. `None`: in memory, until the server stops.
    pub data_dir: Option<PathBuf>,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self { allowed: false, max_memory_bytes: 256 << 20, max_disk_bytes: 10 << 30, data_dir: None }
    }
}

/// The schema of temporary tables.
pub const TEMPORARY: &str = "temp";

/// The name of a table below `datasets`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName {
    /// The schema.
    pub schema: String,
    /// The table.
    pub table: String,
}

impl TableName {
    /// `datasets.public.x`
    pub fn full(&self) -> String {
        format!("{}.{}.{}", super::CATALOG, self.schema, self.table)
    }
}

/// What happens if the table exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfExists {
    /// An error.
    Fail,
    /// The rows are added.
    Append,
    /// The rows replace the table, also if it has other columns.
    Replace,
    /// Nothing.
    Keep,
}

/// What happens if the table does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// It is made.
    Create,
    /// An error.
    Fail,
}

/// What a client wants to ingest, and who it is.
#[derive(Clone, Debug)]
pub struct IngestTarget {
    /// The table.
    pub name: TableName,
    /// If it exists.
    pub if_exists: IfExists,
    /// If it does not.
    pub if_missing: IfMissing,
    /// Who makes it.
    pub by: String,
}

/// A table that a client has made.
#[derive(Clone, Debug)]
pub struct IngestedTable {
    /// Its columns.
    pub columns: SchemaRef,
    /// The number of its rows.
    pub rows: u64,
    /// The size of its rows, in memory or on disk.
    pub bytes: u64,
    /// Who has changed it last, and when.
    pub changed: Change,
    parts: Parts,
    /// The table over its files, once it was read.
    files: Arc<OnceCell<Arc<FileTable>>>,
}

/// Who has ingested, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The client.
    pub by: String,
    /// The time.
    pub at: DateTime<Utc>,
}

#[derive(Clone, Debug)]
enum Parts {
    Memory(Vec<Arc<MemoryPart>>),
    Stored(Vec<Arc<StoredPart>>),
}

impl IngestedTable {
    fn of(columns: SchemaRef, part: Part, changed: Change) -> Self {
        let (rows, bytes) = part.size();
        let parts = match part {
            Part::Memory(part) => Parts::Memory(vec![part]),
            Part::Stored(part) => Parts::Stored(vec![part]),
        };
        Self { columns, rows, bytes, changed, parts, files: Arc::default() }
    }

    /// The table with one more part.
    ///
    /// # Errors
    /// The part is kept in another place, which would be a fault of this module.
    fn with(&self, part: Part, changed: Change) -> Result<Self, Fault> {
        let (rows, bytes) = part.size();
        let (rows, bytes) = (self.rows + rows, self.bytes + bytes);
        let mut more = Self { rows, bytes, changed, files: Arc::default(), ..self.clone() };
        match (&mut more.parts, part) {
            (Parts::Memory(parts), Part::Memory(part)) => parts.push(part),
            (Parts::Stored(parts), Part::Stored(part)) => parts.push(part),
            (Parts::Memory(_), Part::Stored(_)) | (Parts::Stored(_), Part::Memory(_)) => {
                return Err(Fault::Internal("a part of a table is in another place than the table".into()));
            }
        }
        Ok(more)
    }

    /// The table as a statement reads it.
    ///
    /// # Errors
    /// A file in the data directory cannot be read.
    pub(super) async fn provider(&self, session: &SessionState) -> Result<Arc<dyn TableProvider>> {
        match &self.parts {
            Parts::Memory(parts) => Ok(Arc::new(MemoryTable::new(Arc::clone(&self.columns), parts))),
            Parts::Stored(parts) => {
                let files = || stored_table::of(&self.columns, parts, session);
                Ok(Arc::clone(self.files.get_or_try_init(files).await?) as _)
            }
        }
    }
}

/// What one ingest has written.
enum Part {
    Memory(Arc<MemoryPart>),
    Stored(Arc<StoredPart>),
}

impl Part {
    fn size(&self) -> (u64, u64) {
        match self {
            Self::Memory(part) => (part.rows, part.bytes),
            Self::Stored(part) => (part.rows, part.bytes),
        }
    }
}

type Tables = BTreeMap<TableName, Arc<IngestedTable>>;

/// Tables that are known to the same clients.
#[derive(Clone, Default)]
struct TableSet {
    tables: Arc<Mutex<Tables>>,
    /// Held by a change from its first look at the tables to its end, while it may wait for the disk.
    changes: Arc<Mutex<()>>,
}

impl TableSet {
    /// Usable after a panic: each change is one assignment.
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the tables: first on disk, and then here. `change` returns the tables that there are to be, or `None` if there
    /// is nothing to change. Waits for the disk.
    fn change<T>(
        &self,
        data_dir: Option<&DataDir>,
        change: impl FnOnce(Tables) -> Result<(T, Option<Tables>), Fault>,
    ) -> Result<T, Fault> {
        let _alone = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.lock().clone();
        let (result, after) = change(before.clone())?;
        let Some(after) = after else { return Ok(result) };
        if let Some(data_dir) = data_dir {
            let is_durable = data_dir.write_list(&after)?;
            if is_durable {
                stored_parts(&before).for_each(|part| part.remove_when_unused());
            }
            stored_parts(&after).for_each(|part| part.keep());
        }
        *self.lock() = after;
        Ok(result)
    }

    fn find(&self, name: &TableName) -> Option<Arc<IngestedTable>> {
        self.lock().get(name).cloned()
    }

    fn all(&self) -> Vec<(TableName, Arc<IngestedTable>)> {
        self.lock().iter().map(|(name, table)| (name.clone(), Arc::clone(table))).collect()
    }
}

/// The temporary tables of one session. They are in memory, and end with it.
#[derive(Default)]
pub struct TemporaryTables(TableSet);

impl TemporaryTables {
    pub(super) fn find(&self, name: &TableName) -> Option<Arc<IngestedTable>> {
        self.0.find(name)
    }

    pub(super) fn all(&self) -> Vec<(TableName, Arc<IngestedTable>)> {
        self.0.all()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

/// The tables that clients have made, except for temporary ones.
pub(super) struct Ingested {
    options: IngestOptions,
    tables: TableSet,
    in_memory: Arc<Holder>,
    on_disk: Arc<Holder>,
    data_dir: Option<Arc<DataDir>>,
}

impl Ingested {
    /// Opens the data directory, if there is one, and takes the tables that are in it.
    ///
    /// # Errors
    /// The directory is used by another process, or cannot be read.
    pub(super) fn open(options: &IngestOptions) -> Result<Self, Fault> {
        let (data_dir, tables) = match &options.data_dir {
            None => (None, Tables::new()),
            Some(path) => {
                let (data_dir, tables) = DataDir::open(path)?;
                (Some(Arc::new(data_dir)), tables)
            }
        };
        let in_memory = Arc::new(Holder::new("ingest.max_memory_bytes", options.max_memory_bytes as u64, true));
        let on_disk = Arc::new(Holder::new("ingest.max_disk_bytes", options.max_disk_bytes as u64, false));
        for table in tables.values() {
            if let Parts::Stored(parts) = &table.parts {
                parts.iter().for_each(|part| part.hold(&on_disk));
            }
        }
        let tables = TableSet { tables: Arc::new(Mutex::new(tables)), changes: Arc::default() };
        Ok(Self { options: options.clone(), tables, in_memory, on_disk, data_dir })
    }

    pub(super) fn find(&self, name: &TableName) -> Option<Arc<IngestedTable>> {
        self.tables.find(name)
    }

    pub(super) fn all(&self) -> Vec<(TableName, Arc<IngestedTable>)> {
        self.tables.all()
    }

    pub(super) fn has_schema(&self, schema: &str) -> bool {
        self.tables.lock().keys().any(|name| name.schema == schema)
    }

    /// The tables that one of this name is among, and where they are kept.
    fn place(&self, name: &TableName, temporary: Option<&TemporaryTables>) -> Result<Place, Fault> {
        if name.schema != TEMPORARY {
            return Ok(Place { tables: self.tables.clone(), data_dir: self.data_dir.clone() });
        }
        let temporary = temporary.ok_or(Fault::NoSession)?;
        Ok(Place { tables: temporary.0.clone(), data_dir: None })
    }

    /// Begins an ingest: the errors that can be found before any row is read.
    ///
    /// # Errors
    /// Ingest is off, the name is not one, or the table does not fit.
    pub(super) fn begin(
        &self,
        target: IngestTarget,
        columns: &SchemaRef,
        temporary: Option<&TemporaryTables>,
    ) -> Result<Ingest, Fault> {
        let (plain, place) = self.checked(&target, columns, temporary)?;
        let writer = match &place.data_dir {
            None => Writer::Memory(MemoryWriter::new(Arc::clone(&plain.schema), self.in_memory.nothing())),
            Some(data_dir) => {
                Writer::Stored(Box::new(data_dir.part(&target.name, &plain.schema, self.on_disk.nothing())?))
            }
        };
        Ok(Ingest { target, plain, writer, place, rows: 0 })
    }

    /// Checks what can be checked before any row is read.
    ///
    /// # Errors
    /// As [`Ingested::begin`].
    pub(super) fn check(
        &self,
        target: &IngestTarget,
        columns: &SchemaRef,
        temporary: Option<&TemporaryTables>,
    ) -> Result<(), Fault> {
        self.checked(target, columns, temporary).map(drop)
    }

    fn checked(
        &self,
        target: &IngestTarget,
        columns: &SchemaRef,
        temporary: Option<&TemporaryTables>,
    ) -> Result<(PlainColumns, Place), Fault> {
        self.check_allowed()?;
        for part in [&target.name.schema, &target.name.table] {
            check_name(part).map_err(|wanted| Fault::TableName { name: printable(part), wanted })?;
        }
        let place = self.place(&target.name, temporary)?;
        let plain = PlainColumns::of(&target.name, columns)?;
        check_target(target, place.tables.find(&target.name).as_deref(), &plain.schema)?;
        Ok((plain, place))
    }

    /// Removes a table. Returns whether there was one.
    ///
    /// # Errors
    /// Ingest is off, or the data directory cannot be written.
    pub(super) async fn remove(&self, name: &TableName, temporary: Option<&TemporaryTables>) -> Result<bool> {
        self.check_allowed()?;
        let (Place { tables, data_dir }, name) = (self.place(name, temporary)?, name.clone());
        uninterrupted(move || {
            tables.change(data_dir.as_deref(), |mut tables| {
                let found = tables.remove(&name).is_some();
                Ok((found, found.then_some(tables)))
            })
        })
        .await
    }

    /// # Errors
    /// [`Fault::IngestOff`]
    pub(super) fn check_allowed(&self) -> Result<(), Fault> {
        if self.options.allowed { Ok(()) } else { Err(Fault::IngestOff) }
    }
}

/// A client's name as it may be printed.
fn printable(name: &str) -> String {
    name.chars().take(100).collect::<String>().escape_debug().to_string()
}

fn stored_parts(tables: &Tables) -> impl Iterator<Item = &StoredPart> {
    tables.values().flat_map(|table| match &table.parts {
        Parts::Stored(parts) => parts.iter().map(Arc::as_ref),
        Parts::Memory(_) => [].iter().map(Arc::as_ref),
    })
}

/// Runs a change to its end, also if nobody waits for it any more.
async fn uninterrupted<T: Send + 'static>(change: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T> {
    match spawn_blocking(change).await {
        Ok(changed) => Ok(changed?),
        Err(panic) => Err(Fault::Internal(panic.to_string()).into()),
    }
}

fn check_target(target: &IngestTarget, existing: Option<&IngestedTable>, columns: &SchemaRef) -> Result<(), Fault> {
    let name = || target.name.full();
    match (existing, target.if_exists, target.if_missing) {
        (Some(_), IfExists::Fail, _) => Err(Fault::Exists { table: name() }),
        (Some(table), IfExists::Append, _) => match plain_columns::difference(&table.columns, columns) {
            Some(difference) => Err(Fault::OtherColumns { table: name(), difference }),
            None => Ok(()),
        },
        (None, _, IfMissing::Fail) => Err(Fault::NoSuchTable { table: name() }),
        _ => Ok(()),
    }
}

enum Writer {
    Memory(MemoryWriter),
    Stored(Box<PartWriter>),
}

/// Rows that are being ingested. Dropping it leaves the table as it was.
pub struct Ingest {
    target: IngestTarget,
    plain: PlainColumns,
    writer: Writer,
    place: Place,
    rows: u64,
}

/// Where a table is, or will be.
struct Place {
    tables: TableSet,
    /// None: in memory.
    data_dir: Option<Arc<DataDir>>,
}

impl Ingest {
    /// Adds rows.
    ///
    /// # Errors
    /// A limit is reached, the disk is full, or the batch has other columns than the first.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = self.plain.convert(batch)?;
        self.rows += batch.rows.num_rows() as u64;
        match &mut self.writer {
            Writer::Memory(writer) => Ok(writer.write(batch)?),
            Writer::Stored(writer) => writer.write(batch.rows).await,
        }
    }

    /// Gives the table its rows. Returns their number.
    ///
    /// # Errors
    /// Another client has made or removed the table meanwhile, or the disk is full. The table is as it was.
    pub async fn commit(self) -> Result<u64> {
        let Self { target, plain, writer, place: Place { tables, data_dir }, rows } = self;
        let part = match writer {
            Writer::Memory(writer) => Part::Memory(Arc::new(writer.finish()?)),
            Writer::Stored(writer) => Part::Stored(Arc::new(writer.finish().await?)),
        };
        uninterrupted(move || {
            tables.change(data_dir.as_deref(), |mut tables| {
                check_target(&target, tables.get(&target.name).map(Arc::as_ref), &plain.schema)?;
                let change = Change { by: target.by, at: Utc::now().trunc_subsecs(3) };
                let table = match (tables.get(&target.name), target.if_exists) {
                    // Another client has made it since this ingest began.
                    (Some(_), IfExists::Keep) => return Ok((0, None)),
                    (Some(before), IfExists::Append) => before.with(part, change)?,
                    (Some(_) | None, _) => IngestedTable::of(plain.schema, part, change),
                };
                tables.insert(target.name, Arc::new(table));
                Ok((rows, Some(tables)))
            })
        })
        .await
    }
}

/// Whether a table was made by a client and is in memory.
pub(super) fn is_in_memory(table: &dyn TableProvider) -> bool {
    table.is::<MemoryTable>()
}
