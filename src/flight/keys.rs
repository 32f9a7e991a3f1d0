//! `CommandGetPrimaryKeys`, `CommandGetImportedKeys`, `CommandGetExportedKeys` and `CommandGetCrossReference`: the keys of
//! tables, by which tools join them and draw diagrams.
//!
//! A declaration has both. The columns that make a row unique are the primary key. A table whose parameter has its values
//! in a parent table (`image_actions.image_id` in `images.id`) has a foreign key to it. The API enforces neither, so the
//! rules for updates and deletes are NO ACTION.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray, UInt8Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_flight::sql::{
    CommandGetCrossReference, CommandGetExportedKeys, CommandGetImportedKeys, CommandGetPrimaryKeys, UpdateDeleteRules,
};

use super::fault::Fault;
use super::metadata::{Metadata, ServerMetadata};
use crate::engine::TableInfo;

/// The tables that a command names. A catalog or schema that is missing matches any; an empty one matches tables that have
/// none, and there are none.
struct Wanted<'a> {
    catalog: Option<&'a str>,
    schema: Option<&'a str>,
    table: &'a str,
}

impl Wanted<'_> {
    fn matches(&self, table: &TableInfo) -> bool {
        self.catalog.is_none_or(|catalog| catalog == table.catalog)
            && self.schema.is_none_or(|schema| schema == table.schema)
            && self.table == table.name
    }
}

/// A column of a foreign key, and the column that it refers to.
struct ForeignKeyColumn<'a> {
    parent: &'a TableInfo,
    parent_column: &'a str,
    child: &'a TableInfo,
    child_column: &'a str,
    /// From 1.
    sequence: i32,
}

/// All foreign keys, in the order of the tables that have them.
fn foreign_keys(tables: &[TableInfo]) -> Vec<ForeignKeyColumn<'_>> {
    let mut keys = Vec::new();
    for child in tables {
        let Some(key) = &child.parent else { continue };
        let is_parent = |table: &&TableInfo| {
            table.catalog == child.catalog && table.schema == key.schema && table.name == key.table
        };
        let Some(parent) = tables.iter().find(is_parent) else { continue };
        for (sequence, (child_column, parent_column)) in (1..).zip(&key.columns) {
            keys.push(ForeignKeyColumn { parent, parent_column, child, child_column, sequence });
        }
    }
    keys
}

impl Metadata for CommandGetPrimaryKeys {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("catalog_name", DataType::Utf8, true),
            Field::new("db_schema_name", DataType::Utf8, true),
            Field::new("table_name", DataType::Utf8, false),
            Field::new("column_name", DataType::Utf8, false),
            Field::new("key_name", DataType::Utf8, true),
            Field::new("key_sequence", DataType::Int32, false),
        ]))
    }

    fn is_of_all_catalogs(&self) -> bool {
        self.catalog.is_none()
    }

    fn batch(&self, server: &ServerMetadata) -> Result<RecordBatch, Fault> {
        let wanted = Wanted { catalog: self.catalog.as_deref(), schema: self.db_schema.as_deref(), table: &self.table };
        let tables = server.tables.iter().filter(|table| wanted.matches(table));
        let rows: Vec<(&TableInfo, &str, i32)> = tables
            .flat_map(|table| (1..).zip(&table.key).map(move |(sequence, column)| (table, column.as_str(), sequence)))
            .collect();
        let columns: Vec<ArrayRef> = vec![
            texts(rows.iter().map(|(table, ..)| table.catalog.clone())),
            texts(rows.iter().map(|(table, ..)| table.schema.clone())),
            texts(rows.iter().map(|(table, ..)| table.name.clone())),
            texts(rows.iter().map(|(_, column, _)| (*column).to_owned())),
            texts(rows.iter().map(|(table, ..)| primary_key_name(table))),
            Arc::new(Int32Array::from_iter_values(rows.iter().map(|(.., sequence)| *sequence))),
        ];
        RecordBatch::try_new(self.schema(), columns).map_err(Fault::Encoding)
    }
}

impl Metadata for CommandGetImportedKeys {
    fn schema(&self) -> SchemaRef {
        foreign_key_schema()
    }

    fn is_of_all_catalogs(&self) -> bool {
        self.catalog.is_none()
    }

