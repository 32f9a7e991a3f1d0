//! `CommandGetDbSchemas`: the schemas that match the filters, sorted by catalog and name. A missing catalog matches any
//! catalog. An empty one matches schemas without a catalog, and there are none.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::sql::CommandGetDbSchemas;

use super::fault::Fault;
use super::metadata::{Metadata, ServerMetadata, check_pattern, encoding};
use crate::engine::TableInfo;

impl Metadata for CommandGetDbSchemas {
    fn schema(&self) -> SchemaRef {
        self.clone().into_builder().schema()
    }

    fn batch(&self, known: &ServerMetadata) -> Result<RecordBatch, Fault> {
        check_pattern(self.db_schema_filter_pattern.as_deref())?;
        let name = |table: &'_ TableInfo| (table.catalog.clone(), table.schema.clone());
        let schemas: BTreeSet<(String, String)> = known.tables.iter().map(name).collect();
        let mut builder = self.clone().into_builder();
        schemas.iter().for_each(|(catalog, schema)| builder.append(catalog, schema));
        builder.build().map_err(encoding)
    }
}
