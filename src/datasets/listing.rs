//! The files of a dataset: which there are, of which form, and in which folders `key=value`.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use percent_encoding::percent_decode_str;

use super::csv_quotes::CsvQuotes;
use super::declaration::Dataset;
use super::fault::{Fault, kind_of_store};
use super::form::{Compression, FileForm, FileKind};
use super::json_list::{JsonForm, JsonScan};

/// The files of a dataset at one time.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) files: Vec<ListedFile>,
    pub(super) form: FileForm,
    /// The keys of the folders `key=value`.
    pub(super) keys: Vec<String>,
}

/// A file, and the values of its folders.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListedFile {
    pub(super) meta: ObjectMeta,
    /// One for each key. `None`: the folder's name says that there is no value.
    pub(super) values: Vec<Option<String>>,
}

/// The value with which Hive and Spark name the folder of rows whose key is NULL.
const NULL_FOLDER: &str = "__HIVE_DEFAULT_PARTITION__";

/// Lists the files of a dataset, in the order of their names.
///
/// # Errors
/// There are none, their names give no format or several, or their folders have different keys.
pub(super) async fn list(dataset: &Dataset, store: &dyn ObjectStore) -> Result<Listing, Fault> {
    let found = found(dataset, store).await?;
    let name = |file: &Path| shown(dataset, file);
    let mut listing: Option<Listing> = None;
    for (meta, parts) in found {
        let (file, folders) =
            parts.split_last().map_or((meta.location.filename().unwrap_or_default(), &[][..]), |(file, folders)| {
                (file.as_str(), folders)
            });
        let form = FileForm::of(file, &dataset.options)
            .map_err(|_| Fault::UnknownFormat { dataset: dataset.name.clone(), file: name(&meta.location) })?;
        if dataset.location.bucket().is_some() && !matches!(form.compression, None | Some(Compression::Gzip)) {
            return Err(Fault::Compression { file: name(&meta.location) });
        }
        let (keys, values): (Vec<String>, Vec<Option<String>>) =
            folders.iter().filter_map(|part| key_value(part)).unzip();
        let listed = ListedFile { meta, values };
        match &mut listing {
            None => listing = Some(Listing { files: vec![listed], form, keys }),
            Some(before) => {
                let (dataset, one) = (dataset.name.clone(), name(&before.files[0].meta.location));
                let other = name(&listed.meta.location);
                if before.form != form {
                    return Err(Fault::SeveralFormats { dataset, one, other });
                }
                if before.keys != keys {
                    return Err(Fault::PartitionKeys { dataset, one, other });
                }
                before.files.push(listed);
            }
        }
    }
    listing.ok_or_else(|| Fault::NoFiles { dataset: dataset.name.clone(), location: dataset.location.to_string() })
}

/// The files, each with the parts of its name below the location.
async fn found(dataset: &Dataset, store: &dyn ObjectStore) -> Result<Vec<(ObjectMeta, Vec<String>)>, Fault> {
    let failed = |error: object_store::Error| Fault::Listing {
        dataset: dataset.name.clone(),
        why: error.to_string(),
        kind: kind_of_store(&error),
    };
    let scope = dataset.location.scope().map_err(|why| Fault::Location {
        dataset: dataset.name.clone(),
        location: dataset.location.to_string(),
        why,
    })?;
    if !scope.has_pattern() {
        match store.head(&scope.base).await {
            Ok(meta) => return Ok(vec![(meta, Vec::new())]),
            // It may be a folder.
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let mut all: Vec<ObjectMeta> = store.list(Some(&scope.base)).try_collect().await.map_err(failed)?;
    all.sort_by(|one, other| one.location.cmp(&other.location));
    let parts_of = |meta: ObjectMeta| {
        let parts: Vec<String> = scope.parts(&meta.location)?.into_iter().map(str::to_owned).collect();
        (!parts.iter().any(|part| is_hidden(part))).then_some((meta, parts))
    };
    Ok(all.into_iter().filter_map(parts_of).collect())
}

/// Files of tools: `_SUCCESS`, `.part-0.crc`, `_delta_log/…`. But `_key=value` is a folder of rows.
fn is_hidden(part: &str) -> bool {
    part.starts_with('.') || part.starts_with('_') && !part.contains('=')
}

/// The key and the value of a folder's name. Special characters in both are percent-encoded.
fn key_value(part: &str) -> Option<(String, Option<String>)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map_or(text.to_owned(), |text| text.into_owned());
    let (key, value) = part.split_once('=')?;
    Some((decoded(key), (value != NULL_FOLDER).then(|| decoded(value))))
}

/// A file as errors name it: its path on this machine, or its URL.
pub(super) fn shown(dataset: &Dataset, file: &Path) -> String {
    shown_in(&dataset.location.store_url(), file)
}

/// As [`shown`], in the store with this URL.
pub(super) fn shown_in(store_url: &str, file: &Path) -> String {
    match store_url.strip_prefix("file://") {
        Some(_) => format!("/{file}"),
        None => format!("{}/{file}", store_url.trim_end_matches('/')),
    }
}

/// The text of a file, part by part.
async fn text_of(
    store: &dyn ObjectStore,
    file: &ObjectMeta,
    form: &FileForm,
) -> DataFusionResult<BoxStream<'static, DataFusionResult<Bytes>>> {
    let bytes = store.get(&file.location).await?.into_stream().map_err(DataFusionError::from).boxed();
    form.compression_type().convert_stream(bytes)
}