    fn batch(&self, server: &ServerMetadata) -> Result<RecordBatch, Fault> {
        let child = Wanted { catalog: self.catalog.as_deref(), schema: self.db_schema.as_deref(), table: &self.table };
        foreign_key_batch(server, Order::ByParent, |key| child.matches(key.child))
    }
}

impl Metadata for CommandGetExportedKeys {
    fn schema(&self) -> SchemaRef {
        foreign_key_schema()
    }

    fn is_of_all_catalogs(&self) -> bool {
        self.catalog.is_none()
    }

    fn batch(&self, server: &ServerMetadata) -> Result<RecordBatch, Fault> {
        let parent = Wanted { catalog: self.catalog.as_deref(), schema: self.db_schema.as_deref(), table: &self.table };
        foreign_key_batch(server, Order::ByChild, |key| parent.matches(key.parent))
    }
}

impl Metadata for CommandGetCrossReference {
    fn schema(&self) -> SchemaRef {
        foreign_key_schema()
    }

    fn is_of_all_catalogs(&self) -> bool {
        self.pk_catalog.is_none() && self.fk_catalog.is_none()
    }

    fn batch(&self, server: &ServerMetadata) -> Result<RecordBatch, Fault> {
        let parent =
            Wanted { catalog: self.pk_catalog.as_deref(), schema: self.pk_db_schema.as_deref(), table: &self.pk_table };
        let child =
            Wanted { catalog: self.fk_catalog.as_deref(), schema: self.fk_db_schema.as_deref(), table: &self.fk_table };
        foreign_key_batch(server, Order::ByParent, |key| parent.matches(key.parent) && child.matches(key.child))
    }
}

/// By which table the specification sorts the rows.
enum Order {
    ByParent,
    ByChild,
}

/// The schema of the three commands that return foreign keys.
fn foreign_key_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("pk_catalog_name", DataType::Utf8, true),
        Field::new("pk_db_schema_name", DataType::Utf8, true),
        Field::new("pk_table_name", DataType::Utf8, false),
        Field::new("pk_column_name", DataType::Utf8, false),
        Field::new("fk_catalog_name", DataType::Utf8, true),
        Field::new("fk_db_schema_name", DataType::Utf8, true),
        Field::new("fk_table_name", DataType::Utf8, false),
        Field::new("fk_column_name", DataType::Utf8, false),
        Field::new("key_sequence", DataType::Int32, false),
        Field::new("fk_key_name", DataType::Utf8, true),
        Field::new("pk_key_name", DataType::Utf8, true),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ]))
}

