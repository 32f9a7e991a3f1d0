//! The directory that keeps the tables of clients across restarts.
//!
//! ```text
//!     lock                     held by the process that uses the directory
//!     tables.json              the list: which files each table consists of
//!     tables/PROCESS-1.parquet the rows of one ingest
//! ```
//!
//! A file is written and flushed to the disk first; then a new list replaces the old one, in one rename. So a crash leaves
//! the old list or the new one, and files that no list has are removed at the next start.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use chrono::{DateTime, Utc};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use tracing::{error, warn};

use super::held_bytes::{HeldBytes, Holder};
use super::{Change, IngestedTable, Parts, TableName, Tables};
use crate::datasets::fault::Fault;
use crate::error::Result;

const LOCK: &str = "lock";
const LIST: &str = "tables.json";
const NEW_LIST: &str = "tables.json.new";
const FILES: &str = "tables";
const EXTENSION: &str = "parquet";

/// The version of the list's form.
const VERSION: u32 = 1;

/// Rows are written to the file when so many bytes of them wait.
const BUFFERED_BYTES: usize = 32 << 20;

/// An open data directory.
pub(super) struct DataDir {
    path: PathBuf,
    /// Locked until it is dropped, or the process ends.
    _lock: File,
    /// The beginning of the names of this process's files.
    prefix: String,
    files: AtomicU64,
}

/// The rows of one ingest, in a file.
#[derive(Debug)]
pub(super) struct StoredPart {
    pub(super) path: PathBuf,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    is_obsolete: AtomicBool,
    held: Mutex<Option<HeldBytes>>,
}

impl StoredPart {
    /// Counts the file's bytes.
    pub(super) fn hold(&self, holder: &Arc<Holder>) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(holder.of_existing(self.bytes));
    }

    /// Keeps the file: the list has it.
    pub(super) fn keep(&self) {
        self.is_obsolete.store(false, Ordering::Relaxed);
    }

    /// Removes the file when the last plan that reads it is dropped.
    pub(super) fn remove_when_unused(&self) {
        self.is_obsolete.store(true, Ordering::Relaxed);
    }
}

impl Drop for StoredPart {
    fn drop(&mut self) {
        if self.is_obsolete.load(Ordering::Relaxed) {
            remove(&self.path);
        }
    }
}

/// Removes a file that no list has. If that fails, the next start does it.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        warn!(file = %path.display(), %error, "a file of a table can't be removed");
    }
}

/// The list of all tables.
#[derive(Deserialize, Serialize)]
struct List {
    version: u32,
    tables: Vec<ListedTable>,
}

#[derive(Deserialize, Serialize)]
struct ListedTable {
    schema: String,
    table: String,
    changed_by: String,
    changed_at: DateTime<Utc>,
    files: Vec<ListedFile>,
}

#[derive(Deserialize, Serialize)]
struct ListedFile {
    name: String,
    rows: u64,
    bytes: u64,
}

impl DataDir {
    /// Opens a directory, or makes it.
    ///
    /// # Errors
    /// Another process uses it, or its list or one of its files cannot be read.
    pub(super) fn open(path: &Path) -> Result<(Self, Tables), Fault> {
        let failed =
            |error: io::Error| Fault::DataDir { directory: path.display().to_string(), why: error.to_string() };
        fs::create_dir_all(path.join(FILES)).map_err(failed)?;
        // A new directory is on the disk when its parent is.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        for directory in [path, parent.unwrap_or(Path::new("."))] {
            sync_directory(directory).map_err(failed)?;
        }
        let lock = File::create(path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Fault::Locked { directory: path.display().to_string() }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let list = read_list(path)?;
        let mut tables = Tables::new();
        for listed in &list.tables {
            let (name, table) = read_table(path, listed)?;
            tables.insert(name, Arc::new(table));
        }
        remove_leftovers(path, &list).map_err(failed)?;
        let prefix = format!("{:x}-{:x}", Utc::now().timestamp_micros(), std::process::id());
        Ok((Self { path: path.to_owned(), _lock: lock, prefix, files: AtomicU64::new(0) }, tables))
    }

