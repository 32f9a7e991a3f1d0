//! Statements as text: GetFlightInfo, GetSchema, DoGet.

use super::*;

#[tokio::test]
async fn every_call_returns_the_same_schema() {
    let server = start().await;
    for sql in [
        "SELECT 1",
        "SELECT 1 AS a, 'x' AS b, NULL AS c, now() AS d",
        "SELECT arrow_cast('x', 'Dictionary(Int32, Utf8)') AS d, arrow_cast('y', 'Utf8View') AS v",
        "SELECT named_struct('a', [1, 2], 'b', 'x') AS s",
        TABLES,
        "SELECT * FROM information_schema.columns",
    ] {
        let info = server.info(&statement(sql)).await.unwrap();
        let schema = info.clone().try_decode_schema().unwrap();

        assert_eq!(server.schema(&statement(sql)).await.unwrap(), schema, "{sql}");
        assert_eq!(*server.rows(&info).await.unwrap().schema(), schema, "{sql}");
        assert_eq!(decoded(server.prepare(sql).await.unwrap().dataset_schema), schema, "{sql}");
    }
}

#[tokio::test]
async fn a_result_without_rows_has_its_schema() {
    let server = start().await;
    let info = server.info(&statement("SELECT 1 AS a, 'x' AS b WHERE false")).await.unwrap();

    let messages = server.messages(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();

    let schema = Schema::try_from(&messages[0]).unwrap();
    assert_eq!(schema, info.try_decode_schema().unwrap());
    assert_eq!(schema.fields().len(), 2);
}

#[tokio::test]
async fn small_batches_are_joined_before_they_are_sent() {
    const DICTIONARY: &str =
        "SELECT arrow_cast(CAST(value AS TEXT), 'Dictionary(Int8, Utf8)') AS x FROM generate_series";
    let server = start().await;
    let parts: Vec<_> = (0..20).map(|n| format!("{DICTIONARY}({}, {})", n * 100 + 1, n * 100 + 100)).collect();
    let info = server.info(&statement(&parts.join(" UNION ALL "))).await.unwrap();

    let messages = server.messages(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();

    let rows = server.rows(&info).await.unwrap();
    assert_eq!(rows.num_rows(), 2_000, "each part has a dictionary of its own, and one for all would be too large");
    // A schema, the first batch, and those that come after 50 ms on a slow machine.
    assert!(messages.len() < 15, "{} messages", messages.len());
}

#[tokio::test]
async fn a_ticket_can_be_read_twice() {
    let server = start().await;
    let info = server.info(&statement(TABLES)).await.unwrap();

    let first = server.rows(&info).await.unwrap();

    assert_eq!(first.num_rows(), 1);
    assert_eq!(server.rows(&info).await.unwrap(), first);
}

#[tokio::test]
async fn a_ticket_works_at_another_server() {
    let info = start().await.info(&statement(TABLES)).await.unwrap();

    assert_eq!(start().await.rows(&info).await.unwrap().num_rows(), 1);
}

#[tokio::test]
async fn an_info_has_one_endpoint_without_a_location() {
    let server = start().await;

    let info = server.info(&statement("SELECT 1")).await.unwrap();

    assert_eq!((info.endpoint.len(), info.total_records, info.total_bytes), (1, -1, -1));
    assert!(info.endpoint[0].location.is_empty());
    assert_eq!(info.flight_descriptor, Some(descriptor(&statement("SELECT 1"))));
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    assert!(Any::decode(ticket.ticket).unwrap().is::<TicketStatementQuery>());
}

#[tokio::test]
async fn many_rows_all_arrive() {
    let server = start().await;

    let rows = server.ask(&statement("SELECT unnest(range(0, 300000)) AS value")).await.unwrap();

    assert_eq!(rows.num_rows(), 300_000);
}

#[tokio::test]
async fn rows_without_columns_are_counted() {
    let server = start().await;

    let rows = server.ask(&statement("SELECT count(*) FROM information_schema.schemata")).await.unwrap();

    assert!(rows.column(0).as_primitive::<Int64Type>().value(0) > 0);
}

#[tokio::test]
async fn a_mistake_is_an_error_of_get_flight_info_with_its_code() {
    let server = start().await;
    for (sql, code, word) in [
        ("SELEC 1", Code::InvalidArgument, "SELEC"),
        ("", Code::InvalidArgument, ""),
        ("SELECT nothing FROM information_schema.tables", Code::InvalidArgument, "nothing"),
        ("SELECT * FROM image_action", Code::InvalidArgument, "image_actions"),
        ("DROP TABLE images", Code::InvalidArgument, ""),
        ("SELECT ?", Code::InvalidArgument, "1"),
    ] {
        let refused = server.info(&statement(sql)).await.unwrap_err();
        let schema_error = server.schema(&statement(sql)).await.unwrap_err();

        assert_eq!(refused.code(), code, "{sql}: {refused}");
        assert!(readable(&refused).contains(word), "{sql}: {refused}");
        assert_eq!((schema_error.code(), schema_error.message()), (refused.code(), refused.message()), "{sql}");
    }
}

#[tokio::test]
async fn an_error_has_its_hint_on_a_separate_line() {
    let server = start().await;

    let refused = server.info(&statement("SELECT * FROM image_action")).await.unwrap_err();

    let hint = refused.message().lines().last().unwrap();
    assert!(hint.starts_with("hint: "), "{refused}");
    assert!(hint.contains("image_actions"), "{refused}");
}

#[tokio::test]
async fn a_statement_has_at_most_a_mebibyte() {
    let server = start().await;
    let of = |bytes: usize| format!("SELECT 1 -- {}", "x".repeat(bytes));

    assert_eq!(server.info(&statement(&of(1 << 19))).await.unwrap().endpoint.len(), 1);
    // Larger than tonic's default limit, too: the error is that of the setting.
    let refused = server.info(&statement(&of(5 << 20))).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("raise query.max_statement_bytes"), "{refused}");
}

#[tokio::test]
async fn a_statement_in_a_transaction_is_rejected() {
    let server = start().await;
    let in_transaction = |id: &'static [u8]| CommandStatementQuery {
        query: "SELECT 1".into(),
        transaction_id: Some(Bytes::from_static(id)),
    };

    assert_eq!(server.info(&in_transaction(b"7")).await.unwrap_err().code(), Code::Unimplemented);
    assert!(server.info(&in_transaction(b"")).await.is_ok());
}

#[tokio::test]
async fn a_stream_ends_with_unavailable_when_the_server_stops() {
    let server = start().await;
    let info = server.info(&statement(ENDLESS)).await.unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let mut rows = server.client.clone().do_get(ticket).await.unwrap().into_inner();
    rows.message().await.unwrap();

    server.stop.send(true).unwrap();

    let stopped = loop {
        match rows.message().await {
            Ok(message) => assert!(message.is_some(), "it ended as if it were whole"),
            Err(status) => break status,
        }
    };
    assert_eq!((stopped.code(), stopped.message()), (Code::Unavailable, "the server is stopping"));
}
