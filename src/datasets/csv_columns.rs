//! The columns of a CSV file, from its first rows.
//!
//! DataFusion's own inference splits a file at line breaks, also at those within quotes.

use std::io::{BufReader, Read};
use std::sync::Arc;

use arrow::csv::reader::Format;
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use futures::stream::{StreamExt, TryStreamExt};
use object_store::{GetResult, GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt};
use tokio::task::spawn_blocking;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::declaration::FileOptions;
use super::form::{CSV_SAMPLE_ROWS, FileForm};

/// Reads the columns of a file: its names, and types that fit its first rows. A column without a value has the type Null.
///
/// # Errors
/// The file cannot be read, or a row has more or fewer values than the first.
pub(super) async fn infer(
    store: &dyn ObjectStore,
    file: &ObjectMeta,
    form: &FileForm,
    options: &FileOptions,
) -> Result<SchemaRef> {
    let found = store.get(&file.location).await?;
    let bytes = form.compression_type().convert_read(reader(found))?;
    let format = Format::default().with_header(options.has_header).with_delimiter(form.delimiter);
    let inferred = spawn_blocking(move || format.infer_schema(BufReader::new(bytes), Some(CSV_SAMPLE_ROWS))).await;
    let (schema, _) = inferred.map_err(|panic| DataFusionError::External(Box::new(panic)))??;
    Ok(Arc::new(schema))
}

/// The bytes of a file, fetched as they are read.
fn reader(found: GetResult) -> Box<dyn Read + Send> {
    match found.payload {
        GetResultPayload::File(file, _) => Box::new(file),
        GetResultPayload::Stream(bytes) => {
            let bytes = bytes.map_err(std::io::Error::other).boxed();
            Box::new(SyncIoBridge::new(StreamReader::new(bytes)))
        }
    }
}
