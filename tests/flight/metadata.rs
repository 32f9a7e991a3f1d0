//! The metadata commands, against the specification's schemas and with their filters.

use super::*;

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn required(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, false)
}

async fn assert_schema(command: &impl ProstMessageExt, specified: Vec<Field>) {
    let server = start().await;
    let specified = Schema::new(specified);

    let info = server.info(command).await.unwrap();

    assert_eq!(server.schema(command).await.unwrap(), specified);
    assert_eq!(*server.rows(&info).await.unwrap().schema(), specified);
    assert!(info.endpoint[0].location.is_empty());
    assert_eq!(info.total_records, -1);
    assert_eq!(info.try_decode_schema().unwrap(), specified);
}

#[tokio::test]
async fn catalogs_have_the_schema_of_the_specification() {
    assert_schema(&CommandGetCatalogs {}, vec![required("catalog_name", DataType::Utf8)]).await;
}

#[tokio::test]
async fn schemas_have_the_schema_of_the_specification() {
    let specified = vec![field("catalog_name", DataType::Utf8), required("db_schema_name", DataType::Utf8)];

    assert_schema(&CommandGetDbSchemas::default(), specified).await;
}

fn tables_fields() -> Vec<Field> {
    vec![
        field("catalog_name", DataType::Utf8),
        field("db_schema_name", DataType::Utf8),
        required("table_name", DataType::Utf8),
        required("table_type", DataType::Utf8),
    ]
}

#[tokio::test]
async fn tables_have_the_schema_of_the_specification() {
    assert_schema(&CommandGetTables::default(), tables_fields()).await;
}

#[tokio::test]
async fn tables_with_their_columns_have_the_schema_of_the_specification() {
    let specified = [tables_fields(), vec![required("table_schema", DataType::Binary)]].concat();

    assert_schema(&CommandGetTables { include_schema: true, ..Default::default() }, specified).await;
}

#[tokio::test]
async fn no_tables_have_the_schema_of_the_specification() {
    let nothing = CommandGetTables { table_types: vec!["CUPBOARD".into()], ..Default::default() };

    assert_schema(&nothing, tables_fields()).await;
}

#[tokio::test]
async fn table_types_have_the_schema_of_the_specification() {
    assert_schema(&CommandGetTableTypes {}, vec![required("table_type", DataType::Utf8)]).await;
}

fn foreign_key_fields() -> Vec<Field> {
    vec![
        field("pk_catalog_name", DataType::Utf8),
        field("pk_db_schema_name", DataType::Utf8),
        required("pk_table_name", DataType::Utf8),
        required("pk_column_name", DataType::Utf8),
        field("fk_catalog_name", DataType::Utf8),
        field("fk_db_schema_name", DataType::Utf8),
        required("fk_table_name", DataType::Utf8),
        required("fk_column_name", DataType::Utf8),
        required("key_sequence", DataType::Int32),
        field("fk_key_name", DataType::Utf8),
        field("pk_key_name", DataType::Utf8),
        required("update_rule", DataType::UInt8),
        required("delete_rule", DataType::UInt8),
    ]
}

#[tokio::test]
async fn keys_have_the_schemas_of_the_specification() {
    let primary = vec![
        field("catalog_name", DataType::Utf8),
        field("db_schema_name", DataType::Utf8),
        required("table_name", DataType::Utf8),
        required("column_name", DataType::Utf8),
        field("key_name", DataType::Utf8),
        required("key_sequence", DataType::Int32),
    ];

    assert_schema(&CommandGetPrimaryKeys { table: "images".into(), ..Default::default() }, primary).await;
    assert_schema(&CommandGetImportedKeys::default(), foreign_key_fields()).await;
    assert_schema(&CommandGetExportedKeys::default(), foreign_key_fields()).await;
    assert_schema(&CommandGetCrossReference::default(), foreign_key_fields()).await;
}

#[tokio::test]
async fn the_keys_of_a_table_are_those_of_its_declaration() {
    let server = start().await;
    let table = || "image_actions".to_owned();

    let primary = server.ask(&CommandGetPrimaryKeys { table: table(), ..Default::default() }).await.unwrap();
    let imported = server.ask(&CommandGetImportedKeys { table: table(), ..Default::default() }).await.unwrap();
    let exported = server.ask(&CommandGetExportedKeys { table: "images".into(), ..Default::default() }).await.unwrap();

    assert_eq!(texts(&primary, 0)[0], "digitalocean");
    assert!(texts(&primary, 3).contains(&"id".to_owned()), "{:?}", texts(&primary, 3));
    let columns = |keys: &RecordBatch| [2, 3, 6, 7].map(|column| texts(keys, column)[0].clone());
    assert_eq!(columns(&imported), ["images", "id", "image_actions", "image_id"]);
    assert!(texts(&exported, 6).contains(&table()), "{:?}", texts(&exported, 6));
    let none = server.ask(&CommandGetPrimaryKeys { table: "no_table".into(), ..Default::default() }).await.unwrap();
    assert_eq!(none.num_rows(), 0);
}

