//! The tables below `datasets` as one client sees them: the shared ones, and the temporary ones of its session.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::fault::Fault;
use super::ingested::{Ingest, IngestTarget, IngestedTable, TEMPORARY, TableName, TemporaryTables};
use super::{Datasets, Found, PUBLIC};
use crate::error::Result;

/// The tables that a client sees.
#[derive(Clone)]
pub struct ClientDatasets {
    pub(super) shared: Arc<Datasets>,
    pub(super) temporary: Option<Arc<TemporaryTables>>,
}

impl ClientDatasets {
    fn temporary(&self) -> Option<&TemporaryTables> {
        self.temporary.as_deref()
    }

    /// Whether there are views.
    pub fn has_views(&self) -> bool {
        !self.shared.views.is_empty()
    }

    /// Whether a name is that of a view.
    pub fn is_view(&self, name: &TableName) -> bool {
        name.schema == PUBLIC && self.shared.views.contains_key(&name.table)
    }

    fn ingested(&self, name: &TableName) -> Option<Arc<IngestedTable>> {
        self.shared.ingested.find(name).or_else(|| self.temporary()?.find(name))
    }

    fn all_ingested(&self) -> impl Iterator<Item = (TableName, Arc<IngestedTable>)> {
        let temporary = self.temporary().map(TemporaryTables::all).unwrap_or_default();
        self.shared.ingested.all().into_iter().chain(temporary)
    }

    /// The names of the schemas, sorted.
    pub fn schemas(&self) -> Vec<String> {
        let mut schemas = vec![PUBLIC.to_owned()];
        schemas.extend(self.all_ingested().map(|(name, _)| name.schema));
        schemas.sort();
        schemas.dedup();
        schemas
    }

    /// Whether there is a schema with this name.
    pub fn has_schema(&self, schema: &str) -> bool {
        let temporary = self.temporary().is_some_and(|tables| schema == TEMPORARY && !tables.is_empty());
        schema == PUBLIC || temporary || self.shared.ingested.has_schema(schema)
    }

    /// The names of the tables of a schema, sorted.
    pub fn names(&self, schema: &str) -> Vec<String> {
        let ingested = self.all_ingested().filter(|(name, _)| name.schema == schema);
        let mut names: Vec<String> = ingested.map(|(name, _)| name.table).collect();
        if schema == PUBLIC {
            names.extend(self.shared.files.keys().chain(self.shared.views.keys()).cloned());
        }
        names.sort();
        names.dedup();
        names
    }

    /// Whether there is a table with this name.
    pub fn has(&self, name: &TableName) -> bool {
        self.is_declared(name) || self.ingested(name).is_some()
    }

    fn is_declared(&self, name: &TableName) -> bool {
        name.schema == PUBLIC
            && (self.shared.files.contains_key(&name.table) || self.shared.views.contains_key(&name.table))
    }

    /// Begins an ingest. No row is read for the errors that it returns.
    ///
    /// # Errors
    /// Ingest is off, the name is taken or not one, or the columns do not fit.
    pub fn begin_ingest(&self, target: IngestTarget, columns: &SchemaRef) -> Result<Ingest> {
        self.check_not_declared(&target.name)?;
        Ok(self.shared.ingested.begin(target, columns, self.temporary())?)
    }

    /// Checks what [`ClientDatasets::begin_ingest`] would check, and begins nothing.
    ///
    /// # Errors
    /// As there.
    pub fn check_ingest(&self, target: &IngestTarget, columns: &SchemaRef) -> Result<()> {
        self.check_not_declared(&target.name)?;
        Ok(self.shared.ingested.check(target, columns, self.temporary())?)
    }

    /// Checks whether a table may be removed.
    ///
    /// # Errors
    /// Ingest is off, the table is declared, or there is none and `if_exists` is false.
    pub fn check_remove(&self, name: &TableName, if_exists: bool) -> Result<()> {
        self.shared.ingested.check_allowed()?;
        self.check_not_declared(name)?;
        match if_exists || self.ingested(name).is_some() {
            true => Ok(()),
            false => Err(Fault::NoSuchTable { table: name.full() }.into()),
        }
    }

    /// Removes a table that a client has made. Returns whether there was one.
    ///
    /// # Errors
    /// Ingest is off, the table is declared, or the data directory cannot be written.
    pub async fn remove(&self, name: &TableName) -> Result<bool> {
        self.check_not_declared(name)?;
        self.shared.ingested.remove(name, self.temporary()).await
    }

    fn check_not_declared(&self, name: &TableName) -> Result<(), Fault> {
        if self.is_declared(name) { Err(Fault::Declared { table: name.full() }) } else { Ok(()) }
    }

    /// The table with this name.
    ///
    /// # Errors
    /// Its files cannot be read.
    pub async fn find(&self, name: &TableName) -> Result<Option<Found<'_>>> {
        if name.schema == PUBLIC {
            if let Some(view) = self.shared.views.get(&name.table) {
                return Ok(Some(Found::View(view)));
            }
            if let Some(dataset) = self.shared.files.get(&name.table) {
                return Ok(Some(Found::Rows(dataset.table().await?)));
            }
        }
        match self.ingested(name) {
            Some(table) => Ok(Some(Found::Rows(table.provider(&self.shared.session).await?))),
            None => Ok(None),
        }
    }
}
