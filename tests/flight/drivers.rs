//! Clients that no registry has: the calls that they make, in their order, and whether they can read what is returned.
//!
//! The calls of ODBC's driver were read in its source (apache/arrow, cpp/src/arrow/flight/sql/odbc), those of Grafana in
//! its plugin for Flight SQL.

use std::collections::BTreeSet;

use arrow_flight::HandshakeRequest;
use arrow_flight::sql::CommandGetTableTypes;

use super::sessions::Client;
use super::*;

/// Statements with types that DataFusion's results have, and for which the wire has others in place of those that clients
/// cannot read. Left out are decimals of more than 38 digits, binaries of a fixed size, and unions: no other type has their
/// values.
const TYPES: [&str; 5] = [
    "SELECT true AS a, CAST(1 AS TINYINT) AS b, CAST(1 AS SMALLINT) AS c, CAST(1 AS INT) AS d, CAST(1 AS BIGINT) AS e, \
     CAST(1 AS REAL) AS f, CAST(1 AS DOUBLE) AS g, CAST(1 AS DECIMAL(10, 2)) AS h, 'x' AS i, CAST('x' AS BYTEA) AS j, \
     DATE '2026-01-01' AS k, TIME '01:02:03' AS l, TIMESTAMP '2026-01-01' AS m, now() AS n",
    "SELECT NULL AS a, arrow_cast('x', 'LargeUtf8') AS b, arrow_cast('x', 'Utf8View') AS c, \
     arrow_cast('x', 'LargeBinary') AS d, arrow_cast('x', 'BinaryView') AS e, arrow_cast('x', 'Dictionary(Int32, Utf8)') AS f, \
     arrow_cast(1, 'UInt64') AS g, arrow_cast(1, 'UInt8') AS h, arrow_cast(1, 'Float16') AS i, row_number() OVER () AS j",
    "SELECT arrow_cast(1, 'UInt16') AS a, arrow_cast(1, 'UInt32') AS b, arrow_cast('01:02:03', 'Time32(Second)') AS c, \
     arrow_cast(now(), 'Date64') AS d, arrow_cast(make_array(1), 'LargeList(Int64)') AS e, \
     arrow_cast(now(), 'Timestamp(Second, None)') AS f",
    "SELECT INTERVAL '1 day' AS a, arrow_cast(90, 'Duration(Second)') AS b",
    "SELECT make_array(1) AS a, named_struct('x', 1) AS b, map(make_array('x'), make_array(1)) AS c, \
     arrow_cast(make_array(1), 'FixedSizeList(1, Int64)') AS d",
];

/// The number of ids that the specification has.
const SQL_INFOS: usize = 91;

/// All tables of all catalogs.
async fn tables(client: &Client) -> Vec<String> {
    let listed = client.ask(&CommandGetTables::default()).await.unwrap();
    let names = [0, 1, 2].map(|column| texts(&listed, column));
    let name = |row: usize| names.each_ref().map(|name| name[row].as_str()).join(".");
    let tables: Vec<String> = (0..listed.num_rows()).map(name).collect();
    assert!(tables.len() > 15, "{tables:?}");
    tables
}

/// The schema of a statement's rows.
async fn schema_of(client: &Client, sql: &str) -> Schema {
    let info = client.info(&statement(sql)).await.unwrap_or_else(|refused| panic!("{sql}: {refused}"));
    decoded(info.schema)
}

/// The types that ODBC's driver converts to C types. It has none for Null, intervals, large and view types, decimals of
/// 256 bits, half floats and binaries of a fixed size.
fn odbc_reads(data_type: &DataType) -> bool {
    match data_type {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Utf8
        | DataType::Binary
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(..)
        | DataType::Decimal128(..)
        // As text in JSON.
        | DataType::Struct(_)
        | DataType::List(_)
        | DataType::FixedSizeList(..)
        | DataType::Map(..) => true,
        _ => false,
    }
}

/// Checks that the driver can read every column. If one field has metadata, the driver reads these keys from each, and does
/// not check that they are there.
fn check_odbc(schema: &Schema, what: &str) {
    const KEYS: [&str; 10] = [
        "CATALOG_NAME",
        "SCHEMA_NAME",
        "TABLE_NAME",
        "TYPE_NAME",
        "IS_AUTO_INCREMENT",
        "IS_CASE_SENSITIVE",
        "IS_READ_ONLY",
        "IS_SEARCHABLE",
        "PRECISION",
        "SCALE",
    ];
    let keys = |field: &Field| -> BTreeSet<&str> {
        let has = |key: &&str| field.metadata().contains_key(&format!("ARROW:FLIGHT:SQL:{key}"));
        KEYS.into_iter().filter(has).collect()
    };
    // The last two are looked up only for types that have them, such as decimals.
    let required = KEYS[..8].iter().copied().collect::<BTreeSet<_>>();
    for field in schema.fields() {
        assert!(odbc_reads(field.data_type()), "{what}: {field}");
        assert!(keys(field).is_superset(&required), "{what}: {field}");
        if matches!(field.data_type(), DataType::Decimal128(..)) {
            assert_eq!(keys(field).len(), KEYS.len(), "{what}: {field}");
        }
    }
}

