//! The user's own data: files and views beside the account's tables.

mod broken_files;
mod crash;
mod files;
mod ingest;
mod joins_with_tables;
mod load;
mod nothing_else;
mod temporary;
mod views;

use std::path::Path;

use oceanflight::datasets::{self, Dataset, FileOptions, Location, View};
use oceanflight::engine;
use oceanflight::error::Error;
use simulated_account::{self as demo, Limits};
use tempfile::TempDir;

use super::support::Stage;

/// A folder with files, and what is declared over them.
pub(crate) struct Files {
    folder: TempDir,
    options: datasets::Options,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), options: datasets::Options::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file; its folders are made.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(crate) fn dataset(self, name: &str, location: &str) -> Self {
        self.dataset_with(name, location, FileOptions::default())
    }

    pub(crate) fn dataset_with(mut self, name: &str, location: &str, options: FileOptions) -> Self {
        let location = Location::parse(location, self.path()).unwrap();
        self.options.datasets.push(Dataset { name: name.to_owned(), location, options });
        self
    }

    pub(crate) fn view(mut self, name: &str, sql: &str) -> Self {
        self.options.views.push(View { name: name.to_owned(), sql: sql.to_owned() });
        self
    }

    /// An engine over them and a simulated account.
    pub(crate) async fn stage(&self) -> Stage {
        let demo = demo::Options { limits: Limits::off(), ..demo::Options::default() };
        let options = engine::Options { datasets: self.options.clone(), ..engine::Options::default() };
        Stage::with_query(demo, |_| {}, options).await
    }

    /// The error of a statement, or of the check at the start, without the folder's name.
    pub(crate) fn report(&self, error: &Error) -> String {
        error.report().replace(self.path().to_str().unwrap(), "…")
    }

    /// The error that the check at the start finds. A statement has the same.
    pub(crate) async fn error_at_start(&self, sql: &str) -> String {
        let stage = self.stage().await;
        let at_start = self.report(&stage.engine.check_datasets().await.unwrap_err());
        assert_eq!(self.report(&stage.error(sql).await), at_start);
        at_start
    }
}

/// A Parquet file with these columns, in row groups of `rows_per_group` rows.
pub(crate) fn parquet(batch: &arrow::array::RecordBatch, rows_per_group: usize) -> Vec<u8> {
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows_per_group)).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// The numbers from `first` on, as the column `id`, and their texts as `name`.
pub(crate) fn numbered(first: i64, rows: i64) -> arrow::array::RecordBatch {
    use std::sync::Arc;
    let ids = first..first + rows;
    let names = arrow::array::StringArray::from_iter_values(ids.clone().map(|id| format!("n{id}")));
    let ids = arrow::array::Int64Array::from_iter_values(ids);
    arrow::array::RecordBatch::try_from_iter([("id", Arc::new(ids) as _), ("name", Arc::new(names) as _)]).unwrap()
}