    /// Begins the file of an ingest.
    ///
    /// # Errors
    /// A column has a type that Parquet does not have, or the file cannot be made.
    pub(super) fn part(&self, name: &TableName, columns: &SchemaRef, held: HeldBytes) -> Result<PartWriter, Fault> {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(FILES).join(format!("{}-{number}.{EXTENSION}", self.prefix));
        let failed = |why: String| Fault::Write { table: name.full(), why };
        let file = File::create_new(&path).map_err(|error| failed(error.to_string()))?;
        let unfinished = Unfinished(Some(path));
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = ArrowWriter::try_new(file, Arc::clone(columns), Some(properties));
        let writer = writer.map_err(|error| failed(error.to_string()))?;
        Ok(PartWriter { table: name.full(), writer: Some(writer), unfinished, rows: 0, held })
    }

    /// Replaces the list of tables. Returns whether the new list is on the disk for sure: if not, a crash of the system may
    /// bring the old one back, and the files that it has are still needed.
    ///
    /// # Errors
    /// [`Fault::DataDir`]: the old list is still there.
    pub(super) fn write_list(&self, tables: &Tables) -> Result<bool, Fault> {
        let list = List { version: VERSION, tables: tables.iter().map(|(name, table)| listed(name, table)).collect() };
        let written = serde_json::to_vec_pretty(&list).map_err(io::Error::other).and_then(|text| {
            let new = self.path.join(NEW_LIST);
            let mut file = File::create(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            // The names of the files in the list are on the disk before the list is.
            sync_directory(&self.path.join(FILES))?;
            fs::rename(&new, self.path.join(LIST))
        });
        let written = written.map(|()| {
            let synced = sync_directory(&self.path);
            if let Err(error) = &synced {
                error!(directory = %self.path.display(), %error, "the list of tables may not survive a crash of the system");
            }
            synced.is_ok()
        });
        written.map_err(|error| Fault::DataDir { directory: self.path.display().to_string(), why: error.to_string() })
    }
}

/// Flushes the names in a directory to the disk.
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn listed(name: &TableName, table: &IngestedTable) -> ListedTable {
    let parts = match &table.parts {
        Parts::Stored(parts) => &parts[..],
        Parts::Memory(_) => &[],
    };
    let file = |part: &Arc<StoredPart>| ListedFile {
        name: part.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        rows: part.rows,
        bytes: part.bytes,
    };
    ListedTable {
        schema: name.schema.clone(),
        table: name.table.clone(),
        changed_by: table.changed.by.clone(),
        changed_at: table.changed.at,
        files: parts.iter().map(file).collect(),
    }
}

fn read_list(path: &Path) -> Result<List, Fault> {
    let file = path.join(LIST);
    let broken = |why: String| Fault::DataDir { directory: path.display().to_string(), why: format!("{LIST}: {why}") };
    let text = match fs::read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(List { version: VERSION, tables: Vec::new() });
        }
        Err(error) => return Err(broken(error.to_string())),
    };
    let list: List = serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
    match list.version {
        VERSION => Ok(list),
        other => Err(broken(format!("its version is {other}, and this program reads {VERSION}"))),
    }
}

/// The table that the list has, if its files are those that were written.
fn read_table(path: &Path, listed: &ListedTable) -> Result<(TableName, IngestedTable), Fault> {
    let name = TableName { schema: listed.schema.clone(), table: listed.table.clone() };
    let mut parts = Vec::with_capacity(listed.files.len());
    let mut columns: Option<SchemaRef> = None;
    for ListedFile { name: file_name, rows, bytes } in &listed.files {
        let file_path = path.join(FILES).join(file_name);
        let broken = |why: String| Fault::Part { table: name.full(), file: file_path.display().to_string(), why };
        let file = File::open(&file_path).map_err(|error| broken(error.to_string()))?;
        let length = file.metadata().map_err(|error| broken(error.to_string()))?.len();
        if length != *bytes {
            return Err(broken(format!("it has {length} bytes, and {bytes} were written")));
        }
        if columns.is_none() {
            let read = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| broken(error.to_string()))?;
            columns = Some(Arc::new(Schema::new(read.schema().fields().clone())));
        }
        let (is_obsolete, held) = (AtomicBool::new(false), Mutex::new(None));
        parts.push(Arc::new(StoredPart { path: file_path, rows: *rows, bytes: *bytes, is_obsolete, held }));
    }
    let Some(columns) = columns else {
        return Err(Fault::DataDir {
            directory: path.display().to_string(),
            why: format!("{LIST}: {} has no files", name.full()),
        });
    };
    let changed = Change { by: listed.changed_by.clone(), at: listed.changed_at };
    let (rows, bytes) = (parts.iter().map(|part| part.rows).sum(), parts.iter().map(|part| part.bytes).sum());
    Ok((name, IngestedTable { columns, rows, bytes, changed, parts: Parts::Stored(parts), files: Arc::default() }))
}

