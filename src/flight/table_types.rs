//! `CommandGetTableTypes`: the types of tables.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_flight::sql::CommandGetTableTypes;

use super::fault::Fault;
use super::metadata::{Metadata, ServerMetadata};

/// The types in alphabetical order; `TableInfo::kind` is one of them.
pub(super) const TABLE_TYPES: [&str; 2] = ["TABLE", "VIEW"];

impl Metadata for CommandGetTableTypes {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("table_type", DataType::Utf8, false)]))
    }

    fn batch(&self, _server: &ServerMetadata) -> Result<RecordBatch, Fault> {
        let types = StringArray::from_iter_values(TABLE_TYPES);
        RecordBatch::try_new(self.schema(), vec![Arc::new(types)]).map_err(Fault::Encoding)
    }
}
