//! The catalogs of the accounts, which contain the tables.

use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::error::Result;

use super::{Account, Accounts, ResourceTable};
use crate::resource::Registry;

/// Makes a catalog for each account, with the account's name and a schema for each part of its API.
///
/// # Errors
/// Two tables have the same name.
pub fn catalogs(accounts: &Accounts, resources: &Registry) -> Result<Vec<(String, Arc<dyn CatalogProvider>)>> {
    accounts.iter().map(|account| Ok((account.name.clone(), catalog(account, resources)?))).collect()
}

fn catalog(account: &Account, resources: &Registry) -> Result<Arc<dyn CatalogProvider>> {
    let catalog = MemoryCatalogProvider::new();
    for resource in resources.iter().filter(|resource| resource.catalog == account.name) {
        let schema = match catalog.schema(&resource.schema) {
            Some(schema) => schema,
            None => {
                let schema: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
                catalog.register_schema(&resource.schema, Arc::clone(&schema))?;
                schema
            }
        };
        let parent = resources.parent_of(resource).cloned();
        let table = ResourceTable::new(Arc::clone(resource), parent);
        schema.register_table(resource.table.clone(), Arc::new(table))?;
    }
    Ok(Arc::new(catalog))
}
