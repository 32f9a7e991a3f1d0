//! `CommandGetDbSchemas`: the schemas that match the filters, sorted by catalog and name. A missing catalog matches any
//! catalog. An empty one matches schemas without a catalog, and there are none.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::sql::CommandGetDbSchemas;

use super::fault::Fault;
use super::metadata::{Metadata, ServerMetadata, check_pattern, encoding, wanted_catalog};

impl Metadata for CommandGetDbSchemas {
    fn schema(&self) -> SchemaRef {
        self.clone().into_builder().schema()
    }

    fn is_of_all_catalogs(&self) -> bool {
        wanted_catalog(self.catalog.as_deref()).is_none()
    }

    fn batch(&self, server: &ServerMetadata) -> Result<RecordBatch, Fault> {
        check_pattern(self.db_schema_filter_pattern.as_deref())?;
        let schemas: BTreeSet<(&str, &str)> =
            server.tables.iter().map(|table| (table.catalog.as_str(), table.schema.as_str())).collect();
        let mut builder = Self { catalog: wanted_catalog(self.catalog.as_deref()), ..self.clone() }.into_builder();
        for (catalog, schema) in schemas {
            builder.append(catalog, schema);
        }
        builder.build().map_err(encoding)
    }
}