#[tokio::test]
async fn sql_info_has_the_schema_of_the_specification() {
    let list = |values| DataType::List(Field::new_list_field(values, true).into());
    let entry = Fields::from(vec![required("key", DataType::Int32), field("value", list(DataType::Int32))]);
    let map = DataType::Map(required("entries", DataType::Struct(entry)).into(), false);
    let values = UnionFields::from_fields([
        required("string_value", DataType::Utf8),
        required("bool_value", DataType::Boolean),
        required("bigint_value", DataType::Int64),
        required("int32_bitmask", DataType::Int32),
        field("string_list", list(DataType::Utf8)),
        field("int32_to_int32_list_map", map),
    ]);
    let value = required("value", DataType::Union(values, UnionMode::Dense));

    assert_schema(&CommandGetSqlInfo::default(), vec![required("info_name", DataType::UInt32), value]).await;
}

#[tokio::test]
async fn types_have_the_schema_of_the_specification() {
    let parameters = DataType::List(Field::new_list_field(DataType::Utf8, false).into());
    let specified = vec![
        required("type_name", DataType::Utf8),
        required("data_type", DataType::Int32),
        field("column_size", DataType::Int32),
        field("literal_prefix", DataType::Utf8),
        field("literal_suffix", DataType::Utf8),
        field("create_params", parameters),
        required("nullable", DataType::Int32),
        required("case_sensitive", DataType::Boolean),
        required("searchable", DataType::Int32),
        field("unsigned_attribute", DataType::Boolean),
        required("fixed_prec_scale", DataType::Boolean),
        field("auto_increment", DataType::Boolean),
        field("local_type_name", DataType::Utf8),
        field("minimum_scale", DataType::Int32),
        field("maximum_scale", DataType::Int32),
        required("sql_data_type", DataType::Int32),
        field("datetime_subcode", DataType::Int32),
        field("num_prec_radix", DataType::Int32),
        field("interval_precision", DataType::Int32),
    ];

    assert_schema(&CommandGetXdbcTypeInfo::default(), specified).await;
}

#[tokio::test]
async fn catalogs_are_listed_by_name() {
    let catalogs = texts(&start().await.ask(&CommandGetCatalogs {}).await.unwrap(), 0);

    assert!(catalogs.contains(&"digitalocean".to_owned()), "{catalogs:?}");
    assert!(catalogs.is_sorted());
}

async fn schemas(catalog: Option<&str>, pattern: Option<&str>) -> Vec<String> {
    let command = CommandGetDbSchemas {
        catalog: catalog.map(str::to_owned),
        db_schema_filter_pattern: pattern.map(str::to_owned),
    };
    texts(&start().await.ask(&command).await.unwrap(), 1)
}

#[tokio::test]
async fn schemas_are_listed_with_and_without_a_catalog() {
    for catalog in [None, Some("digitalocean")] {
        let found = schemas(catalog, None).await;
        assert!(found.contains(&"compute".to_owned()), "{found:?}");
        assert!(found.contains(&"information_schema".to_owned()), "{found:?}");
    }
}

/// Superset ignores catalogs, and shows a schema of each of them.
#[tokio::test]
async fn the_system_schema_is_listed_once() {
    let listed = schemas(None, Some("information_schema")).await;

    assert_eq!(listed, ["information_schema"]);
    assert_eq!(
        schemas(Some("oceanflight"), None).await,
        ["information_schema", "meta"],
        "the client names the catalog"
    );
}

#[tokio::test]
async fn schemas_are_found_by_a_pattern() {
    assert_eq!(schemas(Some("digitalocean"), Some("comp%")).await, ["compute"]);
    assert_eq!(schemas(None, Some("c_mpute")).await, ["compute"]);
    assert_eq!(schemas(None, Some("COMPUTE")).await, Vec::<String>::new());
}

#[tokio::test]
async fn no_schema_is_without_a_catalog() {
    assert_eq!(schemas(Some(""), None).await, Vec::<String>::new());
    assert_eq!(schemas(Some("elsewhere"), None).await, Vec::<String>::new());
}

fn all_tables() -> CommandGetTables {
    CommandGetTables::default()
}

async fn tables(command: CommandGetTables) -> Vec<String> {
    let rows = start().await.ask(&command).await.unwrap();
    let names = [0, 1, 2, 3].map(|column| texts(&rows, column));
    (0..rows.num_rows()).map(|row| names.iter().map(|name| name[row].as_str()).collect::<Vec<_>>().join(".")).collect()
}

const IMAGE_ACTIONS: &str = "digitalocean.compute.image_actions.TABLE";

