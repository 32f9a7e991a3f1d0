//! The engine's tables, for metadata and for errors.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::TableReference;
use datafusion::datasource::TableType;
use datafusion::execution::SessionState;

use super::fault::{Fault, from_datafusion};
use super::{Engine, Principal, session, wire_types};
use crate::datasets;
use crate::error::{Error, Result, nearest};
use crate::resource::Resource;

/// A table, as metadata describes it.
#[derive(Clone, Debug)]
pub struct TableInfo {
    /// The account.
    pub catalog: String,
    /// The part of the API.
    pub schema: String,
    /// The table's name.
    pub name: String,
    /// `TABLE` or `VIEW`.
    pub kind: &'static str,
    /// What a row is.
    pub description: Option<String>,
    /// Its columns; a field's metadata has its `description`.
    pub columns: SchemaRef,
    /// The columns that make a row unique. None for a view.
    pub key: Vec<String>,
    /// The table that its rows belong to.
    pub parent: Option<ParentKey>,
}

/// The columns of a table that name rows of another table of the same catalog.
#[derive(Clone, Debug)]
pub struct ParentKey {
    /// The schema of the other table.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// The columns, each with the other table's column.
    pub columns: Vec<(String, String)>,
}

impl ParentKey {
    fn of(resource: &Resource) -> Option<Self> {
        let parent = resource.parent.as_ref()?;
        let (schema, table) = parent.table.split_once('.')?;
        Some(Self { schema: schema.to_owned(), table: table.to_owned(), columns: parent.keys.clone() })
    }
}

impl TableInfo {
    /// A table of `datasets` that cannot be read now.
    fn unreadable([catalog, schema, name]: [&str; 3], error: &Error) -> Self {
        Self {
            catalog: catalog.to_owned(),
            schema: schema.to_owned(),
            name: name.to_owned(),
            kind: "TABLE",
            description: Some(error.line()),
            columns: Arc::new(Schema::empty()),
            key: Vec::new(),
            parent: None,
        }
    }

    /// `digitalocean.compute.images`
    pub fn full_name(&self) -> String {
        [self.catalog.as_str(), &self.schema, &self.name].join(".")
    }
}

impl Engine {
    /// Every table of every catalog, ordered by name. Sends no requests. All clients see all tables, with the
    /// types that their session wants.
    ///
    /// # Errors
    /// [`Fault::Internal`].
    pub async fn tables(&self, principal: &Principal) -> Result<Vec<TableInfo>> {
        let mut tables = Vec::new();
        let state = self.state_of(principal)?;
        let mut catalogs = state.catalog_list().catalog_names();
        catalogs.sort();
        for catalog in catalogs {
            let Some(provider) = state.catalog_list().catalog(&catalog) else { continue };
            let mut schemas = provider.schema_names();
            schemas.push(session::SYSTEM_SCHEMA.to_owned());
            schemas.sort();
            schemas.dedup();
            for schema in schemas {
                self.tables_of(&state, &catalog, &schema, &mut tables).await?;
            }
        }
        let types = principal.session.result_types();
        for table in &mut tables {
            table.columns = wire_types::table_schema(Arc::clone(&table.columns), types);
        }
        Ok(tables)
    }

    async fn tables_of(
        &self,
        state: &SessionState,
        catalog: &str,
        schema: &str,
        tables: &mut Vec<TableInfo>,
    ) -> Result<()> {
        let reference = TableReference::full(catalog, schema, "");
        let provider = state.schema_for_ref(reference).map_err(from_datafusion)?;
        let mut names = provider.table_names();
        names.sort();
        for name in names {
            let found = provider.table(&name).await.map_err(from_datafusion);
            // A file that is broken now must not hide all tables: its table has no columns, and says why.
            if let (Err(error), datasets::CATALOG) = (&found, catalog) {
                tables.push(TableInfo::unreadable([catalog, schema, &name], error));
                continue;
            }
            let table =
                found?.ok_or_else(|| Fault::Internal(format!("the table {name} is listed, and there is none")))?;
            let resource = self.resources.named(&format!("{catalog}.{schema}.{name}"));
            tables.push(TableInfo {
                catalog: catalog.to_owned(),
                schema: schema.to_owned(),
                kind: if schema == session::SYSTEM_SCHEMA || table.table_type() == TableType::View {
                    "VIEW"
                } else {
                    "TABLE"
                },
                description: resource
                    .map(|resource| resource.description.clone())
                    .or_else(|| table.schema().metadata().get("description").cloned()),
                columns: resource.map_or_else(
                    || wire_types::plain_types(&table.schema()),
                    |resource| Arc::clone(resource.arrow_schema()),
                ),
                key: resource.map_or_else(Vec::new, |resource| resource.key.clone()),
                parent: resource.and_then(|resource| ParentKey::of(resource)),
                name,
            });
        }
        Ok(())
    }
}

/// The full name of the table that is most similar to `name`. A table with the same bare name in another schema comes
/// first.
pub(super) fn nearest_table(name: &str, tables: &[TableInfo]) -> Option<String> {
    let parts: Vec<&str> = name.rsplit('.').collect();
    let has_name = |table: &&TableInfo| table.name.eq_ignore_ascii_case(parts[0]);
    let in_other_schema =
        |table: &&TableInfo| parts.get(1).is_some_and(|name| !table.schema.eq_ignore_ascii_case(name));
    if let Some(elsewhere) = tables.iter().filter(has_name).min_by_key(in_other_schema) {
        return Some(elsewhere.full_name());
    }
    let depth = name.split('.').count();
    let names: Vec<String> = tables
        .iter()
        .map(TableInfo::full_name)
        .map(|full| full.split('.').skip(3_usize.saturating_sub(depth)).collect::<Vec<_>>().join("."))
        .collect();
    nearest(name, names.iter().map(String::as_str)).map(str::to_owned)
}
