//! The metadata of columns: their SQL types, as drivers read them from a field.
//!
//! Do not change without thinking: all fields of a schema have it, or none. ODBC's driver reads it from each field if the
//! first one has any, without a check.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::sql_type;
use crate::engine::{COLUMN_CATALOG, COLUMN_SCHEMA, COLUMN_TABLE};

/// The prefix of the specification's keys.
pub(super) const PREFIX: &str = "ARROW:FLIGHT:SQL:";

/// The keys that describe a column's type. A column of a table, or of a result, can be read and not written.
pub(super) fn type_metadata(data_type: &DataType) -> HashMap<String, String> {
    let mut metadata = HashMap::new();
    let mut put = |key: &str, value: &str| metadata.insert(format!("{PREFIX}{key}"), value.to_owned());
    put("TYPE_NAME", sql_type::name(data_type));
    put("IS_AUTO_INCREMENT", "0");
    put("IS_CASE_SENSITIVE", if sql_type::is_text(data_type) { "1" } else { "0" });
    put("IS_READ_ONLY", "1");
    put("IS_SEARCHABLE", "1");
    if let Some((precision, scale)) = sql_type::precision_and_scale(data_type) {
        put("PRECISION", &precision.to_string());
        put("SCALE", &scale.to_string());
    }
    metadata
}

/// The keys that name a column's table. All names are empty if the column has none.
pub(super) fn table_metadata(catalog: &str, schema: &str, table: &str) -> HashMap<String, String> {
    let names = [
        ("CATALOG_NAME", catalog),
        // DB_SCHEMA_NAME is the specification's key, SCHEMA_NAME the one that drivers read.
        ("DB_SCHEMA_NAME", schema),
        ("SCHEMA_NAME", schema),
        ("TABLE_NAME", table),
    ];
    names.map(|(key, name)| (format!("{PREFIX}{key}"), name.to_owned())).into()
}

/// The schema of a result, with the metadata of its columns. Their descriptions are left out: JDBC takes a remark for the
/// column's label.
pub(super) fn described(schema: &Schema) -> SchemaRef {
    let describe = |field: &Field| {
        let mut metadata = type_metadata(field.data_type());
        let name = |key: &str| field.metadata().get(key).map_or("", String::as_str);
        metadata.extend(table_metadata(name(COLUMN_CATALOG), name(COLUMN_SCHEMA), name(COLUMN_TABLE)));
        field.clone().with_metadata(metadata)
    };
    let fields: Vec<Field> = schema.fields().iter().map(|field| describe(field)).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_a_result_has_metadata() {
        let fields = vec![
            Field::new("price", DataType::Decimal128(38, 10), true),
            Field::new("name", DataType::Utf8, true)
                .with_metadata(HashMap::from([(COLUMN_TABLE.to_owned(), "images".to_owned())])),
            Field::new("tags", DataType::new_list(DataType::Utf8, true), true),
        ];

        let described = described(&Schema::new(fields));

        let of = |column: usize, key: &str| described.field(column).metadata().get(&format!("{PREFIX}{key}")).cloned();
        assert_eq!(of(0, "TYPE_NAME").as_deref(), Some("DECIMAL"));
        assert_eq!((of(0, "PRECISION").as_deref(), of(0, "SCALE").as_deref()), (Some("38"), Some("10")));
        assert_eq!((of(1, "IS_CASE_SENSITIVE").as_deref(), of(1, "PRECISION")), (Some("1"), None));
        assert_eq!((of(0, "TABLE_NAME").as_deref(), of(1, "TABLE_NAME").as_deref()), (Some(""), Some("images")));
        assert_eq!(of(2, "TYPE_NAME").as_deref(), Some("ARRAY"));
    }
}