#[tokio::test]
async fn tables_are_listed_with_and_without_a_catalog() {
    for catalog in [None, Some("digitalocean".to_owned())] {
        let found = tables(CommandGetTables { catalog, ..all_tables() }).await;

        assert!(found.contains(&IMAGE_ACTIONS.to_owned()), "{found:?}");
        assert!(found.contains(&"digitalocean.information_schema.tables.VIEW".to_owned()), "{found:?}");
        assert!(found.is_sorted());
    }
}

#[tokio::test]
async fn tables_are_found_by_patterns() {
    for pattern in ["image_actions", "image\\_actions", "image_action_", "im%ns"] {
        let table_name_filter_pattern = Some(pattern.to_owned());
        let db_schema_filter_pattern = Some("comp%".to_owned());
        let command = CommandGetTables { table_name_filter_pattern, db_schema_filter_pattern, ..all_tables() };

        assert_eq!(tables(command).await, [IMAGE_ACTIONS], "{pattern}");
    }
    for pattern in ["image", "", "IMAGE_ACTIONS", "image\\__ctions_"] {
        let command = CommandGetTables { table_name_filter_pattern: Some(pattern.to_owned()), ..all_tables() };

        assert_eq!(tables(command).await, Vec::<String>::new(), "{pattern}");
    }
}

#[tokio::test]
async fn a_catalog_is_not_a_pattern() {
    for catalog in ["", "digital%", "elsewhere"] {
        let command = CommandGetTables { catalog: Some(catalog.to_owned()), ..all_tables() };

        assert_eq!(tables(command).await, Vec::<String>::new(), "{catalog}");
    }
}

#[tokio::test]
async fn every_tables_type_is_a_table_type() {
    let server = start().await;

    let types = texts(&server.ask(&CommandGetTableTypes {}).await.unwrap(), 0);

    assert_eq!(types, ["TABLE", "VIEW"]);
    let found = texts(&server.ask(&all_tables()).await.unwrap(), 3);
    assert!(found.iter().all(|found| types.contains(found)), "{found:?}");
}

#[tokio::test]
async fn a_tables_columns_are_those_of_its_rows() {
    let server = start().await;
    let command = CommandGetTables {
        db_schema_filter_pattern: Some("information\\_schema".into()),
        table_name_filter_pattern: Some("columns".into()),
        include_schema: true,
        ..all_tables()
    };

    let rows = server.ask(&command).await.unwrap();

    let columns = decoded(Bytes::copy_from_slice(rows.column(4).as_binary::<i32>().value(0)));
    let result = server.schema(&statement("SELECT * FROM information_schema.columns")).await.unwrap();
    let plain = |schema: &Schema| {
        // All columns of a result are nullable, also those that are NOT NULL in the table.
        let field = |field: &arrow::datatypes::FieldRef| {
            field.as_ref().clone().with_metadata(Default::default()).with_nullable(true)
        };
        schema.fields().iter().map(field).collect::<Vec<_>>()
    };
    assert_eq!(plain(&columns), plain(&result));
}

#[tokio::test]
async fn a_column_is_described_in_its_metadata() {
    let command = CommandGetTables {
        table_name_filter_pattern: Some("image\\_actions".into()),
        include_schema: true,
        ..all_tables()
    };

    let rows = start().await.ask(&command).await.unwrap();

    let columns = decoded(Bytes::copy_from_slice(rows.column(4).as_binary::<i32>().value(0)));
    for column in columns.fields() {
        let of = |key: &str| column.metadata().get(&format!("ARROW:FLIGHT:SQL:{key}")).map(String::as_str);
        assert_eq!(of("CATALOG_NAME"), Some("digitalocean"));
        assert_eq!(of("SCHEMA_NAME"), Some("compute"));
        assert_eq!(of("TABLE_NAME"), Some("image_actions"));
        assert!(of("TYPE_NAME").is_some(), "{column}");
        assert!(of("REMARKS").is_some_and(|remarks| !remarks.is_empty()), "{column}");
    }
    assert_eq!(columns.field(0).metadata()["ARROW:FLIGHT:SQL:TYPE_NAME"], "BIGINT");
}

#[tokio::test]
async fn sql_info_returns_the_requested_ids() {
    let server = start().await;

    let some = server.ask(&CommandGetSqlInfo { info: vec![8, 0] }).await.unwrap();
    let every = server.ask(&CommandGetSqlInfo::default()).await.unwrap();

    let ids = some.column(0).as_primitive::<arrow::datatypes::UInt32Type>();
    assert_eq!(ids.values(), &[0, 8]);
    assert_eq!(every.num_rows(), 91);
}

#[tokio::test]
async fn a_type_is_found_by_its_number() {
    let bigint = start().await.ask(&CommandGetXdbcTypeInfo { data_type: Some(-5) }).await.unwrap();

    assert_eq!(texts(&bigint, 0), ["BIGINT"]);
}
