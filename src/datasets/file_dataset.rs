//! A dataset: looks at its files each time that a statement is planned.
//!
//! ```text
//!     list the files ──► the same as last time? ──► the same table
//!                   └──► columns and statistics of the new ones ──► the columns of all ──► a new table
//! ```
//!
//! So a statement sees the files that exist when it is planned, and each of them has been checked.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::Statistics;
use datafusion::datasource::file_format::FileFormat;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::future::FutureExt;
use futures::stream::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;
use object_store::path::Path;
use tokio::sync::Mutex;

use super::columns::{self, FileColumns, FolderColumns};
use super::csv_columns;
use super::declaration::Dataset;
use super::fault::Fault;
use super::file_table::{FileTable, TableFile};
use super::form::{FileForm, FileKind};
use super::json_list::JsonForm;
use super::listing::{self, ListedFile, Listing, Store};
use crate::error::Result;

/// How many files are looked into at once.
const FILES_AT_ONCE: usize = 16;

/// A declared dataset, with its files as they were found last.
pub(super) struct FileDataset {
    declaration: Dataset,
    /// The declared columns.
    declared: Option<SchemaRef>,
    /// To read files outside of a query.
    session: Arc<SessionState>,
    last: Mutex<Option<Snapshot>>,
}

/// The files of a dataset at one time.
struct Snapshot {
    listed: Vec<ListedFile>,
    known: HashMap<Path, KnownFile>,
    table: Arc<FileTable>,
}

/// What is known about a file as long as it does not change.
#[derive(Clone)]
struct KnownFile {
    meta: ObjectMeta,
    is_list: Option<bool>,
    schema: SchemaRef,
    /// For these columns.
    statistics: Option<(SchemaRef, Arc<Statistics>)>,
}

impl FileDataset {
    pub(super) fn new(declaration: Dataset, declared: Option<SchemaRef>, session: Arc<SessionState>) -> Self {
        Self { declaration, declared, session, last: Mutex::default() }
    }

    pub(super) fn location(&self) -> String {
        self.declaration.location.to_string()
    }

    /// The table with the files that exist now.
    ///
    /// # Errors
    /// [`Fault`]
    pub(super) async fn table(&self) -> Result<Arc<FileTable>> {
        let url = ObjectStoreUrl::parse(self.declaration.location.store_url()).map_err(|error| Fault::Location {
            dataset: self.declaration.name.clone(),
            location: self.declaration.location.to_string(),
            why: error.strip_backtrace(),
        })?;
        let store = self
            .session
            .runtime_env()
            .object_store(&url)
            .map_err(|error| Fault::Bucket { bucket: url.as_str().to_owned(), why: error.strip_backtrace() })?;
        let listing = listing::list(&self.declaration, store.as_ref()).await?;
        // Held while files are read: two statements would read the same ones.
        let mut last = self.last.lock().await;
        if let Some(last) = last.as_ref().filter(|last| last.listed == listing.files) {
            return Ok(Arc::clone(&last.table));
        }
        let known = last.as_ref().map(|last| last.known.clone()).unwrap_or_default();
        let snapshot = self.look(&listing, &store, url, &known).await?;
        let table = Arc::clone(&snapshot.table);
        *last = Some(snapshot);
        Ok(table)
    }

    /// Reads the columns of new files, and makes the table.
    async fn look(
        &self,
        listing: &Listing,
        store: &Store,
        url: ObjectStoreUrl,
        known: &HashMap<Path, KnownFile>,
    ) -> Result<Snapshot> {
        let mut looks = Vec::with_capacity(listing.files.len());
        for file in &listing.files {
            looks.push(self.known(listing, store, &file.meta, known).boxed());
        }
        let files: Vec<KnownFile> = futures::stream::iter(looks).buffered(FILES_AT_ONCE).try_collect().await?;
        let is_list = self.is_list(&files)?;
        let reader = listing.form.reader(&self.declaration.options, is_list);
        // DataFusion splits a large file of JSON among the cores, and then cannot read the parts of a list.
        let may_split = !is_list;
        let file_schema = self.file_schema(&listing.form, &files)?;
        let values: Vec<_> = listing.files.iter().map(|file| file.values.as_slice()).collect();
        let folders = FolderColumns::of(&listing.keys, &values, &file_schema);
        let mut table_files = Vec::with_capacity(files.len());
        let mut known = HashMap::with_capacity(files.len());
        for (mut file, folder_values) in files.into_iter().zip(folders.values) {
            let statistics = self.statistics(&mut file, &reader, store, &file_schema).await?;
            // DataFusion does not open a file without a byte.
            if file.meta.size > 0 {
                table_files.push(TableFile { meta: file.meta.clone(), folder_values, statistics, kept: None });
            }
            known.insert(file.meta.location.clone(), file);
        }
        let table = Arc::new(FileTable::new(file_schema, folders.fields, table_files, url, reader).split(may_split));
        Ok(Snapshot { listed: listing.files.clone(), known, table })
    }

