//! `CommandGetTableTypes`: the types of tables.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_flight::sql::CommandGetTableTypes;

use super::fault::Fault;
use super::metadata::{Metadata, ServerMetadata};
use crate::engine::TableTypes;

/// The types in alphabetical order; `TableInfo::kind` is one of them.
const TABLE_TYPES: [&str; 2] = ["TABLE", "VIEW"];

/// The type that a client asks for: drivers write it in any case, and as `information_schema` does.
pub(super) fn table_type(requested: &str) -> Option<&'static str> {
    if requested.eq_ignore_ascii_case("BASE TABLE") {
        return Some("TABLE");
    }
    TABLE_TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(requested))
}

/// The type as a session spells it.
pub(super) fn spelled(table_type: &'static str, spelling: TableTypes) -> &'static str {
    match (spelling, table_type) {
        (TableTypes::InformationSchema, "TABLE") => "BASE TABLE",
        (TableTypes::LowerCase, "TABLE") => "table",
        (TableTypes::LowerCase, "VIEW") => "view",
        (TableTypes::Jdbc | TableTypes::InformationSchema | TableTypes::LowerCase, other) => other,
    }
}

impl Metadata for CommandGetTableTypes {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("table_type", DataType::Utf8, false)]))
    }

    fn batch(&self, server: &ServerMetadata) -> Result<RecordBatch, Fault> {
        let types = StringArray::from_iter_values(TABLE_TYPES.map(|known| spelled(known, server.table_types)));
        RecordBatch::try_new(self.schema(), vec![Arc::new(types)]).map_err(Fault::Encoding)
    }
}