/// Reads a file of JSON: whether its objects are in one list. A list is read to its end.
///
/// # Errors
/// The file cannot be read.
pub(super) async fn json_form(
    store: &dyn ObjectStore,
    file: &ObjectMeta,
    form: &FileForm,
) -> DataFusionResult<JsonForm> {
    let mut text = text_of(store, file, form).await?;
    let mut scan = JsonScan::default();
    while let Some(chunk) = text.try_next().await? {
        if !scan.read(&chunk) {
            break;
        }
    }
    Ok(scan.form())
}

/// Reads a CSV file to its end: whether a quote is open there.
///
/// # Errors
/// The file cannot be read.
pub(super) async fn has_open_quote(
    store: &dyn ObjectStore,
    file: &ObjectMeta,
    form: &FileForm,
) -> DataFusionResult<bool> {
    let mut text = text_of(store, file, form).await?;
    let mut quotes = CsvQuotes::default();
    while let Some(chunk) = text.try_next().await? {
        quotes.read(&chunk, form.delimiter);
    }
    Ok(quotes.is_open())
}

/// Whether an Arrow file has its end: the mark of a file, or that of a stream. A stream without it may have been cut between
/// two batches.
///
/// # Errors
/// The file cannot be read.
pub(super) async fn has_arrow_end(store: &dyn ObjectStore, file: &ObjectMeta) -> DataFusionResult<bool> {
    const END_OF_FILE: &[u8] = b"ARROW1";
    const END_OF_STREAM: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    let length = END_OF_STREAM.len() as u64;
    let end = store.get_range(&file.location, file.size.saturating_sub(length)..file.size).await?;
    Ok(end.ends_with(END_OF_FILE) || end == END_OF_STREAM)
}

/// An empty file of a format whose files are never empty.
pub(super) fn check_size(dataset: &Dataset, form: &FileForm, file: &ObjectMeta) -> Result<(), Fault> {
    let may_be_empty = form.kind == FileKind::Json || form.kind == FileKind::Csv && !dataset.options.has_header;
    if file.size > 0 || may_be_empty {
        return Ok(());
    }
    Err(Fault::broken_file(&shown(dataset, &file.location), "it is empty"))
}

/// A store that can be shared.
pub(super) type Store = Arc<dyn ObjectStore>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_a_key_and_a_value() {
        assert_eq!(key_value("year=2026"), Some(("year".into(), Some("2026".into()))));
        assert_eq!(key_value("city=a%20b%2Fc"), Some(("city".into(), Some("a b/c".into()))));
        assert_eq!(key_value("day=__HIVE_DEFAULT_PARTITION__"), Some(("day".into(), None)));
        assert_eq!(key_value("x=1=2"), Some(("x".into(), Some("1=2".into()))));
        assert_eq!(key_value("plain"), None);
    }

    #[test]
    fn files_of_tools_are_hidden() {
        assert!(is_hidden("_SUCCESS") && is_hidden(".crc") && is_hidden("_delta_log"));
        assert!(!is_hidden("_day=1") && !is_hidden("part-0.parquet"));
    }
}