    /// What is known about a file, or what it says itself.
    async fn known(
        &self,
        listing: &Listing,
        store: &Store,
        meta: &ObjectMeta,
        known: &HashMap<Path, KnownFile>,
    ) -> Result<KnownFile> {
        if let Some(known) = known.get(&meta.location).filter(|known| known.meta == *meta) {
            return Ok(known.clone());
        }
        let (form, options) = (&listing.form, &self.declaration.options);
        listing::check_size(&self.declaration, form, meta)?;
        let file = listing::shown(&self.declaration, &meta.location);
        let failed = |error: DataFusionError| Fault::error_of_file(&file, error);
        let broken = |why| Fault::broken_file(&file, why);
        let is_list = match form.kind {
            FileKind::Json => self.is_json_list(store, meta, form).await?,
            FileKind::Csv if listing::has_open_quote(store.as_ref(), meta, form).await.map_err(failed)? => {
                return Err(broken("a quote in it is not closed").into());
            }
            FileKind::Arrow if !listing::has_arrow_end(store.as_ref(), meta).await.map_err(failed)? => {
                return Err(broken("it has no end: it is not Arrow, or was cut").into());
            }
            FileKind::Csv | FileKind::Arrow | FileKind::Parquet => None,
        };
        let empty = Arc::new(Schema::empty());
        let schema = if meta.size == 0 || form.kind == FileKind::Json && is_list.is_none() {
            empty
        } else {
            let inferred = match form.kind {
                FileKind::Csv => csv_columns::infer(store.as_ref(), meta, form, options).await,
                _ => {
                    let reader = form.reader(options, is_list == Some(true));
                    reader.infer_schema(&*self.session, store, std::slice::from_ref(meta)).await
                }
            };
            columns::named(form.kind, &file, &*inferred.map_err(failed)?)?
        };
        Ok(KnownFile { meta: meta.clone(), is_list, schema, statistics: None })
    }

    /// Whether the objects of a JSON file are in one list. `None`: there are none.
    async fn is_json_list(&self, store: &Store, meta: &ObjectMeta, form: &FileForm) -> Result<Option<bool>> {
        let file = listing::shown(&self.declaration, &meta.location);
        let read = listing::json_form(store.as_ref(), meta, form).await;
        let broken = |why| Fault::broken_file(&file, why);
        match read.map_err(|error| Fault::error_of_file(&file, error))? {
            JsonForm::Empty => Ok(None),
            JsonForm::Objects => Ok(Some(false)),
            JsonForm::List => Ok(Some(true)),
            JsonForm::OpenList => Err(broken("its list does not end: the file was cut").into()),
            JsonForm::ListAndMore => Err(broken("there is something after its list").into()),
        }
    }

    /// Whether the objects of JSON files are in lists: in all of them, or in none.
    fn is_list(&self, files: &[KnownFile]) -> Result<bool, Fault> {
        let mut known = files.iter().filter(|file| file.is_list.is_some());
        let Some(first) = known.next() else { return Ok(false) };
        match known.find(|file| file.is_list != first.is_list) {
            None => Ok(first.is_list == Some(true)),
            Some(other) => Err(Fault::SeveralFormats {
                dataset: self.declaration.name.clone(),
                one: listing::shown(&self.declaration, &first.meta.location),
                other: listing::shown(&self.declaration, &other.meta.location),
            }),
        }
    }

    /// The columns of the files: the declared ones, or those that they have.
    fn file_schema(&self, form: &FileForm, files: &[KnownFile]) -> Result<SchemaRef, Fault> {
        let names: Vec<String> =
            files.iter().map(|file| listing::shown(&self.declaration, &file.meta.location)).collect();
        let with_columns = files.iter().zip(&names).filter(|(file, _)| !file.schema.fields().is_empty());
        let columns: Vec<FileColumns<'_>> =
            with_columns.map(|(file, name)| FileColumns { file: name, schema: &file.schema }).collect();
        let Some(declared) = &self.declared else {
            let merged = columns::merged(form.kind, &columns)?;
            return match merged.fields().is_empty() {
                true => Err(Fault::Names {
                    file: names.first().cloned().unwrap_or_default(),
                    problem: "has no rows, and so no columns".into(),
                }),
                false => Ok(merged),
            };
        };
        for file in &columns {
            columns::check_declared(form.kind, declared, file, self.declaration.options.has_header)?;
        }
        columns::check_used(form.kind, declared, &columns)?;
        Ok(Arc::clone(declared))
    }

    /// What the format knows about the rows of a file.
    async fn statistics(
        &self,
        file: &mut KnownFile,
        reader: &Arc<dyn FileFormat>,
        store: &Store,
        file_schema: &SchemaRef,
    ) -> Result<Arc<Statistics>> {
        if let Some((columns, known)) = &file.statistics
            && columns == file_schema
        {
            return Ok(Arc::clone(known));
        }
        // A file may have other types than the declared ones, and then its statistics are of these.
        if self.declared.is_some() {
            return Ok(Arc::new(Statistics::new_unknown(file_schema)));
        }
        let name = listing::shown(&self.declaration, &file.meta.location);
        let failed = |error| Fault::error_of_file(&name, error);
        let read = reader.infer_stats(&*self.session, store, Arc::clone(file_schema), &file.meta).await;
        let statistics = Arc::new(read.map_err(failed)?);
        file.statistics = Some((Arc::clone(file_schema), Arc::clone(&statistics)));
        Ok(statistics)
    }
}