fn foreign_key_batch(
    server: &ServerMetadata,
    order: Order,
    is_wanted: impl Fn(&ForeignKeyColumn<'_>) -> bool,
) -> Result<RecordBatch, Fault> {
    let mut keys: Vec<_> = foreign_keys(&server.tables).into_iter().filter(is_wanted).collect();
    keys.sort_by_cached_key(|key| {
        let (first, second) = match order {
            Order::ByParent => (key.parent, key.child),
            Order::ByChild => (key.child, key.parent),
        };
        (first.full_name(), second.full_name(), key.sequence)
    });
    let rules: ArrayRef = Arc::new(UInt8Array::from(vec![UpdateDeleteRules::NoAction as u8; keys.len()]));
    let columns: Vec<ArrayRef> = vec![
        texts(keys.iter().map(|key| key.parent.catalog.clone())),
        texts(keys.iter().map(|key| key.parent.schema.clone())),
        texts(keys.iter().map(|key| key.parent.name.clone())),
        texts(keys.iter().map(|key| key.parent_column.to_owned())),
        texts(keys.iter().map(|key| key.child.catalog.clone())),
        texts(keys.iter().map(|key| key.child.schema.clone())),
        texts(keys.iter().map(|key| key.child.name.clone())),
        texts(keys.iter().map(|key| key.child_column.to_owned())),
        Arc::new(Int32Array::from_iter_values(keys.iter().map(|key| key.sequence))),
        texts(keys.iter().map(foreign_key_name)),
        texts(keys.iter().map(|key| primary_key_name(key.parent))),
        Arc::clone(&rules),
        rules,
    ];
    RecordBatch::try_new(foreign_key_schema(), columns).map_err(Fault::Encoding)
}

/// Keys have no names in the API. Tools group the rows of a key by its name.
fn primary_key_name(table: &TableInfo) -> String {
    format!("{}_pkey", table.name)
}

fn foreign_key_name(key: &ForeignKeyColumn<'_>) -> String {
    format!("{}_{}_fkey", key.child.name, key.parent.name)
}

fn texts(values: impl Iterator<Item = String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{Int32Type, UInt8Type};

    use super::*;
    use crate::engine::ParentKey;

    fn table(catalog: &str, name: &str, key: &[&str], parent: Option<ParentKey>) -> TableInfo {
        TableInfo {
            catalog: catalog.into(),
            schema: "compute".into(),
            name: name.into(),
            kind: "TABLE",
            description: None,
            columns: Arc::new(Schema::empty()),
            key: key.iter().map(|column| (*column).to_owned()).collect(),
            parent,
        }
    }

    fn server() -> ServerMetadata {
        let images = || ParentKey {
            schema: "compute".into(),
            table: "images".into(),
            columns: vec![("image_id".into(), "id".into())],
        };
        let of = |catalog: &str| {
            [
                table(catalog, "image_actions", &["image_id", "id"], Some(images())),
                table(catalog, "images", &["id"], None),
            ]
        };
        ServerMetadata { tables: [of("one"), of("two")].concat(), ..ServerMetadata::default() }
    }

    /// The rows as text, with the numbers at the end.
    fn rows(batch: &RecordBatch) -> Vec<String> {
        let cell = |row: usize, column: &ArrayRef| match column.data_type() {
            DataType::Int32 => column.as_primitive::<Int32Type>().value(row).to_string(),
            DataType::UInt8 => column.as_primitive::<UInt8Type>().value(row).to_string(),
            _ => column.as_string::<i32>().value(row).to_owned(),
        };
        let row = |row| batch.columns().iter().map(|column| cell(row, column)).collect::<Vec<_>>().join(" ");
        (0..batch.num_rows()).map(row).collect()
    }

    const KEY_OF_ONE: &str =
        "one compute images id one compute image_actions image_id 1 image_actions_images_fkey images_pkey 3 3";

    #[test]
    fn a_primary_key_has_its_columns_in_their_order() {
        let command = |catalog: Option<&str>, table: &str| {
            let command =
                CommandGetPrimaryKeys { catalog: catalog.map(Into::into), db_schema: None, table: table.into() };
            rows(&command.batch(&server()).unwrap())
        };

        assert_eq!(
            command(Some("one"), "image_actions"),
            [
                "one compute image_actions image_id image_actions_pkey 1",
                "one compute image_actions id image_actions_pkey 2"
            ]
        );
        assert_eq!(command(None, "images").len(), 2, "any catalog");
        assert!(command(Some(""), "images").is_empty(), "no table is without a catalog");
        assert!(command(None, "image%").is_empty(), "a name is no pattern");
    }

    #[test]
    fn a_foreign_key_is_imported_by_the_child_and_exported_by_the_parent_of_its_own_account() {
        let imported = |table: &str| {
            let command = CommandGetImportedKeys { catalog: Some("one".into()), db_schema: None, table: table.into() };
            rows(&command.batch(&server()).unwrap())
        };
        let exported = |table: &str| {
            let command = CommandGetExportedKeys { catalog: Some("one".into()), db_schema: None, table: table.into() };
            rows(&command.batch(&server()).unwrap())
        };

        assert_eq!(imported("image_actions"), [KEY_OF_ONE]);
        assert_eq!(exported("images"), [KEY_OF_ONE]);
        assert!(imported("images").is_empty() && exported("image_actions").is_empty());
    }

    #[test]
    fn a_cross_reference_needs_both_tables() {
        let between = |parent: &str, child: &str| {
            let command = CommandGetCrossReference {
                pk_catalog: Some("one".into()),
                pk_table: parent.into(),
                fk_table: child.into(),
                ..Default::default()
            };
            rows(&command.batch(&server()).unwrap())
        };

        assert_eq!(between("images", "image_actions"), [KEY_OF_ONE]);
        assert!(between("image_actions", "images").is_empty());
        assert!(between("images", "images").is_empty());
    }
}
