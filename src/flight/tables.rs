//! `CommandGetTables`: the tables that match the filters, with their columns if requested.
//!
//! It implements getTables and getColumns of JDBC, and get_objects of ADBC. The SQL type and the remark of a column are
//! in its field's metadata.

use std::collections::{BTreeSet, HashMap};

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use arrow_flight::sql::CommandGetTables;

use super::column_metadata::{PREFIX, table_metadata, type_metadata};
use super::fault::Fault;
use super::metadata::{Metadata, ServerMetadata, check_pattern, encoding, wanted_catalog};
use super::table_types::{spelled, table_type};
use crate::engine::{TableInfo, TableTypes};

/// The engine's metadata key of a column's description.
const DESCRIPTION: &str = "description";

impl Metadata for CommandGetTables {
    fn schema(&self) -> SchemaRef {
        self.clone().into_builder().schema()
    }

    fn is_of_all_catalogs(&self) -> bool {
        wanted_catalog(self.catalog.as_deref()).is_none()
    }

    fn batch(&self, server: &ServerMetadata) -> Result<RecordBatch, Fault> {
        check_pattern(self.db_schema_filter_pattern.as_deref())?;
        check_pattern(self.table_name_filter_pattern.as_deref())?;
        let command = Self { catalog: wanted_catalog(self.catalog.as_deref()), ..self.clone() };
        let Some(command) = with_known_types(&command, server.table_types) else {
            return Ok(RecordBatch::new_empty(self.schema()));
        };
        let mut builder = command.into_builder();
        for table in &server.tables {
            let columns = if self.include_schema { described_columns(table) } else { Schema::empty() };
            let kind = spelled(table.kind, server.table_types);
            builder.append(&table.catalog, &table.schema, &table.name, kind, &columns).map_err(encoding)?;
        }
        builder.build().map_err(encoding)
    }
}

/// Returns the command with its table types as the session spells them, or none if all of them are unknown. Unknown ones
/// are removed: arrow-flight compares every table with every type, and a message has room for millions.
fn with_known_types(command: &CommandGetTables, spelling: TableTypes) -> Option<CommandGetTables> {
    if command.table_types.is_empty() {
        return Some(command.clone());
    }
    if command.table_types.iter().any(|requested| requested == "%") {
        return Some(CommandGetTables { table_types: Vec::new(), ..command.clone() });
    }
    let requested = command.table_types.iter().filter_map(|requested| table_type(requested));
    let known: BTreeSet<&str> = requested.map(|known| spelled(known, spelling)).collect();
    if known.is_empty() {
        return None;
    }
    Some(CommandGetTables { table_types: known.into_iter().map(str::to_owned).collect(), ..command.clone() })
}

/// Returns the table's columns with the metadata of the specification.
fn described_columns(table: &TableInfo) -> Schema {
    let columns: Vec<Field> = table.columns.fields().iter().map(|column| describe(table, column)).collect();
    Schema::new_with_metadata(columns, table.columns.metadata().clone())
}

fn describe(table: &TableInfo, column: &FieldRef) -> Field {
    let mut metadata = column.metadata().clone();
    metadata.extend(type_metadata(column.data_type()));
    metadata.extend(table_metadata(&table.catalog, &table.schema, &table.name));
    if let Some(remarks) = column.metadata().get(DESCRIPTION) {
        metadata.insert(format!("{PREFIX}REMARKS"), remarks.to_owned());
    }
    with_metadata(column, metadata)
}

