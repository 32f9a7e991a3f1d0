//! `CommandGetCatalogs`: the catalogs, by name.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::sql::CommandGetCatalogs;

use super::fault::Fault;
use super::metadata::{Metadata, ServerMetadata, encoding};

impl Metadata for CommandGetCatalogs {
    fn schema(&self) -> SchemaRef {
        self.into_builder().schema()
    }

    fn batch(&self, server: &ServerMetadata) -> Result<RecordBatch, Fault> {
        let catalogs: BTreeSet<&str> = server.tables.iter().map(|table| table.catalog.as_str()).collect();
        let mut builder = self.into_builder();
        for catalog in catalogs {
            builder.append(catalog);
        }
        builder.build().map_err(encoding)
    }
}
