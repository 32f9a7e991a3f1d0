//! The client of `oceanflight query --server`.

use super::*;

#[tokio::test]
async fn a_statement_returns_its_schema_and_rows() {
    let server = start().await;
    let address = server.address.replace("http", "grpc");

    let remote = flight::client::query(&address, TABLES, None).await.unwrap();

    let rows: Vec<RecordBatch> = remote.rows.try_collect().await.unwrap();
    assert_eq!(rows[0].schema(), remote.schema);
    assert!(remote.notes.get().is_empty());
    assert_eq!(texts(&rows[0], 1), ["image_actions"]);
}

#[tokio::test]
async fn an_error_keeps_its_kind_message_and_hint() {
    let server = start().await;

    let refused = flight::client::query(&server.address, "SELECT * FROM image_action", None).await.err().unwrap();

    assert_eq!(refused.kind(), Kind::InvalidArgument);
    assert!(!refused.to_string().contains("hint:"), "{refused}");
    assert!(refused.hint().unwrap().contains("image_actions"), "{refused}");
}

#[tokio::test]
async fn a_missing_server_is_unavailable() {
    let unbound = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();

    let failed = flight::client::query(&format!("grpc://{unbound}"), "SELECT 1", None).await.err().unwrap();

    assert_eq!(failed.kind(), Kind::Unavailable);
}