fn with_metadata(column: &FieldRef, metadata: HashMap<String, String>) -> Field {
    column.as_ref().clone().with_metadata(metadata)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::AsArray;
    use arrow::datatypes::DataType;

    use super::*;

    fn table(name: &str, kind: &'static str) -> TableInfo {
        let description = [(DESCRIPTION.to_owned(), "Its number.".to_owned())];
        let id = Field::new("id", DataType::Int64, false).with_metadata(description.into());
        TableInfo {
            catalog: "digitalocean".into(),
            schema: "compute".into(),
            name: name.into(),
            kind,
            description: None,
            columns: Arc::new(Schema::new(vec![id, Field::new("slug", DataType::Utf8, true)])),
            key: Vec::new(),
            parent: None,
        }
    }

    fn names(command: &CommandGetTables) -> Vec<String> {
        let tables = vec![table("images", "TABLE"), table("a_b", "VIEW"), table("axb", "TABLE")];
        let batch = command.batch(&ServerMetadata { tables, ..ServerMetadata::default() }).unwrap();
        batch.column(2).as_string::<i32>().iter().flatten().map(str::to_owned).collect()
    }

    #[test]
    fn tables_are_filtered_by_type_in_any_case() {
        let of_types = |types: &[&str]| {
            let table_types = types.iter().copied().map(str::to_owned).collect();
            names(&CommandGetTables { table_types, ..Default::default() })
        };

        assert_eq!(of_types(&[]), ["a_b", "axb", "images"]);
        assert_eq!(of_types(&["TABLE"]), ["axb", "images"]);
        assert_eq!(of_types(&["VIEW", "TABLE", "CUPBOARD"]), ["a_b", "axb", "images"]);
        assert_eq!(of_types(&["table", "Base Table"]), ["axb", "images"]);
        assert_eq!(of_types(&["%"]), ["a_b", "axb", "images"]);
        assert_eq!(of_types(&["SYSTEM TABLE", ""]), Vec::<String>::new());
    }

    #[test]
    fn a_tables_name_is_a_pattern_with_escapes() {
        let like = |pattern: &str| {
            names(&CommandGetTables { table_name_filter_pattern: Some(pattern.into()), ..Default::default() })
        };

        assert_eq!(like("a_b"), ["a_b", "axb"]);
        assert_eq!(like("a\\_b"), ["a_b"]);
        assert_eq!(like("%a%"), ["a_b", "axb", "images"]);
        assert_eq!(like(""), Vec::<String>::new());
    }

    #[test]
    fn a_catalog_is_a_name_or_all_and_an_empty_one_has_no_tables() {
        let of = |catalog: &str| names(&CommandGetTables { catalog: Some(catalog.into()), ..Default::default() });

        assert_eq!(of("digitalocean").len(), 3);
        assert_eq!(of("%").len(), 3);
        assert_eq!(of("digital%"), Vec::<String>::new());
        assert_eq!(of(""), Vec::<String>::new());
    }

    #[test]
    fn a_column_has_its_type_and_its_remark() {
        let images = described_columns(&table("images", "TABLE"));

        let id = images.field(0).metadata();
        assert_eq!(id["ARROW:FLIGHT:SQL:TYPE_NAME"], "BIGINT");
        assert_eq!(id["ARROW:FLIGHT:SQL:PRECISION"], "19");
        assert_eq!(id["ARROW:FLIGHT:SQL:REMARKS"], "Its number.");
        assert_eq!(id["ARROW:FLIGHT:SQL:IS_CASE_SENSITIVE"], "0");
        let slug = images.field(1).metadata();
        assert_eq!(slug["ARROW:FLIGHT:SQL:TYPE_NAME"], "VARCHAR");
        assert_eq!(slug["ARROW:FLIGHT:SQL:IS_CASE_SENSITIVE"], "1");
        assert!(!slug.contains_key("ARROW:FLIGHT:SQL:PRECISION"));
        assert!(!slug.contains_key("ARROW:FLIGHT:SQL:REMARKS"));
    }

    #[test]
    fn a_pattern_longer_than_any_name_is_rejected() {
        let command = CommandGetTables { table_name_filter_pattern: Some("_".repeat(2_000)), ..Default::default() };

        assert!(matches!(command.batch(&ServerMetadata::default()), Err(Fault::LongPattern { characters: 2_000 })));
    }
}
