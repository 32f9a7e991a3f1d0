//! The user's own data, as tables of the catalog `datasets`: files and folders on this machine or in buckets, views, and
//! tables that clients make ([`Ingest`]).
//!
//! ```text
//!     Dataset         as declared: a name, a location, options
//!       │  at each planning: list the files, look into the new ones            listing, columns
//!       ▼
//!     FileTable       the files of one statement                               file_table
//!       │  DataFusion's readers
//!       ▼
//!     rows, or an error that names the file                                    named_files
//! ```
//!
//! A table is complete or an error: DataFusion's own table over files leaves out what it does not understand.

mod buckets;
mod client_datasets;
mod columns;
mod csv_columns;
mod csv_quotes;
mod declaration;
mod fault;
mod file_dataset;
mod file_rows;
mod file_table;
mod form;
mod ingested;
mod json_list;
mod listing;
mod location;
mod named_files;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::DFSchema;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use futures::stream::{StreamExt, TryStreamExt};

pub use buckets::{BucketKeys, BucketOptions};
pub use client_datasets::ClientDatasets;
pub use declaration::{Dataset, FileOptions, View, check_name, split_flag};
pub use fault::Fault;
use file_dataset::FileDataset;
pub use file_rows::rows_of;
use file_table::FileTable;
pub use form::{Compression, FileKind};
use ingested::Ingested;
pub use ingested::{
    Change, IfExists, IfMissing, Ingest, IngestOptions, IngestTarget, IngestedTable, TEMPORARY, TableName,
    TemporaryTables,
};
pub use location::Location;
pub(crate) use named_files::NameFiles;

use crate::error::Result;

/// The catalog of the user's own data.
pub const CATALOG: &str = "datasets";
/// The schema of what is declared.
pub const PUBLIC: &str = "public";

/// What is declared.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Files.
    pub datasets: Vec<Dataset>,
    /// Queries with names.
    pub views: Vec<View>,
    /// How buckets are reached.
    pub buckets: BucketOptions,
    /// Tables that clients make.
    pub ingest: IngestOptions,
}

/// The tables below `datasets`.
pub struct Datasets {
    session: Arc<SessionState>,
    files: BTreeMap<String, FileDataset>,
    views: BTreeMap<String, View>,
    ingested: Ingested,
}

/// A table below `datasets`.
pub enum Found<'a> {
    /// Rows: of files as they are now, or of a table that a client has made.
    Rows(Arc<dyn TableProvider>),
    /// A query, which is planned by the one who reads it.
    View(&'a View),
}

/// A table in the list of all.
pub struct Listed {
    /// Its name.
    pub name: TableName,
    /// What it is.
    pub kind: ListedKind,
}

/// What a table is.
pub enum ListedKind {
    /// Files, at this location.
    Files(String),
    /// A view, with this query.
    View(String),
    /// A table that a client has made.
    Ingested(Arc<IngestedTable>),
}

/// The number of datasets that are looked into at once at the start.
const DATASETS_AT_ONCE: usize = 4;

impl Datasets {
    /// Takes what is declared, and sets up the buckets. Reads no files.
    ///
    /// # Errors
    /// A type that is not one, or a bucket that cannot be used.
    pub fn open(options: &Options, runtime: &Arc<RuntimeEnv>) -> Result<Self> {
        for dataset in &options.datasets {
            if let Some(bucket) = dataset.location.bucket() {
                buckets::register(runtime, bucket, &options.buckets)?;
            }
        }
        let session = Arc::new(session(runtime));
        let mut files = BTreeMap::new();
        for dataset in &options.datasets {
            let declared = declared(dataset, &session)?;
            files.insert(dataset.name.clone(), FileDataset::new(dataset.clone(), declared, Arc::clone(&session)));
        }
        let views = options.views.iter().map(|view| (view.name.clone(), view.clone())).collect();
        let ingested = Ingested::open(&options.ingest)?;
        Ok(Self { session, files, views, ingested })
    }

    /// Looks into all files.
    ///
    /// # Errors
    /// That of the first dataset that cannot be read.
    pub async fn check(&self) -> Result<()> {
        let checks = self.files.values().map(|dataset| async { dataset.table().await.map(drop) });
        futures::stream::iter(checks).buffered(DATASETS_AT_ONCE).try_collect().await
    }

    /// The tables as a client sees them that has these temporary ones.
    pub fn of_client(self: &Arc<Self>, temporary: Option<Arc<TemporaryTables>>) -> ClientDatasets {
        ClientDatasets { shared: Arc::clone(self), temporary }
    }

    /// The views.
    pub fn views(&self) -> impl Iterator<Item = &View> {
        self.views.values()
    }

    /// All tables, sorted by name.
    pub fn list(&self) -> Vec<Listed> {
        let public = |table: &str| TableName { schema: PUBLIC.to_owned(), table: table.to_owned() };
        let files = self.files.iter().map(|(name, dataset)| (public(name), ListedKind::Files(dataset.location())));
        let views = self.views.iter().map(|(name, view)| (public(name), ListedKind::View(view.sql.clone())));
        let ingested = self.ingested.all().into_iter().map(|(name, table)| (name, ListedKind::Ingested(table)));
        let mut all: Vec<Listed> =
            files.chain(views).chain(ingested).map(|(name, kind)| Listed { name, kind }).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }
}

/// Whether a table consists of rows that may change before the next statement.
pub(crate) fn may_change(table: &dyn TableProvider) -> bool {
    table.is::<FileTable>() || ingested::is_in_memory(table)
}

/// A session to look into files, and to read declared types. It has the settings that matter for types.
fn session(runtime: &Arc<RuntimeEnv>) -> SessionState {
    let mut config = SessionConfig::new();
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".into());
    options.sql_parser.map_string_types_to_utf8view = false;
    SessionStateBuilder::new().with_config(config).with_runtime_env(Arc::clone(runtime)).build()
}

/// The declared columns of a dataset.
fn declared(dataset: &Dataset, session: &SessionState) -> Result<Option<SchemaRef>, Fault> {
    let Some(columns) = &dataset.options.columns else { return Ok(None) };
    let mut fields = Vec::with_capacity(columns.len());
    for (name, data_type) in columns {
        let failed = |why: String| Fault::Type { dataset: dataset.name.clone(), column: name.clone(), why };
        // The name of a type is parsed by parsing a cast.
        let cast = session.create_logical_expr(&format!("CAST(NULL AS {data_type})"), &DFSchema::empty());
        let field = cast.and_then(|cast| {
            use datafusion::logical_expr::ExprSchemable;
            cast.get_type(&DFSchema::empty())
        });
        let data_type = field.map_err(|error| failed(error.find_root().strip_backtrace()))?;
        fields.push(Field::new(name, data_type, true));
    }
    Ok(Some(Arc::new(Schema::new(fields))))
}