/// A client with the options that docs/clients recommends for ODBC.
async fn odbc(server: &Running) -> Client {
    Client::connect(server.address()).await.with("intervals", "text")
}

#[tokio::test]
async fn odbc_reads_the_columns_of_every_result() {
    let client = odbc(&start().await).await;

    for table in tables(&client).await {
        check_odbc(&schema_of(&client, &format!("SELECT * FROM {table}")).await, &table);
    }
    for sql in TYPES {
        check_odbc(&schema_of(&client, sql).await, sql);
    }
}

#[tokio::test]
async fn the_calls_of_odbc() {
    let server = start().await;
    // SQLDriverConnect with TOKEN=: a handshake.
    let client = odbc(&server).await.with("authorization", "Bearer dop_v1_any");
    let handshake = client.request(stream::iter([HandshakeRequest::default()]));
    let answered = client.service.clone().handshake(handshake).await.unwrap();
    answered.into_inner().try_collect::<Vec<_>>().await.unwrap();

    // SQLGetInfo, SQLGetTypeInfo.
    let infos = client.ask(&CommandGetSqlInfo::default()).await.unwrap();
    assert_eq!(infos.num_rows(), SQL_INFOS);
    assert!(client.ask(&CommandGetXdbcTypeInfo::default()).await.unwrap().num_rows() > 10);

    // SQLTables for catalogs, schemas and types, and for tables.
    assert!(texts(&client.ask(&CommandGetCatalogs {}).await.unwrap(), 0).contains(&"digitalocean".to_owned()));
    let schemas = CommandGetDbSchemas { catalog: None, db_schema_filter_pattern: Some("%".into()) };
    assert!(texts(&client.ask(&schemas).await.unwrap(), 1).contains(&"compute".to_owned()));
    assert_eq!(texts(&client.ask(&CommandGetTableTypes {}).await.unwrap(), 0), ["TABLE", "VIEW"]);
    let all = || Some("%".to_owned());
    let tables = CommandGetTables {
        catalog: all(),
        db_schema_filter_pattern: all(),
        table_name_filter_pattern: all(),
        table_types: vec!["TABLE".into()],
        include_schema: false,
    };
    assert!(texts(&client.ask(&tables).await.unwrap(), 2).contains(&"image_actions".to_owned()));

    // SQLColumns.
    let columns =
        CommandGetTables { include_schema: true, table_name_filter_pattern: Some("image\\_actions".into()), ..tables };
    let described = client.ask(&columns).await.unwrap();
    let schema = described.column(4).as_binary::<i32>().value(0).to_vec();
    check_odbc(&decoded(schema.into()), "GetTables");

    // SQLExecDirect, SQLFetch, SQLFreeStmt before the last row.
    let create = ActionCreatePreparedStatementRequest { query: ENDLESS.into(), transaction_id: None };
    let (created, _) = client.act("CreatePreparedStatement", create.as_any().encode_to_vec()).await.unwrap();
    let created: ActionCreatePreparedStatementResult = Any::decode(created).unwrap().unpack().unwrap().unwrap();
    let handle = created.prepared_statement_handle;
    let info = client.info(&prepared(&handle)).await.unwrap();
    assert_eq!(decoded(info.schema.clone()), decoded(created.dataset_schema));
    let ticket = client.request(info.endpoint[0].ticket.clone().unwrap());
    let mut messages = client.service.clone().do_get(ticket).await.unwrap().into_inner();
    assert!(messages.message().await.unwrap().is_some());
    drop(messages);
    let close = ActionClosePreparedStatementRequest { prepared_statement_handle: handle };
    let closed =
        client.request(Action { r#type: "ClosePreparedStatement".into(), body: close.as_any().encode_to_vec().into() });
    client.service.clone().do_action(closed).await.unwrap();
}

/// The types that Grafana's plugin converts to its own.
fn grafana_reads(data_type: &DataType) -> bool {
    odbc_reads(data_type) && !data_type.is_nested()
}

#[tokio::test]
async fn the_calls_of_grafana() {
    let server = start().await;
    let client = Client::connect(server.address()).await.with("nested", "json").with("intervals", "text");

    // The health check.
    assert_eq!(client.ask(&CommandGetSqlInfo::default()).await.unwrap().num_rows(), SQL_INFOS);

    // The query builder: tables, then columns.
    let tables = CommandGetTables { table_types: vec!["BASE TABLE".into()], ..Default::default() };
    let listed = client.ask(&tables).await.unwrap();
    assert!(texts(&listed, 2).contains(&"image_actions".to_owned()));
    for table in self::tables(&client).await {
        let columns = schema_of(&client, &format!("SELECT * FROM {table}")).await;
        for column in columns.fields() {
            assert!(grafana_reads(column.data_type()), "{table}: {column}");
        }
    }

    // A panel: GetFlightInfo of a statement, and DoGet of its first endpoint.
    for sql in TYPES {
        let info = client.info(&statement(sql)).await.unwrap();
        assert_eq!(info.endpoint.len(), 1, "{sql}");
        assert!(info.endpoint[0].location.is_empty(), "{sql}");
        let rows = client.ask(&statement(sql)).await.unwrap_or_else(|refused| panic!("{sql}: {refused}"));
        for column in rows.schema().fields() {
            assert!(grafana_reads(column.data_type()), "{sql}: {column}");
        }
    }
}