/// Whether a file has a name of the form that [`DataDir::part`] gives. Others are not removed: the directory may be a wrong one.
fn is_own(name: &str) -> bool {
    let parts: Vec<&str> = name.strip_suffix(".parquet").unwrap_or_default().split('-').collect();
    let is_hex = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    parts.len() == 3 && parts.iter().all(is_hex)
}

/// Removes the files of ingests that did not end: those that no table has.
fn remove_leftovers(path: &Path, list: &List) -> io::Result<()> {
    let known: BTreeSet<&str> =
        list.tables.iter().flat_map(|table| &table.files).map(|file| file.name.as_str()).collect();
    for entry in fs::read_dir(path.join(FILES))? {
        let file = entry?.path();
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if is_own(name) && !known.contains(name) {
            remove(&file);
        }
    }
    Ok(())
}

/// A file that is removed, unless it is finished.
struct Unfinished(Option<PathBuf>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            remove(path);
        }
    }
}

/// Writes the rows of one ingest.
pub(super) struct PartWriter {
    table: String,
    /// `None` while a thread writes.
    writer: Option<ArrowWriter<File>>,
    unfinished: Unfinished,
    rows: u64,
    held: HeldBytes,
}

impl PartWriter {
    fn failed(&self, error: &ParquetError) -> Fault {
        Fault::Write { table: self.table.clone(), why: error.to_string() }
    }

    /// Adds rows, on a thread that may wait for the disk.
    pub(super) async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let rows = batch.num_rows() as u64;
        self.on_a_thread(move |writer| {
            writer.write(&batch)?;
            if writer.in_progress_size() > BUFFERED_BYTES { writer.flush() } else { Ok(()) }
        })
        .await?;
        self.rows += rows;
        let size = self.writer.as_ref().map_or(0, |writer| writer.bytes_written() + writer.in_progress_size()) as u64;
        Ok(self.held.grow(size.saturating_sub(self.held.bytes()))?)
    }

    /// Ends the file, and waits until it is on the disk.
    pub(super) async fn finish(mut self) -> Result<StoredPart> {
        let bytes = self
            .on_a_thread(|writer| {
                writer.finish()?;
                let file = writer.inner();
                file.sync_all()?;
                Ok(file.metadata()?.len())
            })
            .await?;
        self.held.grow(bytes.saturating_sub(self.held.bytes()))?;
        self.held.shrink_to(bytes);
        let path = self.unfinished.0.take().unwrap_or_default();
        let held = Mutex::new(Some(self.held));
        Ok(StoredPart { path, rows: self.rows, bytes, is_obsolete: AtomicBool::new(true), held })
    }

    async fn on_a_thread<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut ArrowWriter<File>) -> Result<T, ParquetError> + Send + 'static,
    ) -> Result<T> {
        let Some(mut writer) = self.writer.take() else {
            return Err(Fault::Write { table: self.table.clone(), why: "an earlier write has failed".into() }.into());
        };
        let written = spawn_blocking(move || (work(&mut writer), writer)).await;
        let (result, writer) = written.map_err(|panic| Fault::Internal(panic.to_string()))?;
        let result = result.map_err(|error| self.failed(&error))?;
        self.writer = Some(writer);
        Ok(result)
    }
}
