//! A table in the data directory, as DataFusion reads it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::execution::SessionState;
use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::data_dir::StoredPart;
use crate::datasets::fault::Fault;
use crate::datasets::file_table::{FileTable, TableFile};
use crate::error::Result;

/// The table over the files of these parts. It keeps the parts, and so the files, as long as a plan reads them.
///
/// # Errors
/// A file cannot be read.
pub(super) async fn of(
    columns: &SchemaRef,
    parts: &[Arc<StoredPart>],
    session: &SessionState,
) -> Result<Arc<FileTable>> {
    let reader: Arc<dyn FileFormat> = Arc::new(ParquetFormat::default().with_force_view_types(false));
    let url = ObjectStoreUrl::local_filesystem();
    let mut files = Vec::with_capacity(parts.len());
    for part in parts {
        let name = part.path.display().to_string();
        let failed = |error| Fault::error_of_file(&name, error);
        let store = session.runtime_env().object_store(&url).map_err(failed)?;
        let location =
            Path::from_absolute_path(&part.path).map_err(|error| failed(object_store::Error::from(error).into()))?;
        let meta = store.head(&location).await.map_err(|error| failed(error.into()))?;
        let statistics = reader.infer_stats(session, &store, Arc::clone(columns), &meta).await.map_err(failed)?;
        files.push(TableFile {
            meta,
            folder_values: Vec::new(),
            statistics: Arc::new(statistics),
            kept: Some(Arc::clone(part) as _),
        });
    }
    Ok(Arc::new(FileTable::new(Arc::clone(columns), Vec::new(), files, url, reader)))
}
