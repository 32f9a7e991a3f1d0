//! Bytes that do not decode are the client's mistake: INVALID_ARGUMENT, with a readable message.

use super::*;

fn invalid(refused: &Status) {
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    readable(refused);
}

#[tokio::test]
async fn an_empty_descriptor_or_ticket_is_rejected() {
    let mut client = start().await.client;

    invalid(&client.get_flight_info(FlightDescriptor::default()).await.unwrap_err());
    invalid(&client.get_schema(FlightDescriptor::new_cmd("")).await.unwrap_err());
    invalid(&client.do_get(Ticket::new("")).await.unwrap_err());
}

#[tokio::test]
async fn a_path_is_rejected() {
    let mut client = start().await.client;

    invalid(&client.get_flight_info(FlightDescriptor::new_path(vec!["images".into()])).await.unwrap_err());
}

#[tokio::test]
async fn an_unknown_command_is_rejected() {
    let mut client = start().await.client;
    let any = Any { type_url: "type.googleapis.com/arrow.flight.protocol.sql.MakeTea".into(), value: Bytes::new() };

    let refused = client.get_flight_info(FlightDescriptor::new_cmd(any.encode_to_vec())).await.unwrap_err();

    invalid(&refused);
    assert!(refused.message().contains("`MakeTea`"), "{refused}");
}

#[tokio::test]
async fn a_command_that_does_not_decode_is_rejected() {
    let mut client = start().await.client;
    let any = Any { value: Bytes::from_static(b"\xff\xff"), ..CommandGetTables::default().as_any() };

    invalid(&client.get_flight_info(FlightDescriptor::new_cmd(any.encode_to_vec())).await.unwrap_err());
}

#[tokio::test]
async fn a_handle_of_another_version_is_rejected_with_its_number() {
    let server = start().await;
    // Field 1, the version, is 7; field 2 is a statement.
    let handle = Bytes::from_static(b"\x08\x07\x12\x08SELECT 1");
    let ticket = TicketStatementQuery { statement_handle: handle.clone() }.as_any().encode_to_vec();

    for refused in
        [server.info(&prepared(&handle)).await.unwrap_err(), server.messages(Ticket::new(ticket)).await.unwrap_err()]
    {
        invalid(&refused);
        assert!(refused.message().contains("version 7"), "{refused}");
    }
}

#[test]
fn random_bytes_are_rejected_in_every_call() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(start());
    let bytes = proptest::collection::vec(any::<u8>(), 0..300);

    proptest!(ProptestConfig::with_cases(64), |(bytes in bytes)| {
        let bytes = Bytes::from(bytes);
        let ticket = TicketStatementQuery { statement_handle: bytes.clone() }.as_any().encode_to_vec();
        runtime.block_on(async {
            invalid(&server.messages(Ticket::new(bytes.clone())).await.unwrap_err());
            invalid(&server.messages(Ticket::new(ticket)).await.unwrap_err());
            invalid(&server.info(&prepared(&bytes)).await.unwrap_err());
            invalid(&server.act("CreatePreparedStatement", bytes.to_vec()).await.unwrap_err());
            // Bytes may happen to be one of these messages.
            for action in ["CancelFlightInfo", "CancelQuery", "RenewFlightEndpoint", "SetSessionOptions"] {
                if let Err(refused) = server.act(action, bytes.to_vec()).await {
                    invalid(&refused);
                }
            }
        });
    });
}

#[tokio::test]
async fn an_unknown_action_is_rejected() {
    invalid(&start().await.act("MakeTea", vec![]).await.unwrap_err());
}

#[tokio::test]
async fn a_put_must_begin_with_a_command() {
    let server = start().await;

    invalid(&server.client.clone().do_put(stream::iter([])).await.unwrap_err());
    invalid(&server.client.clone().do_put(stream::iter([FlightData::new()])).await.unwrap_err());
}

#[tokio::test]
async fn bound_rows_must_be_arrow() {
    let server = start().await;
    let handle = server.handle("SELECT ?").await;
    let data = FlightData::new().with_descriptor(descriptor(&prepared(&handle))).with_data_header("nonsense");

    invalid(&server.client.clone().do_put(stream::iter([data])).await.unwrap_err());
}

#[tokio::test]
async fn a_ticket_is_not_a_descriptor_and_a_statement_is_not_a_ticket() {
    let server = start().await;
    let ticket = TicketStatementQuery { statement_handle: Bytes::new() };

    invalid(&server.info(&ticket).await.unwrap_err());
    invalid(&server.messages(Ticket::new(statement("SELECT 1").as_any().encode_to_vec())).await.unwrap_err());
}
