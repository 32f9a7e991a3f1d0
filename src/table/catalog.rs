//! The catalogs that the resources are shown in.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::error::Result;

use super::ResourceTable;
use crate::api::Client;
use crate::resource::Registry;

/// One catalog a provider, named like it, with a schema for each part of its API.
///
/// # Errors
/// Two tables of one name.
pub fn catalogs(client: &Client, resources: &Registry) -> Result<Vec<(String, Arc<dyn CatalogProvider>)>> {
    let mut catalogs: BTreeMap<&str, Arc<dyn CatalogProvider>> = BTreeMap::new();
    for resource in resources.iter() {
        let catalog = catalogs.entry(&resource.provider).or_insert_with(|| Arc::new(MemoryCatalogProvider::new()));
        let schema = match catalog.schema(&resource.schema) {
            Some(schema) => schema,
            None => {
                let schema: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
                catalog.register_schema(&resource.schema, Arc::clone(&schema))?;
                schema
            }
        };
        let table = ResourceTable::new(Arc::clone(resource), client.clone());
        schema.register_table(resource.table.clone(), Arc::new(table))?;
    }
    Ok(catalogs.into_iter().map(|(name, catalog)| (name.to_owned(), catalog)).collect())
}
